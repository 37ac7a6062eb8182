#include "rpm-provenance.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "blake2b.h"
#include "dpkg-info.h"
#include "fd.h"
#include "found-file.h"
#include "host.h"
#include "path-index.h"
#include "path-table.h"
#include "rpm-files.h"

enum { ACCOUNTS_MAX = 16 * 1024 * 1024, ANSWERS_KEPT = 32 };

/* One answer: the paths that were asked, and what came. */
struct rpm_answer {
        struct rpm_answer *next;
        struct buffer paths;
        struct path_index index;        /* from the hash of a path to its number */
        uint32_t *paths_at;             /* owned; by number: its place in 'paths' */
        uint32_t *records_at;           /* owned; by number: the first record's place in 'text'; 0: nobody owns it */
        uint8_t *text;                  /* mapped */
        size_t size;
};

static struct rpm_answer *answer_free(struct rpm_answer *answer) {
        if (answer) {
                if (answer->size)
                        (void)munmap(answer->text, answer->size);
                buffer_done(&answer->paths);
                path_index_done(&answer->index);
                free(answer->paths_at);
                free(answer->records_at);
                free(answer);
        }
        return NULL;
}

static void drop_answers(struct rpm_provenance *rpm, size_t keep) {
        struct rpm_answer **place = &rpm->answers;

        for (size_t i = 0; i < keep && *place; i++)
                place = &(*place)->next;
        while (*place) {
                struct rpm_answer *answer = *place;

                *place = answer->next;
                (void)answer_free(answer);
                rpm->n_answers--;
        }
}

/* What is on its way stays: the helper would hand it to the next question. */
void rpm_provenance_release(struct rpm_provenance *rpm) {
        drop_answers(rpm, 0);
        buffer_done(&rpm->waiting);
        rpm->n_waiting = 0;
        rpm->error = 0;
        if (!rpm->pending) {
                buffer_done(&rpm->asked);
                rpm->n_asked = 0;
        }
}

