/* json-walk.h - reading JSON without making anything of it: member after member of an object, where it lies. Pure. */
#pragma once

#include "bytes.h"

struct json_walk {
        const uint8_t *at, *end;
        bool begun;
};

/* text must hold one object and blanks around it. 0 or -EBADMSG. */
int json_walk_open(struct json_walk *walk, struct bytes text);
/* 1 and a member: the key as written, without its quotes; the value as written, with them. 0 when all have been seen and nothing
 * but blanks follows. -EBADMSG for what is no JSON, or is nested deeper than JSON_DEPTH_MAX. */
int json_walk_next(struct json_walk *walk, struct bytes *ret_key, struct bytes *ret_value);

enum { JSON_DEPTH_MAX = 32 };

/* The value at a path of keys with dots between ("event.severity"). False if there is none, or what comes before it is no JSON; what
 * comes behind is not looked at. A key that is written with escapes is not found. */
bool json_walk_find(struct bytes text, const char *path, struct bytes *ret_value);

/* What a value is, if it is a string without escapes, or a whole number. */
bool json_walk_text(struct bytes value, struct bytes *ret);
bool json_walk_number(struct bytes value, uint64_t *ret);
