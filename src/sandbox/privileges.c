#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Linux 6.3; not in every header yet. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

int privileges_keep(const struct capability *kept) {
        bool had[CAP_LAST_CAP + 1] = { false };

        if (capng_get_caps_process() < 0)
                return -EIO;
        for (size_t i = 0; kept[i].why; i++)
                had[i] = capng_have_capability(CAPNG_PERMITTED, kept[i].number);
        capng_clear(CAPNG_SELECT_ALL);
        for (size_t i = 0; kept[i].why; i++)
                if (had[i] && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, kept[i].number) < 0)
                        return -EIO;
        /* The bounding set first: taking from it needs a capability that is about to go. In a container we may not have it;
         * without execve(2) the set means nothing. */
        (void)capng_apply(CAPNG_SELECT_BOUNDS);
        return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

int privileges_become(uid_t user, gid_t group) {
        if (setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0)
                return -errno;
        /* Nobody gets back from there: not by luck either. */
        return user != 0 && setresuid((uid_t)-1, 0, (uid_t)-1) == 0 ? -EPERM : 0;
}

int privileges_no_new(void) {
        struct rlimit none = { 0 };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
                return -errno;
        (void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
        return 0;
}
