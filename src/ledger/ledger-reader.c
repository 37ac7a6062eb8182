#include "ledger-reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <zlib.h>

#include "fd.h"
#include "ledger.h"

enum { CHUNK = 64 * 1024, TRIES = 100 };

struct ledger_reader {
        int folder, watch;
        char *path;                     /* owned */
        char *segment;                  /* owned; the number part of the name being read; NULL: none yet */
        gzFile file;
        bool packed;
        bool complete;                  /* a later segment stands: nothing is appended to this one any more */
        bool skipping;                  /* the rest of a line that is too long */
        struct buffer partial;
        uint8_t *room;
        size_t used, at;
};

int ledger_reader_open(const char *folder, struct ledger_reader **ret) {
        struct ledger_reader *reader = calloc(1, sizeof(*reader));
        int r = -ENOMEM;

        if (!reader)
                return r;
        reader->watch = -1;
        reader->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (reader->folder < 0) {
                r = -errno;
                goto fail;
        }
        reader->room = malloc(CHUNK);
        reader->path = strdup(folder);
        if (!reader->room || !reader->path)
                goto fail;
        *ret = reader;
        return 0;
fail:
        (void)ledger_reader_close(reader);
        return r;
}

struct ledger_reader *ledger_reader_close(struct ledger_reader *reader) {
        if (!reader)
                return NULL;
        if (reader->file)
                (void)gzclose(reader->file);
        (void)fd_close(reader->folder);
        (void)fd_close(reader->watch);
        buffer_done(&reader->partial);
        free(reader->path);
        free(reader->segment);
        free(reader->room);
        free(reader);
        return NULL;
}

/* The first segment after the one being read: 1 and its whole name (the caller's), 0 if there is none, or negative errno. The
 * unpacked form is preferred while both stand: it is complete. */
static int next_segment(struct ledger_reader *reader, char **ret) {
        _cleanup_close_ int fd = openat(reader->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *listing = fd < 0 ? NULL : fdopendir(fd);
        _cleanup_free_ char *best = NULL;
        struct dirent *entry;

        if (!listing)
                return -errno;
        TAKE_FD(fd);
        while ((entry = readdir(listing))) {
                if (!ledger_is_segment(entry->d_name, LEDGER_SUFFIX) && !ledger_is_segment(entry->d_name, LEDGER_PACKED))
                        continue;
                if (reader->segment &&
                    strncmp(entry->d_name + strlen(LEDGER_PREFIX), reader->segment, LEDGER_NUMBER_SIZE) <= 0)
                        continue;
                /* ".jsonl" sorts before ".jsonl.gz" */
                if (!best || strcmp(entry->d_name, best) < 0) {
                        free(best);
                        best = strdup(entry->d_name);
                        if (!best)
                                break;
                }
        }
        (void)closedir(listing);
        if (entry)
                return -ENOMEM;
        if (!best)
                return 0;
        *ret = TAKE_PTR(best);
        return 1;
}

/* Reads that segment from now on. 0; -ENOENT if it was packed or expired this moment; else negative errno, and the next call goes
 * on behind it. */
static int begin_segment(struct ledger_reader *reader, const char *name) {
        _cleanup_close_ int fd = openat(reader->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        char *segment;

        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        segment = strndup(name + strlen(LEDGER_PREFIX), LEDGER_NUMBER_SIZE);
        if (!segment)
                return -ENOMEM;
        free(reader->segment);
        reader->segment = segment;
        reader->packed = ledger_is_segment(name, LEDGER_PACKED);
        reader->complete = reader->skipping = false;
        reader->used = reader->at = 0;
        buffer_clear(&reader->partial);
        if (reader->file)
                (void)gzclose(reader->file);
        reader->file = NULL;
        if (fd < 0)
                return -errno;
        reader->file = gzdopen(fd, "rb");
        if (!reader->file)
                return -ENOMEM;
        TAKE_FD(fd);
        return 0;
}

static int fill(struct ledger_reader *reader) {
        int n = gzread(reader->file, reader->room, CHUNK), code = Z_OK;

        if (n < 0 || (n == 0 && reader->packed && (gzerror(reader->file, &code), code != Z_OK && code != Z_STREAM_END)))
                return -EBADMSG;
        if (reader->packed && gzdirect(reader->file))
                return -EBADMSG; /* what is no gzip would be read as it is */
        gzclearerr(reader->file); /* the end of a file that grows is not its end */
        reader->used = (size_t)n;
        reader->at = 0;
        return n > 0;
}

static bool take_line(struct ledger_reader *reader, struct buffer *line) {
        const uint8_t *start = reader->room + reader->at;
        size_t left = reader->used - reader->at;
        const uint8_t *end = left ? memchr(start, '\n', left) : NULL;

        if (!reader->skipping)
                buffer_append(&reader->partial, start, end ? (size_t)(end - start) : left);
        reader->at = end ? (size_t)(end + 1 - reader->room) : reader->used;
        if (reader->partial.size > LEDGER_LINE_MAX) { /* none of ours */
                buffer_clear(&reader->partial);
                reader->skipping = true;
        }
        if (end && reader->skipping) {
                reader->skipping = false;
                return false;
        }
        if (!end)
                return false;
        buffer_append_bytes(line, buffer_bytes(&reader->partial));
        buffer_clear(&reader->partial);
        return true;
}

int ledger_reader_next(struct ledger_reader *reader, struct buffer *line) {
        unsigned tries = 0;

        buffer_clear(line);
        for (;;) {
                _cleanup_free_ char *name = NULL;
                int r;

                if (reader->file) {
                        if (take_line(reader, line))
                                return buffer_error(line) < 0 ? -ENOMEM : 1;
                        if (reader->at < reader->used)
                                continue;
                        r = fill(reader);
                        if (r > 0)
                                continue;
                        if (r < 0) {
                                (void)gzclose(reader->file);
                                reader->file = NULL;
                                return r;
                        }
                }
                r = next_segment(reader, &name);
                if (r <= 0)
                        return r;
                /* The end of this one was read before the next one was seen: in between, its last lines may have come. */
                if (reader->file && !reader->complete) {
                        reader->complete = true;
                        continue;
                }
                r = begin_segment(reader, name);
                if (r < 0 && (r != -ENOENT || ++tries == TRIES))
                        return r;
        }
}

uint64_t ledger_reader_segment(const struct ledger_reader *reader) {
        return reader->segment ? strtoull(reader->segment, NULL, 10) : 0;
}

int ledger_reader_wait(struct ledger_reader *reader) {
        char events[4096] __attribute__((aligned(8)));

        if (reader->watch < 0) {
                _cleanup_close_ int watch = inotify_init1(IN_CLOEXEC);

                if (watch < 0 || inotify_add_watch(watch, reader->path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
                        return -errno;
                reader->watch = TAKE_FD(watch);
                return 0; /* what came before the watch stood must be asked for once more */
        }
        while (read(reader->watch, events, sizeof(events)) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}
