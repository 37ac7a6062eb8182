/* test-configuration.c - what configuration files mean, and what is refused before anything starts. */
#include "configured.h"

#include <errno.h>

#define SECOND UINT64_C(1000000000)

static const struct watch *const small_registry[] = { &test_files, &test_users, NULL };

static int load(struct fixture *fixture) {
        fixture->settings = settings_free(fixture->settings);
        return configuration_load(&fixture->options, &fixture->settings, &fixture->error);
}

static void load_text(struct fixture *fixture, const char *text) {
        write_file(fixture, "nephronix.conf", text);
        if (load(fixture) < 0)
                fail_msg("%s\n%s", text, buffer_string(&fixture->error));
        assert_string_equal(buffer_string(&fixture->error), "");
}

static const struct watch_settings *watch_named(const struct settings *settings, const char *name) {
        for (size_t i = 0; i < settings->n_watches; i++)
                if (strcmp(settings->watches[i].name, name) == 0)
                        return &settings->watches[i];
        return NULL;
}

static void names_of(const struct settings *settings, struct buffer *names) {
        for (size_t i = 0; i < settings->n_watches; i++)
                buffer_printf(names, "%s ", settings->watches[i].name);
}

static void test_defaults(void **unused) {
        _cleanup_buffer_ struct buffer error = BUFFER_NULL, names = BUFFER_NULL;
        const struct watch_settings *watch;
        struct settings *settings = NULL;

        (void)unused;
        assert_int_equal(configuration_load(&defaults_only, &settings, &error), 0);
        assert_null(settings->configuration_file);
        assert_string_equal(settings->state_directory, "/opt/nephronix");
        assert_string_equal(settings->log_file, "/var/log/nephronix.log");
        assert_string_equal(settings->run_directory, "/run/nephronix");
        assert_string_equal(settings->host_root, "/");
        assert_false(settings->light);
        assert_int_equal(settings->interval_ns, 2 * SECOND);
        assert_int_equal(settings->reconcile_ns, 600 * SECOND);
        assert_int_equal(settings->fold_window_ns, 60 * SECOND);
        assert_int_equal(settings->rehash_ns, 7 * 24 * 3600 * SECOND);
        assert_int_equal(settings->scan_rate, 0);
        assert_int_equal(settings->scan_threads, 0);
        assert_int_equal(settings->sources.count, 0);
        assert_int_equal(settings->log_max_size, 100000);
        assert_int_equal(settings->log_keep_ns, 30 * 24 * 3600 * SECOND);
        assert_int_equal(settings->log_max_use, 1 << 30);
        assert_int_equal(settings->ledger_segment_size, 2 << 20);
        assert_false(settings->quiet_rounds);

        names_of(settings, &names);
        assert_string_equal(buffer_string(&names),
                            "connections processes users modules bpf kernel-messages boot persistence config system setuid packages self ");
        for (size_t i = 0; i < settings->n_watches; i++) {
                bool off = strcmp(settings->watches[i].name, "config") == 0 || strcmp(settings->watches[i].name, "system") == 0 ||
                           strcmp(settings->watches[i].name, "setuid") == 0;

                assert_int_equal(settings->watches[i].enabled, !off);
                assert_false(settings->watches[i].all_namespaces);
                assert_false(settings->watches[i].full_detail);
        }
        watch = watch_named(settings, "setuid");
        assert_string_equal(watch->kind, "setuid");
        assert_true(watch->crosses_mounts);
        assert_int_equal(watch->priority, PRIORITY_HIGH);
        assert_int_equal(watch->paths.count, 1);
        assert_string_equal(watch->paths.items[0], "/");
        watch = watch_named(settings, "boot");
        assert_string_equal(watch->kind, "files");
        assert_int_equal(watch->priority, PRIORITY_HIGH);
        assert_int_equal(watch->paths.count, 1);
        assert_string_equal(watch->paths.items[0], "/boot");
        assert_int_equal(watch->excludes.count, 0);
        assert_null(watch->match);
        assert_string_equal(watch_named(settings, "kernel-messages")->match, "module|bpf");
        assert_int_equal(watch_named(settings, "processes")->priority, PRIORITY_LOW);
        assert_int_equal(watch_named(settings, "packages")->priority, PRIORITY_HIGH);

        assert_int_equal(settings->n_alerts, 1);
        assert_string_equal(settings->alerts[0].name, "wall");
        assert_string_equal(settings->alerts[0].kind, "wall");
        assert_true(settings->alerts[0].enabled);
        assert_int_equal(settings->alerts[0].minimum, SEVERITY_HIGH);
        settings_free(settings);
}

