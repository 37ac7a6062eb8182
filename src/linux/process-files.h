/* process-files.h - files below /proc that stay open from one look to the next.
 * To find and open one costs as much as to read it. An open one speaks of its process alone: once that has ended it answers
 * -ESRCH, whoever has its number then. It keeps no process and no memory of one alive. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct process_open {
        uint32_t pid;
        int stat, command_line;         /* owned by the list; -1: not open */
};

struct process_files {
        struct process_open *before, *now;      /* owned; 'limit' of each, in ascending order of pid */
        size_t n_before, n_now, at, limit;
};

void process_files_done(struct process_files *files);

/* A pass over all processes. 0 or -ENOMEM. */
int process_files_begin(struct process_files *files);
/* What is open of a process, in ascending order; NULL: nothing, and there is no room. Valid until the next begin. */
struct process_open *process_files_of(struct process_files *files, uint32_t pid);
/* What was not asked for is closed. */
void process_files_end(struct process_files *files);
