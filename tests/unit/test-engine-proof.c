/* What packages explain: what waits for their database, what is quiet, what is told and in which words. */
#include "rounds.h"

#include "fake-provenance.h"

enum { DPKG = 100, SCRIPT = 101, STRANGER = 200 };

static struct fake_provenance packages;

/* "regular", or "link:target"; a mode behind '@', 0644 without one. */
static const struct field file_fields[] = {
        { "value", NULL, FIELD_TEXT, 0 },
        { "type", NULL, FIELD_TEXT, 0 },
        { "mode", NULL, FIELD_MODE, 0 },
        { "target", NULL, FIELD_TEXT, 0 },
        { 0 },
};

static const struct field package_fields[] = {
        { "value", NULL, FIELD_TEXT, 0 },
        { "name", NULL, FIELD_TEXT, 0 },
        { "version", NULL, FIELD_TEXT, 0 },
        { 0 },
};

static int collect_files(void *state, const struct collect_request *request, struct collector *collector) {
        struct fake *fake = state;

        fake->collected++;
        for (size_t i = 0; i < fake->n_truths; i++) {
                struct record record = { .key = bytes_of_string(fake->truths[i].key) };
                const char *value = fake->truths[i].value, *mode = strchr(value, '@');
                bool link = strncmp(value, "link:", 5) == 0;
                int r;

                if (request->within.size && !bytes_starts_with(record.key, request->within))
                        continue;
                record.values[0] = value_string(value);
                record.values[1] = value_string(link ? "symlink" : "file");
                record.values[2] = value_number(mode ? strtoul(mode + 1, NULL, 8) : 0644);
                if (link)
                        record.values[3] = value_string(value + 5);
                r = collector->record(collector, &record);
                if (r < 0)
                        return r;
        }
        return fake->answer;
}

static int collect_packages(void *state, const struct collect_request *request, struct collector *collector) {
        struct fake *fake = state;

        (void)request;
        fake->collected++;
        for (size_t i = 0; i < fake->n_truths; i++) {
                struct record record = { .key = bytes_of_string(fake->truths[i].key) };
                int r;

                record.values[0] = record.values[2] = value_string(fake->truths[i].value);
                record.values[1] = value_string(fake->truths[i].key);
                r = collector->record(collector, &record);
                if (r < 0)
                        return r;
        }
        return WATCH_OK;
}

static void process(struct fixture *fixture, enum delta_kind kind, uint32_t pid, uint32_t parent, const char *path) {
        struct delta delta = { .kind = kind, .subject = DELTA_PROCESS, .source = "fake" };

        delta.process = (struct process_facts){
                .pid = pid, .parent = parent, .start_ticks = pid, .session_leader = 1, .flags = PROCESS_HAS_USERS, .cgroup = bytes_of_string("/"),
                .executable = bytes_of_string(path), .name = bytes_of_string(strrchr(path, '/') + 1),
        };
        engine_delta(fixture->engine, &delta);
}

static void start_processes(struct fixture *fixture) {
        engine_follow_processes(fixture->engine, true);
        process(fixture, DELTA_APPEARED, DPKG, 1, "/usr/bin/dpkg");
        process(fixture, DELTA_APPEARED, SCRIPT, DPKG, "/bin/sh");
        process(fixture, DELTA_APPEARED, STRANGER, 1, "/usr/bin/vim");
}

static void touch(struct fixture *fixture, const char *key, uint32_t pid, unsigned flags) {
        const struct hint hint = {
                .watch = "alpha", .source = "fake", .key = bytes_of_string(key), .flags = flags,
                .origin = { .known = pid, .pid = pid, .start_ticks = pid },
        };

        engine_hint(fixture->engine, &hint);
}

static int set_up_packages(void **state) {
        struct fixture *fixture;
        struct fake *alpha, *beta;

        (void)set_up(state);
        fixture = *state;
        alpha = &fixture->fakes[0];
        beta = &fixture->fakes[1];
        fake_provenance_init(&packages);
        fixture->provenance = &packages.provenance;
        alpha->kind.fields = file_fields;
        alpha->kind.collect = collect_files;
        alpha->kind.can_look_within = alpha->kind.provable = true;
        alpha->settings.priority = PRIORITY_HIGH;
        beta->kind.kind = "packages";
        beta->kind.fields = package_fields;
        beta->kind.collect = collect_packages;
        beta->kind.appeared.action = "package-installed";
        beta->kind.changed.action = "package-upgraded";
        beta->kind.vanished.action = "package-removed";
        return 0;
}

