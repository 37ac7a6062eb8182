#include "dpkg-provenance.h"

#include <fcntl.h>

#include "blake2b.h"
#include "dpkg-folder.h"
#include "dpkg-times.h"
#include "fd.h"
#include "found-file.h"
#include "host.h"

enum { ACCOUNTS_MAX = 16 * 1024 * 1024 };

void dpkg_provenance_moment(const struct host *host, struct dpkg_moment *ret) {
        static const char *const files[] = { "status", "status-old", "info", "updates", "diversions", "statoverride" };
        enum { STATUS, STATUS_OLD };
        _cleanup_close_ int folder = dpkg_folder_open(host);
        struct dpkg_moment moment = { 0 };
        struct {
                int64_t facts[ELEMENTS(files)][7];
                uint64_t locks;
        } seen = { 0 };
        struct stat stats[ELEMENTS(files)];
        uint8_t digest[BLAKE2B_SIZE];

        if (folder >= 0) {
                for (size_t i = 0; i < ELEMENTS(files); i++) {
                        int64_t *facts = seen.facts[i];

                        if (fstatat(folder, files[i], &stats[i], AT_SYMLINK_NOFOLLOW) < 0) {
                                facts[0] = -errno;
                                continue;
                        }
                        facts[0] = 1;
                        facts[1] = (int64_t)stats[i].st_ino;
                        facts[2] = stats[i].st_size;
                        facts[3] = stats[i].st_mtim.tv_sec;
                        facts[4] = stats[i].st_mtim.tv_nsec;
                        facts[5] = stats[i].st_ctim.tv_sec;
                        facts[6] = stats[i].st_ctim.tv_nsec;
                }
                seen.locks = dpkg_folder_locks(folder);
                moment.there = seen.facts[STATUS][0] == 1;
                moment.at_work = seen.locks != 0;
                /* dpkg renames a new one over the old one, to which it gave its second name just before: both are of the same
                 * moment. */
                moment.status_doubtful =
                        moment.there && seen.facts[STATUS_OLD][0] == 1 &&
                        (dpkg_times_is_later(&stats[STATUS], dpkg_times_of(&stats[STATUS_OLD]), DPKG_TIMES_SLACK_NS) ||
                         dpkg_times_is_later(&stats[STATUS_OLD], dpkg_times_of(&stats[STATUS]), DPKG_TIMES_SLACK_NS));
        }
        blake2b_bytes((const uint8_t *)&seen, sizeof(seen), digest);
        memcpy(moment.fingerprint, digest, sizeof(moment.fingerprint));
        *ret = moment;
}

void dpkg_provenance_release(struct dpkg_provenance *dpkg) {
        const struct host *host = dpkg->host;

        dpkg_database_done(&dpkg->database);
        *dpkg = DPKG_PROVENANCE_NULL;
        dpkg->host = host;
}

static bool is_same(const uint64_t a[2], const uint64_t b[2]) {
        return a[0] == b[0] && a[1] == b[1];
}

static int load(struct dpkg_provenance *dpkg, const struct dpkg_moment *moment) {
        _cleanup_close_ int folder = -1;
        int r;

        if (dpkg->loaded && is_same(dpkg->fingerprint, moment->fingerprint))
                return dpkg->load_error;
        dpkg_provenance_release(dpkg);
        folder = dpkg_folder_open(dpkg->host);
        r = folder < 0 ? folder : dpkg_database_load(&dpkg->database, dpkg->host, folder);
        if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                return r;
        dpkg->loaded = true;
        dpkg->load_error = r;
        dpkg->status_doubtful = moment->status_doubtful;
        memcpy(dpkg->fingerprint, moment->fingerprint, sizeof(dpkg->fingerprint));
        return r;
}

static int unknown(struct provenance_answer *answer, bool soon, const char *why) {
        *answer = (struct provenance_answer){ .verdict = PROVENANCE_UNKNOWN, .manager = "dpkg", .soon = soon, .why = why };
        return 0;
}

