#include "rounds-text.h"

#include <errno.h>

#include "escape.h"
#include "hunks.h"
#include "sentence.h"
#include "unified-diff.h"

enum {
        SET_PLACES = 16384,
        LINES_MOST = 20000,             /* of a document that is no file: a diff that runs through more costs more than it tells */
        DIFF_LINES = 200,               /* of a text that changed */
        DIFF_BYTES = 16 * 1024,
        JSON_MAX = 4 * 1024 * 1024,     /* what a hook gets of one round */
};

/* The watches that share a title and a document. */
struct group {
        const struct document *document, *statistics;   /* NULL: none */
        const char *title_changed, *title_quiet, *path;
        size_t *members;                /* owned; indices of watches */
        size_t count;
        bool has_file;                  /* documents go to workspace/ */
        struct workspace_document prepared, prepared_statistics;
        struct workspace_mark mark, mark_statistics;
        bool changed, learned, large;
};

/* An event of this round. */
struct told {
        struct rounds_text_told told;
        bool quiet, alerted;
        size_t watch;                   /* index, or SIZE_MAX for nephronix's own */
        size_t sentence, sentence_size, tail_size, json, json_size;
        size_t who_size;                /* of the tail, behind who_mark; 0: it does not say */
};

struct rounds_text {
        struct baseline *baseline;
        const struct engine_watch *watches;
        size_t n_watches;
        int workspace;
        enum severity json_from;
        struct rounds_text_writer writer;
        struct group *groups;
        size_t n_groups;
        size_t *group_index;            /* owned; of each watch */
        struct buffer told, sentences, jsons;
        int file_error;                 /* of this round; a file that cannot be written keeps no event from being told */
};

/* Where the hunks of one document go. */
struct hunks_target {
        struct hunks_out out;
        struct rounds_text *text;
        const struct round *round;
        struct workspace_document *prepared;    /* NULL: no file */
        bool log;                               /* the diff lines go to the log too */
        struct buffer *before, *now;            /* the whole document, where it is told (userchk_stats); NULL */
};

static bool same_group(const struct engine_watch *a, const struct engine_watch *b) {
        const struct document *left = a->kind->document, *right = b->kind->document;

        return left && right && a->kind != b->kind && strcmp(left->name, right->name) == 0;
}

static int build_groups(struct rounds_text *text) {
        text->groups = calloc(text->n_watches + 1, sizeof(*text->groups));
        text->group_index = calloc(text->n_watches + 1, sizeof(*text->group_index));
        if (!text->groups || !text->group_index)
                return -ENOMEM;
        for (size_t i = 0; i < text->n_watches; i++) {
                const struct engine_watch *watch = &text->watches[i];
                struct group *group = NULL;
                size_t *members;

                for (size_t k = 0; k < text->n_groups && !group; k++)
                        if (same_group(&text->watches[text->groups[k].members[0]], watch))
                                group = &text->groups[k];
                if (!group) {
                        group = &text->groups[text->n_groups++];
                        group->document = watch->kind->document;
                        group->statistics = watch->kind->statistics;
                        group->title_changed = watch->kind->title_changed;
                        group->title_quiet = watch->kind->title_quiet;
                        group->path = watch->settings->paths.count ? watch->settings->paths.items[0] : "";
                        group->prepared = group->prepared_statistics = WORKSPACE_DOCUMENT_NULL;
                        /* bootchk is the document of /boot; other trees are told in the log alone */
                        group->has_file = group->document &&
                                          (watch->kind->built_in || strcmp(watch->settings->name, "boot") == 0);
                }
                members = reallocarray(group->members, group->count + 1, sizeof(*members));
                if (!members)
                        return -ENOMEM;
                group->members = members;
                group->members[group->count++] = i;
                text->group_index[i] = (size_t)(group - text->groups);
        }
        return 0;
}

