/* baseline-text.h - what a baseline holds, as text that a test compares. */
#pragma once

#include <errno.h>

#include "baseline.h"
#include "buffer.h"

/* The records of one watch: "key:field=value,field=value key:..." in order; bytes as they are. At an error:
 * "!errno". */
static inline void baseline_text_records(struct baseline *baseline, enum baseline_view view, const char *name,
                                         const struct field *fields, struct bytes after, struct buffer *ret) {
        struct stream *stream = NULL;
        struct record record;
        int r;

        r = baseline->ops->read(baseline, view, name, fields, after, &stream);
        while (r >= 0 && (r = stream_next(stream, &record)) > 0) {
                if (ret->size)
                        buffer_append_byte(ret, ' ');
                buffer_append_bytes(ret, record.key);
                for (size_t i = 0, shown = 0; fields[i].name; i++) {
                        const struct value *value = &record.values[i];

                        if (!value->present)
                                continue;
                        buffer_printf(ret, "%s%s=", shown++ ? "," : ":", fields[i].name);
                        if (field_is_bytes(&fields[i]))
                                buffer_append_bytes(ret, value->bytes);
                        else
                                buffer_printf(ret, "%llu", (unsigned long long)value->number);
                }
        }
        stream = stream_close(stream);
        if (r < 0)
                buffer_printf(ret, "!%d", -r);
}

static inline int baseline_text_entry(void *context, const struct outbox_entry *entry) {
        struct buffer *ret = context;

        buffer_printf(ret, "%s%llu:%u:", ret->size ? " " : "", (unsigned long long)entry->number,
                      (unsigned)entry->destination);
        buffer_append_bytes(ret, entry->data);
        return 0;
}

/* The outbox: "number:destination:data ...". */
static inline void baseline_text_outbox(struct baseline *baseline, struct buffer *ret) {
        int r = baseline->ops->outbox(baseline, baseline_text_entry, ret);

        if (r < 0)
                buffer_printf(ret, "!%d", -r);
}
