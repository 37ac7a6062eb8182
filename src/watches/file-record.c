#include "file-record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "blake2b.h"
#include "fd.h"
#include "file-attributes.h"
#include "watch.h"

#define HOLE_SIZE (UINT64_C(1) << 30)
#define HOLE_PART 8
#define SHA256_IN_PASSING (UINT64_C(256) << 10) /* of a file that was hinted at, though perhaps nothing of its content moved */

const struct field file_fields[] = {
        [FILE_PATH] = { "path", "file.path", FIELD_TEXT, FIELD_KEY_PATH },
        [FILE_TYPE] = { "type", "file.type", FIELD_TEXT, FIELD_EVIDENCE },
        [FILE_SIZE] = { "size", "file.size", FIELD_NUMBER, FIELD_EVIDENCE },
        [FILE_MODE] = { "mode", "file.mode", FIELD_MODE, FIELD_EVIDENCE },
        [FILE_USER] = { "user", "file.uid", FIELD_IDENTIFIER, FIELD_EVIDENCE | FIELD_USER },
        [FILE_GROUP] = { "group", "file.gid", FIELD_IDENTIFIER, FIELD_EVIDENCE },
        [FILE_MTIME] = { "mtime", "file.mtime", FIELD_TIME, FIELD_EVIDENCE | FIELD_FAINT },
        [FILE_CTIME] = { "ctime", "file.ctime", FIELD_TIME, FIELD_EVIDENCE | FIELD_CHANGED | FIELD_FAINT },
        [FILE_INODE] = { "inode", "file.inode", FIELD_IDENTIFIER, FIELD_EVIDENCE | FIELD_FAINT },
        [FILE_DEVICE] = { "device", "file.device", FIELD_TEXT, FIELD_EVIDENCE },
        [FILE_LINKS] = { "links", "nephronix.file.links", FIELD_NUMBER, FIELD_EVIDENCE },
        [FILE_TARGET] = { "target", "file.target_path", FIELD_TEXT, 0 },
        [FILE_FLAGS] = { "flags", "file.attributes", FIELD_SET, FIELD_EVIDENCE },
        /* moves with each name that comes and goes: it says when to read the folder's own attributes again, and no more */
        [FILE_FOLDER_CTIME] = { "folder_ctime", "file.ctime", FIELD_TIME, FIELD_QUIET | FIELD_EVIDENCE | FIELD_CHANGED },
        [FILE_DIGEST] = { "blake2b", "nephronix.file.hash.blake2b", FIELD_DIGEST, FIELD_COSTLY },
        [FILE_CAPABILITIES] = { "capabilities", "nephronix.file.capabilities", FIELD_SET, FIELD_COSTLY },
        [FILE_ACL] = { "acl", "nephronix.file.acl", FIELD_SET, FIELD_COSTLY },
        [FILE_LABEL] = { "label", "nephronix.file.label", FIELD_TEXT, FIELD_COSTLY },
        [FILE_ATTRIBUTES] = { "attributes", "nephronix.file.xattrs", FIELD_SET, FIELD_COSTLY },
        [FILE_VERITY] = { "verity", "nephronix.file.verity", FIELD_TEXT, FIELD_COSTLY },
        [FILE_ERROR] = { "error", "nephronix.file.error", FIELD_TEXT, FIELD_COSTLY },
        [FILE_TEXT] = { "text", NULL, FIELD_TEXT, FIELD_QUIET | FIELD_COSTLY | FIELD_HIDDEN },
        [FILE_SHA256] = { "sha256", "file.hash.sha256", FIELD_DIGEST, FIELD_QUIET | FIELD_TOLD },
        [FILE_FINDING] = { "finding", "nephronix.file.finding", FIELD_TEXT, FIELD_QUIET | FIELD_TOLD },
        [FILE_LOOKED] = { "looked", NULL, FIELD_TIME, FIELD_LOOKED },
        [FILE_FIELDS] = { NULL },
};

static const char *type_name(mode_t mode) {
        switch (mode & S_IFMT) {
        case S_IFREG:
                return "file";
        case S_IFDIR:
                return "dir";
        case S_IFLNK:
                return "symlink";
        case S_IFIFO:
                return "fifo";
        case S_IFSOCK:
                return "socket";
        case S_IFCHR:
                return "character device";
        case S_IFBLK:
                return "block device";
        default:
                return "unknown";
        }
}