int rounds_text_new(struct baseline *baseline, const struct engine_watch *watches, size_t n_watches, int workspace,
                    enum severity json_from, const struct rounds_text_writer *writer, struct rounds_text **ret) {
        struct rounds_text *text = calloc(1, sizeof(*text));
        int r;

        if (!text)
                return -ENOMEM;
        text->baseline = baseline;
        text->watches = watches;
        text->n_watches = n_watches;
        text->workspace = workspace;
        text->json_from = json_from;
        text->writer = *writer;
        r = build_groups(text);
        if (r < 0) {
                (void)rounds_text_free(text);
                return r;
        }
        *ret = text;
        return 0;
}

struct rounds_text *rounds_text_free(struct rounds_text *text) {
        if (!text)
                return NULL;
        for (size_t i = 0; text->groups && i < text->n_groups; i++) {
                workspace_drop(&text->groups[i].prepared);
                workspace_drop(&text->groups[i].prepared_statistics);
                free(text->groups[i].members);
        }
        free(text->groups);
        free(text->group_index);
        buffer_done(&text->told);
        buffer_done(&text->sentences);
        buffer_done(&text->jsons);
        free(text);
        return NULL;
}

/* ---- events ---- */

static const char who_mark[] = "; who: ";

static size_t told_count(const struct rounds_text *text) {
        return text->told.size / sizeof(struct told);
}

static struct told *told_at(const struct rounds_text *text, size_t index) {
        return (struct told *)(void *)text->told.data + index;
}

static size_t watch_index(const struct rounds_text *text, const char *name) {
        for (size_t i = 0; name && i < text->n_watches; i++)
                if (strcmp(text->watches[i].settings->name, name) == 0)
                        return i;
        return SIZE_MAX;
}

static struct group *group_of(struct rounds_text *text, size_t watch) {
        return &text->groups[text->group_index[watch]];
}

static void drop_from(struct rounds_text *text, uint64_t sequence) {
        while (told_count(text) > 0) {
                struct told *last = told_at(text, told_count(text) - 1);

                if (last->told.sequence < sequence)
                        return;
                buffer_truncate(&text->sentences, last->sentence);
                buffer_truncate(&text->jsons, last->json);
                buffer_truncate(&text->told, text->told.size - sizeof(*last));
        }
}

/* Returns how long the part is that says who. */
static size_t append_tail(struct buffer *buffer, const struct event *event) {
        size_t start, who;

        buffer_append_string(buffer, who_mark);
        start = buffer->size;
        if (event->actor)
                sentence_actor(buffer, event->actor);
        else
                buffer_append_string(buffer, "unknown");
        who = buffer->size - start;
        if (event->seen_by)
                buffer_printf(buffer, "; seen by %s", event->seen_by);
        if (event->seen_by && event->sensor)
                buffer_printf(buffer, " (%s)", event->sensor);
        buffer_printf(buffer, "; %s; event %llu", severity_name(event->severity), (unsigned long long)event->sequence);
        return buffer_error(buffer) < 0 ? 0 : who;
}

static void append_lines(struct buffer *buffer, struct bytes lines) {
        for (size_t at = 0; at < lines.size;) {
                const uint8_t *start = lines.data + at, *end = memchr(start, '\n', lines.size - at);
                size_t length = end ? (size_t)(end - start) : lines.size - at;

                buffer_append_string(buffer, "\n  ");
                escape_append(buffer, bytes_of(start, length));
                at += length + 1;
        }
}

/* What changed in a text: a line each behind the sentence's own. */
static void append_diff(struct buffer *buffer, const struct event *event) {
        for (size_t i = 0; i < event->n_facts; i++) {
                _cleanup_buffer_ struct buffer last = BUFFER_NULL;
                uint64_t more;

                if (strcmp(event->facts[i].path, FACT_DIFF) != 0)
                        continue;
                append_lines(buffer, unified_diff_cut(event->facts[i].value.bytes, DIFF_LINES, DIFF_BYTES, &more));
                if (more)
                        unified_diff_more(&last, more);
                append_lines(buffer, buffer_bytes(&last));
        }
}

