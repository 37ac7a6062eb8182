#include "proof.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "escape.h"
#include "package-changes.h"
#include "package-manager.h"
#include "package-run.h"
#include "timestamp.h"

enum {
        WAITING_MAX = 16384,            /* keys of one watch; beyond that it is looked at as a whole */
        DEEDS_MAX = 64,                 /* runs of package managers at a time */
        PROBES = 3,                     /* files asked for before the database is taken to be busy */
        FINDINGS_MAX = 256,             /* of a database, remembered; what is beyond is told with each start */
};

/* What waits for longer than this is told, proven or not. */
#define WAIT_MOST_NS (600 * NS_PER_S)
/* A package manager that lives on and does nothing (packagekitd) is done with what it did. */
#define IDLE_NS (10 * NS_PER_S)
/* How long the files wait for the package watch to say from which version to which. */
#define PACKAGES_NS (5 * NS_PER_S)
/* What a comparison finds may have been written so long before it: the look before saw it half done. */
#define LATELY_NS (60 * NS_PER_S)
#define POLL_NS (NS_PER_S / 5)
#define MIDWAY_NS NS_PER_S
#define RETRY_NS (5 * NS_PER_S)
#define RELEASE_NS (60 * NS_PER_S)
#define FACT_CHANGES "package-changes"
#define FACT_FINDINGS "package-findings"

static const struct action files_changed = { "package-files-changed", "package file", "change", SEVERITY_LOW, true, NULL };
static const struct action database_edited = { "package-database-edited", "package file", "change", SEVERITY_HIGH, true, NULL };

/* One run of a package manager, or what comparisons found. */
struct deed {
        struct deed *next;
        bool by_comparison, unwatched;
        uint8_t id[TRANSACTION_ID_SIZE];
        struct origin manager;
        struct package_run *run;        /* owned */
        const struct slot *slot;        /* that of its first file */
        size_t n_waiting;
        uint64_t first_ns, last_ns;     /* wall clock */
        uint64_t news_ns, waits_ns, over_ns, look_ns, tried_ns; /* monotonic; 0: not yet */
        uint64_t generation, seen;      /* of the database: when it was tried; when it was thought of last */
        bool tried_over;
        bool told, over;                /* in the batch or round that is open; over: nothing more will come */
};

struct proof {
        struct provenance *provenance;  /* borrowed */
        struct deed *deeds;             /* owned */
        size_t n_deeds;
        struct package_changes changes;
        struct buffer path;
        uint64_t served_ns, asked_ns;   /* monotonic; asked_ns 0: what was read for answers is given back */
        uint64_t checked_ns;            /* monotonic: when that was tried last */
        uint64_t checked;               /* generation whose database was searched for signs of other hands */
        uint64_t package_look_ns;       /* wall clock: of the package watch, when that was thought of last */
        uint64_t findings[FINDINGS_MAX]; /* hashes of what was told */
        size_t n_findings;
        bool changes_moved, findings_moved; /* the facts must be written anew */
        bool accused, quiet;            /* in this batch or round; quiet: something is kept that nobody is told */
        /* the key that is looked at because it waits */
        struct key_hint *evaluating;
        bool final, late, waited;
};

/* ---- words ---- */

void proof_words_done(struct proof_words *words) {
        buffer_done(&words->why);
        buffer_done(&words->texts);
}

void proof_words_add(const struct proof_words *words, struct event *event) {
        if (!words->verdict)
                return;
        event_add(event, "nephronix.proof.verdict", FIELD_TEXT, value_string(words->verdict));
        if (words->why.size && !words->why.failed)
                event_add(event, "nephronix.proof.why", FIELD_TEXT, value_bytes(buffer_bytes(&words->why)));
        event_add(event, "nephronix.package.manager", FIELD_TEXT, value_string(words->manager));
        if (words->package.size)
                event_add(event, "nephronix.package.name", FIELD_TEXT, value_bytes(words->package));
        if (words->version.size)
                event_add(event, "nephronix.package.version", FIELD_TEXT, value_bytes(words->version));
        if (words->architecture.size)
                event_add(event, "nephronix.package.architecture", FIELD_TEXT, value_bytes(words->architecture));
}

static const char *verdict_name(const struct provenance_answer *answer, bool present) {
        switch (answer->verdict) {
        case PROVENANCE_NONE:
                return "unowned";
        case PROVENANCE_MATCHES:
                return present ? "matches" : "unowned"; /* of what is gone: no package owns it (any more) */
        case PROVENANCE_DIFFERS:
                return "differs";
        case PROVENANCE_CONFIGURATION:
                return "configuration";
        case PROVENANCE_UNPROVEN:
                return "unproven";
        case PROVENANCE_UNKNOWN:
                break;
        }
        return "unknown";
}

/* "package coreutils 9.1-1" */
static void append_owner(struct buffer *buffer, const struct provenance_answer *answer) {
        buffer_append_string(buffer, "package ");
        buffer_append_bytes(buffer, answer->package);
        if (answer->version.size) {
                buffer_append_byte(buffer, ' ');
                buffer_append_bytes(buffer, answer->version);
        }
}

/* The answer's bytes live until the next question only. */
static struct bytes keep(struct buffer *texts, size_t *at, struct bytes bytes) {
        struct bytes kept = bytes_of(texts->data + *at, bytes.size);

        *at += bytes.size;
        return kept;
}

