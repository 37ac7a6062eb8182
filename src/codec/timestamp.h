/* timestamp.h - moments as text. */
#pragma once

#include <time.h>

#include "buffer.h"

/* 2026-11-23T22:34:03.123456Z */
void timestamp_utc(struct buffer *buffer, const struct timespec *at);
/* 2026-11-23T23:34:03 in the local zone, for people */
void timestamp_local(struct buffer *buffer, const struct timespec *at);
/* 20261123-23:34:03 in the local zone: the classic text log */
void timestamp_classic(struct buffer *buffer, const struct timespec *at);
/* 20261123233403: archive names */
void timestamp_compact(struct buffer *buffer, const struct timespec *at);
static inline struct timespec timestamp_of_ns(uint64_t ns) {
        return (struct timespec){ .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };
}
static inline uint64_t timestamp_to_ns(const struct timespec *at) {
        return (uint64_t)at->tv_sec * 1000000000u + (uint64_t)at->tv_nsec;
}
