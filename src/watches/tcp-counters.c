#include "tcp-counters.h"

#define NS_PER_S UINT64_C(1000000000)

/* A segment is counted when it comes, and its connection changes when nobody else holds the socket: a walk in between would
 * see the new number and the old state. */
#define SETTLE_NS (NS_PER_S / 10)
/* What no counter tells (a connection saved and restored by TCP_REPAIR, a socket given to another user) is seen this late. */
#define TRUST_NS (60 * NS_PER_S)

static const char label[] = "Tcp: ";

void tcp_counters_done(struct tcp_counters *counters) {
        buffer_done(&counters->line);
        buffer_done(&counters->scratch);
        *counters = (struct tcp_counters){ .line = BUFFER_NULL, .scratch = BUFFER_NULL };
}

/* The second of the two lines, the numbers; the first has their names. */
static struct bytes numbers_of(struct bytes snmp) {
        const struct bytes wanted = bytes_of_string(label);

        while (snmp.size) {
                const uint8_t *end = memchr(snmp.data, '\n', snmp.size);
                struct bytes line = bytes_of(snmp.data, end ? (size_t)(end - snmp.data) : snmp.size);

                if (bytes_starts_with(line, wanted) && line.size > wanted.size && line.data[wanted.size] >= '0' &&
                    line.data[wanted.size] <= '9')
                        return line;
                if (!end)
                        break;
                snmp = bytes_of(end + 1, snmp.size - line.size - 1);
        }
        return BYTES_NULL;
}

bool tcp_counters_still(struct tcp_counters *counters, struct bytes snmp, uint64_t now_ns) {
        struct bytes numbers = numbers_of(snmp);

        if (numbers.size == 0 || !bytes_equal(numbers, buffer_bytes(&counters->line))) {
                buffer_clear(&counters->line);
                buffer_append_bytes(&counters->line, numbers);
                counters->since_ns = now_ns;
                counters->walked_ns = 0;
                return false;
        }
        return counters->walked_ns != 0 && counters->walked_ns - counters->since_ns > SETTLE_NS &&
               now_ns - counters->walked_ns < TRUST_NS;
}

void tcp_counters_walked(struct tcp_counters *counters, uint64_t now_ns) {
        counters->walked_ns = now_ns;
}

void tcp_counters_forget(struct tcp_counters *counters) {
        counters->walked_ns = 0;
}
