#include "verify.h"

#include <errno.h>
#include <stdio.h>

#include "ledger-reader.h"
#include "ledger.h"
#include "verify-seals.h"

enum { PAST = 64 };                     /* heads that are remembered: so many inserted lines in a row are named exactly */

struct record {
        uint64_t sequence, segment;
        struct chain_link link;
        uint8_t hash[CHAIN_HASH_SIZE];
        bool linked, numbered;
        bool opens;                     /* the first one of its file */
};

struct past {
        uint64_t sequence;
        uint8_t hash[CHAIN_HASH_SIZE];
};

struct verify {
        const struct verify_options *options;
        struct verify_result *result;
        struct ledger_reader *reader;
        struct buffer line;             /* the one that was read last */
        uint64_t segment;
        bool damaged;                   /* the file of that number */

        struct record last;             /* the last good one */
        struct past past[PAST];         /* those before it and itself; a ring */
        uint64_t n_past;
        bool any;
        struct verify_seals *seals;
};

static bool same(const uint8_t a[CHAIN_HASH_SIZE], const uint8_t b[CHAIN_HASH_SIZE]) {
        return memcmp(a, b, CHAIN_HASH_SIZE) == 0;
}

static const char *const kind_names[] = {
        [VERIFY_FINE] = "fine",           [VERIFY_EDITED] = "edited",       [VERIFY_REMOVED] = "removed",
        [VERIFY_INSERTED] = "inserted",   [VERIFY_REORDERED] = "reordered", [VERIFY_TRUNCATED] = "truncated",
        [VERIFY_SWAPPED] = "archive swapped", [VERIFY_DAMAGED] = "archive damaged", [VERIFY_JOINED] = "two chains joined",
        [VERIFY_REWRITTEN] = "rewritten", [VERIFY_LATER_KEY] = "sealed with a later key", [VERIFY_UNKNOWN_KEY] = "unknown key",
        [VERIFY_SEAL_EDITED] = "seal edited", [VERIFY_SEAL_REMOVED] = "seal removed",
};

const char *verify_kind_name(enum verify_kind kind) {
        return kind_names[kind];
}

/* The next record: 1, 0 at the end, -EBADMSG for a file that cannot be unpacked, other negative errno. */
static int next_record(struct verify *verify, struct record *ret) {
        struct record record = { 0 };
        int r = ledger_reader_next(verify->reader, &verify->line);

        record.segment = ledger_reader_segment(verify->reader);
        if (r == -EBADMSG)
                verify->segment = record.segment;
        if (r <= 0)
                return r;
        record.opens = record.segment != verify->segment;
        verify->segment = record.segment;
        record.linked = chain_read(buffer_bytes(&verify->line), &record.link) == 1;
        record.numbered = ledger_line_sequence(buffer_bytes(&verify->line), &record.sequence) == 1;
        chain_hash(buffer_bytes(&verify->line), record.hash);
        *ret = record;
        return 1;
}

static void name_file(struct buffer *text, uint64_t segment) {
        buffer_printf(text, LEDGER_PREFIX "%020llu" LEDGER_SUFFIX "*", (unsigned long long)segment);
}

static void name_records(struct verify_result *result) {
        if (result->bad_first == 0)
                buffer_append_string(&result->text, "a record without a number");
        else if (result->bad_first == result->bad_last)
                buffer_printf(&result->text, "record %llu", (unsigned long long)result->bad_first);
        else
                buffer_printf(&result->text, "records %llu to %llu", (unsigned long long)result->bad_first,
                              (unsigned long long)result->bad_last);
}

static void found(struct verify *verify, enum verify_kind kind, uint64_t first, uint64_t last) {
        struct verify_result *result = verify->result;

        result->kind = kind;
        result->bad_first = first;
        result->bad_last = last;
        name_records(result);
}

/* What the rest of the files says about a record that does not follow on the last good one. */
struct rest {
        bool any, damaged;
        bool goes_on;                   /* the next line follows on it */
        bool expected;                  /* a line follows on the last good one */
        bool behind;                    /* after that one, a line follows on the record */
        bool ahead;                     /* a line that the record follows on comes later */
        bool bounded, boundary_holds;   /* another file follows; its first line follows on the line before it */
        uint64_t boundary;              /* its number */
};

static int look_at_rest(struct verify *verify, const struct record *record, struct rest *ret) {
        struct record next, before = *record;
        struct rest rest = { .any = false };
        int r;

        while ((r = next_record(verify, &next)) > 0) {
                if (!rest.any)
                        rest.goes_on = next.linked && same(next.link.prev, record->hash);
                if (next.linked && rest.expected && same(next.link.prev, record->hash))
                        rest.behind = true;
                if (next.linked && same(next.link.prev, verify->last.hash))
                        rest.expected = true;
                if (record->linked && same(next.hash, record->link.prev))
                        rest.ahead = true;
                if (next.opens && !rest.bounded) {
                        rest.bounded = true;
                        rest.boundary = next.segment;
                        rest.boundary_holds = next.linked && same(next.link.prev, before.hash);
                }
                rest.any = true;
                before = next;
        }
        rest.damaged = r == -EBADMSG;
        *ret = rest;
        return r == -EBADMSG ? 0 : r;
}

