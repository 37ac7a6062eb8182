/* fuzz-audit-record.c - any bytes as a record of the kernel's audit. */
#include <stdint.h>
#include <stdlib.h>

#include "audit-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(struct bytes fields, const char *name) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct audit_value value;
        uint32_t number;

        (void)audit_number(fields, name, &number);
        if (!audit_field(fields, name, &value))
                return;
        if (value.bytes.size && (value.bytes.data < fields.data || value.bytes.data + value.bytes.size > fields.data + fields.size))
                abort();
        audit_text(&value, &text);
        if (text.size > value.bytes.size)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const names[] = { "pid", "ses", "auid", "acct", "addr", "terminal", "res", "id", "prog-id", "" };
        struct audit_record record;

        if (audit_record_parse(bytes_of(data, size), &record) < 0)
                return 0;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                look(record.fields, names[i]);
                look(record.message, names[i]);
        }
        return 0;
}