/* 'among': it lies where packages put files, so that it is worth a word when it is none of theirs. 'despite': why what matches is no event less, a clause behind "it is as package x ships it"; NULL: it does not match. */
static void words_fill(struct proof_words *words, const struct provenance_answer *answer, bool present, bool among,
                       const char *despite) {
        struct buffer *why = &words->why;
        size_t at = 0;

        words->verdict = verdict_name(answer, present);
        words->manager = answer->manager;
        switch (answer->verdict) {
        case PROVENANCE_NONE:
                if (among)
                        buffer_append_string(why, "no package owns it");
                break;
        case PROVENANCE_MATCHES:
                if (!present) {
                        if (among)
                                buffer_append_string(why, "no package owns it");
                        break;
                }
                buffer_append_string(why, "it is as ");
                append_owner(why, answer);
                buffer_append_string(why, " ships it");
                if (despite)
                        buffer_append_string(why, despite);
                break;
        case PROVENANCE_DIFFERS:
                if (!present) {
                        append_owner(why, answer);
                        buffer_append_string(why, " ships it");
                        break;
                }
                buffer_append_string(why, "it is not what ");
                append_owner(why, answer);
                buffer_append_string(why, " ships");
                if (answer->why)
                        buffer_printf(why, " (%s)", answer->why);
                break;
        case PROVENANCE_CONFIGURATION:
                buffer_append_string(why, "it is a configuration file of ");
                append_owner(why, answer);
                if (present)
                        buffer_append_string(why, ", and not the one that it ships");
                if (present && answer->why)
                        buffer_printf(why, " (%s)", answer->why);
                break;
        case PROVENANCE_UNPROVEN:
                append_owner(why, answer);
                buffer_printf(why, " owns it, and nothing proves it%s%s", answer->why ? ": " : "", answer->why ? answer->why : "");
                break;
        case PROVENANCE_UNKNOWN:
                buffer_append_string(why, "whether it is as packaged is not known");
                if (answer->why)
                        buffer_printf(why, ": %s", answer->why);
                break;
        }
        buffer_append_bytes(&words->texts, answer->package);
        buffer_append_bytes(&words->texts, answer->version);
        buffer_append_bytes(&words->texts, answer->architecture);
        if (buffer_error(&words->texts) < 0)
                return;
        words->package = keep(&words->texts, &at, answer->package);
        words->version = keep(&words->texts, &at, answer->version);
        words->architecture = keep(&words->texts, &at, answer->architecture);
}

/* ---- life ---- */

int proof_new(struct provenance *provenance, struct proof **ret) {
        struct proof *proof = calloc(1, sizeof(*proof));

        if (!proof)
                return -ENOMEM;
        proof->provenance = provenance;
        *ret = proof;
        return 0;
}

static struct deed *deed_free(struct deed *deed) {
        if (deed)
                (void)package_run_free(deed->run);
        free(deed);
        return NULL;
}

struct proof *proof_free(struct proof *proof) {
        if (!proof)
                return NULL;
        while (proof->deeds) {
                struct deed *next = proof->deeds->next;

                (void)deed_free(proof->deeds);
                proof->deeds = next;
        }
        package_changes_done(&proof->changes);
        buffer_done(&proof->path);
        free(proof);
        return NULL;
}

int proof_restore(struct engine *engine) {
        struct baseline *baseline = baseline_of(engine);
        struct proof *proof = engine->proof;
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t size = 0;
        int r;

        if (!proof)
                return 0;
        bytes = malloc(PACKAGE_CHANGES_BYTES_MAX);
        if (!bytes)
                return -ENOMEM;
        r = baseline->ops->get_fact(baseline, FACT_CHANGES, bytes, PACKAGE_CHANGES_BYTES_MAX, &size);
        if (r > 0)
                r = package_changes_decode(&proof->changes, bytes_of(bytes, size));
        if (r == -ENOMEM)
                return r;
        /* What makes no sense explains nothing: then the files are told one by one. */
        r = baseline->ops->get_fact(baseline, FACT_FINDINGS, proof->findings, sizeof(proof->findings), &size);
        if (r > 0)
                proof->n_findings = size / sizeof(proof->findings[0]);
        return 0;
}

static bool concerns(const struct engine *engine, const struct slot *slot) {
        return engine->proof && slot->watch.kind->provable;
}

/* ---- deeds ---- */

static struct deed *deed_add(struct engine *engine) {
        struct proof *proof = engine->proof;
        struct deed *deed, **place;

        if (proof->n_deeds == DEEDS_MAX)
                return NULL;
        deed = calloc(1, sizeof(*deed));
        if (!deed)
                return NULL;
        deed->run = package_run_new();
        if (!deed->run)
                return deed_free(deed);
        deed->news_ns = engine_now_ns(engine);
        for (place = &proof->deeds; *place; place = &(*place)->next)
                ;
        *place = deed;
        proof->n_deeds++;
        return deed;
}

static struct deed *deed_find(struct proof *proof, const uint8_t *id) {
        for (struct deed *deed = proof->deeds; deed; deed = deed->next)
                if (id ? !deed->by_comparison && memcmp(deed->id, id, sizeof(deed->id)) == 0 : deed->by_comparison)
                        return deed;
        return NULL;
}

static void deed_drop(struct engine *engine, struct deed *deed) {
        struct proof *proof = engine->proof;
        struct deed **place = &proof->deeds;

        while (*place != deed)
                place = &(*place)->next;
        *place = deed->next;
        proof->n_deeds--;
        if (!deed->by_comparison)
                process_table_release(engine->processes, deed->manager.pid, deed->manager.start_ticks);
        (void)deed_free(deed);
}

static struct deed *deed_of_comparisons(struct engine *engine) {
        struct deed *deed = deed_find(engine->proof, NULL);

        if (!deed) {
                deed = deed_add(engine);
                if (deed)
                        deed->by_comparison = true;
        }
        return deed;
}

static struct deed *deed_of_transaction(struct engine *engine, const struct transaction *transaction) {
        struct deed *deed = deed_find(engine->proof, transaction->id);

        if (deed)
                return deed;
        deed = deed_add(engine);
        if (!deed)
                return NULL;
        memcpy(deed->id, transaction->id, sizeof(deed->id));
        deed->manager = (struct origin){
                .known = true, .pid = transaction->process->pid, .start_ticks = transaction->process->start_ticks,
        };
        process_table_hold(engine->processes, deed->manager.pid, deed->manager.start_ticks);
        return deed;
}

/* The run of a package manager that this process belongs to, or NULL. *by_manager: it is a package manager itself. */
static struct deed *deed_of_origin(struct engine *engine, const struct origin *origin, bool *by_manager) {
        struct actor actor;

        if (!origin->known || !process_table_actor(engine->processes, origin, engine_now_ns(engine), &actor) ||
            !actor.in_transaction)
                return NULL;
        *by_manager = package_manager_is(&actor.process);
        return deed_of_transaction(engine, &actor.transaction);
}

static struct deed *deed_of_hint(struct engine *engine, const struct key_hint *hint, bool *by_manager) {
        struct deed *one, *other;
        bool by_one = false, by_other = false;

        if (!hint->mixed)
                return deed_of_origin(engine, &hint->origin, by_manager);
        if (hint->crowd)
                return NULL;
        one = deed_of_origin(engine, &hint->one, &by_one);
        other = deed_of_origin(engine, &hint->other, &by_other);
        *by_manager = by_one && by_other;
        return one == other ? one : NULL;
}

static uint64_t wall_ns(struct engine *engine) {
        struct timespec now = engine->options.clock->realtime(engine->options.clock);

        return timestamp_to_ns(&now);
}