static struct bytes who_of(const struct rounds_text *text, const struct told *told) {
        if (!told->who_size)
                return BYTES_NULL;
        return bytes_of(text->sentences.data + told->sentence + told->sentence_size + strlen(who_mark), told->who_size);
}

int rounds_text_event(struct rounds_text *text, const struct event *event, struct bytes json) {
        struct told told = {
                .told = { .sequence = event->sequence, .severity = event->severity },
                .quiet = event->quiet,
                .watch = event->kind || event->action == &engine_baseline_created ? watch_index(text, event->watch) : SIZE_MAX,
        };

        drop_from(text, event->sequence);
        told.sentence = text->sentences.size;
        sentence_of_event(&text->sentences, event);
        told.sentence_size = text->sentences.size - told.sentence;
        if (event->change || event->actor)
                told.who_size = append_tail(&text->sentences, event);
        append_diff(&text->sentences, event);
        told.tail_size = text->sentences.size - told.sentence - told.sentence_size;
        told.json = text->jsons.size;
        if (!event->quiet && event->severity >= text->json_from && text->jsons.size < JSON_MAX) {
                buffer_append_bytes(&text->jsons, json);
                told.json_size = json.size;
        }
        buffer_append(&text->told, &told, sizeof(told));
        if (buffer_error(&text->told) < 0 || buffer_error(&text->sentences) < 0 || buffer_error(&text->jsons) < 0)
                return -ENOMEM;
        return 0;
}

int rounds_text_alerts(struct rounds_text *text, enum severity minimum, uint64_t first_sequence, uint64_t next_sequence,
                       int (*callback)(void *context, const struct rounds_text_told *told, struct bytes sentence,
                                       struct bytes who, struct bytes json),
                       void *context) {
        drop_from(text, next_sequence);
        for (size_t i = 0; i < told_count(text); i++) {
                const struct told *told = told_at(text, i);
                int r;

                if (told->quiet || told->alerted || told->told.severity < minimum || told->told.sequence < first_sequence)
                        continue;
                r = callback(context, &told->told, bytes_of(text->sentences.data + told->sentence, told->sentence_size),
                             who_of(text, told), bytes_of(text->jsons.data + told->json, told->json_size));
                if (r < 0)
                        return r;
        }
        return 0;
}

void rounds_text_alerted(struct rounds_text *text, enum severity minimum) {
        for (size_t i = 0; i < told_count(text); i++)
                if (told_at(text, i)->told.severity >= minimum)
                        told_at(text, i)->alerted = true;
}

/* True if it was there. Open addressing; 0 is a free place. */
static bool enter(uint64_t *places, uint64_t hash) {
        size_t at = hash % SET_PLACES;

        hash |= 1;
        for (size_t tries = 0; tries < SET_PLACES; tries++, at = (at + 1) % SET_PLACES) {
                if (places[at] == hash)
                        return true;
                if (places[at] == 0) {
                        places[at] = hash;
                        return false;
                }
        }
        return true;
}

void rounds_text_alert_once(struct rounds_text *text, uint64_t first_sequence, struct buffer *set) {
        if (set->size == 0)
                buffer_append_fill(set, 0, SET_PLACES * sizeof(uint64_t));
        if (buffer_error(set) < 0)
                return;
        for (size_t i = 0; i < told_count(text); i++) {
                struct told *told = told_at(text, i);
                struct bytes sentence = bytes_of(text->sentences.data + told->sentence, told->sentence_size);

                if (told->told.sequence < first_sequence)
                        continue;
                if (enter((uint64_t *)(void *)set->data, bytes_hash(BYTES_HASH, sentence)))
                        told->alerted = true;
        }
}

/* As it waits in the baseline: this, the watch's name and NUL, the sentence with its tail. */
struct encoded_told {
        uint64_t sequence;
        uint32_t severity, quiet, sentence_size, tail_size, who_size, zero;
};

