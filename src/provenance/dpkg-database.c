#include "dpkg-database.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <time.h>

#include "dpkg-folder.h"
#include "dpkg-packages.h"
#include "dpkg-times.h"
#include "fd.h"
#include "host.h"
#include "text-line.h"

enum {
        STATUS_MAX = 256 * 1024 * 1024,
        LISTS_MAX = 1024 * 1024 * 1024, /* all of them, together */
        SMALL_FILE_MAX = 16 * 1024 * 1024,
        KEPT_TEXT_MAX = 16 * 1024 * 1024, /* of the lists that are kept */
};

void dpkg_database_done(struct dpkg_database *database) {
        for (size_t i = 0; i < DPKG_LISTS_KEPT; i++) {
                path_table_done(&database->lists[i].list);
                path_table_done(&database->lists[i].digests);
        }
        (void)fd_close(database->info);
        free(database->packages);
        free(database->diversions);
        free(database->overrides);
        free(database->names);
        buffer_done(&database->diversions_text);
        buffer_done(&database->overrides_text);
        path_index_done(&database->index);
        *database = DPKG_DATABASE_NULL;
}

size_t dpkg_database_size(const struct dpkg_database *database) {
        size_t size = database->index.capacity * sizeof(*database->index.entries) +
                      database->n_packages * sizeof(*database->packages) + database->diversions_text.capacity +
                      database->overrides_text.capacity;

        for (size_t i = 0; i < database->n_packages; i++)
                size += database->packages[i].stem.size + database->packages[i].name.size +
                        database->packages[i].version.size + database->packages[i].architecture.size +
                        database->packages[i].conffiles.size;
        for (size_t i = 0; i < DPKG_LISTS_KEPT; i++) {
                const struct path_table *tables[] = { &database->lists[i].list, &database->lists[i].digests };

                for (size_t k = 0; k < ELEMENTS(tables); k++)
                        if (tables[k]->slots)
                                size += tables[k]->text.capacity + (tables[k]->mask + 1) * sizeof(*tables[k]->slots);
        }
        return size;
}

static unsigned find_merged(const struct host *host) {
        unsigned merged = 0;

        for (size_t i = 0; i < USR_MERGE_NAMES; i++) {
                _cleanup_buffer_ struct buffer target = BUFFER_NULL, wanted = BUFFER_NULL;
                struct bytes leads;

                buffer_printf(&wanted, "usr/%s", usr_merge_names[i]);
                if (link_read_at(host->root_fd, usr_merge_names[i], &target) < 0)
                        continue;
                leads = buffer_bytes(&target);
                if (leads.size && leads.data[0] == '/')
                        leads = bytes_of(leads.data + 1, leads.size - 1);
                if (bytes_equal(leads, buffer_bytes(&wanted)))
                        merged |= 1u << i;
        }
        return merged;
}

static void put(uint8_t **place, struct bytes *bytes) {
        if (bytes->size)
                memcpy(*place, bytes->data, bytes->size);
        bytes->data = *place;
        *place += bytes->size;
}

/* Away from the text of the status file, most of which is of no interest. */
static int keep_names(struct dpkg_database *database) {
        uint8_t *place;
        size_t size = 1;

        for (size_t i = 0; i < database->n_packages; i++) {
                const struct dpkg_package *package = &database->packages[i];

                size += package->stem.size + package->name.size + package->version.size + package->architecture.size +
                        package->conffiles.size;
        }
        place = database->names = malloc(size);
        if (!place)
                return -ENOMEM;
        for (size_t i = 0; i < database->n_packages; i++) {
                struct dpkg_package *package = &database->packages[i];

                put(&place, &package->stem);
                put(&place, &package->name);
                put(&place, &package->version);
                put(&place, &package->architecture);
                put(&place, &package->conffiles);
        }
        return 0;
}

static int index_list(struct dpkg_database *database, struct bytes text, size_t package) {
        struct bytes line;
        int r = 0;

        while (r == 0 && text_line_next(&text, &line)) {
                struct bytes path = usr_merge_shorten(database->merged, dpkg_info_list_path(line));

                if (path.size)
                        r = path_index_add(&database->index, path_hash(database->seed, path), package);
        }
        return r;
}

static int is_list(const struct dirent *entry) {
        size_t size = strlen(entry->d_name);

        return size > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 5, ".list") == 0;
}

