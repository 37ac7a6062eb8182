/* dpkg-info.h - lines of the small files in dpkg's folder. Pure: nothing is copied, nothing fails, a line that makes no sense
 * says nothing. Paths come without their first '/'. */
#pragma once

#include "bytes.h"

enum { DPKG_MD5_SIZE = 16 };

/* info/NAME.list: an absolute path a line. Empty for a line that is none. */
struct bytes dpkg_info_list_path(struct bytes line);
/* info/NAME.md5sums: as md5sum(1) writes it, paths from the root. Empty likewise. */
struct bytes dpkg_info_digest_path(struct bytes line);
/* The digest in a line that has a path. False: it is no digest. */
bool dpkg_info_digest(struct bytes line, uint8_t ret[DPKG_MD5_SIZE]);

/* A line of the status field Conffiles. */
struct dpkg_conffile {
        struct bytes path;
        bool has_digest;        /* false: not put into place yet ("newconffile"), or not to be there at all */
        uint8_t digest[DPKG_MD5_SIZE];
};
/* The next one in the field's lines. False at the end. */
bool dpkg_info_conffile_next(struct bytes *lines, struct dpkg_conffile *ret);

/* diversions: what other packages have at 'from' lies at 'to'. */
struct dpkg_diversion {
        struct bytes from, to;
        struct bytes package;   /* whose file may be at 'from'; ":": none's, the admin diverted it */
};
bool dpkg_info_diversion_next(struct bytes *text, struct dpkg_diversion *ret);

/* statoverride: owner, group and mode of one path. */
struct dpkg_override {
        struct bytes user, group; /* a name, or '#' and the id in digits */
        unsigned mode;
        struct bytes path;
};
bool dpkg_info_override_next(struct bytes *text, struct dpkg_override *ret);
/* The id of such a user or group; accounts: the text of etc/passwd or etc/group. False: nobody has that name. */
bool dpkg_info_account_id(struct bytes accounts, struct bytes name, uint32_t *ret);

/* The name in "info/NAME.SUFFIX" taken apart: "libc6:amd64" is a package and its architecture, which may be empty. */
void dpkg_info_split_name(struct bytes name, struct bytes *ret_package, struct bytes *ret_architecture);