void rpm_provenance_moment(const struct host *host, struct rpm_moment *ret) {
        static const char *const folders[] = { "var/lib/rpm", "usr/lib/sysimage/rpm" };
        static const char *const files[] = { "rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages" };
        enum { JOURNAL = 1 };
        struct rpm_moment moment = { 0 };
        struct {
                int64_t facts[ELEMENTS(folders)][ELEMENTS(files)][6];
                uint64_t locks;
        } seen = { 0 };
        uint8_t digest[BLAKE2B_SIZE];

        for (size_t i = 0; i < ELEMENTS(folders); i++) {
                _cleanup_close_ int folder = host_openat(host, folders[i], O_PATH | O_DIRECTORY), lock = -1;
                struct flock how = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

                if (folder < 0)
                        continue;
                for (size_t k = 0; k < ELEMENTS(files); k++) {
                        int64_t *facts = seen.facts[i][k];
                        struct stat file;

                        if (fstatat(folder, files[k], &file, AT_SYMLINK_NOFOLLOW) < 0)
                                continue;
                        /* A mere reader makes and unmakes an empty journal. */
                        if (k == JOURNAL && file.st_size == 0)
                                continue;
                        facts[0] = 1;
                        facts[1] = (int64_t)file.st_ino;
                        facts[2] = file.st_size;
                        facts[3] = (int64_t)file.st_mtim.tv_sec * 1000000000 + file.st_mtim.tv_nsec;
                        facts[4] = (int64_t)file.st_ctim.tv_sec * 1000000000 + file.st_ctim.tv_nsec;
                        if (k != JOURNAL)
                                moment.there = true;
                }
                /* rpm holds it against others for as long as a transaction runs. */
                lock = openat(folder, ".rpm.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
                if (lock >= 0 && fcntl(lock, F_OFD_GETLK, &how) == 0 && how.l_type != F_UNLCK)
                        seen.locks |= UINT64_C(1) << i;
        }
        moment.at_work = seen.locks != 0;
        blake2b_bytes((const uint8_t *)&seen, sizeof(seen), digest);
        memcpy(moment.fingerprint, digest, sizeof(moment.fingerprint));
        *ret = moment;
}

static int map_answer(int fd, struct rpm_answer *answer) {
        const int wanted = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat file;
        void *place;

        /* Without these its writer could change it under us, or make us die of SIGBUS. */
        if (seals < 0 || (seals & wanted) != wanted)
                return -EBADMSG;
        if (fstat(fd, &file) < 0)
                return -errno;
        if (file.st_size <= 0 || file.st_size > RPM_FILES_ANSWER_MAX)
                return -EBADMSG;
        place = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (place == MAP_FAILED)
                return -errno;
        answer->text = place;
        answer->size = (size_t)file.st_size;
        return 0;
}

/* Whether all of it is sound, and as long as the question; and where its records are. */
static int index_answer(struct rpm_answer *answer, size_t paths) {
        struct rpm_files reader = rpm_files_of(bytes_of(answer->text, answer->size));
        struct bytes rest = buffer_bytes(&answer->paths), path;
        struct rpm_file file;
        uint32_t count = 0;
        int r = 0;

        answer->paths_at = calloc(paths + 1, sizeof(*answer->paths_at));
        answer->records_at = calloc(paths + 1, sizeof(*answer->records_at));
        if (!answer->paths_at || !answer->records_at)
                return -ENOMEM;
        for (size_t i = 0; r == 0 && rpm_files_question_next(&rest, &path); i++) {
                answer->paths_at[i] = (uint32_t)(path.data - answer->paths.data);
                r = path_index_add(&answer->index, path_hash(0, path), i);
        }
        if (r == 0)
                r = path_index_sort(&answer->index);
        while (r == 0) {
                /* Of the first one the place is where the mark ends; a reader that begins there has begun. */
                size_t place = answer->size - reader.rest.size;
                bool first = !reader.begun;

                r = rpm_files_next(&reader, &file, &count);
                if (r <= 0)
                        return r < 0 ? r : count == paths ? 0 : -EBADMSG;
                if (file.number >= paths)
                        return -EBADMSG;
                if (!answer->records_at[file.number])
                        answer->records_at[file.number] = (uint32_t)(first ? RPM_FILES_MARK_SIZE : place);
                r = 0;
        }
        return r;
}

static int take_answer(struct rpm_provenance *rpm, int fd) {
        struct rpm_answer *answer = calloc(1, sizeof(*answer));
        int r = answer ? map_answer(fd, answer) : -ENOMEM;

        if (r == 0) {
                answer->paths = rpm->asked;
                rpm->asked = BUFFER_NULL;
                r = index_answer(answer, rpm->n_asked);
        }
        if (r < 0) {
                (void)answer_free(answer);
                return r;
        }
        answer->next = rpm->answers;
        rpm->answers = answer;
        rpm->n_answers++;
        drop_answers(rpm, ANSWERS_KEPT);
        return 0;
}

/* Asks what waits, unless a question is on its way. */
static void send_waiting(struct rpm_provenance *rpm) {
        struct host_helper *helper = rpm->host->helper;
        int r;

        if (rpm->pending || rpm->n_waiting == 0 || rpm->error)
                return;
        r = helper && helper->rpm_files ? helper->rpm_files(helper, buffer_bytes(&rpm->waiting)) : -EOPNOTSUPP;
        if (r == -EAGAIN) /* another question of ours is with the guard: later */
                return;
        if (r < 0)
                rpm->error = r;
        else {
                buffer_done(&rpm->asked);
                rpm->asked = rpm->waiting;
                rpm->n_asked = rpm->n_waiting;
                rpm->pending = true;
                rpm->waiting = BUFFER_NULL;
                rpm->n_waiting = 0;
        }
}

static void refresh(struct rpm_provenance *rpm, const struct rpm_moment *moment) {
        if (memcmp(rpm->fingerprint, moment->fingerprint, sizeof(rpm->fingerprint)) == 0)
                return;
        rpm_provenance_release(rpm);
        /* What is on its way may be of the database before: it is dropped when it comes. */
        if (rpm->pending)
                buffer_clear(&rpm->asked);
        memcpy(rpm->fingerprint, moment->fingerprint, sizeof(rpm->fingerprint));
}

bool rpm_provenance_poll(struct rpm_provenance *rpm) {
        struct host_helper *helper = rpm->host->helper;
        _cleanup_close_ int fd = -1;
        int r;

        if (!rpm->pending)
                return false;
        r = helper->rpm_files_answer(helper, &fd);
        if (r == -EAGAIN)
                return false;
        rpm->pending = false;
        if (rpm->asked.size) {
                if (r == 0)
                        r = take_answer(rpm, fd);
                if (r < 0)
                        rpm->error = r;
        }
        buffer_done(&rpm->asked);
        rpm->n_asked = 0;
        send_waiting(rpm);
        return true;
}

static bool has(const struct buffer *paths, struct bytes path) {
        struct bytes rest = buffer_bytes(paths), one;

        while (rpm_files_question_next(&rest, &one))
                if (bytes_equal(one, path))
                        return true;
        return false;
}

static const struct rpm_answer *find_answer(const struct rpm_provenance *rpm, struct bytes path, size_t *ret_number) {
        const uint64_t hash = path_hash(0, path);

        for (const struct rpm_answer *answer = rpm->answers; answer; answer = answer->next) {
                size_t place = path_index_find(&answer->index, hash), number;

                while (path_index_next(&answer->index, hash, &place, &number)) {
                        const char *text = (const char *)answer->paths.data + answer->paths_at[number];

                        if (!bytes_equal(bytes_of_string(text), path))
                                continue;
                        *ret_number = number;
                        return answer;
                }
        }
        return NULL;
}

static int enqueue(struct rpm_provenance *rpm, struct bytes path) {
        size_t number;

        /* Full: asked again, when these are answered. */
        if (path.size == 0 || path.data[0] != '/' || memchr(path.data, '\0', path.size) || rpm->error ||
            rpm->n_waiting == RPM_FILES_PATHS_MAX || rpm->waiting.size + path.size + 1 > RPM_FILES_QUESTION_MAX)
                return 0;
        if (find_answer(rpm, path, &number) || has(&rpm->asked, path) || has(&rpm->waiting, path))
                return 0;
        buffer_append_bytes(&rpm->waiting, path);
        buffer_append_byte(&rpm->waiting, '\0');
        rpm->n_waiting++;
        if (buffer_error(&rpm->waiting) < 0) {
                buffer_clear(&rpm->waiting);
                rpm->n_waiting = 0;
                return -ENOMEM;
        }
        return 0;
}

int rpm_provenance_prepare(struct rpm_provenance *rpm, const struct bytes *paths, size_t count) {
        struct rpm_moment moment;
        int r = 0;

        rpm_provenance_moment(rpm->host, &moment);
        if (!moment.there || moment.at_work)
                return 0;
        refresh(rpm, &moment);
        for (size_t i = 0; i < count && r == 0; i++)
                r = enqueue(rpm, paths[i]);
        if (r == 0)
                send_waiting(rpm);
        return r;
}

static int unknown(struct provenance_answer *answer, bool soon, const char *why) {
        *answer = (struct provenance_answer){ .verdict = PROVENANCE_UNKNOWN, .manager = "rpm", .soon = soon, .why = why };
        return 0;
}

static bool find_id(const struct host *host, const char *path, struct bytes name, uint32_t *ret) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        if (bytes_equal(name, bytes_of_string("root"))) {
                *ret = 0;
                return true;
        }
        if (host_read(host, path, ACCOUNTS_MAX, &text) < 0)
                buffer_clear(&text);
        return dpkg_info_account_id(buffer_bytes(&text), name, ret);
}

