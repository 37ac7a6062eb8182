#include "sealer.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "clock.h"
#include "fd.h"
#include "folder.h"
#include "new-file.h"
#include "torn-tail.h"

#define KEY_NAME "key"
#define KEY_NEXT KEY_NAME ".new"

enum { KEY_FOLDER_MODE = 0700 };

/* The file of a secret: what it is, which seal it signs, and it. */
struct key_file {
        char magic[8];
        uint64_t number;                /* big-endian */
        uint8_t seed[SEAL_SEED_SIZE];
};

static const char magic[8] = "nphseal1";

struct sealer {
        int ledger, keys;
        char *ledger_path;              /* owned */
        uint64_t number, last;
        char boot_id[SEAL_BOOT_ID_SIZE + 1];
        uint8_t seed[SEAL_SEED_SIZE];
        bool unplaced;                  /* it is in key.new still */
        uint64_t device, inode, size;   /* of the seals as they were left; inode 0: there are none yet */
        bool immutable;
};

/* ---- the secret ---- */

static int read_key(int folder, const char *name, struct key_file *ret) {
        _cleanup_close_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct key_file file;
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, &file, sizeof(file));
        if (n < 0)
                return -errno;
        if (n != sizeof(file) || memcmp(file.magic, magic, sizeof(magic)) != 0)
                return -EBADMSG;
        *ret = file;
        return 0;
}

static int write_key(int folder, uint64_t number, const uint8_t seed[SEAL_SEED_SIZE], struct new_file *file) {
        struct key_file key = { .number = htobe64(number) };
        int r = new_file_begin(file, folder, KEY_NAME, 0600);

        memcpy(key.magic, magic, sizeof(magic));
        memcpy(key.seed, seed, sizeof(key.seed));
        if (r == 0) {
                new_file_write(file, bytes_of(&key, sizeof(key)));
                r = new_file_finish(file, true);
        }
        sodium_memzero(&key, sizeof(key));
        return r;
}

