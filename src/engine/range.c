#include "range.h"

#include <errno.h>
#include <stdlib.h>

/* NUL is the lowest byte, so all that lies below a key follows it directly in key order. */
struct range {
        struct stream stream;
        struct baseline *baseline;      /* borrowed */
        const char *name;
        const struct field *fields;
        struct bytes within;
        struct stream *committed;       /* owned; above within; NULL: not asked for */
        struct record pending;          /* of it */
        int have_pending;               /* -1: not asked yet */
        struct buffer notes;            /* of keys in range: gone, size, bytes; in order */
        size_t place;                   /* in notes */
        struct buffer room;
        bool first_done;
};

struct note {
        uint32_t size;
        bool gone;
};

static int on_note(void *context, const char *name, struct bytes key, bool gone) {
        struct range *range = context;
        struct note note = { .size = (uint32_t)key.size, .gone = gone };

        (void)name;
        if (!range_holds(range->within, key))
                return 1; /* nothing below it any more */
        buffer_append(&range->notes, &note, sizeof(note));
        buffer_append_bytes(&range->notes, key);
        return buffer_error(&range->notes);
}

static bool next_note(const struct range *range, struct note *ret, struct bytes *ret_key) {
        if (range->notes.size - range->place < sizeof(*ret))
                return false;
        memcpy(ret, range->notes.data + range->place, sizeof(*ret));
        *ret_key = bytes_of(range->notes.data + range->place + sizeof(*ret), ret->size);
        return true;
}

static int get(struct range *range, struct bytes key, struct record *ret) {
        return range->baseline->ops->get(range->baseline, range->name, range->fields, key, &range->room, ret);
}

static int fill_pending(struct range *range) {
        if (range->have_pending >= 0)
                return 0;
        range->have_pending = range->committed ? stream_next(range->committed, &range->pending) : 0;
        if (range->have_pending < 0) {
                int r = range->have_pending;

                range->have_pending = 0;
                return r;
        }
        if (range->have_pending > 0 && !range_holds(range->within, range->pending.key))
                range->have_pending = 0;
        return 0;
}

static int range_next(struct stream *stream, struct record *ret) {
        struct range *range = container_of(stream, struct range, stream);
        struct note note;
        struct bytes key;
        int r;

        if (!range->first_done) {
                range->first_done = true;
                r = range->within.size ? get(range, range->within, ret) : 0;
                if (r != 0)
                        return r;
        }
        /* all that there is, as a rule: the record goes straight through */
        if (range->committed && range->within.size == 0 && range->notes.size == range->place && range->have_pending < 0)
                return stream_next(range->committed, ret);
        for (;;) {
                int order = -1;

                r = fill_pending(range);
                if (r < 0)
                        return r;
                if (!next_note(range, &note, &key)) {
                        if (range->have_pending <= 0)
                                return 0;
                        *ret = range->pending;
                        range->have_pending = -1;
                        return 1;
                }
                if (range->have_pending > 0)
                        order = bytes_compare(key, range->pending.key);
                if (order > 0) {
                        *ret = range->pending;
                        range->have_pending = -1;
                        return 1;
                }
                range->place += sizeof(note) + note.size;
                if (order == 0)
                        range->have_pending = -1;
                if (note.gone)
                        continue;
                r = get(range, key, ret);
                if (r != 0)
                        return r;
        }
}

static void range_close(struct stream *stream) {
        struct range *range = container_of(stream, struct range, stream);

        (void)stream_close(range->committed);
        buffer_done(&range->notes);
        buffer_done(&range->room);
        free(range);
}

int range_open(struct baseline *baseline, const char *name, const struct field *fields, struct bytes within, struct bytes after,
               bool alone, bool noted, struct stream **ret) {
        struct range *range = calloc(1, sizeof(*range));
        int r = 0;

        if (!range)
                return -ENOMEM;
        *range = (struct range){
                .stream = { .next = range_next, .close = range_close },
                .baseline = baseline, .name = name, .fields = fields, .within = within, .have_pending = -1,
        };
        if (!alone)
                r = baseline->ops->read(baseline, BASELINE_BEFORE, name, fields, within.size ? within : after, &range->committed);
        if (r == 0 && !alone && noted)
                r = baseline->ops->noted(baseline, name, within.size ? within : after, on_note, range); /* the key itself: get() */
        if (r < 0) {
                range_close(&range->stream);
                return r;
        }
        *ret = &range->stream;
        return 0;
}
