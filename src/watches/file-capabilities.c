#include "file-capabilities.h"

#include <endian.h>
#include <errno.h>
#include <linux/capability.h>

static const char *const names[] = {
        "cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill", "cap_setgid",
        "cap_setuid", "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin",
        "cap_net_raw", "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot",
        "cap_sys_ptrace", "cap_sys_pacct", "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource",
        "cap_sys_time", "cap_sys_tty_config", "cap_mknod", "cap_lease", "cap_audit_write", "cap_audit_control",
        "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog", "cap_wake_alarm", "cap_block_suspend",
        "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
};

enum { HIGHEST = 64 };

static uint32_t number_at(struct bytes attribute, size_t place) {
        uint32_t number;

        memcpy(&number, attribute.data + place * sizeof(number), sizeof(number));
        return le32toh(number);
}

/* How many words of 32 capabilities this revision has; 0: none of those there are. */
static size_t words_of(uint32_t revision) {
        switch (revision) {
        case VFS_CAP_REVISION_1:
                return VFS_CAP_U32_1;
        case VFS_CAP_REVISION_2:
                return VFS_CAP_U32_2;
        case VFS_CAP_REVISION_3:
                return VFS_CAP_U32_3;
        default:
                return 0;
        }
}

int file_capabilities_append(struct buffer *buffer, struct bytes attribute) {
        uint64_t permitted = 0, inheritable = 0;
        uint32_t magic, revision, root = 0;
        const char *separator = "";
        size_t words, size;

        if (attribute.size < sizeof(magic))
                return -EBADMSG;
        magic = number_at(attribute, 0);
        revision = magic & VFS_CAP_REVISION_MASK;
        words = words_of(revision);
        size = (1 + 2 * words + (revision == VFS_CAP_REVISION_3)) * sizeof(uint32_t);
        if (words == 0 || attribute.size != size || magic & VFS_CAP_FLAGS_MASK & ~(uint32_t)VFS_CAP_FLAGS_EFFECTIVE)
                return -EBADMSG;
        for (size_t i = 0; i < words; i++) {
                permitted |= (uint64_t)number_at(attribute, 1 + 2 * i) << 32 * i;
                inheritable |= (uint64_t)number_at(attribute, 2 + 2 * i) << 32 * i;
        }
        if (revision == VFS_CAP_REVISION_3)
                root = number_at(attribute, 1 + 2 * words);

        for (unsigned i = 0; i < HIGHEST; i++) {
                bool may = permitted >> i & 1, inherits = inheritable >> i & 1;

                if (!may && !inherits)
                        continue;
                buffer_append_string(buffer, separator);
                if (i < ELEMENTS(names))
                        buffer_append_string(buffer, names[i]);
                else
                        buffer_printf(buffer, "cap_%u", i);
                buffer_printf(buffer, "+%s%s%s", magic & VFS_CAP_FLAGS_EFFECTIVE ? "e" : "", inherits ? "i" : "", may ? "p" : "");
                separator = " ";
        }
        if (!permitted && !inheritable) {
                buffer_append_string(buffer, "none");
                separator = " ";
        }
        if (root)
                buffer_printf(buffer, "%srootid:%u", separator, root);
        return 0;
}
