/* job.h - a child of the guard: a hook, or nephronix-pkgdb. Has a time limit, its output is kept up to a bound. */
#pragma once

#include <sys/types.h>

#include "buffer.h"
#include "loop.h"

enum { JOB_OUTPUT_MAX = 16 * 1024 };

struct job;

/* For a program that reads what may be hostile: who it runs as, and how much it may take. */
struct job_limits {
        uid_t user;
        gid_t group;
        uint64_t cpu_s, memory, file_size;
};

struct job_options {
        int program;                    /* what is executed (execveat); NOT consumed */
        char *const *arguments;
        int input;                      /* its standard input, or -1 for /dev/null; NOT consumed */
        int extra;                      /* its descriptor 3, or -1; NOT consumed */
        uint64_t time_limit_ns;
        const struct job_limits *limits; /* or NULL: as we are; borrowed until job_start() returns */
        /* The job is over; status as of waitpid(2), output what it said. The job must be freed by the callee. */
        void (*done)(struct job *job, void *context, int status, struct bytes output);
        void *context;
};

/* 0 and *ret, or negative errno. */
int job_start(struct loop *loop, const struct job_options *options, struct job **ret);
/* In another child of the guard, after fork(2): closes what that child has no business with. Takes NULL. */
void job_leave(struct job *job);
/* True if it ran longer than it may and was killed for that. */
bool job_overdue(const struct job *job);
/* Kills it (and its process group) if it still runs. Takes NULL; returns NULL. */
struct job *job_free(struct job *job);
