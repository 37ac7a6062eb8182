#include "helper-user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"

struct helper_user helper_user_find(void) {
        struct helper_user found = { .user = 65534, .group = 65534 };
        FILE *file = fopen("/etc/passwd", "re");
        struct passwd *entry;

        if (!file)
                return found;
        while (!found.own && (entry = fgetpwent(file)))
                if (strcmp(entry->pw_name, HELPER_USER_NAME) == 0 && entry->pw_uid != 0 && entry->pw_gid != 0)
                        found = (struct helper_user){ .user = entry->pw_uid, .group = entry->pw_gid, .own = true };
        (void)fclose(file);
        return found;
}

void helper_user_kill(const struct helper_user *user, pid_t pid) {
        pid_t helper;

        (void)kill(-pid, SIGKILL);
        if (kill(pid, SIGKILL) == 0 || errno != EPERM)
                return;
        helper = fork();
        if (helper == 0) {
                if (syscall(SYS_setresuid, user->user, user->user, user->user) == 0) {
                        (void)kill(-pid, SIGKILL);
                        (void)kill(pid, SIGKILL);
                }
                _exit(0);
        }
        while (helper > 0 && waitpid(helper, NULL, 0) < 0 && errno == EINTR)
                ;
}

static void share(int folder, const char *name, gid_t group) {
        struct stat stat;

        if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && stat.st_uid == geteuid() && stat.st_gid == 0 &&
            (S_ISDIR(stat.st_mode) || S_ISREG(stat.st_mode)))
                (void)!fchownat(folder, name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW);
}

void helper_user_share(const struct helper_user *user, const char *state_directory, const char *run_directory) {
        _cleanup_close_ int state = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *entry;
        DIR *ledger;
        int fd;

        /* Who owns a file may give it to a group of his own: no capability is needed. */
        if (state < 0 || setegid(user->group) < 0)
                return;
        share(AT_FDCWD, state_directory, user->group);
        share(AT_FDCWD, run_directory, user->group);
        share(state, "ledger", user->group);
        fd = openat(state, "ledger", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        ledger = fd < 0 ? NULL : fdopendir(fd);
        if (!ledger)
                (void)fd_close(fd);
        while (ledger && (entry = readdir(ledger)))
                if (entry->d_name[0] != '.')
                        share(fd, entry->d_name, user->group);
        if (ledger)
                (void)closedir(ledger);
        (void)!setegid(getgid());
}
