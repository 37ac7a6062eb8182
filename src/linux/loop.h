/* loop.h - one thread, one epoll. Callback objects live inside their owners (container_of). */
#pragma once

#include <stdint.h>

struct loop;

struct loop_file {
        int fd;                 /* borrowed */
        /* A negative answer ends loop_run() with it. */
        int (*ready)(struct loop_file *file, uint32_t events);
        struct loop *loop;      /* set by loop_add */
};

struct loop *loop_new(void);
struct loop *loop_free(struct loop *loop);      /* takes NULL; returns NULL */

/* events: EPOLLIN and friends, level-triggered. The file must stay in place until loop_remove(). */
int loop_add(struct loop *loop, struct loop_file *file, uint32_t events);
int loop_change(struct loop *loop, struct loop_file *file, uint32_t events);
void loop_remove(struct loop_file *file);       /* harmless if it was never added; safe inside any callback */

/* Called each time that all files which were ready have been served, before the next wait. A negative answer ends loop_run()
 * with it. */
void loop_after(struct loop *loop, int (*after)(void *context), void *context);

/* Until loop_stop() or a callback fails; the status given to loop_stop(), or negative errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop, int status);