/* Zeros over it, on disk, before another one takes its name: a file that is only unlinked can be read from the device. */
static int wipe_key(int folder) {
        _cleanup_close_ int fd = openat(folder, KEY_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        static const struct key_file zeros;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        r = write_all(fd, bytes_of(&zeros, sizeof(zeros)));
        return r == 0 && fsync(fd) < 0 ? -errno : r;
}

static int place_key(int folder) {
        if (renameat(folder, KEY_NEXT, folder, KEY_NAME) < 0 || fsync(folder) < 0)
                return -errno;
        return 0;
}

/* ---- the seals ---- */

/* Opens the file; a line that was torn is cut off, its seal is made again. */
static int open_seals(int folder) {
        _cleanup_close_ int fd = openat(folder, SEAL_FILE, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        struct stat stat;
        uint64_t whole;
        int r;

        if (fd < 0 || fstat(fd, &stat) < 0)
                return -errno;
        r = torn_tail_find(fd, (uint64_t)stat.st_size, &whole);
        if (r < 0)
                return r;
        if (whole != (uint64_t)stat.st_size && ftruncate(fd, (off_t)whole) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* The last seal, by which key, and where its line begins: 1, 0 if there is none, -EBADMSG if the last line is none, or negative errno. */
static int last_seal(int fd, struct seal *ret, uint8_t ret_key[SSHSIG_KEY_SIZE], off_t *ret_begin) {
        char room[SEAL_LINE_MAX + 2];
        struct stat stat;
        ssize_t n;
        char *end, *before;
        int r;

        if (fstat(fd, &stat) < 0)
                return -errno;
        if (stat.st_size == 0)
                return 0;
        n = pread(fd, room, sizeof(room), stat.st_size > (off_t)sizeof(room) ? stat.st_size - (off_t)sizeof(room) : 0);
        if (n <= 0)
                return n < 0 ? -errno : -EBADMSG;
        end = memrchr(room, '\n', (size_t)n);
        if (!end)
                return -EBADMSG;
        before = memrchr(room, '\n', (size_t)(end - room));
        before = before ? before + 1 : room;
        *ret_begin = stat.st_size > (off_t)sizeof(room) ? stat.st_size - (off_t)sizeof(room) + (before - room) : before - room;
        r = seal_read(bytes_of(before, (size_t)(end - before)), ret, ret_key);
        return r < 0 ? (r == -ENOMEM ? r : -EBADMSG) : 1;
}

/* A seal that could neither be synced nor cut off again: its line stays, but its key does not go on to the next, and signs its number
 * once more. 1: it is cut off; 0: there is none; or negative errno. */
static int cut_unfinished(int fd, uint64_t number, const uint8_t seed[SEAL_SEED_SIZE]) {
        struct seal last;
        uint8_t key[SSHSIG_KEY_SIZE], own[SSHSIG_KEY_SIZE];
        off_t begin = 0;
        int r = last_seal(fd, &last, key, &begin);

        if (r <= 0)
                return r == -EBADMSG ? 0 : r;
        seal_key(seed, own);
        if (last.number != number || memcmp(key, own, sizeof(own)) != 0)
                return 0;
        return ftruncate(fd, begin) < 0 ? -errno : 1;
}

static void note_seals(struct sealer *sealer, const struct stat *stat) {
        sealer->device = (uint64_t)stat->st_dev;
        sealer->inode = (uint64_t)stat->st_ino;
        sealer->size = (uint64_t)stat->st_size;
}

bool sealer_stands(struct sealer *sealer) {
        bool immutable, stands, was_immutable = sealer->immutable;
        struct stat stat = { .st_ino = 0 };

        if (!sealer->inode)
                return true;
        (void)folder_follow(sealer->ledger, sealer->ledger_path, 0);
        immutable = folder_entry_is_immutable(sealer->ledger, SEAL_FILE);
        sealer->immutable = immutable;
        stands = fstatat(sealer->ledger, SEAL_FILE, &stat, AT_SYMLINK_NOFOLLOW) == 0 && (uint64_t)stat.st_dev == sealer->device &&
                 (uint64_t)stat.st_ino == sealer->inode && (uint64_t)stat.st_size == sealer->size;
        if (!stands)
                note_seals(sealer, &stat);
        return stands && (!immutable || was_immutable);
}

static int append_signer(int folder, const uint8_t key[SSHSIG_KEY_SIZE]) {
        _cleanup_close_ int fd = openat(folder, SEAL_SIGNERS, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        int r;

        if (fd < 0)
                return -errno;
        buffer_append_string(&line, "nephronix namespaces=\"" SEAL_NAMESPACE "\" ");
        sshsig_key_append(&line, key);
        buffer_append_byte(&line, '\n');
        r = buffer_error(&line);
        if (r == 0)
                r = write_all(fd, buffer_bytes(&line));
        return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* ---- life ---- */

static int begin_anew(struct sealer *sealer) {
        _cleanup_(new_file_drop) struct new_file file = NEW_FILE_NULL;
        uint8_t key[SSHSIG_KEY_SIZE];
        int r;

        sealer->number = 0;
        clock_random(sealer->seed, sizeof(sealer->seed));
        seal_key(sealer->seed, key);
        r = write_key(sealer->keys, 0, sealer->seed, &file);
        /* A key that is named and never used does no harm; one that is used and was not named does. */
        if (r == 0)
                r = append_signer(sealer->ledger, key);
        return r == 0 ? new_file_place(&file) : r;
}

static bool leads_to(const struct seal *last, const struct key_file *file) {
        uint8_t key[SSHSIG_KEY_SIZE];

        seal_key(file->seed, key);
        return be64toh(file->number) == last->number + 1 && memcmp(key, last->next, sizeof(key)) == 0;
}

static int find_key(struct sealer *sealer) {
        _cleanup_close_ int seals = open_seals(sealer->ledger);
        struct key_file now, next;
        struct seal last = { .number = 0 };
        struct stat stat;
        uint8_t key[SSHSIG_KEY_SIZE];
        int r, have, have_next, standing = SEALER_STANDS;
        off_t begin;

        if (seals < 0)
                return seals;
        if (fstat(seals, &stat) == 0)
                note_seals(sealer, &stat);
        r = last_seal(seals, &last, key, &begin);
        if (r < 0 && r != -EBADMSG)
                return r;
        have = read_key(sealer->keys, KEY_NAME, &now);
        have_next = read_key(sealer->keys, KEY_NEXT, &next);
        if (r == 1 && have_next == 0 && leads_to(&last, &next)) { /* that seal was the last thing before the crash */
                have = wipe_key(sealer->keys);
                if (have == 0)
                        have = place_key(sealer->keys);
                now = next;
        }
        sodium_memzero(&next, sizeof(next));
        if (r == 1 && have == 0) {
                int cut = cut_unfinished(seals, be64toh(now.number), now.seed);

                if (cut < 0)
                        return cut;
                if (cut > 0)
                        r = last_seal(seals, &last, key, &begin);
        }
        if (r == 1) {
                sealer->last = last.last;
                memcpy(sealer->boot_id, last.boot_id, sizeof(sealer->boot_id));
        }
        if (have < 0 && have != -ENOENT && have != -EBADMSG)
                return have;
        if (have < 0) {
                r = begin_anew(sealer) < 0 ? -EIO : r == 0 && have == -ENOENT ? SEALER_BEGUN : SEALER_KEY_LOST;
                return r;
        }
        sealer->number = be64toh(now.number);
        memcpy(sealer->seed, now.seed, sizeof(sealer->seed));
        /* A first key may stand behind seals: it was made when the one before was lost. */
        if (sealer->number != 0 && (r != 1 || !leads_to(&last, &now)))
                standing = SEALER_SEALS_LOST;
        sodium_memzero(&now, sizeof(now));
        return standing;
}

int sealer_open(const char *ledger_folder, const char *key_folder, struct sealer **ret) {
        struct sealer *sealer = calloc(1, sizeof(*sealer));
        int r = -ENOMEM;

        if (!sealer)
                return r;
        sealer->ledger = sealer->keys = -1;
        sealer->ledger_path = strdup(ledger_folder);
        if (!sealer->ledger_path)
                goto fail;
        sealer->ledger = r = folder_open(ledger_folder, 0);
        if (r < 0)
                goto fail;
        sealer->keys = r = folder_open(key_folder, KEY_FOLDER_MODE);
        if (r < 0)
                goto fail;
        r = find_key(sealer);
        if (r < 0)
                goto fail;
        *ret = sealer;
        return r;
fail:
        (void)sealer_close(sealer);
        return r;
}

struct sealer *sealer_close(struct sealer *sealer) {
        if (!sealer)
                return NULL;
        (void)fd_close(sealer->ledger);
        (void)fd_close(sealer->keys);
        free(sealer->ledger_path);
        sodium_memzero(sealer, sizeof(*sealer));
        free(sealer);
        return NULL;
}

void sealer_key(const struct sealer *sealer, uint8_t ret[SSHSIG_KEY_SIZE]) {
        seal_key(sealer->seed, ret);
}

uint64_t sealer_number(const struct sealer *sealer) {
        return sealer->number;
}

uint64_t sealer_last(const struct sealer *sealer) {
        return sealer->last;
}

const char *sealer_boot(const struct sealer *sealer) {
        return sealer->boot_id;
}

static int replace_key(struct sealer *sealer) {
        int r = wipe_key(sealer->keys);

        if (r == 0)
                r = place_key(sealer->keys);
        if (r == 0)
                sealer->unplaced = false;
        return r;
}

static int append_seal(struct sealer *sealer, const struct seal *seal) {
        _cleanup_buffer_ struct buffer line = BUFFER_NULL;
        _cleanup_close_ int fd = -1;
        struct stat stat;
        int r = seal_append(&line, seal, sealer->seed);

        if (r < 0)
                return r;
        (void)folder_follow(sealer->ledger, sealer->ledger_path, 0);
        fd = open_seals(sealer->ledger); /* opened each time: it may have been moved since */
        if (fd < 0)
                return fd;
        r = cut_unfinished(fd, seal->number, sealer->seed);
        if (r < 0)
                return r;
        if (fstat(fd, &stat) < 0)
                return -errno;
        r = write_all(fd, buffer_bytes(&line));
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (r == 0 && stat.st_size == 0 && fsync(sealer->ledger) < 0)
                r = -errno;
        if (r < 0)
                (void)!ftruncate(fd, stat.st_size); /* what stays is cut off by the next */
        if (fstat(fd, &stat) == 0)
                note_seals(sealer, &stat);
        return r;
}

int sealer_seal(struct sealer *sealer, uint64_t last, const uint8_t head[CHAIN_HASH_SIZE], const char *boot_id, const char *reason) {
        _cleanup_(new_file_drop) struct new_file file = NEW_FILE_NULL;
        struct seal seal = {
                .number = sealer->number, .first = sealer->last + 1, .last = last, .reason = reason,
                .boot_ns = clock_ns(CLOCK_BOOTTIME),
        };
        uint8_t seed[SEAL_SEED_SIZE];
        int r;

        (void)clock_gettime(CLOCK_REALTIME, &seal.at);
        memcpy(seal.head, head, sizeof(seal.head));
        if (boot_id && strlen(boot_id) == SEAL_BOOT_ID_SIZE)
                memcpy(seal.boot_id, boot_id, SEAL_BOOT_ID_SIZE);
        r = sealer->unplaced ? replace_key(sealer) : 0;
        if (r < 0)
                return r;
        clock_random(seed, sizeof(seed));
        seal_key(seed, seal.next);
        /* The next secret must be on disk before the seal that names it. */
        r = write_key(sealer->keys, seal.number + 1, seed, &file);
        if (r == 0 && fsync(sealer->keys) < 0)
                r = -errno;
        if (r == 0)
                r = append_seal(sealer, &seal);
        if (r < 0) {
                sodium_memzero(seed, sizeof(seed));
                return r;
        }
        /* From here on there is no way back: the seal stands. If one of these fails, the next start finishes it. */
        memcpy(sealer->seed, seed, sizeof(seed));
        sodium_memzero(seed, sizeof(seed));
        sealer->number++;
        sealer->last = last;
        memcpy(sealer->boot_id, seal.boot_id, sizeof(sealer->boot_id));
        free(file.temporary); /* that is not dropped any more, whatever happens */
        file.temporary = NULL;
        sealer->unplaced = true;
        return replace_key(sealer);
}