int rounds_text_encode(const struct rounds_text *text, struct buffer *ret) {
        const struct told *told = told_count(text) ? told_at(text, told_count(text) - 1) : NULL;
        struct encoded_told encoded;

        if (!told)
                return -EINVAL;
        encoded = (struct encoded_told){
                .sequence = told->told.sequence, .severity = (uint32_t)told->told.severity, .quiet = told->quiet,
                .sentence_size = (uint32_t)told->sentence_size, .tail_size = (uint32_t)told->tail_size,
                .who_size = (uint32_t)told->who_size,
        };
        buffer_append(ret, &encoded, sizeof(encoded));
        if (told->watch != SIZE_MAX)
                buffer_append_string(ret, text->watches[told->watch].settings->name);
        buffer_append_byte(ret, 0);
        buffer_append(ret, text->sentences.data + told->sentence, told->sentence_size + told->tail_size);
        return buffer_error(ret);
}

uint64_t rounds_text_encoded_sequence(struct bytes encoded) {
        struct encoded_told told;

        if (encoded.size < sizeof(told))
                return 0;
        memcpy(&told, encoded.data, sizeof(told));
        return told.sequence;
}

int rounds_text_decode(struct rounds_text *text, struct bytes bytes, struct bytes json, uint64_t alerted_up_to) {
        struct encoded_told encoded;
        struct told told = { .sentence = text->sentences.size, .json = text->jsons.size };
        const char *name;
        size_t name_size;

        if (bytes.size < sizeof(encoded))
                return -EBADMSG;
        memcpy(&encoded, bytes.data, sizeof(encoded));
        name = (const char *)bytes.data + sizeof(encoded);
        name_size = strnlen(name, bytes.size - sizeof(encoded));
        if (name_size == bytes.size - sizeof(encoded) || encoded.severity > SEVERITY_CRITICAL ||
            bytes.size - sizeof(encoded) - name_size - 1 != (uint64_t)encoded.sentence_size + encoded.tail_size ||
            (encoded.who_size && strlen(who_mark) + encoded.who_size > encoded.tail_size))
                return -EBADMSG;
        told.told = (struct rounds_text_told){ .sequence = encoded.sequence, .severity = encoded.severity };
        told.quiet = encoded.quiet;
        told.alerted = encoded.sequence <= alerted_up_to;
        told.watch = watch_index(text, name);
        told.sentence_size = encoded.sentence_size;
        told.tail_size = encoded.tail_size;
        told.who_size = encoded.who_size;
        buffer_append(&text->sentences, name + name_size + 1, told.sentence_size + told.tail_size);
        if (!told.quiet && told.told.severity >= text->json_from && text->jsons.size < JSON_MAX) {
                buffer_append_bytes(&text->jsons, json);
                told.json_size = json.size;
        }
        buffer_append(&text->told, &told, sizeof(told));
        return buffer_error(&text->told) < 0 || buffer_error(&text->sentences) < 0 || buffer_error(&text->jsons) < 0 ? -ENOMEM : 0;
}

/* ---- lines ---- */

static int line(struct rounds_text *text, const struct round *round, struct bytes bytes) {
        return text->writer.line(text->writer.context, round, bytes);
}

static int line_string(struct rounds_text *text, const struct round *round, const char *string) {
        return line(text, round, bytes_of_string(string));
}

static void add_line(struct buffer *buffer, struct bytes bytes) {
        buffer_append_bytes(buffer, bytes);
        buffer_append_byte(buffer, '\n');
}

static int on_diff(struct hunks_out *out, struct bytes bytes) {
        struct hunks_target *target = container_of(out, struct hunks_target, out);

        if (target->prepared && target->prepared->diff.name) {
                new_file_write(&target->prepared->diff, bytes);
                new_file_write(&target->prepared->diff, bytes_of_string("\n"));
        }
        return target->log ? line(target->text, target->round, bytes) : 0;
}

