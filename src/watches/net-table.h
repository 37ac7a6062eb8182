/* net-table.h - the text tables of /proc/net: tcp, tcp6, udp, udp6. The fallback where sock_diag is not there. */
#pragma once

#include "bytes.h"
#include "connection.h"

/* Adds what is established. Lines that make no sense are skipped. protocol: IPPROTO_TCP or IPPROTO_UDP; family:
 * CONNECTION_IPV4 or CONNECTION_IPV6. 0 or -ENOMEM. */
int net_table_parse(struct bytes text, uint8_t protocol, uint8_t family, uint64_t namespace_inode,
                    struct connection_list *list);
