/* audit-record.h - the text of one record of the kernel's audit: "audit(1700000000.123:456): name=value name="value" ...". What a
 * process sent (logins, by PAM and sshd) stands in msg='...' behind what the kernel knows of the sender. Pure. */
#pragma once

#include "buffer.h"

struct audit_record {
        uint64_t at_ns;                 /* wall clock, to the millisecond */
        uint32_t serial;                /* the same for all records of one event */
        struct bytes fields;            /* the kernel's, in the text */
        struct bytes message;           /* what stood in msg='...'; empty: nothing */
};

/* 0, or -EBADMSG and *ret untouched. */
int audit_record_parse(struct bytes text, struct audit_record *ret);

struct audit_value {
        struct bytes bytes;             /* without quotes, in the text */
        bool quoted;
};

/* The first field of that name in 'fields' or 'message'. */
bool audit_field(struct bytes fields, const char *name, struct audit_value *ret);
bool audit_number(struct bytes fields, const char *name, uint32_t *ret);

/* The value of a field that may hold any bytes: what is not quoted is hexadecimal. Appended; as it is if it is neither; nothing
 * for "?" and "(null)", which mean that there is none. */
void audit_text(const struct audit_value *value, struct buffer *text);