static void deed_news(struct engine *engine, struct deed *deed, const struct slot *slot) {
        deed->news_ns = engine_now_ns(engine);
        deed->last_ns = wall_ns(engine);
        if (!deed->first_ns)
                deed->first_ns = deed->last_ns;
        if (!deed->slot)
                deed->slot = slot;
}

/* ---- waiting ---- */

static void done_waiting(struct engine *engine, struct key_hint *hint) {
        if (hint->done)
                return;
        hint->done = true;
        hint->deed->n_waiting--;
        if (hint->origin.known)
                process_table_release(engine->processes, hint->origin.pid, hint->origin.start_ticks);
}

static struct key_hint *find_waiting(const struct slot *slot, struct bytes key) {
        struct key_hint *hint = key_list_find(&slot->waiting, key);

        return hint && !hint->done ? hint : NULL;
}

/* Of two processes of one run nobody knows who was the last: then it was the run's own. */
static void settle_origin(struct engine *engine, struct key_hint *hint, const struct origin *before) {
        if (hint->mixed)
                hint->origin = hint->deed->manager;
        hint->mixed = hint->crowd = false;
        if (hint->origin.pid == before->pid && hint->origin.start_ticks == before->start_ticks)
                return;
        if (before->known)
                process_table_release(engine->processes, before->pid, before->start_ticks);
        if (hint->origin.known)
                process_table_hold(engine->processes, hint->origin.pid, hint->origin.start_ticks);
}

/* When all of it was compared before the changes that are found now. */
static uint64_t slot_known_ns(const struct slot *slot) {
        return slot->crowd_ns ? slot->crowd_ns - 1 : slot->collected_ns;
}

/* False: there is no room, and the watch will be looked at as a whole. */
static bool let_wait(struct engine *engine, struct slot *slot, struct bytes key, struct deed *deed, const struct key_hint *from,
                     bool by_manager) {
        struct key_hint *hint = key_list_find(&slot->waiting, key);
        bool known = hint && !hint->done, manager = by_manager;
        struct origin before = { .known = false }, origin = from->mixed ? deed->manager : from->origin;

        if (known) {
                before = hint->origin;
                /* Of a package manager and a child of it the child is the one to know of. */
                if (hint->deed == deed && hint->by_manager && !manager && origin.known)
                        hint->origin = origin;
                else if (hint->deed == deed && !hint->by_manager && manager && before.known)
                        origin = before;
                if (!hint->deed->by_comparison) /* else nobody was known */
                        by_manager = by_manager && hint->by_manager;
        } else if (hint) {
                hint->flags = 0;
                hint->origin = hint->made = hint->removed = before;
                hint->mixed = hint->crowd = false;
                buffer_clear(&hint->seen);
        }
        slot->waiting.limit = WAITING_MAX;
        if (key_list_add(&slot->waiting, key, from->flags, &origin, from->source) < 0)
                return false;
        hint = key_list_find(&slot->waiting, key);
        if (from->made.known)
                hint->made = from->made;
        if (from->removed.known)
                hint->removed = from->removed;
        if (known && hint->deed != deed)
                hint->deed->n_waiting--, known = false;
        if (!known) {
                hint->since_ns = engine_now_ns(engine);
                hint->known_ns = slot_known_ns(slot);
                hint->deed = deed;
                deed->n_waiting++;
                if (deed->by_comparison)
                        deed->over_ns = 0;
                if (deed->n_waiting == 1)
                        deed->waits_ns = hint->since_ns;
        }
        hint->source = from->source;
        hint->at_ns = from->at_ns;
        hint->gap = from->gap;
        hint->by_manager = by_manager;
        hint->proven = hint->done = false;
        settle_origin(engine, hint, &before);
        deed_news(engine, deed, slot);
        return true;
}

static void crowd(struct engine *engine, struct slot *slot, struct deed *deed) {
        if (!slot->crowded)
                slot->crowd_ns = slot->collected_ns + 1;
        slot->crowded = deed;
        deed_news(engine, deed, slot);
}

/* A name that dpkg, or rpm, gives a file until it is whole. */
static bool is_temporary(struct bytes key) {
        static const char *const ends[] = { ".dpkg-new", ".dpkg-tmp" };
        enum { RPM_DIGITS = 8 };

        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                size_t size = strlen(ends[i]);

                if (key.size > size && memcmp(key.data + key.size - size, ends[i], size) == 0)
                        return true;
        }
        if (key.size <= RPM_DIGITS + 1 || key.data[key.size - RPM_DIGITS - 1] != ';')
                return false;
        for (size_t i = key.size - RPM_DIGITS; i < key.size; i++)
                if (!strchr("0123456789abcdef", key.data[i]) || key.data[i] == '\0')
                        return false;
        return true;
}

static bool is_author_known(struct engine *engine, const struct origin *origin) {
        return origin->known && process_table_learn(engine->processes, origin, engine_now_ns(engine));
}

bool proof_takes_key(struct engine *engine, struct slot *slot, struct key_hint *hint) {
        struct key_hint *waits;
        bool by_manager = false;
        struct deed *deed;

        if (!concerns(engine, slot) || engine->proof->evaluating)
                return false;
        deed = deed_of_hint(engine, hint, &by_manager);
        waits = deed ? NULL : find_waiting(slot, buffer_bytes(&hint->key));
        if (waits && !hint->mixed && !is_author_known(engine, &hint->origin)) {
                deed = waits->deed;
                by_manager = !hint->origin.known && waits->by_manager; /* who says nothing takes nothing back */
        } else if (!deed) {
                /* Somebody else was there too: it is told now, and as his. */
                if (waits)
                        done_waiting(engine, waits);
                return false;
        }
        if (!let_wait(engine, slot, buffer_bytes(&hint->key), deed, hint, by_manager))
                crowd(engine, slot, deed);
        return true;
}

/* The path of a key of a provable watch (record.h, FIELD_KEY_PATH). */
static struct bytes path_of(struct proof *proof, struct bytes key) {
        buffer_clear(&proof->path);
        buffer_append_byte(&proof->path, '/');
        buffer_append_bytes(&proof->path, key);
        for (size_t i = 1; i < proof->path.size; i++)
                if (proof->path.data[i] == '\0')
                        proof->path.data[i] = '/';
        return buffer_error(&proof->path) < 0 ? BYTES_NULL : buffer_bytes(&proof->path);
}

static void ask(struct engine *engine, struct bytes key, bool present, struct provenance_answer *ret) {
        struct proof *proof = engine->proof;
        struct bytes path = path_of(proof, key);

        proof->asked_ns = engine_now_ns(engine);
        *ret = (struct provenance_answer){ .verdict = PROVENANCE_UNKNOWN };
        if (path.size == 0 || proof->provenance->ops->ask(proof->provenance, path, present, ret) < 0)
                *ret = (struct provenance_answer){ .verdict = PROVENANCE_UNKNOWN, .why = "it could not be read" };
}

