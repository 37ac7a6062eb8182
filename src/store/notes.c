#include "notes.h"

#include <endian.h>
#include <errno.h>
#include <sys/random.h>

#include "baseline.h"
#include "long-keys.h"
#include "note-op.h"
#include "record-codec.h"

/* Numbers beyond this are none that counting from 1 has led to. */
#define NUMBER_MAX ((uint64_t)1 << 62)

uint64_t notes_number(struct bytes key) {
        uint64_t number;

        memcpy(&number, key.data, sizeof(number));
        return be64toh(number);
}

struct bytes notes_number_key(uint64_t number, uint8_t room[static 8]) {
        number = htobe64(number);
        memcpy(room, &number, sizeof(number));
        return bytes_of(room, sizeof(number));
}

void notes_init(struct notes *notes) {
        *notes = (struct notes){ .next_number = 1 };
        /* Who knew the shape of the trees could choose keys that make them deep. */
        if (getrandom(&notes->random, sizeof(notes->random), GRND_NONBLOCK) != sizeof(notes->random))
                notes->random = (uintptr_t)notes;
        notes->random |= 1;
}

static uint32_t draw(struct notes *notes) {
        notes->random ^= notes->random << 13;
        notes->random ^= notes->random >> 7;
        notes->random ^= notes->random << 17;
        return (uint32_t)(notes->random >> 32);
}

static size_t note_size(const struct note *note) {
        return sizeof(*note) + note->op.key.size + note->op.value.size;
}

static void free_note(struct notes *notes, struct note *note) {
        notes->size -= note_size(note);
        free(note);
}

static struct note **find_place(struct note_tree *tree, struct bytes key) {
        struct note **place = &tree->root;

        while (*place) {
                int order = bytes_compare(key, (*place)->op.key);

                if (order == 0)
                        break;
                place = order < 0 ? &(*place)->left : &(*place)->right;
        }
        return place;
}

/* Takes the note, and the place of an earlier one. */
static void tree_put(struct notes *notes, struct note_tree *tree, struct note *note) {
        struct note **place = find_place(tree, note->op.key), **below, **above, *old = *place;

        if (old) {
                note->left = old->left;
                note->right = old->right;
                note->priority = old->priority;
                *place = note;
                free_note(notes, old);
                return;
        }

        note->priority = draw(notes);
        place = &tree->root;
        while (*place && (*place)->priority >= note->priority)
                place = bytes_compare(note->op.key, (*place)->op.key) < 0 ? &(*place)->left : &(*place)->right;
        below = &note->left;
        above = &note->right;
        for (struct note *rest = *place; rest;) {
                if (bytes_compare(rest->op.key, note->op.key) < 0) {
                        *below = rest;
                        below = &rest->right;
                        rest = rest->right;
                } else {
                        *above = rest;
                        above = &rest->left;
                        rest = rest->left;
                }
        }
        *below = *above = NULL;
        *place = note;
        notes->count++;
}

static void tree_remove(struct notes *notes, struct note_tree *tree, struct bytes key) {
        struct note **place = find_place(tree, key), *old = *place, *below, *above;

        if (!old)
                return;
        below = old->left;
        above = old->right;
        while (below && above) {
                if (below->priority >= above->priority) {
                        *place = below;
                        place = &below->right;
                        below = below->right;
                } else {
                        *place = above;
                        place = &above->left;
                        above = above->left;
                }
        }
        *place = below ? below : above;
        free_note(notes, old);
        notes->count--;
}

static void tree_clear(struct notes *notes, struct note_tree *tree) {
        struct note *note = tree->root;

        while (note) {
                struct note *next = note->left;

                if (next) {
                        note->left = next->right;
                        next->right = note;
                } else {
                        next = note->right;
                        free_note(notes, note);
                }
                note = next;
        }
        tree->root = NULL;
}

const struct note *notes_find(const struct note_tree *tree, struct bytes key) {
        const struct note *note = tree->root;
        int order;

        while (note && (order = bytes_compare(key, note->op.key)) != 0)
                note = order < 0 ? note->left : note->right;
        return note;
}

const struct note *notes_above(const struct note_tree *tree, const struct bytes *key) {
        const struct note *found = NULL;

        for (const struct note *note = tree->root; note;) {
                if (!key || bytes_compare(note->op.key, *key) > 0) {
                        found = note;
                        note = note->left;
                } else {
                        note = note->right;
                }
        }
        return found;
}