static bool excludes(const struct watch_settings *watch, const char *path) {
        for (size_t i = 0; i < watch->excludes.count; i++)
                if (strcmp(watch->excludes.items[i], path) == 0)
                        return true;
        return false;
}

/* What two of them have in common is the more telling one's, unless it is off, is not alerted of, or does not look at it all. */
static void test_ready_made(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        load_text(&fixture, "[Watch \"config\"]\nEnabled=yes\n[Watch \"system\"]\nEnabled=yes\n");
        assert_true(excludes(watch_named(fixture.settings, "config"), "/etc/cron.d"));
        assert_false(excludes(watch_named(fixture.settings, "config"), "/usr/lib/systemd/system"));
        assert_true(excludes(watch_named(fixture.settings, "system"), "/usr/lib/systemd/system"));
        assert_int_equal(watch_named(fixture.settings, "persistence")->excludes.count, 0);
        assert_true(watch_named(fixture.settings, "persistence")->optional);
        assert_false(watch_named(fixture.settings, "boot")->optional);
        load_text(&fixture, "[Watch \"config\"]\nEnabled=yes\n[Watch \"persistence\"]\nEnabled=no\n");
        assert_int_equal(watch_named(fixture.settings, "config")->excludes.count, 0);
        load_text(&fixture, "[Watch \"config\"]\nEnabled=yes\n[Watch \"persistence\"]\nPriority=low\n");
        assert_int_equal(watch_named(fixture.settings, "config")->excludes.count, 0);
        load_text(&fixture, "[Watch \"config\"]\nEnabled=yes\n[Watch \"persistence\"]\nPolicy=metadata\n");
        assert_int_equal(watch_named(fixture.settings, "config")->excludes.count, 0);
        load_text(&fixture, "[Watch \"etc\"]\nKind=files\nPath=/etc\n"); /* a tree of the admin's is all his */
        assert_int_equal(watch_named(fixture.settings, "etc")->excludes.count, 0);
        fixture_close(&fixture);
}

/* A built-in watch whose kind was not built is not there, and nothing is made up for it. */
static void test_small_registry(void **unused) {
        const struct configuration_options options = { .watches = small_registry };
        _cleanup_buffer_ struct buffer error = BUFFER_NULL, names = BUFFER_NULL;
        struct settings *settings = NULL;

        (void)unused;
        assert_int_equal(configuration_load(&options, &settings, &error), 0);
        names_of(settings, &names);
        assert_string_equal(buffer_string(&names), "users boot persistence config system ");
        assert_int_equal(settings->n_alerts, 0);
        settings_free(settings);
}

static void test_every_key(void **unused) {
        const struct watch_settings *watch;
        const struct alert_settings *alert;
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        load_text(&fixture, "[Nephronix]\nStateDirectory=/srv//state/./x/\nLogFile=/srv/log\nRunDirectory=/srv/run\n"
                            "HostRoot=/srv/host\nProfile=full\nInterval=500ms\nReconcile=1h\n"
                            "Sources=fanotify\nFoldWindow=5s\nRehash=2d\nScanRate=50M\nScanThreads=3\n"
                            "[Log]\nMaxSize=1M\nKeepDays=7\nMaxUse=2G\nQuietRounds=on\nSegmentSize=64K\n"
                            "[Watch \"connections\"]\nNetworkNamespaces=all\nPriority=high\nDetail=full\n"
                            "[Watch \"kernel-messages\"]\nMatch=usb|oops\nEnabled=false\n"
                            "[Watch \"etc-2\"]\nPath=/etc\nPath=/usr/local/bin/\nKind=files\nExclude=*.swp\n"
                            "Exclude=/etc/mtab\n"
                            "[Alert \"wall\"]\nEnabled=0\nSeverity=critical\n"
                            "[Alert \"ops\"]\nKind=exec\nHook=page-me\nSeverity=2\nTimeLimit=5s\n");
        assert_string_equal(fixture.settings->configuration_file, fixture.file);
        assert_string_equal(fixture.settings->state_directory, "/srv/state/x");
        assert_string_equal(fixture.settings->log_file, "/srv/log");
        assert_string_equal(fixture.settings->run_directory, "/srv/run");
        assert_string_equal(fixture.settings->host_root, "/srv/host");
        assert_int_equal(fixture.settings->interval_ns, SECOND / 2);
        assert_int_equal(fixture.settings->reconcile_ns, 3600 * SECOND);
        assert_int_equal(fixture.settings->fold_window_ns, 5 * SECOND);
        assert_int_equal(fixture.settings->rehash_ns, 48 * 3600 * SECOND);
        assert_int_equal(fixture.settings->scan_rate, 50 << 20);
        assert_int_equal(fixture.settings->scan_threads, 3);
        assert_int_equal(fixture.settings->sources.count, 1);
        assert_string_equal(fixture.settings->sources.items[0], "fanotify");
        assert_int_equal(fixture.settings->log_max_size, 1 << 20);
        assert_int_equal(fixture.settings->log_keep_ns, 7 * 24 * 3600 * SECOND);
        assert_int_equal(fixture.settings->log_max_use, UINT64_C(2) << 30);
        assert_int_equal(fixture.settings->ledger_segment_size, 64 << 10);
        assert_true(fixture.settings->quiet_rounds);

        watch = watch_named(fixture.settings, "connections");
        assert_true(watch->all_namespaces);
        assert_true(watch->full_detail);
        assert_int_equal(watch->priority, PRIORITY_HIGH);
        watch = watch_named(fixture.settings, "kernel-messages");
        assert_string_equal(watch->match, "usb|oops");
        assert_false(watch->enabled);
        watch = watch_named(fixture.settings, "etc-2");
        assert_string_equal(watch->kind, "files");
        assert_int_equal(watch->priority, PRIORITY_LOW);
        assert_int_equal(watch->paths.count, 2);
        assert_string_equal(watch->paths.items[1], "/usr/local/bin");
        assert_int_equal(watch->excludes.count, 2);
        assert_string_equal(watch->excludes.items[0], "*.swp");

        assert_int_equal(fixture.settings->n_alerts, 2);
        alert = &fixture.settings->alerts[0];
        assert_false(alert->enabled);
        assert_int_equal(alert->minimum, SEVERITY_CRITICAL);
        alert = &fixture.settings->alerts[1];
        assert_string_equal(alert->name, "ops");
        assert_string_equal(alert->kind, "exec");
        assert_string_equal(alert->hook, "page-me");
        assert_int_equal(alert->minimum, SEVERITY_LOW);
        assert_int_equal(alert->time_limit_ns, 5 * SECOND);
        fixture_close(&fixture);
}

