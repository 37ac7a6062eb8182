#include "trusted-place.h"

#include "ownership.h"

struct bytes path_base(struct bytes path) {
        const uint8_t *slash = path.size ? memrchr(path.data, '/', path.size) : NULL;

        return slash ? bytes_of(slash + 1, path.size - (size_t)(slash + 1 - path.data)) : path;
}

bool path_is_trusted(struct bytes path) {
        /* Not /usr/local and /opt: what stands there comes from no package of the system. */
        static const char *const folders[] = {
                "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/", "/usr/lib64/", "/usr/libexec/", "/lib/", "/lib64/",
                "/usr/share/",
        };

        if (path.size == 0 || memmem(path.data, path.size, "/../", 4))
                return false;
        for (size_t i = 0; i < ELEMENTS(folders); i++)
                if (bytes_starts_with(path, bytes_of_string(folders[i])))
                        return true;
        return false;
}