struct notes_watch *notes_find_watch(const struct notes *notes, struct bytes name) {
        struct notes_watch *watch = notes->watches;

        while (watch && !bytes_equal(bytes_of_string(watch->name), name))
                watch = watch->next;
        return watch;
}

static int check_name(struct bytes name) {
        if (name.size == 0 || memchr(name.data, '\0', name.size))
                return -EINVAL;
        return name.size > NOTES_NAME_MAX ? -ENAMETOOLONG : 0;
}

/* A watch without notes costs nothing and may stay. */
static int make_watch(struct notes *notes, struct bytes name, struct notes_watch **ret) {
        struct notes_watch **place = &notes->watches, *watch;
        size_t count = 0;

        while (*place && bytes_compare(bytes_of_string((*place)->name), name) < 0)
                place = &(*place)->next;
        if (*place && bytes_equal(bytes_of_string((*place)->name), name)) {
                *ret = *place;
                return 0;
        }
        for (watch = notes->watches; watch; watch = watch->next)
                count++;
        if (count >= NOTES_WATCHES_MAX)
                return -ENOBUFS;
        watch = calloc(1, sizeof(*watch) + name.size + 1);
        if (!watch)
                return -ENOMEM;
        memcpy(watch->name, name.data, name.size);
        watch->next = *place;
        *place = *ret = watch;
        return 0;
}

static bool is_staged(const struct notes *notes, const struct notes_watch *watch) {
        for (const struct note *note = notes->staged; note; note = note->next)
                if (note->watch == watch)
                        return true;
        return false;
}

static int stage_watch(struct notes *notes, const struct note_op *op) {
        _cleanup_free_ struct field *fields = NULL;
        struct notes_watch *watch;
        int r;

        r = fields_decode(op->value, &fields);
        if (r == 0)
                r = make_watch(notes, op->name, &watch);
        if (r < 0)
                return r == -EBADMSG ? -EINVAL : r;
        if (watch->fields && fields_compatible(watch->fields, fields))
                return 0;
        if (watch->fields && (watch->records.root || is_staged(notes, watch)))
                return -ENOBUFS;
        free(watch->fields);
        watch->fields = TAKE_PTR(fields);
        watch->written = false;
        return 0;
}

static int check_record(const struct note_op *op, const struct notes_watch *watch) {
        _cleanup_buffer_ struct buffer scratch = BUFFER_NULL;
        struct record record;
        int r;

        if (op->key.size > LONG_KEYS_MAX)
                return -ENAMETOOLONG;
        if (op->kind != NOTE_PUT)
                return op->value.size == 0 ? 0 : -EINVAL;
        if (!watch->fields)
                return -EINVAL;
        r = record_decode(op->value, op->key, watch->fields, &scratch, &record);
        return r == -EBADMSG ? -EINVAL : r;
}

static int check_number(const struct notes *notes, const struct note_op *op) {
        uint64_t number;

        if (op->name.size || op->key.size != sizeof(number))
                return -EINVAL;
        number = notes_number(op->key);
        if (op->kind == NOTE_ALERTED)
                return op->value.size == 0 && number < notes->next_number ? 0 : -EINVAL;
        if (number < notes->next_number || number >= NUMBER_MAX)
                return -EINVAL;
        return op->value.size > 0 && op->value.data[0] >= OUTBOX_LEDGER && op->value.data[0] <= OUTBOX_SENTENCE ? 0 : -EINVAL;
}

static int check(struct notes *notes, const struct note_op *op, struct notes_watch **ret_watch) {
        int r;

        switch (op->kind) {
        case NOTE_PUT:
        case NOTE_REMOVE:
        case NOTE_FORGET:
                r = check_name(op->name);
                if (r == 0)
                        r = make_watch(notes, op->name, ret_watch);
                return r < 0 ? r : check_record(op, *ret_watch);
        case NOTE_FACT:
                r = check_name(op->key);
                return r < 0 ? r : op->name.size || op->key.data[0] == '.' ? -EINVAL : 0;
        case NOTE_FILE:
        case NOTE_ALERTED:
                return check_number(notes, op);
        case NOTE_WATCH:
        default:
                return -EINVAL;
        }
}

static struct bytes copy_into(uint8_t **place, struct bytes from) {
        uint8_t *to = *place;

