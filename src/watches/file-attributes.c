#include "file-attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fsverity.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "blake2b.h"
#include "fd.h"
#include "file-capabilities.h"
#include "file-record.h"
#include "posix-acl.h"

enum {
        FIRST_TRY = 256,                /* bytes: enough for most lists and values, so that one call does */
        DIGEST_KEPT = 16,
        DIGEST_LARGEST = 64,
};

static const struct {
        uint64_t bit;
        const char *name;
} flags[] = {
        { STATX_ATTR_IMMUTABLE, "immutable" }, { STATX_ATTR_APPEND, "append-only" }, { STATX_ATTR_NODUMP, "nodump" },
        { STATX_ATTR_ENCRYPTED, "encrypted" }, { STATX_ATTR_VERITY, "verity" },
};

void file_attributes_done(struct file_attributes *attributes) {
        buffer_done(&attributes->capabilities);
        buffer_done(&attributes->acl);
        buffer_done(&attributes->others);
        buffer_done(&attributes->label);
        buffer_done(&attributes->verity);
        buffer_done(&attributes->names);
        buffer_done(&attributes->value);
}

void file_attributes_clear(struct file_attributes *attributes) {
        buffer_clear(&attributes->capabilities);
        buffer_clear(&attributes->acl);
        buffer_clear(&attributes->others);
        buffer_clear(&attributes->label);
        buffer_clear(&attributes->verity);
}

const char *file_attributes_flags(const struct statx *stat) {
        static _Thread_local char text[64];
        char *end = text;

        if (!(stat->stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP | STATX_ATTR_ENCRYPTED | STATX_ATTR_VERITY)))
                return NULL; /* nearly always, and asked of every file */
        for (size_t i = 0; i < ELEMENTS(flags); i++)
                if (stat->stx_attributes & flags[i].bit) {
                        if (end != text)
                                *end++ = ' ';
                        end = stpcpy(end, flags[i].name);
                }
        return end == text ? NULL : text;
}

