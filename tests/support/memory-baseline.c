#include "memory-baseline.h"

#include <errno.h>
#include <stdlib.h>

#include "ownership.h"
#include "record-codec.h"

enum { NAME_MAX_SIZE = 200 };

/* Bytes that several states share. */
struct blob {
        size_t references, size;
        uint8_t data[];
};

struct item {
        struct blob *key, *value;       /* owned references */
};

/* Sorted by key: a watch's records, the facts, the outbox. */
struct items {
        struct item *array;             /* owned */
        size_t count, capacity;
};

struct memory_watch {
        struct blob *name, *fields;     /* owned references; fields encoded, NULL: none noted yet */
        bool collected;
        struct items records;
};

struct state {
        size_t references;
        struct memory_watch *watches;   /* owned */
        size_t n_watches;
        struct items facts, outbox;
        struct items noted;             /* name, NUL, key: is it gone? */
};

struct memory_baseline {
        struct baseline baseline;
        struct state *committed, *open, *part; /* owned references; open and part NULL outside */
        struct state *noted, *staged;   /* owned references; committed with the notes, and what they are to become; or NULL */
        uint64_t next_number, alerted;
        uint64_t ended;                 /* transactions: a stream does not outlive one */
        size_t begun;
        int commit_error, note_error;
};

struct memory_stream {
        struct stream stream;
        struct memory_baseline *memory;
        struct state *state;            /* owned reference; NULL: reads what is open now */
        uint64_t ended;
        char *name;                     /* owned */
        const struct field *fields;
        struct buffer last, value, scratch;
        bool has_last;
};

static struct memory_baseline *from_interface(struct baseline *baseline) {
        return container_of(baseline, struct memory_baseline, baseline);
}

static struct blob *blob_new(struct bytes bytes) {
        struct blob *blob = malloc(sizeof(*blob) + bytes.size);

        if (!blob)
                abort();
        blob->references = 1;
        blob->size = bytes.size;
        if (bytes.size)
                memcpy(blob->data, bytes.data, bytes.size);
        return blob;
}

static struct blob *blob_ref(struct blob *blob) {
        if (blob)
                blob->references++;
        return blob;
}

static struct blob *blob_unref(struct blob *blob) {
        if (blob && --blob->references == 0)
                free(blob);
        return NULL;
}

static struct bytes blob_bytes(const struct blob *blob) {
        return bytes_of(blob->data, blob->size);
}