static void test_order_and_light(void **unused) {
        const char *text = "[Watch \"usr\"]\nKind=files\nPath=/usr\n[Watch \"etc\"]\nKind=files\nPath=/etc\n";
        _cleanup_buffer_ struct buffer names = BUFFER_NULL;
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        load_text(&fixture, text);
        names_of(fixture.settings, &names);
        assert_string_equal(buffer_string(&names),
                            "connections processes users modules bpf kernel-messages boot persistence config system setuid usr etc packages self ");

        fixture.options.light = true;
        load_text(&fixture, text);
        buffer_clear(&names);
        names_of(fixture.settings, &names);
        assert_string_equal(buffer_string(&names), "users modules bpf kernel-messages boot persistence config system setuid usr etc packages self ");
        assert_true(fixture.settings->light);

        fixture.options.light = false;
        load_text(&fixture, "[Nephronix]\nProfile=light\n[Watch \"processes\"]\nEnabled=yes\n");
        buffer_clear(&names);
        names_of(fixture.settings, &names);
        assert_string_equal(buffer_string(&names), "users modules bpf kernel-messages boot persistence config system setuid packages self ");
        assert_true(fixture.settings->light);
        fixture_close(&fixture);
}

/* Which sources may be used after what is given: with blanks or commas, on several lines, each once; none is all. */
static const struct {
        const char *given, *sources;
} source_table[] = {
        { "", "" },
        { "Sources=bpf\n", "bpf " },
        { "Sources=timer bpf\n", "timer bpf " },
        { "Sources=timer,bpf\n", "timer bpf " },
        { "Sources=\" , bpf ,\tfanotify, \"\n", "bpf fanotify " },
        { "Sources=bpf\nSources=fanotify bpf\n", "bpf fanotify " },
        { "Sources=bpf fanotify\nSources=\nSources=timer\n", "timer " },
        { "Sources=bpf\nSources=\n", "" },
};

static void test_source_names(void **unused) {
        (void)unused;
        for (size_t i = 0; i < ELEMENTS(source_table); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL, names = BUFFER_NULL;
                struct fixture fixture;

                fixture_open(&fixture);
                buffer_printf(&text, "[Nephronix]\n%s", source_table[i].given);
                load_text(&fixture, buffer_string(&text));
                for (size_t j = 0; j < fixture.settings->sources.count; j++)
                        buffer_printf(&names, "%s ", fixture.settings->sources.items[j]);
                assert_string_equal(buffer_string(&names), source_table[i].sources);
                fixture_close(&fixture);
        }
}