/* Whoever waits for what will never be known waits in vain. */
static bool comes_soon(const struct provenance_answer *answer) {
        return answer->verdict == PROVENANCE_UNKNOWN && answer->soon;
}

/* Somebody writes the package database, or did so lately. */
static bool is_package_time(struct engine *engine, struct bytes key) {
        const struct proof *proof = engine->proof;
        struct provenance_answer answer;

        if (proof->changes.count && proof->changes.items[proof->changes.count - 1].at_ns + LATELY_NS > engine_now_ns(engine))
                return true;
        ask(engine, key, false, &answer);
        return comes_soon(&answer);
}

bool proof_takes_passed(struct engine *engine, struct slot *slot, const struct key_hint *hint) {
        bool by_manager = hint->by_manager;
        struct deed *deed = hint->deed;

        if (!concerns(engine, slot) || !is_temporary(buffer_bytes(&hint->key)))
                return false;
        if (!deed)
                deed = deed_of_hint(engine, hint, &by_manager);
        if (!deed && !hint->mixed && !is_author_known(engine, &hint->origin))
                return is_package_time(engine, buffer_bytes(&hint->key));
        if (!deed || (!by_manager && !deed->by_comparison))
                return false;
        deed_news(engine, deed, slot);
        return true;
}

/* ---- judging ---- */

static const struct value *value_of(const struct field *fields, const struct record *record, const char *name) {
        int index = record ? fields_find(fields, name) : -1;

        return index >= 0 && record->values[index].present ? &record->values[index] : NULL;
}

static bool is_type(const struct change *change, const char *type) {
        const struct value *value = value_of(change->fields, change->after, "type");

        return value && bytes_equal(value->bytes, bytes_of_string(type));
}

static uint64_t number_of(const struct change *change, const struct record *record, const char *name) {
        const struct value *value = value_of(change->fields, record, name);

        return value ? value->number : 0;
}

static bool moved(const struct change *change, const char *name) {
        int index = fields_find(change->fields, name);

        return index >= 0 && change->before &&
               !value_equal(&change->fields[index], &change->before->values[index], &change->after->values[index]);
}

/* What the package does not prove and must not pass with what it does: why, or NULL. dpkg knows no modes and no owners. */
static const char *unproven_part(const struct change *change, unsigned told) {
        enum { SET_ID = 06000, OTHERS_WRITE = 0002 };
        uint64_t mode = number_of(change, change->after, "mode");

        if (!(told & PROVENANCE_MODE)) {
                if (mode & SET_ID && !is_type(change, "dir"))
                        return ", but nothing proves that it should be set-user-id or set-group-id";
                if (moved(change, "mode"))
                        return ", but nothing proves its mode";
                if (!change->before && mode & OTHERS_WRITE && !is_type(change, "symlink") && !is_type(change, "dir"))
                        return ", but nothing proves that everybody should be able to write it";
        }
        if (!(told & PROVENANCE_OWNER) && (moved(change, "user") || moved(change, "group")))
                return ", but nothing proves its owner";
        if (!(told & PROVENANCE_CAPABILITIES) && value_of(change->fields, change->after, "capabilities"))
                return ", but nothing proves its capabilities";
        if (moved(change, "acl") || (!change->before && value_of(change->fields, change->after, "acl")))
                return ", but nothing proves its access control list";
        if (moved(change, "flags") || moved(change, "attributes") || moved(change, "label"))
                return ", but nothing proves its attributes";
        return NULL;
}

/* Explained by its package, if that changed it? *despite: it matches, and why that does not do. */
static bool is_explained(const struct provenance_answer *answer, const struct change *change, bool by_manager,
                         enum package_run_file *ret_kind, const char **ret_despite) {
        *ret_despite = NULL;
        if (!change->after) {
                *ret_kind = PACKAGE_RUN_GONE;
                return answer->verdict == PROVENANCE_MATCHES && by_manager;
        }
        if (answer->verdict == PROVENANCE_MATCHES) {
                *ret_kind = PACKAGE_RUN_AS_PACKAGED;
                *ret_despite = unproven_part(change, answer->told);
                return !*ret_despite;
        }
        if (answer->verdict == PROVENANCE_UNPROVEN && by_manager && is_type(change, "dir")) {
                *ret_kind = PACKAGE_RUN_AS_PACKAGED; /* dpkg lists it, and does not say that it is one: nothing lies in it */
                return !moved(change, "mode") && !moved(change, "user") && !moved(change, "group");
        }
        *ret_kind = PACKAGE_RUN_LINK;
        return answer->verdict == PROVENANCE_UNPROVEN && is_type(change, "symlink") &&
               (by_manager || (change->before && !moved(change, "target") && !moved(change, "type")));
}

/* Of a file that no package owns: whether one owns the folder. Keeps the answer's word, not its bytes. */
static bool is_among_packages(struct engine *engine, struct bytes key) {
        struct provenance_answer answer;
        size_t size = key.size;

        while (size > 0 && key.data[size - 1] != '\0' && key.data[size - 1] != '/')
                size--;
        ask(engine, bytes_of(key.data, size ? size - 1 : 0), true, &answer);
        return answer.verdict != PROVENANCE_NONE && answer.verdict != PROVENANCE_UNKNOWN;
}

static void fill_words(struct engine *engine, struct proof_words *words, struct bytes key, const struct provenance_answer *answer,
                       bool present, bool in_run, const char *despite) {
        bool owned = answer->package.size > 0;
        struct provenance_answer kept = *answer; /* of one without an owner nothing is borrowed */

        words_fill(words, &kept, present, !owned && (in_run || is_among_packages(engine, key)), despite);
}

static int count_file(struct engine *engine, struct deed *deed, const struct slot *slot, struct bytes key,
                      const struct provenance_answer *answer, enum package_run_file kind) {
        deed_news(engine, deed, slot);
        engine->proof->quiet |= kind != PACKAGE_RUN_ALONE;
        return package_run_file(deed->run, answer, path_of(engine->proof, key), kind);
}

/* The deed that a package's change was part of, when nobody knows who wrote the file; NULL: the package did not change since. */
static struct deed *deed_of_package(struct engine *engine, const struct provenance_answer *answer, uint64_t since_ns) {
        struct proof *proof = engine->proof;
        const struct package_change *change;
        struct deed *deed = NULL;