static void start(struct fixture *fixture, const char *files, const char *installed) {
        const struct coverage full = { .watch = "alpha", .mechanism = "tap", .level = COVERAGE_FULL };
        const struct coverage too = { .watch = "beta", .mechanism = "tap", .level = COVERAGE_FULL };

        set(&fixture->fakes[0], files);
        set(&fixture->fakes[1], installed);
        start_engine(fixture, 1, 0);
        start_processes(fixture);
        engine_covers(fixture->engine, "fake", &full);
        engine_covers(fixture->engine, "fake", &too);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, SECOND);
        begin_telling(fixture);
}

static void assert_told(struct fixture *fixture, const char *expected) {
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), expected);
        begin_telling(fixture);
}

static void upgrade(struct fixture *fixture, const char *installed) {
        const struct hint hint = {
                .watch = "beta", .source = "fake", .origin = { .known = true, .pid = DPKG, .start_ticks = DPKG },
        };

        set(&fixture->fakes[1], installed);
        engine_hint(fixture->engine, &hint);
}

/* Nobody has the database any more. */
static void rest(struct fixture *fixture) {
        packages.busy = false;
        packages.generation++;
        pass(fixture, SECOND);
}

static void end(struct fixture *fixture) {
        process(fixture, DELTA_VANISHED, SCRIPT, DPKG, "/bin/sh");
        process(fixture, DELTA_VANISHED, DPKG, 1, "/usr/bin/dpkg");
        rest(fixture);
        /* what it did may come after its end; which packages, after that */
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
        pass(fixture, 5 * SECOND);
}

static void say(const char *path, enum provenance_verdict verdict, const char *why) {
        fake_provenance_say(&packages, path, "ssl", verdict, why);
}

