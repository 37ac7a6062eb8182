/* sealed.h - the files whose hash is known beforehand: checked at every start, before anything else is done with them, at a reload, and
 * a hook before it is run. The list lies beside the configuration as 'sealed', in the form of b2sum(1); `nephronix seal` writes it. If
 * there are 'allowed_signers' beside it, it must be signed by one of them: `ssh-keygen -Y sign -n nephronix-sealed` makes 'sealed.sig'. */
#pragma once

#include "buffer.h"

/* What status and events say of it. */
struct sealed_state {
        size_t files;                   /* that are as they were sealed */
        bool required;                  /* SealRequired= */
        const char *wrong;              /* borrowed; what is not as it was sealed, and goes on all the same; "": nothing */
        bool told;                      /* 'wrong' was */
};

/* Reads the list beside that configuration file, if there is one, into 'list'; it must be root's and writable by nobody else, and
 * signed, where there are signers. Then compares the files. Appends to 'said' what is wrong (file and hash), escaped, with 'ending'
 * behind it: of the first one that is wrong, or with 'all' of each, a line's worth of them. 0 if all is as expected or there is no
 * list (*ret_count 0), -EKEYREJECTED if a file is not what was sealed, or the list not what was signed; other negative errno. */
int sealed_check(const char *configuration_file, bool all, const char *ending, struct buffer *list, struct buffer *said,
                 size_t *ret_count);

/* The same under SealRequired=no: what is wrong, separated by "; ". Never fails. */
void sealed_look(const char *configuration_file, struct buffer *list, struct buffer *wrong, size_t *ret_count);

/* Whether a file of this path may be run: the list has its hash, or has none of the files in that folder. Its descriptor is read, and
 * stands at its beginning then. */
bool sealed_allows(struct bytes list, const char *folder, const char *name, int fd);