/* The place in the past whose hash this is: how many records have come since; 0: the last one; negative: none. */
static int find_past(const struct verify *verify, const uint8_t hash[CHAIN_HASH_SIZE]) {
        for (int back = 0; back < PAST && (uint64_t)back < verify->n_past; back++)
                if (same(verify->past[(verify->n_past - 1 - (uint64_t)back) % PAST].hash, hash))
                        return back;
        return -1;
}

static void say_swapped(struct verify *verify, const struct record *record, const char *why) {
        found(verify, VERIFY_SWAPPED, record->sequence, record->sequence);
        buffer_append_string(&verify->result->text, " does not belong where it stands: the file ");
        name_file(&verify->result->text, record->segment);
        buffer_printf(&verify->result->text, " %s", why);
}

static void say_removed(struct verify *verify, const struct record *record) {
        uint64_t first = verify->last.sequence + 1, last = record->sequence - 1;

        found(verify, VERIFY_REMOVED, first, last);
        buffer_printf(&verify->result->text, " %s missing", first == last ? "is" : "are");
        if (record->link.begins == CHAIN_BREAK)
                buffer_printf(&verify->result->text, "; the daemon noticed, and says so in record %llu",
                              (unsigned long long)record->sequence);
}

/* The last good record is what a seal has signed: it is none of what was edited. */
static bool sealed_as_is(struct verify *verify) {
        const struct verify_seal *seal;

        return verify_seals_peek(verify->seals, &seal) > 0 && seal->kind == VERIFY_FINE && seal->seal.last == verify->last.sequence &&
               same(seal->seal.head, verify->last.hash);
}

static int judge(struct verify *verify, const struct record *record) {
        struct verify_result *result = verify->result;
        const struct record *last = &verify->last;
        struct rest rest;
        int back = record->linked ? find_past(verify, record->link.prev) : -1;
        int r = look_at_rest(verify, record, &rest);

        if (r < 0)
                return r;
        if (record->opens && record->numbered &&
            (record->sequence < record->segment || (rest.bounded && record->sequence >= rest.boundary))) {
                say_swapped(verify, record, "holds the records of another one");
        } else if (rest.expected) {
                bool moved = rest.ahead || rest.behind;

                found(verify, moved ? VERIFY_REORDERED : VERIFY_INSERTED, record->sequence, record->sequence);
                buffer_append_string(&result->text, moved ? " stands before its place" : " was inserted");
        } else if (back > 0) {
                uint64_t first = verify->past[(verify->n_past - (uint64_t)back) % PAST].sequence;

                found(verify, VERIFY_INSERTED, first, last->sequence > first ? last->sequence : first);
                buffer_append_string(&result->text, back == 1 ? " was inserted" : " were inserted");
        } else if (record->linked && record->link.begins == CHAIN_GENESIS) {
                found(verify, VERIFY_JOINED, record->sequence, record->sequence);
                buffer_printf(&result->text, " begins another chain, behind record %llu", (unsigned long long)last->sequence);
        } else if (!record->numbered || !record->linked) {
                found(verify, VERIFY_EDITED, record->numbered ? record->sequence : last->sequence + 1,
                      record->numbered ? record->sequence : last->sequence + 1);
                buffer_append_string(&result->text, record->linked ? " has no number" : " has no link to the one before");
        } else if (record->sequence > last->sequence + 1) {
                say_removed(verify, record);
        } else if (record->opens && record->sequence == last->sequence + 1 && rest.bounded && !rest.boundary_holds) {
                say_swapped(verify, record, "is of another ledger");
        } else if (record->sequence == last->sequence + 1 && ((rest.any && !rest.goes_on) || sealed_as_is(verify))) {
                found(verify, VERIFY_EDITED, record->sequence, record->sequence);
                buffer_append_string(&result->text, " was edited");
        } else {
                found(verify, VERIFY_EDITED, last->sequence, last->sequence);
                buffer_append_string(&result->text, " was edited");
                if (record->link.begins == CHAIN_BREAK)
                        buffer_printf(&result->text, ", or one before it; the daemon noticed, and says so in record %llu",
                                      (unsigned long long)record->sequence);
        }
        return 0;
}

static void note_anchors(struct verify *verify, const uint8_t head[CHAIN_HASH_SIZE]) {
        for (size_t i = 0; i < verify->options->n_anchors; i++)
                if (same(verify->options->anchors[i].head, head))
                        verify->options->anchors[i].found = true;
}

