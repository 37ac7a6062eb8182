#include "packages.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "blake2b.h"
#include "dpkg-folder.h"
#include "dpkg-status.h"
#include "fd.h"
#include "host.h"
#include "package-version.h"

#define DPKG_STATUS DPKG_FOLDER "/status"
#define DPKG_UPDATES DPKG_FOLDER "/updates"

enum {
        TEXT_MAX = 256 * 1024 * 1024,   /* of one database: a large Debian has 4 MiB */
};

static const char *const rpm_databases[] = {
        "var/lib/rpm/rpmdb.sqlite",           "var/lib/rpm/Packages",           "var/lib/rpm/Packages.db",
        "usr/lib/sysimage/rpm/rpmdb.sqlite",  "usr/lib/sysimage/rpm/Packages",  "usr/lib/sysimage/rpm/Packages.db",
};

/* Where sqlite keeps what is committed but not yet in its database. */
static const char *const rpm_journals[] = { "var/lib/rpm/rpmdb.sqlite-wal", "usr/lib/sysimage/rpm/rpmdb.sqlite-wal" };

enum { NAME, VERSION, ARCHITECTURE, MANAGER, STATUS, ABBREVIATION, DESCRIPTION, NEVRA };

static const struct field fields[] = {
        [NAME] = { "name", "package.name", FIELD_TEXT },
        [VERSION] = { "version", "package.version", FIELD_TEXT },
        [ARCHITECTURE] = { "architecture", "package.architecture", FIELD_TEXT },
        [MANAGER] = { "manager", "package.type", FIELD_TEXT },
        [STATUS] = { "status", NULL, FIELD_TEXT },
        [ABBREVIATION] = { "abbreviation", NULL, FIELD_TEXT, FIELD_QUIET }, /* dpkg: status as dpkg -l has it; derived */
        [DESCRIPTION] = { "description", "package.description", FIELD_TEXT },
        [NEVRA] = { "nevra", NULL, FIELD_TEXT, FIELD_QUIET },     /* rpm: its line in rpm -qa; derived */
        { 0 },
};

struct state {
        const struct host *host;        /* borrowed */
        bool rpm_was_read;              /* once since open() */
};

/* One paragraph of either database; its bytes lie in the texts. */
struct package {
        struct dpkg_paragraph is;
        size_t order;           /* of the paragraphs of one database */
        bool rpm;
};

struct packages {
        struct package *items;  /* owned */
        size_t count, capacity;
};

static void packages_done(struct packages *packages) {
        free(packages->items);
}

/* The memfd with rpm's packages, mapped. */
struct mapping {
        void *place;
        size_t size;
};

static void mapping_done(struct mapping *mapping) {
        if (mapping->size)
                (void)munmap(mapping->place, mapping->size);
}

static int packages_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct state *state = calloc(1, sizeof(*state));

        (void)settings;
        if (!state)
                return -ENOMEM;
        state->host = host;
        *ret_state = state;
        return 0;
}

static void packages_close(void *state) {
        free(state);
}

static int look_at(const struct host *host, const char *path, struct statx *ret) {
        _cleanup_close_ int fd = host_openat(host, path, O_PATH);

        if (fd < 0)
                return fd;
        return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, ret) < 0 ? -errno : 0;
}

static bool is_there(const struct host *host, const char *path) {
        struct statx file;

        return look_at(host, path, &file) == 0;
}

static bool has_rpm_database(const struct host *host) {
        for (size_t i = 0; i < ELEMENTS(rpm_databases); i++)
                if (is_there(host, rpm_databases[i]))
                        return true;
        return false;
}

/* True while a dpkg that changes its database runs. */
static bool dpkg_is_at_work(const struct host *host) {
        _cleanup_close_ int folder = dpkg_folder_open(host);

        return folder >= 0 && (dpkg_folder_locks(folder) & DPKG_LOCK);
}

static void stamp_file(struct buffer *buffer, const struct host *host, const char *path, bool empty_is_absent) {
        struct statx file = { 0 };
        int64_t facts[9] = { 0 };

        facts[0] = look_at(host, path, &file);
        if (facts[0] == 0 && !(empty_is_absent && file.stx_size == 0)) {
                facts[1] = (int64_t)file.stx_ino;
                facts[2] = (int64_t)file.stx_size;
                facts[3] = (int64_t)file.stx_dev_major << 32 | file.stx_dev_minor;
                facts[4] = file.stx_mtime.tv_sec;
                facts[5] = file.stx_mtime.tv_nsec;
                facts[6] = file.stx_ctime.tv_sec;
                facts[7] = file.stx_ctime.tv_nsec;
                facts[8] = 1;
        } else if (facts[0] == 0)
                facts[0] = -ENOENT;
        buffer_append(buffer, facts, sizeof(facts));
}

