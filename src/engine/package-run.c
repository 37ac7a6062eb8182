#include "package-run.h"

#include <errno.h>
#include <stdlib.h>

#include "escape.h"

struct share {
        struct event_package is;        /* its bytes lie in 'text' */
        char *text;                     /* owned */
        bool changed;                   /* the package watch said so: else it is known by a file of it alone */
        uint64_t marks[PACKAGE_RUN_MARKS];
};

struct package_run {
        struct share *shares;           /* owned array */
        size_t count, capacity, last;   /* last: the one found last: files come package by package */
        uint64_t others;                /* files of packages that found no room */
        uint64_t files[PACKAGE_RUN_FILES];
        struct bytes sample[PACKAGE_RUN_SAMPLE]; /* each owned */
        size_t n_sample;
        struct {
                uint64_t files[PACKAGE_RUN_FILES], others;
                size_t n_sample;
        } marks[PACKAGE_RUN_MARKS];
        struct event_package listed[PACKAGE_RUN_LISTED];
        struct event_packages packages;
};

struct package_run *package_run_new(void) {
        return calloc(1, sizeof(struct package_run));
}

static void drop_sample(struct package_run *run, size_t from) {
        while (run->n_sample > from)
                free((void *)(uintptr_t)run->sample[--run->n_sample].data);
}

struct package_run *package_run_free(struct package_run *run) {
        if (!run)
                return NULL;
        for (size_t i = 0; i < run->count; i++)
                free(run->shares[i].text);
        drop_sample(run, 0);
        free(run->shares);
        free(run);
        return NULL;
}

static bool is_package(const struct share *share, struct bytes name, struct bytes architecture) {
        return bytes_equal(share->is.name, name) && (architecture.size == 0 || share->is.architecture.size == 0 ||
                                                     bytes_equal(share->is.architecture, architecture));
}

static struct share *find(struct package_run *run, struct bytes name, struct bytes architecture) {
        if (run->last < run->count && is_package(&run->shares[run->last], name, architecture))
                return &run->shares[run->last];
        for (size_t i = 0; i < run->count; i++)
                if (is_package(&run->shares[i], name, architecture)) {
                        run->last = i;
                        return &run->shares[i];
                }
        return NULL;
}

bool package_run_has_packages(const struct package_run *run) {
        for (size_t i = 0; i < run->count; i++)
                if (run->shares[i].changed)
                        return true;
        return false;
}

/* The package's own bytes, in one piece. */
static int keep_texts(struct share *share, const struct event_package *package) {
        const struct bytes from[] = { package->name, package->architecture, package->before, package->version };
        struct event_package copy = *package;
        struct bytes *const to[] = { &copy.name, &copy.architecture, &copy.before, &copy.version };
        size_t size = 0;
        char *text, *at;

        for (size_t i = 0; i < ELEMENTS(from); i++)
                size += from[i].size;
        text = at = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(from); at += from[i].size, i++) {
                if (from[i].size)
                        memcpy(at, from[i].data, from[i].size);
                *to[i] = bytes_of(at, from[i].size);
        }
        free(share->text);
        share->text = text;
        share->is = copy;
        return 0;
}

static int add(struct package_run *run, const struct event_package *package, struct share **ret) {
        struct share *shares, *share;
        int r;

        if (run->count == PACKAGE_RUN_PACKAGES_MAX)
                return -ENOBUFS;
        if (run->count == run->capacity) {
                size_t capacity = run->capacity ? run->capacity * 2 : 8;

                shares = reallocarray(run->shares, capacity, sizeof(*shares));
                if (!shares)
                        return -ENOMEM;
                run->shares = shares;
                run->capacity = capacity;
        }
        share = &run->shares[run->count];
        *share = (struct share){ .text = NULL };
        r = keep_texts(share, package);
        if (r < 0)
                return r;
        run->last = run->count++;
        *ret = share;
        return 0;
}