static int compare_entries(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_lists(struct dpkg_database *database, struct dirent **entries, size_t count,
                      const struct dpkg_packages *packages) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        size_t total = 0;

        database->packages = calloc(count + 1, sizeof(*database->packages));
        if (!database->packages)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                const char *name = entries[i]->d_name;
                struct bytes stem = bytes_of(name, strlen(name) - 5);
                const struct dpkg_paragraph *is = dpkg_packages_find(packages, stem);
                struct stat file;
                int r;

                if (!is) /* dpkg does not ask it either */
                        continue;
                buffer_clear(&text);
                r = dpkg_folder_read(database->info, name, PATH_TABLE_TEXT_MAX, &text, &file);
                if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
                        return r;
                if (r < 0) {
                        database->incomplete = true;
                        continue;
                }
                total += text.size;
                if (total > LISTS_MAX)
                        return -EFBIG;
                database->packages[database->n_packages] = (struct dpkg_package){
                        .stem = stem, .name = is->package, .version = is->version, .architecture = is->architecture,
                        .conffiles = is->conffiles, .state = is->state,
                };
                r = index_list(database, buffer_bytes(&text), database->n_packages++);
                if (r < 0)
                        return r;
        }
        return keep_names(database);
}

static int load_lists(struct dpkg_database *database, struct bytes status) {
        _cleanup_(dpkg_packages_done) struct dpkg_packages packages = DPKG_PACKAGES_NULL;
        struct dirent **entries = NULL;
        int count, r;

        r = dpkg_packages_read(&packages, status);
        if (r < 0)
                return r;
        count = scandirat(database->info, ".", &entries, is_list, compare_entries);
        if (count < 0)
                return -errno;
        r = read_lists(database, entries, (size_t)count, &packages);
        for (int i = 0; i < count; i++)
                free(entries[i]);
        free(entries);
        return r < 0 ? r : path_index_sort(&database->index);
}

/* A file that is not there is an empty one. */
static int read_small(int folder, const char *name, struct buffer *text) {
        struct stat file;
        int r = dpkg_folder_read(folder, name, SMALL_FILE_MAX, text, &file);

        return r == -ENOENT ? 0 : r;
}

static int load_diversions(struct dpkg_database *database, int folder) {
        struct dpkg_diversion one = { 0 };
        struct bytes rest;
        size_t count = 0;
        int r = read_small(folder, "diversions", &database->diversions_text);

        if (r < 0)
                return r;
        rest = buffer_bytes(&database->diversions_text);
        while (dpkg_info_diversion_next(&rest, &one))
                count++;
        database->diversions = calloc(count + 1, sizeof(*database->diversions));
        if (!database->diversions)
                return -ENOMEM;
        rest = buffer_bytes(&database->diversions_text);
        while (dpkg_info_diversion_next(&rest, &one)) {
                one.from = usr_merge_shorten(database->merged, one.from);
                one.to = usr_merge_shorten(database->merged, one.to);
                database->diversions[database->n_diversions++] = one;
        }
        return 0;
}

static int load_overrides(struct dpkg_database *database, int folder) {
        struct dpkg_override one = { 0 };
        struct bytes rest;
        size_t count = 0;
        int r = read_small(folder, "statoverride", &database->overrides_text);

        if (r < 0)
                return r;
        rest = buffer_bytes(&database->overrides_text);
        while (dpkg_info_override_next(&rest, &one))
                count++;
        database->overrides = calloc(count + 1, sizeof(*database->overrides));
        if (!database->overrides)
                return -ENOMEM;
        rest = buffer_bytes(&database->overrides_text);
        while (dpkg_info_override_next(&rest, &one)) {
                one.path = usr_merge_shorten(database->merged, one.path);
                database->overrides[database->n_overrides++] = one;
        }
        return 0;
}

