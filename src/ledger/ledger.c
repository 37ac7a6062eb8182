#include "ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#include "archive.h"
#include "buffer.h"
#include "clock.h"
#include "fd.h"
#include "folder.h"
#include "new-file.h"
#include "torn-tail.h"

enum { NAME_SIZE = 64, TAIL_STEP = 64 * 1024, FOLDER_MODE = 0750 };

struct ledger {
        int folder, fd;
        char *path;                     /* owned; of the folder */
        uint64_t segment_size, size, last_sequence;
        char name[NAME_SIZE];           /* of the segment that is written to; "" before the first */
        struct chain_link link;         /* of the line that comes next: prev is the head */
        bool headed;                    /* prev is the hash of a line of ours */
};

int ledger_line_sequence(struct bytes line, uint64_t *ret) {
        static const char mark[] = "\"sequence\":";
        const uint8_t *at = line.size ? memmem(line.data, line.size, mark, sizeof(mark) - 1) : NULL;
        const uint8_t *end = line.data + line.size;
        uint64_t value = 0;
        bool digits = false;

        if (!at)
                return 0;
        for (at += sizeof(mark) - 1; at < end && *at >= '0' && *at <= '9'; at++) {
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
                        return 0;
                digits = true;
        }
        if (digits)
                *ret = value;
        return digits;
}

bool ledger_is_segment(const char *name, const char *suffix) {
        size_t prefix = strlen(LEDGER_PREFIX);

        return strncmp(name, LEDGER_PREFIX, prefix) == 0 && strspn(name + prefix, "0123456789") == LEDGER_NUMBER_SIZE &&
               strcmp(name + prefix + LEDGER_NUMBER_SIZE, suffix) == 0;
}

static int list_open(int folder, DIR **ret) {
        int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *listing = fd < 0 ? NULL : fdopendir(fd);

        if (!listing) {
                int r = -errno;
                (void)fd_close(fd);
                return r;
        }
        *ret = listing;
        return 0;
}

static int find_last_segment(struct ledger *ledger) {
        struct dirent *entry;
        DIR *listing = NULL;
        int r = list_open(ledger->folder, &listing);

        if (r < 0)
                return r;
        while ((entry = readdir(listing)))
                if (ledger_is_segment(entry->d_name, LEDGER_SUFFIX) && strcmp(entry->d_name, ledger->name) > 0)
                        memcpy(ledger->name, entry->d_name, strlen(entry->d_name) + 1); /* a segment's: it fits */
        (void)closedir(listing);
        return 0;
}

/* A line from before there was a chain is the head of what begins behind it. */
static void set_head(struct ledger *ledger, struct bytes line) {
        struct chain_link link;

        ledger->link.begins = chain_read(line, &link) == 1 ? CHAIN_GOES_ON : CHAIN_GENESIS;
        chain_hash(line, ledger->link.prev);
        ledger->headed = true;
}

/* Reads backwards to the last complete line, cuts what follows it: it was not synced and waits in the outbox. That line is the head, unless the head is known ('keep'): what
 * stands in a file that was put there meanwhile is not believed. */
