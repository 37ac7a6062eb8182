/* bpf.c - loaded BPF programs, maps and links, by id, with where they are pinned and who holds them.
 * An id is not used twice before 2^31 others were, so what does not change over an object's life is asked once. */
#include "bpf.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "bpf-object.h"
#include "bpf-places.h"
#include "delta.h"
#include "fd.h"
#include "host.h"

enum {
        BPF_OBJECT,
        BPF_ID,
        BPF_NAME,
        BPF_TYPE,
        BPF_TAG,
        BPF_LOAD_TIME,
        BPF_USER_ID,
        BPF_ATTACH_TARGET,
        BPF_LINK_PROGRAM,
        BPF_MAPS,
        BPF_PINNED,
        BPF_HOLDERS,
};

static const struct field bpf_fields[] = {
        [BPF_OBJECT] = { "object", NULL, FIELD_TEXT, 0 },
        [BPF_ID] = { "id", NULL, FIELD_NUMBER, 0 },
        [BPF_NAME] = { "name", NULL, FIELD_TEXT, 0 },
        [BPF_TYPE] = { "type", NULL, FIELD_TEXT, 0 },
        [BPF_TAG] = { "tag", NULL, FIELD_TEXT, 0 },
        /* the kernel counts from boot, and setting the clock moves the boot */
        [BPF_LOAD_TIME] = { "load_time", NULL, FIELD_TIME, FIELD_QUIET },
        [BPF_USER_ID] = { "user_id", NULL, FIELD_IDENTIFIER, 0 },
        [BPF_ATTACH_TARGET] = { "attach_target", NULL, FIELD_TEXT, 0 },
        [BPF_LINK_PROGRAM] = { "program", NULL, FIELD_NUMBER, 0 },
        /* libbpf binds one more to a program that is already loaded */
        [BPF_MAPS] = { "maps", NULL, FIELD_TEXT, FIELD_QUIET },
        [BPF_PINNED] = { "pinned", NULL, FIELD_TEXT, 0 },
        [BPF_HOLDERS] = { "holders", NULL, FIELD_TEXT, FIELD_QUIET },
        { 0 },
};

static const enum bpf_kind kinds[] = { BPF_LINK, BPF_MAP, BPF_PROGRAM }; /* in the order of keys */

enum {
        KEY_SIZE = 5,                   /* kind; id, big-endian */
        LOADERS = 16,
        NAME_MAX_BYTES = 15,            /* of what the kernel keeps of a program's name; its symbol's may be longer */
};

struct loader {
        uint32_t program, pid;
};

struct bpf_state {
        const struct host *host;        /* borrowed */
        struct bpf_object *objects;     /* the first n_sorted by kind and id, what is new behind them */
        size_t count, n_sorted, capacity;
        struct bpf_pins pins;
        struct buffer text;
        struct loader loaders[LOADERS]; /* who loaded the newest programs, and so most likely holds them; 0: nobody */
        size_t next_loader;
        /* of the record that recognize() made */
        uint8_t key[KEY_SIZE];
        char tag[17], type[BPF_TYPE_PLACE];
};

static void bpf_close(void *data) {
        struct bpf_state *state = data;

        if (!state)
                return;
        for (size_t i = 0; i < state->count; i++)
                bpf_object_done(&state->objects[i]);
        free(state->objects);
        bpf_pins_done(&state->pins);
        buffer_done(&state->text);
        free(state);
}

static int bpf_open(const struct watch_settings *settings, const struct host *host, void **ret_state) {
        struct bpf_state *state = calloc(1, sizeof(*state));

        (void)settings;
        if (!state)
                return -ENOMEM;
        state->host = host;
        state->pins = BPF_PINS_NULL;
        *ret_state = state;
        return 0;
}

