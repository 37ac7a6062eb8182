#include "process-files.h"

#include <stdlib.h>

#include "fd.h"

enum {
        LIMIT = 256,                    /* an open "stat" holds a page in the kernel */
        SPARE = 512,                    /* descriptors for everything else */
};

static void close_files(struct process_open *open) {
        open->stat = fd_close(open->stat);
        open->command_line = fd_close(open->command_line);
}

void process_files_done(struct process_files *files) {
        for (size_t i = files->at; i < files->n_before; i++)
                close_files(&files->before[i]);
        for (size_t i = 0; i < files->n_now; i++)
                close_files(&files->now[i]);
        free(files->before);
        free(files->now);
        *files = (struct process_files){ .before = NULL };
}

int process_files_begin(struct process_files *files) {
        struct process_open *before = files->now;

        if (!files->before) {
                long most = sysconf(_SC_OPEN_MAX);

                files->limit = most > SPARE ? (size_t)(most - SPARE) / 2 : 0;
                if (files->limit > LIMIT)
                        files->limit = LIMIT;
                files->before = calloc(files->limit + 1, sizeof(*files->before));
                before = calloc(files->limit + 1, sizeof(*before));
                if (!files->before || !before) {
                        free(files->before);
                        free(before);
                        *files = (struct process_files){ .before = NULL };
                        return -ENOMEM;
                }
        }
        process_files_end(files);       /* of a pass that was given up */
        files->now = files->before;
        files->before = before;
        files->n_before = files->n_now;
        files->n_now = files->at = 0;
        return 0;
}

struct process_open *process_files_of(struct process_files *files, uint32_t pid) {
        struct process_open *open;

        while (files->at < files->n_before && files->before[files->at].pid < pid)
                close_files(&files->before[files->at++]);
        if (files->n_now == files->limit)
                return NULL;
        open = &files->now[files->n_now++];
        if (files->at < files->n_before && files->before[files->at].pid == pid)
                *open = files->before[files->at++];
        else
                *open = (struct process_open){ .pid = pid, .stat = -1, .command_line = -1 };
        return open;
}

void process_files_end(struct process_files *files) {
        while (files->at < files->n_before)
                close_files(&files->before[files->at++]);
}