static int packages_stamp(void *userdata, struct stamp *ret) {
        const struct state *state = userdata;
        _cleanup_buffer_ struct buffer seen = BUFFER_NULL;
        struct stamp stamp = { .size = BLAKE2B_SIZE };
        int r;

        stamp_file(&seen, state->host, DPKG_STATUS, false);
        stamp_file(&seen, state->host, DPKG_UPDATES, false);
        /* When a killed dpkg drops its lock, what it left in updates/ begins to count and no file has changed. */
        buffer_append_byte(&seen, dpkg_is_at_work(state->host));
        for (size_t i = 0; i < ELEMENTS(rpm_databases); i++)
                stamp_file(&seen, state->host, rpm_databases[i], false);
        /* A mere reader makes and unmakes an empty journal. */
        for (size_t i = 0; i < ELEMENTS(rpm_journals); i++)
                stamp_file(&seen, state->host, rpm_journals[i], true);
        r = buffer_error(&seen);
        if (r < 0)
                return r;
        blake2b_bytes(seen.data, seen.size, stamp.data);
        *ret = stamp;
        return 0;
}

/* 1 if dpkg has a database here, 0 if not. */
static int read_dpkg(const struct host *host, struct collector *collector, struct buffer *text) {
        _cleanup_close_ int folder = -1;
        int r = host_read(host, DPKG_STATUS, TEXT_MAX, text);

        if (r == -ENOENT || r == -ENOTDIR) {
                if (is_there(host, DPKG_FOLDER))
                        collector->condition(collector, "/" DPKG_FOLDER " is there but has no status file");
                return 0;
        }
        if (r < 0)
                return r;
        /* While a dpkg runs they are steps on the way, and status is the state before. */
        if (dpkg_is_at_work(host))
                return 1;
        folder = dpkg_folder_open(host);
        if (folder < 0)
                return folder;
        r = dpkg_folder_read_updates(folder, TEXT_MAX, text);
        return r < 0 ? r : 1;
}

static int map_sealed(int fd, struct mapping *ret) {
        /* Without these its writer could change it under us, or make us die of SIGBUS. */
        const int wanted = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat file;
        void *place;

        if (seals < 0 || (seals & wanted) != wanted)
                return -EBADMSG;
        if (fstat(fd, &file) < 0)
                return -errno;
        if (file.st_size > TEXT_MAX)
                return -EFBIG;
        if (file.st_size == 0)
                return 0;
        place = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (place == MAP_FAILED)
                return -errno;
        *ret = (struct mapping){ .place = place, .size = (size_t)file.st_size };
        return 0;
}

/* 1 if rpm has a database here that was read, 0 if not, -EAGAIN if the answer is on its way. */
static int read_rpm(struct state *state, struct collector *collector, bool has_dpkg, struct mapping *ret) {
        struct host_helper *helper = state->host->helper;
        _cleanup_buffer_ struct buffer why = BUFFER_NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (!has_rpm_database(state->host))
                return 0;
        r = helper ? helper->rpm_database(helper, &fd) : -EOPNOTSUPP;
        if (r == -EOPNOTSUPP) {
                collector->condition(collector, "rpm database found, but this build cannot read it");
                return 0;
        }
        if (r == 0)
                r = map_sealed(fd, ret);
        if (r == 0) {
                state->rpm_was_read = true;
                return 1;
        }
        /* Leaving rpm's packages out after having seen them would look as if all were removed: then the round fails. On
         * a dpkg host with a broken rpm database that never worked, dpkg's packages are still to be watched. */
        if (r == -EAGAIN)
                return r;
        buffer_printf(&why, "rpm database found, but it cannot be read: %s", helper && helper->why ? helper->why : strerror(-r));
        collector->condition(collector, buffer_string(&why));
        return state->rpm_was_read || !has_dpkg ? r : 0;
}