int dpkg_database_load(struct dpkg_database *database, const struct host *host, int folder) {
        _cleanup_(dpkg_database_done) struct dpkg_database loaded = DPKG_DATABASE_NULL;
        _cleanup_buffer_ struct buffer status = BUFFER_NULL;
        struct stat file;
        int r;

        dpkg_database_done(database);
        loaded.info = openat(folder, "info", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (loaded.info < 0)
                return -errno;
        if (getrandom(&loaded.seed, sizeof(loaded.seed), GRND_NONBLOCK) < 0)
                loaded.seed = (uint64_t)time(NULL); /* early in the boot: worse, not wrong */
        loaded.merged = find_merged(host);
        r = dpkg_folder_read(folder, "status", STATUS_MAX, &status, &file);
        if (r == 0)
                r = dpkg_folder_read_updates(folder, STATUS_MAX, &status);
        if (r == 0)
                r = load_diversions(&loaded, folder);
        if (r == 0)
                r = load_overrides(&loaded, folder);
        if (r == 0)
                r = load_lists(&loaded, buffer_bytes(&status));
        if (r < 0)
                return r;
        *database = loaded;
        loaded = DPKG_DATABASE_NULL;
        return 0;
}

static size_t text_size(const struct dpkg_lists *lists) {
        return lists->list.text.capacity + lists->digests.text.capacity;
}

static void drop(struct dpkg_lists *lists) {
        path_table_done(&lists->list);
        path_table_done(&lists->digests);
        *lists = (struct dpkg_lists){ .used = false };
}

/* The place for a package's lists: where they are, or where they may go. */
static struct dpkg_lists *place_for(struct dpkg_database *database, size_t package) {
        struct dpkg_lists *oldest = &database->lists[0];
        size_t total = 0;

        for (size_t i = 0; i < DPKG_LISTS_KEPT; i++) {
                struct dpkg_lists *lists = &database->lists[i];

                if (lists->used && lists->package == package)
                        return lists;
                total += text_size(lists);
                if (!lists->used ? oldest->used : oldest->used && lists->asked < oldest->asked)
                        oldest = lists;
        }
        if (total > KEPT_TEXT_MAX)
                for (size_t i = 0; i < DPKG_LISTS_KEPT; i++)
                        drop(&database->lists[i]);
        drop(oldest);
        oldest->used = true;
        oldest->package = package;
        return oldest;
}

static bool same_file(const struct stat *a, const struct stat *b) {
        return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
               a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Looks whether what is kept is still what lies there: lists may be edited without anything else of the database moving. */
static int look(struct dpkg_database *database, struct buffer *name, const char *suffix, struct path_table *table,
                struct stat *known, bool *ret_there) {
        struct stat file;

        buffer_append_string(name, suffix);
        if (buffer_error(name) < 0)
                return -ENOMEM;
        *ret_there = fstatat(database->info, buffer_string(name), &file, AT_SYMLINK_NOFOLLOW) == 0;
        if (!*ret_there && errno != ENOENT)
                return -errno;
        if (*ret_there && !S_ISREG(file.st_mode))
                return -EINVAL;
        if (!*ret_there || !same_file(&file, known))
                path_table_done(table);
        if (*ret_there)
                *known = file;
        return 0;
}

static int fill(struct dpkg_database *database, struct buffer *name, struct bytes (*path_of)(struct bytes line),
                struct path_table *table, struct stat *known) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        int r;

        if (table->slots)
                return 0;
        r = dpkg_folder_read(database->info, buffer_string(name), PATH_TABLE_TEXT_MAX, &text, known);
        return r < 0 ? r : path_table_make(table, &text, path_of, database->seed, database->merged);
}

static void find_conffile(const struct dpkg_database *database, const struct dpkg_package *package, struct bytes path,
                          struct dpkg_listed *ret) {
        struct bytes lines = package->conffiles;
        struct dpkg_conffile conffile = { 0 };

        while (dpkg_info_conffile_next(&lines, &conffile)) {
                if (!bytes_equal(usr_merge_shorten(database->merged, conffile.path), path))
                        continue;
                ret->is_conffile = true;
                ret->has_conffile_digest = conffile.has_digest;
                memcpy(ret->conffile_digest, conffile.digest, sizeof(ret->conffile_digest));
                return;
        }
}

int dpkg_database_listed(struct dpkg_database *database, size_t package, struct bytes path, struct dpkg_listed *ret) {
        const struct dpkg_package *is = &database->packages[package];
        struct dpkg_lists *lists = place_for(database, package);
        _cleanup_buffer_ struct buffer name = BUFFER_NULL, digests = BUFFER_NULL;
        struct dpkg_listed listed = { .digest = DPKG_DIGEST_NO_LIST };
        struct bytes line, rest, as_listed;
        int r;

        lists->asked = ++database->clock;
        buffer_append_bytes(&name, is->stem);
        buffer_append_bytes(&digests, is->stem);
        r = look(database, &name, ".list", &lists->list, &lists->list_file, &lists->has_list);
        if (r == 0)
                r = look(database, &digests, ".md5sums", &lists->digests, &lists->digests_file, &lists->has_digests);
        if (r < 0)
                return r;
        if (!lists->has_list)
                return 0;
        find_conffile(database, is, path, &listed);
        if (lists->has_digests) {
                r = fill(database, &digests, dpkg_info_digest_path, &lists->digests, &lists->digests_file);
                if (r < 0)
                        return r;
                listed.digest = DPKG_DIGEST_NONE;
                if (path_table_find(&lists->digests, path, &line, &rest) && dpkg_info_digest(line, listed.md5))
                        listed.digest = dpkg_times_is_later(&lists->digests_file, dpkg_times_of(&lists->list_file), DPKG_TIMES_SLACK_NS) ?
                                                DPKG_DIGEST_DOUBTFUL :
                                                DPKG_DIGEST_KNOWN;
        }
        r = fill(database, &name, dpkg_info_list_path, &lists->list, &lists->list_file);
        if (r < 0)
                return r;
        if (!path_table_find(&lists->list, path, &line, &rest))
                return 0;
        /* A folder is listed before what is in it. */
        as_listed = dpkg_info_list_path(line);
        listed.is_folder = bytes_equal(path, bytes_of_string("."));
        if (text_line_next(&rest, &line)) {
                struct bytes next = dpkg_info_list_path(line);

                listed.is_folder |= next.size > as_listed.size && next.data[as_listed.size] == '/' && bytes_starts_with(next, as_listed);
        }
        *ret = listed;
        return 1;
}
