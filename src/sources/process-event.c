#include "process-event.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>

enum {
        MESSAGE_HEADER = 20,            /* idx, val, seq, ack, len, flags */
        EVENT_HEADER = 16,              /* what, cpu, timestamp */
        WHAT_EXEC = 0x00000002, WHAT_FORK = 0x00000001, WHAT_UID = 0x00000004, WHAT_COMM = 0x00000200, /* the header names */
};
#define WHAT_EXIT UINT32_C(0x80000000)  /* ... them in different places by its version */

_Static_assert(sizeof(struct cn_msg) == MESSAGE_HEADER, "the kernel's header as it is read here");

static uint32_t word_at(struct bytes bytes, size_t at) {
        uint32_t number;

        memcpy(&number, bytes.data + at, sizeof(number));
        return number;
}

static bool has_words(struct bytes body, size_t count) {
        return body.size >= count * sizeof(uint32_t);
}

int process_event_parse(struct bytes payload, struct process_event *ret) {
        struct process_event event = { .kind = PROCESS_EVENT_OTHER };
        struct bytes body;
        struct cn_msg message;
        size_t words = 0;
        uint32_t what;

        if (payload.size < MESSAGE_HEADER + EVENT_HEADER)
                return -EBADMSG;
        memcpy(&message, payload.data, sizeof(message));
        if (message.id.idx != CN_IDX_PROC || message.id.val != CN_VAL_PROC || message.len < EVENT_HEADER ||
            message.len > payload.size - MESSAGE_HEADER)
                return -EBADMSG;
        body = bytes_of(payload.data + MESSAGE_HEADER, message.len);
        what = word_at(body, 0);
        event.sequence = message.seq;
        event.cpu = word_at(body, 4);
        memcpy(&event.time, body.data + 8, sizeof(event.time));
        body = bytes_of(body.data + EVENT_HEADER, body.size - EVENT_HEADER);

        switch (what) {
        case 0:
                event.kind = PROCESS_EVENT_ACKNOWLEDGED;
                words = 1;
                break;
        case WHAT_FORK:
                event.kind = PROCESS_EVENT_FORKED;
                words = 4;
                break;
        case WHAT_EXEC:
                event.kind = PROCESS_EVENT_EXECUTED;
                words = 2;
                break;
        case WHAT_UID:
                event.kind = PROCESS_EVENT_USERS_CHANGED;
                words = 4;
                break;
        case WHAT_COMM:
                event.kind = PROCESS_EVENT_RENAMED;
                words = 2;
                break;
        case WHAT_EXIT:
                event.kind = PROCESS_EVENT_EXITED;
                words = 3;
                break;
        default:
                break;
        }
        if (!has_words(body, words))
                return -EBADMSG;
        if (event.kind == PROCESS_EVENT_ACKNOWLEDGED)
                event.error = word_at(body, 0);
        else if (event.kind == PROCESS_EVENT_FORKED) {
                event.parent = word_at(body, 4);
                event.task = word_at(body, 8);
                event.process = word_at(body, 12);
        } else if (words) {
                event.task = word_at(body, 0);
                event.process = word_at(body, 4);
        }
        if (event.kind == PROCESS_EVENT_USERS_CHANGED) {
                event.user = word_at(body, 8);
                event.effective_user = word_at(body, 12);
        }
        if (event.kind == PROCESS_EVENT_EXITED)
                event.exit_status = (int)word_at(body, 8);
        *ret = event;
        return 0;
}