/* What paths are in force after what is given. */
static const struct {
        const char *given, *paths;
} path_table[] = {
        { "Path=/efi\n", "/boot /efi " },
        { "Path=\nPath=/efi\n", "/efi " },
        { "Path=/boot/\n", "/boot " },
        { "Path=/boot/efi\nPath=/bootx\n", "/boot /bootx " },
        { "Path=/efi/a\nPath=/efi\nPath=/efi/b\nPath=/efi\n", "/boot /efi " },
        { "Path=/\n", "/ " },
        { "Path=///\nPath=/./etc\n", "/ " },
        { "Path=\"/with blank \"\nPath=/gr\xc3\xbc\xc3\x9f" "e\n", "/boot /with blank  /gr\xc3\xbc\xc3\x9f" "e " },
        { "Path=/..a\nPath=/...\n", "/boot /..a /... " },
};

static void test_paths(void **unused) {
        (void)unused;
        for (size_t i = 0; i < ELEMENTS(path_table); i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL, paths = BUFFER_NULL;
                const struct watch_settings *watch;
                struct fixture fixture;

                fixture_open(&fixture);
                buffer_printf(&text, "[Watch \"boot\"]\n%s", path_table[i].given);
                load_text(&fixture, buffer_string(&text));
                watch = watch_named(fixture.settings, "boot");
                for (size_t j = 0; j < watch->paths.count; j++)
                        buffer_printf(&paths, "%s ", watch->paths.items[j]);
                assert_string_equal(buffer_string(&paths), path_table[i].paths);
                fixture_close(&fixture);
        }
}

static void test_drop_ins(void **unused) {
        const struct watch_settings *watch;
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        write_file(&fixture, "conf.d/20-b.conf",
                   "[Nephronix]\nInterval=\n[Watch \"etc\"]\nPath=/opt\nExclude=\nKind=files\n");
        write_file(&fixture, "conf.d/10-a.conf",
                   "[Nephronix]\nInterval=9s\nReconcile=9s\n[Watch \"etc\"]\nExclude=a\n");
        write_file(&fixture, "conf.d/.hidden.conf", "nonsense\n");
        write_file(&fixture, "conf.d/30-c.conf.bak", "nonsense\n");
        write_file(&fixture, "conf.d/.conf", "nonsense\n");
        load_text(&fixture, "[Nephronix]\nRehash=0\nScanRate=0\nScanThreads=auto\n");
        assert_int_equal(fixture.settings->rehash_ns, 0);
        assert_int_equal(fixture.settings->scan_rate, 0);
        assert_int_equal(fixture.settings->scan_threads, 0);
        load_text(&fixture, "[Watch \"etc\"]\nKind=files\nPath=/etc\n[Nephronix]\nInterval=5s\nReconcile=5s\n");
        assert_int_equal(fixture.settings->interval_ns, 2 * SECOND); /* emptied last: the default again */
        assert_int_equal(fixture.settings->reconcile_ns, 9 * SECOND);
        watch = watch_named(fixture.settings, "etc");
        assert_int_equal(watch->paths.count, 2);
        assert_string_equal(watch->paths.items[0], "/etc");
        assert_string_equal(watch->paths.items[1], "/opt");
        assert_int_equal(watch->excludes.count, 0);

        write_file(&fixture, "conf.d/15.conf", "\n[Log]\nMaxSize=some\n");
        assert_int_equal(load(&fixture), -EBADMSG);
        assert_string_equal(message(&fixture), "conf.d/15.conf:3: MaxSize= takes a size from 1000 to 1T, bytes or a "
                                               "number with its unit (K, M, G, T), not \"some\"");

        /* a key needs its section in each file anew */
        write_file(&fixture, "conf.d/15.conf", "MaxSize=5000\n");
        assert_int_equal(load(&fixture), -EBADMSG);
        assert_string_equal(message(&fixture), "conf.d/15.conf:1: a key before the first [section]");
        fixture_close(&fixture);
}

