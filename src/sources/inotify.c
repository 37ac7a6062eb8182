#include "inotify.h"

#include <errno.h>
#include <stdlib.h>

#include "inotify-rung.h"

struct inotify_state {
        struct file_trees trees;
        struct inotify_rung inotify;
};

static void inotify_close(void *data) {
        struct inotify_state *state = data;

        if (!state)
                return;
        inotify_rung_done(&state->inotify);
        file_trees_done(&state->trees);
        free(state);
}

static int inotify_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects, const char **ret_reason) {
        struct inotify_state *state;
        struct file_rung *rungs[1];
        int r;

        if (!(request->wanted & 1u << DELTA_FILE)) {
                *ret_reason = "another source tells of files";
                return -EOPNOTSUPP;
        }
        state = calloc(1, sizeof(*state));
        if (!state)
                return -ENOMEM;
        state->trees = FILE_TREES_NULL;
        inotify_rung_init(&state->inotify, &state->trees, request->loop);
        rungs[0] = &state->inotify.rung;
        r = file_trees_init(&state->trees, request, "inotify", rungs, 1);
        state->trees.own_files_hide = true;
        if (r == 0)
                r = file_trees_build(&state->trees);
        if (r < 0) {
                *ret_reason = r == -EMFILE ? "fs.inotify.max_user_instances is used up" :
                              r == -ENOSPC ? "fs.inotify.max_user_watches is used up" : "no directory can be watched";
                inotify_close(state);
                return r;
        }
        *ret_state = state;
        *ret_subjects = 1u << DELTA_FILE;
        return 0;
}

static void inotify_drain(void *data) {
        struct inotify_state *state = data;

        inotify_rung_drain(&state->inotify);
}

static void inotify_check(void *data) {
        struct inotify_state *state = data;
        const char *why;

        inotify_rung_drain(&state->inotify);
        file_trees_check(&state->trees);
        why = inotify_rung_check(&state->inotify);
        if (why)
                state->trees.listener->ended(state->trees.listener, "inotify", why);
}

static void inotify_count(void *data, uint64_t *ret_events, uint64_t *ret_lost) {
        const struct inotify_state *state = data;

        *ret_events = state->trees.events;
        *ret_lost = state->trees.lost;
}

const struct source source_inotify = {
        .name = "inotify",
        .subjects = 1u << DELTA_FILE,
        .open = inotify_open,
        .close = inotify_close,
        .drain = inotify_drain,
        .check = inotify_check,
        .count = inotify_count,
};