static void set(struct provenance_answer *answer, enum provenance_verdict verdict, unsigned told, const char *why) {
        answer->verdict = verdict;
        answer->told = told;
        answer->why = why;
}

static int compare_content(struct provenance_answer *answer, struct found_file *file, const uint8_t *wanted,
                           enum provenance_verdict otherwise, bool doubtful) {
        int r = found_file_read(file, FILE_DIGEST_MD5);

        if (r == -EFBIG) {
                set(answer, PROVENANCE_UNPROVEN, 0, "it is larger than 1 GiB, and most of it a hole");
                return 0;
        }
        if (r < 0)
                return r;
        if (memcmp(file->digests.md5, wanted, DPKG_MD5_SIZE) != 0)
                set(answer, otherwise, PROVENANCE_TYPE | PROVENANCE_CONTENT, "content");
        else if (doubtful)
                set(answer, PROVENANCE_UNPROVEN, 0, "its digest was written to the package database by somebody else than dpkg");
        else
                set(answer, PROVENANCE_MATCHES, PROVENANCE_TYPE | PROVENANCE_CONTENT, NULL);
        return 0;
}

static int compare(const struct dpkg_provenance *dpkg, struct provenance_answer *answer, struct found_file *file,
                   const struct dpkg_listed *listed) {
        mode_t type;
        int r;

        if (!file->present) {
                set(answer, listed->is_conffile ? PROVENANCE_CONFIGURATION : PROVENANCE_DIFFERS, PROVENANCE_TYPE, "missing");
                return 0;
        }
        r = found_file_look(file);
        if (r < 0)
                return r;
        type = file->stat.stx_mode & S_IFMT;
        if (listed->is_conffile) {
                if (type != S_IFREG)
                        set(answer, PROVENANCE_CONFIGURATION, PROVENANCE_TYPE, "type");
                else if (!listed->has_conffile_digest)
                        set(answer, PROVENANCE_UNPROVEN, 0, "a configuration file that dpkg has not put into place yet");
                else
                        return compare_content(answer, file, listed->conffile_digest, PROVENANCE_CONFIGURATION,
                                               dpkg->status_doubtful);
                return 0;
        }
        if (listed->digest == DPKG_DIGEST_KNOWN || listed->digest == DPKG_DIGEST_DOUBTFUL) {
                if (type == S_IFREG)
                        return compare_content(answer, file, listed->md5, PROVENANCE_DIFFERS,
                                               listed->digest == DPKG_DIGEST_DOUBTFUL);
                set(answer, PROVENANCE_DIFFERS, PROVENANCE_TYPE, "type");
        } else if (listed->is_folder) {
                if (type == S_IFDIR)
                        set(answer, PROVENANCE_MATCHES, PROVENANCE_TYPE, NULL);
                else if (type == S_IFLNK) /* dpkg follows it, and another package or the admin may have made it */
                        set(answer, PROVENANCE_UNPROVEN, 0, "a symbolic link where the package has a folder");
                else
                        set(answer, PROVENANCE_DIFFERS, PROVENANCE_TYPE, "type");
        } else if (type == S_IFLNK)
                set(answer, PROVENANCE_UNPROVEN, 0, "a symbolic link: dpkg does not tell where it is to lead");
        else if (type == S_IFDIR)
                set(answer, PROVENANCE_UNPROVEN, 0, "dpkg does not tell whether it is to be a folder");
        else if (listed->digest == DPKG_DIGEST_NO_LIST)
                set(answer, PROVENANCE_UNPROVEN, 0, "its package has no list of digests");
        else
                set(answer, PROVENANCE_UNPROVEN, 0, "its package has no digest of it");
        return 0;
}

static bool find_id(const struct host *host, const char *path, struct bytes name, uint32_t *ret) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        if (host_read(host, path, ACCOUNTS_MAX, &text) < 0)
                buffer_clear(&text);
        return dpkg_info_account_id(buffer_bytes(&text), name, ret);
}

