#include "sentence.h"

#include "escape.h"
#include "json.h"
#include "timestamp.h"

enum {
        SECOND = 1000000000,
        TAIL_MAX = 512,
        NAME_KEPT = 15,
        CONTAINER_SHOWN = 12,
        WORDS_MAX = 1000,
};

static void append_hex(struct buffer *buffer, struct bytes bytes) {
        static const char digits[] = "0123456789abcdef";
        uint8_t piece[128];     /* a BLAKE2b-512 at once */

        while (bytes.size > 0) {
                size_t size = bytes.size < sizeof(piece) / 2 ? bytes.size : sizeof(piece) / 2;

                for (size_t i = 0; i < size; i++) {
                        piece[2 * i] = (uint8_t)digits[bytes.data[i] >> 4];
                        piece[2 * i + 1] = (uint8_t)digits[bytes.data[i] & 0xf];
                }
                buffer_append(buffer, piece, 2 * size);
                bytes = bytes_of(bytes.data + size, bytes.size - size);
        }
}

void sentence_value(struct buffer *buffer, const struct field *field, const struct value *value) {
        struct timespec at;
        char octal[24]; /* 2^64 has 22 octal digits */
        size_t digits;

        if (!value->present)
                return;
        switch (field->kind) {
        case FIELD_TEXT:
        case FIELD_SET:
                escape_append(buffer, value->bytes);
                break;
        case FIELD_NUMBER:
        case FIELD_IDENTIFIER:
                decimal_append(buffer, value->number);
                break;
        case FIELD_MODE:
                digits = 0;
                for (uint64_t rest = value->number; digits < 4 || rest; rest >>= 3)
                        octal[sizeof(octal) - ++digits] = (char)('0' + (rest & 7));
                buffer_append(buffer, octal + sizeof(octal) - digits, digits);
                break;
        case FIELD_TIME:
                at = timestamp_of_ns(value->number);
                timestamp_local(buffer, &at);
                break;
        case FIELD_DIGEST:
                append_hex(buffer, value->bytes);
                break;
        case FIELD_FLAG:
                buffer_append_string(buffer, value->number ? "yes" : "no");
                break;
        }
}

static int find_field(const struct field *fields, struct bytes name) {
        for (int i = 0; fields[i].name; i++)
                if (bytes_equal(bytes_of_string(fields[i].name), name))
                        return i;
        return -1;
}

/* What "field" or "before.field" means; false if the table has no such field. */
static bool look_up(const struct change *change, struct bytes name, const struct field **ret_field,
                    struct value *ret_value) {
        static const char before[] = "before.";
        const struct record *record;
        int place;

        if (!change)
                return false;
        if (bytes_starts_with(name, bytes_of_string(before))) {
                name = bytes_of(name.data + sizeof(before) - 1, name.size - (sizeof(before) - 1));
                record = change->before;
        } else {
                record = change_record(change);
        }
        place = find_field(change->fields, name);
        if (place < 0)
                return false;
        *ret_field = &change->fields[place];
        *ret_value = record ? record->values[place] : (struct value){ .present = false };
        return true;
}

static struct bytes fact_of(const struct event *event, const char *path) {
        for (size_t i = 0; i < event->n_facts; i++)
                if (event->facts[i].kind == FIELD_TEXT && strcmp(event->facts[i].path, path) == 0)
                        return event->facts[i].value.bytes;
        return BYTES_NULL;
}

/* Length of "{...}" at the start of text, braces paired; 0 if it does not end. */
static size_t braced(struct bytes text) {
        size_t depth = 0;

        for (size_t i = 0; i < text.size; i++) {
                depth += text.data[i] == '{';
                if (text.data[i] == '}' && --depth == 0)
                        return i + 1;
        }
        return 0;
}

