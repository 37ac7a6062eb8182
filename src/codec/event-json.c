#include "event-json.h"

#include "actor-json.h"
#include "json.h"
#include "sentence.h"
#include "timestamp.h"
#include "uuid.h"

/* What one event is written with. The buffers are truncated, never cleared: their failure stays to be seen. */
struct writer {
        struct json *json;      /* borrowed */
        struct buffer path, text;
};

static void writer_done(struct writer *writer) {
        buffer_done(&writer->path);
        buffer_done(&writer->text);
}

static struct bytes as_text(struct writer *writer, const struct field *field, const struct value *value) {
        struct timespec at;

        buffer_truncate(&writer->text, 0);
        if (field->kind == FIELD_TIME) {
                at = timestamp_of_ns(value->number);
                timestamp_utc(&writer->text, &at);
        } else {
                sentence_value(&writer->text, field, value);
        }
        return buffer_bytes(&writer->text);
}

static void append_words(struct json *json, const char *path, struct bytes words) {
        for (struct bytes word; words_next(&words, &word);)
                json_append(json, path, word);
}

/* A newline would be escaped as what it is in a name. */
static void append_lines(struct json *json, const char *path, struct bytes lines) {
        for (size_t at = 0; at < lines.size;) {
                const uint8_t *start = lines.data + at, *end = memchr(start, '\n', lines.size - at);
                size_t length = end ? (size_t)(end - start) : lines.size - at;

                json_append(json, path, bytes_of(start, length));
                at += length + 1;
        }
}

static void add_value(struct writer *writer, const char *path, const struct field *field, const struct value *value) {
        if (!value->present)
                return;
        switch (field->kind) {
        case FIELD_TEXT:
                json_add_string(writer->json, path, value->bytes);
                break;
        case FIELD_SET:
                append_words(writer->json, path, value->bytes);
                break;
        case FIELD_NUMBER:
                json_add_number(writer->json, path, value->number);
                break;
        case FIELD_FLAG:
                json_add_bool(writer->json, path, value->number != 0);
                break;
        case FIELD_IDENTIFIER:
        case FIELD_MODE:
        case FIELD_TIME:
        case FIELD_DIGEST:
                json_add_string(writer->json, path, as_text(writer, field, value));
                break;
        }
}

/* ECS gathers what people pivot on under related.*. */
static void add_related(struct writer *writer, const char *path, const struct field *field, const struct value *value) {
        if (!value->present)
                return;
        if (field->kind == FIELD_DIGEST)
                json_append(writer->json, "related.hash", as_text(writer, field, value));
        else if (!path || field->kind != FIELD_TEXT || value->bytes.size == 0)
                return;
        else if (strcmp(path, "user.name") == 0)
                json_append(writer->json, "related.user", value->bytes);
        else if (strcmp(path, "source.ip") == 0 || strcmp(path, "destination.ip") == 0)
                json_append(writer->json, "related.ip", value->bytes);
}

static const char *path_under(struct writer *writer, size_t prefix, const char *name, const char *suffix) {
        buffer_truncate(&writer->path, prefix);
        buffer_append_string(&writer->path, name);
        if (suffix)
                buffer_append_string(&writer->path, suffix);
        return buffer_string(&writer->path);
}

static void add_record(struct writer *writer, const char *dataset, const struct change *change) {
        const struct record *record = change_record(change);
        size_t prefix;

        buffer_truncate(&writer->path, 0);
        buffer_append_string(&writer->path, "nephronix.");
        buffer_append_string(&writer->path, dataset);
        buffer_append_byte(&writer->path, '.');
        prefix = writer->path.size;

        for (size_t i = 0; change->fields[i].name; i++) {
                const struct field *field = &change->fields[i];

                if (!record->values[i].present || field->flags & (FIELD_LOOKED | FIELD_HIDDEN))
                        continue;
                add_value(writer, field->ecs ? field->ecs : path_under(writer, prefix, field->name, NULL), field,
                          &record->values[i]);
                add_related(writer, field->ecs, field, &record->values[i]);
        }
}

static void add_differences(struct writer *writer, const struct change *change) {
        size_t prefix;

        buffer_truncate(&writer->path, 0);
        buffer_append_string(&writer->path, "nephronix.change.");
        prefix = writer->path.size;

        for (size_t i = 0; change->fields[i].name; i++) {
                const struct field *field = &change->fields[i];
                const struct value *before = &change->before->values[i], *after = &change->after->values[i];

                if (field->flags & (FIELD_QUIET | FIELD_LOOKED) || value_equal(field, before, after))
                        continue;
                add_value(writer, path_under(writer, prefix, field->name, ".after"), field, after);
                add_value(writer, path_under(writer, prefix, field->name, ".before"), field, before);
                add_related(writer, field->ecs, field, before);
        }
}

static uint64_t syslog_severity(enum severity severity) {
        switch (severity) {
        case SEVERITY_INFO:
                return 6;
        case SEVERITY_LOW:
                return 5;
        case SEVERITY_MEDIUM:
                return 4;
        case SEVERITY_HIGH:
                return 3;
        case SEVERITY_CRITICAL:
                return 2;
        }
        return 6;
}

static void add_moment(struct writer *writer, const char *path, uint64_t ns) {
        const struct field field = { .name = "", .kind = FIELD_TIME };

        if (ns)
                json_add_string(writer->json, path, as_text(writer, &field, &(struct value){ .present = true, .number = ns }));
}

static bool is_many(const struct event *event) {
        return event->count > 1 || event->packages;
}

