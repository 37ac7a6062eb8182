/* scene.h - the command's verbs as a whole, in the test's process: a configuration, room for what a daemon would have
 * left, and what a verb prints, says and answers. */
#pragma once

#include <sys/mman.h>

#include "registry.h"
#include "tree.h"
#include "verb.h"

static const struct verb *const verbs[] = {
        &verb_status, &verb_events, &verb_inventory, &verb_diff, &verb_verify, &verb_seal, &verb_check_config, NULL,
};

struct scene {
        struct tree tree;
        char *file;             /* owned; the configuration */
        struct buffer out, err; /* of the last command */
        int answer;
};

static inline int set_up(void **state) {
        struct scene *scene = calloc(1, sizeof(*scene));
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;

        assert_non_null(scene);
        tree_make(&scene->tree);
        buffer_printf(&text,
                      "[Nephronix]\nStateDirectory=%s/state\nRunDirectory=%s/run\nLogFile=%s/log\n"
                      "[Watch \"old\"]\nKind=files\nPath=/old\n",
                      scene->tree.root, scene->tree.root, scene->tree.root);
        tree_text(&scene->tree, "nephronix.conf", buffer_string(&text));
        tree_folder(&scene->tree, "run");
        tree_folder(&scene->tree, "state/ledger");
        scene->file = tree_path(&scene->tree, "nephronix.conf");
        *state = scene;
        return 0;
}

static inline int tear_down(void **state) {
        struct scene *scene = *state;

        tree_remove(&scene->tree);
        free(scene->file);
        buffer_done(&scene->out);
        buffer_done(&scene->err);
        free(scene);
        return 0;
}

static inline void take_back(int file, int kept, int descriptor, struct buffer *buffer) {
        struct stat stat;

        assert_int_equal(fstat(file, &stat), 0);
        buffer_clear(buffer);
        buffer_append_fill(buffer, 0, (size_t)stat.st_size);
        assert_int_equal(buffer_error(buffer), 0);
        assert_int_equal(pread(file, buffer->data, buffer->size, 0), (ssize_t)buffer->size);
        assert_int_equal(dup2(kept, descriptor), descriptor);
        (void)close(file);
        (void)close(kept);
}

/* Runs "nephronix --config FILE WORDS...", words ending with NULL. */
static inline int run(struct scene *scene, const char *const *words) {
        const struct command tables = { .watches = test_registry, .alert_kinds = test_alert_kinds };
        char *argv[16] = { (char *)(uintptr_t)"nephronix", (char *)(uintptr_t)"--config", scene->file };
        int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
        int kept_out, kept_err, argc = 3;

        while (*words)
                argv[argc++] = (char *)(uintptr_t)*words++;
        (void)fflush(stdout);
        (void)fflush(stderr);
        kept_out = dup(STDOUT_FILENO);
        kept_err = dup(STDERR_FILENO);
        assert_int_equal(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
        assert_int_equal(dup2(err, STDERR_FILENO), STDERR_FILENO);
        scene->answer = command_main(&tables, verbs, argc, argv);
        (void)fflush(stdout);
        (void)fflush(stderr);
        take_back(out, kept_out, STDOUT_FILENO, &scene->out);
        take_back(err, kept_err, STDERR_FILENO, &scene->err);
        return scene->answer;
}

#define RUN(scene, ...) run((scene), (const char *const[]){ __VA_ARGS__, NULL })

static inline void assert_answer(struct scene *scene, int answer) {
        if (scene->answer != answer)
                fail_msg("%d, not %d\n-- out:\n%s\n-- err:\n%s", scene->answer, answer, buffer_string(&scene->out),
                         buffer_string(&scene->err));
}

static inline void assert_holds(struct buffer *buffer, const char *text) {
        if (!strstr(buffer_string(buffer), text))
                fail_msg("\"%s\" is not in:\n%s", text, buffer_string(buffer));
}

static inline void assert_lacks(struct buffer *buffer, const char *text) {
        if (strstr(buffer_string(buffer), text))
                fail_msg("\"%s\" is in:\n%s", text, buffer_string(buffer));
}

static inline size_t lines_of(const struct buffer *buffer) {
        size_t count = 0;

        for (size_t i = 0; i < buffer->size; i++)
                count += buffer->data[i] == '\n';
        return count;
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