/* Goes as deep as the template's own braces. */
static void expand(struct buffer *buffer, struct bytes text, const struct change *change) {
        size_t start = 0;

        while (start < text.size) {
                struct bytes rest = bytes_of(text.data + start, text.size - start), name;
                const uint8_t *open = memchr(rest.data, '{', rest.size), *question;
                const struct field *field;
                struct value value;
                size_t length;

                buffer_append(buffer, rest.data, open ? (size_t)(open - rest.data) : rest.size);
                if (!open)
                        return;
                rest = bytes_of(open, rest.size - (size_t)(open - rest.data));
                length = braced(rest);
                if (length == 0) {
                        buffer_append_bytes(buffer, rest);
                        return;
                }
                start = (size_t)(open - text.data) + length;

                name = bytes_of(open + 1, length - 2);
                question = name.size ? memchr(name.data, '?', name.size) : NULL;
                if (question)
                        name.size = (size_t)(question - name.data);
                if (!look_up(change, name, &field, &value))
                        buffer_append(buffer, open, length);
                else if (question && value.present)
                        expand(buffer, bytes_of(question + 1, (size_t)(open + length - 1 - (question + 1))), change);
                else if (!question && value.present)
                        sentence_value(buffer, field, &value);
                else if (!question)
                        buffer_append_string(buffer, "unknown");
        }
}

void sentence_expand(struct buffer *buffer, const char *sentence, const struct change *change) {
        expand(buffer, bytes_of_string(sentence), change);
}

/* " (now set-user-id; no longer sticky)", or nothing: four octal digits are easily read over. */
static void name_special_bits(struct buffer *buffer, uint64_t before, uint64_t after, const char *now) {
        static const struct {
                uint64_t bit;
                const char *name;
        } bits[] = { { 04000, "set-user-id" }, { 02000, "set-group-id" }, { 01000, "sticky" } };
        const char *open = " (";

        for (int gained = 1; gained >= 0; gained--) {
                uint64_t moved = gained ? after & ~before : before & ~after;
                const char *separator = gained ? now : "no longer ";

                for (size_t i = 0; i < ELEMENTS(bits); i++) {
                        if (!(moved & bits[i].bit))
                                continue;
                        buffer_append_string(buffer, open);
                        buffer_append_string(buffer, separator);
                        buffer_append_string(buffer, bits[i].name);
                        open = "";
                        separator = ", ";
                }
                if (*open == '\0')
                        open = "; ";
        }
        if (*open == ';')
                buffer_append_byte(buffer, ')');
}

/* name: of the user that the number stands for; empty: not known. */
static void show(struct buffer *buffer, const struct field *field, const struct value *value, bool finely, struct bytes name) {
        if (field->kind == FIELD_TEXT && value->bytes.size == 0)
                buffer_append_string(buffer, "(empty)");
        else
                sentence_value(buffer, field, value);
        if (finely)
                buffer_printf(buffer, ".%09u", (unsigned)(value->number % SECOND));
        if (name.size) {
                buffer_append_string(buffer, " (");
                escape_append(buffer, name);
                buffer_append_byte(buffer, ')');
        }
}

/* ---- sets of words ---- */

static size_t count_words(const struct value *value) {
        struct bytes rest = value->present ? value->bytes : BYTES_NULL, word;
        size_t count = 0;

        while (words_next(&rest, &word))
                count++;
        return count;
}

/* Of "name=value" the name: values of that kind are digests. */
static struct bytes name_of_word(struct bytes word) {
        const uint8_t *equals = memchr(word.data, '=', word.size);

        return equals ? bytes_of(word.data, (size_t)(equals - word.data)) : word;
}

enum has_word { HAS_NO_WORD, HAS_OTHER_VALUE, HAS_WORD };

static enum has_word has_word(const struct value *value, struct bytes word) {
        struct bytes rest = value->present ? value->bytes : BYTES_NULL, other, name = name_of_word(word);
        enum has_word found = HAS_NO_WORD;

        while (words_next(&rest, &other)) {
                if (bytes_equal(other, word))
                        return HAS_WORD;
                if (name.size < word.size && bytes_equal(name_of_word(other), name))
                        found = HAS_OTHER_VALUE;
        }
        return found;
}

/* The words of 'of' that stand so to 'against': " gained a b", or nothing. */
static void name_words(struct buffer *buffer, const struct value *of, const struct value *against, enum has_word which,
                       const char *verb, const char *separator) {
        struct bytes rest = of->present ? of->bytes : BYTES_NULL, word;

        while (words_next(&rest, &word)) {
                if (has_word(against, word) != which)
                        continue;
                buffer_append_string(buffer, separator);
                if (verb)
                        buffer_printf(buffer, "%s ", verb);
                escape_append(buffer, name_of_word(word));
                separator = " ";
                verb = NULL;
        }
}