/* "8:1" for every device number there is. It is asked for every file of every round, and nearly always the one before. */
static struct bytes device_text(unsigned major_number, unsigned minor_number) {
        static _Thread_local struct {
                unsigned major_number, minor_number;
                struct bytes text;
                char room[24];
        } last;
        char *end = last.room + sizeof(last.room), *place = end;

        if (last.text.size && last.major_number == major_number && last.minor_number == minor_number)
                return last.text;
        last.major_number = major_number;
        last.minor_number = minor_number;
        do
                *--place = (char)('0' + minor_number % 10);
        while (minor_number /= 10);
        *--place = ':';
        do
                *--place = (char)('0' + major_number % 10);
        while (major_number /= 10);
        last.text = bytes_of(place, (size_t)(end - place));
        return last.text;
}

static uint64_t nanoseconds(struct statx_timestamp stamp) {
        return (uint64_t)stamp.tv_sec * 1000000000u + stamp.tv_nsec;
}

void file_record_fill(struct record *record, const struct statx *stat) {
        struct value *values = record->values;

        values[FILE_TYPE] = value_string(type_name(stat->stx_mode));
        values[FILE_MODE] = value_number(stat->stx_mode & 07777);
        values[FILE_USER] = value_number(stat->stx_uid);
        values[FILE_GROUP] = value_number(stat->stx_gid);
        values[FILE_INODE] = value_number(stat->stx_ino);
        values[FILE_DEVICE] = value_bytes(device_text(stat->stx_dev_major, stat->stx_dev_minor));
        /* A directory's size, links and times follow from what lies in it, and that is told entry by entry. */
        if (!S_ISDIR(stat->stx_mode)) {
                values[FILE_SIZE] = value_number(stat->stx_size);
                values[FILE_LINKS] = value_number(stat->stx_nlink);
                values[FILE_CTIME] = value_number(nanoseconds(stat->stx_ctime));
                values[FILE_MTIME] = value_number(nanoseconds(stat->stx_mtime));
                values[FILE_FOLDER_CTIME].present = false;
        } else {
                values[FILE_SIZE].present = values[FILE_LINKS].present = false;
                values[FILE_CTIME].present = values[FILE_MTIME].present = false;
                values[FILE_FOLDER_CTIME] = value_number(nanoseconds(stat->stx_ctime));
        }
        values[FILE_FLAGS] = value_string(file_attributes_flags(stat));
        for (size_t i = FILE_DIGEST; i < FILE_FIELDS; i++) /* costly, told or noted by the engine, all of them */
                values[i].present = false;
        values[FILE_TARGET].present = false;
}

const char *file_error_name(int error) {
        const char *name = strerrorname_np(error < 0 ? -error : error);

        return name ? name : "unknown error";
}

static int open_for_reading(int directory, const char *name) {
        int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
        int fd = openat(directory, name, flags | O_NOATIME);

        if (fd < 0 && errno == EPERM) /* O_NOATIME is for the owner and CAP_FOWNER */
                fd = openat(directory, name, flags);
        return fd < 0 ? -errno : fd;
}

static bool same_state(const struct statx *a, const struct statx *b) {
        return a->stx_ino == b->stx_ino && a->stx_size == b->stx_size &&
               nanoseconds(a->stx_ctime) == nanoseconds(b->stx_ctime) &&
               nanoseconds(a->stx_mtime) == nanoseconds(b->stx_mtime);
}

/* Whoever may write in a tree makes a file of any size at no cost, as a hole; reading a terabyte of zeros keeps everything else
 * from being watched for an hour. A large file must at least take up some room. */
static bool is_hole(const struct statx *stat) {
        return stat->stx_size > HOLE_SIZE && stat->stx_blocks < stat->stx_size / 512 / HOLE_PART;
}

/* Some filesystems count no links at all. */
static bool is_unlinked(const struct record *record, const struct statx *after) {
        return after->stx_nlink == 0 && record->values[FILE_LINKS].present && record->values[FILE_LINKS].number > 0;
}