/* Either call says how much there is when asked with no room; between two calls that may grow. */
static int read_all(const char *path, const char *name, struct buffer *ret) {
        enum { TRIES = 8 };
        size_t room = FIRST_TRY;

        for (int i = 0; i < TRIES; i++) {
                ssize_t n;
                uint8_t *place;

                buffer_clear(ret);
                place = buffer_room(ret, room);
                if (!place)
                        return -ENOMEM;
                n = name ? lgetxattr(path, name, place, room) : llistxattr(path, (char *)place, room);
                if (n >= 0) {
                        ret->size += (size_t)n;
                        return 0;
                }
                if (errno != ERANGE)
                        return -errno;
                n = name ? lgetxattr(path, name, NULL, 0) : llistxattr(path, NULL, 0);
                if (n < 0)
                        return -errno;
                room = (size_t)n + FIRST_TRY;
        }
        return -EAGAIN;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void append_digest(struct buffer *buffer, struct bytes data) {
        uint8_t digest[BLAKE2B_SIZE];

        blake2b_bytes(data.data, data.size, digest);
        for (size_t i = 0; i < DIGEST_KEPT; i++)
                buffer_printf(buffer, "%02x", digest[i]);
}

static void begin_word(struct buffer *words) {
        if (words->size)
                buffer_append_byte(words, ' ');
}

static void add_other(struct file_attributes *ret, const char *name) {
        begin_word(&ret->others);
        for (; *name; name++)
                if (*name == ' ' || *name == '\\') /* it stays one word */
                        buffer_printf(&ret->others, "\\x%02x", (unsigned)*name);
                else
                        buffer_append_byte(&ret->others, (uint8_t)*name);
        buffer_append_byte(&ret->others, '=');
        append_digest(&ret->others, buffer_bytes(&ret->value));
}

/* What makes no sense to us is shown as any other attribute: the kernel may have learnt a new form. */
static void add(struct file_attributes *ret, const char *name) {
        struct bytes value = buffer_bytes(&ret->value);

        if (strcmp(name, "security.capability") == 0 && file_capabilities_append(&ret->capabilities, value) == 0)
                return;
        if (strcmp(name, "security.selinux") == 0) {
                while (value.size && value.data[value.size - 1] == '\0')
                        value.size--;
                buffer_append_bytes(&ret->label, value);
                return;
        }
        if (strcmp(name, "system.posix_acl_access") == 0 && posix_acl_append(&ret->acl, value, "") == 0)
                return;
        if (strcmp(name, "system.posix_acl_default") == 0) {
                size_t before = ret->acl.size;

                begin_word(&ret->acl);
                if (posix_acl_append(&ret->acl, value, "default:") == 0 && ret->acl.size > before + 1)
                        return;
                buffer_truncate(&ret->acl, before);
        }
        add_other(ret, name);
}

static int sort_names(struct buffer *names, const char ***ret, size_t *ret_count) {
        const char *text = (const char *)names->data;
        const char **sorted;
        size_t count = 0;

        for (size_t i = 0; i < names->size; i++)
                count += names->data[i] == '\0';
        sorted = calloc(count + 1, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0, at = 0; i < count; i++) {
                sorted[i] = text + at;
                at += strlen(text + at) + 1;
        }
        qsort(sorted, count, sizeof(*sorted), compare_names);
        *ret = sorted;
        *ret_count = count;
        return 0;
}

static int read_values(const char *path, struct file_attributes *ret) {
        _cleanup_free_ const char **names = NULL;
        size_t count;
        int r;

        r = sort_names(&ret->names, &names, &count);
        if (r < 0)
                return r;
        for (size_t i = 0; i < count && i < FILE_ATTRIBUTES_MAX; i++) {
                r = read_all(path, names[i], &ret->value);
                if (r == -ENODATA) /* removed since */
                        continue;
                if (r < 0)
                        return r;
                add(ret, names[i]);
        }
        if (count > FILE_ATTRIBUTES_MAX) {
                buffer_clear(&ret->value);
                for (size_t i = FILE_ATTRIBUTES_MAX; i < count; i++)
                        buffer_append(&ret->value, names[i], strlen(names[i]) + 1);
                begin_word(&ret->others);
                buffer_printf(&ret->others, "and-%zu-more=", count - FILE_ATTRIBUTES_MAX);
                append_digest(&ret->others, buffer_bytes(&ret->value));
        }
        return 0;
}

int file_attributes_read(int directory, const char *name, struct file_attributes *ret) {
        _cleanup_free_ char *path = NULL;
        int r;

        file_attributes_clear(ret);
        if (asprintf(&path, "/proc/self/fd/%d/%s", directory, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = read_all(path, NULL, &ret->names);
        if (r == -EOPNOTSUPP)
                return 0;
        if (r == 0 && ret->names.size) {
                buffer_append_byte(&ret->names, '\0'); /* the kernel ends each name; should it not, there is an end */
                r = buffer_error(&ret->names);
                ret->names.size--;
                if (r == 0)
                        r = read_values(path, ret);
        }
        if (r < 0)
                return r;
        if (buffer_error(&ret->capabilities) < 0 || buffer_error(&ret->acl) < 0 || buffer_error(&ret->others) < 0 ||
            buffer_error(&ret->label) < 0 || buffer_error(&ret->value) < 0)
                return -ENOMEM;
        return 0;
}

int file_attributes_measure(int directory, const char *name, struct file_attributes *ret) {
        _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        union {
                struct fsverity_digest digest;
                uint8_t room[sizeof(struct fsverity_digest) + DIGEST_LARGEST];
        } answer = { .digest.digest_size = DIGEST_LARGEST };

        buffer_clear(&ret->verity);
        if (fd < 0)
                return -errno;
        if (ioctl(fd, FS_IOC_MEASURE_VERITY, &answer) < 0)
                return errno == ENODATA || errno == ENOTTY || errno == EOPNOTSUPP ? 0 : -errno;
        if (answer.digest.digest_size > DIGEST_LARGEST)
                return -EBADMSG;
        switch (answer.digest.digest_algorithm) {
        case FS_VERITY_HASH_ALG_SHA256:
                buffer_append_string(&ret->verity, "sha256:");
                break;
        case FS_VERITY_HASH_ALG_SHA512:
                buffer_append_string(&ret->verity, "sha512:");
                break;
        default:
                buffer_printf(&ret->verity, "%u:", answer.digest.digest_algorithm);
                break;
        }
        for (size_t i = 0; i < answer.digest.digest_size; i++)
                buffer_printf(&ret->verity, "%02x", answer.room[sizeof(struct fsverity_digest) + i]);
        return buffer_error(&ret->verity);
}

static struct value value_of(const struct buffer *buffer) {
        return buffer->size ? value_bytes(buffer_bytes(buffer)) : (struct value){ .present = false };
}

void file_attributes_put(const struct file_attributes *attributes, struct record *record) {
        record->values[FILE_CAPABILITIES] = value_of(&attributes->capabilities);
        record->values[FILE_ACL] = value_of(&attributes->acl);
        record->values[FILE_ATTRIBUTES] = value_of(&attributes->others);
        record->values[FILE_LABEL] = value_of(&attributes->label);
        record->values[FILE_VERITY] = value_of(&attributes->verity);
}
