/* alarm.h - rings when somebody writes to one of a few files, or changes, replaces or removes one, or mounts or unmounts something. It
 * does not say what: whoever hears it looks, and sets it anew. Our own writing rings it, too; chattr(1) does not. */
#pragma once

#include <stdbool.h>

#include "loop.h"

struct alarm {
        struct loop_file touched, mounts;       /* fd -1: not there */
        void (*ring)(struct alarm *alarm);
};

#define ALARM_NULL ((struct alarm){ .touched = { .fd = -1 }, .mounts = { .fd = -1 } })

/* 0 or negative errno. The alarm must stay in place until alarm_done(). */
int alarm_init(struct alarm *alarm, struct loop *loop, void (*ring)(struct alarm *alarm));
void alarm_done(struct alarm *alarm);   /* harmless on ALARM_NULL */

/* Nothing happens if it is set already, or not there. A folder: what comes to be in it, goes or changes its place; with 'written' also
 * what is written to in it. A file: everything that happens to it. */
void alarm_set_folder(struct alarm *alarm, const char *path, bool written);
void alarm_set_file(struct alarm *alarm, const char *path);