/* The record must describe the bytes that were read, not those of the walk a moment ago. */
static void describe_read(struct record *record, const struct statx *after, const uint8_t *digest) {
        const struct value path = record->values[FILE_PATH];
        bool has_inode = record->values[FILE_INODE].present;

        file_record_fill(record, after);
        record->values[FILE_PATH] = path;
        record->values[FILE_INODE].present = has_inode;
        record->values[FILE_DIGEST] = value_bytes(bytes_of(digest, BLAKE2B_SIZE));
}

static int read_digest(int directory, const char *name, struct record *record, struct file_digests *room) {
        enum { TRIES = 3 };
        const unsigned mask = STATX_BASIC_STATS;
        _cleanup_close_ int fd = open_for_reading(directory, name);
        struct statx before, after;

        if (fd < 0)
                return fd;
        for (int i = 0; i < TRIES; i++) {
                bool both;
                int r;

                if (statx(fd, "", AT_EMPTY_PATH, mask, &before) < 0)
                        return -errno;
                if (!S_ISREG(before.stx_mode))
                        return -ESTALE;
                if (is_hole(&before))
                        return -EFBIG;
                if (lseek(fd, 0, SEEK_SET) < 0)
                        return -errno;
                both = before.stx_size <= SHA256_IN_PASSING;
                if (both)
                        r = file_digests(fd, FILE_DIGEST_BLAKE2B | FILE_DIGEST_SHA256, room);
                else
                        r = blake2b_file(fd, room->blake2b);
                if (r < 0)
                        return r;
                if (statx(fd, "", AT_EMPTY_PATH, mask, &after) < 0)
                        return -errno;
                if (is_unlinked(record, &after))
                        return -ENOENT;
                if (same_state(&before, &after)) {
                        describe_read(record, &after, room->blake2b);
                        return both;
                }
        }
        return -EAGAIN;
}

/* What kept it from being read. */
static int describe_error(struct record *record, int error) {
        if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
                return error;
        if (error == -ENOENT)
                return FILE_RECORD_GONE;
        if (error == -EAGAIN)
                record->values[FILE_ERROR] = value_string("unstable: it changed each time it was read");
        else if (error == -EFBIG)
                record->values[FILE_ERROR] = value_string("not read: larger than 1 GiB, and most of it a hole");
        else if (error < 0)
                record->values[FILE_ERROR] = value_string(file_error_name(error));
        return 0;
}

int file_record_digest(int directory, const char *name, struct record *record, struct file_digests *room) {
        int r = read_digest(directory, name, record, room);

        return r < 0 ? describe_error(record, r) : r;
}

void file_record_sha256(int directory, const char *name, struct record *record, struct file_digests *room) {
        _cleanup_close_ int fd = -1;
        struct statx stat;

        if (!record->values[FILE_DIGEST].present || record->values[FILE_SIZE].number > FILE_SHA256_MOST)
                return;
        fd = open_for_reading(directory, name);
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat) < 0 || !S_ISREG(stat.stx_mode) ||
            stat.stx_size > FILE_SHA256_MOST || is_hole(&stat))
                return;
        if (file_digests(fd, FILE_DIGEST_BLAKE2B | FILE_DIGEST_SHA256, room) == 0 &&
            bytes_equal(record->values[FILE_DIGEST].bytes, bytes_of(room->blake2b, BLAKE2B_SIZE)))
                record->values[FILE_SHA256] = value_bytes(bytes_of(room->sha256, SHA256_SIZE));
}

static int read_text(int directory, const char *name, struct buffer *room) {
        _cleanup_close_ int fd = open_for_reading(directory, name);
        struct statx stat;

        if (fd < 0)
                return fd;
        if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stat) < 0)
                return -errno;
        if (!S_ISREG(stat.stx_mode))
                return -ESTALE;
        for (;;) {
                uint8_t part[4096];
                ssize_t n = read(fd, part, sizeof(part));

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return buffer_error(room);
                buffer_append(room, part, (size_t)n);
                if (room->size > FILE_TEXT_MAX)
                        return -EFBIG;
        }
}