/* NULL: as packaged, as far as told. -errno in *ret_error. */
static const char *compare_content(struct found_file *file, const struct rpm_file *is, unsigned *told, int *ret_error) {
        const struct bytes digest = is->texts[RPM_FILE_DIGEST];
        _cleanup_buffer_ struct buffer target = BUFFER_NULL;
        bool md5 = is->digest_kind == RPM_DIGEST_MD5 && digest.size == MD5_SIZE;

        if (S_ISLNK(is->mode)) {
                *ret_error = found_file_target(file, &target);
                *told |= PROVENANCE_CONTENT;
                return *ret_error == 0 && !bytes_equal(buffer_bytes(&target), is->texts[RPM_FILE_TARGET]) ? "content" : NULL;
        }
        if (!S_ISREG(is->mode) || !(md5 || (is->digest_kind == RPM_DIGEST_SHA256 && digest.size == SHA256_SIZE)))
                return NULL;
        *ret_error = found_file_read(file, md5 ? FILE_DIGEST_MD5 : FILE_DIGEST_SHA256);
        if (*ret_error < 0)
                return NULL;
        *told |= PROVENANCE_CONTENT;
        return memcmp(md5 ? file->digests.md5 : file->digests.sha256, digest.data, digest.size) != 0 ? "content" : NULL;
}