/* Two words for one package: unpacked and configured is installed; removed and installed again is what its versions say. */
static const char *both(const struct event_package *first, const struct event_package *second) {
        if (!first->what || strcmp(second->what, "changed") != 0)
                return first->before.size && second->version.size && strcmp(second->what, "installed") == 0
                               ? "changed"
                               : second->what;
        return first->what;
}

int package_run_package(struct package_run *run, const struct event_package *package) {
        struct share *share = find(run, package->name, package->architecture);
        struct event_package now = *package;
        int r;

        now.files = 0;
        if (!share) {
                r = add(run, &now, &share);
                if (r == 0)
                        share->changed = true;
                return r == -ENOBUFS ? 0 : r;
        }
        if (share->changed) {
                now.before = share->is.before;
                now.what = both(&share->is, package);
        }
        if (now.architecture.size == 0)
                now.architecture = share->is.architecture;
        now.files = share->is.files;
        r = keep_texts(share, &now);
        if (r == 0)
                share->changed = true;
        return r;
}

static void keep_path(struct package_run *run, struct bytes path) {
        uint8_t *copy;

        if (run->n_sample == PACKAGE_RUN_SAMPLE || path.size == 0 || path.size > PACKAGE_RUN_PATH_MAX)
                return;
        copy = malloc(path.size);
        if (!copy)
                return; /* a sample less */
        memcpy(copy, path.data, path.size);
        run->sample[run->n_sample++] = bytes_of(copy, path.size);
}

int package_run_file(struct package_run *run, const struct provenance_answer *answer, struct bytes path,
                     enum package_run_file kind) {
        const struct event_package package = {
                .name = answer->package,
                .architecture = answer->architecture,
                .version = answer->version,
                .manager = answer->manager,
        };
        struct share *share = NULL;
        int r;

        if (kind == PACKAGE_RUN_AS_PACKAGED || kind == PACKAGE_RUN_LINK) {
                share = find(run, package.name, package.architecture);
                r = share ? 0 : add(run, &package, &share);
                if (r == -ENOMEM)
                        return r;
                if (share)
                        share->is.files++;
                else
                        run->others++;
        }
        run->files[kind]++;
        if (kind != PACKAGE_RUN_ALONE)
                keep_path(run, path);
        return 0;
}

void package_run_set_mark(struct package_run *run, enum package_run_mark mark) {
        memcpy(run->marks[mark].files, run->files, sizeof(run->files));
        run->marks[mark].others = run->others;
        run->marks[mark].n_sample = run->n_sample;
        for (size_t i = 0; i < run->count; i++)
                run->shares[i].marks[mark] = run->shares[i].is.files;
}

void package_run_go_back(struct package_run *run, enum package_run_mark mark) {
        memcpy(run->files, run->marks[mark].files, sizeof(run->files));
        run->others = run->marks[mark].others;
        drop_sample(run, run->marks[mark].n_sample);
        for (size_t i = 0; i < run->count; i++)
                run->shares[i].is.files = run->shares[i].marks[mark];
}

void package_run_begin_anew(struct package_run *run) {
        memset(run->files, 0, sizeof(run->files));
        memset(run->marks, 0, sizeof(run->marks));
        run->others = 0;
        drop_sample(run, 0);
        for (size_t i = 0; i < run->count; i++) {
                run->shares[i].is.files = 0;
                memset(run->shares[i].marks, 0, sizeof(run->shares[i].marks));
        }
}

uint64_t package_run_quiet(const struct package_run *run) {
        return run->files[PACKAGE_RUN_AS_PACKAGED] + run->files[PACKAGE_RUN_LINK] + run->files[PACKAGE_RUN_GONE];
}

/* Packages that have something to do with the files: those that changed, and those whose files did. */
static bool counts(const struct share *share) {
        return share->changed || share->is.files > 0;
}

static uint64_t package_count(const struct package_run *run) {
        uint64_t count = 0;

        for (size_t i = 0; i < run->count; i++)
                count += counts(&run->shares[i]);
        return count;
}

