/* The text tables of /proc/net and the links of /proc/PID/fd. The first byte picks protocol and family. */
#include <netinet/in.h>
#include <stdlib.h>

#include "net-table.h"
#include "socket-owners.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct connection_list list = CONNECTION_LIST_NULL;
        uint32_t inode;
        uint8_t family;

        if (size == 0)
                return 0;
        family = data[0] & 1 ? CONNECTION_IPV6 : CONNECTION_IPV4;
        (void)socket_owners_parse_link(bytes_of(data, size), &inode);
        if (net_table_parse(bytes_of(data + 1, size - 1), data[0] & 2 ? IPPROTO_UDP : IPPROTO_TCP, family, 0, &list) ==
            0) {
                connection_list_sort(&list);
                for (size_t i = 0; i < list.count; i++)
                        if (list.items[i].key[CONNECTION_FAMILY] != family ||
                            (i > 0 && memcmp(list.items[i - 1].key, list.items[i].key, CONNECTION_KEY_SIZE) >= 0))
                                abort();
        }
        connection_list_done(&list);
        return 0;
}