static const char *compare_owner(const struct host *host, const struct found_file *file, const struct rpm_file *is, unsigned *told) {
        uint32_t user, group;

        if (!find_id(host, "etc/passwd", is->texts[RPM_FILE_USER], &user) ||
            !find_id(host, "etc/group", is->texts[RPM_FILE_GROUP], &group))
                return NULL;
        *told |= PROVENANCE_OWNER;
        return user != file->stat.stx_uid || group != file->stat.stx_gid ? "owner" : NULL;
}

/* Only whether there are any: what a text of them means is libcap's to say. */
static const char *compare_capabilities(struct found_file *file, const struct rpm_file *is, unsigned *told, int *ret_error) {
        bool has = false, should = is->texts[RPM_FILE_CAPABILITIES].size > 0;

        if (!S_ISREG(is->mode))
                return NULL;
        *ret_error = found_file_has_capabilities(file, &has);
        if (*ret_error < 0)
                return NULL;
        if (has != should) {
                *told |= PROVENANCE_CAPABILITIES;
                return "capabilities";
        }
        if (!should)
                *told |= PROVENANCE_CAPABILITIES;
        return NULL;
}

static int compare(const struct rpm_provenance *rpm, struct found_file *file, const struct rpm_file *is,
                   struct provenance_answer *answer) {
        enum provenance_verdict otherwise = is->flags & RPM_FILE_CONFIG ? PROVENANCE_CONFIGURATION : PROVENANCE_DIFFERS;
        const char *why = NULL;
        int r = 0;

        if (is->flags & RPM_FILE_GHOST) {
                answer->verdict = PROVENANCE_UNPROVEN;
                answer->why = "its package keeps a place for it and does not ship it";
                return 0;
        }
        if (!file->present) {
                answer->verdict = is->flags & RPM_FILE_MISSING_OK ? PROVENANCE_CONFIGURATION : otherwise;
                answer->told = PROVENANCE_TYPE;
                answer->why = "missing";
                return 0;
        }
        r = found_file_look(file);
        if (r < 0)
                return r;
        answer->told = PROVENANCE_TYPE;
        if ((file->stat.stx_mode & S_IFMT) != (is->mode & S_IFMT))
                why = "type";
        else {
                why = compare_content(file, is, &answer->told, &r);
                if (!why && r == 0 && !S_ISLNK(is->mode)) {
                        answer->told |= PROVENANCE_MODE;
                        if ((file->stat.stx_mode & 07777) != (is->mode & 07777)) {
                                why = "mode";
                                otherwise = PROVENANCE_DIFFERS;
                        }
                }
                if (!why && r == 0 && (why = compare_owner(rpm->host, file, is, &answer->told)))
                        otherwise = PROVENANCE_DIFFERS;
                if (!why && r == 0 && (why = compare_capabilities(file, is, &answer->told, &r)))
                        otherwise = PROVENANCE_DIFFERS;
        }
        if (r == -EFBIG) {
                answer->verdict = PROVENANCE_UNPROVEN;
                answer->told = 0;
                answer->why = "it is larger than 1 GiB, and most of it a hole";
                return 0;
        }
        if (r < 0)
                return r;
        answer->verdict = why ? otherwise : PROVENANCE_MATCHES;
        answer->why = why;
        if (!why && S_ISREG(is->mode) && !(answer->told & PROVENANCE_CONTENT)) {
                answer->verdict = PROVENANCE_UNPROVEN;
                answer->why = "its package has no digest of it that we can compute";
        }
        return 0;
}