static int append_object(struct bpf_state *state, struct bpf_object *object) {
        if (state->count == state->capacity) {
                size_t capacity = state->capacity ? state->capacity * 2 : 32;
                struct bpf_object *objects = reallocarray(state->objects, capacity, sizeof(*objects));

                if (!objects)
                        return -ENOMEM;
                state->objects = objects;
                state->capacity = capacity;
        }
        state->objects[state->count++] = *object;
        return 0;
}

/* A program or map known by its id is what it was. A link is asked again: its program can be replaced, and what it
 * hangs on can go. 0, also if it went meanwhile. */
static int look_at(struct bpf_state *state, enum bpf_kind kind, uint32_t id) {
        struct bpf_object *known = bpf_object_find(state->objects, state->n_sorted, kind, id), object;
        _cleanup_close_ int fd = -1;
        int r;

        if (known && kind != BPF_LINK) {
                known->seen = true;
                return 0;
        }
        fd = bpf_open_id(kind, id);
        if (fd < 0) /* EAGAIN: a link that is being made */
                return fd == -ENOENT || fd == -EAGAIN ? 0 : fd;
        r = bpf_object_read(kind, fd, &object);
        if (r < 0)
                return r;
        object.seen = true;
        if (known) {
                object.holders = TAKE_PTR(known->holders);
                bpf_object_done(known);
                *known = object;
                return 0;
        }
        object.wants_holders = true;
        r = append_object(state, &object);
        if (r < 0)
                bpf_object_done(&object);
        return r;
}

/* 0, or why they cannot be listed. */
static int look_at_all(struct bpf_state *state, enum bpf_kind kind) {
        uint32_t id = 0;
        int r;

        for (;;) {
                r = bpf_next_id(kind, id, &id);
                if (r == -ENOENT)
                        return 0;
                if (r >= 0)
                        r = look_at(state, kind, id);
                if (r < 0)
                        return r;
        }
}

static void forget_unseen(struct bpf_state *state) {
        size_t kept = 0;

        for (size_t i = 0; i < state->count; i++) {
                if (state->objects[i].seen)
                        state->objects[kept++] = state->objects[i];
                else
                        bpf_object_done(&state->objects[i]);
        }
        state->count = kept;
}

/* loader: who holds what is new, if that is known; 0: anybody may. */
static int settle(struct bpf_state *state, uint32_t loader) {
        bool found_new = state->count > state->n_sorted;
        int r = 0;

        forget_unseen(state);
        if (found_new)
                qsort(state->objects, state->count, sizeof(*state->objects), bpf_object_compare);
        state->n_sorted = state->count;
        if (found_new)
                r = loader ? bpf_find_holders_in(state->host, loader, state->objects, state->count)
                           : bpf_find_holders(state->host, state->objects, state->count);
        for (size_t i = 0; i < state->count; i++)
                state->objects[i].wants_holders = false;
        return r == -ENOMEM ? r : 0; /* without proc nobody is seen to hold them */
}

/* Fails half-way: what was found stays known, sorted, and is looked at again. */
static int list_objects(struct bpf_state *state, struct collector *collector) {
        int r = 0;

        for (size_t i = 0; i < state->count; i++)
                state->objects[i].seen = false;
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                r = look_at_all(state, kinds[i]);
                if (r == -EINVAL && kinds[i] == BPF_LINK) { /* before Linux 5.8 */
                        collector->condition(collector, "this kernel does not list BPF links");
                        r = 0;
                }
                if (r < 0)
                        break;
        }
        if (r < 0)
                for (size_t i = 0; i < state->count; i++)
                        state->objects[i].seen = true;
        if (settle(state, 0) < 0)
                return -ENOMEM;
        return r;
}

/* One object, whatever others there are. It is opened even if it is known: a program that is being freed is still listed for a
 * moment, but cannot be opened any more. */