static const struct {
        const char *text, *message;     /* behind "nephronix.conf:" */
} refused[] = {
        { "[Rule \"a\"]\n", "1: unknown section \"Rule\" (known: Nephronix, Log, Watch \"name\", Alert \"name\")" },
        { "[nephronix]\n", "1: unknown section \"nephronix\" (known: Nephronix, Log, Watch \"name\", Alert \"name\")" },
        { "[Log \"a\"]\n", "1: this section takes no name, not \"a\"" },
        { "[Watch]\n", "1: this section needs a name: [Watch \"name\"]" },
        { "[Watch \"\"]\n", "1: a name is 1 to 64 characters of a-z, 0-9 and '-', not \"\"" },
        { "[Watch \"Boot\"]\n", "1: a name is 1 to 64 characters of a-z, 0-9 and '-', not \"Boot\"" },
        { "[Watch \"../x\"]\n", "1: a name is 1 to 64 characters of a-z, 0-9 and '-', not \"../x\"" },
        { "[Watch \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]\n",
          "1: a name is 1 to 64 characters of a-z, 0-9 and '-', not "
          "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"" },
        { "[Alert \"a b\"]\n", "1: a name is 1 to 64 characters of a-z, 0-9 and '-', not \"a b\"" },
        { "[Nephronix]\nIntervall=2s\n", "2: unknown key \"Intervall\" in [Nephronix]" },
        { "[Nephronix]\ninterval=2s\n", "2: unknown key \"interval\" in [Nephronix]" },
        { "[Nephronix]\nEnabled=no\n", "2: unknown key \"Enabled\" in [Nephronix]" },
        { "[Nephronix]\n\nInterval=2 parsecs\n",
          "3: Interval= takes a time from 10ms to 1w, a number with its unit (us, ms, s, min, h, d, w), "
          "not \"2 parsecs\"" },
        { "[Nephronix]\nInterval=2\n",
          "2: Interval= takes a time from 10ms to 1w, a number with its unit (us, ms, s, min, h, d, w), not \"2\"" },
        { "[Nephronix]\nInterval=-2s\n",
          "2: Interval= takes a time from 10ms to 1w, a number with its unit (us, ms, s, min, h, d, w), not \"-2s\"" },
        { "[Nephronix]\nInterval=0s\n",
          "2: Interval= takes a time from 10ms to 1w, a number with its unit (us, ms, s, min, h, d, w), not \"0s\"" },
        { "[Nephronix]\nInterval=99999999999999999999s\n",
          "2: Interval= takes a time from 10ms to 1w, a number with its unit (us, ms, s, min, h, d, w), "
          "not \"99999999999999999999s\"" },
        { "[Nephronix]\nRehash=1\n",
          "2: Rehash= takes a time from 1s to 520w, a number with its unit (us, ms, s, min, h, d, w), or never, or 0, not \"1\"" },
        { "[Nephronix]\nScanRate=1K\n",
          "2: ScanRate= takes a size from 4K to 1T, bytes or a number with its unit (K, M, G, T), or 0, not \"1K\"" },
        { "[Nephronix]\nScanThreads=0\n", "2: ScanThreads= takes a number from 1 to 256, or auto, not \"0\"" },
        { "[Nephronix]\nFoldWindow=999ms\n",
          "2: FoldWindow= takes a time from 1s to 1d, a number with its unit (us, ms, s, min, h, d, w), not \"999ms\"" },
        { "[Nephronix]\nSources=bpf\nSources=timer, ftrace\n",
          "3: Sources= takes names of sources (bpf, fanotify, timer), not \"ftrace\"" },
        { "[Nephronix]\nSources=BPF\n", "2: Sources= takes names of sources (bpf, fanotify, timer), not \"BPF\"" },
        { "[Nephronix]\nDetail=full\n", "2: unknown key \"Detail\" in [Nephronix]" },
        { "[Watch \"users\"]\nDetail=some\n", "2: Detail= takes folded or full, not \"some\"" },
        { "[Nephronix]\nProfile=Light\n", "2: Profile= takes full or light, not \"Light\"" },
        { "[Nephronix]\nProfile=full   # or light\n",
          "2: a comment stands on a line of its own (or put the value in double quotes)" },
        { "[Nephronix]\nStateDirectory=state\n",
          "2: StateDirectory= takes an absolute path other than / and without \"..\", of at most 4095 bytes, "
          "not \"state\"" },
        { "[Nephronix]\nLogFile=/./\n",
          "2: LogFile= takes an absolute path other than / and without \"..\", of at most 4095 bytes, not \"/./\"" },
        { "[Nephronix]\nHostRoot=/a/../b\n",
          "2: HostRoot= takes an absolute path without \"..\", of at most 4095 bytes, not \"/a/../b\"" },
        { "[Log]\nMaxSize=99999999999999999999\n",
          "2: MaxSize= takes a size from 1000 to 1T, bytes or a number with its unit (K, M, G, T), "
          "not \"99999999999999999999\"" },
        { "[Log]\nMaxSize=-1\n",
          "2: MaxSize= takes a size from 1000 to 1T, bytes or a number with its unit (K, M, G, T), not \"-1\"" },
        { "[Log]\nMaxSize=2s\n",
          "2: MaxSize= takes a size from 1000 to 1T, bytes or a number with its unit (K, M, G, T), not \"2s\"" },
        { "[Log]\nKeepDays=0\n", "2: KeepDays= takes a number of days from 1 to 36500, not \"0\"" },
        { "[Log]\nKeepDays=30d\n", "2: KeepDays= takes a number of days from 1 to 36500, not \"30d\"" },
        { "[Log]\nKeepDays=36501\n", "2: KeepDays= takes a number of days from 1 to 36500, not \"36501\"" },
        { "[Log]\nQuietRounds=maybe\n", "2: QuietRounds= takes yes or no, not \"maybe\"" },
        { "[Watch \"boot\"]\nPriority=medium\n", "2: Priority= takes high or low, not \"medium\"" },
        { "[Watch \"boot\"]\nKind=packages\n", "2: Watch \"boot\" is of kind \"files\", not \"packages\"" },
        { "[Watch \"users\"]\nKind=files\n", "2: Watch \"users\" is of kind \"users\", not \"files\"" },
        { "[Watch \"boot\"]\nPath=boot\n",
          "2: Path= takes an absolute path without \"..\", of at most 4095 bytes, not \"boot\"" },
        { "[Watch \"boot\"]\nPath=/boot/..\n",
          "2: Path= takes an absolute path without \"..\", of at most 4095 bytes, not \"/boot/..\"" },
        { "\n[Watch \"boot\"]\nPath=\n", "2: Watch \"boot\" of kind \"files\" needs a Path=" },
        { "[Watch \"etc\"]\nKind=files\n", "1: Watch \"etc\" of kind \"files\" needs a Path=" },
        { "[Watch \"files\"]\n", "1: Watch \"files\" of kind \"files\" needs a Path=" },
        { "[Watch \"etc\"]\nPath=/etc\n",
          "1: Watch \"etc\" needs a Kind=, one of self, files, setuid, packages, modules, bpf, kernel-messages, connections, "
          "users, processes" },
        { "[Watch \"etc\"]\nKind=tree\n",
          "2: Kind= takes one of self, files, setuid, packages, modules, bpf, kernel-messages, connections, users, processes, "
          "not \"tree\"" },
        { "[Watch \"users\"]\nEnabled=no\nPath=/etc\n",
          "3: Path= is for kind \"files\" and \"setuid\" only, and \"users\" is of kind \"users\"" },
        { "[Watch \"boot\"]\nMatch=x\n",
          "2: Match= is for kind \"kernel-messages\" only, and \"boot\" is of kind \"files\"" },
        { "[Watch \"boot\"]\nNetworkNamespaces=all\n",
          "2: NetworkNamespaces= is for kind \"connections\" only, and \"boot\" is of kind \"files\"" },
        { "[Watch \"users\"]\nCrossMounts=yes\n", "2: CrossMounts= is for kind \"files\" and \"setuid\" only, and \"users\" is of kind \"users\"" },
        { "[Watch \"connections\"]\nNetworkNamespaces=some\n",
          "2: NetworkNamespaces= takes host or all, not \"some\"" },
        { "[Watch \"kernel-messages\"]\nMatch=a||b\n",
          "2: Match= takes words joined by '|', none of them empty, not \"a||b\"" },
        { "[Watch \"kernel-messages\"]\nMatch=|\n",
          "2: Match= takes words joined by '|', none of them empty, not \"|\"" },
        { "[Alert \"ops\"]\nHook=x\n", "1: Alert \"ops\" needs a Kind=, one of wall, exec" },
        { "[Alert \"ops\"]\nKind=webhook\n", "2: Kind= takes one of wall, exec, not \"webhook\"" },
        { "[Alert \"exec\"]\n", "1: Alert \"exec\" of kind \"exec\" needs a Hook=" },
        { "[Alert \"exec\"]\nHook=../x\n",
          "2: Hook= takes a plain file name, without '/' and not starting with '.', not \"../x\"" },
        { "[Alert \"exec\"]\nHook=/bin/sh\n",
          "2: Hook= takes a plain file name, without '/' and not starting with '.', not \"/bin/sh\"" },
        { "[Alert \"exec\"]\nHook=.x\n",
          "2: Hook= takes a plain file name, without '/' and not starting with '.', not \".x\"" },
        { "[Alert \"exec\"]\nHook=x\nTimeLimit=0s\n",
          "3: TimeLimit= takes a time from 100ms to 1d, a number with its unit (us, ms, s, min, h, d, w), not \"0s\"" },
        { "[Alert \"wall\"]\nHook=x\n", "2: Hook= is for kind \"exec\" only, and \"wall\" is of kind \"wall\"" },
        { "[Alert \"wall\"]\nSeverity=6\n", "2: Severity= takes info, low, medium, high or critical, not \"6\"" },
        { "[Log]\nMaxSize=1000\n[Log]\nMaxSize=x\\\n\n[Log]\n",
          "4: MaxSize= takes a size from 1000 to 1T, bytes or a number with its unit (K, M, G, T), not \"x\"" },
        { "[Log]\nQuietRounds=a\\b\xe2\x80\xae" "c\td\n",
          "2: QuietRounds= takes yes or no, not \"a\\\\b\\u{202e}c\\x09d\"" },
        { "[Log]\nQuietRounds=\x1b[31m\n", "2: the line holds a control character" },
        { "[Log]\nQuietRounds=\xff\n", "2: the line holds bytes that are not UTF-8" },
};

static void test_refused(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                const char prefix[] = "nephronix.conf:";

                write_file(&fixture, "nephronix.conf", refused[i].text);
                assert_int_equal(load(&fixture), -EBADMSG);
                assert_null(fixture.settings);
                assert_int_equal(strncmp(message(&fixture), prefix, strlen(prefix)), 0);
                assert_string_equal(message(&fixture) + strlen(prefix), refused[i].message);
        }
        fixture_close(&fixture);
}