static int ask_answer(struct rpm_provenance *rpm, const struct rpm_answer *from, size_t number, struct found_file *file,
                      struct provenance_answer *ret) {
        size_t place = from->records_at[number];
        struct rpm_files reader = { .rest = bytes_of(from->text + place, from->size - place), .begun = true };
        struct rpm_file is;
        uint32_t count;
        int r;

        if (place == 0)
                return 0;
        while ((r = rpm_files_next(&reader, &is, &count)) > 0 && is.number == number) {
                struct provenance_answer answer = {
                        .manager = "rpm", .package = is.texts[RPM_FILE_PACKAGE], .version = is.texts[RPM_FILE_VERSION],
                        .architecture = is.texts[RPM_FILE_ARCHITECTURE],
                };

                r = compare(rpm, file, &is, &answer);
                if (r < 0)
                        return r;
                if (ret->verdict == PROVENANCE_NONE || answer.verdict == PROVENANCE_MATCHES)
                        *ret = answer;
                if (answer.verdict == PROVENANCE_MATCHES)
                        break;
        }
        return r < 0 ? r : 0;
}

int rpm_provenance_ask(struct rpm_provenance *rpm, struct found_file *file, struct provenance_answer *ret) {
        struct provenance_answer answer = { .verdict = PROVENANCE_NONE };
        const struct bytes path = buffer_bytes(&file->path);
        const struct rpm_answer *from;
        struct rpm_moment moment, after;
        size_t number;
        int r;

        rpm_provenance_moment(rpm->host, &moment);
        if (!moment.there) {
                answer.verdict = file->present ? PROVENANCE_NONE : PROVENANCE_MATCHES;
                *ret = answer;
                return 0;
        }
        if (moment.at_work)
                return unknown(ret, true, "a package manager is at work");
        refresh(rpm, &moment);
        from = find_answer(rpm, path, &number);
        if (!from) {
                r = rpm_provenance_prepare(rpm, &path, 1);
                if (r < 0)
                        return r;
                if (rpm->error == -EOPNOTSUPP)
                        return unknown(ret, false, "this build cannot read rpm databases");
                return unknown(ret, !rpm->error, rpm->error ? "rpm's database cannot be read" : "rpm's answer is on its way");
        }
        r = ask_answer(rpm, from, number, file, &answer);
        if (r == -ENOENT || r == -ESTALE || r == -ELOOP || r == -ENOTDIR)
                return unknown(ret, true, "it changed while it was read");
        if (r < 0)
                return r;
        if (answer.verdict == PROVENANCE_NONE && !file->present)
                answer.verdict = PROVENANCE_MATCHES;
        if (answer.verdict != PROVENANCE_MATCHES || !file->present) {
                rpm_provenance_moment(rpm->host, &after);
                if (memcmp(moment.fingerprint, after.fingerprint, sizeof(after.fingerprint)) != 0)
                        return unknown(ret, true, "a package manager is at work");
        }
        *ret = answer;
        return 0;
}
