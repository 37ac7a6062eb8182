/* channel.h - datagrams between our own processes (SOCK_SEQPACKET), with at most one descriptor each. */
#pragma once

#include "buffer.h"

/* Both ends are the caller's; not blocking. 0 or negative errno. */
int channel_pair(int ret[2]);

/* fd: -1 or a descriptor to send along (NOT consumed). 0; -EAGAIN if the other side does not keep up; negative errno. */
int channel_send(int socket, struct bytes datagram, int fd);

/* 1 and the datagram in the buffer (cleared before), *ret_fd the descriptor that came along (the caller's) or -1; 0 when the
 * other side is gone; -EAGAIN when there is none; -EMSGSIZE for one longer than limit; negative errno. */
int channel_receive(int socket, size_t limit, struct buffer *buffer, int *ret_fd);
