/* posix-acl.h - the extended attributes system.posix_acl_access and system.posix_acl_default in the words of getfacl(1). Pure. */
#pragma once

#include "buffer.h"

/* Appends a word for each entry, as getfacl --numeric writes it ("user::rwx", "user:1000:r--", "mask::r-x"), in the order in which
 * they are stored, with 'prefix' before each ("default:") and blanks between them. 0, or -EBADMSG for what the kernel could not
 * have stored; then nothing was appended. */
int posix_acl_append(struct buffer *buffer, struct bytes attribute, const char *prefix);
