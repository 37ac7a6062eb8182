#include "diff.h"

#include <errno.h>
#include <stdlib.h>

void diff_init(struct diff *diff, const struct field *fields, struct stream *known, struct diff_events *events) {
        *diff = (struct diff){ .fields = fields, .known = known, .events = events, .looked = -1 };
        for (size_t i = 0; fields[i].name; i++) {
                if (fields[i].flags & FIELD_COSTLY)
                        diff->has_costly = true;
                if (fields[i].flags & FIELD_LOOKED)
                        diff->looked = (int)i;
                if (i >= RECORD_FIELDS_MAX)
                        continue;
                if (fields[i].flags & (FIELD_EVIDENCE | FIELD_CHANGED))
                        diff->evidence[diff->n_evidence++] = (uint8_t)i;
                else if (!(fields[i].flags & (FIELD_COSTLY | FIELD_QUIET | FIELD_LOOKED | FIELD_KEY_PATH)))
                        diff->others[diff->n_others++] = (uint8_t)i;
        }
}

void diff_done(struct diff *diff) {
        free(diff->last_key);
        diff->last_key = NULL;
        diff->last_key_size = diff->last_key_capacity = 0;
        for (size_t i = 0; i < diff->waiting_capacity; i++) {
                buffer_done(&diff->waiting[i].before_room);
                buffer_done(&diff->waiting[i].after_room);
        }
        free(diff->waiting);
        diff->waiting = NULL;
        diff->n_waiting = diff->waiting_capacity = 0;
}

static int advance(struct diff *diff) {
        int r = stream_next(diff->known, &diff->pending);

        if (r < 0)
                return r;
        diff->have_pending = r;
        return 0;
}

static int tell(struct diff *diff, enum change_kind kind, const struct record *before, const struct record *after) {
        struct change change = { .kind = kind, .fields = diff->fields, .before = before, .after = after };

        return diff->events->change(diff->events, &change);
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
        bool dated = false;

        for (size_t n = 0; n < diff->n_evidence; n++) {
                size_t i = diff->evidence[n];
                const struct field *field = &diff->fields[i];

                if ((field->flags & FIELD_EVIDENCE) && !value_equal(field, &known->values[i], &now->values[i]))
                        return false;
                if ((field->flags & FIELD_CHANGED) && now->values[i].present) {
                        changed = now->values[i].number;
                        dated = true;
                }
        }
        if (!dated)
                return true;
        if (diff->looked >= 0 && known->values[diff->looked].present)
                looked = known->values[diff->looked].number;
        return looked > changed && looked - changed > diff->tick_ns;
}

/* Where the evidence holds: what is neither evidence nor taken over with it. */
static bool others_equal(const struct diff *diff, const struct record *known, const struct record *now) {
        for (size_t n = 0; n < diff->n_others; n++) {
                size_t i = diff->others[n];

                if (!value_equal(&diff->fields[i], &known->values[i], &now->values[i]))
                        return false;
        }
        return true;
}

static void take_over(const struct diff *diff, const struct record *known, struct record *now) {
        for (size_t i = 0; diff->fields[i].name; i++)
                if (diff->fields[i].flags & (FIELD_COSTLY | FIELD_LOOKED))
                        now->values[i] = known->values[i];
}

static void note_looked(const struct diff *diff, struct record *now) {
        for (size_t i = 0; diff->fields[i].name; i++)
                if (diff->fields[i].flags & FIELD_LOOKED)
                        now->values[i] = value_number(diff->now_ns);
}

/* ---- the window ---- */

static int grow(struct diff *diff) {
        size_t capacity = diff->waiting_capacity ? diff->waiting_capacity * 2 : 16;
        struct diff_waiting *waiting = reallocarray(diff->waiting, capacity, sizeof(*waiting));

        if (!waiting)
                return -ENOMEM;
        memset(waiting + diff->waiting_capacity, 0, (capacity - diff->waiting_capacity) * sizeof(*waiting));
        diff->waiting = waiting;
        diff->waiting_capacity = capacity;
        return 0;
}

/* Known by a table that had less. */
static bool is_incomplete(const struct diff *diff, const struct record *known) {
        return diff->looked >= 0 && !known->values[diff->looked].present;
}

static int settle_incomplete(struct diff *diff, const struct record *before, const struct record *after, bool completed) {
        struct record learnt = *before;

        for (size_t i = 0; diff->fields[i].name; i++)
                if ((int)i != diff->looked && !learnt.values[i].present)
                        learnt.values[i] = after->values[i];
        if (!record_equal(diff->fields, &learnt, after))
                return tell(diff, CHANGE_CHANGED, &learnt, after);
        return completed && diff->events->refresh ? diff->events->refresh(diff->events, after) : 0;
}

static bool hidden_moved(const struct diff *diff, const struct record *before, const struct record *after) {
        for (size_t i = 0; diff->fields[i].name; i++)
                if ((diff->fields[i].flags & FIELD_HIDDEN) &&
                    !value_equal(&diff->fields[i], &before->values[i], &after->values[i]))
                        return true;
        return false;
}

static int settle(struct diff *diff, const struct record *before, const struct record *after, bool completed) {
        if (!after)
                return tell(diff, CHANGE_VANISHED, before, NULL);
        if (!before)
                return tell(diff, CHANGE_APPEARED, NULL, after);
        if (is_incomplete(diff, before))
                return settle_incomplete(diff, before, after, completed);
        if (!record_equal(diff->fields, before, after))
                return tell(diff, CHANGE_CHANGED, before, after);
        if (completed && hidden_moved(diff, before, after) && diff->events->refresh)
                return diff->events->refresh(diff->events, after);
        /* A time in the future proves nothing however often it is looked at. */
        if (completed && !evidence_holds(diff, before, after) && evidence_holds(diff, after, after) && diff->events->refresh)
                return diff->events->refresh(diff->events, after);
        return 0;
}