/* What a package manager does is nothing until it is done; then it is one event, and low. */
static void test_transaction(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        say("/a", PROVENANCE_MATCHES, NULL);
        say("/b", PROVENANCE_MATCHES, NULL);
        packages.answers[1].when_gone = PROVENANCE_MATCHES;
        start(fixture, "a=1 b=1 c=1", "ssl=1");
        packages.busy = true;
        set(alpha, "a=2 c=1");
        touch(fixture, "a", DPKG, 0);
        touch(fixture, "b", DPKG, HINT_VANISHED);
        assert_told(fixture, "");
        assert_known(fixture, alpha, "a:value=1,type=file,mode=420 b:value=1,type=file,mode=420 c:value=1,type=file,mode=420");
        /* a comparison does not take it for missed */
        pass(fixture, 5 * SECOND);
        assert_int_equal(run_round(fixture, true), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
        begin_telling(fixture);
        upgrade(fixture, "ssl=2");
        assert_told(fixture, "3 package-upgraded/2 beta ssl:1>2 event\n");
        end(fixture);
        assert_told(fixture, "4 package-files-changed/2 alpha *ssl=2 \"dpkg upgraded ssl 1 to 2: 2 files, all as packaged\"\n");
        assert_known(fixture, alpha, "a:value=1,type=file,mode=420 b:value=1,type=file,mode=420 c:value=1,type=file,mode=420");
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        assert_known(fixture, alpha, "a:value=2,type=file,mode=420 c:value=1,type=file,mode=420");
        /* what was read for the answers is given back */
        assert_int_equal(packages.released, 0);
        pass(fixture, 60 * SECOND);
        assert_true(engine_next_ns(fixture->engine) <= fixture->monotonic_ns);
        begin_telling(fixture);
        assert_told(fixture, "");
        assert_int_equal(packages.released, 1);
}

/* The one that hides among them is told, and why. */
static void test_hidden(void **state) {
        struct fixture *fixture = *state;

        say("/a", PROVENANCE_MATCHES, NULL);
        say("/b", PROVENANCE_DIFFERS, "content");
        start(fixture, "a=1 b=1 c=1", "ssl=1");
        packages.busy = true;
        set(&fixture->fakes[0], "a=2 b=evil c=evil d=evil");
        touch(fixture, "a", DPKG, 0);
        touch(fixture, "b", DPKG, 0);
        touch(fixture, "c", SCRIPT, 0);
        touch(fixture, "d", SCRIPT, HINT_APPEARED);
        assert_told(fixture, "");
        /* at rest, and dpkg lives on: what is wrong does not wait for its end */
        rest(fixture);
        assert_told(fixture, "3 changed/4 alpha b:1>evil event verdict=differs why=it is not what package ssl 2 ships (content) "
                             "manager=dpkg name=ssl version=2\n"
                             "4 changed/4 alpha c:1>evil event verdict=unowned why=no package owns it\n"
                             "5 appeared/4 alpha d:->evil event verdict=unowned why=no package owns it\n");
        end(fixture);
        assert_told(fixture, "6 package-files-changed/2 alpha *ssl=1 \"dpkg changed ssl 2: 1 file as packaged; 3 told on their own\"\n");
}

/* Whoever is no package manager is told at once, whatever the packages say. */
static void test_stranger(void **state) {
        struct fixture *fixture = *state;

        say("/a", PROVENANCE_MATCHES, NULL);
        say("/c", PROVENANCE_CONFIGURATION, "content");
        say("/d", PROVENANCE_UNPROVEN, "by day");
        start(fixture, "a=1 b=1 c=1 d=1", "ssl=1");
        set(&fixture->fakes[0], "a=2 b=2 c=2 d=2");
        touch(fixture, "a", STRANGER, 0);
        touch(fixture, "b", 0, 0);
        touch(fixture, "c", STRANGER, 0);
        touch(fixture, "d", STRANGER, 0);
        assert_told(fixture, "3 changed/4 alpha a:1>2 event verdict=matches why=it is as package ssl 2 ships it, but no package manager "
                             "did this manager=dpkg name=ssl version=2\n"
                             "4 changed/4 alpha b:1>2 event verdict=unowned why=no package owns it\n"
                             "5 changed/4 alpha c:1>2 event verdict=configuration why=it is a configuration file of package ssl 2, and "
                             "not the one that it ships (content) manager=dpkg name=ssl version=2\n"
                             "6 changed/4 alpha d:1>2 event verdict=unproven why=package ssl 2 owns it, and nothing proves it: by day "
                             "manager=dpkg name=ssl version=2\n");
        /* in the middle of a run, and at a file of it */
        packages.busy = true;
        set(&fixture->fakes[0], "a=3 b=2 c=2 d=2");
        touch(fixture, "a", DPKG, 0);
        assert_told(fixture, "");
        touch(fixture, "a", STRANGER, 0);
        assert_told(fixture, "7 changed/4 alpha a:2>3 event verdict=unknown why=whether it is as packaged is not known: a package "
                             "manager is at work manager=dpkg\n");
        end(fixture);
        assert_told(fixture, "");
}

/* A proof makes nothing graver than Priority= says. */
static void test_priority(void **state) {
        struct fixture *fixture = *state;

        fixture->fakes[0].settings.priority = PRIORITY_LOW;
        start(fixture, "a=1", "");
        set(&fixture->fakes[0], "a=2");
        touch(fixture, "a", STRANGER, 0);
        assert_told(fixture, "3 changed/2 alpha a:1>2 event verdict=unowned why=no package owns it\n");
        /* where no package has anything that is no news */
        set(&fixture->fakes[0], "a=2 srv/b=1");
        touch(fixture, "srv/b", STRANGER, 0);
        assert_told(fixture, "4 appeared/2 alpha srv/b:->1 event verdict=unowned\n");
}

/* Nobody waits for a database for ever. */
static void test_late(void **state) {
        struct fixture *fixture = *state;

        say("/a", PROVENANCE_MATCHES, NULL);
        start(fixture, "a=1", "ssl=1");
        packages.busy = true;
        set(&fixture->fakes[0], "a=2");
        touch(fixture, "a", DPKG, 0);
        assert_told(fixture, "");
        for (int i = 0; i < 9; i++) {
                pass(fixture, 60 * SECOND);
                packages.generation++;
                assert_true(engine_next_ns(fixture->engine) <= fixture->monotonic_ns);
                assert_told(fixture, "");
        }
        pass(fixture, 61 * SECOND);
        assert_told(fixture, "3 changed/4 alpha a:1>2 event verdict=unknown why=whether it is as packaged is not known: a package "
                             "manager is at work manager=dpkg\n");
}

/* Names that dpkg itself uses for a moment are nothing; what its scripts make and remove is. */
static void test_passed(void **state) {
        struct fixture *fixture = *state;
        const unsigned passed = HINT_APPEARED | HINT_VANISHED | HINT_GONE;

        start(fixture, "a=1", "ssl=1");
        touch(fixture, "a.dpkg-new", DPKG, passed);
        touch(fixture, "a;5f3e2b1c", DPKG, passed);
        assert_told(fixture, "");
        touch(fixture, "b.dpkg-new", DPKG, HINT_APPEARED);
        assert_told(fixture, "");
        touch(fixture, "b.dpkg-new", DPKG, HINT_VANISHED | HINT_GONE);
        assert_told(fixture, "");
        touch(fixture, "a.dpkg-tmp", SCRIPT, passed);
        assert_told(fixture, "3 appeared/4 alpha a.dpkg-tmp:-> event\n4 vanished/4 alpha a.dpkg-tmp:>- event\n");
        touch(fixture, "x", DPKG, passed);
        assert_told(fixture, "5 appeared/4 alpha x:-> event\n6 vanished/4 alpha x:>- event\n");
        end(fixture);
        assert_told(fixture, "");
}

/* A package proves what it tells and nothing else. */
static void test_modes(void **state) {
        struct fixture *fixture = *state;
        static const char *const paths[] = { "/a", "/b", "/c", "/d", "/e" };

        for (size_t i = 0; i < ELEMENTS(paths); i++)
                say(paths[i], PROVENANCE_MATCHES, NULL);
        packages.answers[4].told |= PROVENANCE_MODE;
        start(fixture, "a=1 b=1 e=1", "ssl=1");
        packages.busy = true;
        set(&fixture->fakes[0], "a=2@4755 b=2@0666 c=2@0666 d=2 e=2@4755");
        for (size_t i = 0; i < ELEMENTS(paths); i++)
                touch(fixture, paths[i] + 1, DPKG, 0);
        assert_told(fixture, "");
        end(fixture);
        assert_told(fixture, "3 changed/4 alpha a:1>2@4755 event verdict=matches why=it is as package ssl 2 ships it, but nothing proves that "
                             "it should be set-user-id or set-group-id manager=dpkg name=ssl version=2\n"
                             "4 changed/4 alpha b:1>2@0666 event verdict=matches why=it is as package ssl 2 ships it, but nothing proves "
                             "its mode manager=dpkg name=ssl version=2\n"
                             "5 appeared/4 alpha c:->2@0666 event verdict=matches why=it is as package ssl 2 ships it, but nothing proves "
                             "that everybody should be able to write it manager=dpkg name=ssl version=2\n"
                             "6 package-files-changed/2 alpha *ssl=2 \"dpkg changed ssl 2: 2 files as packaged; 3 told on their own\"\n");
}

/* dpkg keeps no record of where a link leads: those that it made itself are quiet, and said not to be proven. */
static void test_links(void **state) {
        struct fixture *fixture = *state;

        say("/a", PROVENANCE_UNPROVEN, NULL);
        say("/b", PROVENANCE_UNPROVEN, NULL);
        say("/c", PROVENANCE_UNPROVEN, NULL);
        say("/d", PROVENANCE_MATCHES, NULL);
        start(fixture, "", "ssl=1");
        packages.busy = true;
        set(&fixture->fakes[0], "a=link:x b=link:y c=1 d=1");
        touch(fixture, "a", DPKG, 0);
        touch(fixture, "b", SCRIPT, 0);
        touch(fixture, "c", DPKG, 0);
        touch(fixture, "d", DPKG, 0);
        assert_told(fixture, "");
        end(fixture);
        assert_told(fixture, "3 appeared/4 alpha b:->link:y event verdict=unproven why=package ssl 2 owns it, and nothing proves it "
                             "manager=dpkg name=ssl version=2\n"
                             "4 appeared/4 alpha c:->1 event verdict=unproven why=package ssl 2 owns it, and nothing proves it "
                             "manager=dpkg name=ssl version=2\n"
                             "5 package-files-changed/2 alpha *ssl=2 \"dpkg changed ssl 2: 1 file as packaged, and 1 symbolic link that nothing "
                             "proves; 2 told on their own\"\n");
}

/* What a script removes is no package's doing, though no package owns it. */
static void test_removed_by_script(void **state) {
        struct fixture *fixture = *state;

        start(fixture, "a=1 b=1", "ssl=1");
        packages.busy = true;
        set(&fixture->fakes[0], "");
        touch(fixture, "a", SCRIPT, HINT_VANISHED);
        touch(fixture, "b", DPKG, HINT_VANISHED);
        assert_told(fixture, "");
        end(fixture);
        assert_told(fixture, "3 vanished/4 alpha a:1>- event verdict=unowned why=no package owns it\n"
                             "4 package-files-changed/2 alpha \"dpkg changed files: 1 file as packaged; 1 told on its own\"\n");
}

/* What a comparison finds is explained by a package that went the same way since. */
static void test_compared(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        say("/a", PROVENANCE_MATCHES, NULL);
        say("/b", PROVENANCE_MATCHES, NULL);
        fake_provenance_say(&packages, "/c", "other", PROVENANCE_MATCHES, NULL);
        start(fixture, "a=1 b=1 c=1", "other=1 ssl=1");
        fixture->engine = engine_free(fixture->engine);
        set(alpha, "a=2 b=2 c=2 d=2");
        set(&fixture->fakes[1], "other=1 ssl=2");
        start_engine(fixture, 3, 1700000000 * SECOND);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told),
                            "3 package-upgraded/2 beta ssl:1>2 reconcile since=1700000000 until=1800000001\n"
                            "4 appeared/4 alpha d:->2 reconcile verdict=unowned why=no package owns it since=1700000000 until=1800000001\n"
                            "5 package-files-changed/2 alpha *ssl=2 since=1700000000 until=1800000001 \"while nobody watched, ssl went from 1 "
                            "to 2: 2 files, all as packaged\"\n");
        /* whose package may still be said to have changed waits for that, for a moment */
        begin_telling(fixture);
        assert_told(fixture, "");
        pass(fixture, 5 * SECOND);
        assert_told(fixture, "6 changed/4 alpha c:1>2 reconcile verdict=matches why=it is as package other 2 ships it, but that package did "
                             "not change meanwhile manager=dpkg name=other version=2 since=1700000000 until=1800000006\n");
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        assert_known(fixture, alpha,
                     "a:value=2,type=file,mode=420 b:value=2,type=file,mode=420 c:value=2,type=file,mode=420 d:value=2,type=file,mode=420");
        /* later on that package has not changed any more */
        pass(fixture, RECONCILE);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, RECONCILE);
        set(alpha, "a=3 b=2 c=2 d=2");
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
        begin_telling(fixture);
        assert_told(fixture, "");
        pass(fixture, 5 * SECOND);
        assert_told(fixture,
                            "7 changed/4 alpha a:2>3 reconcile verdict=matches why=it is as package ssl 2 ships it, but that package did not change "
                            "meanwhile manager=dpkg name=ssl version=2\n");
}

