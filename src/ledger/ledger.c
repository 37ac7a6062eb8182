#include "ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "archive.h"
#include "buffer.h"
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

/* Reads backwards to the last complete line, cuts what follows it: it was not synced and waits in the outbox. */
static int repair_tail(struct ledger *ledger) {
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

                        (void)ledger_line_sequence(bytes_of(line, (size_t)(end - line)), &ledger->last_sequence);
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
        ledger->path = strdup(folder);
        r = ledger->path ? folder_open(folder, FOLDER_MODE) : -ENOMEM;
        if (r < 0)
                goto fail;
        ledger->folder = r;
        r = find_last_segment(ledger);
        if (r == 0 && ledger->name[0]) {
                r = open_segment(ledger, false);
                if (r == 0)
                        r = repair_tail(ledger);
                if (r == 0 && ledger->last_sequence == 0 && sequence_of_name(ledger->name) > 0)
                        ledger->last_sequence = sequence_of_name(ledger->name) - 1;
        }
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

int ledger_append(struct ledger *ledger, uint64_t sequence, struct bytes line) {
        _cleanup_buffer_ struct buffer whole = BUFFER_NULL;
        int r;

        if (sequence <= ledger->last_sequence)
                return 0;
        if (ledger->fd < 0) {
                (void)snprintf(ledger->name, sizeof(ledger->name), LEDGER_PREFIX "%020llu" LEDGER_SUFFIX,
                               (unsigned long long)sequence);
                r = open_segment(ledger, true);
                if (r == -EEXIST) { /* what could not be cut off again stands there */
                        r = open_segment(ledger, false);
                        if (r == 0)
                                r = repair_tail(ledger);
                }
                if (r < 0)
                        return r;
                if (sequence <= ledger->last_sequence)
                        return 0;
        }
        buffer_append_bytes(&whole, line);
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
        return 0;
}

int ledger_stand(struct ledger *ledger) {
        uint64_t last_sequence = ledger->last_sequence;
        int r;

        r = folder_follow(ledger->folder, ledger->path, FOLDER_MODE);
        if (r < 0 || (r == 0 && (ledger->fd < 0 || folder_holds(ledger->folder, ledger->name, ledger->fd))))
                return r;
        ledger->fd = fd_close(ledger->fd);
        ledger->size = 0;
        r = open_segment(ledger, false);        /* somebody may have put another file in its place */
        if (r == 0)
                r = repair_tail(ledger);
        ledger->last_sequence = last_sequence;
        return r < 0 && r != -ENOENT ? r : 1;
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

int ledger_folder(const struct ledger *ledger) {
        return ledger->folder;
}

uint64_t ledger_live_size(const struct ledger *ledger) {
        return ledger->size;
}