static int gather(struct packages *packages, struct bytes text, bool rpm, struct dpkg_status *ret_reader) {
        struct dpkg_status reader = dpkg_status_of(text);
        struct dpkg_paragraph paragraph = { 0 };

        for (size_t order = 0; dpkg_status_next(&reader, &paragraph); order++) {
                if (packages->count == packages->capacity) {
                        size_t capacity = packages->capacity ? packages->capacity * 2 : 256;
                        struct package *items = reallocarray(packages->items, capacity, sizeof(*items));

                        if (!items)
                                return -ENOMEM;
                        packages->items = items;
                        packages->capacity = capacity;
                }
                packages->items[packages->count++] = (struct package){ .is = paragraph, .order = order, .rpm = rpm };
        }
        *ret_reader = reader;
        return 0;
}

/* The order of the keys below: neither name nor architecture holds a NUL (dpkg-status.h). */
static int compare_groups(const struct package *a, const struct package *b) {
        int order = (int)a->rpm - (int)b->rpm;

        if (!order)
                order = bytes_compare(a->is.package, b->is.package);
        return order ? order : bytes_compare(a->is.architecture, b->is.architecture);
}

static int compare_packages(const void *left, const void *right) {
        const struct package *a = left, *b = right;
        int order = compare_groups(a, b);

        if (!order)
                order = bytes_compare(a->is.version, b->is.version);
        if (!order)
                order = a->order < b->order ? -1 : a->order > b->order;
        return order;
}

static struct value value_or_absent(struct bytes text) {
        return text.size ? value_bytes(text) : (struct value){ .present = false };
}

/* The line of rpm -qa: no epoch, and no architecture for gpg-pubkey. */
static void append_nevra(struct buffer *buffer, const struct dpkg_paragraph *is) {
        struct bytes version = is->version;
        const uint8_t *colon = version.size ? memchr(version.data, ':', version.size) : NULL;

        if (colon)
                version = bytes_of(colon + 1, version.size - (size_t)(colon + 1 - version.data));
        buffer_append_bytes(buffer, is->package);
        buffer_append_byte(buffer, '-');
        buffer_append_bytes(buffer, version);
        if (is->architecture.size) {
                buffer_append_byte(buffer, '.');
                buffer_append_bytes(buffer, is->architecture);
        }
}

static int emit(struct collector *collector, struct buffer *scratch, const struct package *package,
                bool version_in_key) {
        const struct dpkg_paragraph *is = &package->is;
        const char *manager = package->rpm ? "rpm" : "dpkg";
        struct record record = { 0 };
        size_t key_size;
        int r;

        buffer_clear(scratch);
        buffer_append(scratch, manager, strlen(manager) + 1);
        buffer_append_bytes(scratch, is->package);
        buffer_append_byte(scratch, '\0');
        buffer_append_bytes(scratch, is->architecture);
        if (version_in_key) {
                buffer_append_byte(scratch, '\0');
                buffer_append_bytes(scratch, is->version);
        }
        key_size = scratch->size;
        if (package->rpm)
                append_nevra(scratch, is);
        r = buffer_error(scratch);
        if (r < 0)
                return r;

        record.key = bytes_of(scratch->data, key_size);
        record.values[NAME] = value_bytes(is->package);
        record.values[VERSION] = value_or_absent(is->version);
        record.values[ARCHITECTURE] = value_or_absent(is->architecture);
        record.values[MANAGER] = value_string(manager);
        record.values[STATUS] = value_or_absent(is->status);
        record.values[DESCRIPTION] = value_or_absent(is->description);
        if (package->rpm)
                record.values[NEVRA] = value_bytes(bytes_of(scratch->data + key_size, scratch->size - key_size));
        else
                record.values[ABBREVIATION] = value_bytes(bytes_of(is->abbreviation, sizeof(is->abbreviation)));
        return collector->record(collector, &record);
}

/* Several paragraphs of one name and architecture: dpkg installs one, and the last paragraph counts. */
static int emit_dpkg(struct collector *collector, struct buffer *scratch, const struct package *group, size_t count) {
        const struct package *last = group;

        for (size_t i = 1; i < count; i++)
                if (group[i].order > last->order)
                        last = &group[i];
        return last->is.state == DPKG_NOT_INSTALLED ? 0 : emit(collector, scratch, last, false);
}

/* Names that are kept in several versions side by side. */
static bool is_multiple(struct bytes name) {
        return bytes_starts_with(name, bytes_of_string("kernel")) || bytes_equal(name, bytes_of_string("gpg-pubkey"));
}

/* rpm can install several versions of anything (--force): all of them are shown. The newest has the key of the name, so
 * that an upgrade, where for a moment there are two, is one change of one record. */