        since_ns = since_ns > LATELY_NS ? since_ns - LATELY_NS : 0;
        change = package_changes_find(&proof->changes, answer->package, answer->architecture, since_ns);
        if (!change || answer->package.size == 0 || !bytes_equal(change->package.version, answer->version))
                return NULL; /* or went on since, and the package watch has not said so yet */
        if (change->in_run)
                deed = deed_find(proof, change->run);
        if (!deed)
                deed = deed_of_comparisons(engine);
        if (deed && package_run_package(deed->run, &change->package) < 0)
                return NULL;
        return deed;
}

static enum proof_way judge_waiting(struct engine *engine, struct slot *slot, const struct change *change,
                                    struct proof_words *words) {
        struct proof *proof = engine->proof;
        struct key_hint *hint = proof->evaluating;
        struct deed *deed = hint->deed;
        struct bytes key = buffer_bytes(&hint->key);
        struct provenance_answer answer;
        enum package_run_file kind;
        const char *despite;
        bool explained;

        if (!proof->final && hint->by_manager && is_temporary(key)) {
                proof->waited = true;
                return PROOF_WAIT;
        }
        ask(engine, key, change->after, &answer);
        if (comes_soon(&answer) && !proof->late) {
                proof->waited = true;
                return PROOF_WAIT;
        }
        explained = is_explained(&answer, change, hint->by_manager, &kind, &despite);
        if (explained && deed->by_comparison) {
                deed = deed_of_package(engine, &answer, hint->known_ns);
                if (!deed && !proof->late && engine_now_ns(engine) - hint->since_ns < PACKAGES_NS) {
                        proof->waited = true;
                        return PROOF_WAIT;
                }
                if (!deed) {
                        explained = false;
                        despite = ", but that package did not change meanwhile";
                }
        }
        if (explained && !proof->final) {
                hint->proven = proof->waited = true;
                return PROOF_WAIT;
        }
        if (explained && count_file(engine, deed, slot, key, &answer, kind) == 0)
                return PROOF_QUIET;
        fill_words(engine, words, key, &answer, change->after, !hint->deed->by_comparison, despite);
        if (!hint->deed->by_comparison) {
                (void)count_file(engine, hint->deed, slot, key, &answer, PACKAGE_RUN_ALONE);
                words->run = hint->deed->id;
                words->run_manager = hint->deed->manager;
        }
        return PROOF_TELL;
}

static bool any_run(const struct proof *proof) {
        for (const struct deed *deed = proof->deeds; deed; deed = deed->next)
                if (!deed->by_comparison)
                        return true;
        return false;
}

enum proof_way proof_judge(struct engine *engine, struct slot *slot, const struct change *change, const struct telling *telling,
                           bool whole, bool dry, struct proof_words *ret) {
        struct proof *proof = engine->proof;
        struct bytes key = change_record(change)->key;
        bool by_event = strcmp(telling->seen_by, "event") == 0, by_manager = false;
        const struct key_hint from = {
                .origin = telling->origin, .source = by_event ? telling->sensor : NULL, .at_ns = telling->at_ns,
                .gap = telling->gap,
        };
        struct provenance_answer answer;
        enum package_run_file kind;
        const char *despite;
        struct deed *deed;
        bool explained;

        if (!concerns(engine, slot))
                return PROOF_TELL;
        if (proof->evaluating)
                return judge_waiting(engine, slot, change, ret);
        if (find_waiting(slot, key) || (slot->crowded && !by_event))
                return PROOF_WAIT;
        if (dry)
                return PROOF_TELL;
        if (whole && by_event && telling->origin.known) {
                deed = deed_of_origin(engine, &telling->origin, &by_manager);
                if (deed) {
                        if (!let_wait(engine, slot, key, deed, &from, by_manager))
                                crowd(engine, slot, deed);
                        return PROOF_WAIT;
                }
        }

        ask(engine, key, change->after, &answer);
        if (by_event && (telling->mixed || is_author_known(engine, &telling->origin))) {
                fill_words(engine, ret, key, &answer, change->after, false, ", but no package manager did this");
                return PROOF_TELL;
        }
        explained = is_explained(&answer, change, false, &kind, &despite);
        deed = explained ? deed_of_package(engine, &answer, slot_known_ns(slot)) : NULL;
        if (deed && count_file(engine, deed, slot, key, &answer, kind) == 0) {
                deed->unwatched |= telling->gap;
                return PROOF_QUIET;
        }
        /* The packages' own word comes later, perhaps; and so may the event that says who. */
        if (explained || comes_soon(&answer) || any_run(proof)) {
                deed = deed_of_comparisons(engine);
                if (deed && let_wait(engine, slot, key, deed, &from, false)) {
                        deed->unwatched |= telling->gap;
                        return PROOF_WAIT;
                }
        }
        fill_words(engine, ret, key, &answer, change->after, false, explained ? ", but that package did not change meanwhile" : despite);
        return PROOF_TELL;
}

/* ---- what the package watch finds ---- */

static bool is_packages(const struct slot *slot) {
        return strcmp(slot->watch.kind->kind, "packages") == 0;
}

static struct slot *packages_slot(struct engine *engine) {
        for (size_t i = 0; i < engine->n_slots; i++)
                if (is_packages(&engine->slots[i]))
                        return &engine->slots[i];
        return NULL;
}

static struct bytes text_of(const struct change *change, const struct record *record, const char *name) {
        const struct value *value = value_of(change->fields, record, name);

        return value ? value->bytes : BYTES_NULL;
}

/* One at a time has the database's lock. */
static struct deed *only_deed(const struct proof *proof) {
        struct deed *only = NULL;

        for (struct deed *deed = proof->deeds; deed; deed = deed->next) {
                if (deed->by_comparison)
                        continue;
                if (only)
                        return NULL;
                only = deed;
        }
        return only;
}

/* Once for what one process did, however many packages it is. */
static int accuse(struct engine *engine, const struct slot *slot, const struct change *change, const struct actor *actor) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct event event = {
                .watch = slot->watch.settings->name, .action = &database_edited, .severity = database_edited.severity,
                .seen_by = "event", .sensor = slot->watch.kind->sensor, .actor = actor,
        };

        if (engine->proof->accused)
                return 0;
        engine->proof->accused = true;
        buffer_append_string(&text, "the package database was changed by a process that is no package manager: package ");
        escape_append(&text, text_of(change, change_record(change), "name"));
        event.message = buffer_string(&text);
        return tell_event(engine, &event);
}