/* What every event has. The paths stand in the order in which they come out: that spares sorting them. */
static void add_common(struct writer *writer, const struct event *event, const struct event_host *host,
                       const char *dataset) {
        const struct action *action = event->action;
        struct json *json = writer->json;
        char uuid[UUID_TEXT_SIZE];

        buffer_truncate(&writer->text, 0);
        timestamp_utc(&writer->text, &event->at);
        json_add_string(json, "@timestamp", buffer_bytes(&writer->text));
        json_add_text(json, "agent.type", "nephronix");
        json_add_text(json, "agent.version", host->version);
        json_add_text(json, "ecs.version", "8.17.0");
        if (action) {
                json_add_text(json, "event.action", action->action);
                append_words(json, "event.category", bytes_of_string(action->category));
        }
        buffer_truncate(&writer->text, 0);
        buffer_append_string(&writer->text, "nephronix.");
        buffer_append_string(&writer->text, dataset);
        json_add_string(json, "event.dataset", buffer_bytes(&writer->text));
        add_moment(writer, "event.end", is_many(event) ? event->last_ns : 0);
        uuid_format(event->id, uuid);
        json_add_text(json, "event.id", uuid);
        json_add_text(json, "event.kind", event->severity >= SEVERITY_HIGH && !event->quiet ? "alert" : "event");
        json_add_text(json, "event.module", "nephronix");
        json_add_text(json, "event.provider", event->sensor);
        json_add_number(json, "event.sequence", event->sequence);
        json_add_number(json, "event.severity", (uint64_t)event->severity);
        add_moment(writer, "event.start", is_many(event) ? event->first_ns : 0);
        if (action)
                append_words(json, "event.type", bytes_of_string(action->type));
        json_add_text(json, "host.boot.id", host->boot_id);
        json_add_text(json, "host.id", host->machine_id);
        json_add_text(json, "host.name", host->name);
        json_add_number(json, "log.syslog.severity.code", syslog_severity(event->severity));
        buffer_truncate(&writer->text, 0);
        sentence_of_event(&writer->text, event);
        json_add_string(json, "message", buffer_bytes(&writer->text));
        if (event->actor) {
                buffer_truncate(&writer->text, 0);
                sentence_actor(&writer->text, event->actor);
                json_add_string(json, "nephronix.actor", buffer_bytes(&writer->text));
        } else if (event->change) {
                json_add_text(json, "nephronix.actor", "unknown");
        }
        if (is_many(event))
                json_add_number(json, "nephronix.count", event->count);
        uuid_format(event->round, uuid);
        json_add_text(json, "nephronix.round", uuid);
        json_add_text(json, "nephronix.seen_by", event->seen_by);
        json_add_text(json, "nephronix.sensor", event->sensor);
        json_add_text(json, "nephronix.watch", event->watch);
}

static void add_member(struct buffer *buffer, const char *name, struct bytes value) {
        if (value.size == 0)
                return;
        buffer_append_string(buffer, name);
        json_quote(buffer, value);
        buffer_append_byte(buffer, ',');
}

static void add_packages(struct writer *writer, const struct event_packages *packages) {
        struct buffer *text = &writer->text;

        for (size_t i = 0; i < packages->count; i++) {
                const struct event_package *package = &packages->items[i];

                buffer_truncate(text, 0);
                buffer_append_byte(text, '{');
                add_member(text, "\"architecture\":", package->architecture);
                add_member(text, "\"before\":", package->before);
                add_member(text, "\"manager\":", bytes_of_string(package->manager));
                add_member(text, "\"name\":", package->name);
                add_member(text, "\"version\":", package->version);
                add_member(text, "\"what\":", bytes_of_string(package->what));
                buffer_append_string(text, "\"files\":");
                decimal_append(text, package->files);
                buffer_append_byte(text, '}');
                json_append_written(writer->json, "nephronix.packages.list", buffer_bytes(text));
        }
        json_add_number(writer->json, "nephronix.packages.count", packages->all);
        for (size_t i = 0; i < packages->n_paths; i++)
                json_append(writer->json, "nephronix.packages.sample", packages->paths[i]);
        if (packages->links)
                json_add_number(writer->json, "nephronix.packages.links", packages->links);
}

int event_json_write(struct buffer *buffer, struct json *json, const struct event *event,
                     const struct event_host *host) {
        _cleanup_(writer_done) struct writer writer = { .json = json };
        const char *dataset = event->kind ? event->kind->dataset : event->seen_by ? "incidents" : "self";
        int r;

        json_clear(json);
        add_common(&writer, event, host, dataset);
        if (event->change) {
                add_record(&writer, dataset, event->change);
                if (event->change->kind == CHANGE_CHANGED)
                        add_differences(&writer, event->change);
        }
        for (size_t i = 0; i < event->n_facts; i++) {
                struct field field = { .name = "", .kind = event->facts[i].kind };

                if (strcmp(event->facts[i].path, FACT_DIFF) == 0) {
                        append_lines(json, FACT_DIFF, event->facts[i].value.bytes);
                        continue;
                }
                add_value(&writer, event->facts[i].path, &field, &event->facts[i].value);
                add_related(&writer, event->facts[i].path, &field, &event->facts[i].value);
        }
        if (event->packages)
                add_packages(&writer, event->packages);
        actor_json_add(json, event, &writer.text);

        r = buffer_error(&writer.path);
        if (r < 0)
                return r;
        r = buffer_error(&writer.text);
        if (r < 0)
                return r;
        return json_write(json, buffer);
}