static void accept(struct verify *verify, const struct record *record) {
        struct verify_result *result = verify->result;

        if (!verify->any) {
                result->first = record->sequence;
                result->genesis = record->linked && record->link.begins == CHAIN_GENESIS;
                if (record->linked)
                        note_anchors(verify, record->link.prev);
        } else if (record->link.begins == CHAIN_BREAK) {
                result->breaks++;
        }
        verify->any = true;
        verify->last = *record;
        verify->past[verify->n_past % PAST].sequence = record->sequence;
        memcpy(verify->past[verify->n_past++ % PAST].hash, record->hash, CHAIN_HASH_SIZE);
        result->records++;
        result->last = record->sequence;
        memcpy(result->head, record->hash, CHAIN_HASH_SIZE);
        note_anchors(verify, record->hash);
}

/* "@timestamp" is the first member, of fixed width. */
static bool is_older(const struct verify *verify) {
        static const char mark[] = "{\"@timestamp\":\"";
        struct bytes line = buffer_bytes(&verify->line);
        size_t width = verify->options->since ? strlen(verify->options->since) : 0;

        return width && bytes_starts_with(line, bytes_of_string(mark)) && line.size > sizeof(mark) + width &&
               memcmp(line.data + sizeof(mark) - 1, verify->options->since, width) < 0;
}

/* A record that can be the first one that is judged. */
static bool may_begin(struct verify *verify, const struct record *record) {
        if (record->linked && record->numbered)
                return true;
        found(verify, VERIFY_EDITED, record->sequence, record->sequence);
        buffer_append_string(&verify->result->text, record->linked ? " has no number" : " has no link to the one before");
        return false;
}

/* Without a link: from before the chain, as long as the first one that has a link is its genesis and follows on them. */
static bool is_before_chain(struct verify *verify, const struct record *record) {
        if (record->linked || verify->any || !record->numbered)
                return false;
        verify->result->unchained++;
        verify->last = *record;
        return true;
}

static void say_seal(struct verify *verify, const struct verify_seal *seal) {
        struct verify_result *result = verify->result;

        result->kind = seal->kind;
        result->bad_first = seal->seal.first;
        result->bad_last = seal->seal.last > seal->seal.first ? seal->seal.last : seal->seal.first;
        buffer_append_bytes(&result->text, buffer_bytes(&seal->text));
}

/* Compares the seals up to this record, whose hash is known, with it. Those before the first record are only passed ('expired'):
 * else a seal is of a record that has just gone by. 1: go on; 0: that was bad; or negative errno. */
static int check_seals(struct verify *verify, uint64_t sequence, const uint8_t hash[CHAIN_HASH_SIZE], bool expired) {
        struct verify_result *result = verify->result;
        const struct verify_seal *seal;
        int r;

        while ((r = verify_seals_peek(verify->seals, &seal)) > 0 && seal->seal.last <= sequence) {
                bool there = seal->seal.last == sequence && same(seal->seal.head, hash);

                if (seal->kind != VERIFY_FINE) {
                        say_seal(verify, seal);
                        return 0;
                }
                if (!there && (seal->seal.last == sequence || !expired)) {
                        found(verify, VERIFY_REWRITTEN, seal->seal.first < seal->seal.last ? seal->seal.first : seal->seal.last,
                              seal->seal.last);
                        buffer_printf(&result->text, " %s not what seal %llu signed: rewritten, with links that fit",
                                      result->bad_first == result->bad_last ? "is" : "are", (unsigned long long)seal->seal.number);
                        return 0;
                }
                result->seals++;
                result->sealed = seal->seal.last;
                result->sealed_at = seal->seal.at;
                verify_seals_take(verify->seals);
        }
        return r < 0 ? r : 1;
}

/* Seals of records that are not there. */
static int check_seals_left(struct verify *verify) {
        struct verify_result *result = verify->result;
        const struct verify_seal *seal;
        int r = check_seals(verify, verify->last.sequence, verify->last.hash, !verify->any);

        if (r <= 0)
                return r;
        r = verify_seals_peek(verify->seals, &seal);
        if (r <= 0)
                return r;
        if (seal->kind != VERIFY_FINE) {
                say_seal(verify, seal);
                return 0;
        }
        found(verify, VERIFY_TRUNCATED, verify->last.sequence + 1, seal->seal.last);
        buffer_printf(&result->text, " %s missing at the end: seal %llu has signed %s",
                      result->bad_first == result->bad_last ? "is" : "are", (unsigned long long)seal->seal.number,
                      result->bad_first == result->bad_last ? "it" : "them");
        return 0;
}

