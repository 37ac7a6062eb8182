/* modules.h - loaded kernel modules. */
#pragma once

#include "watch.h"

extern const struct watch watch_modules;

/* One line of /proc/modules; the bytes point into it. */
struct module_line {
        struct bytes name;
        struct bytes state;     /* "Live", "Loading", "Unloading" */
        struct bytes taints;    /* letters without brackets; empty: none */
        uint64_t size;
};

/* Without its newline. 0, or -EBADMSG and *ret untouched. */
int module_parse_line(struct bytes line, struct module_line *ret);
