#include "diff.h"

#include <errno.h>
#include <stdlib.h>

void diff_init(struct diff *diff, const struct field *fields, struct stream *known, struct diff_events *events) {
        *diff = (struct diff){ .fields = fields, .known = known, .events = events };
        for (size_t i = 0; fields[i].name; i++)
                if (fields[i].flags & FIELD_COSTLY)
                        diff->has_costly = true;
}

void diff_done(struct diff *diff) {
        free(diff->last_key);
        diff->last_key = NULL;
        diff->last_key_size = diff->last_key_capacity = 0;
}

static int advance(struct diff *diff) {
        int r = stream_next(diff->known, &diff->pending);

        if (r < 0)
                return r;
        diff->have_pending = r;
        return 0;
}

static int report(struct diff *diff, enum change_kind kind, const struct record *before, const struct record *after) {
        struct change change = { .kind = kind, .fields = diff->fields, .before = before, .after = after };

        return diff->events->change(diff->events, &change);
}

static int vanish_pending(struct diff *diff) {
        int r = diff->keep_known ? 0 : report(diff, CHANGE_VANISHED, &diff->pending, NULL);

        return r < 0 ? r : advance(diff);
}

static int check_order(struct diff *diff, struct bytes key) {
        if (diff->fed && bytes_compare(key, bytes_of(diff->last_key, diff->last_key_size)) <= 0)
                return -EBADMSG;
        if (key.size > diff->last_key_capacity) {
                size_t capacity = key.size < 256 ? 256 : key.size;
                uint8_t *room = realloc(diff->last_key, capacity);
                if (!room)
                        return -ENOMEM;
                diff->last_key = room;
                diff->last_key_capacity = capacity;
        }
        if (key.size)
                memcpy(diff->last_key, key.data, key.size);
        diff->last_key_size = key.size;
        diff->fed = true;
        return 0;
}

/* A stamp taken in the same tick as a write does not move with the next write of that tick (ctime before 6.13, and any
 * filesystem with coarse stamps): evidence that young when we last looked is none. */
static bool evidence_holds(const struct diff *diff, const struct record *known, const struct record *now) {
        uint64_t changed = 0, looked = 0;
        bool dated = false, seen = false;

        for (size_t i = 0; diff->fields[i].name; i++) {
                const struct field *field = &diff->fields[i];

                if ((field->flags & FIELD_EVIDENCE) && !value_equal(field, &known->values[i], &now->values[i]))
                        return false;
                if ((field->flags & FIELD_CHANGED) && now->values[i].present) {
                        changed = now->values[i].number;
                        dated = true;
                }
                if ((field->flags & FIELD_LOOKED) && known->values[i].present) {
                        looked = known->values[i].number;
                        seen = true;
                }
        }
        if (!dated)
                return true;
        return seen && looked > changed && looked - changed > diff->tick_ns;
}

static void take_over(const struct diff *diff, const struct record *known, struct record *now) {
        for (size_t i = 0; diff->fields[i].name; i++)
                if (diff->fields[i].flags & (FIELD_COSTLY | FIELD_LOOKED))
                        now->values[i] = known->values[i];
}

static int complete(struct diff *diff, struct record *now) {
        int r = diff->events->complete(diff->events, now);

        if (r < 0)
                return r;
        for (size_t i = 0; diff->fields[i].name; i++)
                if (diff->fields[i].flags & FIELD_LOOKED)
                        now->values[i] = value_number(diff->now_ns);
        return 0;
}

static int compare_pending(struct diff *diff, struct record *now) {
        bool completed = false;
        int r;

        if (diff->has_costly) {
                if (!diff->thorough && evidence_holds(diff, &diff->pending, now)) {
                        take_over(diff, &diff->pending, now);
                } else {
                        r = complete(diff, now);
                        if (r < 0)
                                return r;
                        completed = true;
                }
        }

        if (!record_equal(diff->fields, &diff->pending, now))
                r = report(diff, CHANGE_CHANGED, &diff->pending, now);
        else if (completed && !evidence_holds(diff, &diff->pending, now) && diff->events->refresh)
                r = diff->events->refresh(diff->events, now);
        else
                r = 0;
        return r < 0 ? r : advance(diff);
}

static int prime(struct diff *diff) {
        if (diff->primed)
                return 0;
        diff->primed = true;
        return advance(diff);
}

static bool is_below(struct bytes key, struct bytes parent) {
        return bytes_starts_with(key, parent) && (key.size == parent.size || key.data[parent.size] == '\0');
}

int diff_unseen(struct diff *diff, struct bytes key) {
        int r = prime(diff);

        while (r == 0 && diff->have_pending && bytes_compare(diff->pending.key, key) < 0)
                r = vanish_pending(diff);
        while (r == 0 && diff->have_pending && is_below(diff->pending.key, key)) {
                diff->records++;
                r = advance(diff);
        }
        return r;
}

int diff_feed(struct diff *diff, const struct record *record) {
        struct record now = *record;
        int r, order = 1;

        r = check_order(diff, record->key);
        if (r < 0)
                return r;
        diff->records++;
        r = prime(diff);
        if (r < 0)
                return r;

        while (diff->have_pending) {
                order = bytes_compare(diff->pending.key, now.key);
                if (order >= 0)
                        break;
                r = vanish_pending(diff);
                if (r < 0)
                        return r;
        }
        if (diff->have_pending && order == 0)
                return compare_pending(diff, &now);

        if (diff->has_costly) {
                r = complete(diff, &now);
                if (r < 0)
                        return r;
        }
        return report(diff, CHANGE_APPEARED, NULL, &now);
}

int diff_end(struct diff *diff) {
        int r = prime(diff);

        if (r < 0)
                return r;
        while (diff->have_pending) {
                r = vanish_pending(diff);
                if (r < 0)
                        return r;
        }
        return 0;
}
