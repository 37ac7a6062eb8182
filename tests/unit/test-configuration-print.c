/* test-configuration-print.c - every value in force and where it came from; the file we ship is measured with it. */
#include "configured.h"

#include <errno.h>

struct printed {
        struct buffer text;
        bool origins;
};

static void print(void *context, const char *section, const char *key, const char *value, const char *file,
                  unsigned line) {
        struct printed *printed = context;
        const char *slash = file ? strrchr(file, '/') : NULL;

        if (strcmp(key, "Path") == 0 && !strstr(section, "boot")) /* of ready-made watches there are many */
                return;
        buffer_printf(&printed->text, "[%s] %s=%s", section, key, value);
        if (printed->origins)
                buffer_printf(&printed->text, " (%s:%u)", !file ? "default" : slash ? slash + 1 : file, line);
        buffer_append_byte(&printed->text, '\n');
}

#define READY_MADE(name, enabled, text)                                                                                      \
        "[Watch \"" name "\"] Kind=files (default:0)\n"                                                               \
        "[Watch \"" name "\"] Enabled=" enabled " (default:0)\n"                                                      \
        "[Watch \"" name "\"] Priority=high (default:0)\n"                                                            \
        "[Watch \"" name "\"] Detail=folded (default:0)\n"                                                            \
        "[Watch \"" name "\"] CrossMounts=no (default:0)\n"                                                          \
        "[Watch \"" name "\"] Policy=full (default:0)\n"                                                            \
        "[Watch \"" name "\"] Text=" text " (default:0)\n"

static void test_print(void **unused) {
        struct printed printed = { .origins = true };
        struct fixture fixture;
        const char *text;

        (void)unused;
        fixture_open(&fixture);
        write_file(&fixture, "nephronix.conf", "[Watch \"boot\"]\nPath=/boot/\nPath=/efi\nPriority=low\n"
                                               "[Nephronix]\nInterval=120s\nProfile=full\n");
        write_file(&fixture, "conf.d/a.conf", "[Watch \"boot\"]\nExclude=*.tmp\n[Watch \"users\"]\nEnabled=off\n"
                                              "[Nephronix]\nReconcile=\nSources=bpf, timer\n[Alert \"p\"]\nKind=exec\nHook=p\n");
        fixture.options.light = true;
        assert_int_equal(configuration_print_all(&fixture.options, print, &printed, &fixture.error), 0);
        text = buffer_string(&printed.text);
        assert_string_equal(text, "[Nephronix] StateDirectory=/opt/nephronix (default:0)\n"
                                  "[Nephronix] LogFile=/var/log/nephronix.log (default:0)\n"
                                  "[Nephronix] RunDirectory=/run/nephronix (default:0)\n"
                                  "[Nephronix] HostRoot=/ (default:0)\n"
                                  "[Nephronix] Profile=light (--light:0)\n"
                                  "[Nephronix] Interval=2min (nephronix.conf:6)\n"
                                  "[Nephronix] Reconcile=10min (default:0)\n"
                                  "[Nephronix] Rehash=1w (default:0)\n"
                                  "[Nephronix] ScanRate=0 (default:0)\n"
                                  "[Nephronix] ScanThreads=auto (default:0)\n"
                                  "[Nephronix] Sources=bpf (a.conf:7)\n"
                                  "[Nephronix] Sources=timer (a.conf:7)\n"
                                  "[Nephronix] EventBuffer=8M (default:0)\n"
                                  "[Nephronix] FoldWindow=1min (default:0)\n"
                                  "[Nephronix] SealRequired=yes (default:0)\n"
                                  "[Log] MaxSize=100000 (default:0)\n"
                                  "[Log] KeepDays=30 (default:0)\n"
                                  "[Log] MaxUse=1G (default:0)\n"
                                  "[Log] QuietRounds=no (default:0)\n"
                                  "[Log] SegmentSize=2M (default:0)\n"
                                  "[Watch \"connections\"] Kind=connections (default:0)\n"
                                  "[Watch \"connections\"] Enabled=no (--light:0)\n"
                                  "[Watch \"connections\"] Priority=low (default:0)\n"
                                  "[Watch \"connections\"] Detail=folded (default:0)\n"
                                  "[Watch \"connections\"] NetworkNamespaces=host (default:0)\n"
                                  "[Watch \"processes\"] Kind=processes (default:0)\n"
                                  "[Watch \"processes\"] Enabled=no (--light:0)\n"
                                  "[Watch \"processes\"] Priority=low (default:0)\n"
                                  "[Watch \"processes\"] Detail=folded (default:0)\n"
                                  "[Watch \"users\"] Kind=users (default:0)\n"
                                  "[Watch \"users\"] Enabled=no (a.conf:4)\n"
                                  "[Watch \"users\"] Priority=low (default:0)\n"
                                  "[Watch \"users\"] Detail=folded (default:0)\n"
                                  "[Watch \"modules\"] Kind=modules (default:0)\n"
                                  "[Watch \"modules\"] Enabled=yes (default:0)\n"
                                  "[Watch \"modules\"] Priority=high (default:0)\n"
                                  "[Watch \"modules\"] Detail=folded (default:0)\n"
                                  "[Watch \"bpf\"] Kind=bpf (default:0)\n"
                                  "[Watch \"bpf\"] Enabled=yes (default:0)\n"
                                  "[Watch \"bpf\"] Priority=high (default:0)\n"
                                  "[Watch \"bpf\"] Detail=folded (default:0)\n"
                                  "[Watch \"kernel-messages\"] Kind=kernel-messages (default:0)\n"
                                  "[Watch \"kernel-messages\"] Enabled=yes (default:0)\n"
                                  "[Watch \"kernel-messages\"] Priority=high (default:0)\n"
                                  "[Watch \"kernel-messages\"] Detail=folded (default:0)\n"
                                  "[Watch \"kernel-messages\"] Match=module|bpf (default:0)\n"
                                  "[Watch \"boot\"] Kind=files (default:0)\n"
                                  "[Watch \"boot\"] Enabled=yes (default:0)\n"
                                  "[Watch \"boot\"] Priority=low (nephronix.conf:4)\n"
                                  "[Watch \"boot\"] Detail=folded (default:0)\n"
                                  "[Watch \"boot\"] Path=/boot (nephronix.conf:2)\n"
                                  "[Watch \"boot\"] Path=/efi (nephronix.conf:3)\n"
                                  "[Watch \"boot\"] Exclude=*.tmp (a.conf:2)\n"
                                  "[Watch \"boot\"] CrossMounts=yes (default:0)\n"
                                  "[Watch \"boot\"] Policy=full (default:0)\n"
                                  "[Watch \"boot\"] Text=no (default:0)\n"
                                  READY_MADE("persistence", "yes", "yes") READY_MADE("config", "no", "yes") READY_MADE("system", "no", "no")
                                  "[Watch \"setuid\"] Kind=setuid (default:0)\n"
                                  "[Watch \"setuid\"] Enabled=no (default:0)\n"
                                  "[Watch \"setuid\"] Priority=high (default:0)\n"
                                  "[Watch \"setuid\"] Detail=folded (default:0)\n"
                                  "[Watch \"setuid\"] CrossMounts=yes (default:0)\n"
                                  "[Watch \"packages\"] Kind=packages (default:0)\n"
                                  "[Watch \"packages\"] Enabled=yes (default:0)\n"
                                  "[Watch \"packages\"] Priority=high (default:0)\n"
                                  "[Watch \"packages\"] Detail=folded (default:0)\n"
                                  "[Watch \"self\"] Kind=self (default:0)\n"
                                  "[Watch \"self\"] Enabled=yes (default:0)\n"
                                  "[Watch \"self\"] Priority=high (default:0)\n"
                                  "[Watch \"self\"] Detail=folded (default:0)\n"
                                  "[Alert \"wall\"] Kind=wall (default:0)\n"
                                  "[Alert \"wall\"] Enabled=yes (default:0)\n"
                                  "[Alert \"wall\"] Severity=high (default:0)\n"
                                  "[Alert \"p\"] Kind=exec (a.conf:9)\n"
                                  "[Alert \"p\"] Enabled=yes (default:0)\n"
                                  "[Alert \"p\"] Severity=high (default:0)\n"
                                  "[Alert \"p\"] Hook=p (a.conf:10)\n"
                                  "[Alert \"p\"] TimeLimit=30s (default:0)\n");

        /* a bad file prints nothing */
        buffer_clear(&printed.text);
        write_file(&fixture, "conf.d/b.conf", "[Log]\nX=1\n");
        assert_int_equal(configuration_print_all(&fixture.options, print, &printed, &fixture.error), -EBADMSG);
        assert_string_equal(message(&fixture), "conf.d/b.conf:2: unknown key \"X\" in [Log]");
        assert_string_equal(buffer_string(&printed.text), "");
        buffer_done(&printed.text);
        fixture_close(&fixture);
}

