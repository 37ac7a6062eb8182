#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "json.h"
#include "lmdb-baseline.h"
#include "sentence.h"
#include "table.h"
#include "timestamp.h"
#include "verb.h"

/* What people want to see of a record of each kind; --json has all of it. "a|b": b where a is absent. */
static const struct {
        const char *kind;
        const char *fields[TABLE_COLUMNS_MAX];
} views[] = {
        { "files", { "type", "mode", "user", "group", "size", "mtime", "path" } },
        { "self", { "type", "mode", "user", "group", "size", "mtime", "path" } },
        { "setuid", { "mode", "user", "group", "capabilities", "mtime", "path" } },
        { "packages", { "name", "version", "architecture", "status", "description" } },
        { "modules", { "name", "size", "state", "taints", "signature", "version" } },
        { "bpf", { "object", "id", "type", "name", "tag", "user_id", "attach_target", "pinned" } },
        { "kernel-messages", { "time", "origin", "text" } },
        { "connections", { "protocol", "local", "remote", "user", "pid", "command" } },
        { "users", { "user", "tty", "remote", "since", "leader", "service" } },
        { "processes", { "pid", "parent", "user", "tty", "start", "command_line|bracket_name" } },
};

/* A kind that is not in the table: so many of its first fields. */
enum { FIELDS_SHOWN = 7 };

/* A column: which field of the records, and which one instead where that is absent (-1: none). */
struct shown {
        int field, instead;
};

struct inventory {
        struct lmdb_baseline *lmdb;
        const struct settings *settings;
        bool json;
        struct buffer text;             /* all of it: nobody is to wait for a pager with the baseline open */
        struct json *object;
        int r;                          /* the first failure inside a callback */
        struct table table;
};

/* ---- one record ---- */

static void add_value(struct inventory *inventory, const struct field *field, const struct value *value) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct json *object = inventory->object;
        struct timespec at;

        if (!value->present)
                return;
        switch (field->kind) {
        case FIELD_TEXT:
                json_add_string(object, field->name, value->bytes);
                return;
        case FIELD_SET:
                for (struct bytes rest = value->bytes, word; words_next(&rest, &word);)
                        json_append(object, field->name, word);
                return;
        case FIELD_NUMBER:
                json_add_number(object, field->name, value->number);
                return;
        case FIELD_FLAG:
                json_add_bool(object, field->name, value->number != 0);
                return;
        case FIELD_TIME:
                at = timestamp_of_ns(value->number);
                timestamp_utc(&text, &at);
                break;
        case FIELD_IDENTIFIER:
        case FIELD_MODE:
        case FIELD_DIGEST:
                sentence_value(&text, field, value);
                break;
        }
        json_add_string(object, field->name, buffer_bytes(&text));
}

static int write_object(struct inventory *inventory) {
        int r = json_write(inventory->object, &inventory->text);

        buffer_append_byte(&inventory->text, '\n');
        return r;
}

static int write_record(struct inventory *inventory, const struct field *fields, const struct record *record) {
        json_clear(inventory->object);
        for (size_t i = 0; fields[i].name; i++)
                if (!(fields[i].flags & FIELD_HIDDEN))
                        add_value(inventory, &fields[i], &record->values[i]);
        return write_object(inventory);
}

static void add_row(struct inventory *inventory, const struct field *fields, const struct shown *shown,
                    const struct record *record) {
        for (size_t i = 0; i < inventory->table.count; i++) {
                _cleanup_buffer_ struct buffer text = BUFFER_NULL;
                int field = shown[i].field;

                if (!record->values[field].present && shown[i].instead >= 0)
                        field = shown[i].instead;
                sentence_value(&text, &fields[field], &record->values[field]);
                table_text(&inventory->table, STYLE_PLAIN, text.size ? buffer_string(&text) : "-");
        }
}

/* ---- which columns ---- */