static int on_now(struct hunks_out *out, struct bytes bytes) {
        struct hunks_target *target = container_of(out, struct hunks_target, out);

        if (target->prepared) {
                new_file_write(&target->prepared->current, bytes);
                new_file_write(&target->prepared->current, bytes_of_string("\n"));
        }
        if (target->now)
                add_line(target->now, bytes);
        return 0;
}

static int on_before(struct hunks_out *out, struct bytes bytes) {
        struct hunks_target *target = container_of(out, struct hunks_target, out);

        if (target->before)
                add_line(target->before, bytes);
        return 0;
}

/* Runs one document of a group through hunks: both sides of every member, one after the other. */
static int render(struct rounds_text *text, struct group *group, bool statistics, struct hunks_target *target, bool in_transaction) {
        struct baseline *baseline = text->baseline;
        const struct document *document = statistics ? group->statistics : group->document;
        struct hunks *hunks;
        int r = 0;

        target->out = (struct hunks_out){ .diff = on_diff, .now = on_now, .before = on_before };
        target->text = text;
        hunks = hunks_new(&target->out, document->header, document->header_if, !group->learned);
        if (!hunks)
                return -ENOMEM;
        for (size_t i = 0; i < group->count && r == 0; i++) {
                const struct engine_watch *watch = &text->watches[group->members[i]];
                const struct document *own = statistics ? watch->kind->statistics : watch->kind->document;
                _cleanup_stream_ struct stream *before = NULL, *now = NULL;

                if (!own)
                        continue;
                r = baseline->ops->read(baseline, BASELINE_BEFORE, watch->settings->name, watch->kind->fields, BYTES_NULL, &before);
                if (r == 0)
                        r = baseline->ops->read(baseline, in_transaction ? BASELINE_NOW : BASELINE_BEFORE, watch->settings->name,
                                                watch->kind->fields, BYTES_NULL, &now);
                if (r == 0)
                        r = hunks_section(hunks, own, watch->kind->fields, before, now);
        }
        if (r == 0)
                r = hunks_end(hunks);
        (void)hunks_free(hunks);
        return r;
}

/* The prepared document, or NULL if it cannot be written: it then says what was. */
static struct workspace_document *begin_file(struct rounds_text *text, struct workspace_document *prepared, const char *name) {
        int r = workspace_begin(prepared, text->workspace, name, true);

        if (r == 0)
                return prepared;
        workspace_drop(prepared);
        text->file_error = r;
        return NULL;
}

static void finish_file(struct rounds_text *text, struct workspace_document *prepared) {
        int r = prepared ? workspace_finish(prepared) : 0;

        if (r == 0)
                return;
        workspace_drop(prepared);
        text->file_error = r;
}

static int write_document(struct rounds_text *text, struct group *group, const struct round *round) {
        struct hunks_target target = { .round = round, .log = true };
        int r;

        if (group->has_file)
                target.prepared = begin_file(text, &group->prepared, group->document->name);
        r = render(text, group, false, &target, true);
        finish_file(text, target.prepared);
        return r;
}

/* "Previously: " or "Now: " and a document, its further lines as they are. */
static int write_told_document(struct rounds_text *text, const struct round *round, const char *word, struct buffer *document) {
        _cleanup_buffer_ struct buffer first = BUFFER_NULL;
        size_t at = 0;
        int r = buffer_error(document);

        buffer_append_string(&first, word);
        while (r == 0 && (at < document->size || first.size > 0)) {
                const uint8_t *start = document->data + at;
                const uint8_t *end = at < document->size ? memchr(start, '\n', document->size - at) : NULL;
                size_t length = end ? (size_t)(end - start) : document->size - at;

                if (first.size > 0) {
                        buffer_append(&first, start, length);
                        r = buffer_error(&first) < 0 ? -ENOMEM : line(text, round, buffer_bytes(&first));
                        buffer_clear(&first);
                } else {
                        r = line(text, round, bytes_of(start, length));
                }
                at += length + (end ? 1 : 0);
        }
        return r;
}