/* dpkg-statoverride is the one place where dpkg's database has a mode. */
static void compare_override(const struct dpkg_provenance *dpkg, struct provenance_answer *answer, const struct found_file *file,
                             struct bytes path) {
        for (size_t i = 0; i < dpkg->database.n_overrides; i++) {
                const struct dpkg_override *override = &dpkg->database.overrides[i];
                bool mode, owner = true;
                uint32_t user, group;

                if (!bytes_equal(override->path, path))
                        continue;
                mode = (file->stat.stx_mode & 07777) == override->mode;
                answer->told |= PROVENANCE_MODE;
                if (find_id(dpkg->host, "etc/passwd", override->user, &user) &&
                    find_id(dpkg->host, "etc/group", override->group, &group)) {
                        answer->told |= PROVENANCE_OWNER;
                        owner = user == file->stat.stx_uid && group == file->stat.stx_gid;
                }
                if (answer->verdict != PROVENANCE_DIFFERS && (!mode || !owner)) {
                        answer->verdict = PROVENANCE_DIFFERS;
                        answer->why = !mode ? "mode" : "owner";
                }
                return;
        }
}

/* Whose file lies where, by the diversions. */
struct claim {
        struct bytes path;              /* as it is listed */
        struct bytes only, never;       /* packages; empty: any, none */
        bool nobody;                    /* the admin put his own file there */
};

static struct claim find_claim(const struct dpkg_database *database, struct bytes path, bool follow) {
        struct claim claim = { .path = path };

        for (size_t i = 0; i < database->n_diversions; i++) {
                const struct dpkg_diversion *diversion = &database->diversions[i];
                bool local = bytes_equal(diversion->package, bytes_of_string(":"));

                if (follow && bytes_equal(diversion->to, path)) {
                        claim.path = diversion->from;
                        claim.never = local ? BYTES_NULL : diversion->package;
                        return claim;
                }
                if (bytes_equal(diversion->from, path)) {
                        claim.only = diversion->package;
                        claim.nobody = local;
                }
        }
        return claim;
}

/* The gravest of what several owners say is not the answer: dpkg lets packages share a file only when both ship the same. */
static int rank(enum provenance_verdict verdict) {
        switch (verdict) {
        case PROVENANCE_MATCHES:
                return 4;
        case PROVENANCE_DIFFERS:
                return 3;
        case PROVENANCE_CONFIGURATION:
                return 2;
        case PROVENANCE_UNPROVEN:
                return 1;
        case PROVENANCE_NONE:
        case PROVENANCE_UNKNOWN:
                break;
        }
        return 0;
}

static int ask_owners(struct dpkg_provenance *dpkg, struct found_file *file, const struct claim *claim,
                      struct provenance_answer *ret) {
        struct dpkg_database *database = &dpkg->database;
        uint64_t hash = path_hash(database->seed, claim->path);
        size_t place = path_index_find(&database->index, hash), number;

        if (claim->nobody)
                return 0;
        while (rank(ret->verdict) < rank(PROVENANCE_MATCHES) && path_index_next(&database->index, hash, &place, &number)) {
                const struct dpkg_package *package = &database->packages[number];
                struct dpkg_listed listed;
                struct provenance_answer answer = {
                        .manager = "dpkg", .package = package->name, .version = package->version,
                        .architecture = package->architecture,
                };
                int r;

                if ((claim->only.size && !bytes_equal(claim->only, package->name)) ||
                    (claim->never.size && bytes_equal(claim->never, package->name)))
                        continue;
                r = dpkg_database_listed(database, number, claim->path, &listed);
                if (r < 0)
                        return r;
                /* What a removed package still lists, but for its configuration, is what dpkg could not remove. */
                if (r == 0 || (!file->present && package->state <= DPKG_CONFIG_FILES && !listed.is_conffile))
                        continue;
                r = compare(dpkg, &answer, file, &listed);
                if (r < 0)
                        return r;
                if (file->present)
                        compare_override(dpkg, &answer, file, claim->path);
                if (rank(answer.verdict) > rank(ret->verdict))
                        *ret = answer;
                if (!file->present)
                        break;
        }
        return 0;
}

