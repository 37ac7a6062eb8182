#include "dpkg-check.h"

#include <dirent.h>
#include <fcntl.h>

#include "dpkg-folder.h"
#include "dpkg-packages.h"
#include "dpkg-provenance.h"
#include "dpkg-times.h"
#include "fd.h"
#include "host.h"
#include "provenance.h"

enum {
        STATUS_MAX = 256 * 1024 * 1024,
        FINDINGS_MAX = 1000,    /* more is no more than that */
};

/* The files of a package in info/ that dpkg reads. What else lies there (an editor's copy) does nothing. */
static const char *const suffixes[] = {
        "list", "md5sums", "conffiles", "preinst", "postinst", "prerm", "postrm", "config", "templates", "triggers", "shlibs",
        "symbols",
};

enum { LIST, MD5SUMS };

/* One of them. */
struct item {
        struct bytes stem;              /* in the directory entry */
        unsigned suffix;
        const char *name;
        bool there;
        struct stat file;
};

struct found {
        size_t package, package_size, path, path_size; /* in 'text' */
        const char *why;
};

struct check {
        int folder, info;
        struct dpkg_packages packages;
        struct dirent **entries;        /* owned */
        int n_entries;
        struct item *items;             /* owned; by stem */
        size_t n_items;
        struct stat info_folder, status;
        int64_t slack_ns, last_run_ns;  /* dpkg's last step that is on record */
        struct found *found;            /* owned */
        size_t n_found;
        struct buffer text, status_text;
};

static void check_done(struct check *check) {
        for (int i = 0; i < check->n_entries; i++)
                free(check->entries[i]);
        free(check->entries);
        free(check->items);
        free(check->found);
        dpkg_packages_done(&check->packages);
        buffer_done(&check->text);
        buffer_done(&check->status_text);
        (void)fd_close(check->info);
        (void)fd_close(check->folder);
}

/* Told at the end, when it is known that no package manager came in between. */
static int add(struct check *check, struct bytes package, const char *folder, struct bytes name, const char *suffix,
               const char *why) {
        struct found found = { .package = check->text.size, .package_size = package.size, .why = why };

        if (check->n_found == FINDINGS_MAX)
                return 0;
        if (!check->found)
                check->found = calloc(FINDINGS_MAX, sizeof(*check->found));
        if (!check->found)
                return -ENOMEM;
        buffer_append_bytes(&check->text, package);
        found.path = check->text.size;
        buffer_append_string(&check->text, "/" DPKG_FOLDER "/");
        buffer_append_string(&check->text, folder);
        buffer_append_bytes(&check->text, name);
        buffer_append_string(&check->text, suffix);
        found.path_size = check->text.size - found.path;
        check->found[check->n_found++] = found;
        return buffer_error(&check->text);
}

/* The file and the one that had its name before. */
static int check_pair(struct check *check, const char *name, const char *old_name) {
        struct stat file, old;

        if (fstatat(check->folder, name, &file, AT_SYMLINK_NOFOLLOW) < 0 ||
            fstatat(check->folder, old_name, &old, AT_SYMLINK_NOFOLLOW) < 0)
                return 0; /* images are made without the old ones */
        if (!dpkg_times_is_later(&file, dpkg_times_of(&old), check->slack_ns) &&
            !dpkg_times_is_later(&old, dpkg_times_of(&file), check->slack_ns))
                return 0;
        return add(check, BYTES_NULL, "", bytes_of_string(name), "",
                   "was written by somebody else than dpkg: it is not of the moment in which dpkg put the one before it aside");
}