/* What waits is completed and told. */
static int empty_window(struct diff *diff) {
        int r = diff->n_deferred ? diff->events->read_deferred(diff->events) : 0;

        for (size_t i = 0; r == 0 && i < diff->n_waiting; i++) {
                struct diff_waiting *waiting = &diff->waiting[i];

                if (waiting->deferred) {
                        r = diff->events->complete_deferred(diff->events, &waiting->after);
                        if (r < 0)
                                return r;
                        if (r > 0) {
                                r = 0;
                                continue;
                        }
                        note_looked(diff, &waiting->after);
                }
                r = settle(diff, waiting->has_before ? &waiting->before : NULL, waiting->has_after ? &waiting->after : NULL,
                           waiting->completed);
        }
        diff->n_waiting = diff->n_deferred = 0;
        diff->waiting_bytes = 0;
        return r;
}

static int wait(struct diff *diff, const struct record *before, const struct record *after, bool completed, bool deferred,
                uint64_t bytes) {
        struct diff_waiting *waiting;
        int r = diff->n_waiting == diff->waiting_capacity ? grow(diff) : 0;

        if (r < 0)
                return r;
        waiting = &diff->waiting[diff->n_waiting];
        waiting->has_before = before;
        waiting->has_after = after;
        waiting->completed = completed;
        waiting->deferred = deferred;
        if (before) {
                waiting->before = *before;
                r = record_keep(&waiting->before_room, diff->fields, &waiting->before);
        }
        if (r == 0 && after) {
                waiting->after = *after;
                r = record_keep(&waiting->after_room, diff->fields, &waiting->after);
        }
        if (r < 0)
                return r;
        diff->n_waiting++;
        diff->n_deferred += deferred;
        diff->waiting_bytes = bytes > UINT64_MAX - diff->waiting_bytes ? UINT64_MAX : diff->waiting_bytes + bytes;
        if (diff->n_waiting >= (diff->window_records ? diff->window_records : DIFF_WINDOW_RECORDS) ||
            diff->waiting_bytes >= diff->window_bytes)
                return empty_window(diff);
        return 0;
}

/* ---- records ---- */

/* What is told in its turn: at once, if nothing waits before it. */
static int report(struct diff *diff, const struct record *before, const struct record *after, bool completed) {
        if (diff->n_waiting == 0)
                return settle(diff, before, after, completed);
        if (before && after && !completed && record_equal(diff->fields, before, after))
                return 0;
        return wait(diff, before, after, completed, false, 0);
}

/* The costly fields have to be read: now, or with those of others. */
static int complete_and_report(struct diff *diff, const struct record *before, const struct record *found) {
        uint64_t bytes = 0;
        int r = diff->window_bytes ? diff->events->defer(diff->events, found, &bytes) : 0;
        struct record now;

        if (r < 0)
                return r;
        if (r > 0)
                return wait(diff, before, found, true, true, bytes);
        now = *found;
        r = diff->events->complete(diff->events, &now);
        if (r != 0)
                return r < 0 ? r : 0;
        note_looked(diff, &now);
        return report(diff, before, &now, true);
}

static int vanish_pending(struct diff *diff) {
        int r = diff->keep_known ? 0 : report(diff, &diff->pending, NULL, false);

        return r < 0 ? r : advance(diff);
}

static bool is_due(const struct diff *diff, const struct record *known) {
        return diff->asks_due && diff->events->due(diff->events, known);
}

static int take_over_and_report(struct diff *diff, const struct record *found) {
        struct record now = *found;

        take_over(diff, &diff->pending, &now);
        return report(diff, &diff->pending, &now, false);
}

static int compare_pending(struct diff *diff, const struct record *now) {
        int r = 0;

        if (!diff->has_costly)
                r = report(diff, &diff->pending, now, false);
        else if (diff->thorough || is_incomplete(diff, &diff->pending) || !evidence_holds(diff, &diff->pending, now) ||
                 is_due(diff, &diff->pending))
                r = complete_and_report(diff, &diff->pending, now);
        else if (!others_equal(diff, &diff->pending, now))
                r = take_over_and_report(diff, now);
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

int diff_feed(struct diff *diff, const struct record *now) {
        int r, order = 1;

        r = check_order(diff, now->key);
        if (r < 0)
                return r;
        diff->records++;
        r = prime(diff);
        if (r < 0)
                return r;

        while (diff->have_pending) {
                order = bytes_compare(diff->pending.key, now->key);
                if (order >= 0)
                        break;
                r = vanish_pending(diff);
                if (r < 0)
                        return r;
        }
        if (diff->have_pending && order == 0)
                return compare_pending(diff, now);

        return diff->has_costly ? complete_and_report(diff, NULL, now) : report(diff, NULL, now, false);
}

static int end(struct diff *diff, const struct bytes *at) {
        int r = prime(diff);

        while (r == 0 && diff->have_pending && (!at || bytes_compare(diff->pending.key, *at) <= 0))
                r = vanish_pending(diff);
        return r < 0 ? r : empty_window(diff);
}

int diff_end(struct diff *diff) {
        return end(diff, NULL);
}

int diff_end_at(struct diff *diff, struct bytes key) {
        return end(diff, &key);
}