/* Killed in the middle: what waited is found by the next start, which waits on, and knows which packages changed. */
static void test_killed(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        say("/a", PROVENANCE_MATCHES, NULL);
        say("/b", PROVENANCE_MATCHES, NULL);
        start(fixture, "a=1 b=1", "ssl=1");
        packages.busy = true;
        set(alpha, "a=2 b=2 c=2");
        touch(fixture, "a", DPKG, 0);
        upgrade(fixture, "ssl=2");
        assert_told(fixture, "3 package-upgraded/2 beta ssl:1>2 event\n");
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        fixture->engine = engine_free(fixture->engine);

        start_engine(fixture, 4, 1700000000 * SECOND);
        start_processes(fixture);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
        begin_telling(fixture);
        assert_told(fixture, "");
        rest(fixture);
        assert_told(fixture, "");
        pass(fixture, SECOND);
        assert_told(fixture, "4 appeared/4 alpha c:->2 reconcile verdict=unowned why=no package owns it since=1700000000 until=1800000005\n"
                             "5 package-files-changed/2 alpha *ssl=2 since=1700000000 until=1800000005 \"while nobody watched, ssl went from 1 "
                             "to 2: 2 files, all as packaged\"\n");
}

/* Where nobody knows who did it, a package that went that way since explains it; the rest is told when the database is at rest. */
static void test_unknown(void **state) {
        struct fixture *fixture = *state;
        const unsigned passed = HINT_APPEARED | HINT_VANISHED | HINT_GONE;

        say("/a", PROVENANCE_MATCHES, NULL);
        start(fixture, "a=1 b=1", "ssl=1");
        touch(fixture, "a.dpkg-new", 0, passed);
        assert_told(fixture, "3 appeared/4 alpha a.dpkg-new:-> event\n4 vanished/4 alpha a.dpkg-new:>- event\n");
        packages.busy = true;
        touch(fixture, "a.dpkg-new", 0, passed);
        set(&fixture->fakes[0], "a=2 b=2 c=2");
        touch(fixture, "a", 0, 0);
        touch(fixture, "b", 0, 0);
        touch(fixture, "c", SCRIPT, HINT_APPEARED);
        touch(fixture, "c", DPKG, 0);
        assert_told(fixture, "");
        touch(fixture, "c", 0, 0);
        assert_told(fixture, "");
        upgrade(fixture, "ssl=2");
        assert_told(fixture, "5 package-upgraded/2 beta ssl:1>2 event\n");
        end(fixture);
        assert_told(fixture, "6 changed/4 alpha b:1>2 event verdict=unowned why=no package owns it\n"
                             "7 appeared/4 alpha c:->2 event verdict=unowned why=no package owns it\n"
                             "8 package-files-changed/2 alpha *ssl=1 \"dpkg upgraded ssl 1 to 2: 1 file as packaged; 1 told on its own\"\n");
}