int proof_package(struct engine *engine, const struct slot *slot, const struct change *change, const struct action *action,
                  const struct telling *telling) {
        const char *word = package_changes_word(action->action);
        struct event_package package = { .what = word };
        struct bytes manager = text_of(change, change_record(change), "manager");
        _cleanup_buffer_ struct buffer names = BUFFER_NULL;
        struct actor actor;
        struct deed *deed = NULL;
        bool known;
        int r;

        if (!engine->proof || !is_packages(slot))
                return 0;
        known = strcmp(telling->seen_by, "event") == 0 && tell_actor(engine, &telling->origin, &names, &actor);
        if (known && !actor.in_transaction) {
                r = accuse(engine, slot, change, &actor);
                if (r < 0)
                        return r;
        }
        if (!word)
                return 0;
        package.name = text_of(change, change_record(change), "name");
        package.architecture = text_of(change, change_record(change), "architecture");
        package.before = text_of(change, change->before, "version");
        if (strcmp(word, "removed") != 0)
                package.version = text_of(change, change->after, "version");
        package.manager = bytes_equal(manager, bytes_of_string("rpm")) ? "rpm" : "dpkg";
        if (known && actor.in_transaction)
                deed = deed_of_transaction(engine, &actor.transaction);
        else if (!known && strcmp(telling->seen_by, "event") == 0) /* several processes of one run have written it */
                deed = only_deed(engine->proof);
        /* Who wrote the database by hand explains nothing with it. */
        if (known && !actor.in_transaction)
                return 0;
        r = package_changes_add(&engine->proof->changes, &package, engine_now_ns(engine), deed ? deed->id : NULL);
        if (r == 0 && deed) {
                r = package_run_package(deed->run, &package);
                deed->news_ns = engine_now_ns(engine);
        }
        engine->proof->changes_moved = true;
        return r;
}

/* ---- what waits ---- */

/* Several questions to an rpm database are one. */
static void prepare(struct engine *engine, const struct deed *deed) {
        struct provenance *provenance = engine->proof->provenance;
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        _cleanup_free_ struct bytes *paths = calloc(deed->n_waiting + 1, sizeof(*paths));
        size_t n = 0, at = 0;

        if (!paths || !provenance->ops->prepare)
                return;
        for (size_t i = 0; i < engine->n_slots; i++)
                for (size_t k = 0; k < engine->slots[i].waiting.count; k++) {
                        const struct key_hint *hint = &engine->slots[i].waiting.items[k];
                        struct bytes path;

                        if (hint->done || hint->deed != deed || n == deed->n_waiting)
                                continue;
                        path = path_of(engine->proof, buffer_bytes(&hint->key));
                        buffer_append_bytes(&text, path);
                        paths[n++] = bytes_of(NULL, path.size);
                }
        if (buffer_error(&text) < 0)
                return;
        for (size_t i = 0; i < n; at += paths[i].size, i++)
                paths[i].data = text.data + at;
        (void)provenance->ops->prepare(provenance, paths, n);
}

/* The database is being written, or its answer is on its way: asked before many files are read in vain. */
static bool is_busy(struct engine *engine, const struct deed *deed) {
        struct provenance_answer answer;
        size_t asked = 0;

        for (size_t i = 0; i < engine->n_slots; i++)
                for (size_t k = 0; k < engine->slots[i].waiting.count; k++) {
                        const struct key_hint *hint = &engine->slots[i].waiting.items[k];

                        if (hint->done || hint->deed != deed)
                                continue;
                        ask(engine, buffer_bytes(&hint->key), false, &answer); /* reads no file */
                        if (!comes_soon(&answer))
                                return false;
                        if (++asked == PROBES)
                                return true;
                }
        return asked > 0;
}

static int look_at_waiting(struct engine *engine, struct slot *slot, struct key_hint *hint) {
        struct proof *proof = engine->proof;
        int r;

        if (slot->what != ENGINE_IDLE || !slot->opened) {
                schedule_hint(&slot->schedule); /* a look at all of it will say */
                done_waiting(engine, hint);
                return 0;
        }
        proof->waited = false;
        proof->evaluating = hint;
        r = look_at_key(engine, slot, hint);
        proof->evaluating = NULL;
        if (r < 0)
                schedule_hint(&slot->schedule);
        if (r < 0 || !proof->waited)
                done_waiting(engine, hint);
        return r < 0 ? r : batch_make_room(engine);
}

/* final: it is over; what is as packaged is counted and kept. Else what is not is told, and the rest waits on. late: whatever
 * the packages say. */
static int look_at_deed(struct engine *engine, struct deed *deed, bool final, bool late) {
        int r = 0;

        if (deed->n_waiting == 0)
                return 0;
        prepare(engine, deed);
        if (!late && is_busy(engine, deed))
                return 0;
        engine->proof->final = final;
        engine->proof->late = late;
        for (size_t i = 0; i < engine->n_slots && r >= 0; i++) {
                struct slot *slot = &engine->slots[i];

                for (size_t k = 0; k < slot->waiting.count && r >= 0; k++) {
                        struct key_hint *hint = &slot->waiting.items[k];

                        if (!hint->done && hint->deed == deed && (final || !hint->proven))
                                r = look_at_waiting(engine, slot, hint);
                }
                key_list_sweep(&slot->waiting);
        }
        return r;
}

/* ---- what is over ---- */

/* "apt", "unattended-upgr": as the process is called. */
static void append_name(struct buffer *buffer, const struct process_facts *facts) {
        struct bytes name = facts->name;

        if (name.size == 0)
                name = bytes_of_string("a package manager");
        escape_append(buffer, name);
}

static int tell_deed(struct engine *engine, struct deed *deed) {
        _cleanup_buffer_ struct buffer text = BUFFER_NULL, who = BUFFER_NULL, names = BUFFER_NULL;
        struct event event = {
                .action = &files_changed, .severity = files_changed.severity,
                .seen_by = deed->by_comparison ? "reconcile" : "event",
                .count = package_run_quiet(deed->run), .first_ns = deed->first_ns, .last_ns = deed->last_ns,
        };
        struct actor actor;
        int r;

        if (event.count == 0 || !deed->slot)
                return 0;
        event.watch = deed->slot->watch.settings->name;
        event.kind = deed->slot->watch.kind;
        event.sensor = deed->slot->watch.kind->sensor;
        event.packages = package_run_packages(deed->run);
        if (deed->by_comparison) {
                if (deed->unwatched)
                        buffer_append_string(&text, "while nobody watched, ");
                package_run_sentence(deed->run, NULL, &text);
        } else {
                if (tell_actor(engine, &deed->manager, &names, &actor)) {
                        event.actor = &actor;
                        actor.in_transaction = true;
                        memcpy(actor.transaction.id, deed->id, sizeof(deed->id));
                        actor.transaction.process = &actor.process;
                        append_name(&who, &actor.process);
                }
                package_run_sentence(deed->run, who.size && !who.failed ? buffer_string(&who) : "a package manager", &text);
        }
        event.message = buffer_string(&text);
        if (deed->unwatched)
                tell_gap(engine, &event);
        if (engine->fast)
                return tell_event(engine, &event);
        r = engine_ensure_part(engine);
        if (r == 0)
                r = tell_event(engine, &event);
        return r < 0 ? r : engine_end_part(engine, true);
}

