#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "json.h"
#include "moment.h"
#include "output.h"
#include "timestamp.h"
#include "verb.h"
#include "verify.h"

enum { ANCHORS_MOST = 64 };

struct request {
        const char *folder;             /* NULL: that of the configuration */
        const char *allowed_signers;    /* NULL: what lies in the folder */
        struct buffer since;
        struct verify_anchor anchors[ANCHORS_MOST];
        size_t n_anchors;
        bool json;
};

static void request_done(struct request *request) {
        buffer_done(&request->since);
}

/* "3f9c..." or, as syslog has it, "840:3f9c...". */
static bool parse_anchor(const char *text, struct verify_anchor *ret) {
        const char *colon = strchr(text, ':');
        struct verify_anchor anchor = { .sequence = 0 };

        if (colon) {
                char *end;

                errno = 0;
                anchor.sequence = strtoull(text, &end, 10);
                if (errno || end != colon || *text < '0' || *text > '9' || anchor.sequence == 0)
                        return false;
                text = colon + 1;
        }
        if (!chain_hex_read(bytes_of_string(text), anchor.head))
                return false;
        *ret = anchor;
        return true;
}

static bool parse_since(const char *text, struct buffer *ret) {
        struct timespec at;

        if (!moment_parse(text, time(NULL), &at))
                return false;
        timestamp_utc(ret, &at);
        return buffer_error(ret) == 0;
}

static void say_for_people(const struct verify_result *result, bool coloured, struct buffer *text) {
        _cleanup_buffer_ struct buffer word = BUFFER_NULL;

        if (result->kind != VERIFY_FINE) {
                buffer_printf(&word, "BROKEN");
                output_styled(text, coloured, STYLE_ALARM, buffer_bytes(&word));
                buffer_append_string(text, " ");
                output_safe(text, buffer_bytes(&result->text));
                buffer_printf(text, " (%s)\n", verify_kind_name(result->kind));
        } else {
                output_styled(text, coloured, STYLE_GOOD, bytes_of_string("OK"));
                if (result->records)
                        buffer_printf(text, " records %llu to %llu, head ", (unsigned long long)result->first,
                                      (unsigned long long)result->last);
                else
                        buffer_append_string(text, " no records");
                if (result->records)
                        chain_hex_append(text, result->head);
                buffer_append_byte(text, '\n');
        }
        if (result->kind != VERIFY_FINE && result->records)
                buffer_printf(text, "   records %llu to %llu are as they were written\n", (unsigned long long)result->first,
                              (unsigned long long)result->last);
        if (result->seals) {
                buffer_printf(text, "   %llu seals, the last one of record %llu, ", (unsigned long long)result->seals,
                              (unsigned long long)result->sealed);
                timestamp_local(text, &result->sealed_at);
                buffer_append_string(text, result->own_signers ? "; their first key is vouched for by nobody but the folder itself\n" : "\n");
        } else if (result->records) {
                buffer_append_string(text, "   nothing of it is sealed\n");
        }
        if (result->unchained)
                buffer_printf(text, "   %llu records are from before there was a chain: nothing can be said of them\n",
                              (unsigned long long)result->unchained);
        if (result->records && !result->genesis)
                buffer_printf(text, "   what came before record %llu is not looked at: it has expired, is older than asked for, or was removed\n",
                              (unsigned long long)result->first);
        if (result->breaks)
                buffer_printf(text, "   %llu times the daemon found its file tampered with, and went on in a new one; nothing is missing\n",
                              (unsigned long long)result->breaks);
}

static int say_as_json(const struct verify_result *result, struct buffer *text) {
        _cleanup_buffer_ struct buffer head = BUFFER_NULL;
        struct json *json = json_new();
        int r;

        if (!json)
                return -ENOMEM;
        chain_hex_append(&head, result->head);
        json_add_text(json, "result", result->kind == VERIFY_FINE ? "ok" : "broken");
        if (result->kind != VERIFY_FINE) {
                json_add_text(json, "how", verify_kind_name(result->kind));
                json_add_number(json, "bad.first", result->bad_first);
                json_add_number(json, "bad.last", result->bad_last);
                json_add_string(json, "message", buffer_bytes(&result->text));
        }
        json_add_number(json, "records", result->records);
        if (result->records) {
                json_add_number(json, "first", result->first);
                json_add_number(json, "last", result->last);
                json_add_string(json, "head", buffer_bytes(&head));
                json_add_bool(json, "genesis", result->genesis);
        }
        json_add_number(json, "seals", result->seals);
        if (result->seals) {
                json_add_number(json, "sealed", result->sealed);
                json_add_text(json, "signers", result->own_signers ? "of the folder" : "given");
        }
        json_add_number(json, "unchained", result->unchained);
        json_add_number(json, "breaks", result->breaks);
        r = json_write(json, text);
        (void)json_free(json);
        buffer_append_byte(text, '\n');
        return r;
}