static int repair_tail(struct ledger *ledger, bool keep) {
        _cleanup_buffer_ struct buffer tail = BUFFER_NULL;
        uint64_t whole = ledger->size, start;
        int r = torn_tail_find(ledger->fd, whole, &ledger->size);

        if (r < 0)
                return r;
        start = ledger->size;
        for (;;) {
                uint64_t step = start < TAIL_STEP ? start : TAIL_STEP;
                _cleanup_buffer_ struct buffer longer = BUFFER_NULL;
                const uint8_t *end, *before;
                ssize_t n;

                buffer_append_fill(&longer, 0, step);
                if (buffer_error(&longer) < 0)
                        return -ENOMEM;
                start -= step;
                n = step ? pread(ledger->fd, longer.data, step, (off_t)start) : 0;
                if (n < 0 || (uint64_t)n != step)
                        return n < 0 ? -errno : -EIO;
                buffer_append_bytes(&longer, buffer_bytes(&tail));
                if (buffer_error(&longer) < 0)
                        return -ENOMEM;
                buffer_done(&tail);
                tail = longer;
                longer = BUFFER_NULL;

                end = tail.size ? memrchr(tail.data, '\n', tail.size) : NULL;
                before = end && end > tail.data ? memrchr(tail.data, '\n', (size_t)(end - tail.data)) : NULL;
                if (end && (before || start == 0)) {
                        const uint8_t *line = before ? before + 1 : tail.data;

                        if (!keep) {
                                (void)ledger_line_sequence(bytes_of(line, (size_t)(end - line)), &ledger->last_sequence);
                                set_head(ledger, bytes_of(line, (size_t)(end - line)));
                        }
                        ledger->size = start + (uint64_t)(end + 1 - tail.data);
                        break;
                }
                if (start == 0) {
                        ledger->size = 0;
                        break;
                }
        }
        /* Only if something is torn: a file that may only be appended to (chattr +a) refuses even what changes nothing. */
        return ledger->size != whole && ftruncate(ledger->fd, (off_t)ledger->size) < 0 ? -errno : 0;
}

static int open_segment(struct ledger *ledger, bool make) {
        struct stat stat;
        int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT | O_EXCL : 0);

        ledger->fd = openat(ledger->folder, ledger->name, flags, 0640);
        if (ledger->fd < 0)
                return -errno;
        if (fstat(ledger->fd, &stat) < 0)
                return -errno;
        ledger->size = (uint64_t)stat.st_size;
        if (make && fsync(ledger->folder) < 0)
                return -errno;
        return 0;
}

static int pack_segment(struct ledger *ledger, const char *name) {
        _cleanup_buffer_ struct buffer packed = BUFFER_NULL;

        buffer_printf(&packed, "%s.gz", name);
        if (buffer_error(&packed))
                return buffer_error(&packed);
        return archive_pack(ledger->folder, name, ledger->folder, buffer_string(&packed));
}

static int pack_full_segments(struct ledger *ledger) {
        struct dirent *entry;
        DIR *listing = NULL;
        int r = list_open(ledger->folder, &listing);

        if (r < 0)
                return r;
        while (r >= 0 && (entry = readdir(listing)))
                if (ledger_is_segment(entry->d_name, LEDGER_SUFFIX) && strcmp(entry->d_name, ledger->name) < 0)
                        r = pack_segment(ledger, entry->d_name);
        (void)closedir(listing);
        return r;
}

/* The last complete line of a segment, packed or not. 1, 0 if it has none, or negative errno. */
static int last_line(int folder, const char *name, struct buffer *ret) {
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        _cleanup_free_ uint8_t *room = malloc(TAIL_STEP);
        gzFile file;
        int n, found = 0;

        if (fd < 0 || !room)
                return fd < 0 ? -errno : -ENOMEM;
        file = gzdopen(fd, "rb");
        if (!file)
                return -ENOMEM;
        TAKE_FD(fd);
        while ((n = gzread(file, room, TAIL_STEP)) > 0)
                for (struct bytes rest = bytes_of(room, (size_t)n); rest.size;) {
                        const uint8_t *end = memchr(rest.data, '\n', rest.size);
                        size_t length = end ? (size_t)(end - rest.data) : rest.size;

                        if (line.size + length <= LEDGER_LINE_MAX)
                                buffer_append(&line, rest.data, length);
                        rest = bytes_of(rest.data + length + !!end, rest.size - length - !!end);
                        if (end) {
                                buffer_clear(ret);
                                buffer_append_bytes(ret, buffer_bytes(&line));
                                buffer_clear(&line);
                                found = 1;
                        }
                }
        (void)gzclose(file);
        return n < 0 ? -EBADMSG : buffer_error(ret) < 0 || buffer_error(&line) < 0 ? -ENOMEM : found;
}

