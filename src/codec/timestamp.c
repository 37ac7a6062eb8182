#include "timestamp.h"

/* Written digit by digit: an event has several moments, and printf takes longer than everything else about them. */
struct text {
        uint8_t data[32];       /* the longest form, timestamp_utc(), has 27 */
        size_t size;
};

static void put(struct text *text, char separator, long number, int width) {
        if (separator)
                text->data[text->size++] = (uint8_t)separator;
        for (int i = width - 1; i >= 0; i--, number /= 10)
                text->data[text->size + (size_t)i] = (uint8_t)('0' + number % 10);
        text->size += (size_t)width;
}

/* The years that the forms have room for; a moment outside of them is no moment of a host and shown as the epoch. */
static bool fits(const struct tm *broken) {
        return broken->tm_year >= -1900 && broken->tm_year <= 8099;
}

static struct tm in_utc(const struct timespec *at) {
        struct tm broken = { 0 };

        if (!gmtime_r(&at->tv_sec, &broken) || !fits(&broken))
                broken = (struct tm){ .tm_year = 70, .tm_mday = 1 };
        return broken;
}

static struct tm in_local_zone(const struct timespec *at) {
        struct tm broken = { 0 };

        if (!localtime_r(&at->tv_sec, &broken) || !fits(&broken))
                broken = (struct tm){ .tm_year = 70, .tm_mday = 1 };
        return broken;
}

/* A separator of 0 is left out. */
static void append(struct text *text, const struct tm *broken, char in_date, char between, char in_time) {
        put(text, 0, broken->tm_year + 1900L, 4);
        put(text, in_date, broken->tm_mon + 1L, 2);
        put(text, in_date, broken->tm_mday, 2);
        put(text, between, broken->tm_hour, 2);
        put(text, in_time, broken->tm_min, 2);
        put(text, in_time, broken->tm_sec, 2);
}

void timestamp_utc(struct buffer *buffer, const struct timespec *at) {
        struct tm broken = in_utc(at);
        struct text text = { .size = 0 };
        long microseconds = at->tv_nsec / 1000;

        append(&text, &broken, '-', 'T', ':');
        put(&text, '.', microseconds < 0 ? 0 : microseconds, 6);
        text.data[text.size++] = 'Z';
        buffer_append(buffer, text.data, text.size);
}

void timestamp_local(struct buffer *buffer, const struct timespec *at) {
        struct tm broken = in_local_zone(at);
        struct text text = { .size = 0 };

        append(&text, &broken, '-', 'T', ':');
        buffer_append(buffer, text.data, text.size);
}

void timestamp_classic(struct buffer *buffer, const struct timespec *at) {
        struct tm broken = in_local_zone(at);
        struct text text = { .size = 0 };

        append(&text, &broken, 0, '-', ':');
        buffer_append(buffer, text.data, text.size);
}

void timestamp_compact(struct buffer *buffer, const struct timespec *at) {
        struct tm broken = in_local_zone(at);
        struct text text = { .size = 0 };

        append(&text, &broken, 0, 0, 0);
        buffer_append(buffer, text.data, text.size);
}
