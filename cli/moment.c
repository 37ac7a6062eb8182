#include "moment.h"

#include <ctype.h>
#include <errno.h>

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR, WEEK = 7 * DAY };

/* Far enough back and ahead for any log, and no sum of them overflows. */
#define SECONDS_MAX 100000000000LL

static bool take_digits(const char **text, size_t least, size_t most, long long *ret) {
        const char *at = *text;
        long long number = 0;
        size_t digits = 0;

        for (; digits < most && isdigit((unsigned char)*at); digits++)
                number = number * 10 + (*at++ - '0');
        if (digits < least || isdigit((unsigned char)*at))
                return false;
        *text = at;
        *ret = number;
        return true;
}

static bool take(const char **text, char wanted) {
        if (**text != wanted)
                return false;
        (*text)++;
        return true;
}

static void skip_blanks(const char **text) {
        while (**text == ' ')
                (*text)++;
}

static bool take_date(const char **text, struct tm *tm) {
        long long year, month, day;

        if (!take_digits(text, 4, 4, &year) || !take(text, '-') || !take_digits(text, 1, 2, &month) ||
            !take(text, '-') || !take_digits(text, 1, 2, &day) || month < 1 || month > 12 || day < 1 || day > 31)
                return false;
        tm->tm_year = (int)year - 1900;
        tm->tm_mon = (int)month - 1;
        tm->tm_mday = (int)day;
        return true;
}

static bool take_clock(const char **text, struct tm *tm) {
        long long hour, minute, second = 0;

        if (!take_digits(text, 1, 2, &hour) || !take(text, ':') || !take_digits(text, 2, 2, &minute) || hour > 23 ||
            minute > 59)
                return false;
        if (take(text, ':') && (!take_digits(text, 2, 2, &second) || second > 60))
                return false;
        tm->tm_hour = (int)hour;
        tm->tm_min = (int)minute;
        tm->tm_sec = (int)second;
        return true;
}

/* mktime(3) makes 2 March of 30 February; an hour that the change to summer time leaves out it may move. */
static bool from_calendar(struct tm *tm, bool utc, struct timespec *ret) {
        int day = tm->tm_mday;
        time_t at;

        tm->tm_isdst = -1;
        errno = 0;
        at = utc ? timegm(tm) : mktime(tm);
        if ((at == (time_t)-1 && errno) || tm->tm_mday != day)
                return false;
        *ret = (struct timespec){ .tv_sec = at };
        return true;
}

static bool parse_calendar(const char *text, time_t now, struct timespec *ret) {
        struct tm tm, date = { 0 };
        const char *at = text;
        bool utc = false;

        if (!localtime_r(&now, &tm))
                return false;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        if (take_date(&at, &date)) {
                tm = date;
                if (*at == '\0')
                        return from_calendar(&tm, false, ret);
                if (!take(&at, 'T') && !take(&at, ' '))
                        return false;
        } else {
                at = text;
        }
        if (!take_clock(&at, &tm))
                return false;
        if (date.tm_mday)
                utc = take(&at, 'Z');
        return *at == '\0' && from_calendar(&tm, utc, ret);
}

static bool parse_word(const char *text, time_t now, struct timespec *ret) {
        struct tm tm;
        bool yesterday = strcmp(text, "yesterday") == 0;

        if (strcmp(text, "now") == 0) {
                *ret = (struct timespec){ .tv_sec = now };
                return true;
        }
        if ((!yesterday && strcmp(text, "today") != 0) || !localtime_r(&now, &tm))
                return false;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        tm.tm_isdst = -1;
        tm.tm_mday -= yesterday;
        *ret = (struct timespec){ .tv_sec = mktime(&tm) };
        return true;
}

static const struct {
        const char *name;
        long long seconds;
} units[] = {
        { "s", 1 },          { "sec", 1 },      { "second", 1 },      { "seconds", 1 },    { "m", MINUTE },
        { "min", MINUTE },   { "minute", MINUTE }, { "minutes", MINUTE }, { "h", HOUR },   { "hour", HOUR },
        { "hours", HOUR },   { "d", DAY },      { "day", DAY },       { "days", DAY },     { "w", WEEK },
        { "week", WEEK },    { "weeks", WEEK },
};

static bool take_unit(const char **text, long long *ret) {
        size_t length = 0;

        while (isalpha((unsigned char)(*text)[length]))
                length++;
        for (size_t i = 0; length && i < ELEMENTS(units); i++) {
                if (strlen(units[i].name) != length || strncmp(units[i].name, *text, length) != 0)
                        continue;
                *text += length;
                *ret = units[i].seconds;
                return true;
        }
        return false;
}

/* "-1h30min", "10 min ago" */
static bool parse_span(const char *text, time_t now, struct timespec *ret) {
        bool minus = take(&text, '-');
        long long span = 0;

        do {
                long long number, unit;

                if (!take_digits(&text, 1, 9, &number))
                        return false;
                skip_blanks(&text);
                if (!take_unit(&text, &unit))
                        return false;
                if (number > SECONDS_MAX / unit)
                        return false;
                span += number * unit;
                if (span > SECONDS_MAX)
                        return false;
                skip_blanks(&text);
        } while (isdigit((unsigned char)*text));
        if (strcmp(text, minus ? "" : "ago") != 0)
                return false;
        *ret = (struct timespec){ .tv_sec = now - (time_t)span };
        return true;
}

static bool parse_epoch(const char *text, struct timespec *ret) {
        long long seconds;

        if (!take(&text, '@') || !take_digits(&text, 1, 11, &seconds) || *text)
                return false;
        *ret = (struct timespec){ .tv_sec = (time_t)seconds };
        return true;
}

bool moment_parse(const char *text, time_t now, struct timespec *ret) {
        return parse_word(text, now, ret) || parse_epoch(text, ret) || parse_span(text, now, ret) ||
               parse_calendar(text, now, ret);
}

bool moment_parse_utc(struct bytes text, struct timespec *ret) {
        char copy[sizeof("2026-11-23T22:34:03.123456789Z")];
        const char *at = copy;
        struct tm tm = { 0 };
        long nanoseconds = 0;

        if (text.size >= sizeof(copy) || text.size == 0)
                return false;
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
        if (!take_date(&at, &tm) || !take(&at, 'T') || !take_clock(&at, &tm))
                return false;
        if (take(&at, '.'))
                for (long unit = 100000000; isdigit((unsigned char)*at); unit /= 10)
                        nanoseconds += (*at++ - '0') * unit;
        if (!take(&at, 'Z') || *at || (size_t)(at - copy) != text.size || !from_calendar(&tm, true, ret))
                return false;
        ret->tv_nsec = nanoseconds;
        return true;
}

void moment_ago(struct buffer *buffer, time_t then, time_t now) {
        long long span = (long long)now - (long long)then;

        if (span < 1)
                buffer_append_string(buffer, "just now");
        else if (span < 2 * MINUTE)
                buffer_printf(buffer, "%lld s ago", span);
        else if (span < 2 * HOUR)
                buffer_printf(buffer, "%lld min ago", span / MINUTE);
        else if (span < 2 * DAY)
                buffer_printf(buffer, "%lld h ago", span / HOUR);
        else
                buffer_printf(buffer, "%lld d ago", span / DAY);
}