/* The segment that is written to is empty: the head is the last line of the one before, as whichever form of it stands. */
static int find_head(struct ledger *ledger) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        char best[NAME_SIZE] = "";
        struct dirent *entry;
        DIR *listing = NULL;
        int r = list_open(ledger->folder, &listing);

        if (r < 0)
                return r;
        while ((entry = readdir(listing))) {
                const char *name = entry->d_name;
                size_t number = strlen(LEDGER_PREFIX) + LEDGER_NUMBER_SIZE;

                if (!ledger_is_segment(name, LEDGER_SUFFIX) && !ledger_is_segment(name, LEDGER_PACKED))
                        continue;
                if (ledger->name[0] && strncmp(name, ledger->name, number) >= 0)
                        continue;
                r = strncmp(name, best, number);
                /* ".jsonl" before ".jsonl.gz": it is whole while both stand */
                if (r > 0 || (r == 0 && strcmp(name, best) < 0))
                        memcpy(best, name, strlen(name) + 1);
        }
        (void)closedir(listing);
        r = best[0] ? last_line(ledger->folder, best, &line) : 0;
        if (r > 0)
                set_head(ledger, buffer_bytes(&line));
        return r == -ENOMEM ? r : 0; /* what is damaged tells nothing: the chain begins anew, and says so */
}

/* An empty last segment tells no sequence; its name does. */
static uint64_t sequence_of_name(const char *name) {
        return strtoull(name + strlen(LEDGER_PREFIX), NULL, 10);
}

int ledger_open(const char *folder, uint64_t segment_size, struct ledger **ret) {
        struct ledger *ledger = calloc(1, sizeof(*ledger));
        int r;

        if (!ledger)
                return -ENOMEM;
        ledger->folder = ledger->fd = -1;
        ledger->segment_size = segment_size;
        ledger->link.begins = CHAIN_GENESIS;
        clock_random(ledger->link.prev, sizeof(ledger->link.prev));
        ledger->path = strdup(folder);
        r = ledger->path ? folder_open(folder, FOLDER_MODE) : -ENOMEM;
        if (r < 0)
                goto fail;
        ledger->folder = r;
        r = find_last_segment(ledger);
        if (r == 0 && ledger->name[0]) {
                r = open_segment(ledger, false);
                if (r == 0)
                        r = repair_tail(ledger, false);
                if (r == 0 && ledger->last_sequence == 0 && sequence_of_name(ledger->name) > 0)
                        ledger->last_sequence = sequence_of_name(ledger->name) - 1;
        }
        if (r == 0 && !ledger->headed)
                r = find_head(ledger);
        if (r < 0)
                goto fail;
        (void)pack_full_segments(ledger); /* if that fails (no space) they are read as they are; the next rotation tries again */
        *ret = ledger;
        return 0;
fail:
        (void)ledger_close(ledger);
        return r;
}

struct ledger *ledger_close(struct ledger *ledger) {
        if (!ledger)
                return NULL;
        (void)fd_close(ledger->fd);
        (void)fd_close(ledger->folder);
        free(ledger->path);
        free(ledger);
        return NULL;
}

uint64_t ledger_last_sequence(const struct ledger *ledger) {
        return ledger->last_sequence;
}

void ledger_head(const struct ledger *ledger, uint8_t ret[CHAIN_HASH_SIZE]) {
        memcpy(ret, ledger->link.prev, CHAIN_HASH_SIZE);
}

bool ledger_is_headed(const struct ledger *ledger) {
        return ledger->headed;
}

/* What stands in the files is not what was written: they stay as they are, the next line opens a segment of its own and says so. */
static void break_off(struct ledger *ledger) {
        ledger->fd = fd_close(ledger->fd);
        ledger->size = 0;
        if (ledger->headed && ledger->link.begins == CHAIN_GOES_ON)
                ledger->link.begins = CHAIN_BREAK;
}