static int ask(struct dpkg_provenance *dpkg, struct found_file *file, struct provenance_answer *ret) {
        struct dpkg_database *database = &dpkg->database;
        struct bytes path = buffer_bytes(&file->path);
        struct claim claim;
        int r;

        path = bytes_of(path.data + 1, path.size - 1);
        path = path.size ? usr_merge_shorten(database->merged, path) : bytes_of_string(".");
        claim = find_claim(database, path, true);
        r = ask_owners(dpkg, file, &claim, ret);
        if (r == 0 && ret->verdict == PROVENANCE_NONE && !bytes_equal(claim.path, path)) {
                /* Nothing is diverted to here, so it may be a package's own. */
                claim = find_claim(database, path, false);
                r = ask_owners(dpkg, file, &claim, ret);
        }
        if (r == 0 && ret->verdict == PROVENANCE_NONE && !file->present)
                ret->verdict = PROVENANCE_MATCHES;
        return r;
}

static int cannot_read(int error, struct provenance_answer *ret) {
        if (error == -ENOENT || error == -ESTALE || error == -ELOOP || error == -ENOTDIR)
                return unknown(ret, true, "it changed while it was read");
        if (error == -EINVAL || error == -EFBIG)
                return unknown(ret, false, "a list of dpkg's cannot be read");
        return error;
}

/* What was read of the database when it last moved: if it still is the same afterwards, nobody was at work meanwhile, and one look
 * at it is enough. 1: answered; 0: it moved, nothing is answered. */
static int ask_known(struct dpkg_provenance *dpkg, const struct found_file *file, struct provenance_answer *ret) {
        _cleanup_(found_file_done) struct found_file own = FOUND_FILE_NULL; /* what was read of it is of no use if the database moved */
        struct provenance_answer answer = { .verdict = PROVENANCE_NONE };
        struct dpkg_moment moment;
        int r;

        if (!dpkg->loaded || dpkg->load_error < 0)
                return 0;
        r = found_file_init(&own, file->host, buffer_bytes(&file->path), file->present);
        if (r == 0)
                r = ask(dpkg, &own, &answer);
        dpkg_provenance_moment(dpkg->host, &moment);
        if (!moment.there || moment.at_work || !is_same(moment.fingerprint, dpkg->fingerprint))
                return 0;
        if (r < 0) {
                r = cannot_read(r, ret);
                return r < 0 ? r : 1;
        }
        if (!answer.manager && dpkg->database.incomplete && (answer.verdict != PROVENANCE_MATCHES || !file->present))
                (void)unknown(&answer, false, "a list of dpkg's cannot be read");
        *ret = answer;
        return 1;
}

int dpkg_provenance_ask(struct dpkg_provenance *dpkg, struct found_file *file, struct provenance_answer *ret) {
        struct dpkg_moment before, after;
        struct provenance_answer answer = { .verdict = PROVENANCE_NONE };
        int r = ask_known(dpkg, file, ret);

        if (r != 0)
                return r < 0 ? r : 0;
        dpkg_provenance_moment(dpkg->host, &before);
        if (!before.there) {
                answer.verdict = file->present ? PROVENANCE_NONE : PROVENANCE_MATCHES;
                *ret = answer;
                return 0;
        }
        if (before.at_work)
                return unknown(ret, true, "a package manager is at work");
        r = load(dpkg, &before);
        if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                return r;
        if (r < 0)
                return unknown(ret, false, "dpkg's database cannot be read");
        r = ask(dpkg, file, &answer);
        if (r < 0)
                return cannot_read(r, ret);
        /* What is as packaged stays so. All else may be so because a package manager has just begun. */
        if (answer.verdict != PROVENANCE_MATCHES || !file->present) {
                if (!answer.manager && dpkg->database.incomplete)
                        return unknown(ret, false, "a list of dpkg's cannot be read");
                dpkg_provenance_moment(dpkg->host, &after);
                if (!is_same(before.fingerprint, after.fingerprint))
                        return unknown(ret, true, "a package manager is at work");
        }
        *ret = answer;
        return 0;
}