static bool find_column(const struct field *fields, const char *name, struct shown *ret) {
        char first[64];
        size_t length = strcspn(name, "|");

        if (length >= sizeof(first))
                return false;
        memcpy(first, name, length);
        first[length] = '\0';
        ret->field = fields_find(fields, first);
        ret->instead = name[length] ? fields_find(fields, name + length + 1) : -1;
        return ret->field >= 0;
}

static bool is_number(const struct field *field) {
        return field->kind == FIELD_NUMBER || field->kind == FIELD_IDENTIFIER;
}

/* Fields that an older version did not note are left out. */
static size_t choose_columns(const struct field *fields, const char *kind, struct shown *shown) {
        size_t count = 0;

        for (size_t i = 0; i < ELEMENTS(views); i++) {
                if (!kind || strcmp(views[i].kind, kind) != 0)
                        continue;
                for (size_t k = 0; k < TABLE_COLUMNS_MAX && views[i].fields[k]; k++)
                        count += find_column(fields, views[i].fields[k], &shown[count]);
        }
        if (count)
                return count;
        for (int i = 0; fields[i].name && count < FIELDS_SHOWN; i++)
                if (fields[i].kind != FIELD_DIGEST && !(fields[i].flags & (FIELD_LOOKED | FIELD_HIDDEN)))
                        shown[count++] = (struct shown){ .field = i, .instead = -1 };
        return count;
}

/* ---- one watch ---- */

static int read_records(struct inventory *inventory, const char *name, const struct field *fields,
                        const struct shown *shown) {
        struct baseline *baseline = lmdb_baseline_interface(inventory->lmdb);
        _cleanup_stream_ struct stream *stream = NULL;
        struct record record;
        int r;

        r = baseline->ops->read(baseline, BASELINE_NOW, name, fields, BYTES_NULL, &stream);
        if (r < 0)
                return r;
        while ((r = stream_next(stream, &record)) > 0) {
                if (!inventory->json)
                        add_row(inventory, fields, shown, &record);
                else
                        r = write_record(inventory, fields, &record);
                if (r < 0)
                        return r;
        }
        return r;
}

static int write_watch(struct inventory *inventory, const char *name, const struct field *fields) {
        const struct watch_settings *watch = command_watch(inventory->settings, name);
        struct table_column columns[TABLE_COLUMNS_MAX + 1] = { 0 };
        struct shown shown[RECORD_FIELDS_MAX] = { 0 };
        size_t count = choose_columns(fields, watch ? watch->kind : NULL, shown);
        int r;

        for (size_t i = 0; i < count && i < TABLE_COLUMNS_MAX; i++)
                columns[i] = (struct table_column){ fields[shown[i].field].name, is_number(&fields[shown[i].field]) };
        table_init(&inventory->table, columns);
        r = read_records(inventory, name, fields, shown);
        if (r == 0 && !inventory->json)
                table_write(&inventory->table, output_is_coloured(), &inventory->text);
        table_done(&inventory->table);
        return r;
}

/* ---- all watches ---- */

static const struct table_column list_columns[] = { { "watch", false }, { "kind", false }, { "records", true }, { 0 } };

static int count_records(struct inventory *inventory, const char *name, const struct field *fields, uint64_t *ret) {
        struct baseline *baseline = lmdb_baseline_interface(inventory->lmdb);
        _cleanup_stream_ struct stream *stream = NULL;
        struct record record;
        int r;

        *ret = 0;
        r = baseline->ops->read(baseline, BASELINE_NOW, name, fields, BYTES_NULL, &stream);
        while (r >= 0 && (r = stream_next(stream, &record)) > 0)
                ++*ret;
        return r;
}

