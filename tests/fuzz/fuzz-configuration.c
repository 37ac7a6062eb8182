/* The input is a main file and, behind a line "%%", a file of conf.d. Either there are settings that hold together, or
 * there is a message of one harmless line that names a file. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "escape.h"
#include "registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/nephronix-fuzz-XXXXXX";
static char main_file[96], drop_in[96], drop_in_folder[64];

static void expect(bool so) {
        if (!so)
                abort();
}

static void remove_files(void) {
        (void)unlink(main_file);
        (void)unlink(drop_in);
        (void)rmdir(drop_in_folder);
        (void)rmdir(folder);
}

static void make_folder(void) {
        expect(mkdtemp(folder) != NULL);
        (void)snprintf(main_file, sizeof(main_file), "%s/main.conf", folder);
        (void)snprintf(drop_in_folder, sizeof(drop_in_folder), "%s/conf.d", folder);
        (void)snprintf(drop_in, sizeof(drop_in), "%s/a.conf", drop_in_folder);
        expect(mkdir(drop_in_folder, 0755) == 0);
        expect(atexit(remove_files) == 0);
}

static void write_file(const char *path, struct bytes text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        expect(fd >= 0 && write(fd, text.data, text.size) == (ssize_t)text.size);
        (void)close(fd);
}

static void expect_path(const char *path) {
        expect(path && path[0] == '/' && strlen(path) < 4096);
        expect(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
        expect(path[1] == '\0' || path[strlen(path) - 1] != '/');
}

static void expect_settings(const struct settings *settings) {
        expect_path(settings->state_directory);
        expect_path(settings->log_file);
        expect_path(settings->run_directory);
        expect_path(settings->host_root);
        expect(settings->interval_ns > 0 && settings->reconcile_ns > 0 && settings->log_keep_ns > 0);
        expect(settings->fold_window_ns >= 1000000000 && settings->sources.count <= ELEMENTS(test_sources) - 1);
        expect(settings->log_max_size > 0 && settings->log_max_use > 0 && settings->ledger_segment_size > 0);
        for (size_t i = 0; i < settings->n_watches; i++) {
                const struct watch_settings *watch = &settings->watches[i];

                expect(watch->name && watch->kind);
                expect(watch->priority == PRIORITY_LOW || watch->priority == PRIORITY_HIGH);
                expect((watch->paths.count > 0) == (strcmp(watch->kind, "files") == 0 || strcmp(watch->kind, "setuid") == 0));
                for (size_t j = 0; j < watch->paths.count; j++)
                        expect_path(watch->paths.items[j]);
                expect((watch->match != NULL) == (strcmp(watch->kind, "kernel-messages") == 0));
        }
        for (size_t i = 0; i < settings->n_alerts; i++) {
                const struct alert_settings *alert = &settings->alerts[i];

                expect(alert->name && alert->kind);
                expect(alert->minimum >= SEVERITY_INFO && alert->minimum <= SEVERITY_CRITICAL);
                expect((alert->hook != NULL) == (strcmp(alert->kind, "exec") == 0));
                expect(!alert->hook || (!strchr(alert->hook, '/') && alert->hook[0] != '.'));
        }
}

static void count(void *context, const char *section, const char *key, const char *value, const char *file,
                  unsigned line) {
        expect(section && key && value && value[0] && (file ? line > 0 : line == 0));
        (*(size_t *)context)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct configuration_options options = defaults_only;
        _cleanup_buffer_ struct buffer error = BUFFER_NULL;
        struct settings *settings = NULL;
        const uint8_t *split = size ? memmem(data, size, "\n%%\n", 4) : NULL;
        struct bytes first = bytes_of(data, split ? (size_t)(split - data) : size);
        size_t printed = 0;
        int r;

        if (!main_file[0])
                make_folder();
        write_file(main_file, first);
        write_file(drop_in, split ? bytes_of(split + 4, size - first.size - 4) : BYTES_NULL);
        options.file = main_file;
        options.any_owner = true;

        r = configuration_load(&options, &settings, &error);
        expect((r == 0) == (settings != NULL) && r <= 0);
        if (settings) {
                expect(error.size == 0);
                expect_settings(settings);
        } else {
                expect(error.size > 0 && escape_is_clean(buffer_bytes(&error)));
                expect(memmem(error.data, error.size, folder, strlen(folder)) == error.data);
        }
        settings_free(settings);
        expect(configuration_print_all(&options, count, &printed, &error) == r);
        expect((printed > 0) == (r == 0));
        return 0;
}