static void name_word_differences(struct buffer *buffer, const struct value *before, const struct value *after) {
        static const struct {
                bool of_after;
                enum has_word which;
                const char *verb;
        } parts[] = { { true, HAS_NO_WORD, "gained" }, { false, HAS_NO_WORD, "lost" }, { true, HAS_OTHER_VALUE, "changed in" } };
        size_t were = count_words(before), are = count_words(after), start = buffer->size;

        if (were > WORDS_MAX || are > WORDS_MAX) {
                buffer_printf(buffer, " changed, %zu entries to %zu", were, are);
                return;
        }
        for (size_t i = 0; i < ELEMENTS(parts); i++) {
                name_words(buffer, parts[i].of_after ? after : before, parts[i].of_after ? before : after, parts[i].which,
                           parts[i].verb, buffer->size > start ? ", " : " ");
        }
        if (buffer->size == start)
                buffer_append_string(buffer, " stands in another order");
}

/* One field that differs. */
static void name_difference(struct buffer *buffer, const struct event *event, size_t i) {
        const struct change *change = event->change;
        const struct field *field = &change->fields[i];
        const struct value *before = &change->before->values[i], *after = &change->after->values[i];
        bool user = field->flags & FIELD_USER;
        /* Two moments within one second would read as the same. */
        bool finely = field->kind == FIELD_TIME && before->present && after->present &&
                      before->number / SECOND == after->number / SECOND;

        /* A digest says nothing to people, what it stands for does. */
        if (field->kind == FIELD_DIGEST) {
                buffer_append_string(buffer, !before->present ? "content was unknown" :
                                             !after->present ? "content is unknown" : "content changed");
                return;
        }
        for (const char *at = field->name; *at; at++)
                buffer_append_byte(buffer, *at == '_' ? ' ' : (uint8_t)*at);
        if (field->kind == FIELD_SET) {
                name_word_differences(buffer, before, after);
                return;
        }
        if (before->present) {
                buffer_append_byte(buffer, ' ');
                show(buffer, field, before, finely, user ? fact_of(event, FACT_OWNER_BEFORE) : BYTES_NULL);
                if (after->present) {
                        buffer_append_string(buffer, " to ");
                        show(buffer, field, after, finely, user ? fact_of(event, FACT_OWNER) : BYTES_NULL);
                } else {
                        buffer_append_string(buffer, " is gone");
                }
        } else {
                buffer_append_string(buffer, " was absent, now ");
                show(buffer, field, after, false, BYTES_NULL);
        }
        if (field->kind == FIELD_MODE && after->present)
                name_special_bits(buffer, before->present ? before->number : 0, after->number, "now ");
}

/* What comes as set-user-id at once, or with capabilities, is as grave as what becomes so. */
static void name_powers_of_new(struct buffer *buffer, const struct change *change) {
        for (size_t i = 0; change->fields[i].name; i++) {
                const struct value *value = &change->after->values[i];

                if (change->fields[i].kind == FIELD_MODE && value->present)
                        name_special_bits(buffer, 0, value->number, "");
                if (change->fields[i].kind == FIELD_SET && value->present && strcmp(change->fields[i].name, "capabilities") == 0) {
                        buffer_append_string(buffer, " (");
                        escape_append(buffer, value->bytes);
                        buffer_append_byte(buffer, ')');
                }
        }
}

static bool differs(const struct change *change, size_t i) {
        return !(change->fields[i].flags & (FIELD_QUIET | FIELD_LOOKED)) &&
               !value_equal(&change->fields[i], &change->before->values[i], &change->after->values[i]);
}

static bool both_have(const struct change *change, size_t i) {
        return change->before->values[i].present && change->after->values[i].present;
}