static void test_kind_twice(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        write_file(&fixture, "nephronix.conf", "[Watch \"x\"]\nKind=files\nPath=/x\n");
        write_file(&fixture, "conf.d/x.conf", "[Watch \"x\"]\nKind=users\n");
        assert_int_equal(load(&fixture), -EBADMSG);
        assert_non_null(strstr(message(&fixture), "conf.d/x.conf:2: Watch \"x\" is of kind \"files\" already (/tmp/"));
        assert_non_null(strstr(message(&fixture), "/nephronix.conf:2), not \"users\""));
        fixture_close(&fixture);
}

static void test_long_values(void **unused) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        buffer_append_string(&text, "[Nephronix]\nLogFile=/");
        buffer_append_fill(&text, 'x', 4094);
        load_text(&fixture, buffer_string(&text));
        assert_int_equal(strlen(fixture.settings->log_file), 4095);

        /* one more is refused, and the message shows a part */
        buffer_append_string(&text, "x\n");
        write_file(&fixture, "nephronix.conf", buffer_string(&text));
        assert_int_equal(load(&fixture), -EBADMSG);
        assert_true(fixture.error.size < 512);
        assert_non_null(strstr(message(&fixture), "xxx...\""));

        buffer_clear(&text);
        buffer_append_string(&text, "[Log]\nQuietRounds=");
        for (size_t i = 0; i < 250000; i++)
                buffer_append_string(&text, "\xe2\x82\xac");
        write_file(&fixture, "nephronix.conf", buffer_string(&text));
        assert_int_equal(load(&fixture), -EBADMSG);
        assert_true(fixture.error.size < 512);
        assert_non_null(strstr(message(&fixture), "\xe2\x82\xac...\""));
        assert_null(strstr(message(&fixture), "\\x"));

        /* more of everything than anybody needs */
        buffer_clear(&text);
        buffer_append_string(&text, "[Watch \"boot\"]\n");
        for (int i = 0; i < 1024; i++)
                buffer_printf(&text, "Exclude=%d\n", i);
        load_text(&fixture, buffer_string(&text));
        buffer_append_string(&text, "Exclude=x\n");
        write_file(&fixture, "nephronix.conf", buffer_string(&text));
        assert_int_equal(load(&fixture), -EBADMSG);
        assert_string_equal(message(&fixture), "nephronix.conf:1026: too many values of this key");

        buffer_clear(&text);
        for (int i = 0; i < 600; i++)
                buffer_printf(&text, "[Watch \"w%d\"]\n", i);
        write_file(&fixture, "nephronix.conf", buffer_string(&text));
        assert_int_equal(load(&fixture), -EBADMSG);
        assert_non_null(strstr(message(&fixture), ": too many sections"));
        fixture_close(&fixture);
}

