/* inject.c - a library for LD_PRELOAD that stands between a program and its writes: it numbers every call that changes a file
 * below one folder, over all processes that have it, and at one of them kills the process, tears the write in two, or answers an
 * error. Or it writes down what was asked of the disk, so that power-loss.py can make what a power cut would have left.
 *
 *      INJECT_FOLDER   absolute, without a trailing slash: calls elsewhere are passed on and not counted
 *      INJECT_SHARED   a file of one page, zeros at first: the count, whether it struck, and a plan for later (struct shared)
 *      INJECT_AT       number of the call to strike at, from 1 on; 0 or unset: count alone
 *      INJECT_HOW      kill: before the call; torn: after half of a write; or the name of an error (ENOSPC, EIO, ...), which is
 *                      then the answer to INJECT_TIMES calls
 *      INJECT_TIMES    default 1
 *      INJECT_ONLY     "open": count calls that open, too, and strike at those alone (EMFILE)
 *      INJECT_RECORD   a file: every counted call is appended to it
 *
 * It stands in no program that is installed. The calls of a static library are not seen, nor those of the kernel's own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation { OP_WRITE = 1, OP_SYNC, OP_RENAME, OP_UNLINK, OP_TRUNCATE, OP_CREATE, OP_FOLDER, OP_OPEN };

struct shared {
        uint64_t count;                 /* of calls so far */
        uint64_t struck;                /* how many were struck */
        /* Who has the page mapped, too, may plan a strike while we run. */
        uint64_t at, times;             /* times 0: none is planned */
        uint64_t how;                   /* an error's number; 0: kill */
};

/* What stands before each record of INJECT_RECORD: then the path, then a second path or the data. Host order. */
struct head {
        uint32_t operation, path_size, data_size, durable; /* durable: written with O_DSYNC */
        uint64_t number, offset;
};

static struct {
        const char *folder;
        size_t folder_size;
        struct shared *shared;
        uint64_t at, times;
        int error;                      /* 0: kill */
        bool torn, only_open;
        int record;
} plan = { .record = -1 };

static int number_of_error(const char *name) {
        static const struct {
                const char *name;
                int number;
        } errors[] = { { "ENOSPC", ENOSPC }, { "EROFS", EROFS }, { "EIO", EIO },     { "EMFILE", EMFILE },
                       { "ENFILE", ENFILE }, { "ENOMEM", ENOMEM }, { "EDQUOT", EDQUOT }, { "EACCES", EACCES } };

        for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
                if (strcmp(name, errors[i].name) == 0)
                        return errors[i].number;
        return 0;
}