/* Where content that differs has a size, that is told in one breath: " (10 to 20 bytes)". */
static void name_sizes(struct buffer *buffer, const struct change *change, size_t size) {
        const struct value *before = &change->before->values[size], *after = &change->after->values[size];

        buffer_append_string(buffer, " (");
        decimal_append(buffer, before->number);
        if (before->number != after->number) {
                buffer_append_string(buffer, " to ");
                decimal_append(buffer, after->number);
        }
        buffer_append_string(buffer, " bytes)");
}

static void name_differences(struct buffer *buffer, const struct event *event) {
        const struct change *change = event->change;
        int size = fields_find(change->fields, "size");
        const char *separator = ": ";
        bool telling = false, size_told = false;

        for (size_t i = 0; change->fields[i].name; i++) {
                if (!differs(change, i))
                        continue;
                telling |= !(change->fields[i].flags & FIELD_FAINT);
                size_told |= change->fields[i].kind == FIELD_DIGEST && size >= 0 && both_have(change, i) && both_have(change, (size_t)size);
        }
        for (size_t i = 0; change->fields[i].name; i++) {
                const struct field *field = &change->fields[i];

                if (!differs(change, i) || (telling && field->flags & FIELD_FAINT) || (size_told && (int)i == size))
                        continue;
                buffer_append_string(buffer, separator);
                name_difference(buffer, event, i);
                if (size_told && field->kind == FIELD_DIGEST)
                        name_sizes(buffer, change, (size_t)size);
                separator = "; ";
        }
        if (*separator == ':')
                buffer_append_string(buffer, " changed");
}

static void describe(struct buffer *buffer, const struct event *event) {
        const struct change *change = event->change;

        buffer_append_string(buffer, event->kind && event->kind->noun ? event->kind->noun : "record");
        buffer_append_byte(buffer, ' ');
        if (event->kind && event->kind->label)
                sentence_expand(buffer, event->kind->label, change);
        else
                escape_append(buffer, change_record(change)->key);
        switch (change->kind) {
        case CHANGE_APPEARED:
                buffer_append_string(buffer, " appeared");
                break;
        case CHANGE_VANISHED:
                buffer_append_string(buffer, " is gone");
                break;
        case CHANGE_CHANGED:
                name_differences(buffer, event);
                break;
        }
}

/* Length of the character at the start of text; what escape.h writes for one byte or character counts as one. */
static size_t character(struct bytes text) {
        uint32_t code;
        size_t length;

        if (text.data[0] == '\\' && text.size > 1) {
                const uint8_t *end;

                if (text.data[1] == '\\')
                        return 2;
                if (text.data[1] == 'x')
                        return text.size < 4 ? text.size : 4;
                end = text.data[1] == 'u' ? memchr(text.data, '}', text.size < 10 ? text.size : 10) : NULL;
                return end ? (size_t)(end - text.data) + 1 : 1;
        }
        length = utf8_sequence(text, &code);
        return length ? length : 1;
}

/* What was appended since start, down to at most so many bytes. */
static void cut(struct buffer *buffer, size_t start, size_t most) {
        static const char dots[] = "...";
        struct bytes text = buffer_bytes(buffer);
        size_t end = start;

        if (text.size <= start || text.size - start <= most)
                return;
        for (;;) {
                size_t length = character(bytes_of(text.data + end, text.size - end));

                if (end + length - start > most - (sizeof(dots) - 1))
                        break;
                end += length;
        }
        buffer_truncate(buffer, end);
        buffer_append_string(buffer, dots);
}

static void append_part(struct buffer *buffer, struct bytes text) {
        size_t start = buffer->size;

        escape_append(buffer, text);
        cut(buffer, start, ACTOR_PART_MAX);
}

static void append_moment(struct buffer *buffer, uint64_t ns) {
        struct timespec at = timestamp_of_ns(ns);

        timestamp_local(buffer, &at);
}

/* "process" to "processes". */
static void append_plural(struct buffer *buffer, const char *noun) {
        size_t length = strlen(noun);
        char last = length > 0 ? noun[length - 1] : 'x';

        buffer_append(buffer, noun, length - (last == 'y'));
        buffer_append_string(buffer, last == 'y' ? "ies" : last == 's' ? "es" : "s");
}

static struct bytes disguise(const struct event *event) {
        return fact_of(event, "nephronix.disguise");
}

