#include "perf-record.h"

#include <errno.h>
#include <linux/perf_event.h>

enum {
        HEADER = sizeof(struct perf_event_header),
        SAMPLE_ID = 16,                 /* pid, tid, time: behind every record */
        LOST_BODY = 16,                 /* id, lost */
        BPF_BODY = 16,                  /* type, flags, id, tag */
        SYMBOL_BODY = 16,               /* address, size, type, flags; then the name */
        TAG = 8,
};

static uint16_t short_at(struct bytes bytes, size_t at) {
        uint16_t number;

        memcpy(&number, bytes.data + at, sizeof(number));
        return number;
}

static uint32_t word_at(struct bytes bytes, size_t at) {
        uint32_t number;

        memcpy(&number, bytes.data + at, sizeof(number));
        return number;
}

static uint64_t long_at(struct bytes bytes, size_t at) {
        uint64_t number;

        memcpy(&number, bytes.data + at, sizeof(number));
        return number;
}

int perf_record_size(struct bytes bytes) {
        struct perf_event_header header;

        if (bytes.size < HEADER)
                return -EBADMSG;
        memcpy(&header, bytes.data, sizeof(header));
        return header.size < HEADER || header.size > bytes.size || header.size % 8 ? -EBADMSG : (int)header.size;
}

static int hex_digit(uint8_t byte) {
        return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* "bpf_prog_6deef7357e7b4530_name", or without name. False for trampolines and dispatchers. */
static bool parse_symbol(struct bytes symbol, struct perf_record *record) {
        static const char prefix[] = "bpf_prog_";
        size_t at = sizeof(prefix) - 1;

        if (!bytes_starts_with(symbol, bytes_of_string(prefix)) || symbol.size < at + 2 * (size_t)TAG)
                return false;
        for (size_t end = at + 2 * (size_t)TAG; at < end; at++) {
                int digit = hex_digit(symbol.data[at]);

                if (digit < 0)
                        return false;
                record->tag = record->tag << 4 | (uint64_t)digit;
        }
        if (symbol.size > at && symbol.data[at] != '_')
                return false;
        if (symbol.size > at + 1)
                record->name = bytes_of(symbol.data + at + 1, symbol.size - at - 1);
        return true;
}

int perf_record_parse(struct bytes bytes, struct perf_record *ret) {
        struct perf_record record = { .kind = PERF_OTHER };
        struct perf_event_header header;
        int size = perf_record_size(bytes);
        struct bytes body;

        if (size < 0)
                return size;
        if (size < HEADER + SAMPLE_ID)
                return -EBADMSG;
        memcpy(&header, bytes.data, sizeof(header));
        record.pid = word_at(bytes, (size_t)size - SAMPLE_ID);
        record.tid = word_at(bytes, (size_t)size - SAMPLE_ID + 4);
        record.time = long_at(bytes, (size_t)size - SAMPLE_ID + 8);
        body = bytes_of(bytes.data + HEADER, (size_t)size - HEADER - SAMPLE_ID);

        switch (header.type) {
        case PERF_RECORD_LOST:
                if (body.size < LOST_BODY)
                        return -EBADMSG;
                record.kind = PERF_LOST;
                record.lost = long_at(body, 8);
                break;
        case PERF_RECORD_BPF_EVENT: {
                uint16_t type;

                if (body.size < BPF_BODY)
                        return -EBADMSG;
                type = short_at(body, 0);
                record.kind = type == PERF_BPF_EVENT_PROG_LOAD     ? PERF_BPF_LOADED
                              : type == PERF_BPF_EVENT_PROG_UNLOAD ? PERF_BPF_UNLOADED
                                                                   : PERF_OTHER;
                record.id = word_at(body, 4);
                for (size_t i = 0; i < TAG; i++)
                        record.tag = record.tag << 8 | body.data[8 + i];
                break;
        }
        case PERF_RECORD_KSYMBOL: {
                struct bytes symbol;

                if (body.size < SYMBOL_BODY)
                        return -EBADMSG;
                symbol = bytes_of(body.data + SYMBOL_BODY, body.size - SYMBOL_BODY);
                symbol.size = symbol.size ? strnlen((const char *)symbol.data, symbol.size) : 0;
                if (short_at(body, 12) == PERF_RECORD_KSYMBOL_TYPE_BPF && parse_symbol(symbol, &record))
                        record.kind = short_at(body, 14) & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER ? PERF_SYMBOL_REMOVED
                                                                                                : PERF_SYMBOL_ADDED;
                break;
        }
        default:
                break;
        }
        *ret = record;
        return 0;
}
