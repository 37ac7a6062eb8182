#include "folding.h"

#include <errno.h>

#include "ownership.h"

enum { BUCKETS = FOLDING_GROUPS_MAX * 2, OTHERS_MAX = 64 };

#define MINUTE_NS UINT64_C(60000000000)
#define NEVER UINT64_MAX

struct group {
        struct folding_group told;      /* what is told of it; key and sample borrow from 'text' and 'sample' */
        struct group *next;             /* in its bucket, or in the list of free ones */
        uint8_t *text, *sample;         /* owned */
        uint64_t hash, window_ns, end_ns;
        struct group *next_flushed;
        struct folding_group flushed;   /* what was told of it, until that is kept */
        uint64_t flushed_window_ns;
        size_t place;                   /* in the heap that has it */
        bool counting;                  /* which heap that is */
};

/* The one whose window ends first stands first. */
struct heap {
        struct group **items;           /* owned array, groups borrowed */
        size_t count;
};

struct folding {
        uint64_t window_ns;             /* the first of a group */
        struct group *buckets[BUCKETS];
        struct group *groups;           /* owned, FOLDING_GROUPS_MAX */
        size_t n_groups;                /* so many were ever used: the others take no memory yet */
        struct group *free;
        struct group others[OTHERS_MAX]; /* the last one takes those of all watches and actions that found no place */
        size_t n_others;
        struct heap counting, idle;     /* with and without something counted */
        struct group *flushed;          /* told, and perhaps not kept */
        struct group *last;             /* of the last FOLDING_COUNT */
        size_t samples;                 /* bytes of all of them */
        uint64_t minute;                /* when the budget's minute began; NEVER: not yet */
        size_t told, lines;             /* in this minute */
};

int folding_new(uint64_t window_ns, struct folding **ret) {
        _cleanup_folding_ struct folding *folding = calloc(1, sizeof(*folding));

        if (!folding)
                return -ENOMEM;
        folding->minute = NEVER;
        folding->window_ns = window_ns ? window_ns : FOLDING_WINDOW_NS;
        folding->groups = calloc(FOLDING_GROUPS_MAX, sizeof(*folding->groups));
        folding->counting.items = calloc(FOLDING_GROUPS_MAX + OTHERS_MAX, sizeof(struct group *));
        folding->idle.items = calloc(FOLDING_GROUPS_MAX + OTHERS_MAX, sizeof(struct group *));
        if (!folding->groups || !folding->counting.items || !folding->idle.items)
                return -ENOMEM;
        *ret = TAKE_PTR(folding);
        return 0;
}

static void group_empty(struct group *group) {
        free(group->text);
        free(group->sample);
        *group = (struct group){ .text = NULL };
}

struct folding *folding_free(struct folding *folding) {
        if (!folding)
                return NULL;
        for (size_t i = 0; i < folding->n_groups; i++)
                group_empty(&folding->groups[i]);
        for (size_t i = 0; i < OTHERS_MAX; i++)
                group_empty(&folding->others[i]);
        free(folding->groups);
        free(folding->counting.items);
        free(folding->idle.items);
        free(folding);
        return NULL;
}

static void heap_set(struct heap *heap, size_t place, struct group *group) {
        heap->items[place] = group;
        group->place = place;
}

static void heap_settle(struct heap *heap, size_t place) {
        struct group *group = heap->items[place];

        while (place > 0 && heap->items[(place - 1) / 2]->end_ns > group->end_ns) {
                heap_set(heap, place, heap->items[(place - 1) / 2]);
                place = (place - 1) / 2;
        }
        for (;;) {
                size_t child = place * 2 + 1;

                if (child >= heap->count)
                        break;
                if (child + 1 < heap->count && heap->items[child + 1]->end_ns < heap->items[child]->end_ns)
                        child++;
                if (heap->items[child]->end_ns >= group->end_ns)
                        break;
                heap_set(heap, place, heap->items[child]);
                place = child;
        }
        heap_set(heap, place, group);
}

static void heap_put(struct heap *heap, struct group *group) {
        heap_set(heap, heap->count++, group);
        heap_settle(heap, group->place);
}

static void heap_remove(struct heap *heap, struct group *group) {
        size_t place = group->place;

        heap->count--;
        if (place == heap->count)
                return;
        heap_set(heap, place, heap->items[heap->count]);
        heap_settle(heap, place);
}

static uint64_t add(uint64_t a, uint64_t b) {
        uint64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? NEVER : sum;
}

static void open_window(struct group *group, uint64_t now_ns) {
        uint64_t end = add(now_ns, group->window_ns);

        group->end_ns = add(end, (FOLDING_ALIGN_NS - end % FOLDING_ALIGN_NS) % FOLDING_ALIGN_NS);
}

static uint64_t mix(uint64_t hash, uint64_t value) {
        hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
        return hash ^ hash >> 32;
}

