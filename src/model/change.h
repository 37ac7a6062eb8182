/* change.h - one difference between what we knew and what is true. */
#pragma once

#include "record.h"

enum change_kind { CHANGE_APPEARED, CHANGE_VANISHED, CHANGE_CHANGED };

struct change {
        enum change_kind kind;
        const struct field *fields;
        const struct record *before;    /* borrowed; NULL when it appeared */
        const struct record *after;     /* borrowed; NULL when it vanished */
};

static inline const struct record *change_record(const struct change *change) {
        return change->after ? change->after : change->before;
}
