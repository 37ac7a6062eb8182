#include "helper-user.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

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