static int keep_all(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

static int compare_items(const void *left, const void *right) {
        const struct item *a = left, *b = right;
        int order = bytes_compare(a->stem, b->stem);

        return order ? order : (a->suffix > b->suffix) - (a->suffix < b->suffix);
}

static int list_items(struct check *check) {
        check->n_entries = scandirat(check->info, ".", &check->entries, keep_all, NULL);
        if (check->n_entries < 0) {
                check->n_entries = 0;
                return -errno;
        }
        check->items = calloc((size_t)check->n_entries + 1, sizeof(*check->items));
        if (!check->items)
                return -ENOMEM;
        for (int i = 0; i < check->n_entries; i++) {
                const char *name = check->entries[i]->d_name, *dot = strrchr(name, '.');
                struct item item = { .name = name };

                if (!dot || dot == name)
                        continue;
                while (item.suffix < ELEMENTS(suffixes) && strcmp(suffixes[item.suffix], dot + 1) != 0)
                        item.suffix++;
                if (item.suffix == ELEMENTS(suffixes))
                        continue;
                item.stem = bytes_of(name, (size_t)(dot - name));
                item.there = fstatat(check->info, name, &item.file, AT_SYMLINK_NOFOLLOW) == 0;
                if (item.there)
                        check->items[check->n_items++] = item;
        }
        if (check->n_items)
                qsort(check->items, check->n_items, sizeof(*check->items), compare_items);
        return 0;
}

/* What is wrong with one file beside the oldest of its package; NULL: nothing. */
static const char *judge(const struct check *check, const struct item *item, int64_t oldest_ns,
                         const struct dpkg_paragraph *is) {
        if (!S_ISREG(item->file.st_mode))
                return "is not a regular file";
        if (item->file.st_uid != check->info_folder.st_uid || (item->file.st_mode & (S_IWGRP | S_IWOTH)))
                return "can be written by others than the owner of the package database";
        /* A list alone is written anew when another package takes a file over, or when its package goes. A half-installed package
         * may have new files beside old ones. */
        if (item->suffix != LIST && is && is->state != DPKG_HALF_INSTALLED &&
            dpkg_times_is_later(&item->file, oldest_ns, check->slack_ns))
                return "was written later than the other files of its package";
        if (dpkg_times_is_later(&item->file, check->last_run_ns, check->slack_ns))
                return "was written after the last run of dpkg";
        return NULL;
}

static int check_package(struct check *check, const struct item *items, size_t count) {
        const struct dpkg_paragraph *is = dpkg_packages_find(&check->packages, items[0].stem);
        int64_t oldest_ns = dpkg_times_of(&items[0].file);
        int r = 0;

        for (size_t i = 1; i < count; i++)
                if (dpkg_times_of(&items[i].file) < oldest_ns)
                        oldest_ns = dpkg_times_of(&items[i].file);
        /* What remains of a package that went is not asked by anybody: only what says whose files are. */
        if (!is && items[0].suffix <= MD5SUMS)
                return add(check, items[0].stem, "info/", bytes_of_string(items[0].name), "", "belongs to no package that is installed");
        if (items[0].suffix == MD5SUMS)
                return add(check, items[0].stem, "info/", bytes_of_string(items[0].name), "",
                           "tells digests of a package that has no list of files");
        for (size_t i = 0; i < count && r == 0; i++) {
                const char *why = judge(check, &items[i], oldest_ns, is);

                if (why)
                        r = add(check, items[0].stem, "info/", bytes_of_string(items[i].name), "", why);
        }
        return r;
}

static bool has_list(const struct check *check, struct bytes stem) {
        size_t low = 0, high = check->n_items;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (bytes_compare(check->items[middle].stem, stem) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < check->n_items && bytes_equal(check->items[low].stem, stem) && check->items[low].suffix == LIST;
}

/* dpkg takes a package without a list for one without files. */
static int check_missing(struct check *check, const struct dpkg_paragraph *is) {
        _cleanup_buffer_ struct buffer stem = BUFFER_NULL;

        if (is->state < DPKG_UNPACKED || is->state == DPKG_STATE_OTHER || has_list(check, is->package))
                return 0;
        buffer_append_bytes(&stem, is->package);
        buffer_append_byte(&stem, ':');
        buffer_append_bytes(&stem, is->architecture);
        if (buffer_error(&stem) < 0)
                return -ENOMEM;
        if (has_list(check, buffer_bytes(&stem)))
                return 0;
        return add(check, is->package, "info/", is->package, ".list", "is missing, though its package is installed");
}

static int gather(struct check *check) {
        static const char *const pairs[][2] = {
                { "status", "status-old" }, { "diversions", "diversions-old" }, { "statoverride", "statoverride-old" },
        };
        struct stat updates;
        size_t end;
        int r;

        check->info = openat(check->folder, "info", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (check->info < 0 || fstat(check->info, &check->info_folder) < 0)
                return -errno;
        r = dpkg_folder_read(check->folder, "status", STATUS_MAX, &check->status_text, &check->status);
        if (r == 0)
                r = dpkg_folder_read_updates(check->folder, STATUS_MAX, &check->status_text);
        if (r == 0)
                r = dpkg_packages_read(&check->packages, buffer_bytes(&check->status_text));
        if (r == 0)
                r = list_items(check);
        if (r < 0)
                return r;
        check->last_run_ns = dpkg_times_of(&check->status);
        /* A dpkg that was killed got as far as this. */
        if (fstatat(check->folder, "updates", &updates, AT_SYMLINK_NOFOLLOW) == 0 && dpkg_times_of(&updates) > check->last_run_ns)
                check->last_run_ns = dpkg_times_of(&updates);
        for (size_t i = 0; i < ELEMENTS(pairs) && r == 0; i++)
                r = check_pair(check, pairs[i][0], pairs[i][1]);
        for (size_t i = 0; i < check->n_items && r == 0; i = end) {
                end = i + 1;
                while (end < check->n_items && bytes_equal(check->items[i].stem, check->items[end].stem))
                        end++;
                r = check_package(check, &check->items[i], end - i);
        }
        for (size_t i = 0; i < check->packages.count && r == 0; i++)
                r = check_missing(check, &check->packages.items[i]);
        return r;
}

int dpkg_check(const struct host *host, int64_t slack_ns, struct provenance_findings *findings) {
        _cleanup_(check_done) struct check check = { .folder = dpkg_folder_open(host), .info = -1, .slack_ns = slack_ns };
        struct dpkg_moment before, after;
        int r;

        dpkg_provenance_moment(host, &before);
        if (!before.there)
                return 0;
        if (before.at_work)
                return 1;
        r = check.folder < 0 ? check.folder : gather(&check);
        dpkg_provenance_moment(host, &after);
        if (memcmp(before.fingerprint, after.fingerprint, sizeof(before.fingerprint)) != 0)
                return 1;
        for (size_t i = 0; i < check.n_found && r == 0; i++) {
                const struct found *found = &check.found[i];
                const struct provenance_finding finding = {
                        .manager = "dpkg",
                        .package = bytes_of(check.text.data + found->package, found->package_size),
                        .path = bytes_of(check.text.data + found->path, found->path_size),
                        .why = found->why,
                };

                r = findings->finding(findings, &finding);
        }
        return r;
}
