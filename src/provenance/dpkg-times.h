/* dpkg-times.h - what the times of dpkg's own files say of who wrote them.
 * The time that counts is the change time: who writes to a file can set the other one as he likes. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* dpkg writes all files of a package in one go; a disk that is slow to sync may take its time between two of them. */
#define DPKG_TIMES_SLACK_NS (INT64_C(180) * 1000 * 1000 * 1000)

static inline int64_t dpkg_times_of(const struct stat *file) {
        return (int64_t)file->st_ctim.tv_sec * 1000 * 1000 * 1000 + file->st_ctim.tv_nsec;
}

/* Where an image was made with tools that cannot set a change time (squashfs, disk images), it is the time of the content, in
 * whole seconds. It says nothing of who wrote the file, but is in the past of everything that was written since. */
static inline bool dpkg_times_is_of_an_image(const struct stat *file) {
        return file->st_ctim.tv_nsec == 0 && file->st_mtim.tv_nsec == 0 && file->st_ctim.tv_sec == file->st_mtim.tv_sec;
}

/* True if the file was written so long after that time that it was not in one go. */
static inline bool dpkg_times_is_later(const struct stat *file, int64_t time_ns, int64_t slack_ns) {
        return !dpkg_times_is_of_an_image(file) && dpkg_times_of(file) - slack_ns > time_ns;
}