/* 1: go on; 0: that was bad. */
static int check(struct verify *verify, const struct record *record) {
        struct verify_result *result = verify->result;
        int r;

        if (!verify->any && is_older(verify))
                return 1;
        if (!verify->options->since && is_before_chain(verify, record))
                return 1;
        if (!verify->any) {
                bool begins = record->link.begins == CHAIN_GENESIS && same(record->link.prev, verify->last.hash);

                if (!may_begin(verify, record))
                        return 0;
                if (result->unchained && !begins) {
                        found(verify, VERIFY_EDITED, verify->last.sequence, verify->last.sequence);
                        buffer_append_string(&result->text, " has no link to the one before");
                        return 0;
                }
                if (record->link.begins == CHAIN_BREAK) {
                        found(verify, VERIFY_REMOVED, record->sequence - 1, record->sequence - 1);
                        buffer_printf(&result->text, " is missing, with what came before it; the daemon noticed, and says so in record %llu",
                                      (unsigned long long)record->sequence);
                        return 0;
                }
                if (!result->unchained && record->link.begins == CHAIN_GOES_ON) {
                        r = check_seals(verify, record->sequence - 1, record->link.prev, true);
                        if (r <= 0)
                                return r;
                }
                accept(verify, record);
                return 1;
        }
        if (!record->linked || !record->numbered || !same(record->link.prev, verify->last.hash)) {
                r = judge(verify, record);
                return r < 0 ? r : 0;
        }
        r = check_seals(verify, verify->last.sequence, verify->last.hash, !verify->any);
        if (r <= 0)
                return r;
        if (record->sequence <= verify->last.sequence) {
                found(verify, VERIFY_EDITED, record->sequence, record->sequence);
                buffer_printf(&result->text, " comes behind record %llu", (unsigned long long)verify->last.sequence);
                return 0;
        }
        accept(verify, record);
        return 1;
}

static void check_anchors(struct verify *verify) {
        struct verify_result *result = verify->result;

        for (size_t i = 0; i < verify->options->n_anchors && result->kind == VERIFY_FINE; i++) {
                const struct verify_anchor *anchor = &verify->options->anchors[i];
                bool inside = anchor->sequence && anchor->sequence <= result->last;

                if (anchor->found)
                        continue;
                result->kind = inside ? VERIFY_EDITED : VERIFY_TRUNCATED;
                result->bad_first = anchor->sequence ? anchor->sequence : result->last + 1;
                result->bad_last = result->bad_first;
                buffer_append_string(&result->text, "the head ");
                chain_hex_append(&result->text, anchor->head);
                if (inside)
                        buffer_printf(&result->text, " is not that of record %llu: it or one before it was rewritten",
                                      (unsigned long long)anchor->sequence);
                else if (anchor->sequence)
                        buffer_printf(&result->text, " of record %llu is not there: the records behind %llu were cut off",
                                      (unsigned long long)anchor->sequence, (unsigned long long)result->last);
                else
                        buffer_printf(&result->text, " is no record's: those behind %llu were cut off, or it is another ledger's",
                                      (unsigned long long)result->last);
        }
}

static int read_all(struct verify *verify) {
        struct record record;
        int r;

        while ((r = next_record(verify, &record)) > 0) {
                r = check(verify, &record);
                if (r <= 0)
                        return r;
        }
        if (r == -EBADMSG) {
                verify->result->kind = VERIFY_DAMAGED;
                verify->result->bad_first = verify->result->bad_last = verify->any ? verify->last.sequence + 1 : verify->segment;
                buffer_printf(&verify->result->text, "record %llu cannot be read: the file ",
                              (unsigned long long)verify->result->bad_first);
                name_file(&verify->result->text, verify->segment);
                buffer_append_string(&verify->result->text, " is damaged");
                return 0;
        }
        if (r == 0)
                r = check_seals_left(verify);
        if (r >= 0 && verify->result->kind == VERIFY_FINE)
                check_anchors(verify);
        return r;
}

int verify_ledger(const struct verify_options *options, struct verify_result *ret) {
        struct verify verify = { .options = options, .result = ret, .line = BUFFER_NULL, .segment = UINT64_MAX };
        int r;

        *ret = (struct verify_result){ .text = BUFFER_NULL };
        r = ledger_reader_open(options->folder, &verify.reader);
        if (r == 0)
                r = verify_seals_open(options->folder, options->allowed_signers, options->since, &verify.seals);
        if (r >= 0) {
                ret->own_signers = !options->allowed_signers;
                r = read_all(&verify);
        }
        (void)verify_seals_close(verify.seals);
        (void)ledger_reader_close(verify.reader);
        buffer_done(&verify.line);
        return r < 0 ? r : buffer_error(&ret->text);
}

void verify_result_done(struct verify_result *result) {
        buffer_done(&result->text);
}
