#include "account.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "fd.h"
#include "host.h"

enum { PASSWD_MAX = 64 * 1024 * 1024 };

struct account {
        uint32_t user;
        size_t start, length;   /* of the name in the text: also the order of lines */
};

void account_names_done(struct account_names *names) {
        free(names->accounts);
        buffer_done(&names->text);
        *names = ACCOUNT_NAMES_NULL;
}

static int compare_accounts(const void *a, const void *b) {
        const struct account *left = a, *right = b;

        if (left->user != right->user)
                return left->user < right->user ? -1 : 1;
        return left->start < right->start ? -1 : left->start > right->start;
}

/* "name:password:uid:..." */
static bool parse_line(const uint8_t *line, size_t size, size_t *ret_name, uint32_t *ret_user) {
        const uint8_t *first = memchr(line, ':', size), *second;
        uint64_t user = 0;
        size_t rest, i;

        if (!first || first == line || *line == '#' || *line == '+' || *line == '-')
                return false;
        rest = size - (size_t)(first + 1 - line);
        second = memchr(first + 1, ':', rest);
        if (!second)
                return false;
        rest -= (size_t)(second - first);
        for (i = 0; i < rest && second[1 + i] >= '0' && second[1 + i] <= '9'; i++) {
                user = user * 10 + (uint64_t)(second[1 + i] - '0');
                if (user > UINT32_MAX)
                        return false;
        }
        if (i == 0 || i == rest || second[1 + i] != ':')
                return false;
        *ret_name = (size_t)(first - line);
        *ret_user = (uint32_t)user;
        return true;
}

static int parse_all(struct account_names *names) {
        size_t capacity = 0, position = 0, kept = 0;

        while (position < names->text.size) {
                const uint8_t *line = names->text.data + position;
                size_t rest = names->text.size - position, size, length;
                const uint8_t *end = memchr(line, '\n', rest);
                uint32_t user;

                size = end ? (size_t)(end - line) : rest;
                if (parse_line(line, size, &length, &user)) {
                        if (names->count == capacity) {
                                size_t more = capacity ? capacity * 2 : 64;
                                struct account *accounts = reallocarray(names->accounts, more, sizeof(*accounts));
                                if (!accounts)
                                        return -ENOMEM;
                                names->accounts = accounts;
                                capacity = more;
                        }
                        names->accounts[names->count++] =
                                (struct account){ .user = user, .start = position, .length = length };
                }
                position += size + 1;
        }
        if (names->count == 0)
                return 0;
        qsort(names->accounts, names->count, sizeof(*names->accounts), compare_accounts);
        for (size_t i = 0; i < names->count; i++)
                if (kept == 0 || names->accounts[i].user != names->accounts[kept - 1].user)
                        names->accounts[kept++] = names->accounts[i];
        names->count = kept;
        return 0;
}

int account_names_refresh(struct account_names *names, const struct host *host) {
        _cleanup_close_ int fd = host_openat(host, "etc/passwd", O_PATH);
        struct stat status;
        uint64_t stamp[6];
        int r;

        if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
                account_names_done(names);
                return 0;
        }
        stamp[0] = (uint64_t)status.st_dev;
        stamp[1] = (uint64_t)status.st_ino;
        stamp[2] = (uint64_t)status.st_size;
        stamp[3] = (uint64_t)status.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)status.st_mtim.tv_nsec;
        stamp[4] = (uint64_t)status.st_ctim.tv_sec;
        stamp[5] = (uint64_t)status.st_ctim.tv_nsec;
        if (names->known && memcmp(stamp, names->stamp, sizeof(stamp)) == 0)
                return 0;

        account_names_done(names);
        r = host_read(host, "etc/passwd", PASSWD_MAX, &names->text);
        if (r == 0)
                r = parse_all(names);
        if (r < 0) {
                account_names_done(names);
                return r == -ENOMEM ? r : 0;
        }
        /* Taken before reading: a write in between makes the next refresh read again. */
        memcpy(names->stamp, stamp, sizeof(stamp));
        names->known = true;
        return 0;
}

struct bytes account_name(const struct account_names *names, uint32_t user) {
        size_t low = 0, high = names->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (names->accounts[middle].user < user)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == names->count || names->accounts[low].user != user)
                return BYTES_NULL;
        return bytes_of(names->text.data + names->accounts[low].start, names->accounts[low].length);
}