static void test_bytes(void **unused) {
        static const char nul[] = "[Log]\nQuietRounds=n\0o\n";
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        tree_write(&fixture.tree, "nephronix.conf", nul, sizeof(nul) - 1);
        assert_int_equal(chmod(fixture.file, 0644), 0);
        assert_int_equal(load(&fixture), -EBADMSG);
        assert_string_equal(message(&fixture), "nephronix.conf:2: the line holds a NUL byte");
        fixture_close(&fixture);
}

/* What trusted-file.c refuses stops the whole, in the main file and in conf.d; test-trusted-file.c has every kind. */
static void test_not_a_file(void **unused) {
        _cleanup_free_ char *link = NULL;
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        assert_int_equal(load(&fixture), -ENOENT);
        assert_string_equal(message(&fixture), "nephronix.conf: there is no such file");
        assert_int_equal(mkfifo(fixture.file, 0644), 0);
        assert_int_equal(load(&fixture), -EPERM);
        assert_string_equal(message(&fixture), "nephronix.conf: is a FIFO, not a file: refused");
        assert_int_equal(remove(fixture.file), 0);

        /* a link from conf.d back to the file above it: the only loop there could be */
        write_file(&fixture, "nephronix.conf", "");
        write_file(&fixture, "conf.d/z.conf", "");
        link = tree_path(&fixture.tree, "conf.d/x.conf");
        assert_int_equal(symlink("../nephronix.conf", link), 0);
        assert_int_equal(load(&fixture), -EPERM);
        assert_string_equal(message(&fixture), "conf.d/x.conf: is a symbolic link: refused");
        assert_null(fixture.settings);
        fixture_close(&fixture);
}

