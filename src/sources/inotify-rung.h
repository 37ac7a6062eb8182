/* inotify-rung.h - directories marked by inotify(7): the source of that name, and what fanotify falls to where it cannot. */
#pragma once

#include "file-trees.h"

struct inotify_rung {
        struct file_rung rung;
        struct loop_file file;
        struct file_trees *trees;       /* borrowed */
        struct loop *loop;              /* borrowed */
        uint8_t *room;                  /* owned */
        bool overflowed;
};

/* Opens nothing yet: the first mark does. */
void inotify_rung_init(struct inotify_rung *inotify, struct file_trees *trees, struct loop *loop);
void inotify_rung_done(struct inotify_rung *inotify);

/* Hands over what is there. */
void inotify_rung_drain(struct inotify_rung *inotify);

/* NULL, or in words why it does not work any more. Static. */
const char *inotify_rung_check(struct inotify_rung *inotify);