static uint64_t number_in(const char *name, uint64_t otherwise) {
        const char *text = getenv(name);

        return text ? strtoull(text, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void begin(void) {
        const char *path = getenv("INJECT_SHARED"), *how = getenv("INJECT_HOW"), *only = getenv("INJECT_ONLY");
        const char *record = getenv("INJECT_RECORD");
        void *place;
        int fd;

        plan.folder = getenv("INJECT_FOLDER");
        if (!plan.folder || !path)
                return;
        plan.folder_size = strlen(plan.folder);
        plan.at = number_in("INJECT_AT", 0);
        plan.times = number_in("INJECT_TIMES", 1);
        plan.torn = how && strcmp(how, "torn") == 0;
        plan.error = how ? number_of_error(how) : 0;
        plan.only_open = only && strcmp(only, "open") == 0;
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                _exit(99);
        place = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        (void)syscall(SYS_close, fd);
        if (place == MAP_FAILED)
                _exit(99);
        plan.shared = place;
        if (record)
                plan.record = (int)syscall(SYS_openat, AT_FDCWD, record, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static bool is_below(const char *path) {
        return plan.shared && strncmp(path, plan.folder, plan.folder_size) == 0 && path[plan.folder_size] == '/';
}

/* The path behind a descriptor; with a name, of that name below it. False if it is none of ours. */
static bool locate(int fd, const char *name, char ret[PATH_MAX]) {
        char link[64];
        ssize_t size = 0;

        if (!plan.shared)
                return false;
        if (!name || name[0] != '/') {
                if (fd == AT_FDCWD) {
                        if (!getcwd(ret, PATH_MAX))
                                return false;
                        size = (ssize_t)strlen(ret);
                } else {
                        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
                        size = readlink(link, ret, PATH_MAX - 1);
                        if (size <= 0)
                                return false;
                }
                ret[size] = '\0';
        }
        if (name && snprintf(ret + size, (size_t)(PATH_MAX - size), "%s%s", size ? "/" : "", name) >= PATH_MAX - size)
                return false;
        return is_below(ret);
}

static void append_record(enum operation operation, uint64_t number, const char *path, uint64_t offset, const void *data,
                          size_t size, bool durable) {
        struct head head = { .operation = operation, .path_size = (uint32_t)strlen(path), .data_size = (uint32_t)size,
                             .number = number, .offset = offset, .durable = durable };
        struct iovec parts[] = { { &head, sizeof(head) }, { (void *)(uintptr_t)path, head.path_size },
                                 { (void *)(uintptr_t)data, size } };

        if (plan.record >= 0)
                (void)!syscall(SYS_writev, plan.record, parts, 3);
}

static void die(void) {
        (void)syscall(SYS_kill, (int)syscall(SYS_getpid), SIGKILL);
        __builtin_trap(); /* a filter did not let us: as dead as that */
}

/* Counts one call. 0: go on; 1: half of it, then die(); negative: the error to answer. */
static int count_write(enum operation operation, const char *path, uint64_t offset, const void *data, size_t size, bool durable) {
        uint64_t number, at = plan.at, times = plan.error ? plan.times : 1;
        int error = plan.error;

        if (plan.only_open != (operation == OP_OPEN))
                return 0;
        number = __atomic_add_fetch(&plan.shared->count, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&plan.shared->times, __ATOMIC_SEQ_CST)) {
                at = plan.shared->at;
                times = plan.shared->times;
                error = (int)plan.shared->how;
        }
        if (!at || number < at || number >= at + times) {
                append_record(operation, number, path, offset, data, size, durable);
                return 0;
        }
        (void)__atomic_add_fetch(&plan.shared->struck, 1, __ATOMIC_SEQ_CST);
        if (error)
                return -error;
        if (plan.torn && operation == OP_WRITE && size > 1)
                return 1;
        die();
        return 0;
}

static int count(enum operation operation, const char *path, uint64_t offset, const void *data, size_t size) {
        return count_write(operation, path, offset, data, size, false);
}

static bool is_durable(int fd) {
        return fcntl(fd, F_GETFL) & O_DSYNC; /* a bit of O_SYNC as well */
}

static int fail(int error) {
        errno = -error;
        return -1;
}

/* Where a write without an offset will go. */
static uint64_t place_of(int fd) {
        struct stat status;
        off_t place;

        if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &status) == 0)
                return (uint64_t)status.st_size;
        place = lseek(fd, 0, SEEK_CUR);
        return place < 0 ? 0 : (uint64_t)place;
}

ssize_t write(int fd, const void *data, size_t size) {
        char path[PATH_MAX];
        int r = 0;

        if (locate(fd, NULL, path))
                r = count_write(OP_WRITE, path, place_of(fd), data, size, is_durable(fd));
        if (r < 0)
                return fail(r);
        if (r > 0) {
                (void)!syscall(SYS_write, fd, data, size / 2);
                die();
        }
        return syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
        char path[PATH_MAX];
        int r = 0;

        if (locate(fd, NULL, path))
                r = count_write(OP_WRITE, path, (uint64_t)offset, data, size, is_durable(fd));
        if (r < 0)
                return fail(r);
        if (r > 0) {
                (void)!syscall(SYS_pwrite64, fd, data, size / 2, offset);
                die();
        }
        return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
        return pwrite(fd, data, size, offset);
}

/* One call is one point, as one buffer. */
ssize_t writev(int fd, const struct iovec *parts, int n) {
        char path[PATH_MAX];
        size_t size = 0, used = 0;
        uint8_t *whole;
        ssize_t done;

        if (!locate(fd, NULL, path))
                return syscall(SYS_writev, fd, parts, n);
        for (int i = 0; i < n; i++)
                size += parts[i].iov_len;
        whole = malloc(size ? size : 1);
        if (!whole)
                return fail(-ENOMEM);
        for (int i = 0; i < n; i++) {
                memcpy(whole + used, parts[i].iov_base, parts[i].iov_len);
                used += parts[i].iov_len;
        }
        done = write(fd, whole, size);
        free(whole);
        return done;
}

int fsync(int fd) {
        char path[PATH_MAX];
        int r = locate(fd, NULL, path) ? count(OP_SYNC, path, 0, NULL, 0) : 0;

        return r < 0 ? fail(r) : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
        char path[PATH_MAX];
        int r = locate(fd, NULL, path) ? count(OP_SYNC, path, 0, NULL, 0) : 0;

        return r < 0 ? fail(r) : (int)syscall(SYS_fdatasync, fd);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
        char path[PATH_MAX], target[PATH_MAX];
        int r = 0;

        if (locate(to_fd, to, target)) {
                if (!locate(from_fd, from, path))
                        path[0] = '\0';
                r = count(OP_RENAME, path, 0, target, strlen(target));
        }
        return r < 0 ? fail(r) : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to) {
        return renameat2(from_fd, from, to_fd, to, 0);
}

int rename(const char *from, const char *to) {
        return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int fd, const char *name, int flags) {
        char path[PATH_MAX];
        int r = 0;

        /* Of what is not there nothing changes: no point. */
        if (locate(fd, name, path) && faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                r = count(OP_UNLINK, path, 0, NULL, 0);
        return r < 0 ? fail(r) : (int)syscall(SYS_unlinkat, fd, name, flags);
}

int unlink(const char *name) {
        return unlinkat(AT_FDCWD, name, 0);
}

int ftruncate(int fd, off_t size) {
        char path[PATH_MAX];
        int r = locate(fd, NULL, path) ? count(OP_TRUNCATE, path, (uint64_t)size, NULL, 0) : 0;

        return r < 0 ? fail(r) : (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size) {
        return ftruncate(fd, size);
}

int mkdirat(int fd, const char *name, mode_t mode) {
        char path[PATH_MAX];
        int r = 0;

        if (locate(fd, name, path) && faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                r = count(OP_FOLDER, path, 0, NULL, 0);
        return r < 0 ? fail(r) : (int)syscall(SYS_mkdirat, fd, name, mode);
}

int mkdir(const char *name, mode_t mode) {
        return mkdirat(AT_FDCWD, name, mode);
}

int openat(int fd, const char *name, int flags, ...) {
        char path[PATH_MAX];
        mode_t mode = 0;
        int r = 0;

        if (flags & (O_CREAT | __O_TMPFILE)) {
                va_list arguments;

                va_start(arguments, flags);
                mode = va_arg(arguments, mode_t);
                va_end(arguments);
        }
        if (plan.shared && locate(fd, name, path)) {
                if (plan.only_open)
                        r = count(OP_OPEN, path, 0, NULL, 0);
                else if ((flags & O_CREAT) && faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                        r = count(OP_CREATE, path, 0, NULL, 0);
                else if ((flags & O_TRUNC) && faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        r = count(OP_TRUNCATE, path, 0, NULL, 0);
        }
        return r < 0 ? fail(r) : (int)syscall(SYS_openat, fd, name, flags, mode);
}

int openat64(int fd, const char *name, int flags, ...) {
        mode_t mode = 0;

        if (flags & (O_CREAT | __O_TMPFILE)) {
                va_list arguments;

                va_start(arguments, flags);
                mode = va_arg(arguments, mode_t);
                va_end(arguments);
        }
        return openat(fd, name, flags, mode);
}

int open(const char *name, int flags, ...) {
        mode_t mode = 0;

        if (flags & (O_CREAT | __O_TMPFILE)) {
                va_list arguments;

                va_start(arguments, flags);
                mode = va_arg(arguments, mode_t);
                va_end(arguments);
        }
        return openat(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...) {
        mode_t mode = 0;

        if (flags & (O_CREAT | __O_TMPFILE)) {
                va_list arguments;

                va_start(arguments, flags);
                mode = va_arg(arguments, mode_t);
                va_end(arguments);
        }
        return openat(AT_FDCWD, name, flags, mode);
}

/* What _FORTIFY_SOURCE makes of open(2) without a mode. */
int __open_2(const char *name, int flags);
int __open64_2(const char *name, int flags);
int __openat_2(int fd, const char *name, int flags);
int __openat64_2(int fd, const char *name, int flags);

int __open_2(const char *name, int flags) {
        return openat(AT_FDCWD, name, flags);
}

int __open64_2(const char *name, int flags) {
        return openat(AT_FDCWD, name, flags);
}

int __openat_2(int fd, const char *name, int flags) {
        return openat(fd, name, flags);
}

int __openat64_2(int fd, const char *name, int flags) {
        return openat(fd, name, flags);
}
