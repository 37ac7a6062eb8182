/* fuzz-journal.c - whatever lies in the journal: records end within it, and notes that are staged come out the same when they
 * are written again. The input is a journal; or, if it begins with '!', the payload of one record, which the checksum would
 * keep the fuzzer from. */
#include <stdlib.h>

#include "journal.h"
#include "notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
        if (!holds)
                abort();
}

static void try_payload(struct notes *notes, struct bytes payload) {
        _cleanup_buffer_ struct buffer again = BUFFER_NULL, third = BUFFER_NULL;
        struct notes other;

        if (notes_stage_payload(notes, payload) < 0) {
                check(!notes->staged);
                return;
        }
        check(notes_encode(notes, &again) == 0);
        notes_init(&other);
        other.next_number = 1;
        if (notes_stage_payload(&other, buffer_bytes(&again)) == 0) {
                check(notes_encode(&other, &third) == 0);
                check(bytes_equal(buffer_bytes(&again), buffer_bytes(&third)));
        }
        notes_done(&other);
        notes_merge(notes, true);
        for (const struct notes_watch *watch = notes->watches; watch; watch = watch->next)
                for (const struct note *note = notes_above(&watch->records, NULL); note;
                     note = notes_above(&watch->records, &note->op.key))
                        check(notes_find(&watch->records, note->op.key) == note);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct bytes rest = bytes_of(data, size), payload;
        struct notes notes;
        uint64_t generation;

        notes_init(&notes);
        if (size && data[0] == '!')
                try_payload(&notes, bytes_of(data + 1, size - 1));
        else
                while (journal_next(&rest, &generation, &payload) > 0)
                        try_payload(&notes, payload);
        notes_clear(&notes);
        check(notes.size == 0);
        notes_done(&notes);
        return 0;
}
