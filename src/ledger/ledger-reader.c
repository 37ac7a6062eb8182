#include "ledger-reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <zlib.h>

#include "fd.h"
#include "ledger.h"

enum { NUMBER_SIZE = 20, CHUNK = 64 * 1024, LINE_MAX_SIZE = 16 * 1024 * 1024 };

struct ledger_reader {
        int folder, watch;
        char *path;                     /* owned */
        char *segment;                  /* owned; the number part of the name being read; NULL: none yet */
        gzFile file;
        bool packed;
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

static bool ends_with(const char *name, const char *suffix) {
        size_t length = strlen(name), wanted = strlen(suffix);

        return length > wanted && strcmp(name + length - wanted, suffix) == 0;
}

/* The first segment after the one being read: its whole name (the caller's), NULL if there is none. The unpacked form is
 * preferred while both stand: it is complete. */
static char *next_segment(struct ledger_reader *reader) {
        _cleanup_close_ int fd = openat(reader->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *listing = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;
        char *best = NULL;

        if (!listing)
                return NULL;
        TAKE_FD(fd);
        while ((entry = readdir(listing))) {
                const char *number = entry->d_name + strlen(LEDGER_PREFIX);

                if (strncmp(entry->d_name, LEDGER_PREFIX, strlen(LEDGER_PREFIX)) != 0 || strlen(number) <= NUMBER_SIZE ||
                    (!ends_with(entry->d_name, LEDGER_SUFFIX) && !ends_with(entry->d_name, LEDGER_PACKED)))
                        continue;
                if (reader->segment && strncmp(number, reader->segment, NUMBER_SIZE) <= 0)
                        continue;
                /* ".jsonl" sorts before ".jsonl.gz" */
                if (!best || strcmp(entry->d_name, best) < 0) {
                        free(best);
                        best = strdup(entry->d_name);
                }
        }
        (void)closedir(listing);
        return best;
}

/* 1 if another segment is being read now, 0 if there is none. */
static int advance(struct ledger_reader *reader) {
        _cleanup_free_ char *name = next_segment(reader);
        _cleanup_close_ int fd = -1;
        char *segment;
        gzFile file;

        if (!name)
                return 0;
        fd = openat(reader->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno; /* packed this moment: asked again */
        segment = strndup(name + strlen(LEDGER_PREFIX), NUMBER_SIZE);
        if (!segment)
                return -ENOMEM;
        file = gzdopen(fd, "rb");
        if (!file) {
                free(segment);
                return -ENOMEM;
        }
        TAKE_FD(fd);
        if (reader->file)
                (void)gzclose(reader->file);
        free(reader->segment);
        reader->segment = segment;
        reader->file = file;
        reader->packed = ends_with(name, LEDGER_PACKED);
        reader->used = reader->at = 0;
        buffer_clear(&reader->partial);
        return 1;
}

static int fill(struct ledger_reader *reader) {
        int n = gzread(reader->file, reader->room, CHUNK), code = Z_OK;

        if (n < 0 || (n == 0 && reader->packed && (gzerror(reader->file, &code), code != Z_OK && code != Z_STREAM_END)))
                return -EBADMSG;
        gzclearerr(reader->file); /* the end of a file that grows is not its end */
        reader->used = (size_t)n;
        reader->at = 0;
        return n > 0;
}

static bool take_line(struct ledger_reader *reader, struct buffer *line) {
        const uint8_t *start = reader->room + reader->at;
        size_t left = reader->used - reader->at;
        const uint8_t *end = left ? memchr(start, '\n', left) : NULL;

        buffer_append(&reader->partial, start, end ? (size_t)(end - start) : left);
        reader->at = end ? (size_t)(end + 1 - reader->room) : reader->used;
        if (!end)
                return false;
        buffer_append_bytes(line, buffer_bytes(&reader->partial));
        buffer_clear(&reader->partial);
        return true;
}

int ledger_reader_next(struct ledger_reader *reader, struct buffer *line) {
        buffer_clear(line);
        for (;;) {
                int r;

                if (reader->file) {
                        if (take_line(reader, line))
                                return buffer_error(line) < 0 ? -ENOMEM : 1;
                        if (reader->partial.size > LINE_MAX_SIZE)
                                buffer_clear(&reader->partial);
                        r = fill(reader);
                        if (r > 0)
                                continue;
                        if (r < 0) {
                                (void)gzclose(reader->file);
                                reader->file = NULL;
                                return r;
                        }
                }
                r = advance(reader);
                if (r <= 0)
                        return r;
        }
}

int ledger_reader_wait(struct ledger_reader *reader) {
        char events[4096] __attribute__((aligned(8)));

        if (reader->watch < 0) {
                reader->watch = inotify_init1(IN_CLOEXEC);
                if (reader->watch < 0 ||
                    inotify_add_watch(reader->watch, reader->path, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
                        return -errno;
                return 0; /* what came before the watch stood must be asked for once more */
        }
        while (read(reader->watch, events, sizeof(events)) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}
