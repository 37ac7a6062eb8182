/* hostile.h - what somebody who wants to fool the reader would name a file, and how it must come out. */
#pragma once

#include "bytes.h"

struct hostile {
        const char *what;
        struct bytes in;
        const char *escaped;    /* escape_append() */
        bool clean;             /* escape_is_clean() */
};

#define HOSTILE_BYTES(literal) { .data = (const uint8_t *)(literal), .size = sizeof(literal) - 1 }

static const struct hostile hostile_table[] = {
        { "nothing", HOSTILE_BYTES(""), "", true },
        { "plain", HOSTILE_BYTES("vmlinuz-6.1.0-18-amd64"), "vmlinuz-6.1.0-18-amd64", true },
        { "blanks at both ends", HOSTILE_BYTES("  a b  "), "  a b  ", true },
        { "other scripts", HOSTILE_BYTES("gr\xc3\xbc\xc3\x9f" "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xa2"),
          "gr\xc3\xbc\xc3\x9f" "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xa2", true },
        { "last code point", HOSTILE_BYTES("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf", true },
        { "quotes", HOSTILE_BYTES("\"'`$(reboot)"), "\"'`$(reboot)", true },
        { "percent signs", HOSTILE_BYTES("%s%n%%%1$*2$d"), "%s%n%%%1$*2$d", true },
        { "braces", HOSTILE_BYTES("{path}{x?{y}}"), "{path}{x?{y}}", true },
        { "backslash", HOSTILE_BYTES("a\\b"), "a\\\\b", true },
        { "an escape that is none", HOSTILE_BYTES("\\x1b\\u{202e}"), "\\\\x1b\\\\u{202e}", true },
        { "newline", HOSTILE_BYTES("a\nb"), "a\\x0ab", false },
        { "carriage return and tab", HOSTILE_BYTES("\r\t"), "\\x0d\\x09", false },
        { "forged log line", HOSTILE_BYTES("x\n20260101-00:00:00 NEPHRONIX - all is well"),
          "x\\x0a20260101-00:00:00 NEPHRONIX - all is well", false },
        { "colour", HOSTILE_BYTES("\x1b[31mred\x1b[0m"), "\\x1b[31mred\\x1b[0m", false },
        { "terminal title", HOSTILE_BYTES("\x1b]0;title\a"), "\\x1b]0;title\\x07", false },
        { "C1 control", HOSTILE_BYTES("\xc2\x9b" "31m"), "\\xc2\\x9b31m", false },
        { "bare C1 byte", HOSTILE_BYTES("\x9b" "31m"), "\\x9b31m", false },
        { "delete", HOSTILE_BYTES("a\x7f"), "a\\x7f", false },
        { "NUL", HOSTILE_BYTES("a\0b"), "a\\x00b", false },
        { "bidirectional override", HOSTILE_BYTES("evil\xe2\x80\xae" "gpj.exe"), "evil\\u{202e}gpj.exe", false },
        { "bidirectional isolate", HOSTILE_BYTES("\xe2\x81\xa6x\xe2\x81\xa9"), "\\u{2066}x\\u{2069}", false },
        { "Arabic letter mark", HOSTILE_BYTES("\xd8\x9c"), "\\u{061c}", false },
        { "line separator", HOSTILE_BYTES("a\xe2\x80\xa8" "b"), "a\\u{2028}b", false },
        { "zero width space", HOSTILE_BYTES("ssh\xe2\x80\x8b" "d"), "ssh\\u{200b}d", false },
        { "soft hyphen", HOSTILE_BYTES("ssh\xc2\xad" "d"), "ssh\\u{00ad}d", false },
        { "byte order mark", HOSTILE_BYTES("\xef\xbb\xbf#!"), "\\u{feff}#!", false },
        { "variation selector", HOSTILE_BYTES("a\xef\xb8\x8f"), "a\\u{fe0f}", false },
        { "Hangul filler", HOSTILE_BYTES("\xe3\x85\xa4"), "\\u{3164}", false },
        { "tag character", HOSTILE_BYTES("a\xf3\xa0\x81\xa1"), "a\\u{e0061}", false },
        { "not UTF-8", HOSTILE_BYTES("a\xff\xfe" "b"), "a\\xff\\xfeb", false },
        { "Latin-1", HOSTILE_BYTES("caf\xe9"), "caf\\xe9", false },
        { "overlong slash, two bytes", HOSTILE_BYTES("\xc0\xaf"), "\\xc0\\xaf", false },
        { "overlong slash, three bytes", HOSTILE_BYTES("\xe0\x80\xaf"), "\\xe0\\x80\\xaf", false },
        { "overlong slash, four bytes", HOSTILE_BYTES("\xf0\x80\x80\xaf"), "\\xf0\\x80\\x80\\xaf", false },
        { "surrogate", HOSTILE_BYTES("\xed\xa0\x80"), "\\xed\\xa0\\x80", false },
        { "above U+10FFFF", HOSTILE_BYTES("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80", false },
        { "five bytes", HOSTILE_BYTES("\xf8\x88\x80\x80\x80"), "\\xf8\\x88\\x80\\x80\\x80", false },
        { "cut short", HOSTILE_BYTES("\xe2\x82"), "\\xe2\\x82", false },
        { "cut short, then more", HOSTILE_BYTES("\xe2\x82" "a"), "\\xe2\\x82a", false },
        { "lone continuation", HOSTILE_BYTES("\x80"), "\\x80", false },
};