/* What packages say of it, a clause. */
static struct bytes proof(const struct event *event) {
        return fact_of(event, "nephronix.proof.why");
}

static void append_number_of(struct buffer *buffer, const struct event *event) {
        decimal_append(buffer, event->count);
        if (!event->kind || !event->kind->noun)
                return;
        buffer_append_byte(buffer, ' ');
        if (event->count == 1)
                buffer_append_string(buffer, event->kind->noun);
        else
                append_plural(buffer, event->kind->noun);
}

static void append_span(struct buffer *buffer, const struct event *event) {
        if (!event->first_ns || !event->last_ns)
                return;
        buffer_append_string(buffer, " between ");
        append_moment(buffer, event->first_ns);
        buffer_append_string(buffer, " and ");
        append_moment(buffer, event->last_ns);
}

/* What no length of the sentence before may cut off. */
static void append_tail(struct buffer *buffer, const struct event *event) {
        struct bytes mask = disguise(event), says = proof(event);

        if (mask.size > 0) {
                buffer_append_string(buffer, ", which ");
                append_part(buffer, mask);
        }
        if (says.size > 0) {
                buffer_append_string(buffer, "; ");
                append_part(buffer, says);
        }
        if (event->count <= 1)
                return;
        buffer_append_string(buffer, "; ");
        append_number_of(buffer, event);
        buffer_append_string(buffer, " like it");
        append_span(buffer, event);
}

void sentence_of_event(struct buffer *buffer, const struct event *event) {
        size_t start = buffer->size;

        if (event->message) {
                struct bytes message = bytes_of_string(event->message);

                /* Made with the calls above it is escaped already, and backslashes must not double again. */
                if (escape_is_clean(message))
                        buffer_append_bytes(buffer, message);
                else
                        escape_append(buffer, message);
                cut(buffer, start, SENTENCE_MAX);
                return;
        }
        if (event->count > 0 && !event->change) { /* folded without a sample */
                append_number_of(buffer, event);
                buffer_printf(buffer, ": %s", event->action && event->action->action ? event->action->action : "changed");
                append_span(buffer, event);
                return;
        }
        if (event->action && event->action->sentence) {
                sentence_expand(buffer, event->action->sentence, event->change);
                if (event->change && event->change->kind == CHANGE_APPEARED)
                        name_powers_of_new(buffer, event->change);
        } else if (event->change) {
                describe(buffer, event);
        } else if (event->action && event->action->action) {
                buffer_append_string(buffer, event->action->action);
        }
        if (event->count <= 1 && disguise(event).size == 0 && proof(event).size == 0) {
                cut(buffer, start, SENTENCE_MAX);
                return;
        }
        cut(buffer, start, SENTENCE_MAX - TAIL_MAX);
        append_tail(buffer, event);
}

static struct bytes base_name(struct bytes path) {
        for (size_t i = path.size; i > 0; i--)
                if (path.data[i - 1] == '/')
                        return bytes_of(path.data + i, path.size - i);
        return path;
}

/* The kernel keeps 15 bytes of a name. */
static bool bears_name(struct bytes program, struct bytes name) {
        return bytes_equal(program, name) || (name.size == NAME_KEPT && bytes_starts_with(program, name));
}

static void append_name(struct buffer *buffer, const struct process_facts *facts) {
        struct bytes name = facts->name.size > 0 ? facts->name : base_name(facts->executable);

        if (name.size > 0)
                append_part(buffer, name);
        else
                buffer_printf(buffer, "pid %u", facts->pid);
}

static void append_user(struct buffer *buffer, uint32_t id, struct bytes name) {
        if (name.size > 0)
                append_part(buffer, name);
        else if (id == 0)
                buffer_append_string(buffer, "root");
        else
                buffer_printf(buffer, "user %u", id);
}

