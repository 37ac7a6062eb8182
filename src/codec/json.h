/* json.h - one JSON object, built from dotted paths in any order and written on one line.
 * Keys come out sorted; {"a.b": 1, "a.c": 2} as added becomes {"a":{"b":1,"c":2}}. A string that is not clean
 * (escape.h) is written escaped, and its exact bytes stand base64-coded under nephronix.raw, keyed by its full path
 * ("file.path"; in an array with the element's place behind it: "related.user.2"). Keys are written escaped. */
#pragma once

#include "buffer.h"

struct json;

struct json *json_new(void);                    /* NULL when memory ends */
struct json *json_free(struct json *json);      /* takes NULL; returns NULL */
void json_clear(struct json *json);             /* for the next object; keeps the memory */

/* Paths and values are copied. A path added twice: the first stays, except in arrays. A path that is also the beginning
 * of another one's: the longer ones are dropped. So is what is added as "nephronix" or from "nephronix.raw" on: that
 * place is taken. Failure to get memory is remembered until json_clear(). */
void json_add_string(struct json *json, const char *path, struct bytes value);
void json_add_text(struct json *json, const char *path, const char *value);    /* NULL adds nothing */
void json_add_number(struct json *json, const char *path, uint64_t value);
void json_add_signed(struct json *json, const char *path, int64_t value);
void json_add_bool(struct json *json, const char *path, bool value);
/* One more string of an array of strings; repeated values are dropped. */
void json_append(struct json *json, const char *path, struct bytes value);
/* One more element of an array, as it is: 'value' must be JSON, and be none of what is repeated. */
void json_append_written(struct json *json, const char *path, struct bytes value);

/* Appends the object, no newline. 0 or -ENOMEM (what was appended then is not an object). */
int json_write(struct json *json, struct buffer *buffer);

/* Appends a JSON string with its quotes; bytes that are not clean as in escape.h. */
void json_quote(struct buffer *buffer, struct bytes bytes);
void base64_append(struct buffer *buffer, struct bytes bytes);
void decimal_append(struct buffer *buffer, uint64_t number);
