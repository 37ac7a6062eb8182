#include "engine-state.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "disguise.h"
#include "proof.h"
#include "record-codec.h"
#include "rules.h"
#include "timestamp.h"
#include "unified-diff.h"
#include "uuid.h"

int tell_event(struct engine *engine, struct event *event) {
        struct engine_clock *clock = engine->options.clock;
        struct engine_out *out = engine->options.out;
        struct timespec now = clock->realtime(clock);
        int r;

        event->sequence = engine->sequence;
        if (event->at.tv_sec == 0)
                event->at = now;
        memcpy(event->round, engine->round.id, UUID_SIZE);
        clock->random(clock, event->id, UUID_SIZE);
        uuid_make_v7(event->id, &now);
        r = engine->fast ? out->note(out, event) : out->event(out, event);
        if (r < 0)
                return engine_fatal(engine, r); /* also of a batch: it must not be kept without its event */
        engine->sequence++;
        engine->round.events++;
        if (engine->fast) {
                engine->staged_bytes += (size_t)r;
                engine->staged = true;
                engine->high |= event->severity >= SEVERITY_HIGH && !event->quiet;
        }
        return 0;
}

void tell_notice(struct engine *engine, struct slot *slot, const struct action *action, enum severity severity,
                 const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list arguments;
        struct event event = {
                .watch = slot ? slot->watch.settings->name : NULL,
                .action = action,
                .severity = severity,
        };

        va_start(arguments, format);
        if (vasprintf(&message, format, arguments) < 0)
                message = NULL;
        va_end(arguments);
        event.message = message;
        /* A full queue means that no round could be kept for long: what is told then is that one fact. */
        (void)engine_notice(engine, &event);
}

void tell_gap(struct engine *engine, struct event *event) {
        if (!engine->options.unwatched_since_ns)
                return;
        event_add(event, "nephronix.unwatched.since", FIELD_TIME, value_number(engine->options.unwatched_since_ns));
        event_add(event, "nephronix.unwatched.until", FIELD_TIME, value_number(timestamp_to_ns(&engine->round.at)));
}

/* ---- folding ---- */

/* The far end, as the group's destination: a server's clients differ in their port, a client's servers do not. Of a file the folder. */
static struct bytes destination_of(const struct delta *delta, struct bytes key, uint8_t ret[static 20]) {
        const struct connection_facts *connection;
        uint16_t port;

        if (!delta) {
                const uint8_t *end = memrchr(key.data, 0, key.size);

                return bytes_of(key.data, end ? (size_t)(end - key.data) : 0);
        }
        if (delta->subject != DELTA_CONNECTION)
                return BYTES_NULL;
        connection = &delta->connection;
        port = htobe16(connection->inbound ? connection->local_port : connection->remote_port);
        memcpy(ret, connection->remote, 16);
        memcpy(ret + 16, &port, sizeof(port));
        ret[18] = connection->inbound;
        ret[19] = connection->protocol;
        return bytes_of(ret, 20);
}

static struct bytes executable_of(const struct process_facts *facts) {
        return facts ? facts->executable.size ? facts->executable : facts->name : BYTES_NULL;
}

static bool fold(struct engine *engine, struct slot *slot, const struct change *change, const struct action *action,
                 const struct telling *telling) {
        const struct process_facts *process, *parent = NULL;
        struct engine_clock *clock = engine->options.clock;
        uint8_t destination[20];
        struct folding_key key = { .watch = slot->watch.settings->name, .action = action->action };
        _cleanup_buffer_ struct buffer sample = BUFFER_NULL;
        const struct record *record = change_record(change);
        uint16_t key_size = (uint16_t)record->key.size;
        struct timespec now;
        uint64_t at_ns = telling->at_ns;

        process = telling->origin.known ? process_table_find(engine->processes, telling->origin.pid, telling->origin.start_ticks) : NULL;
        if (process && process->parent)
                parent = process_table_parent(engine->processes, process->pid, process->start_ticks);
        key.executable = executable_of(process);
        key.parent_executable = executable_of(parent);
        key.user = process && process->flags & PROCESS_HAS_USERS ? process->user : UINT32_MAX;
        key.destination = destination_of(telling->delta, record->key, destination);
        if (!at_ns) {
                now = clock->realtime(clock);
                at_ns = timestamp_to_ns(&now);
        }
        if (folding_take(engine->folding, &key, at_ns, clock->monotonic_ns(clock)) == FOLDING_TELL)
                return false;
        if (folding_wants_sample(engine->folding)) {
                struct record shown = *record;

                for (size_t i = 0; slot->watch.kind->fields[i].name; i++)
                        if (slot->watch.kind->fields[i].flags & FIELD_HIDDEN)
                                shown.values[i].present = false;
                buffer_append(&sample, &key_size, sizeof(key_size));
                buffer_append_bytes(&sample, record->key);
                record_encode(&sample, slot->watch.kind->fields, &shown);
                if (buffer_error(&sample) == 0)
                        folding_sample(engine->folding, buffer_bytes(&sample));
        }
        return true;
}