/* "vim (pid 812)", "backup (/usr/bin/bash, pid 812)" */
static void append_process(struct buffer *buffer, const struct process_facts *facts) {
        const char *separator = "";

        if (facts->name.size == 0 && facts->executable.size == 0) {
                buffer_printf(buffer, "pid %u", facts->pid);
                return;
        }
        append_name(buffer, facts);
        buffer_append_string(buffer, " (");
        if (facts->executable.size > 0 && facts->name.size > 0 && !bears_name(base_name(facts->executable), facts->name)) {
                append_part(buffer, facts->executable);
                separator = ", ";
        }
        if (facts->flags & PROCESS_FROM_MEMFD) {
                buffer_printf(buffer, "%sfrom a memfd", separator);
                separator = ", ";
        } else if (facts->flags & PROCESS_DELETED) {
                buffer_printf(buffer, "%sits program deleted", separator);
                separator = ", ";
        }
        buffer_printf(buffer, "%spid %u)", separator, facts->pid);
}

/* " (login alice, pts/3 from 192.0.2.7)" */
static void append_login(struct buffer *buffer, const struct actor *actor) {
        const struct process_facts *facts = &actor->process;
        bool login = facts->flags & PROCESS_HAS_LOGIN && facts->login_user != LOGIN_USER_UNSET;
        bool terminal = facts->tty_name.size > 0, remote = actor->remote_address.size > 0;

        if (!login && !terminal && !remote)
                return;
        buffer_append_string(buffer, " (");
        if (login) {
                buffer_append_string(buffer, "login ");
                append_user(buffer, facts->login_user, actor->login_name);
        }
        if (terminal) {
                buffer_append_string(buffer, login ? ", " : "");
                append_part(buffer, facts->tty_name);
        }
        if (remote) {
                buffer_append_string(buffer, login || terminal ? " from " : "from ");
                append_part(buffer, actor->remote_address);
        }
        buffer_append_byte(buffer, ')');
}

void sentence_actor(struct buffer *buffer, const struct actor *actor) {
        const struct process_facts *facts = &actor->process, *run = actor->transaction.process;

        append_process(buffer, facts);
        if (facts->flags & PROCESS_HAS_USERS) {
                buffer_append_string(buffer, " of ");
                append_user(buffer, facts->user, actor->user_name);
                if (facts->effective_user != facts->user) {
                        buffer_append_string(buffer, " as ");
                        append_user(buffer, facts->effective_user, BYTES_NULL);
                }
        }
        append_login(buffer, actor);
        for (size_t i = 0; i < actor->n_ancestors && i < ACTOR_ANCESTORS_MAX; i++) {
                buffer_append_string(buffer, i == 0 ? ", under " : " < ");
                append_name(buffer, &actor->ancestors[i]);
        }
        if (actor->container.size > 0) {
                size_t shown = actor->container.size < CONTAINER_SHOWN ? actor->container.size : CONTAINER_SHOWN;

                buffer_append_string(buffer, ", in container ");
                append_part(buffer, bytes_of(actor->container.data, shown));
        } else if (actor->unit.size > 0) {
                buffer_append_string(buffer, ", in ");
                append_part(buffer, actor->unit);
        }
        if (actor->in_transaction && run && (run->pid != facts->pid || run->start_ticks != facts->start_ticks)) {
                buffer_append_string(buffer, ", for ");
                if (run->command_line.size > 0)
                        append_part(buffer, run->command_line);
                else
                        append_name(buffer, run);
        }
}

void sentence_title(struct buffer *buffer, const char *title, const char *path) {
        static const char place[] = "{path}";
        const char *found;

        while ((found = strstr(title, place))) {
                buffer_append(buffer, title, (size_t)(found - title));
                escape_append(buffer, bytes_of_string(path));
                title = found + sizeof(place) - 1;
        }
        buffer_append_string(buffer, title);
}

static const char *const severity_names[] = { NULL, "info", "low", "medium", "high", "critical" };

const char *severity_name(enum severity severity) {
        size_t place = (size_t)severity;

        return place >= SEVERITY_INFO && place < ELEMENTS(severity_names) ? severity_names[place] : "unknown";
}

enum severity severity_parse(const char *text) {
        for (size_t i = SEVERITY_INFO; text && i < ELEMENTS(severity_names); i++)
                if (strcmp(text, severity_names[i]) == 0 || (text[0] == (char)('0' + i) && text[1] == '\0'))
                        return (enum severity)i;
        return (enum severity)0;
}
