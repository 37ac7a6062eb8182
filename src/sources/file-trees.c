#include "file-trees.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include "fd.h"
#include "host.h"
#include "path-glob.h"
#include "sessions.h"
#include "tree-rules.h"

enum {
        DEPTH_MAX = 2100,               /* as the walk of the watch */
        WHOLE_FROM = 2000,              /* directories: from there on a mark on the filesystem costs less than one on each */
        FILES_MARKED_MAX = 8192,        /* of one tree: a mark keeps its inode in memory */
        PENDING_MAX = 65536,
        MOUNTINFO_MAX = 64 * 1024 * 1024,
        SPARE_TREES = 1024,             /* for what patterns come to match while we run */
        SETTLE_NS = 200 * 1000 * 1000,  /* a file that is written on and not closed is looked at this often at most */
};

/* What other watches' records are read from. */
struct place {
        const char *kind;
        const char *path;
        const char *const *names;
};

static const char *const dpkg_names[] = { "status", "lock", NULL };
static const char *const rpm_names[] = {
        "rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages", "Packages.db", ".rpm.lock", NULL,
};
static const char *const utmp_names[] = { "utmp", NULL };
static const char *const all_names[] = { NULL };

static const struct place places[] = {
        { "packages", "/var/lib/dpkg", dpkg_names },
        { "packages", "/var/lib/rpm", rpm_names },
        { "packages", "/usr/lib/sysimage/rpm", rpm_names },
        { "users", "/" SESSIONS_LOGIND_PATH, all_names },
        { "users", "/run", utmp_names },
        { "users", "/var/run", utmp_names },
};

/* ---- what is watched ---- */