/* A database that cannot be read holds nothing up. */
static void test_broken(void **state) {
        struct fixture *fixture = *state;

        start(fixture, "a=1 b=1", "ssl=1");
        packages.broken = true;
        set(&fixture->fakes[0], "a=2 b=2");
        touch(fixture, "a", 0, 0);
        assert_told(fixture, "3 changed/4 alpha a:1>2 event verdict=unknown why=whether it is as packaged is not known: it cannot be read "
                             "manager=dpkg\n");
        touch(fixture, "b", DPKG, 0);
        assert_told(fixture, "4 changed/4 alpha b:1>2 event verdict=unknown why=whether it is as packaged is not known: it cannot be read "
                             "manager=dpkg\n");
}

/* More than can wait: all is looked at when it is over. */
static void test_crowd(void **state) {
        struct fixture *fixture = *state;

        say("/z1", PROVENANCE_MATCHES, NULL);
        start(fixture, "z1=1 z2=1", "ssl=1");
        packages.busy = true;
        for (int i = 0; i < 17000; i++) {
                char key[16];

                (void)snprintf(key, sizeof(key), "n%d", i);
                touch(fixture, key, DPKG, HINT_VANISHED);
        }
        assert_told(fixture, "");
        set(&fixture->fakes[0], "z1=2 z2=2");
        touch(fixture, "z1", DPKG, 0);
        touch(fixture, "z2", DPKG, 0);
        upgrade(fixture, "ssl=2");
        assert_told(fixture, "3 package-upgraded/2 beta ssl:1>2 event\n");
        pass(fixture, RECONCILE / 4);
        assert_int_equal(run_round(fixture, true), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
        end(fixture);
        assert_told(fixture, "");
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "4 package-files-changed/2 alpha *ssl=1 \"dpkg upgraded ssl 1 to 2: 1 file, as packaged\"\n");
        /* whose event may be on its way is told a moment later */
        pass(fixture, SECOND);
        begin_telling(fixture);
        assert_told(fixture, "");
        pass(fixture, 5 * SECOND);
        assert_told(fixture, "5 changed/4 alpha z2:1>2 reconcile verdict=unowned why=no package owns it\n");
}