static int open_next(struct ledger *ledger, uint64_t sequence) {
        int r;

        (void)snprintf(ledger->name, sizeof(ledger->name), LEDGER_PREFIX "%020llu" LEDGER_SUFFIX, (unsigned long long)sequence);
        r = open_segment(ledger, true);
        if (r == -EEXIST) { /* what could not be cut off again stands there */
                r = open_segment(ledger, false);
                if (r == 0)
                        r = repair_tail(ledger, true);
        }
        return r;
}

int ledger_append(struct ledger *ledger, uint64_t sequence, struct bytes object) {
        _cleanup_buffer_ struct buffer whole = BUFFER_NULL;
        int r;

        if (sequence <= ledger->last_sequence)
                return 0;
        r = chain_append(&whole, object, &ledger->link);
        if (r == 0 && ledger->fd < 0)
                r = open_next(ledger, sequence);
        if (r < 0)
                return r;
        buffer_append_byte(&whole, '\n');
        if (buffer_error(&whole) < 0)
                return -ENOMEM;
        r = write_all(ledger->fd, buffer_bytes(&whole));
        if (r < 0) {
                /* A part of it may stand: cut it off, or begin another segment if even that fails. */
                if (ftruncate(ledger->fd, (off_t)ledger->size) < 0)
                        ledger->fd = fd_close(ledger->fd);
                return r;
        }
        ledger->size += whole.size;
        ledger->last_sequence = sequence;
        chain_hash(bytes_of(whole.data, whole.size - 1), ledger->link.prev);
        ledger->link.begins = CHAIN_GOES_ON;
        ledger->headed = true;
        return 0;
}

int ledger_stand(struct ledger *ledger) {
        uint64_t size = ledger->size;
        struct stat stat;
        int r = folder_follow(ledger->folder, ledger->path, FOLDER_MODE);

        if (r < 0)
                return r;
        if (r == 0 && ledger->fd < 0)
                return LEDGER_STANDS;
        if (r > 0 || !folder_holds(ledger->folder, ledger->name, ledger->fd)) {
                break_off(ledger);
                return LEDGER_GONE;
        }
        if (fstat(ledger->fd, &stat) < 0)
                return -errno;
        if ((uint64_t)stat.st_size == size && folder_entry_is_immutable(ledger->folder, ledger->name)) {
                ledger->fd = fd_close(ledger->fd);
                ledger->size = 0;
                return LEDGER_IMMUTABLE;
        }
        if ((uint64_t)stat.st_size == size)
                return LEDGER_STANDS;
        break_off(ledger);
        return (uint64_t)stat.st_size < size ? LEDGER_CUT : LEDGER_GREW;
}

int ledger_sync(struct ledger *ledger) {
        return ledger->fd >= 0 && fdatasync(ledger->fd) < 0 ? -errno : 0;
}

int ledger_rotate(struct ledger *ledger) {
        int r;

        if (ledger->fd < 0 || ledger->size < ledger->segment_size)
                return 0;
        r = ledger_sync(ledger);
        if (r < 0)
                return r;
        ledger->fd = fd_close(ledger->fd);
        (void)snprintf(ledger->name, sizeof(ledger->name), LEDGER_PREFIX "%020llu" LEDGER_SUFFIX,
                       (unsigned long long)ledger->last_sequence + 1);
        r = open_segment(ledger, true);
        if (r < 0)
                return r;

        r = pack_full_segments(ledger);
        return r < 0 ? r : 1;
}

