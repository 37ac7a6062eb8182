#include "journal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define NAME "journal"

static int open_file(int folder, int flags) {
        int file = openat(folder, NAME, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0600);

        return file < 0 ? -errno : file;
}

/* Reads until the buffer holds as much as a journal can have. */
static int read_all(int file, struct buffer *ret) {
        uint8_t block[16384];
        size_t size = 0;
        ssize_t count;

        while (size < JOURNAL_SIZE_MAX) {
                size_t wanted = JOURNAL_SIZE_MAX - size < sizeof(block) ? JOURNAL_SIZE_MAX - size : sizeof(block);

                count = pread(file, block, wanted, (off_t)size);
                if (count < 0 && errno == EINTR)
                        continue;
                if (count < 0)
                        return -errno;
                if (count == 0)
                        break;
                buffer_append(ret, block, (size_t)count);
                size += (size_t)count;
        }
        return buffer_error(ret);
}

int journal_open(struct journal *journal, int folder, struct buffer *ret) {
        struct stat status;
        int r;

        *journal = JOURNAL_NULL;
        journal->folder = folder;
        if (fstatat(folder, NAME, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        /* Only root writes there; whatever this is, it holds no notes. */
        if (!S_ISREG(status.st_mode))
                return unlinkat(folder, NAME, 0) < 0 ? -errno : 0;
        journal->file = open_file(folder, 0);
        if (journal->file < 0)
                return journal->file;
        r = read_all(journal->file, ret);
        if (r < 0)
                journal_done(journal);
        else
                journal->unsynced = ret->size > 0;
        return r;
}

void journal_done(struct journal *journal) {
        if (journal->file >= 0)
                close(journal->file);
        *journal = JOURNAL_NULL;
}

static uint32_t get_32(const uint8_t *place) {
        uint32_t number;

        memcpy(&number, place, sizeof(number));
        return be32toh(number);
}

static void put_32(uint8_t *place, uint32_t number) {
        number = htobe32(number);
        memcpy(place, &number, sizeof(number));
}

static uint32_t checksum(const uint8_t *record, size_t size) {
        uLong sum = crc32(0, record, 4);

        return (uint32_t)crc32(sum, record + 8, (uInt)(size - 8));
}

int journal_next(struct bytes *rest, uint64_t *ret_generation, struct bytes *ret_payload) {
        uint64_t generation;
        size_t size;

        if (rest->size == 0)
                return 0;
        if (rest->size < JOURNAL_HEAD)
                return -EBADMSG;
        size = get_32(rest->data);
        if (size == 0 || size > JOURNAL_SIZE_MAX || size > rest->size - JOURNAL_HEAD)
                return -EBADMSG;
        if (checksum(rest->data, JOURNAL_HEAD + size) != get_32(rest->data + 4))
                return -EBADMSG;
        memcpy(&generation, rest->data + 8, sizeof(generation));
        *ret_generation = be64toh(generation);
        *ret_payload = bytes_of(rest->data + JOURNAL_HEAD, size);
        *rest = bytes_of(rest->data + JOURNAL_HEAD + size, rest->size - JOURNAL_HEAD - size);
        return 1;
}

void journal_begin(struct buffer *record) {
        buffer_clear(record);
        buffer_append_fill(record, 0, JOURNAL_HEAD);
}

static int write_all(int file, struct bytes data, size_t offset) {
        while (data.size) {
                ssize_t count = pwrite(file, data.data, data.size, (off_t)offset);

                if (count < 0 && errno == EINTR)
                        continue;
                if (count <= 0)
                        return count < 0 ? -errno : -EIO;
                data = bytes_of(data.data + count, data.size - (size_t)count);
                offset += (size_t)count;
        }
        return 0;
}

int journal_append(struct journal *journal, uint64_t generation, struct buffer *record) {
        int r;

        if (buffer_error(record) < 0)
                return -ENOMEM;
        if (record->size > JOURNAL_SIZE_MAX || journal->size > JOURNAL_SIZE_MAX - record->size)
                return -ENOBUFS;
        if (journal->file < 0)
                journal->file = open_file(journal->folder, O_CREAT);
        if (journal->file < 0)
                return journal->file;
        r = journal->stuck ? journal_cut(journal, journal->size) : 0;
        if (r < 0)
                return r;

        put_32(record->data, (uint32_t)(record->size - JOURNAL_HEAD));
        generation = htobe64(generation);
        memcpy(record->data + 8, &generation, sizeof(generation));
        put_32(record->data + 4, checksum(record->data, record->size));
        r = write_all(journal->file, buffer_bytes(record), journal->size);
        if (r < 0)
                (void)journal_cut(journal, journal->size);
        else
                journal->size += record->size;
        journal->unsynced |= r == 0;
        return r;
}

int journal_sync(struct journal *journal) {
        if (!journal->unsynced)
                return 0;
        if (fdatasync(journal->file) < 0 || fsync(journal->folder) < 0)
                return -errno;
        journal->unsynced = false;
        return 0;
}

int journal_cut(struct journal *journal, size_t size) {
        journal->size = size;
        journal->unsynced &= size > 0;
        journal->stuck = journal->file >= 0 && ftruncate(journal->file, (off_t)size) < 0;
        return journal->stuck ? -errno : 0;
}

void journal_move(struct journal *journal, int folder) {
        _cleanup_buffer_ struct buffer content = BUFFER_NULL;
        struct stat held, named;
        int r;

        journal->folder = folder;
        if (journal->file < 0 || fstat(journal->file, &held) < 0)
                return;
        if (fstatat(folder, NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_dev == held.st_dev && named.st_ino == held.st_ino)
                return;
        r = read_all(journal->file, &content);
        if (content.size > journal->size)
                buffer_truncate(&content, journal->size);
        close(journal->file);
        (void)unlinkat(folder, NAME, 0);
        journal->file = r < 0 ? r : open_file(folder, O_CREAT | O_EXCL);
        if (journal->file >= 0 && write_all(journal->file, buffer_bytes(&content), 0) < 0) {
                close(journal->file);
                journal->file = -1;
        }
        journal->unsynced = journal->file >= 0 && journal->size > 0;
        if (journal->file < 0)
                journal->file = -1;
}
