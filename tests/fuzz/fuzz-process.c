/* What /proc says of a process: stat, status, cgroup, cmdline. The first byte picks the parser. */
#include <stdlib.h>

#include "process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right) {
        if (!right)
                abort();
}

static bool is_inside(struct bytes whole, struct bytes part) {
        return part.size <= whole.size && part.data >= whole.data && part.data + part.size <= whole.data + whole.size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ struct buffer joined = BUFFER_NULL;
        struct process_stat stat;
        struct bytes text, path;
        uint64_t seconds;
        uint32_t user;

        if (size == 0)
                return 0;
        text = bytes_of(data + 1, size - 1);
        switch (data[0]) {
        case 's':
                if (process_parse_stat(text, &stat) == 0) {
                        check(stat.pid != 0 && is_inside(text, stat.name));
                        check(process_image(&stat) <= UINT16_MAX);
                        (void)process_leader_ended(&stat);
                }
                break;
        case 'u':
                (void)process_parse_status_user(text, &user);
                break;
        case 'b':
                (void)process_parse_boot_time(text, &seconds);
                break;
        case 'g':
                if (process_parse_cgroup(text, &path) == 0)
                        check(path.size > 0 && is_inside(text, path) && !memchr(path.data, '\n', path.size));
                break;
        case 'a':
                process_join_arguments(text, &joined);
                check(joined.size <= text.size && (joined.size == 0 || !memchr(joined.data, '\0', joined.size)));
                break;
        default:
                break;
        }
        return 0;
}