/* Calls back for each complete line of the segment that is written to. */
static int walk_lines(const struct ledger *ledger, void (*on_line)(void *context, struct bytes line), void *context) {
        _cleanup_buffer_ struct buffer room = BUFFER_NULL;
        off_t at = 0;
        ssize_t n;

        if (ledger->fd < 0)
                return 0;
        do {
                uint8_t *end = buffer_room(&room, TAIL_STEP), *line;

                if (!end || room.size > LEDGER_LINE_MAX)
                        return end ? -EBADMSG : -ENOMEM;
                n = pread(ledger->fd, end, TAIL_STEP, at);
                if (n < 0)
                        return -errno;
                at += n;
                room.size += (size_t)n;
                line = room.data;
                while ((end = room.size ? memchr(line, '\n', (size_t)(room.data + room.size - line)) : NULL)) {
                        on_line(context, bytes_of(line, (size_t)(end - line)));
                        line = end + 1;
                }
                room.size = (size_t)(room.data + room.size - line);
                memmove(room.data, line, room.size);
        } while (n > 0);
        return 0;
}

struct walk {
        uint64_t wanted;                /* a sequence */
        uint64_t before, first_sequence; /* the last one that is not above it; of the first line */
        uint8_t at[CHAIN_HASH_SIZE];    /* hash of that line */
        uint8_t first_prev[CHAIN_HASH_SIZE];
        uint8_t head[CHAIN_HASH_SIZE];  /* of the last line */
        bool any, whole;                /* each line follows on the one before */
};

static void on_walk(void *context, struct bytes line) {
        struct walk *walk = context;
        struct chain_link link = { .begins = CHAIN_GENESIS };
        bool linked = chain_read(line, &link) == 1;
        uint64_t sequence = 0;

        (void)ledger_line_sequence(line, &sequence);
        if (!walk->any) {
                walk->first_sequence = sequence;
                memcpy(walk->first_prev, link.prev, sizeof(link.prev));
        } else if (!linked || memcmp(link.prev, walk->head, sizeof(walk->head)) != 0) {
                walk->whole = false;
        }
        walk->any = true;
        chain_hash(line, walk->head);
        if (sequence <= walk->wanted) {
                walk->before = sequence;
                memcpy(walk->at, walk->head, sizeof(walk->at));
        }
}

int ledger_expect(struct ledger *ledger, uint64_t sequence, const uint8_t head[CHAIN_HASH_SIZE]) {
        struct walk walk = { .wanted = sequence, .whole = true };
        enum ledger_standing standing = LEDGER_STANDS;
        int r;

        if (sequence == 0)
                return LEDGER_STANDS;
        r = walk_lines(ledger, on_walk, &walk);
        if (r < 0)
                return r;
        if (ledger->last_sequence < sequence || !ledger->headed)
                standing = ledger->headed ? LEDGER_CUT : LEDGER_GONE;
        else if ((walk.before == sequence && memcmp(walk.at, head, CHAIN_HASH_SIZE) != 0) ||
                 (walk.any && walk.first_sequence == sequence + 1 && memcmp(walk.first_prev, head, CHAIN_HASH_SIZE) != 0))
                standing = LEDGER_EDITED;
        if (standing == LEDGER_STANDS)
                return standing;
        memcpy(ledger->link.prev, head, CHAIN_HASH_SIZE);
        ledger->link.begins = CHAIN_GOES_ON;
        ledger->headed = true;
        if (ledger->last_sequence < sequence)
                ledger->last_sequence = sequence;
        break_off(ledger);
        return standing;
}

int ledger_check(struct ledger *ledger) {
        struct walk walk = { .whole = true };
        int r = walk_lines(ledger, on_walk, &walk);

        if (r < 0 && r != -EBADMSG)
                return r;
        if (r == 0 && (!walk.any || (walk.whole && memcmp(walk.head, ledger->link.prev, CHAIN_HASH_SIZE) == 0)))
                return LEDGER_STANDS;
        break_off(ledger);
        return LEDGER_EDITED;
}

int ledger_folder(const struct ledger *ledger) {
        return ledger->folder;
}

uint64_t ledger_live_size(const struct ledger *ledger) {
        return ledger->size;
}