static struct slot *slot_named(struct engine *engine, const char *name) {
        for (size_t i = 0; i < engine->n_slots; i++)
                if (strcmp(engine->slots[i].watch.settings->name, name) == 0)
                        return &engine->slots[i];
        return NULL;
}

/* What was counted and not told becomes one event: how many, from when to when, and one of them. */
static int on_group(void *context, const struct folding_group *group) {
        struct engine *engine = context;
        struct slot *slot = slot_named(engine, group->key.watch);
        _cleanup_buffer_ struct buffer scratch = BUFFER_NULL;
        struct record record = { .key = BYTES_NULL };
        struct change change = { .kind = CHANGE_APPEARED };
        struct event event = { .seen_by = "event" };
        struct bytes sample = group->sample;
        uint16_t key_size;

        if (!slot)
                return 0;
        event.watch = slot->watch.settings->name;
        event.kind = slot->watch.kind;
        event.sensor = slot->watch.kind->sensor;
        event.count = group->count;
        event.first_ns = group->first_ns;
        event.last_ns = group->last_ns;
        event.at = timestamp_of_ns(group->last_ns);
        if (sample.size > sizeof(key_size)) {
                memcpy(&key_size, sample.data, sizeof(key_size));
                if (sample.size - sizeof(key_size) > key_size &&
                    record_decode(bytes_of(sample.data + sizeof(key_size) + key_size, sample.size - sizeof(key_size) - key_size),
                                  bytes_of(sample.data + sizeof(key_size), key_size), slot->watch.kind->fields, &scratch,
                                  &record) == 0)
                        event.change = &change;
        }
        change.fields = slot->watch.kind->fields;
        change.after = &record;
        event.action = &slot->watch.kind->appeared;
        if (strcmp(group->key.action, slot->watch.kind->vanished.action) == 0) {
                change = (struct change){ .kind = CHANGE_VANISHED, .fields = change.fields, .before = &record };
                event.action = &slot->watch.kind->vanished;
        }
        event.severity = rules_severity(event.action, slot->watch.settings->priority);
        return tell_event(engine, &event);
}

int tell_folded(struct engine *engine, bool all) {
        return folding_flush(engine->folding, engine_now_ns(engine), all, on_group, engine);
}

/* ---- who ---- */

static size_t append_name(struct engine *engine, uint32_t user, struct buffer *names) {
        struct process_lookup *lookup = engine->options.lookup;
        size_t start = names->size;

        if (lookup && lookup->user_name)
                lookup->user_name(lookup, user, names);
        return names->size - start;
}

bool tell_actor(struct engine *engine, const struct origin *origin, struct buffer *names, struct actor *ret) {
        size_t user = 0, login = 0;

        if (!origin->known || !process_table_actor(engine->processes, origin, engine_now_ns(engine), ret))
                return false;
        if (ret->process.flags & PROCESS_HAS_USERS)
                user = append_name(engine, ret->process.user, names);
        if (ret->process.flags & PROCESS_HAS_LOGIN && ret->process.login_user != LOGIN_USER_UNSET)
                login = append_name(engine, ret->process.login_user, names);
        if (buffer_error(names) == 0) {
                ret->user_name = bytes_of(names->data, user);
                ret->login_name = bytes_of(names->data + user, login);
        }
        return true;
}

/* Numbers of users say little: the names of both, where one gives way to another. */
static void add_owners(struct engine *engine, const struct change *change, struct buffer *names, struct event *event) {
        const struct value *before, *after;
        size_t i = 0, first, second;

        while (change->fields[i].name && !(change->fields[i].flags & FIELD_USER))
                i++;
        if (change->kind != CHANGE_CHANGED || !change->fields[i].name)
                return;
        before = &change->before->values[i];
        after = &change->after->values[i];
        if (!before->present || !after->present || before->number == after->number)
                return;
        first = append_name(engine, (uint32_t)before->number, names);
        second = append_name(engine, (uint32_t)after->number, names);
        if (buffer_error(names) < 0)
                return;
        if (first)
                event_add(event, FACT_OWNER_BEFORE, FIELD_TEXT, value_bytes(bytes_of(names->data, first)));
        if (second)
                event_add(event, FACT_OWNER, FIELD_TEXT, value_bytes(bytes_of(names->data + first, second)));
}

/* ---- what changed in a text ---- */

enum { DIFF_LINES = 2000, DIFF_BYTES = 64 * 1024 };

static int add_diff(const struct change *change, struct buffer *text, struct event *event) {
        _cleanup_buffer_ struct buffer diff = BUFFER_NULL;
        const struct value *before, *after;
        uint64_t more;
        size_t i = 0;
        int r;

        while (change->fields[i].name && !(change->fields[i].flags & FIELD_HIDDEN))
                i++;
        if (change->kind != CHANGE_CHANGED || !change->fields[i].name)
                return 0;
        before = &change->before->values[i];
        after = &change->after->values[i];
        if (!before->present || !after->present || value_equal(&change->fields[i], before, after))
                return 0;
        r = unified_diff_append(&diff, before->bytes, after->bytes);
        if (r < 0)
                return r;
        buffer_append_bytes(text, unified_diff_cut(buffer_bytes(&diff), DIFF_LINES, DIFF_BYTES, &more));
        if (more)
                unified_diff_more(text, more);
        if (buffer_error(text) < 0)
                return -ENOMEM;
        event_add(event, FACT_DIFF, FIELD_TEXT, value_bytes(buffer_bytes(text)));
        return 0;
}