static int look_at_one(struct bpf_state *state, enum bpf_kind kind, uint32_t id) {
        struct bpf_object *known = bpf_object_find(state->objects, state->n_sorted, kind, id);
        _cleanup_close_ int fd = bpf_open_id(kind, id);
        uint32_t loader = 0;
        int r = 0;

        for (size_t i = 0; i < state->count; i++)
                state->objects[i].seen = true;
        if (fd >= 0)
                r = look_at(state, kind, id);
        else if (fd != -ENOENT && fd != -EAGAIN)
                r = fd;
        else if (known)
                known->seen = false;
        for (size_t i = 0; i < LOADERS && kind == BPF_PROGRAM; i++)
                if (state->loaders[i].program == id)
                        loader = state->loaders[i].pid;
        if (settle(state, loader) < 0)
                return -ENOMEM;
        return r;
}

static uint64_t wall_clock_of(uint64_t since_boot_ns) {
        struct timespec now = { 0 }, boot = { 0 };

        (void)clock_gettime(CLOCK_REALTIME, &now);
        (void)clock_gettime(CLOCK_BOOTTIME, &boot);
        return ((uint64_t)now.tv_sec - (uint64_t)boot.tv_sec) * 1000000000 + (uint64_t)now.tv_nsec -
               (uint64_t)boot.tv_nsec + since_boot_ns;
}

static struct value text_or_absent(const char *text) {
        return text && *text ? value_string(text) : (struct value){ .present = false };
}

static void make_key(enum bpf_kind kind, uint32_t id, uint8_t ret[KEY_SIZE]) {
        ret[0] = (uint8_t)kind;
        for (int i = 0; i < 4; i++)
                ret[1 + i] = (uint8_t)(id >> (24 - 8 * i));
}

static bool parse_key(struct bytes key, enum bpf_kind *ret_kind, uint32_t *ret_id) {
        if (key.size != KEY_SIZE)
                return false;
        *ret_id = 0;
        for (int i = 0; i < 4; i++)
                *ret_id = *ret_id << 8 | key.data[1 + i];
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (key.data[0] == (uint8_t)kinds[i]) {
                        *ret_kind = kinds[i];
                        return true;
                }
        return false;
}

static bool is_within(struct bytes key, struct bytes within) {
        return within.size == 0 || (bytes_starts_with(key, within) &&
                                    (key.size == within.size || key.data[within.size] == '\0'));
}

static int emit(struct bpf_state *state, struct bytes within, struct collector *collector,
                const struct bpf_object *object) {
        uint8_t key[KEY_SIZE];
        struct record record = { 0 };
        char place[BPF_TYPE_PLACE];

        make_key(object->kind, object->id, key);
        record.key = bytes_of(key, sizeof(key));
        if (!is_within(record.key, within))
                return 0;

        buffer_clear(&state->text);
        bpf_pins_of(&state->pins, object->kind, object->id, &state->text);
        if (buffer_error(&state->text) < 0)
                return -ENOMEM;

        record.values[BPF_OBJECT] = value_string(bpf_kind_name(object->kind));
        record.values[BPF_ID] = value_number(object->id);
        record.values[BPF_NAME] = text_or_absent(object->name);
        record.values[BPF_TYPE] = value_string(bpf_type_name(object->kind, object->type, place));
        record.values[BPF_TAG] = text_or_absent(object->tag);
        if (object->loaded_ns)
                record.values[BPF_LOAD_TIME] = value_number(wall_clock_of(object->loaded_ns));
        if (object->has_user_id)
                record.values[BPF_USER_ID] = value_number(object->user_id);
        record.values[BPF_ATTACH_TARGET] = text_or_absent(object->target);
        if (object->program)
                record.values[BPF_LINK_PROGRAM] = value_number(object->program);
        record.values[BPF_MAPS] = text_or_absent(object->maps);
        if (state->text.size)
                record.values[BPF_PINNED] = value_bytes(buffer_bytes(&state->text));
        record.values[BPF_HOLDERS] = text_or_absent(object->holders);
        return collector->record(collector, &record);
}

static int unavailable(struct collector *collector, const char *why) {
        collector->condition(collector, why);
        return WATCH_E_UNAVAILABLE;
}