/* The array must not move while entries point into it. */
static int add_tree(struct file_trees *trees, const struct file_tree *tree) {
        struct file_tree *grown;

        if (trees->n_trees == trees->trees_capacity) {
                size_t capacity = trees->trees_capacity ? trees->trees_capacity * 2 : 16;

                if (trees->table.n_buckets)
                        return -ENOSPC;
                grown = reallocarray(trees->trees, capacity, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                trees->trees = grown;
                trees->trees_capacity = capacity;
        }
        trees->trees[trees->n_trees++] = *tree;
        return 0;
}

static bool kind_is_watched(const struct settings *settings, const char *kind) {
        for (size_t i = 0; i < settings->n_watches; i++)
                if (settings->watches[i].enabled && strcmp(settings->watches[i].kind, kind) == 0)
                        return true;
        return false;
}

static bool is_privileged(const struct watch_settings *watch) {
        return strcmp(watch->kind, "setuid") == 0;
}

/* A mark on each directory of the machine would cost more than looking: without marks on filesystems looking has to do. */
static bool is_of_trees(const struct file_trees *trees, const struct watch_settings *watch) {
        bool whole = false;

        for (size_t i = 0; i < trees->n_rungs; i++)
                whole |= trees->rungs[i]->whole;
        return watch->enabled && (strcmp(watch->kind, "files") == 0 || strcmp(watch->kind, "self") == 0 || (whole && is_privileged(watch)));
}

static bool has_tree(const struct file_trees *trees, const struct watch_settings *watch, const char *path) {
        for (size_t i = 0; i < trees->n_trees; i++)
                if (trees->trees[i].watch == watch->name && strcmp(trees->trees[i].path, path) == 0)
                        return true;
        return false;
}

static bool has_globs(const struct watch_settings *watch) {
        for (size_t i = 0; i < watch->paths.count; i++)
                if (path_is_glob(watch->paths.items[i]))
                        return true;
        return false;
}

/* Adds a tree for each place that the watch's paths stand for now and that has none yet. What more than PATH_GLOB_MOST places hold is
 * found by looking, as the watch itself says. */
static int add_trees(struct file_trees *trees, size_t index) {
        const struct watch_settings *watch = &trees->settings->watches[index];
        struct strings now = { .items = NULL };
        int r;

        r = path_glob_expand(trees->host, &watch->paths, &now);
        if (r == -ENOSPC)
                r = 0;
        for (size_t i = 0; i < now.count && r == 0; i++) {
                struct file_tree tree = { .watch = watch->name, .excludes = &watch->excludes, .owned_path = now.items[i],
                                          .crosses_mounts = watch->crosses_mounts, .privileged = is_privileged(watch) };

                tree.whole = tree.decided = tree.privileged;
                tree.path = tree.owned_path;
                if (tree.path[0] != '/' || has_tree(trees, watch, tree.path))
                        continue;
                r = add_tree(trees, &tree);
                if (r == 0)
                        now.items[i] = NULL;
        }
        path_glob_done(&now);
        return r;
}

static int choose_trees(struct file_trees *trees) {
        const struct settings *settings = trees->settings;
        bool globs = false;
        int r = 0;

        for (size_t i = 0; i < settings->n_watches && r == 0; i++) {
                if (!is_of_trees(trees, &settings->watches[i]))
                        continue;
                globs |= has_globs(&settings->watches[i]);
                r = add_trees(trees, i);
        }
        for (size_t i = 0; i < ELEMENTS(places) && r == 0; i++) {
                struct file_tree tree = { .kind = places[i].kind, .path = places[i].path, .names = places[i].names, .place = true };

                if (kind_is_watched(settings, tree.kind))
                        r = add_tree(trees, &tree);
        }
        if (r == 0 && globs && trees->trees_capacity - trees->n_trees < SPARE_TREES) {
                size_t capacity = trees->n_trees + SPARE_TREES;
                struct file_tree *grown = reallocarray(trees->trees, capacity, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                trees->trees = grown;
                trees->trees_capacity = capacity;
        }
        return r;
}

static void append_key_of_path(struct buffer *buffer, const char *path) {
        size_t at = buffer->size;

        buffer_append_string(buffer, path + 1);
        for (; at < buffer->size; at++)
                if (buffer->data[at] == '/')
                        buffer->data[at] = '\0';
}

/* ---- hints ---- */

static void out_of_memory(struct file_trees *trees) {
        trees->failed = true; /* told at the end of the batch, as a loss */
}

static void add_hint(struct file_trees *trees, const struct file_tree *tree, struct bytes key, uint32_t pid, unsigned bits) {
        unsigned flags = 0;

        if (bits & (FILE_EVENT_MADE | FILE_EVENT_ARRIVED))
                flags |= HINT_APPEARED;
        if (bits & FILE_EVENT_GONE)
                flags |= flags ? HINT_VANISHED : HINT_VANISHED | HINT_GONE; /* of both in one event nobody knows the order */
        if (bits & FILE_EVENT_CLOSED)
                flags |= HINT_WRITTEN;
        if (bits & FILE_EVENT_DIRECTORY && bits & FILE_EVENT_LEFT)
                flags |= HINT_BELOW; /* nobody tells of each of those that went with it */
        if (tree->privileged) {
                /* Hardly any of them is one of its files: of what comes and goes nothing is told. */
                flags &= HINT_BELOW;
                if (!(bits & (FILE_EVENT_MADE | FILE_EVENT_ARRIVED | FILE_EVENT_GONE | FILE_EVENT_ATTRIBUTES)))
                        return;
        }
        if (tree->place)
                key = BYTES_NULL;
        if ((bits & ~(unsigned)FILE_EVENT_DIRECTORY) == FILE_EVENT_WRITTEN) {
                if (hint_set_add(&trees->later, tree->watch, tree->kind, key, pid, flags) < 0)
                        out_of_memory(trees);
                return;
        }
        if (bits & FILE_EVENT_CLOSED)
                hint_set_drop(&trees->later, tree->watch, tree->kind, key);
        if (hint_set_add(&trees->now, tree->watch, tree->kind, key, pid, flags) < 0)
                out_of_memory(trees);
}

static void hint_tree(struct file_trees *trees, struct file_tree *tree, uint32_t pid, unsigned bits) {
        buffer_clear(&trees->path);
        append_key_of_path(&trees->path, tree->path);
        add_hint(trees, tree, buffer_bytes(&trees->path), pid, bits);
}

/* The key of a name in a directory, or of the directory itself (NULL). Storms are of one directory: its key is kept. */
static struct bytes key_of(struct file_trees *trees, struct file_entry *directory, const char *name) {
        struct buffer *key = &trees->key;

        if (trees->key_of != directory || trees->key_moves != trees->table.moves) {
                buffer_clear(key);
                file_entry_key(directory, key);
                trees->key_of = directory;
                trees->key_moves = trees->table.moves;
                trees->key_size = key->size;
        }
        buffer_truncate(key, trees->key_size);
        if (name) {
                if (trees->key_size)
                        buffer_append_byte(key, '\0');
                buffer_append_string(key, name);
        }
        if (buffer_error(key) < 0) {
                trees->key_of = NULL;
                out_of_memory(trees);
        }
        return buffer_bytes(key);
}

static bool is_excluded(struct file_trees *trees, const struct file_tree *tree, struct bytes key, const char *name) {
        if (!tree->excludes || tree->excludes->count == 0)
                return false;
        buffer_clear(&trees->path);
        buffer_append_byte(&trees->path, '/');
        buffer_append_bytes(&trees->path, key);
        for (size_t i = 0; i < trees->path.size; i++)
                if (trees->path.data[i] == '\0')
                        trees->path.data[i] = '/';
        return tree_excludes(tree->excludes, buffer_string(&trees->path), name);
}

/* ---- marks ---- */

static void forget(void *context, struct file_entry *entry) {
        struct file_trees *trees = context;
        struct file_id id;

        entry->departed = trees->departing;
        if (entry->kind == FILE_ENTRY_FILE)
                entry->tree->n_files--;
        else if (entry->kind == FILE_ENTRY_DIRECTORY) {
                if (entry->mechanism == FILE_BY_NOTHING)
                        entry->tree->n_unwatched--;
                else
                        entry->tree->by[entry->mechanism]--;
        }
        if (entry->mechanism == FILE_BY_NOTHING)
                return;
        file_entry_id(entry, &id);
        for (struct file_entry *other = file_table_first(&trees->table, &id); other; other = file_table_more(other))
                if (!other->dead)
                        return;
        for (size_t i = 0; i < trees->n_rungs; i++)
                if (trees->rungs[i]->unmark)
                        trees->rungs[i]->unmark(trees->rungs[i], &id);
}

static void kill_entry(struct file_trees *trees, struct file_entry *entry) {
        file_table_kill(&trees->table, entry, forget, trees);
}

static int mark(struct file_trees *trees, int directory, const char *name, enum file_mark kind, bool whole, struct file_id *ret_id,
                enum file_mechanism *ret_mechanism, const struct file_rung **ret_rung) {
        int r = -EOPNOTSUPP;

        for (size_t i = 0; i < trees->n_rungs; i++) {
                struct file_rung *rung = trees->rungs[i];

                if (kind == FILE_MARK_FILE && !rung->marks_files)
                        continue;
                r = rung->mark(rung, directory, name, kind, whole && rung->whole, ret_id, ret_mechanism);
                if (r >= 0) {
                        if (ret_rung)
                                *ret_rung = rung;
                        return 0;
                }
                if (r == -ENOENT || r == -ENOTDIR || r == -ENOMEM)
                        return r;
        }
        return r;
}

struct scan {
        struct file_trees *trees;
        struct file_tree *tree;
        struct file_entry *anchor;      /* what the scan hangs below: it may have entries already */
        size_t directories, limit;      /* limit: only count, up to here; 0: mark */
        struct buffer path;             /* of what is looked at */
        struct tree_mount mount;        /* on which the top lies */
};

static int scan_directory(struct scan *scan, struct file_entry *parent, int directory, const char *name, struct bytes entry_name,
                          uint64_t device, unsigned depth, struct file_entry **ret);

/* A file that may be written by another name gets a mark, or at least an entry, of its own. */
static int scan_file(struct scan *scan, struct file_entry *parent, int directory, const char *name) {
        struct file_trees *trees = scan->trees;
        struct file_tree *tree = scan->tree;
        enum file_mechanism mechanism;
        struct file_id id = { 0 };
        struct file_entry *entry;
        struct stat status;
        bool each = parent->mechanism == FILE_BY_INODE_MARK && tree->marks_files;
        int r;

        if (parent->mechanism != FILE_BY_INODE_MARK && parent->mechanism != FILE_BY_FILESYSTEM_MARK)
                return 0;
        if (each && tree->n_files >= FILES_MARKED_MAX) {
                tree->files_left_out = true;
                each = false;
        }
        if (!each) {
                if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode) || status.st_nlink < 2)
                        return 0;
        }
        r = mark(trees, directory, name, FILE_MARK_FILE, parent->mechanism == FILE_BY_FILESYSTEM_MARK, &id, &mechanism, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                tree->files_left_out |= r != -ENOENT;
                return 0;
        }
        entry = file_table_child(&trees->table, parent, &id, name);
        if (entry)
                return 0;
        entry = file_table_add(&trees->table, tree, parent, FILE_ENTRY_FILE, bytes_of_string(name), &id);
        if (!entry)
                return -ENOMEM;
        entry->mechanism = (uint8_t)mechanism;
        tree->n_files++;
        return 1;
}

