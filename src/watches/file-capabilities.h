/* file-capabilities.h - what a program may do though its user may not: the extended attribute security.capability in words. Pure. */
#pragma once

#include "buffer.h"

/* Appends a word for each capability, "cap_net_raw+ep", in the order of their numbers, with blanks between them; e: effective at
 * once, i: inheritable, p: permitted. "rootid:1000" follows where they hold in one user namespace alone, and "none" stands for no
 * capability at all. 0, or -EBADMSG for what the kernel could not have stored; then nothing was appended. */
int file_capabilities_append(struct buffer *buffer, struct bytes attribute);