static void test_missing_folder(void **unused) {
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        free(fixture.file);
        fixture.file = tree_path(&fixture.tree, "no-such\nfolder/nephronix.conf");
        fixture.options.file = fixture.file;
        assert_int_equal(load(&fixture), -ENOENT);
        assert_string_equal(message(&fixture), "no-such\\x0afolder/nephronix.conf: there is no such file");
        fixture_close(&fixture);
}

/* The name that is not the file's, and what is done to it. */
static const struct {
        const char *name;
        uid_t owner;
        mode_t mode;
        const char *message;    /* NULL: accepted */
} owners[] = {
        { "nephronix.conf", 0, 0644, NULL },
        { "nephronix.conf", 0, 0400, NULL },
        { "nephronix.conf", 1000, 0644, "nephronix.conf: is owned by user 1000, not by root: refused" },
        { "nephronix.conf", 0, 0664, "nephronix.conf: is writable by its group (mode 0664): refused" },
        { "nephronix.conf", 0, 0646, "nephronix.conf: is writable by everybody (mode 0646): refused" },
        { "conf.d/x.conf", 1000, 0600, "conf.d/x.conf: is owned by user 1000, not by root: refused" },
        { "conf.d/x.conf", 0, 0666, "conf.d/x.conf: is writable by everybody (mode 0666): refused" },
        { "conf.d", 1000, 0755, "conf.d: is owned by user 1000, not by root: refused" },
        { "conf.d", 0, 0775, "conf.d: is writable by its group (mode 0775): refused" },
        { "conf.d", 0, 01777, "conf.d: is writable by everybody (mode 1777): refused" },
};

static void test_owner_and_mode(void **unused) {
        (void)unused;
        if (geteuid() != 0)
                skip();
        for (size_t i = 0; i < ELEMENTS(owners); i++) {
                _cleanup_free_ char *path = NULL;
                struct fixture fixture;

                fixture_open(&fixture);
                write_file(&fixture, "nephronix.conf", "[Log]\n");
                write_file(&fixture, "conf.d/x.conf", "[Log]\n");
                path = tree_path(&fixture.tree, owners[i].name);
                assert_int_equal(chown(path, owners[i].owner, 0), 0);
                assert_int_equal(chmod(path, owners[i].mode), 0);
                assert_int_equal(load(&fixture), owners[i].message ? -EPERM : 0);
                if (owners[i].message)
                        assert_string_equal(message(&fixture), owners[i].message);

                fixture.options.any_owner = true;
                assert_int_equal(load(&fixture), 0);
                fixture_close(&fixture);
        }
}

static void test_drop_in_folder_is_a_link(void **unused) {
        _cleanup_free_ char *path = NULL;
        struct fixture fixture;

        (void)unused;
        fixture_open(&fixture);
        write_file(&fixture, "nephronix.conf", "");
        write_file(&fixture, "other/x.conf", "");
        path = tree_path(&fixture.tree, "conf.d");
        assert_int_equal(symlink("other", path), 0);
        assert_int_equal(load(&fixture), -EPERM);
        assert_string_equal(message(&fixture), "conf.d: is not a folder (a symbolic link is not followed): refused");
        fixture_close(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_small_registry),
                cmocka_unit_test(test_every_key),
                cmocka_unit_test(test_ready_made),
                cmocka_unit_test(test_order_and_light),
                cmocka_unit_test(test_source_names),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_drop_ins),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_kind_twice),
                cmocka_unit_test(test_long_values),
                cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_not_a_file),
                cmocka_unit_test(test_missing_folder),
                cmocka_unit_test(test_owner_and_mode),
                cmocka_unit_test(test_drop_in_folder_is_a_link),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
