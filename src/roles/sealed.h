/* sealed.h - the files whose hash is known beforehand: checked at every start, before anything else is done with them.
 * The list lies beside the configuration as 'sealed', in the form of b2sum(1): `b2sum FILE... > /etc/nephronix/sealed`. */
#pragma once

#include "buffer.h"

/* Checks the list beside that configuration file, if there is one; it must be root's and writable by nobody else. Appends what
 * was checked, or what is wrong (file and hash), escaped. 0 if all is as expected or there is no list (*ret_count 0), -EKEYREJECTED if
 * a file is not what was sealed, other negative errno. */
int sealed_check(const char *configuration_file, struct buffer *said, size_t *ret_count);
