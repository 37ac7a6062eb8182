/* destroy-message.h - what sock_diag(7) tells its destroy groups of a socket that is gone. */
#pragma once

#include "delta.h"

/* Pure: the payload of one netlink message of type SOCK_DIAG_BY_FAMILY. 1 and *ret: it was a connection; 0: it never was one (a
 * listener, a socket without peer, a connect that was refused); -EBADMSG: it is not what the kernel writes. */
int destroy_message_parse(struct bytes payload, struct connection_facts *ret);