static int list_watch(void *context, const char *name) {
        struct inventory *inventory = context;
        const struct watch_settings *watch = command_watch(inventory->settings, name);
        const char *kind = watch ? watch->kind : NULL;
        _cleanup_free_ struct field *fields = NULL;
        char number[32];
        uint64_t count;
        int r;

        r = lmdb_baseline_fields(inventory->lmdb, name, &fields);
        if (r > 0)
                r = count_records(inventory, name, fields, &count);
        else if (r == 0)
                return 0;
        if (r < 0)
                return r;
        if (inventory->json) {
                json_clear(inventory->object);
                json_add_text(inventory->object, "watch", name);
                json_add_text(inventory->object, "kind", kind);
                json_add_number(inventory->object, "records", count);
                return write_object(inventory);
        }
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)count);
        table_text(&inventory->table, STYLE_PLAIN, name);
        table_text(&inventory->table, STYLE_PLAIN, kind ? kind : "(not configured)");
        table_text(&inventory->table, STYLE_PLAIN, number);
        return 0;
}

static int write_list(struct inventory *inventory) {
        int r;

        table_init(&inventory->table, list_columns);
        r = lmdb_baseline_names(inventory->lmdb, list_watch, inventory);
        if (r == 0 && !inventory->json)
                table_write(&inventory->table, output_is_coloured(), &inventory->text);
        table_done(&inventory->table);
        return r;
}

/* ---- the verb ---- */

static int name_known(void *context, const char *name) {
        struct buffer *known = context;

        buffer_printf(known, "%s%s", known->size ? ", " : "", name);
        return 0;
}

static void say_unknown(struct inventory *inventory, const char *name) {
        _cleanup_buffer_ struct buffer known = BUFFER_NULL;

        if (command_watch(inventory->settings, name)) {
                output_say("%s: nothing is known of it yet", name);
                return;
        }
        (void)lmdb_baseline_names(inventory->lmdb, name_known, &known);
        output_say("no watch \"%s\"; there are: %s", name, buffer_string(&known));
}

static int write_all(struct inventory *inventory, const char *name) {
        _cleanup_free_ struct field *fields = NULL;
        int r;

        if (!name)
                return write_list(inventory);
        r = lmdb_baseline_fields(inventory->lmdb, name, &fields);
        if (r > 0)
                return write_watch(inventory, name, fields);
        if (r < 0 && r != -EINVAL && r != -ENAMETOOLONG)
                return r;
        say_unknown(inventory, name);
        return -ESRCH;
}

static int take_inventory(const struct command *command, const char *name, bool json) {
        _cleanup_settings_ struct settings *settings = command_settings(command);
        struct inventory inventory = { .settings = settings, .json = json };
        int r;

        if (!settings)
                return VERB_TROUBLE;
        inventory.lmdb = command_baseline(settings);
        if (!inventory.lmdb)
                return VERB_TROUBLE;
        inventory.object = json_new();
        r = inventory.object ? write_all(&inventory, name) : -ENOMEM;
        inventory.lmdb = lmdb_baseline_close(inventory.lmdb);
        if (r == -EBADMSG)
                output_say("the baseline is damaged: a record makes no sense");
        else if (r < 0 && r != -ESRCH)
                output_say_why(r, "cannot read the baseline");
        if (r == 0)
                r = output_flush(&inventory.text);
        (void)json_free(inventory.object);
        buffer_done(&inventory.text);
        return r < 0 ? VERB_TROUBLE : VERB_FINE;
}

static int inventory_run(const struct command *command, int argc, char **argv) {
        static const struct option options[] = {
                { "json", no_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        bool json = false;
        int letter;

        while ((letter = command_option(&verb_inventory, argc, argv, "jh", options)) >= 0) {
                if (letter == 'h')
                        return VERB_FINE;
                if (letter == '?')
                        return VERB_TROUBLE;
                json = true;
        }
        if (argc - optind > 1)
                return command_usage(&verb_inventory, "takes the name of one watch");
        return take_inventory(command, argv[optind], json);
}

const struct verb verb_inventory = {
        .name = "inventory",
        .synopsis = "[WATCH] [--json]",
        .summary = "Lists what a watch knows to be there, or the watches",
        .options = "  -j, --json  every field of every record, one JSON object a record\n"
                   "\nExit status: 0; 2 there is no such watch, or the baseline could not be read.\n",
        .run = inventory_run,
};