static int bpf_collect(void *data, const struct collect_request *request, struct collector *collector) {
        struct bpf_state *state = data;
        enum bpf_kind kind;
        uint32_t id;
        int r;

        if (!state->host->live)
                return unavailable(collector,
                                   "BPF objects are only known to the running kernel, not to a tree of files");
        r = parse_key(request->within, &kind, &id) ? look_at_one(state, kind, id) : list_objects(state, collector);
        if (r == -EPERM || r == -EACCES)
                return unavailable(collector, "BPF objects may not be listed: CAP_SYS_ADMIN is missing");
        if (r == -ENOSYS || r == -EINVAL)
                return unavailable(collector, "this kernel does not list BPF objects");
        if (r < 0)
                return r;
        r = bpf_pins_read(&state->pins, state->host);
        if (r == -ENOENT || r == -EACCES || r == -EPERM || r == -EBADF) /* no proc, or not for us */
                collector->condition(collector, "pinned BPF objects cannot be found: the mounts cannot be read");
        else if (r < 0)
                return r;
        else if (state->pins.refused)
                collector->condition(collector, "some pinned BPF objects may not be opened");

        for (size_t i = 0; i < state->count; i++) {
                r = emit(state, request->within, collector, &state->objects[i]);
                if (r < 0)
                        return r;
        }
        return WATCH_OK;
}

static int bpf_recognize(void *data, const struct delta *delta, struct record *ret) {
        const struct bpf_program_facts *program = &delta->bpf_program;
        struct bpf_state *state = data;
        struct bytes name = program->name;

        if (delta->subject != DELTA_BPF_PROGRAM || program->id == 0)
                return 0;
        make_key(BPF_PROGRAM, program->id, state->key);
        (void)snprintf(state->tag, sizeof(state->tag), "%016llx", (unsigned long long)program->tag);
        if (name.size > NAME_MAX_BYTES)
                name.size = NAME_MAX_BYTES;

        *ret = (struct record){ .key = bytes_of(state->key, sizeof(state->key)) };
        ret->values[BPF_OBJECT] = value_string(bpf_kind_name(BPF_PROGRAM));
        ret->values[BPF_ID] = value_number(program->id);
        if (name.size)
                ret->values[BPF_NAME] = value_bytes(name);
        if (program->type)
                ret->values[BPF_TYPE] = value_string(bpf_type_name(BPF_PROGRAM, program->type, state->type));
        if (program->tag)
                ret->values[BPF_TAG] = value_string(state->tag);
        if (delta->kind == DELTA_APPEARED) {
                if (delta->at_ns)
                        ret->values[BPF_LOAD_TIME] = value_number(delta->at_ns);
                if (delta->origin.known)
                        state->loaders[state->next_loader++ % LOADERS] =
                                (struct loader){ .program = program->id, .pid = delta->origin.pid };
        }
        return 1;
}

/* What was never looked at has no type and no user. */
static const struct action appeared_program = {
        "bpf-program-loaded", "driver", "start", SEVERITY_HIGH, false,
        "BPF program {id}{name? {name}} ({type?{type}, }tag {tag}) was loaded{user_id? by user {user_id}}"
        "{holders?, held by {holders}}{pinned?, pinned at {pinned}}"
};

static const struct action appeared_map = {
        "bpf-map-created", "driver", "start", SEVERITY_HIGH, false,
        "BPF map {id}{name? {name}} ({type}) was created{holders?, held by {holders}}{pinned?, pinned at {pinned}}"
};

static const struct action appeared_link = {
        "bpf-link-attached", "driver", "start", SEVERITY_HIGH, false,
        "BPF program {program} was attached by link {id} ({type}{attach_target?: {attach_target}})"
        "{holders?, held by {holders}}{pinned?, pinned at {pinned}}"
};

static const struct action vanished_program = {
        "bpf-program-unloaded", "driver", "end", SEVERITY_HIGH, false,
        "BPF program {id}{name? {name}} ({type?{type}, }tag {tag}) was unloaded"
};

