#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* By hand, for headers are older than kernels. One row per version: which bits it knows. An attribute with bits or a size that the
 * kernel does not know yet is refused as a whole. */
enum {
        EXECUTE = 1 << 0,
        WRITE_FILE = 1 << 1,
        READ_FILE = 1 << 2,
        READ_DIRECTORY = 1 << 3,
        CHANGES_OF_FOLDERS = 0x1ff << 4,        /* remove and make, of each type */
        REFER = 1 << 13,                        /* 2 */
        TRUNCATE = 1 << 14,                     /* 3 */
        DEVICE_IOCTL = 1 << 15,                 /* 5 */
        RULE_PATH_BENEATH = 1,
        ASK_VERSION = 1,
};

static const struct version {
        uint64_t files, network, scopes;
        size_t size;
} versions[] = {
        { EXECUTE | WRITE_FILE | READ_FILE | READ_DIRECTORY | CHANGES_OF_FOLDERS, 0, 0, 8 },
        { REFER, 0, 0, 8 },
        { TRUNCATE, 0, 0, 8 },
        { 0, 3 /* bind and connect, TCP */, 0, 16 },
        { DEVICE_IOCTL, 0, 0, 16 },
        { 0, 0, 3 /* abstract sockets, signals */, 24 },
};

struct attribute {
        uint64_t files, network, scopes;
};

struct beneath {
        uint64_t allowed;
        int32_t parent;
} __attribute__((packed));

static uint64_t rights_of(unsigned access, uint64_t handled, bool folder) {
        uint64_t rights = 0;

        if (access & LANDLOCK_READ)
                rights |= READ_FILE | READ_DIRECTORY;
        if (access & LANDLOCK_WRITE)
                rights |= WRITE_FILE | TRUNCATE | REFER | CHANGES_OF_FOLDERS;
        if (access & LANDLOCK_EXECUTE)
                rights |= EXECUTE;
        return rights & handled & (folder ? ~UINT64_C(0) : EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | DEVICE_IOCTL);
}

static int allow(int ruleset, const struct landlock_place *place, uint64_t handled) {
        struct beneath rule = { .parent = open(place->path, O_PATH | O_CLOEXEC) };
        struct stat stat;
        int r = 0;

        if (rule.parent < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
        if (fstat(rule.parent, &stat) < 0)
                r = -errno;
        rule.allowed = r == 0 ? rights_of(place->access, handled, S_ISDIR(stat.st_mode)) : 0;
        if (r == 0 && syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
                r = -errno;
        (void)close(rule.parent);
        return r;
}

int landlock_enforce(const struct landlock_place *places) {
        struct attribute attribute = { 0 };
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
        size_t size = 0;
        int ruleset, r = 0;

        if (version < 0)
                return errno == ENOSYS || errno == EOPNOTSUPP ? LANDLOCK_ABSENT : -errno;
        for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]) && (long)i < version; i++) {
                attribute.files |= versions[i].files;
                attribute.network |= versions[i].network;
                attribute.scopes |= versions[i].scopes;
                size = versions[i].size;
        }
        ruleset = (int)syscall(SYS_landlock_create_ruleset, &attribute, size, 0);
        if (ruleset < 0)
                return -errno;
        for (size_t i = 0; r == 0 && places[i].path; i++)
                r = allow(ruleset, &places[i], attribute.files);
        if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
                r = -errno;
        (void)close(ruleset);
        return r < 0 ? r : LANDLOCK_APPLIED;
}
