/* configured.h - a configuration in a folder of its own. */
#pragma once

#include "registry.h"
#include "tree.h"

struct fixture {
        struct tree tree;
        char *file;             /* owned */
        struct configuration_options options;
        struct buffer error;
        struct settings *settings;
};

static inline void fixture_open(struct fixture *fixture) {
        *fixture = (struct fixture){ .options = defaults_only };
        tree_make(&fixture->tree);
        fixture->file = tree_path(&fixture->tree, "nephronix.conf");
        fixture->options.file = fixture->file;
        fixture->options.any_owner = geteuid() != 0;
}

static inline void fixture_close(struct fixture *fixture) {
        settings_free(fixture->settings);
        buffer_done(&fixture->error);
        free(fixture->file);
        tree_remove(&fixture->tree);
}

static inline void write_file(const struct fixture *fixture, const char *name, const char *text) {
        _cleanup_free_ char *path = tree_path(&fixture->tree, name);
        char *slash;

        tree_text(&fixture->tree, name, text);
        assert_int_equal(chmod(path, 0644), 0);
        slash = strrchr(path, '/');
        *slash = '\0';
        assert_int_equal(chmod(path, 0755), 0);
}

/* The message without the folder of the test. */
static inline const char *message(struct fixture *fixture) {
        const char *text = buffer_string(&fixture->error);
        size_t length = strlen(fixture->tree.root);

        assert_int_equal(strncmp(text, fixture->tree.root, length), 0);
        assert_int_equal(text[length], '/');
        return text + length + 1;
}