/* ---- disguises ---- */

static const struct value *value_of(const struct field *fields, const struct record *record, const char *name) {
        int index = fields_find(fields, name);

        return index >= 0 && record->values[index].present ? &record->values[index] : NULL;
}

static struct bytes bytes_of_value(const struct field *fields, const struct record *record, const char *name) {
        const struct value *value = record ? value_of(fields, record, name) : NULL;

        return value ? value->bytes : BYTES_NULL;
}

static bool is_flagged(const struct field *fields, const struct record *record, const char *name) {
        const struct value *value = value_of(fields, record, name);

        return value && value->number;
}

/* Of a process that only a look found. What it said of itself before is what the last look found; that the file of its program
 * was deleted is a disguise of what starts, not of what an upgrade left behind. */
static struct process_facts facts_of_change(const struct change *change) {
        const struct field *fields = change->fields;
        struct process_facts facts = {
                .name = bytes_of_value(fields, change->after, "name"),
                .executable = bytes_of_value(fields, change->after, "executable"),
                .command_line = bytes_of_value(fields, change->before ? change->before : change->after, "command_line"),
        };

        if (is_flagged(fields, change->after, "kernel_thread"))
                facts.flags |= PROCESS_KERNEL_THREAD;
        if (is_flagged(fields, change->after, "executable_deleted") &&
            (!change->before || !bytes_equal(bytes_of_value(fields, change->before, "executable"), facts.executable)))
                facts.flags |= PROCESS_DELETED;
        if (change->before && !bytes_equal(bytes_of_value(fields, change->before, "executable"), facts.executable))
                facts.command_line = BYTES_NULL; /* another program's */
        return facts;
}

/* Of a record that is a process: whether that looks like what it is. */
static const char *disguise_of(struct engine *engine, const struct slot *slot, const struct change *change) {
        const struct record *record = change->after;
        const struct process_facts *known;
        struct process_facts found;
        const struct value *pid, *start;

        if (!record || !(slot->watch.kind->subjects & 1u << DELTA_PROCESS))
                return NULL;
        pid = value_of(change->fields, record, "pid");
        start = value_of(change->fields, record, "start_ticks");
        if (!pid || !start)
                return NULL;
        known = process_table_find(engine->processes, (uint32_t)pid->number, start->number);
        if (!known) {
                found = facts_of_change(change);
                known = &found;
        }
        return process_disguise(known, bytes_of_value(change->fields, record, "command_line"));
}

/* ---- a change ---- */

static bool folds(const struct slot *slot, const struct telling *telling, enum severity severity) {
        return telling->may_fold && severity <= SEVERITY_LOW && !slot->watch.settings->full_detail &&
               slot->watch.settings->priority == PRIORITY_LOW;
}

int tell_change(struct engine *engine, struct slot *slot, const struct change *change, const struct telling *telling) {
        const struct watch *kind = slot->watch.kind;
        const struct action *action = rules_action(kind, change);
        enum severity severity = rules_severity(action, slot->watch.settings->priority);
        _cleanup_buffer_ struct buffer names = BUFFER_NULL, owners = BUFFER_NULL, text = BUFFER_NULL;
        const char *disguise;
        struct actor actor;
        struct event event;
        int r;

        r = proof_package(engine, slot, change, action, telling);
        if (r < 0)
                return r;
        disguise = disguise_of(engine, slot, change);
        if (!disguise && folds(slot, telling, severity) && fold(engine, slot, change, action, telling))
                return 0;
        event = (struct event){
                .watch = slot->watch.settings->name,
                .kind = kind,
                .action = action,
                .severity = severity,
                .seen_by = telling->seen_by,
                .sensor = telling->sensor,
                .change = change,
        };
        if (telling->at_ns)
                event.at = timestamp_of_ns(telling->at_ns);
        if (tell_actor(engine, &telling->origin, &names, &actor))
                event.actor = &actor;
        if (telling->proof && telling->proof->run && event.actor && !actor.in_transaction) { /* it ended, and this waited */
                actor.in_transaction = true;
                memcpy(actor.transaction.id, telling->proof->run, sizeof(actor.transaction.id));
                actor.transaction.process = process_table_find(engine->processes, telling->proof->run_manager.pid,
                                                               telling->proof->run_manager.start_ticks);
        }
        if (telling->proof)
                proof_words_add(telling->proof, &event);
        event_add(&event, "nephronix.disguise", FIELD_TEXT, value_string(disguise));
        add_owners(engine, change, &owners, &event);
        r = add_diff(change, &text, &event);
        if (r < 0)
                return r;
        if (telling->gap)
                tell_gap(engine, &event);
        return tell_event(engine, &event);
}