static int emit_rpm(struct collector *collector, struct buffer *scratch, const struct package *group, size_t count) {
        bool multiple = is_multiple(group->is.package);
        const struct package *newest = group;
        int r = 0;

        for (size_t i = 1; i < count; i++)
                if (package_version_compare_rpm(group[i].is.version, newest->is.version) > 0)
                        newest = &group[i];
        if (!multiple)
                r = emit(collector, scratch, newest, false);
        for (size_t i = 0; i < count && r >= 0; i++) {
                bool again = i > 0 && bytes_equal(group[i].is.version, group[i - 1].is.version);

                if (!again && (multiple || !bytes_equal(group[i].is.version, newest->is.version)))
                        r = emit(collector, scratch, &group[i], true);
        }
        return r;
}

static int emit_all(struct collector *collector, struct packages *packages) {
        _cleanup_buffer_ struct buffer scratch = BUFFER_NULL;
        const struct package *items = packages->items;
        size_t end;

        if (packages->count)
                qsort(packages->items, packages->count, sizeof(*packages->items), compare_packages);
        for (size_t i = 0; i < packages->count; i = end) {
                int r;

                end = i + 1;
                while (end < packages->count && compare_groups(&items[i], &items[end]) == 0)
                        end++;
                if (items[i].rpm)
                        r = emit_rpm(collector, &scratch, &items[i], end - i);
                else
                        r = emit_dpkg(collector, &scratch, &items[i], end - i);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void tell_damage(struct collector *collector, const struct dpkg_status *reader, const char *name) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        if (!reader->nameless && !reader->damaged)
                return;
        buffer_printf(&text,
                      "%s is damaged: %llu paragraphs without a package name and %llu lines without a field "
                      "passed over",
                      name, (unsigned long long)reader->nameless, (unsigned long long)reader->damaged);
        collector->condition(collector, buffer_string(&text));
}

static int packages_collect(void *userdata, const struct collect_request *request, struct collector *collector) {
        struct state *state = userdata;
        _cleanup_(mapping_done) struct mapping rpm_text = { 0 };
        _cleanup_(packages_done) struct packages packages = { 0 };
        _cleanup_buffer_ struct buffer dpkg_text = BUFFER_NULL;
        struct dpkg_status dpkg_reader = { 0 }, rpm_reader = { 0 };
        int has_dpkg, has_rpm, r;

        (void)request;
        /* rpm first: while its answer is on the way, dpkg's file need not be read. */
        has_rpm = read_rpm(state, collector, is_there(state->host, DPKG_STATUS), &rpm_text);
        if (has_rpm < 0)
                return has_rpm == -EAGAIN ? WATCH_E_BUSY : has_rpm;
        has_dpkg = read_dpkg(state->host, collector, &dpkg_text);
        if (has_dpkg < 0)
                return has_dpkg;
        if (!has_dpkg && !has_rpm) {
                collector->condition(collector, "no package database that can be read: neither dpkg's nor rpm's");
                return WATCH_E_UNAVAILABLE;
        }
        r = gather(&packages, buffer_bytes(&dpkg_text), false, &dpkg_reader);
        if (r >= 0)
                r = gather(&packages, bytes_of(rpm_text.place, rpm_text.size), true, &rpm_reader);
        if (r < 0)
                return r;
        tell_damage(collector, &dpkg_reader, "dpkg's database");
        tell_damage(collector, &rpm_reader, "the text of rpm's database");
        r = emit_all(collector, &packages);
        return r < 0 ? r : WATCH_OK;
}

#define WHICH "package {name}{version? {version}}{architecture? ({architecture})}"
#define CHANGED_WHICH "package {name}{architecture? ({architecture})}"

static const struct action upgraded = {
        "package-upgraded", "package", "change", SEVERITY_HIGH,
        .sentence = CHANGED_WHICH " was upgraded from {before.version} to {version}",
};

static const struct action downgraded = {
        "package-downgraded", "package", "change", SEVERITY_HIGH,
        .sentence = CHANGED_WHICH " was downgraded from {before.version} to {version}",
};

static const struct action removed_to_configuration = {
        "package-removed", "package", "deletion", SEVERITY_HIGH,
        .sentence = "package {name} {before.version}{architecture? ({architecture})} was removed, "
                    "its configuration files stay",
};

static const struct action installed_again = {
        "package-installed", "package", "installation", SEVERITY_HIGH,
        .sentence = WHICH " was installed, its configuration files were there",
};

static const struct action purged = {
        "package-removed", "package", "deletion", SEVERITY_HIGH,
        .sentence = "the configuration files of " WHICH " were removed",
};

static const struct action configuration_appeared = {
        "package-changed", "package", "change", SEVERITY_HIGH,
        .sentence = WHICH " left configuration files",
};

static struct bytes text_of(const struct record *record, int field) {
        return record->values[field].present ? record->values[field].bytes : BYTES_NULL;
}

/* Only its configuration files are left. */
static bool is_remains(const struct record *record) {
        return dpkg_status_state(text_of(record, STATUS)) == DPKG_CONFIG_FILES;
}

/* On its way in: unpacked, waiting for its triggers, configured. What was installed has been told as such; these steps follow
 * every installation and would page once each. */
static const struct action state_changed = {
        "package-state-changed", "package", "change", SEVERITY_LOW, true,
        CHANGED_WHICH " went from \"{before.status}\" to \"{status}\"",
};

static bool is_step(const struct record *before, const struct record *after) {
        struct bytes wanted = bytes_of_string("install ok ");

        return bytes_equal(text_of(before, VERSION), text_of(after, VERSION)) &&
               bytes_starts_with(text_of(before, STATUS), wanted) && bytes_starts_with(text_of(after, STATUS), wanted) &&
               !bytes_equal(text_of(before, STATUS), text_of(after, STATUS));
}

static const struct action *packages_classify(const struct change *change) {
        const struct record *before = change->before, *after = change->after;
        bool rpm;
        int order;

        if (!before)
                return is_remains(after) ? &configuration_appeared : NULL;
        if (!after)
                return is_remains(before) ? &purged : NULL;
        if (is_remains(before) != is_remains(after))
                return is_remains(after) ? &removed_to_configuration : &installed_again;
        if (!before->values[VERSION].present || !after->values[VERSION].present)
                return NULL;
        rpm = bytes_equal(text_of(after, MANAGER), bytes_of_string("rpm"));
        order = (rpm ? package_version_compare_rpm : package_version_compare_deb)(text_of(after, VERSION),
                                                                                  text_of(before, VERSION));
        if (order == 0)
                return is_step(before, after) ? &state_changed : NULL;
        return order > 0 ? &upgraded : &downgraded;
}

/* A line of dpkg -l for a package of dpkg's, a line of rpm -qa for one of rpm's. */
static const struct column columns[] = {
        { .field = "abbreviation", .after = " " },
        { .field = "name", .only_if = "abbreviation", .width = 30, .after = " " },
        { .field = "version", .only_if = "abbreviation", .width = 25, .after = " ", .absent = "<none>" },
        { .field = "architecture", .only_if = "abbreviation", .width = 12, .after = " ", .absent = "<none>" },
        { .field = "description", .only_if = "abbreviation", .absent = "(no description available)" },
        { .field = "nevra" },
        { 0 },
};

static const struct document document = {
        .name = "pkg",
        .header = "Desired=Unknown/Install/Remove/Purge/Hold\n"
                  "| Status=Not/Inst/Conf-files/Unpacked/halF-conf/Half-inst/trig-aWait/Trig-pend\n"
                  "|/ Err?=(none)/Reinst-required (Status,Err: uppercase=bad)\n"
                  "||/ Name                           Version                   Architecture Description\n"
                  "+++-==============================-=========================-============-"
                  "================================\n",
        .header_if = "abbreviation",
        .columns = columns,
};

const struct watch watch_packages = {
        .kind = "packages",
        .noun = "package",
        .sensor = "dpkg and rpm databases",
        .dataset = "packages",
        .fields = fields,
        .label = "{name}{architecture? ({architecture})}",
        .priority = PRIORITY_HIGH,
        .built_in = true,
        .light = true,
        .appeared = { "package-installed", "package", "installation", SEVERITY_HIGH,
                      .sentence = WHICH " was installed" },
        .vanished = { "package-removed", "package", "deletion", SEVERITY_HIGH,
                      .sentence = WHICH " was removed" },
        .changed = { "package-changed", "package", "change", SEVERITY_HIGH },
        .classify = packages_classify,
        .title_changed = "Changes to installed packages detected! Diff:",
        .title_quiet = "No changes to installed detected.",
        .document = &document,
        .open = packages_open,
        .stamp = packages_stamp,
        .collect = packages_collect,
        .close = packages_close,
};