/* The file we ship: as it is and with every "#Key=" made live it says what would be in force without it. */
static void test_shipped_file(void **unused) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, live = BUFFER_NULL;
        struct printed without = { .origins = false }, with = { .origins = false };
        char path[] = __FILE__, line[1024];
        char *end = strstr(path, "tests/unit/"), *save = NULL;
        _cleanup_free_ char *lines = NULL;
        struct fixture fixture;
        FILE *stream;

        (void)unused;
        assert_non_null(end);
        *end = '\0';
        buffer_printf(&text, "%sdist/nephronix.conf", path);
        stream = fopen(buffer_string(&text), "re");
        if (!stream)
                skip();
        buffer_clear(&text);
        while (fgets(line, sizeof(line), stream)) {
                bool is_key = line[0] == '#' && line[1] >= 'A' && line[1] <= 'Z' && strchr(line, '=');

                buffer_append_string(&text, line);
                buffer_append_string(&live, line + is_key);
        }
        (void)fclose(stream);

        fixture_open(&fixture);
        write_file(&fixture, "nephronix.conf", buffer_string(&text));
        assert_int_equal(configuration_print_all(&defaults_only, print, &without, &fixture.error), 0);
        assert_int_equal(configuration_print_all(&fixture.options, print, &with, &fixture.error), 0);
        assert_string_equal(buffer_string(&with.text), buffer_string(&without.text));

        buffer_clear(&with.text);
        write_file(&fixture, "nephronix.conf", buffer_string(&live));
        if (configuration_print_all(&fixture.options, print, &with, &fixture.error) < 0)
                fail_msg("%s", buffer_string(&fixture.error));
        assert_string_equal(buffer_string(&with.text), buffer_string(&without.text));

        /* and no key is missing in it: made live, every value but the built-in kinds comes from the file */
        buffer_clear(&with.text);
        with.origins = true;
        assert_int_equal(configuration_print_all(&fixture.options, print, &with, &fixture.error), 0);
        lines = strdup(buffer_string(&with.text));
        for (char *one = strtok_r(lines, "\n", &save); one; one = strtok_r(NULL, "\n", &save))
                if (strstr(one, "(default:0)") && !strstr(one, "] Kind="))
                        fail_msg("not in the file we ship: %s", one);
        buffer_done(&without.text);
        buffer_done(&with.text);
        fixture_close(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_print),
                cmocka_unit_test(test_shipped_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