/* By its rights, whoever asks. Nobody is left out: not its group in favour of all others, nor one who is named in its ACL. */
static bool is_for_everybody(const struct record *record) {
        struct bytes entries = record->values[FILE_ACL].present ? record->values[FILE_ACL].bytes : BYTES_NULL, entry;

        if ((record->values[FILE_MODE].number & 0444) != 0444)
                return false;
        while (words_next(&entries, &entry))
                if (entry.size < 3 || entry.data[entry.size - 3] != 'r')
                        return false;
        return true;
}

int file_record_text(int directory, const char *name, struct record *record, struct buffer *room) {
        uint8_t digest[BLAKE2B_SIZE];
        int r;

        buffer_clear(room);
        if (!record->values[FILE_DIGEST].present || record->values[FILE_ERROR].present || !is_for_everybody(record) ||
            record->values[FILE_SIZE].number > FILE_TEXT_MAX)
                return 0;
        r = read_text(directory, name, room);
        if (r < 0 || buffer_error(room) < 0)
                return r == -ENOMEM || buffer_error(room) < 0 ? -ENOMEM : 0;
        blake2b_bytes(room->data, room->size, digest);
        if (bytes_equal(record->values[FILE_DIGEST].bytes, bytes_of(digest, sizeof(digest))) &&
            !(room->size && memchr(room->data, 0, room->size)))
                record->values[FILE_TEXT] = value_bytes(buffer_bytes(room));
        return 0;
}

static bool moved(const struct record *before, const struct record *after, enum file_field field) {
        return !value_equal(&file_fields[field], &before->values[field], &after->values[field]);
}

/* What was there when it was read last, and stands where it stood. */
static bool has_beginning(int directory, const char *name, const struct record *before, const struct record *record) {
        _cleanup_close_ int fd = open_for_reading(directory, name);
        uint8_t digest[BLAKE2B_SIZE];
        struct statx stat;

        return fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat) == 0 &&
               stat.stx_ino == record->values[FILE_INODE].number &&
               blake2b_file_prefix(fd, before->values[FILE_SIZE].number, digest) == 0 &&
               bytes_equal(before->values[FILE_DIGEST].bytes, bytes_of(digest, sizeof(digest)));
}

int file_record_log(int directory, const char *name, const struct record *before, struct record *record) {
        const char *finding = NULL;
        bool more = false;

        if (!before->values[FILE_DIGEST].present || !record->values[FILE_DIGEST].present || moved(before, record, FILE_TYPE))
                return WATCH_OK;
        for (enum file_field i = 0; i < FILE_FIELDS; i++)
                if (i != FILE_SIZE && i != FILE_DIGEST && i != FILE_MTIME && i != FILE_CTIME &&
                    !(file_fields[i].flags & (FIELD_QUIET | FIELD_LOOKED)) && moved(before, record, i))
                        more = true;
        if (moved(before, record, FILE_INODE) || moved(before, record, FILE_DEVICE))
                finding = "replaced";
        else if (record->values[FILE_SIZE].number < before->values[FILE_SIZE].number)
                finding = "truncated";
        else if (moved(before, record, FILE_DIGEST) && !has_beginning(directory, name, before, record))
                finding = "rewritten";
        record->values[FILE_FINDING] = value_string(finding);
        return finding || more ? WATCH_OK : WATCH_E_NO_NEWS;
}

int file_record_take_digest(struct record *record, const struct digest_job *job) {
        if (job->error < 0)
                return describe_error(record, job->error);
        if (is_unlinked(record, &job->after))
                return FILE_RECORD_GONE;
        describe_read(record, &job->after, job->blake2b);
        return 0;
}

int file_record_attributes(int directory, const char *name, bool none, struct record *record, struct file_attributes *room) {
        const struct value *flags = &record->values[FILE_FLAGS];
        int r = 0;

        if (none)
                file_attributes_clear(room);
        else
                r = file_attributes_read(directory, name, room);
        if (r == 0 && flags->present && memmem(flags->bytes.data, flags->bytes.size, "verity", 6))
                r = file_attributes_measure(directory, name, room);
        if (r == -ENOMEM)
                return r;
        if (r == -ENOENT)
                return FILE_RECORD_GONE;
        if (r == 0)
                file_attributes_put(room, record);
        else if (!record->values[FILE_ERROR].present)
                record->values[FILE_ERROR] = value_string(file_error_name(r));
        return 0;
}