static int verify(struct request *request, const char *folder) {
        struct verify_options options = {
                .folder = folder,
                .allowed_signers = request->allowed_signers,
                .since = request->since.size ? (const char *)request->since.data : NULL,
                .anchors = request->anchors,
                .n_anchors = request->n_anchors,
        };
        _cleanup_(verify_result_done) struct verify_result result;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        int r = verify_ledger(&options, &result);

        if (r == -ENOENT)
                output_say("there is no ledger in %s", folder);
        else if (r == -EINVAL && request->allowed_signers)
                output_say("%s names no Ed25519 key that may sign for nephronix-seal", request->allowed_signers);
        else if (r == -ENOKEY)
                output_say("cannot read %s", request->allowed_signers);
        else if (r < 0)
                output_say_why(r, "cannot read the ledger in %s", folder);
        if (r < 0)
                return VERB_TROUBLE;
        if (!request->json)
                say_for_people(&result, output_is_coloured(), &text);
        else if (say_as_json(&result, &text) < 0)
                output_say("out of memory");
        if (output_flush(&text) < 0)
                return VERB_TROUBLE;
        if (result.kind != VERIFY_FINE)
                return VERB_DIFFERENCES;
        if (result.records == 0)
                output_say("there is nothing in %s that could be verified", folder);
        return result.records ? VERB_FINE : VERB_TROUBLE;
}

static int verify_run(const struct command *command, int argc, char **argv) {
        static const struct option options[] = {
                { "since", required_argument, NULL, 's' },
                { "head", required_argument, NULL, 'H' },
                { "allowed-signers", required_argument, NULL, 'f' },
                { "json", no_argument, NULL, 'j' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        _cleanup_(request_done) struct request request = { .folder = NULL };
        _cleanup_free_ char *path = NULL;
        int letter;

        while ((letter = command_option(&verb_verify, argc, argv, "s:f:jh", options)) >= 0)
                switch (letter) {
                case 's':
                        buffer_clear(&request.since);
                        if (!parse_since(optarg, &request.since))
                                return command_usage(&verb_verify, "\"%s\" is no moment", optarg);
                        (void)buffer_string(&request.since);
                        break;
                case 'H':
                        if (request.n_anchors == ANCHORS_MOST)
                                return command_usage(&verb_verify, "more than %d heads", ANCHORS_MOST);
                        if (!parse_anchor(optarg, &request.anchors[request.n_anchors++]))
                                return command_usage(&verb_verify, "\"%s\" is no head: 64 hexadecimal digits, a record's number and ':' "
                                                                   "may stand before them", optarg);
                        break;
                case 'f':
                        request.allowed_signers = optarg;
                        break;
                case 'j':
                        request.json = true;
                        break;
                case 'h':
                        return VERB_FINE;
                default:
                        return VERB_TROUBLE;
                }
        if (argc - optind > 1)
                return command_usage(&verb_verify, "takes one folder at most");
        request.folder = argv[optind];
        if (!request.folder) {
                _cleanup_settings_ struct settings *settings = command_settings(command);

                if (!settings)
                        return VERB_TROUBLE;
                if (asprintf(&path, "%s/ledger", settings->state_directory) < 0)
                        path = NULL;
                request.folder = path;
        }
        return request.folder ? verify(&request, request.folder) : VERB_TROUBLE;
}

const struct verb verb_verify = {
        .name = "verify",
        .synopsis = "[--since TIME] [--head [N:]HASH]... [--allowed-signers FILE] [--json] [FOLDER]",
        .summary = "Says whether the ledger is as it was written and sealed",
        .options = "  -s, --since TIME     judges what was written from then on: \"yesterday\", \"2026-11-23 10:00\", \"-1h\"\n"
                   "      --head [N:]HASH  the ledger must have a record of this hash, record N if that is said; may be repeated\n"
                   "  -f, --allowed-signers FILE\n"
                   "                       the key that may sign the first seal, as ssh-keygen(1) has it; without it, the one in FOLDER\n"
                   "  -j, --json           one JSON object\n"
                   "  FOLDER               a ledger's folder, or a copy of it; else that of the configuration\n"
                   "\nExit status: 0 it is; 1 it is not: the first bad record is named; 2 that cannot be told.\n",
        .run = verify_run,
};