        if (from.size)
                memcpy(to, from.data, from.size);
        *place += from.size;
        return bytes_of(to, from.size);
}

int notes_stage(struct notes *notes, const struct note_op *op) {
        struct notes_watch *watch = NULL;
        struct note *note;
        uint8_t *place;
        size_t size;
        int r;

        if (op->kind == NOTE_WATCH) {
                r = check_name(op->name);
                return r < 0 ? r : op->key.size ? -EINVAL : stage_watch(notes, op);
        }
        r = check(notes, op, &watch);
        if (r < 0)
                return r;
        size = sizeof(*note) + op->key.size;
        if (op->value.size > NOTES_SIZE_MAX || notes->size + size + op->value.size > NOTES_SIZE_MAX)
                return -ENOBUFS;
        note = malloc(size + op->value.size);
        if (!note)
                return -ENOMEM;
        *note = (struct note){ .watch = watch };
        place = note->data;
        note->op.kind = op->kind;
        note->op.key = copy_into(&place, op->key);
        note->op.value = copy_into(&place, op->value);
        if (watch)
                note->op.name = bytes_of_string(watch->name);
        if (!notes->staged)
                notes->end = &notes->staged;
        *notes->end = note;
        notes->end = &note->next;
        notes->size += note_size(note);
        if (op->kind == NOTE_FILE)
                notes->next_number = notes_number(op->key) + 1;
        return 0;
}

int notes_stage_payload(struct notes *notes, struct bytes payload) {
        struct note_op op;
        int r;

        while ((r = note_op_decode(&payload, &op)) > 0) {
                r = notes_stage(notes, &op);
                if (r < 0)
                        break;
        }
        if (r < 0) {
                notes_drop(notes);
                return r == -ENOMEM ? r : -EBADMSG;
        }
        return 0;
}

int notes_encode(const struct notes *notes, struct buffer *payload) {
        _cleanup_buffer_ struct buffer fields = BUFFER_NULL;

        for (const struct notes_watch *watch = notes->watches; watch; watch = watch->next) {
                struct note_op op = { .kind = NOTE_WATCH, .name = bytes_of_string(watch->name) };

                if (watch->written || !watch->fields || !is_staged(notes, watch))
                        continue;
                buffer_clear(&fields);
                fields_encode(&fields, watch->fields);
                if (buffer_error(&fields) < 0)
                        return -ENOMEM;
                op.value = buffer_bytes(&fields);
                note_op_encode(payload, &op);
        }
        for (const struct note *note = notes->staged; note; note = note->next)
                note_op_encode(payload, &note->op);
        return buffer_error(payload);
}

static void merge(struct notes *notes, struct note *note) {
        switch (note->op.kind) {
        case NOTE_PUT:
        case NOTE_REMOVE:
                tree_put(notes, &note->watch->records, note);
                return;
        case NOTE_FACT:
                tree_put(notes, &notes->facts, note);
                return;
        case NOTE_FILE:
                tree_put(notes, &notes->outbox, note);
                return;
        case NOTE_FORGET:
                tree_remove(notes, &note->watch->records, note->op.key);
                break;
        case NOTE_ALERTED:
                if (notes_number(note->op.key) > notes->alerted)
                        notes->alerted = notes_number(note->op.key);
                break;
        case NOTE_WATCH:
                break;
        }
        free_note(notes, note);
}

void notes_merge(struct notes *notes, bool written) {
        struct note *note = TAKE_PTR(notes->staged), *next;

        for (; note; note = next) {
                next = TAKE_PTR(note->next);
                if (written && note->watch && note->watch->fields)
                        note->watch->written = true;
                merge(notes, note);
        }
}

void notes_drop(struct notes *notes) {
        struct note *note = TAKE_PTR(notes->staged), *next;

        for (; note; note = next) {
                next = note->next;
                free_note(notes, note);
        }
}

void notes_clear(struct notes *notes) {
        notes_drop(notes);
        while (notes->watches) {
                struct notes_watch *watch = notes->watches;

                notes->watches = watch->next;
                tree_clear(notes, &watch->records);
                free(watch->fields);
                free(watch);
        }
        tree_clear(notes, &notes->facts);
        tree_clear(notes, &notes->outbox);
        notes->count = 0;
}

void notes_done(struct notes *notes) {
        notes_clear(notes);
}