static uint64_t mix_bytes(uint64_t hash, struct bytes bytes) {
        uint64_t word;

        hash = mix(hash, bytes.size);
        while (bytes.size >= sizeof(word)) {
                memcpy(&word, bytes.data, sizeof(word));
                hash = mix(hash, word);
                bytes = bytes_of(bytes.data + sizeof(word), bytes.size - sizeof(word));
        }
        if (bytes.size > 0) {
                word = 0;
                memcpy(&word, bytes.data, bytes.size);
                hash = mix(hash, word);
        }
        return hash;
}

static uint64_t key_hash(const struct folding_key *key) {
        uint64_t hash = mix_bytes(key->user, bytes_of_string(key->watch));

        hash = mix_bytes(hash, bytes_of_string(key->action));
        hash = mix_bytes(hash, key->executable);
        hash = mix_bytes(hash, key->parent_executable);
        return mix_bytes(hash, key->destination);
}

static bool same_text(const char *a, const char *b) {
        return a == b || (a && b && strcmp(a, b) == 0);
}

static bool key_equal(const struct folding_key *a, const struct folding_key *b) {
        return a->user == b->user && same_text(a->watch, b->watch) && same_text(a->action, b->action) &&
               bytes_equal(a->executable, b->executable) && bytes_equal(a->parent_executable, b->parent_executable) &&
               bytes_equal(a->destination, b->destination);
}

static struct bytes copy_to(uint8_t **at, struct bytes bytes) {
        struct bytes copy = bytes_of(*at, bytes.size);

        if (bytes.size == 0)
                return BYTES_NULL;
        memcpy(*at, bytes.data, bytes.size);
        *at += bytes.size;
        return copy;
}

static bool group_set_key(struct group *group, const struct folding_key *key) {
        struct folding_key *copy = &group->told.key;
        uint8_t *at;

        group->text = malloc(key->executable.size + key->parent_executable.size + key->destination.size + 1);
        if (!group->text)
                return false;
        at = group->text;
        *copy = *key;
        copy->executable = copy_to(&at, key->executable);
        copy->parent_executable = copy_to(&at, key->parent_executable);
        copy->destination = copy_to(&at, key->destination);
        return true;
}

static void drop_sample(struct folding *folding, struct group *group) {
        folding->samples -= group->told.sample.size;
        group->told.sample = BYTES_NULL;
        free(group->sample);
        group->sample = NULL;
}

/* A group of its own that has counted nothing. */
static void forget(struct folding *folding, struct group *group) {
        struct group **place = &folding->buckets[group->hash % BUCKETS];

        while (*place != group)
                place = &(*place)->next;
        *place = group->next;
        heap_remove(&folding->idle, group);
        if (folding->last == group)
                folding->last = NULL;
        drop_sample(folding, group);
        group_empty(group);
        group->next = folding->free;
        folding->free = group;
}

/* Windows in which nothing was counted, and of which nothing is told. */
static void forget_ended(struct folding *folding, uint64_t now_ns) {
        while (folding->idle.count > 0 && folding->idle.items[0]->end_ns <= now_ns) {
                struct group *group = folding->idle.items[0];

                if (group->told.others) { /* these stay, and begin anew */
                        group->window_ns = folding->window_ns;
                        group->end_ns = NEVER;
                        heap_settle(&folding->idle, 0);
                } else
                        forget(folding, group);
        }
}

static void new_minute(struct folding *folding, uint64_t now_ns) {
        if (folding->minute != NEVER && now_ns >= folding->minute && now_ns - folding->minute < MINUTE_NS)
                return;
        folding->minute = now_ns;
        folding->told = folding->lines = 0;
}

static enum folding_verdict count(struct folding *folding, struct group *group, uint64_t at_ns) {
        struct folding_group *told = &group->told;

        if (!group->counting) {
                heap_remove(&folding->idle, group);
                heap_put(&folding->counting, group);
                group->counting = true;
        }
        if (told->count == 0 || at_ns < told->first_ns)
                told->first_ns = at_ns;
        if (told->count == 0 || at_ns > told->last_ns)
                told->last_ns = at_ns;
        told->count++;
        folding->last = group;
        return FOLDING_COUNT;
}

static enum folding_verdict count_other(struct folding *folding, const struct folding_key *key, uint64_t at_ns,
                                        uint64_t now_ns) {
        struct group *group = NULL;

        for (size_t i = 0; i < folding->n_others && !group; i++) {
                struct folding_key *other = &folding->others[i].told.key;

                if ((same_text(other->watch, key->watch) && same_text(other->action, key->action)) || i == OTHERS_MAX - 1)
                        group = &folding->others[i];
        }
        if (!group) {
                group = &folding->others[folding->n_others++];
                group->told.others = true;
                group->window_ns = folding->window_ns;
                if (folding->n_others < OTHERS_MAX)
                        group->told.key = (struct folding_key){ .watch = key->watch, .action = key->action };
                group->end_ns = NEVER;
                heap_put(&folding->idle, group);
        }
        if (!group->counting && group->end_ns == NEVER) {
                open_window(group, now_ns);
                heap_settle(&folding->idle, group->place);
        }
        return count(folding, group, at_ns);
}