static int write_statistics(struct rounds_text *text, struct group *group, const struct round *round) {
        _cleanup_buffer_ struct buffer before = BUFFER_NULL, now = BUFFER_NULL;
        struct hunks_target target = { .round = round, .before = &before, .now = &now };
        int r;

        target.prepared = begin_file(text, &group->prepared_statistics, group->statistics->name);
        r = render(text, group, true, &target, true);
        finish_file(text, target.prepared);
        if (r == 0)
                r = line_string(text, round, "Comparing user stats...");
        if (r == 0)
                r = write_told_document(text, round, "Previously: ", &before);
        return r < 0 ? r : write_told_document(text, round, "Now: ", &now);
}

static int write_title(struct rounds_text *text, const struct round *round, const char *title, const char *path) {
        _cleanup_buffer_ struct buffer buffer = BUFFER_NULL;

        sentence_title(&buffer, title, path);
        return buffer_error(&buffer) < 0 ? -ENOMEM : line(text, round, buffer_bytes(&buffer));
}

/* The tail is escaped: a newline in it is ours. */
static int write_sentence(struct rounds_text *text, const struct round *round, const struct told *told) {
        const uint8_t *start = text->sentences.data + told->sentence, *tail = start + told->sentence_size;
        const uint8_t *stop = tail + told->tail_size, *end;
        int r = 0;

        while (r == 0 && (end = memchr(tail, '\n', (size_t)(stop - tail)))) {
                r = line(text, round, bytes_of(start, (size_t)(end - start)));
                start = tail = end + 1;
        }
        return r < 0 ? r : line(text, round, bytes_of(start, (size_t)(stop - start)));
}

