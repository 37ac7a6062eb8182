/* stream.h - records in key order, pulled one at a time. */
#pragma once

#include "record.h"

struct stream {
        /* 1 and *ret filled (valid until the next call), 0 at the end, negative errno if the records cannot be read. */
        int (*next)(struct stream *stream, struct record *ret);
        /* Frees the stream. */
        void (*close)(struct stream *stream);
};

static inline int stream_next(struct stream *stream, struct record *ret) {
        return stream->next(stream, ret);
}

static inline struct stream *stream_close(struct stream *stream) {
        if (stream)
                stream->close(stream);
        return NULL;
}

static inline void stream_close_place(struct stream **place) {
        (void)stream_close(*place);
}

#define _cleanup_stream_ __attribute__((cleanup(stream_close_place)))