/* What its packages explain was told: whoever starts after us need not know. */
static void finish_changes(struct engine *engine, const struct deed *deed) {
        struct package_changes *changes = &engine->proof->changes;

        for (size_t i = 0; i < changes->count; i++) {
                struct package_change *change = &changes->items[i];

                if (!change->unfinished)
                        continue;
                if (change->in_run && (deed->by_comparison ? deed_find(engine->proof, change->run) != NULL
                                                           : memcmp(change->run, deed->id, sizeof(deed->id)) != 0))
                        continue;
                change->unfinished = false;
                engine->proof->changes_moved = true;
        }
}

/* Watches of which more came than could wait are looked at by a round, which counts for this deed. True: not yet. */
static bool waits_for_looks(struct engine *engine, struct deed *deed, uint64_t now_ns) {
        bool waits = false;

        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];

                if (slot->crowded == deed) {
                        slot->crowded = NULL;
                        deed->look_ns = now_ns;
                        schedule_hint(&slot->schedule);
                }
                if (!slot->crowd_ns || !deed->look_ns)
                        continue;
                if (slot->collected_ns < deed->look_ns && now_ns - deed->look_ns < WAIT_MOST_NS && slot->what == ENGINE_IDLE)
                        waits = true;
                else
                        slot->crowd_ns = 0;
        }
        return waits;
}

static bool waits_for_packages(struct engine *engine, const struct deed *deed, uint64_t now_ns) {
        const struct slot *slot = packages_slot(engine);

        if (!slot || now_ns - deed->over_ns >= PACKAGES_NS)
                return false;
        return slot->schedule.hinted || slot->keys.count || slot->what == ENGINE_WAITING ||
               (!deed->by_comparison && !package_run_has_packages(deed->run));
}

/* 'over': it is forgotten when this is kept. Else what is counted so far is told with what was kept of it. */
static int end_deed(struct engine *engine, struct deed *deed, bool over) {
        int r;

        if (over)
                finish_changes(engine, deed);
        if (package_run_quiet(deed->run) == 0) {
                if (over)
                        deed_drop(engine, deed);
                return 0;
        }
        batch_open(engine);
        r = tell_deed(engine, deed);
        deed->told = r == 0;
        deed->over = over;
        return r;
}

static int serve_deed(struct engine *engine, struct deed *deed, uint64_t generation, uint64_t now_ns) {
        bool over = deed->by_comparison || now_ns - deed->news_ns >= IDLE_NS ||
                    !process_table_lives(engine->processes, &deed->manager, now_ns);
        bool late = deed->n_waiting > 0 && now_ns - deed->waits_ns >= WAIT_MOST_NS;
        bool moved_on = deed->generation != generation;
        int r = 0;

        if (!over && !late) {
                deed->over_ns = 0;
                deed->tried_over = false;
                if (!moved_on || deed->n_waiting == 0 || now_ns - deed->tried_ns < MIDWAY_NS)
                        return 0;
                deed->generation = generation;
                deed->tried_ns = now_ns;
                return look_at_deed(engine, deed, false, false);
        }
        if (deed->by_comparison && deed->seen != generation)
                deed->over_ns = 0;
        deed->seen = generation;
        if (!deed->over_ns) {
                /* That a process ended is known before all that it did. */
                deed->over_ns = now_ns;
                if (engine->options.drain)
                        engine->options.drain(engine->options.drain_context);
                return 0;
        }
        if (!late && waits_for_packages(engine, deed, now_ns))
                return 0;
        if (deed->n_waiting > 0 && (late || moved_on || !deed->tried_over || now_ns - deed->tried_ns >= RETRY_NS)) {
                deed->generation = generation;
                deed->tried_ns = now_ns;
                deed->tried_over = true;
                r = look_at_deed(engine, deed, true, late);
        }
        if (r < 0)
                return r;
        return end_deed(engine, deed, deed->n_waiting == 0 && !waits_for_looks(engine, deed, now_ns));
}

/* ---- the database itself ---- */

struct search {
        struct provenance_findings findings;
        struct engine *engine;
        uint64_t hashes[FINDINGS_MAX];
        size_t n;
};

static uint64_t hash_of(const struct provenance_finding *finding) {
        const struct bytes parts[] = { finding->path, bytes_of_string(finding->why), finding->package };
        uint64_t hash = BYTES_HASH;

        for (size_t i = 0; i < ELEMENTS(parts); i++)
                hash = bytes_hash_word(bytes_hash(hash, parts[i]), 0xff);
        return hash;
}

static bool is_among(const uint64_t *hashes, size_t n, uint64_t hash) {
        for (size_t i = 0; i < n; i++)
                if (hashes[i] == hash)
                        return true;
        return false;
}

static int on_finding(struct provenance_findings *findings, const struct provenance_finding *finding) {
        struct search *search = container_of(findings, struct search, findings);
        struct engine *engine = search->engine;
        const struct slot *slot = packages_slot(engine);
        uint64_t hash = hash_of(finding);
        _cleanup_buffer_ struct buffer text = BUFFER_NULL;
        struct event event = {
                .watch = slot ? slot->watch.settings->name : NULL,
                .action = &database_edited, .severity = database_edited.severity,
                .seen_by = "reconcile", .sensor = finding->manager, .message = "",
        };

        if (search->n == FINDINGS_MAX)
                return 0;
        search->hashes[search->n++] = hash;
        if (is_among(engine->proof->findings, engine->proof->n_findings, hash))
                return 0;
        escape_append(&text, finding->path);
        buffer_printf(&text, " %s: no package manager leaves %s's database so", finding->why, finding->manager);
        event.message = buffer_string(&text);
        event_add(&event, "nephronix.package.manager", FIELD_TEXT, value_string(finding->manager));
        if (finding->package.size)
                event_add(&event, "nephronix.package.name", FIELD_TEXT, value_bytes(finding->package));
        event_add(&event, "file.path", FIELD_TEXT, value_bytes(finding->path));
        if (engine->fast || engine->transaction)
                return tell_event(engine, &event);
        return engine_ensure_part(engine) < 0 ? engine->fatal : tell_event(engine, &event);
}

