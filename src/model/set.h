/* set.h - records gathered in any order, given back in key order: for watches whose source knows no order. */
#pragma once

#include "record.h"

struct set;
struct collector;

/* The field table is borrowed and must outlive the set. NULL when memory ends. */
struct set *set_new(const struct field *fields);
struct set *set_free(struct set *set);          /* takes NULL; returns NULL */
void set_clear(struct set *set);                /* keeps the memory for the next round */

/* Copies the record. 0 or -ENOMEM. */
int set_add(struct set *set, const struct record *record);

size_t set_count(const struct set *set);

/* Hands every record to the collector in key order; of several with one key only the first added. 0 or what the
 * collector answered. */
int set_emit(struct set *set, struct collector *collector);

/* The record of that key after set_emit() or set_sort(), or NULL; valid until the set changes. */
void set_sort(struct set *set);
const struct record *set_find(struct set *set, struct bytes key);

static inline void set_free_place(struct set **place) {
        (void)set_free(*place);
}

#define _cleanup_set_ __attribute__((cleanup(set_free_place)))