/* What cannot be kept is found again by a look. */
static void test_not_kept(void **state) {
        struct fixture *fixture = *state;

        say("/a", PROVENANCE_MATCHES, NULL);
        start(fixture, "a=1 b=1", "ssl=1");
        packages.busy = true;
        set(&fixture->fakes[0], "a=2 b=2");
        touch(fixture, "a", DPKG, 0);
        touch(fixture, "b", DPKG, 0);
        upgrade(fixture, "ssl=2");
        assert_told(fixture, "3 package-upgraded/2 beta ssl:1>2 event\n");
        memory_baseline_fail_note(fixture->memory, -ENOSPC);
        end(fixture);
        assert_int_equal(engine_flush(fixture->engine), -ENOSPC);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "4 package-files-changed/2 alpha *ssl=1 \"dpkg upgraded ssl 1 to 2: 1 file, as packaged\"\n");
        /* whose event may be on its way is told a moment later */
        pass(fixture, SECOND);
        begin_telling(fixture);
        assert_told(fixture, "");
        pass(fixture, 5 * SECOND);
        assert_told(fixture, "5 changed/4 alpha b:1>2 reconcile verdict=unowned why=no package owns it\n");
}

/* The database itself: what it looks like, and who wrote it. */
static void test_database(void **state) {
        struct fixture *fixture = *state;
        size_t noted, checked;
        const struct hint by_hand = {
                .watch = "beta", .source = "fake", .origin = { .known = true, .pid = STRANGER, .start_ticks = STRANGER },
        };

        packages.finding = "/var/lib/dpkg/info/bash.md5sums";
        start(fixture, "a=1", "ssl=1");
        pass(fixture, RECONCILE);
        packages.generation++;
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), ""); /* at the first look it was told */
        packages.finding = "/var/lib/dpkg/info/dash.md5sums";
        packages.generation++;
        pass(fixture, RECONCILE);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told),
                            "4 package-database-edited/4 beta manager=dpkg name=bash path=/var/lib/dpkg/info/dash.md5sums "
                            "\"/var/lib/dpkg/info/dash.md5sums is newer than the package's other files: no package manager leaves dpkg's "
                            "database so\"\n");
        begin_telling(fixture);
        set(&fixture->fakes[1], "ssl=9");
        packages.generation++;
        pass(fixture, SECOND);
        packages.noted = &fixture->noted;
        noted = fixture->noted;
        checked = packages.checked;
        engine_hint(fixture->engine, &by_hand);
        assert_told(fixture, "5 package-database-edited/4 beta \"the package database was changed by a process that is no package manager: "
                             "package ssl\"\n6 package-upgraded/2 beta ssl:1>9 event\n");
        /* what takes milliseconds comes behind what was found */
        assert_int_equal(packages.checked, checked + 1);
        assert_int_equal(packages.noted_when_checked, noted + 1);
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        fixture->engine = engine_free(fixture->engine);
        start_engine(fixture, 7, 1700000000 * SECOND);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
}

#define PROOF_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_packages, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                PROOF_TEST(test_transaction),
                PROOF_TEST(test_hidden),
                PROOF_TEST(test_stranger),
                PROOF_TEST(test_priority),
                PROOF_TEST(test_late),
                PROOF_TEST(test_passed),
                PROOF_TEST(test_modes),
                PROOF_TEST(test_links),
                PROOF_TEST(test_removed_by_script),
                PROOF_TEST(test_compared),
                PROOF_TEST(test_killed),
                PROOF_TEST(test_unknown),
                PROOF_TEST(test_broken),
                PROOF_TEST(test_crowd),
                PROOF_TEST(test_not_kept),
                PROOF_TEST(test_database),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