enum folding_verdict folding_take(struct folding *folding, const struct folding_key *key, uint64_t at_ns, uint64_t now_ns) {
        uint64_t hash = key_hash(key);
        struct group **bucket = &folding->buckets[hash % BUCKETS], *group;

        folding_flushed(folding, now_ns, true);
        new_minute(folding, now_ns);
        forget_ended(folding, now_ns);
        for (group = *bucket; group; group = group->next)
                if (group->hash == hash && key_equal(&group->told.key, key))
                        return count(folding, group, at_ns);

        if (!folding->free && folding->n_groups < FOLDING_GROUPS_MAX)
                folding->free = &folding->groups[folding->n_groups++];
        group = folding->free;
        if (!group || !group_set_key(group, key))
                return count_other(folding, key, at_ns, now_ns);
        folding->free = group->next;
        group->next = *bucket;
        *bucket = group;
        group->hash = hash;
        group->window_ns = folding->window_ns;
        open_window(group, now_ns);
        heap_put(&folding->idle, group);
        if (folding->told >= FOLDING_TOLD_PER_MINUTE || folding->lines >= FOLDING_LINES_PER_MINUTE)
                return count(folding, group, at_ns);
        folding->told++;
        folding->lines++;
        folding->last = NULL;
        return FOLDING_TELL;
}

bool folding_wants_sample(const struct folding *folding) {
        return folding->last && folding->last->told.sample.size == 0 && folding->samples < FOLDING_SAMPLES_MAX;
}

void folding_sample(struct folding *folding, struct bytes sample) {
        struct group *group = folding->last;

        if (!folding_wants_sample(folding) || sample.size == 0 || sample.size > FOLDING_SAMPLE_MAX ||
            sample.size > FOLDING_SAMPLES_MAX - folding->samples)
                return;
        group->sample = malloc(sample.size);
        if (!group->sample)
                return;
        memcpy(group->sample, sample.data, sample.size);
        group->told.sample = bytes_of(group->sample, sample.size);
        folding->samples += sample.size;
}

int folding_due(const struct folding *folding, uint64_t now_ns, uint64_t *ret_next_ns) {
        uint64_t next = folding->counting.count > 0 ? folding->counting.items[0]->end_ns : NEVER, minute_end;

        if (next != NEVER && folding->lines >= FOLDING_LINES_PER_MINUTE) {
                minute_end = add(folding->minute, MINUTE_NS);
                if (next < minute_end)
                        next = minute_end;
        }
        *ret_next_ns = next;
        return next <= now_ns;
}

void folding_flushed(struct folding *folding, uint64_t now_ns, bool kept) {
        struct group *group;

        while ((group = folding->flushed)) {
                folding->flushed = group->next_flushed;
                if (kept) {
                        drop_sample(folding, group);
                        continue;
                }
                heap_remove(&folding->idle, group);
                group->told = group->flushed;
                group->window_ns = group->flushed_window_ns;
                group->end_ns = add(now_ns, FOLDING_ALIGN_NS); /* what cannot be kept is not tried without pause */
                group->counting = true;
                heap_put(&folding->counting, group);
        }
}

static void begin_anew(struct folding *folding, struct group *group, uint64_t now_ns) {
        group->flushed = group->told;
        group->flushed_window_ns = group->window_ns;
        group->next_flushed = folding->flushed;
        folding->flushed = group;
        group->told.count = group->told.first_ns = group->told.last_ns = 0;
        heap_remove(&folding->counting, group);
        group->counting = false;
        group->window_ns = group->window_ns < FOLDING_WINDOW_MAX_NS / 2 ? group->window_ns * 2
                           : group->window_ns < FOLDING_WINDOW_MAX_NS   ? FOLDING_WINDOW_MAX_NS
                                                                        : group->window_ns;
        open_window(group, now_ns);
        heap_put(&folding->idle, group);
}

int folding_flush(struct folding *folding, uint64_t now_ns, bool all,
                  int (*tell)(void *context, const struct folding_group *group), void *context) {
        folding_flushed(folding, now_ns, true);
        folding->last = NULL;
        new_minute(folding, now_ns);
        forget_ended(folding, now_ns);
        while (folding->counting.count > 0) {
                struct group *group = folding->counting.items[0];
                int r;

                if (!all && (group->end_ns > now_ns || folding->lines >= FOLDING_LINES_PER_MINUTE))
                        break;
                r = tell(context, &group->told);
                if (r < 0)
                        return r;
                folding->lines++;
                begin_anew(folding, group, now_ns);
        }
        return 0;
}
