#include "alarm.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "fd.h"

enum {
        PLACES = IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB,
        ROOM = 16 * 1024,
};

static int on_touched(struct loop_file *file, uint32_t events) {
        struct alarm *alarm = container_of(file, struct alarm, touched);
        uint8_t room[ROOM];

        (void)events;
        while (read(file->fd, room, sizeof(room)) == (ssize_t)sizeof(room))
                ;
        alarm->ring(alarm);
        return 0;
}

/* The kernel says it once to each who asks; nothing need be read. A lazy unmount is seen nowhere else. */
static int on_mounts(struct loop_file *file, uint32_t events) {
        struct alarm *alarm = container_of(file, struct alarm, mounts);

        (void)events;
        alarm->ring(alarm);
        return 0;
}

int alarm_init(struct alarm *alarm, struct loop *loop, void (*ring)(struct alarm *alarm)) {
        int r;

        *alarm = ALARM_NULL;
        alarm->ring = ring;
        alarm->touched.ready = on_touched;
        alarm->mounts.ready = on_mounts;
        alarm->touched.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (alarm->touched.fd < 0)
                return -errno;
        r = loop_add(loop, &alarm->touched, EPOLLIN);
        alarm->mounts.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (r == 0 && alarm->mounts.fd >= 0)
                r = loop_add(loop, &alarm->mounts, EPOLLPRI);
        if (r < 0)
                alarm_done(alarm);
        return r;
}

void alarm_done(struct alarm *alarm) {
        loop_remove(&alarm->touched);
        loop_remove(&alarm->mounts);
        alarm->touched.fd = fd_close(alarm->touched.fd);
        alarm->mounts.fd = fd_close(alarm->mounts.fd);
}

void alarm_set_folder(struct alarm *alarm, const char *path, bool written) {
        if (alarm->touched.fd >= 0)
                (void)inotify_add_watch(alarm->touched.fd, path,
                                        PLACES | IN_ONLYDIR | IN_MASK_ADD | (written ? (unsigned)IN_MODIFY : 0));
}

void alarm_set_file(struct alarm *alarm, const char *path) {
        if (alarm->touched.fd >= 0)
                (void)inotify_add_watch(alarm->touched.fd, path, PLACES | IN_MODIFY | IN_MASK_ADD | IN_DONT_FOLLOW);
}