static int write_sentences(struct rounds_text *text, const struct group *group, const struct round *round) {
        for (size_t i = 0; i < told_count(text); i++) {
                const struct told *told = told_at(text, i);
                bool ours = !group && told->watch == SIZE_MAX;
                int r;

                for (size_t k = 0; group && k < group->count && !ours; k++)
                        ours = told->watch == group->members[k];
                if (!ours)
                        continue;
                r = write_sentence(text, round, told);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void mark_groups(struct rounds_text *text, const struct engine *engine) {
        for (size_t i = 0; i < text->n_groups; i++)
                text->groups[i].changed = text->groups[i].learned = text->groups[i].large = false;
        for (size_t i = 0; i < engine_count(engine); i++) {
                struct engine_report report;

                engine_report(engine, i, &report);
                if (report.changed)
                        group_of(text, i)->changed = true;
                if (report.records > LINES_MOST)
                        group_of(text, i)->large = true;
        }
        for (size_t i = 0; i < told_count(text); i++) {
                const struct told *told = told_at(text, i);

                /* What passed between two looks has left no trace in the documents: it is told all the same. */
                if (told->watch != SIZE_MAX)
                        group_of(text, told->watch)->changed = true;
                if (told->quiet && told->watch != SIZE_MAX)
                        group_of(text, told->watch)->learned = true;
        }
}

int rounds_text_write(struct rounds_text *text, const struct engine *engine, const struct round *round) {
        int r = 0;

        drop_from(text, engine_next_sequence(engine));
        mark_groups(text, engine);
        for (size_t i = 0; i < text->n_groups && r == 0; i++) {
                struct group *group = &text->groups[i];

                if (!group->changed)
                        continue;
                r = write_title(text, round, group->title_changed, group->path);
                if (r == 0 && group->document && (group->has_file || !group->large))
                        r = write_document(text, group, round);
                if (r == 0)
                        r = write_sentences(text, group, round);
                if (r == 0 && group->statistics)
                        r = write_statistics(text, group, round);
        }
        return r < 0 ? r : write_sentences(text, NULL, round);
}

int rounds_text_quiet(struct rounds_text *text, const struct engine *engine, const struct round *round) {
        for (size_t i = 0; i < text->n_groups; i++) {
                struct group *group = &text->groups[i];
                bool looked = false, changed = false;

                for (size_t k = 0; k < group->count; k++) {
                        struct engine_report report;

                        engine_report(engine, group->members[k], &report);
                        looked |= report.looked;
                        changed |= report.changed;
                }
                if (looked && !changed && group->title_quiet) {
                        int r = write_title(text, round, group->title_quiet, group->path);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

/* ---- files ---- */

static int place(struct rounds_text *text, struct workspace_document *prepared, const char *name, struct workspace_mark *mark,
                 bool only_if_different) {
        int r;

        if (!prepared->current.name)
                return 0;
        r = workspace_place(prepared, text->workspace, name, only_if_different);
        workspace_drop(prepared);
        workspace_note(mark, text->workspace, name);
        return r;
}

int rounds_text_place(struct rounds_text *text) {
        int r = text->file_error;

        text->file_error = 0;
        for (size_t i = 0; i < text->n_groups; i++) {
                struct group *group = &text->groups[i];
                int s = 0;

                if (group->document)
                        s = place(text, &group->prepared, group->document->name, &group->mark, false);
                if (s == 0 && group->statistics)
                        s = place(text, &group->prepared_statistics, group->statistics->name, &group->mark_statistics, false);
                if (s < 0)
                        r = s;
        }
        return r;
}

void rounds_text_clear(struct rounds_text *text) {
        for (size_t i = 0; i < text->n_groups; i++) {
                workspace_drop(&text->groups[i].prepared);
                workspace_drop(&text->groups[i].prepared_statistics);
        }
        buffer_done(&text->told);
        buffer_done(&text->sentences);
        buffer_done(&text->jsons);
}

void rounds_text_give_back(struct rounds_text *text, uint64_t sequence) {
        for (size_t i = 0; i < text->n_groups; i++) {
                workspace_drop(&text->groups[i].prepared);
                workspace_drop(&text->groups[i].prepared_statistics);
        }
        drop_from(text, sequence);
}

static int restore_document(struct rounds_text *text, struct group *group, bool statistics) {
        const struct document *document = statistics ? group->statistics : group->document;
        struct workspace_document *prepared = statistics ? &group->prepared_statistics : &group->prepared;
        struct workspace_mark *mark = statistics ? &group->mark_statistics : &group->mark;
        struct hunks_target target = { .prepared = prepared };
        int r;

        r = workspace_begin(prepared, text->workspace, document->name, false);
        if (r == 0)
                r = render(text, group, statistics, &target, false);
        if (r == 0)
                r = workspace_finish(prepared);
        return r < 0 ? r : place(text, prepared, document->name, mark, true);
}

enum workspace_standing rounds_text_stand(struct rounds_text *text) {
        enum workspace_standing worst = WORKSPACE_STANDS;

        for (size_t i = 0; i < text->n_groups; i++) {
                struct group *group = &text->groups[i];
                enum workspace_standing own = WORKSPACE_STANDS, other = WORKSPACE_STANDS;

                if (group->document)
                        own = workspace_stand(&group->mark, text->workspace, group->document->name);
                if (group->statistics)
                        other = workspace_stand(&group->mark_statistics, text->workspace, group->statistics->name);
                if (own == WORKSPACE_CHANGED || other == WORKSPACE_CHANGED)
                        worst = WORKSPACE_CHANGED;
                else if (worst == WORKSPACE_STANDS)
                        worst = own ? own : other;
        }
        return worst;
}

int rounds_text_restore(struct rounds_text *text) {
        int r = 0;

        for (size_t i = 0; i < text->n_groups && r == 0; i++) {
                struct group *group = &text->groups[i];
                bool known = false;

                for (size_t k = 0; k < group->count; k++)
                        known |= text->baseline->ops->known(text->baseline,
                                                            text->watches[group->members[k]].settings->name) > 0;
                group->learned = false;
                if (!known || !group->has_file)
                        continue;
                r = restore_document(text, group, false);
                if (r == 0 && group->statistics)
                        r = restore_document(text, group, true);
        }
        return r;
}
