#include "posix-acl.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

static const char *kind_of(uint16_t tag) {
        switch (tag) {
        case ACL_USER_OBJ:
        case ACL_USER:
                return "user:";
        case ACL_GROUP_OBJ:
        case ACL_GROUP:
                return "group:";
        case ACL_MASK:
                return "mask:";
        case ACL_OTHER:
                return "other:";
        default:
                return NULL;
        }
}

static struct posix_acl_xattr_entry entry_at(struct bytes attribute, size_t i) {
        struct posix_acl_xattr_entry entry;

        memcpy(&entry, attribute.data + sizeof(struct posix_acl_xattr_header) + i * sizeof(entry), sizeof(entry));
        entry.e_tag = le16toh(entry.e_tag);
        entry.e_perm = le16toh(entry.e_perm);
        entry.e_id = le32toh(entry.e_id);
        return entry;
}

int posix_acl_append(struct buffer *buffer, struct bytes attribute, const char *prefix) {
        struct posix_acl_xattr_header header;
        const char *separator = "";
        size_t count;

        if (attribute.size < sizeof(header) || (attribute.size - sizeof(header)) % sizeof(struct posix_acl_xattr_entry))
                return -EBADMSG;
        memcpy(&header, attribute.data, sizeof(header));
        if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION)
                return -EBADMSG;
        count = (attribute.size - sizeof(header)) / sizeof(struct posix_acl_xattr_entry);
        for (size_t i = 0; i < count; i++) {
                const struct posix_acl_xattr_entry entry = entry_at(attribute, i);

                if (!kind_of(entry.e_tag) || entry.e_perm > (ACL_READ | ACL_WRITE | ACL_EXECUTE))
                        return -EBADMSG;
        }

        for (size_t i = 0; i < count; i++) {
                const struct posix_acl_xattr_entry entry = entry_at(attribute, i);

                buffer_printf(buffer, "%s%s%s", separator, prefix, kind_of(entry.e_tag));
                if (entry.e_tag == ACL_USER || entry.e_tag == ACL_GROUP)
                        buffer_printf(buffer, "%u", entry.e_id);
                buffer_printf(buffer, ":%c%c%c", entry.e_perm & ACL_READ ? 'r' : '-', entry.e_perm & ACL_WRITE ? 'w' : '-',
                              entry.e_perm & ACL_EXECUTE ? 'x' : '-');
                separator = " ";
        }
        return 0;
}