/* Where the key is, or would have to stand. */
static size_t items_find(const struct items *items, struct bytes key, bool *ret_there) {
        size_t low = 0, high = items->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (bytes_compare(blob_bytes(items->array[middle].key), key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_there = low < items->count && bytes_equal(blob_bytes(items->array[low].key), key);
        return low;
}

static void items_put(struct items *items, struct bytes key, struct bytes value) {
        bool there;
        size_t at = items_find(items, key, &there);
        struct blob *copy = blob_new(value);

        if (there) {
                (void)blob_unref(items->array[at].value);
                items->array[at].value = copy;
                return;
        }
        if (items->count == items->capacity) {
                items->capacity = items->capacity ? 2 * items->capacity : 16;
                items->array = realloc(items->array, items->capacity * sizeof(*items->array));
                if (!items->array)
                        abort();
        }
        memmove(items->array + at + 1, items->array + at, (items->count - at) * sizeof(*items->array));
        items->array[at] = (struct item){ .key = blob_new(key), .value = copy };
        items->count++;
}

static void items_remove(struct items *items, size_t from, size_t count) {
        for (size_t i = from; i < from + count; i++) {
                (void)blob_unref(items->array[i].key);
                (void)blob_unref(items->array[i].value);
        }
        if (count)
                memmove(items->array + from, items->array + from + count,
                        (items->count - from - count) * sizeof(*items->array));
        items->count -= count;
}

static struct items items_copy(const struct items *items) {
        struct items copy = { .count = items->count, .capacity = items->count };

        if (!items->count)
                return copy;
        copy.array = malloc(items->count * sizeof(*copy.array));
        if (!copy.array)
                abort();
        for (size_t i = 0; i < items->count; i++)
                copy.array[i] = (struct item){ .key = blob_ref(items->array[i].key),
                                               .value = blob_ref(items->array[i].value) };
        return copy;
}

static void items_done(struct items *items) {
        items_remove(items, 0, items->count);
        free(items->array);
}

static struct state *state_new(void) {
        struct state *state = calloc(1, sizeof(*state));

        if (!state)
                abort();
        state->references = 1;
        return state;
}

static struct state *state_copy(const struct state *from) {
        struct state *state = state_new();

        state->facts = items_copy(&from->facts);
        state->outbox = items_copy(&from->outbox);
        state->noted = items_copy(&from->noted);
        state->n_watches = from->n_watches;
        state->watches = calloc(from->n_watches + 1, sizeof(*state->watches));
        if (!state->watches)
                abort();
        for (size_t i = 0; i < from->n_watches; i++)
                state->watches[i] = (struct memory_watch){ .name = blob_ref(from->watches[i].name),
                                                           .fields = blob_ref(from->watches[i].fields),
                                                           .collected = from->watches[i].collected,
                                                           .records = items_copy(&from->watches[i].records) };
        return state;
}

static struct state *state_unref(struct state *state) {
        if (!state || --state->references > 0)
                return NULL;
        for (size_t i = 0; i < state->n_watches; i++) {
                (void)blob_unref(state->watches[i].name);
                (void)blob_unref(state->watches[i].fields);
                items_done(&state->watches[i].records);
        }
        free(state->watches);
        items_done(&state->facts);
        items_done(&state->outbox);
        items_done(&state->noted);
        free(state);
        return NULL;
}

/* What stands outside of a transaction. */
static struct state *standing(const struct memory_baseline *memory) {
        return memory->noted ? memory->noted : memory->committed;
}

/* What a stream and the operations of a transaction see. */
static struct state *now(const struct memory_baseline *memory) {
        return memory->part ? memory->part : memory->open ? memory->open : memory->committed;
}

static struct state *now_with_notes(const struct memory_baseline *memory) {
        return memory->open ? now(memory) : standing(memory);
}

static int check_name(const char *name) {
        size_t size = strlen(name);

        return size == 0 ? -EINVAL : size > NAME_MAX_SIZE ? -ENAMETOOLONG : 0;
}

static struct memory_watch *find_watch(const struct state *state, const char *name) {
        for (size_t i = 0; i < state->n_watches; i++)
                if (bytes_equal(blob_bytes(state->watches[i].name), bytes_of_string(name)))
                        return &state->watches[i];
        return NULL;
}

/* The watch in this state, made if it is not there, all its records written with these fields. */
static int adopt(struct state *state, const char *name, const struct field *fields, struct memory_watch **ret) {
        _cleanup_buffer_ struct buffer encoded = BUFFER_NULL, value = BUFFER_NULL, scratch = BUFFER_NULL;
        _cleanup_free_ struct field *noted = NULL;
        struct memory_watch *watch;
        struct record record;
        int r;

        r = check_name(name);
        if (r < 0)
                return r;
        watch = find_watch(state, name);
        if (!watch) {
                state->watches = realloc(state->watches, (state->n_watches + 1) * sizeof(*state->watches));
                if (!state->watches)
                        abort();
                watch = &state->watches[state->n_watches++];
                *watch = (struct memory_watch){ .name = blob_new(bytes_of_string(name)) };
        }
        *ret = watch;

        fields_encode(&encoded, fields);
        if (watch->fields && bytes_equal(blob_bytes(watch->fields), buffer_bytes(&encoded)))
                return 0;
        if (watch->fields) {
                r = fields_decode(blob_bytes(watch->fields), &noted);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; noted && i < watch->records.count; i++) {
                struct item *item = &watch->records.array[i];

                r = record_decode_as(blob_bytes(item->value), blob_bytes(item->key), noted, fields, &scratch, &record);
                if (r < 0)
                        return r;
                buffer_clear(&value);
                record_encode(&value, fields, &record);
                (void)blob_unref(item->value);
                item->value = blob_new(buffer_bytes(&value));
        }
        (void)blob_unref(watch->fields);
        watch->fields = blob_new(buffer_bytes(&encoded));
        return 0;
}

static int stream_next_(struct stream *base, struct record *ret) {
        struct memory_stream *stream = container_of(base, struct memory_stream, stream);
        const struct state *state = stream->state ? stream->state : now(stream->memory);
        const struct memory_watch *watch = find_watch(state, stream->name);
        _cleanup_free_ struct field *noted = NULL;
        const struct item *item;
        size_t at = 0;
        bool there;
        int r;

        if (stream->ended != stream->memory->ended)
                return -ESTALE;
        if (!watch)
                return 0;
        if (stream->has_last) {
                at = items_find(&watch->records, buffer_bytes(&stream->last), &there);
                at += there;
        }
        if (at >= watch->records.count)
                return 0;
        item = &watch->records.array[at];
        r = fields_decode(blob_bytes(watch->fields), &noted);
        if (r < 0)
                return r;
        buffer_clear(&stream->last);
        buffer_append_bytes(&stream->last, blob_bytes(item->key));
        buffer_clear(&stream->value);
        buffer_append_bytes(&stream->value, blob_bytes(item->value));
        stream->has_last = true;
        r = record_decode_as(buffer_bytes(&stream->value), buffer_bytes(&stream->last), noted, stream->fields,
                             &stream->scratch, ret);
        return r < 0 ? r : 1;
}

static void stream_close_(struct stream *base) {
        struct memory_stream *stream = container_of(base, struct memory_stream, stream);

        (void)state_unref(stream->state);
        free(stream->name);
        buffer_done(&stream->last);
        buffer_done(&stream->value);
        buffer_done(&stream->scratch);
        free(stream);
}

static int baseline_read(struct baseline *baseline, enum baseline_view view, const char *name,
                         const struct field *fields, struct bytes after, struct stream **ret) {
        struct memory_baseline *memory = from_interface(baseline);
        struct memory_stream *stream;
        int r;

        r = check_name(name);
        if (r < 0)
                return r;
        stream = calloc(1, sizeof(*stream));
        if (!stream)
                abort();
        stream->stream = (struct stream){ .next = stream_next_, .close = stream_close_ };
        stream->name = strdup(name);
        stream->fields = fields;
        buffer_append_bytes(&stream->last, after);
        stream->has_last = after.size > 0;
        stream->memory = memory;
        stream->ended = memory->ended;
        if (view == BASELINE_BEFORE || !memory->open) {
                stream->state = memory->committed;
                stream->state->references++;
        }
        *ret = &stream->stream;
        return 0;
}

static int baseline_last_key(struct baseline *baseline, const char *name, uint8_t *ret, size_t size, size_t *ret_size) {
        struct memory_baseline *memory = from_interface(baseline);
        const struct memory_watch *watch;
        const struct blob *key;
        int r;

        *ret_size = 0;
        r = check_name(name);
        if (r < 0)
                return r;
        watch = find_watch(now(memory), name);
        if (!watch || watch->records.count == 0)
                return 0;
        key = watch->records.array[watch->records.count - 1].key;
        if (key->size > size)
                return -ENOBUFS;
        memcpy(ret, key->data, key->size);
        *ret_size = key->size;
        return 0;
}

static int baseline_known(struct baseline *baseline, const char *name) {
        struct memory_baseline *memory = from_interface(baseline);
        const struct memory_watch *watch;
        int r;

        r = check_name(name);
        if (r < 0)
                return r;
        watch = find_watch(now(memory), name);
        return watch && watch->collected;
}

static int baseline_begin(struct baseline *baseline) {
        struct memory_baseline *memory = from_interface(baseline);

        if (memory->open)
                return -EBUSY;
        memory->staged = state_unref(memory->staged);
        memory->open = state_copy(standing(memory));
        items_remove(&memory->open->noted, 0, memory->open->noted.count);
        memory->begun++;
        return 0;
}

static int baseline_begin_part(struct baseline *baseline) {
        struct memory_baseline *memory = from_interface(baseline);

        if (!memory->open)
                return -EINVAL;
        if (memory->part)
                return -EBUSY;
        memory->part = state_copy(memory->open);
        return 0;
}

static int baseline_end_part(struct baseline *baseline, bool keep) {
        struct memory_baseline *memory = from_interface(baseline);

        if (!memory->part)
                return -EINVAL;
        if (keep) {
                (void)state_unref(memory->open);
                memory->open = TAKE_PTR(memory->part);
        } else {
                memory->part = state_unref(memory->part);
        }
        return 0;
}

static int baseline_put(struct baseline *baseline, const char *name, const struct field *fields,
                        const struct record *record) {
        struct memory_baseline *memory = from_interface(baseline);
        _cleanup_buffer_ struct buffer value = BUFFER_NULL;
        struct memory_watch *watch;
        int r;

        if (!memory->open)
                return -EINVAL;
        r = adopt(now(memory), name, fields, &watch);
        if (r < 0)
                return r;
        record_encode(&value, fields, record);
        items_put(&watch->records, record->key, buffer_bytes(&value));
        return 0;
}

static int baseline_remove(struct baseline *baseline, const char *name, struct bytes key) {
        struct memory_baseline *memory = from_interface(baseline);
        struct memory_watch *watch;
        size_t at;
        bool there;
        int r;

        if (!memory->open)
                return -EINVAL;
        r = check_name(name);
        if (r < 0)
                return r;
        watch = find_watch(now(memory), name);
        if (!watch)
                return 0;
        at = items_find(&watch->records, key, &there);
        items_remove(&watch->records, at, there);
        return 0;
}

static int baseline_prune(struct baseline *baseline, const char *name, size_t keep) {
        struct memory_baseline *memory = from_interface(baseline);
        struct memory_watch *watch;
        int r;

        if (!memory->open)
                return -EINVAL;
        r = check_name(name);
        if (r < 0)
                return r;
        watch = find_watch(now(memory), name);
        if (watch && watch->records.count > keep)
                items_remove(&watch->records, 0, watch->records.count - keep);
        return 0;
}

static int baseline_set_known(struct baseline *baseline, const char *name, const struct field *fields) {
        struct memory_baseline *memory = from_interface(baseline);
        struct memory_watch *watch;
        int r;

        if (!memory->open)
                return -EINVAL;
        r = adopt(now(memory), name, fields, &watch);
        if (r == 0)
                watch->collected = true;
        return r;
}

static void number_key(uint64_t number, uint8_t ret[static 8]) {
        for (int i = 7; i >= 0; i--, number >>= 8)
                ret[i] = (uint8_t)number;
}

static uint64_t key_number(const struct blob *key) {
        uint64_t number = 0;

        for (size_t i = 0; i < key->size; i++)
                number = number << 8 | key->data[i];
        return number;
}

static int file_in(struct memory_baseline *memory, struct state *state, enum outbox_destination destination,
                   struct bytes data) {
        _cleanup_buffer_ struct buffer value = BUFFER_NULL;
        uint8_t key[8];

        if (destination < OUTBOX_LEDGER || destination > OUTBOX_SENTENCE)
                return -EINVAL;
        number_key(memory->next_number++, key);
        buffer_append_byte(&value, (uint8_t)destination);
        buffer_append_bytes(&value, data);
        items_put(&state->outbox, bytes_of(key, sizeof(key)), buffer_bytes(&value));
        return 0;
}

static int baseline_file(struct baseline *baseline, enum outbox_destination destination, struct bytes data) {
        struct memory_baseline *memory = from_interface(baseline);

        return memory->open ? file_in(memory, now(memory), destination, data) : -EINVAL;
}

static int baseline_settle(struct baseline *baseline, uint64_t number) {
        struct memory_baseline *memory = from_interface(baseline);
        struct items *outbox = &now(memory)->outbox;
        size_t count = 0;

        if (!memory->open)
                return -EINVAL;
        while (count < outbox->count && key_number(outbox->array[count].key) <= number)
                count++;
        items_remove(outbox, 0, count);
        return 0;
}

static int check_fact_name(const char *name) {
        return name[0] == '.' ? -EINVAL : check_name(name);
}

static int baseline_set_fact(struct baseline *baseline, const char *name, struct bytes value) {
        struct memory_baseline *memory = from_interface(baseline);
        int r = check_fact_name(name);

        if (!memory->open)
                return -EINVAL;
        if (r == 0)
                items_put(&now(memory)->facts, bytes_of_string(name), value);
        return r;
}

static void baseline_abort(struct baseline *baseline) {
        struct memory_baseline *memory = from_interface(baseline);

        memory->ended += memory->open != NULL;
        memory->part = state_unref(memory->part);
        memory->open = state_unref(memory->open);
}

static int baseline_commit(struct baseline *baseline) {
        struct memory_baseline *memory = from_interface(baseline);
        int r = memory->commit_error;

        if (!memory->open)
                return -EINVAL;
        if (memory->part)
                r = -EINVAL;
        memory->commit_error = 0;
        if (r < 0) {
                baseline_abort(baseline);
                return r;
        }
        (void)state_unref(memory->committed);
        memory->committed = TAKE_PTR(memory->open);
        memory->noted = state_unref(memory->noted);
        memory->ended++;
        return 0;
}

static int baseline_get(struct baseline *baseline, const char *name, const struct field *fields, struct bytes key,
                        struct buffer *room, struct record *ret) {
        struct memory_baseline *memory = from_interface(baseline);
        _cleanup_buffer_ struct buffer scratch = BUFFER_NULL;
        _cleanup_free_ struct field *noted = NULL;
        const struct memory_watch *watch;
        bool there;
        size_t at;
        int r;

        r = check_name(name);
        if (r < 0)
                return r;
        watch = find_watch(now_with_notes(memory), name);
        if (!watch)
                return 0;
        at = items_find(&watch->records, key, &there);
        if (!there)
                return 0;
        r = fields_decode(blob_bytes(watch->fields), &noted);
        if (r == 0)
                r = record_decode_as(blob_bytes(watch->records.array[at].value), key, noted, fields, &scratch, ret);
        if (r == 0)
                r = record_keep(room, fields, ret);
        return r < 0 ? r : 1;
}

/* The state that the next note_commit() makes stand. */
static int stage(struct memory_baseline *memory, struct state **ret) {
        if (memory->open)
                return -EBUSY;
        if (!memory->staged)
                memory->staged = state_copy(standing(memory));
        *ret = memory->staged;
        return 0;
}

static int stage_watch(struct memory_baseline *memory, const char *name, struct memory_watch **ret) {
        struct state *state;
        int r = check_name(name);

        if (r == 0)
                r = stage(memory, &state);
        if (r < 0)
                return r;
        *ret = find_watch(state, name);
        return *ret && (*ret)->collected ? 0 : -ENOENT;
}

static void note_key(struct buffer *buffer, const char *name, struct bytes key) {
        buffer_append(buffer, name, strlen(name) + 1);
        buffer_append_bytes(buffer, key);
}

static int baseline_note_put(struct baseline *baseline, const char *name, const struct field *fields,
                             const struct record *record) {
        _cleanup_buffer_ struct buffer value = BUFFER_NULL, note = BUFFER_NULL;
        struct memory_baseline *memory = from_interface(baseline);
        struct memory_watch *watch;
        int r;

        r = stage_watch(memory, name, &watch);
        if (r == 0)
                r = adopt(memory->staged, name, fields, &watch);
        if (r < 0)
                return r;
        record_encode(&value, fields, record);
        items_put(&watch->records, record->key, buffer_bytes(&value));
        note_key(&note, name, record->key);
        items_put(&memory->staged->noted, buffer_bytes(&note), bytes_of("", 1));
        return 0;
}

static int baseline_note_remove(struct baseline *baseline, const char *name, struct bytes key) {
        struct memory_baseline *memory = from_interface(baseline);
        _cleanup_buffer_ struct buffer note = BUFFER_NULL;
        const struct memory_watch *before;
        struct memory_watch *watch;
        size_t at;
        bool there;
        int r;

        r = stage_watch(memory, name, &watch);
        if (r < 0)
                return r;
        at = items_find(&watch->records, key, &there);
        items_remove(&watch->records, at, there);
        note_key(&note, name, key);
        before = find_watch(memory->committed, name);
        there = false;
        if (before)
                (void)items_find(&before->records, key, &there);
        if (there) {
                items_put(&memory->staged->noted, buffer_bytes(&note), bytes_of("\1", 1));
        } else {
                at = items_find(&memory->staged->noted, buffer_bytes(&note), &there);
                items_remove(&memory->staged->noted, at, there);
        }
        return 0;
}

static int baseline_note_fact(struct baseline *baseline, const char *name, struct bytes value) {
        struct memory_baseline *memory = from_interface(baseline);
        struct state *state;
        int r = check_fact_name(name);

        if (r == 0)
                r = stage(memory, &state);
        if (r == 0)
                items_put(&state->facts, bytes_of_string(name), value);
        return r;
}

static int baseline_note_file(struct baseline *baseline, enum outbox_destination destination, struct bytes data) {
        struct memory_baseline *memory = from_interface(baseline);
        struct state *state;
        int r = stage(memory, &state);

        return r < 0 ? r : file_in(memory, state, destination, data);
}

static uint64_t baseline_last_number(struct baseline *baseline) {
        return from_interface(baseline)->next_number - 1;
}

static int baseline_note_alerted(struct baseline *baseline, uint64_t number) {
        struct memory_baseline *memory = from_interface(baseline);

        if (memory->open)
                return -EBUSY;
        if (number >= memory->next_number)
                number = memory->next_number - 1;
        if (number > memory->alerted)
                memory->alerted = number;
        return 0;
}

static void baseline_note_abort(struct baseline *baseline) {
        struct memory_baseline *memory = from_interface(baseline);

        memory->staged = state_unref(memory->staged);
}

static int baseline_note_commit(struct baseline *baseline, bool durable) {
        struct memory_baseline *memory = from_interface(baseline);
        int r = durable ? memory->note_error : 0;

        if (memory->open)
                return -EBUSY;
        if (!memory->staged)
                return 0;
        if (r < 0) {
                memory->note_error = 0;
                baseline_note_abort(baseline);
                return r;
        }
        (void)state_unref(memory->noted);
        memory->noted = TAKE_PTR(memory->staged);
        return 0;
}

static int baseline_note_sync(struct baseline *baseline) {
        return from_interface(baseline)->open ? -EBUSY : 0;
}

static int baseline_noted(struct baseline *baseline, const char *name, struct bytes above,
                          int (*note)(void *context, const char *name, struct bytes key, bool gone), void *context) {
        struct state *state = from_interface(baseline)->noted;
        int r = 0;

        for (size_t i = 0; state && r == 0 && i < state->noted.count; i++) {
                const struct item *item = &state->noted.array[i];
                const char *of = (const char *)item->key->data;
                struct bytes key = bytes_of(item->key->data + strlen(of) + 1, item->key->size - strlen(of) - 1);

                if ((!name || strcmp(of, name) == 0) && (above.size == 0 || bytes_compare(key, above) > 0))
                        r = note(context, of, key, item->value->data[0]);
        }
        return r < 0 ? r : 0;
}

static int baseline_get_fact(struct baseline *baseline, const char *name, void *ret, size_t size, size_t *ret_size) {
        struct memory_baseline *memory = from_interface(baseline);
        const struct items *facts = &now_with_notes(memory)->facts;
        const struct blob *value;
        int r = check_fact_name(name);
        size_t at;
        bool there;

        if (r < 0)
                return r;
        at = items_find(facts, bytes_of_string(name), &there);
        if (!there)
                return 0;
        value = facts->array[at].value;
        if (value->size > size)
                return -ENOBUFS;
        if (value->size)
                memcpy(ret, value->data, value->size);
        *ret_size = value->size;
        return 1;
}

static int baseline_outbox(struct baseline *baseline, int (*entry)(void *context, const struct outbox_entry *entry),
                           void *context) {
        struct memory_baseline *memory = from_interface(baseline);
        struct state *state = standing(memory);
        int r = 0;

        state->references++;
        for (size_t i = 0; r >= 0 && i < state->outbox.count; i++) {
                const struct item *item = &state->outbox.array[i];
                struct outbox_entry found = { .number = key_number(item->key), .destination = item->value->data[0],
                                              .data = bytes_of(item->value->data + 1, item->value->size - 1) };

                if (found.destination != OUTBOX_ALERT || found.number > memory->alerted)
                        r = entry(context, &found);
        }
        (void)state_unref(state);
        return r < 0 ? r : 0;
}

static const struct baseline_ops operations = {
        .read = baseline_read,
        .last_key = baseline_last_key,
        .known = baseline_known,
        .begin = baseline_begin,
        .begin_part = baseline_begin_part,
        .end_part = baseline_end_part,
        .put = baseline_put,
        .remove = baseline_remove,
        .prune = baseline_prune,
        .set_known = baseline_set_known,
        .file = baseline_file,
        .settle = baseline_settle,
        .set_fact = baseline_set_fact,
        .commit = baseline_commit,
        .abort = baseline_abort,
        .get = baseline_get,
        .note_put = baseline_note_put,
        .note_remove = baseline_note_remove,
        .note_fact = baseline_note_fact,
        .note_file = baseline_note_file,
        .note_alerted = baseline_note_alerted,
        .last_number = baseline_last_number,
        .note_commit = baseline_note_commit,
        .note_abort = baseline_note_abort,
        .note_sync = baseline_note_sync,
        .noted = baseline_noted,
        .get_fact = baseline_get_fact,
        .outbox = baseline_outbox,
};

struct memory_baseline *memory_baseline_new(void) {
        struct memory_baseline *memory = calloc(1, sizeof(*memory));

        if (!memory)
                abort();
        memory->baseline.ops = &operations;
        memory->committed = state_new();
        memory->next_number = 1;
        return memory;
}

struct memory_baseline *memory_baseline_free(struct memory_baseline *memory) {
        if (!memory)
                return NULL;
        baseline_abort(&memory->baseline);
        baseline_note_abort(&memory->baseline);
        (void)state_unref(memory->noted);
        (void)state_unref(memory->committed);
        free(memory);
        return NULL;
}

struct baseline *memory_baseline_interface(struct memory_baseline *memory) {
        return &memory->baseline;
}

size_t memory_baseline_begun(const struct memory_baseline *memory) {
        return memory->begun;
}

void memory_baseline_fail_commit(struct memory_baseline *memory, int error) {
        memory->commit_error = error;
}

void memory_baseline_fail_note(struct memory_baseline *memory, int error) {
        memory->note_error = error;
}
