/* files.h - what lies in file trees: /boot, and any other [Watch] of Kind=files. */
#pragma once

#include "watch.h"

extern const struct watch watch_files;

/* The walk itself, for self.c and setuid.c, which ask the same of other files. */
int files_open(const struct watch_settings *settings, const struct host *host, void **ret_state);
/* Of regular files with a set-user-id or set-group-id bit or with capabilities alone, and on what mount-list.h calls local. */
int files_open_privileged(const struct watch_settings *settings, const struct host *host, void **ret_state);
int files_collect(void *state, const struct collect_request *request, struct collector *collector);
int files_complete(void *state, struct record *record);
int files_defer(void *state, const struct record *record, uint64_t *ret_bytes);
int files_read_deferred(void *state);
int files_complete_deferred(void *state, struct record *record);
void files_rest(void *state);
int files_detail(void *state, const struct change *change, struct record *record);
void files_close(void *state);