static const struct action vanished_map = {
        "bpf-map-removed", "driver", "end", SEVERITY_HIGH, false, "BPF map {id}{name? {name}} ({type}) was removed"
};

static const struct action vanished_link = {
        "bpf-link-detached", "driver", "end", SEVERITY_HIGH, false,
        "BPF program {program} was detached: link {id} ({type}{attach_target?: {attach_target}}) is gone"
};

static const struct action pinned_object = {
        "bpf-object-pinned", "driver", "change", SEVERITY_HIGH, false,
        "BPF {object} {id}{name? {name}} ({type}) is now pinned at {pinned}"
};

static const struct action unpinned_object = {
        "bpf-object-unpinned", "driver", "change", SEVERITY_HIGH, false,
        "BPF {object} {id}{name? {name}} ({type}) was unpinned{pinned?, and is still pinned at {pinned}}"
};

/* More names than before: pinned; fewer: unpinned; as many but others: moved, which pins it anew. */
static const struct action *classify_pins(const struct value *before, const struct value *after) {
        size_t was = before->present ? before->bytes.size : 0, now = after->present ? after->bytes.size : 0;

        if (was == now && (was == 0 || bytes_equal(before->bytes, after->bytes)))
                return NULL;
        return now >= was ? &pinned_object : &unpinned_object;
}

static const struct action *bpf_classify(const struct change *change) {
        const struct value *object = &change_record(change)->values[BPF_OBJECT];
        bool program, map;

        if (change->kind == CHANGE_CHANGED)
                return classify_pins(&change->before->values[BPF_PINNED], &change->after->values[BPF_PINNED]);
        program = object->present && bytes_equal(object->bytes, bytes_of_string("program"));
        map = object->present && bytes_equal(object->bytes, bytes_of_string("map"));
        if (change->kind == CHANGE_APPEARED)
                return program ? &appeared_program : map ? &appeared_map : &appeared_link;
        return program ? &vanished_program : map ? &vanished_map : &vanished_link;
}

static const struct column kernmodchk_columns[] = {
        { .before = "bpf ", .field = "object", .width = 7 },
        { .before = " ", .field = "id" },
        { .before = " type=", .field = "type" },
        { .before = " name=", .field = "name" },
        { .before = " tag=", .field = "tag" },
        { .before = " uid=", .field = "user_id" },
        { .before = " program=", .field = "program" },
        { .before = " target=", .field = "attach_target" },
        { .before = " pinned=", .field = "pinned" },
        { 0 },
};

static const struct document kernmodchk = {
        .name = "kernmodchk",
        .columns = kernmodchk_columns,
};

const struct watch watch_bpf = {
        .kind = "bpf",
        .noun = "BPF object",
        .sensor = "bpf(2)",
        .dataset = "kernel",
        .fields = bpf_fields,
        .label = "{object} {id}{name? {name}}",
        .priority = PRIORITY_HIGH,
        .built_in = true,
        .light = true,
        .can_look_within = true,
        .subjects = 1U << DELTA_BPF_PROGRAM,
        .appeared = { "bpf-object-created", "driver", "start", SEVERITY_HIGH, false,
                      "BPF {object} {id} ({type}) appeared" },
        .vanished = { "bpf-object-removed", "driver", "end", SEVERITY_HIGH, false,
                      "BPF {object} {id} ({type}) vanished" },
        .changed = { "bpf-object-changed", "driver", "change", SEVERITY_HIGH, false, NULL },
        .classify = bpf_classify,
        .title_changed = "Possible change in kernel module or BPF/eBPF detected! Diff:",
        .title_quiet = "No changes in kernel modules or BPF/eBPF detected.",
        .document = &kernmodchk,
        .open = bpf_open,
        .collect = bpf_collect,
        .recognize = bpf_recognize,
        .close = bpf_close,
};