/* The first question after the database moved pays for reading it, which an event should not wait for. */
static void prime(struct engine *engine) {
        struct provenance *provenance = engine->proof->provenance;
        struct provenance_answer answer;
        bool any = false;

        for (size_t i = 0; i < engine->n_slots; i++)
                any |= concerns(engine, &engine->slots[i]);
        if (any)
                (void)provenance->ops->ask(provenance, bytes_of_string("/"), false, &answer);
}

/* When the package watch looked, its database may have moved: signs of other hands in it are told once. */
static int check_database(struct engine *engine, bool fast) {
        struct proof *proof = engine->proof;
        const struct slot *slot = packages_slot(engine);
        struct search search = { .findings = { .finding = on_finding }, .engine = engine };
        uint64_t generation, now_ns = engine_now_ns(engine);
        int r;

        if (slot && (slot->last_look_ns == proof->package_look_ns || (fast && now_ns - proof->checked_ns < POLL_NS)))
                return 0;
        proof->checked_ns = now_ns;
        generation = proof->provenance->ops->generation(proof->provenance);
        if (generation == proof->checked) {
                proof->package_look_ns = slot ? slot->last_look_ns : 0;
                return 0;
        }
        if (fast) {
                /* What was found so far is told before this takes its milliseconds. */
                r = engine->fast ? keep_batch(engine) : 0;
                if (r < 0)
                        return r;
                batch_open(engine);
        }
        r = proof->provenance->ops->check(proof->provenance, &search.findings);
        if (engine->fatal)
                return engine->fatal;
        if (!fast && r >= 0)
                r = engine_end_part(engine, true) < 0 ? engine->fatal : r;
        if (r != 0) /* it is being written; or cannot be read, which the package watch says */
                return engine->fatal;
        proof->package_look_ns = slot ? slot->last_look_ns : 0;
        proof->checked = generation;
        prime(engine);
        proof->findings_moved |= search.n != proof->n_findings ||
                                 memcmp(search.hashes, proof->findings, search.n * sizeof(search.hashes[0])) != 0;
        memcpy(proof->findings, search.hashes, search.n * sizeof(search.hashes[0]));
        proof->n_findings = search.n;
        return 0;
}

/* ---- when ---- */

int proof_serve(struct engine *engine) {
        struct proof *proof = engine->proof;
        uint64_t now_ns = engine_now_ns(engine), generation;
        int r;

        if (!proof)
                return 0;
        if (proof->asked_ns && !proof->deeds && now_ns - proof->asked_ns >= RELEASE_NS) {
                proof->provenance->ops->release(proof->provenance);
                prime(engine);
                proof->asked_ns = 0;
        }
        r = packages_slot(engine) ? check_database(engine, true) : 0;
        if (r < 0 || !proof->deeds || (proof->served_ns && now_ns - proof->served_ns < POLL_NS))
                return r;
        proof->served_ns = now_ns;
        generation = proof->provenance->ops->generation(proof->provenance);
        for (struct deed *deed = proof->deeds, *next; deed && r >= 0; deed = next) {
                next = deed->next;
                if (!deed->told)
                        r = serve_deed(engine, deed, generation, now_ns);
        }
        return r;
}

/* What comparisons found and is explained is told with the round that found it. */
int proof_serve_round(struct engine *engine) {
        int r;

        if (!engine->proof)
                return 0;
        r = check_database(engine, false);
        for (struct deed *deed = engine->proof->deeds; deed && r >= 0; deed = deed->next) {
                if (package_run_quiet(deed->run) == 0)
                        continue;
                r = tell_deed(engine, deed);
                deed->told = r == 0;
                deed->over = deed->by_comparison && deed->n_waiting == 0;
                if (deed->over)
                        finish_changes(engine, deed);
        }
        return r;
}

uint64_t proof_next_ns(const struct engine *engine) {
        const struct proof *proof = engine->proof;

        if (proof && proof->deeds)
                return proof->served_ns + POLL_NS;
        return proof && proof->asked_ns ? proof->asked_ns + RELEASE_NS : UINT64_MAX;
}

int proof_stage(struct engine *engine) {
        struct baseline *baseline = baseline_of(engine);
        struct proof *proof = engine->proof;
        _cleanup_buffer_ struct buffer bytes = BUFFER_NULL;
        int (*set)(struct baseline *, const char *, struct bytes) =
                engine->fast ? baseline->ops->note_fact : baseline->ops->set_fact;
        int r = 0;

        if (!proof)
                return 0;
        if (proof->changes_moved) {
                package_changes_encode(&proof->changes, &bytes);
                r = buffer_error(&bytes);
                if (r == 0)
                        r = set(baseline, FACT_CHANGES, buffer_bytes(&bytes));
        }
        if (r == 0 && proof->findings_moved)
                r = set(baseline, FACT_FINDINGS, bytes_of(proof->findings, proof->n_findings * sizeof(proof->findings[0])));
        return r;
}

void proof_settled(struct engine *engine, bool kept) {
        struct proof *proof = engine->proof;

        if (!proof)
                return;
        proof->accused = proof->quiet = false;
        if (kept)
                proof->changes_moved = proof->findings_moved = false;
        for (struct deed *deed = proof->deeds, *next; deed; deed = next) {
                next = deed->next;
                if (kept && deed->told && deed->over) {
                        deed_drop(engine, deed);
                        continue;
                }
                if (!kept)
                        package_run_go_back(deed->run, PACKAGE_RUN_KEPT);
                else if (deed->told)
                        package_run_begin_anew(deed->run), deed->first_ns = 0;
                else
                        package_run_set_mark(deed->run, PACKAGE_RUN_KEPT);
                deed->told = deed->over = false;
        }
}

bool proof_keeps(const struct engine *engine) {
        return engine->proof && engine->proof->quiet;
}

void proof_look_begins(struct engine *engine) {
        for (struct deed *deed = engine->proof ? engine->proof->deeds : NULL; deed; deed = deed->next)
                package_run_set_mark(deed->run, PACKAGE_RUN_LOOK);
}

void proof_look_failed(struct engine *engine) {
        for (struct deed *deed = engine->proof ? engine->proof->deeds : NULL; deed; deed = deed->next)
                package_run_go_back(deed->run, PACKAGE_RUN_LOOK);
}