static int scan_entries(struct scan *scan, struct file_entry *parent, DIR *listing, uint64_t device, unsigned depth) {
        size_t path_size = scan->path.size;
        const struct dirent64 *entry;
        int r = 0;

        while (r >= 0 && (errno = 0, entry = readdir64(listing))) {
                unsigned char type = entry->d_type;
                struct stat status;

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (type == DT_UNKNOWN && fstatat(dirfd(listing), entry->d_name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
                        type = S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_UNKNOWN;
                if (type != DT_DIR && (type != DT_REG || scan->limit || scan->tree->privileged))
                        continue;
                buffer_truncate(&scan->path, path_size);
                if (path_size > 1)
                        buffer_append_byte(&scan->path, '/');
                buffer_append_string(&scan->path, entry->d_name);
                if (buffer_error(&scan->path) < 0)
                        return -ENOMEM;
                if (scan->tree->excludes && tree_excludes(scan->tree->excludes, buffer_string(&scan->path), entry->d_name))
                        continue;
                if (type == DT_DIR)
                        r = scan_directory(scan, parent, dirfd(listing), entry->d_name, bytes_of_string(entry->d_name), device, depth + 1,
                                           NULL);
                else
                        r = scan_file(scan, parent, dirfd(listing), entry->d_name);
                if (scan->limit && scan->directories >= scan->limit)
                        break;
        }
        return r < 0 ? r : 0;
}

/* inotify tells nobody's pid, so our own writes would wake us for ever. */
static bool is_own(const struct file_trees *trees, const char *path) {
        const struct settings *settings = trees->settings;

        return trees->own_files_hide && ((settings->state_directory && strcmp(path, settings->state_directory) == 0) ||
                                         (settings->run_directory && strcmp(path, settings->run_directory) == 0));
}

/* As the walk: what is mounted below the top is not entered, not even opened. */
static bool is_beyond(struct scan *scan, int directory, const char *name, unsigned depth) {
        struct tree_mount mount;

        if (scan->tree->crosses_mounts || tree_mount_at(directory, name, &mount) < 0)
                return false;
        if (depth == 0)
                scan->mount = mount;
        return !tree_mount_is(mount, scan->mount);
}

/* Marks the directory, then lists it. Only lack of memory is a negative answer. */
static int scan_directory(struct scan *scan, struct file_entry *parent, int directory, const char *name, struct bytes entry_name,
                          uint64_t device, unsigned depth, struct file_entry **ret) {
        const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        struct file_trees *trees = scan->trees;
        struct file_tree *tree = scan->tree;
        enum file_mechanism mechanism = FILE_BY_NOTHING;
        struct file_id id = { 0 };
        struct file_entry *entry = NULL;
        uint64_t inner_device;
        struct stat status;
        DIR *listing;
        int fd, r;

        if (depth > DEPTH_MAX || is_own(trees, buffer_string(&scan->path)))
                return 0;
        if (tree->privileged && mount_list_is_foreign(&trees->mount_list, (const char *)scan->path.data, scan->path.size))
                return 0;
        if (is_beyond(scan, directory, name, depth))
                return 0;
        fd = openat(directory, name, flags | O_NOATIME);
        if (fd < 0 && errno == EPERM)
                fd = openat(directory, name, flags);
        if (fd < 0) {
                if (errno == ENOMEM)
                        return -ENOMEM;
                if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && !scan->limit)
                        tree->error = errno;
                else if (parent && parent == scan->anchor) {
                        entry = file_table_child(&trees->table, parent, NULL, name);
                        if (entry && entry->kind == FILE_ENTRY_DIRECTORY)
                                kill_entry(trees, entry);
                }
                return 0;
        }
        inner_device = fstat(fd, &status) == 0 ? (uint64_t)status.st_dev : 0;
        if ((depth == 0 || inner_device != device) && tree_is_kernel_filesystem(fd)) {
                (void)fd_close(fd);
                return 0;
        }
        scan->directories++;
        if (!scan->limit) {
                r = mark(trees, fd, ".", tree->privileged ? FILE_MARK_NAMES : FILE_MARK_TREE, tree->whole, &id, &mechanism, NULL);
                if (r == -ENOMEM || r == -ENOENT) {
                        (void)fd_close(fd);
                        return r == -ENOMEM ? r : 0;
                }
                if (r < 0) {
                        tree->error = -r;
                        id.size = 0;
                        mechanism = FILE_BY_NOTHING;
                }
                if (parent && parent == scan->anchor) {
                        entry = file_table_child(&trees->table, parent, NULL, name);
                        if (entry && entry->kind == FILE_ENTRY_DIRECTORY && entry->id_size && entry->id_size == id.size &&
                            entry->space == id.space && memcmp(entry->id, id.data, id.size) == 0) {
                                (void)fd_close(fd); /* known, and so is what lies in it */
                                return 0;
                        }
                        if (entry)
                                kill_entry(trees, entry);
                }
                entry = file_table_add(&trees->table, tree, parent, FILE_ENTRY_DIRECTORY, entry_name, &id);
                if (!entry) {
                        (void)fd_close(fd);
                        return -ENOMEM;
                }
                entry->mechanism = (uint8_t)mechanism;
                if (mechanism == FILE_BY_NOTHING)
                        tree->n_unwatched++;
                else
                        tree->by[mechanism]++;
                if (ret)
                        *ret = entry;
        }
        if (tree->place) {
                (void)fd_close(fd);
                return 0;
        }
        listing = fdopendir(fd);
        if (!listing) {
                (void)fd_close(fd);
                return -ENOMEM;
        }
        r = scan_entries(scan, entry, listing, inner_device, depth);
        (void)closedir(listing);
        return r;
}

/* ---- from an entry to its directory ---- */

static int open_below(int directory, const char *path) {
        struct open_how how = {
                .flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        int fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* The directory in which the last part of an absolute path lies, and that part's name ("." of "/"). */
static int open_parent(const struct file_trees *trees, const char *path, const char **ret_name) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *parent = strndup(path, (size_t)(slash - path));

        if (!parent)
                return -ENOMEM;
        *ret_name = slash[1] ? slash + 1 : ".";
        return host_openat(trees->host, parent, O_PATH | O_DIRECTORY);
}

/* Where the entry's directory is now, without following a link below the top; borrowed until the next call. */
static int open_entry(struct file_trees *trees, struct file_entry *entry) {
        _cleanup_buffer_ struct buffer key = BUFFER_NULL;
        _cleanup_close_ int parent = -1, top = -1;
        const struct file_entry *root = entry;
        const char *name;
        size_t skip;
        int fd;

        if (trees->opened == entry && trees->opened_fd >= 0 && trees->opened_moves == trees->table.moves)
                return trees->opened_fd;
        while (root->parent)
                root = root->parent;
        parent = open_parent(trees, entry->tree->path, &name);
        if (parent < 0)
                return parent;
        top = open_below(parent, name);
        if (top < 0)
                return top;
        if (root != entry) {
                file_entry_key(entry, &key);
                skip = root->name_size ? root->name_size + 1 : 0;
                for (size_t i = 0; i < key.size; i++)
                        if (key.data[i] == '\0')
                                key.data[i] = '/';
                if (buffer_error(&key) < 0)
                        return -ENOMEM;
                fd = open_below(top, buffer_string(&key) + skip);
        } else
                fd = TAKE_FD(top);
        if (fd < 0)
                return fd;
        (void)fd_close(trees->opened_fd);
        trees->opened_fd = fd;
        trees->opened = entry;
        trees->opened_moves = trees->table.moves;
        return fd;
}

static void close_opened(struct file_trees *trees) {
        trees->opened_fd = fd_close(trees->opened_fd);
        trees->opened = NULL;
}

static unsigned depth_of(const struct file_entry *entry) {
        unsigned depth = 0;

        for (; entry->parent; entry = entry->parent)
                depth++;
        return depth;
}

/* A directory appeared below one that is watched: it and what already lies in it. */
static void scan_below(struct file_trees *trees, struct file_entry *parent, const char *name) {
        struct scan scan = { .trees = trees, .tree = parent->tree, .anchor = parent };
        struct bytes key = key_of(trees, parent, name);
        struct stat status;
        int fd, r;

        if (is_excluded(trees, parent->tree, key, name))
                return;
        buffer_append_byte(&scan.path, '/');
        buffer_append_bytes(&scan.path, key);
        for (size_t i = 0; i < scan.path.size; i++)
                if (scan.path.data[i] == '\0')
                        scan.path.data[i] = '/';
        fd = open_entry(trees, parent);
        if (fd >= 0 && fstat(fd, &status) == 0 && tree_mount_at(fd, "", &scan.mount) == 0) {
                /* scanning kills and adds, which closes nothing: the descriptor stays ours until the next open_entry() */
                r = scan_directory(&scan, parent, fd, name, bytes_of_string(name), (uint64_t)status.st_dev, depth_of(parent) + 1, NULL);
                if (r < 0)
                        out_of_memory(trees);
        }
        buffer_done(&scan.path);
}

/* ---- a tree as a whole ---- */

static void kill_tree(struct file_trees *trees, struct file_tree *tree) {
        trees->departing = true; /* what is still in the queue of it lies elsewhere, or is seen by the look that follows */
        if (tree->top)
                kill_entry(trees, tree->top);
        tree->top = NULL;
        for (size_t i = 0; i < tree->n_doors; i++)
                kill_entry(trees, tree->doors[i]);
        tree->n_doors = 0;
        trees->departing = false;
}

/* Marks what lies above the top, each for the name that leads on: a top that goes, comes or is replaced is seen there. Of a
 * single file, whose content is told of in its directory, the last one tells that too. */
static int mark_doors(struct file_trees *trees, struct file_tree *tree, bool single) {
        _cleanup_free_ char *path = strdup(tree->path);
        char *name;
        size_t n = 0;
        int r = 0;

        if (!path)
                return -ENOMEM;
        for (const char *at = path; *at; at++)
                n += *at == '/';
        free(tree->doors);
        tree->n_doors = 0;
        tree->doors = calloc(n + 1, sizeof(*tree->doors));
        if (!tree->doors)
                return -ENOMEM;
        for (name = path; *name && r == 0;) {
                _cleanup_close_ int fd = -1;
                enum file_mechanism mechanism = FILE_BY_NOTHING;
                struct file_id id = { 0 };
                struct file_entry *door;
                char *slash = name, *end;
                bool last;

                name = slash + 1;
                end = strchrnul(name, '/');
                last = !*end;
                if (name == end)
                        break;
                *slash = '\0';
                fd = host_openat(trees->host, path, O_PATH | O_DIRECTORY);
                *slash = '/';
                if (fd < 0)
                        break;
                r = mark(trees, fd, ".", last && single ? FILE_MARK_TREE : FILE_MARK_DOOR, false, &id, &mechanism, NULL);
                if (r == -ENOMEM)
                        return r;
                if (r == 0) {
                        door = file_table_add(&trees->table, tree, NULL, FILE_ENTRY_DOOR, bytes_of(name, (size_t)(end - name)), &id);
                        if (!door)
                                return -ENOMEM;
                        door->mechanism = (uint8_t)mechanism;
                        door->last = last;
                        tree->doors[tree->n_doors++] = door;
                } else {
                        tree->error = -r;
                        r = 0;
                }
                name = end;
        }
        return 0;
}

/* What stands at the top's path. 1 if it is there and no directory, 0, or negative errno. */
static int read_top(const struct file_trees *trees, const struct file_tree *tree, struct file_id *ret) {
        _cleanup_close_ int parent = -1;
        struct statx status;
        const char *name;

        *ret = (struct file_id){ 0 };
        parent = open_parent(trees, tree->path, &name);
        if (parent < 0)
                return parent;
        if (statx(parent, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_INO | STATX_TYPE, &status) < 0)
                return -errno;
        ret->size = sizeof(status.stx_ino);
        ret->space = status.stx_dev_major << 20 ^ status.stx_dev_minor;
        memcpy(ret->data, &status.stx_ino, sizeof(status.stx_ino));
        return !S_ISDIR(status.stx_mode);
}

/* Doors first, then the top, then what lies in it. 0, or -ENOMEM. */
static int build_tree(struct file_trees *trees, struct file_tree *tree) {
        enum { TRIES = 10 };
        struct scan scan = { .trees = trees, .tree = tree };
        _cleanup_close_ int parent = -1;
        unsigned tries = 0;
        const char *name;
        bool single;
        int r;

        tree->stale = tree->present = tree->files_left_out = false;
        tree->error = 0;
        do { /* until what was there before the doors were marked is there afterwards */
                single = read_top(trees, tree, &tree->top_id) > 0;
                kill_tree(trees, tree);
                r = mark_doors(trees, tree, single);
                if (r < 0)
                        return r;
        } while (single != (read_top(trees, tree, &tree->top_id) > 0) && ++tries < TRIES);
        parent = open_parent(trees, tree->path, &name);
        if (parent < 0)
                return parent == -ENOMEM ? parent : 0;
        buffer_append_string(&scan.path, tree->path);
        if (!tree->decided && !tree->place) {
                scan.limit = WHOLE_FROM;
                r = scan_directory(&scan, NULL, parent, name, BYTES_NULL, 0, 0, NULL);
                tree->whole = scan.directories >= WHOLE_FROM;
                tree->marks_files = !tree->whole;
                tree->decided = scan.directories > 0;
                scan.limit = scan.directories = 0;
                buffer_clear(&scan.path);
                buffer_append_string(&scan.path, tree->path);
        }
        if (r == 0) {
                _cleanup_buffer_ struct buffer key = BUFFER_NULL;

                append_key_of_path(&key, tree->path);
                r = buffer_error(&key);
                if (r == 0)
                        r = scan_directory(&scan, NULL, parent, name, buffer_bytes(&key), 0, 0, &tree->top);
        }
        tree->present = tree->top_id.size > 0;
        if (r == 0 && !tree->top && tree->present && !tree->place && tree->n_doors && tree->doors[tree->n_doors - 1]->last) {
                struct file_entry *door = tree->doors[tree->n_doors - 1];
                enum file_mechanism mechanism;
                struct file_id id;

                /* a single file: by whatever name it is written */
                if (mark(trees, parent, name, FILE_MARK_FILE, false, &id, &mechanism, NULL) == 0) {
                        struct file_entry *file = file_table_add(&trees->table, tree, door, FILE_ENTRY_FILE, bytes_of_string(name), &id);

                        if (file) {
                                file->mechanism = (uint8_t)mechanism;
                                tree->n_files++;
                        }
                }
        }
        buffer_done(&scan.path);
        return r;
}

/* ---- what is covered ---- */

static bool is_of_same_watch(const struct file_tree *a, const struct file_tree *b) {
        return a->watch ? b->watch && strcmp(a->watch, b->watch) == 0 : b->kind && strcmp(a->kind, b->kind) == 0;
}

static const char *mechanism_name(const bool used[FILE_MECHANISMS]) {
        static const char *const names[] = {
                "nothing",
                "fanotify filesystem mark",
                "fanotify inode marks",
                "fanotify filesystem and inode marks",
                "inotify",
                "fanotify filesystem mark, inotify",
                "fanotify inode marks, inotify",
                "fanotify filesystem and inode marks, inotify",
        };

        return names[used[FILE_BY_FILESYSTEM_MARK] | used[FILE_BY_INODE_MARK] << 1 | used[FILE_BY_INOTIFY] << 2];
}

static void add_limit(struct buffer *text, const char *limit) {
        if (text->size)
                buffer_append_string(text, "; ");
        buffer_append_string(text, limit);
}

/* Says it for all trees of the watch of this one; the whole is said again only if it is different. */
static void make_coverage(struct file_trees *trees, const struct file_tree *first, struct buffer *limits, struct coverage *ret) {
        bool used[FILE_MECHANISMS] = { false }, files_left_out = false, links_unseen = false, content = false,
             privileged = false;
        size_t unwatched = 0, unguarded = 0;
        int error = 0;

        for (size_t i = 0; i < trees->n_trees; i++) {
                const struct file_tree *tree = &trees->trees[i];

                if (!is_of_same_watch(first, tree))
                        continue;
                for (int k = FILE_BY_FILESYSTEM_MARK; k < FILE_MECHANISMS; k++)
                        used[k] |= tree->by[k] > 0;
                for (size_t k = 0; k < tree->n_doors; k++)
                        if (!tree->top && tree->doors[k]->mechanism != FILE_BY_NOTHING)
                                used[tree->doors[k]->mechanism] = true;
                content |= !tree->place && !tree->privileged;
                privileged |= tree->privileged;
                files_left_out |= tree->files_left_out;
                links_unseen |= !tree->place && !tree->privileged && (tree->by[FILE_BY_FILESYSTEM_MARK] > 0);
                unwatched += tree->n_unwatched;
                unguarded += tree->n_doors == 0 && !tree->top;
                if (tree->error)
                        error = tree->error;
        }
        buffer_clear(limits);
        if (unwatched || unguarded) {
                const char *name = strerrorname_np(error);

                buffer_printf(limits, "%zu directories are not watched (%s)", unwatched + unguarded, name ? name : "unknown error");
        } else if (error) {
                const char *name = strerrorname_np(error);

                buffer_printf(limits, "something could not be watched (%s)", name ? name : "unknown error");
        }
        if (content) {
                if (used[FILE_BY_INOTIFY])
                        add_limit(limits, "inotify does not tell who, nor of writes by another hard link");
                if (files_left_out)
                        add_limit(limits, "of so many files not each has a mark: writes by a hard link that is made later are not seen");
                if (links_unseen)
                        add_limit(limits, "writes by a hard link outside the tree that is made later are not seen");
                add_limit(limits, "writes through a mapping are seen when it is unmapped");
                add_limit(limits, "writes to the device under the filesystem are not seen");
        }
        if (privileged) {
                if (used[FILE_BY_INOTIFY])
                        add_limit(limits, "inotify does not tell who");
                add_limit(limits, "a file that is gone again at once is not seen");
                add_limit(limits, "nor is another name of a file whose rights changed, until the next look at everything");
        }
        *ret = (struct coverage){
                .watch = first->watch,
                .kind = first->kind,
                .mechanism = mechanism_name(used),
                .level = unwatched || unguarded || error ? COVERAGE_WAKES :
                         content && (used[FILE_BY_INOTIFY] || files_left_out || links_unseen) ? COVERAGE_MOST : COVERAGE_FULL,
                .limits = limits->size ? buffer_string(limits) : NULL,
        };
        if (!used[FILE_BY_FILESYSTEM_MARK] && !used[FILE_BY_INODE_MARK] && !used[FILE_BY_INOTIFY])
                ret->level = COVERAGE_WAKES;
}

static bool is_first_of_watch(const struct file_trees *trees, size_t index) {
        for (size_t i = 0; i < index; i++)
                if (is_of_same_watch(&trees->trees[i], &trees->trees[index]))
                        return false;
        return true;
}

/* Of all that make_coverage() looks at: it is asked for after each batch, and to say it in words costs more than the batch. */
static uint64_t coverage_mark(const struct file_trees *trees) {
        uint64_t mark = BYTES_HASH;

        for (size_t i = 0; i < trees->n_trees; i++) {
                const struct file_tree *tree = &trees->trees[i];
                uint64_t words[FILE_MECHANISMS + 4] = {
                        tree->n_unwatched, tree->n_doors, (uint64_t)tree->error,
                        (uint64_t)tree->files_left_out | (uint64_t)tree->place << 1 | (uint64_t)!tree->top << 2,
                };

                for (size_t k = 0; k < FILE_MECHANISMS; k++)
                        words[4 + k] = tree->by[k];
                for (size_t k = 0; k < tree->n_doors; k++)
                        words[3] |= UINT64_C(1) << (8 + tree->doors[k]->mechanism);
                for (size_t k = 0; k < ELEMENTS(words); k++)
                        mark = bytes_hash_word(mark, words[k]);
        }
        return mark;
}

/* All of it is said again when any of it is different. */
static void say_coverage(struct file_trees *trees) {
        _cleanup_buffer_ struct buffer all = BUFFER_NULL;
        _cleanup_buffer_ struct buffer limits = BUFFER_NULL;
        struct coverage coverage;
        uint64_t mark = coverage_mark(trees);

        if (trees->said.size && mark == trees->said_mark)
                return;
        trees->said_mark = mark;
        for (size_t i = 0; i < trees->n_trees; i++)
                if (is_first_of_watch(trees, i)) {
                        make_coverage(trees, &trees->trees[i], &limits, &coverage);
                        buffer_printf(&all, "%s %d %s\n", coverage.mechanism, (int)coverage.level,
                                      coverage.limits ? coverage.limits : "");
                }
        if (bytes_equal(buffer_bytes(&all), buffer_bytes(&trees->said)))
                return;
        buffer_clear(&trees->said);
        buffer_append_bytes(&trees->said, buffer_bytes(&all));
        for (size_t i = 0; i < trees->n_trees; i++)
                if (is_first_of_watch(trees, i)) {
                        make_coverage(trees, &trees->trees[i], &limits, &coverage);
                        trees->listener->covers(trees->listener, &coverage);
                }
}

/* ---- events ---- */

static void arm(struct file_trees *trees) {
        struct itimerspec when = { .it_value = { .tv_nsec = SETTLE_NS } };

        if (!trees->timer_set && timerfd_settime(trees->timer.fd, 0, &when, NULL) == 0)
                trees->timer_set = true;
}

static void add_pending(struct file_trees *trees, struct file_pending_list *list, struct file_entry *directory, const char *name) {
        struct file_pending *pending;

        for (size_t i = list->count; i > 0 && i + 8 > list->count; i--) /* mostly one of the last */
                if (list->items[i - 1].directory == directory && strcmp(list->items[i - 1].name, name) == 0)
                        return;
        if (list->count == PENDING_MAX) {
                if (list == &trees->moved)
                        directory->tree->stale = true;
                else
                        directory->tree->files_left_out = true;
                return;
        }
        if (list->count == list->capacity) {
                size_t capacity = list->capacity ? list->capacity * 2 : 64;

                pending = reallocarray(list->items, capacity, sizeof(*pending));
                if (!pending) {
                        out_of_memory(trees);
                        return;
                }
                list->items = pending;
                list->capacity = capacity;
        }
        pending = &list->items[list->count];
        *pending = (struct file_pending){ .directory = directory, .name = strdup(name) };
        if (pending->name)
                list->count++;
        else
                out_of_memory(trees);
}

static void clear_pending(struct file_pending_list *list) {
        for (size_t i = 0; i < list->count; i++)
                free(list->items[i].name);
        list->count = 0;
        if (list->capacity > 4096) {
                free(list->items);
                list->items = NULL;
                list->capacity = 0;
        }
}

/* The kernel makes one event of two that are alike, and the later one stands where the earlier stood: of directories that were
 * moved to and fro, events do not tell where they are in the end. Looking does. */
static void settle_moved(struct file_trees *trees) {
        for (size_t i = 0; i < trees->moved.count; i++)
                if (!trees->moved.items[i].directory->dead)
                        scan_below(trees, trees->moved.items[i].directory, trees->moved.items[i].name);
        clear_pending(&trees->moved);
}

/* Gives new files their marks. Whoever has another name for one may have written by it before it was marked. */
static void settle_pending(struct file_trees *trees) {
        for (size_t i = 0; i < trees->pending.count; i++) {
                struct file_pending *pending = &trees->pending.items[i];
                struct scan scan = { .trees = trees, .tree = pending->directory->tree };
                struct stat status;
                int fd, r;

                if (pending->directory->dead)
                        continue;
                fd = open_entry(trees, pending->directory);
                if (fd < 0 || fstatat(fd, pending->name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
                    !S_ISREG(status.st_mode))
                        continue;
                r = scan_file(&scan, pending->directory, fd, pending->name);
                if (r == -ENOMEM)
                        out_of_memory(trees);
                if (r > 0 && fstatat(fd, pending->name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 && status.st_nlink > 1)
                        add_hint(trees, scan.tree, key_of(trees, pending->directory, pending->name), 0, FILE_EVENT_ATTRIBUTES);
        }
        clear_pending(&trees->pending);
}

/* The entries of an id, apart from the table, which what is done with them changes. */
static size_t match(struct file_trees *trees, const struct file_id *id) {
        size_t n = 0;

        for (struct file_entry *entry = file_table_first(&trees->table, id); entry; entry = file_table_more(entry)) {
                if (entry->departed)
                        continue;
                if (n == trees->matches_capacity) {
                        size_t capacity = n ? n * 2 : 16;
                        struct file_entry **matches = reallocarray(trees->matches, capacity, sizeof(struct file_entry *));

                        if (!matches) {
                                out_of_memory(trees);
                                return n;
                        }
                        trees->matches = matches;
                        trees->matches_capacity = capacity;
                }
                trees->matches[n++] = entry;
        }
        return n;
}

static void at_door(struct file_trees *trees, struct file_entry *door, const struct file_event *event) {
        struct file_tree *tree = door->tree;

        if (door->dead || !event->name || strcmp(event->name, door->name) != 0)
                return;
        if (event->bits & (FILE_EVENT_MADE | FILE_EVENT_ARRIVED | FILE_EVENT_GONE)) {
                tree->stale = true;
                tree->stale_pid = event->pid;
        } else if (door->last && (!tree->top || event->bits & FILE_EVENT_ATTRIBUTES))
                hint_tree(trees, tree, event->pid, event->bits);
}

static bool counts(const struct file_tree *tree, const char *name) {
        if (!tree->names || !tree->names[0])
                return true;
        for (size_t i = 0; tree->names[i]; i++)
                if (strcmp(tree->names[i], name) == 0)
                        return true;
        return false;
}

static void directory_appeared(struct file_trees *trees, struct file_entry *parent, const struct file_event *event) {
        /* What is made on a marked filesystem is marked from its first moment, and its name came with the event: nothing that
         * was done in it is missed, even if it has gone since. */
        if (parent->mechanism == FILE_BY_FILESYSTEM_MARK && event->bits & FILE_EVENT_MADE && event->object.size) {
                struct file_entry *entry = file_table_child(&trees->table, parent, &event->object, event->name);

                if (entry)
                        return;
                entry = file_table_add(&trees->table, parent->tree, parent, FILE_ENTRY_DIRECTORY, bytes_of_string(event->name),
                                       &event->object);
                if (!entry) {
                        out_of_memory(trees);
                        return;
                }
                entry->mechanism = FILE_BY_FILESYSTEM_MARK;
                parent->tree->by[FILE_BY_FILESYSTEM_MARK]++;
                if (event->bits & FILE_EVENT_GONE)
                        kill_entry(trees, entry);
                return;
        }
        scan_below(trees, parent, event->name);
}

static void in_directory(struct file_trees *trees, struct file_entry *directory, const struct file_event *event) {
        struct file_tree *tree = directory->tree;
        const char *name = event->name;
        struct bytes key;

        if (!name || strcmp(name, ".") == 0) { /* itself */
                if (!tree->place)
                        add_hint(trees, tree, key_of(trees, directory, NULL), event->pid, event->bits);
                return;
        }
        if (!counts(tree, name))
                return;
        key = key_of(trees, directory, name);
        if (is_excluded(trees, tree, key, name))
                return;
        add_hint(trees, tree, key, event->pid, event->bits);
        if (tree->place || directory->dead || !(event->bits & (FILE_EVENT_MADE | FILE_EVENT_ARRIVED | FILE_EVENT_GONE)))
                return;
        if (event->bits & FILE_EVENT_DIRECTORY) {
                if (event->bits & FILE_EVENT_ARRIVED || (event->bits & FILE_EVENT_GONE && event->object.size == 0))
                        add_pending(trees, &trees->moved, directory, name);
                if (event->bits & FILE_EVENT_GONE) {
                        struct file_entry *child = file_table_child(&trees->table, directory, &event->object, name);

                        trees->departing = event->bits & FILE_EVENT_LEFT;
                        if (child)
                                kill_entry(trees, child);
                        trees->departing = false;
                }
                if (event->bits & (FILE_EVENT_MADE | FILE_EVENT_ARRIVED))
                        directory_appeared(trees, directory, event);
                return;
        }
        if (event->bits & FILE_EVENT_GONE && tree->n_files) {
                struct file_entry *child = file_table_child(&trees->table, directory, &event->object, name);

                if (child && child->kind == FILE_ENTRY_FILE)
                        kill_entry(trees, child);
        }
        if (event->bits & (FILE_EVENT_MADE | FILE_EVENT_ARRIVED) && directory->mechanism != FILE_BY_INOTIFY && !tree->privileged)
                add_pending(trees, &trees->pending, directory, name);
}

/* A file that is known by its own id: by whatever name it was written, it changed under all of its own. */
static void at_object(struct file_trees *trees, const struct file_event *event) {
        size_t n = match(trees, &event->object);

        for (size_t i = 0; i < n; i++) {
                struct file_entry *entry = trees->matches[i];

                if (entry->kind != FILE_ENTRY_FILE || entry->dead)
                        continue;
                if (entry->parent->kind == FILE_ENTRY_DOOR)
                        hint_tree(trees, entry->tree, event->pid, event->bits & ~(unsigned)(FILE_EVENT_MADE | FILE_EVENT_ARRIVED | FILE_EVENT_GONE));
                else
                        add_hint(trees, entry->tree, key_of(trees, entry->parent, entry->name), event->pid,
                                 event->bits & ~(unsigned)(FILE_EVENT_MADE | FILE_EVENT_ARRIVED | FILE_EVENT_GONE));
        }
}

static void at_name(struct file_trees *trees, const struct file_event *event) {
        size_t n = match(trees, &event->directory);

        for (size_t i = 0; i < n; i++) {
                struct file_entry *entry = trees->matches[i];

                if (entry->kind == FILE_ENTRY_DIRECTORY)
                        in_directory(trees, entry, event);
                else if (entry->kind == FILE_ENTRY_DOOR)
                        at_door(trees, entry, event);
        }
}

/* Takes a directory along from its old place to its new one in the same tree, with all that is known below it. False: it is not
 * that simple. */
static bool move_along(struct file_trees *trees, struct file_entry *from, struct file_entry *to, const struct file_event *event) {
        struct file_entry *moved, *there = NULL;

        if (from->tree != to->tree || from->dead || to->dead || from->tree->place || event->object.size == 0 ||
            from->mechanism != to->mechanism)
                return false;
        moved = file_table_child(&trees->table, from, &event->object, event->old_name);
        if (!moved || moved->kind != FILE_ENTRY_DIRECTORY)
                return false;
        if (is_excluded(trees, to->tree, key_of(trees, to, event->name), event->name))
                return false;
        for (struct file_entry *entry = to->children; entry && !there; entry = entry->next)
                if (entry != moved && strcmp(entry->name, event->name) == 0)
                        there = entry;
        if (there) /* written over, or one end of an exchange */
                return false;
        for (struct file_entry *up = to; up; up = up->parent)
                if (up == moved)
                        return false;
        if (file_table_move(&trees->table, moved, to, event->name) < 0) {
                out_of_memory(trees);
                return false;
        }
        return true;
}

static void renamed(struct file_trees *trees, const struct file_event *event) {
        struct file_event from = *event, to = *event;

        from.directory = event->old_directory;
        from.name = event->old_name;
        from.bits = (event->bits & ~(unsigned)FILE_EVENT_ARRIVED) | FILE_EVENT_GONE | FILE_EVENT_LEFT;
        to.bits = (event->bits & ~(unsigned)(FILE_EVENT_GONE | FILE_EVENT_LEFT)) | FILE_EVENT_ARRIVED;
        if (event->bits & FILE_EVENT_DIRECTORY) {
                struct file_entry *old = file_table_first(&trees->table, &event->old_directory);
                struct file_entry *new = file_table_first(&trees->table, &event->directory);

                /* the usual case: one tree that has both ends */
                if (old && new && !file_table_more(old) && !file_table_more(new) && old->kind == FILE_ENTRY_DIRECTORY &&
                    new->kind == FILE_ENTRY_DIRECTORY && move_along(trees, old, new, event)) {
                        add_hint(trees, old->tree, key_of(trees, old, event->old_name), event->pid, from.bits);
                        add_hint(trees, new->tree, key_of(trees, new, event->name), event->pid, to.bits);
                        add_pending(trees, &trees->moved, old, event->old_name);
                        add_pending(trees, &trees->moved, new, event->name);
                        return;
                }
                from.object.size = to.object.size = 0; /* of two that were exchanged each has the other's name */
        }
        at_name(trees, &from);
        at_name(trees, &to);
}

void file_trees_event(struct file_trees *trees, const struct file_event *event) {
        trees->events++;
        if (event->old_name && event->name)
                renamed(trees, event);
        else if (event->directory.size)
                at_name(trees, event);
        if (event->object.size && !(event->bits & FILE_EVENT_DIRECTORY))
                at_object(trees, event);
}

static void rebuild_stale(struct file_trees *trees) {
        for (size_t i = 0; i < trees->n_trees; i++) {
                struct file_tree *tree = &trees->trees[i];

                if (!tree->stale)
                        continue;
                if (build_tree(trees, tree) < 0)
                        out_of_memory(trees);
                hint_tree(trees, tree, tree->stale_pid, FILE_EVENT_DIRECTORY | FILE_EVENT_LEFT);
        }
}

static void tell_loss(struct file_trees *trees, const char *reason, bool counted, uint64_t count) {
        for (size_t i = 0; i < trees->n_trees; i++) {
                const struct file_tree *tree = &trees->trees[i];
                struct loss loss = {
                        .source = trees->source, .reason = reason, .counted = counted, .count = count, .watch = tree->watch,
                        .kind = tree->kind,
                };

                if (!is_first_of_watch(trees, i))
                        continue;
                trees->listener->loss(trees->listener, &loss);
        }
}

void file_trees_batch(struct file_trees *trees, bool drained) {
        rebuild_stale(trees);
        settle_moved(trees);
        hint_set_tell(&trees->now, trees->listener, trees->source);
        if (trees->failed) {
                trees->failed = false;
                for (size_t i = 0; i < trees->n_trees; i++)
                        trees->trees[i].stale |= !trees->trees[i].top;
                hint_set_done(&trees->now);
                hint_set_done(&trees->later);
                tell_loss(trees, "out of memory", false, 0);
        }
        close_opened(trees);
        if (trees->pending.count || trees->later.kept)
                arm(trees);
        else if (drained) {
                hint_set_tell(&trees->later, trees->listener, trees->source); /* what was dropped takes room */
                trees->key_of = NULL;
                file_table_bury(&trees->table);
        }
        say_coverage(trees);
}

void file_trees_lost(struct file_trees *trees, const char *reason, bool counted, uint64_t count) {
        trees->lost += counted ? count : 1;
        for (size_t i = 0; i < trees->n_trees; i++)
                if (build_tree(trees, &trees->trees[i]) < 0)
                        out_of_memory(trees);
        tell_loss(trees, reason, counted, count);
}

static int settle(struct loop_file *file, uint32_t events) {
        struct file_trees *trees = container_of(file, struct file_trees, timer);
        uint64_t times;

        (void)events;
        if (read(file->fd, &times, sizeof(times)) < 0 && errno != EAGAIN && errno != EINTR)
                return -errno;
        trees->timer_set = false;
        settle_pending(trees);
        hint_set_tell(&trees->later, trees->listener, trees->source);
        file_trees_batch(trees, false);
        return 0;
}

/* ---- mounts ---- */

static void touched(void *context, const struct mount_list *list, const struct mount *mount) {
        struct file_trees *trees = context;
        bool local = mount_is_local(list, mount);

        for (size_t i = 0; i < trees->n_trees; i++)
                if ((local || !trees->trees[i].privileged) && mount_touches(mount_where(list, mount), trees->trees[i].path)) {
                        trees->trees[i].stale = true;
                        trees->trees[i].stale_pid = 0;
                }
}

static int read_mounts(struct file_trees *trees) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct mount_list list = MOUNT_LIST_NULL;
        int r;

        r = file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text);
        if (r == 0)
                r = mount_list_parse(&list, buffer_bytes(&text));
        if (r == 0)
                r = mount_list_compare(&trees->mount_list, &list, trees, touched, touched);
        if (r < 0) {
                mount_list_done(&list);
                return r;
        }
        mount_list_done(&trees->mount_list);
        trees->mount_list = list;
        return 0;
}

static int mounts_changed(struct loop_file *file, uint32_t events) {
        struct file_trees *trees = container_of(file, struct file_trees, mounts);

        (void)events;
        if (read_mounts(trees) < 0)
                for (size_t i = 0; i < trees->n_trees; i++)
                        trees->trees[i].stale = true;
        file_trees_batch(trees, false);
        return 0;
}

/* ---- life ---- */

int file_trees_init(struct file_trees *trees, const struct source_request *request, const char *source,
                    struct file_rung *const rungs[], size_t n_rungs) {
        int r;

        trees->source = source;
        trees->host = request->host;
        trees->settings = request->settings;
        trees->loop = request->loop;
        trees->listener = request->listener;
        for (size_t i = 0; i < n_rungs; i++)
                trees->rungs[trees->n_rungs++] = rungs[i];
        trees->timer.ready = settle;
        trees->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        r = trees->timer.fd < 0 ? -errno : loop_add(request->loop, &trees->timer, EPOLLIN);
        if (r < 0)
                return r;
        if (request->host->live) {
                trees->mounts.ready = mounts_changed;
                trees->mounts.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
                /* without it a mount is noticed by the next comparison */
                if (trees->mounts.fd >= 0) {
                        r = loop_add(request->loop, &trees->mounts, EPOLLPRI);
                        if (r < 0)
                                return r;
                        r = read_mounts(trees);
                        if (r == -ENOMEM)
                                return r;
                }
        }
        return choose_trees(trees);
}

void file_trees_done(struct file_trees *trees) {
        loop_remove(&trees->timer);
        loop_remove(&trees->mounts);
        trees->timer.fd = fd_close(trees->timer.fd);
        trees->mounts.fd = fd_close(trees->mounts.fd);
        close_opened(trees);
        for (size_t i = 0; i < trees->n_trees; i++) {
                struct file_tree *tree = &trees->trees[i];

                if (tree->top)
                        file_table_kill(&trees->table, tree->top, NULL, NULL);
                for (size_t k = 0; k < tree->n_doors; k++)
                        file_table_kill(&trees->table, tree->doors[k], NULL, NULL);
                free(tree->doors);
                free(tree->owned_path);
        }
        free(trees->trees);
        trees->trees = NULL;
        trees->n_trees = 0;
        clear_pending(&trees->pending);
        clear_pending(&trees->moved);
        free(trees->pending.items);
        free(trees->moved.items);
        free(trees->matches);
        file_table_done(&trees->table);
        hint_set_done(&trees->now);
        hint_set_done(&trees->later);
        mount_list_done(&trees->mount_list);
        buffer_done(&trees->path);
        buffer_done(&trees->key);
        buffer_done(&trees->said);
}

int file_trees_build(struct file_trees *trees) {
        bool any = trees->n_trees == 0;
        int error = EOPNOTSUPP;

        for (size_t i = 0; i < trees->n_trees; i++) {
                struct file_tree *tree = &trees->trees[i];

                if (build_tree(trees, tree) < 0)
                        return -ENOMEM;
                any |= tree->n_doors > 0 || tree->by[FILE_BY_FILESYSTEM_MARK] || tree->by[FILE_BY_INODE_MARK] || tree->by[FILE_BY_INOTIFY];
                if (tree->error)
                        error = tree->error;
        }
        if (!any)
                return -error;
        say_coverage(trees);
        return 0;
}

/* What patterns match by now: the look that comes next sees what lies there, events tell what comes after. */
static void find_new_trees(struct file_trees *trees) {
        for (size_t i = 0; i < trees->settings->n_watches; i++) {
                size_t first = trees->n_trees;

                if (!is_of_trees(trees, &trees->settings->watches[i]) || !has_globs(&trees->settings->watches[i]))
                        continue;
                if (add_trees(trees, i) == -ENOMEM)
                        out_of_memory(trees);
                for (; first < trees->n_trees; first++)
                        if (build_tree(trees, &trees->trees[first]) < 0)
                                out_of_memory(trees);
        }
}

void file_trees_check(struct file_trees *trees) {
        find_new_trees(trees);
        for (size_t i = 0; i < trees->n_trees; i++) {
                struct file_tree *tree = &trees->trees[i];
                struct file_id id;

                if (tree->stale)
                        continue;
                (void)read_top(trees, tree, &id);
                if (id.size != tree->top_id.size || id.space != tree->top_id.space || memcmp(id.data, tree->top_id.data, id.size) != 0) {
                        tree->stale = true;
                        tree->stale_pid = 0;
                }
        }
        file_trees_batch(trees, false);
}

size_t file_trees_marked(const struct file_trees *trees, enum file_mechanism mechanism) {
        size_t n = 0;

        for (size_t i = 0; i < trees->table.n_buckets; i++)
                for (const struct file_entry *entry = trees->table.buckets[i]; entry; entry = entry->same_bucket) {
                        bool first = !entry->dead && entry->kind == FILE_ENTRY_DIRECTORY && entry->mechanism == mechanism;

                        for (const struct file_entry *other = trees->table.buckets[i]; first && other != entry; other = other->same_bucket)
                                first = other->dead || other->kind != FILE_ENTRY_DIRECTORY || other->hash != entry->hash ||
                                        other->space != entry->space || other->id_size != entry->id_size ||
                                        memcmp(other->id, entry->id, entry->id_size) != 0;
                        n += first;
                }
        return n;
}
