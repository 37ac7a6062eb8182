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
        struct stream *below;           /* NULL: not asked for */
        struct buffer room;
        bool first_done, ended;
};

static int range_next(struct stream *stream, struct record *ret) {
        struct range *range = container_of(stream, struct range, stream);
        int r;

        if (!range->first_done) {
                range->first_done = true;
                r = range->baseline->ops->get(range->baseline, range->name, range->fields, range->within, &range->room, ret);
                if (r != 0)
                        return r;
        }
        if (range->ended || !range->below)
                return 0;
        r = stream_next(range->below, ret);
        if (r > 0 && range_holds(range->within, ret->key))
                return 1;
        range->ended = true;
        return r < 0 ? r : 0;
}

static void range_close(struct stream *stream) {
        struct range *range = container_of(stream, struct range, stream);

        (void)stream_close(range->below);
        buffer_done(&range->room);
        free(range);
}

int range_open(struct baseline *baseline, const char *name, const struct field *fields, struct bytes within, bool alone,
               struct stream **ret) {
        struct range *range = calloc(1, sizeof(*range));
        int r;

        if (!range)
                return -ENOMEM;
        *range = (struct range){
                .stream = { .next = range_next, .close = range_close },
                .baseline = baseline, .name = name, .fields = fields, .within = within,
        };
        if (!alone) {
                r = baseline->ops->read(baseline, BASELINE_BEFORE, name, fields, within, &range->below);
                if (r < 0) {
                        range_close(&range->stream);
                        return r;
                }
        }
        *ret = &range->stream;
        return 0;
}