/* The word that holds for all of them. */
static const char *word_of(const struct package_run *run) {
        const char *word = NULL;

        for (size_t i = 0; i < run->count; i++) {
                const char *what = run->shares[i].is.what;

                if (!counts(&run->shares[i]))
                        continue;
                if (!what || (word && strcmp(word, what) != 0))
                        return "changed";
                word = what;
        }
        return word ? word : "changed";
}

static void append_bytes(struct buffer *buffer, const char *before, struct bytes bytes) {
        buffer_append_string(buffer, before);
        escape_append(buffer, bytes);
}

/* "openssl 3.0.11-1 to 3.0.11-2", "openssl 3.0.11-2" */
static void append_package(struct buffer *buffer, const struct event_package *package, bool by_itself) {
        bool moved = package->before.size && package->version.size && !bytes_equal(package->before, package->version);

        escape_append(buffer, package->name);
        if (by_itself) {
                if (moved) {
                        append_bytes(buffer, " went from ", package->before);
                        append_bytes(buffer, " to ", package->version);
                        return;
                }
                if (package->version.size || package->before.size)
                        append_bytes(buffer, " ", package->version.size ? package->version : package->before);
                buffer_printf(buffer, " was %s", package->what ? package->what : "changed");
                return;
        }
        if (package->before.size && !bytes_equal(package->before, package->version))
                append_bytes(buffer, " ", package->before);
        if (package->version.size)
                append_bytes(buffer, moved ? " to " : " ", package->version);
}

static void append_count(struct buffer *buffer, uint64_t count, const char *noun) {
        buffer_printf(buffer, "%llu %s%s", (unsigned long long)count, noun, count == 1 ? "" : "s");
}

static void append_files(struct buffer *buffer, const struct package_run *run) {
        uint64_t links = run->files[PACKAGE_RUN_LINK], proven = package_run_quiet(run) - links,
                 alone = run->files[PACKAGE_RUN_ALONE];

        append_count(buffer, proven, "file");
        buffer_append_string(buffer, alone || proven == 0 ? " as packaged"
                                     : proven == 1        ? ", as packaged"
                                                          : ", all as packaged");
        if (links)
                buffer_append_string(buffer, ", and ");
        if (links)
                append_count(buffer, links, "symbolic link");
        if (links)
                buffer_append_string(buffer, " that nothing proves");
        if (alone)
                buffer_printf(buffer, "; %llu told on %s own", (unsigned long long)alone, alone == 1 ? "its" : "their");
}

void package_run_sentence(const struct package_run *run, const char *who, struct buffer *buffer) {
        const char *word = word_of(run);
        uint64_t count = package_count(run);

        if (who)
                buffer_printf(buffer, "%s %s ", who, word);
        if (count == 1) {
                for (size_t i = 0; i < run->count; i++)
                        if (counts(&run->shares[i]))
                                append_package(buffer, &run->shares[i].is, !who);
        } else if (count == 0) {
                buffer_append_string(buffer, who ? "files" : "files were changed");
        } else {
                append_count(buffer, count, "package");
                if (!who)
                        buffer_printf(buffer, " were %s", word);
        }
        buffer_append_string(buffer, ": ");
        append_files(buffer, run);
}

const struct event_packages *package_run_packages(struct package_run *run) {
        uint64_t all = 0;
        size_t n = 0;

        for (size_t i = 0; i < run->count; i++) {
                if (!counts(&run->shares[i]))
                        continue;
                all++;
                if (n < PACKAGE_RUN_LISTED)
                        run->listed[n++] = run->shares[i].is;
        }
        /* Of what is gone nobody can tell any more whose it was, unless there is one only. */
        if (all == 1)
                run->listed[0].files += run->files[PACKAGE_RUN_GONE];
        run->packages = (struct event_packages){
                .items = run->listed, .count = n, .all = all,
                .paths = run->sample, .n_paths = run->n_sample,
                .links = run->files[PACKAGE_RUN_LINK],
        };
        return &run->packages;
}
