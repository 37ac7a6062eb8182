#include "engine-state.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>

#include "timestamp.h"

/* A slice, and within it what is read without a pause: DESIGN wants whoever waits served within 100 ms. */
#define SLICE_NS (40 * UINT64_C(1000000))
#define SLICE_UNHURRIED_NS NS_PER_S
#define READ_MOST_NS (30 * UINT64_C(1000000))
#define READ_LEAST_NS (10 * UINT64_C(1000000))
#define WINDOW_BYTES_LEAST (UINT64_C(1) << 20)
#define WINDOW_BYTES_FIRST (UINT64_C(8) << 20)

/* Of /usr two thirds of the bytes are in one file of a thousand. With 512 files or 64 MiB in a window such a file was alone at its end,
 * at a quarter of the speed of eight, for two thirds of the time; with so many it is not. */
#define WINDOW_BYTES_UNHURRIED (UINT64_C(4) << 30)

enum {
        SLICE_KEPT_MOST = 8192,         /* a transaction's pages lie in memory until it is over */
        WINDOW_RECORDS_LEAST = 8,
        WINDOW_RECORDS_FIRST = 64,
        WINDOW_RECORDS_UNHURRIED = 4096,
        CATCH_UP = 16,                  /* what was not read again in its time is, this many times as fast as time goes */
        SMALL_RECORDS = 20000,
};

/* A watch that is smaller is read anew at each start. */
#define SMALL_BYTES (UINT64_C(512) << 20)

/* ---- what is read again, and when ---- */

/* The fact: a seed, and the time up to which all is read that had its turn. */
struct rehashed {
        uint64_t seed, until_ns;        /* big-endian */
};

static char *fact_name(const struct slot *slot) {
        char *name;

        return asprintf(&name, "rehashed.%s", slot->watch.settings->name) < 0 ? NULL : name;
}

static int ask_rehashed(struct engine *engine, struct slot *slot) {
        struct baseline *baseline = baseline_of(engine);
        _cleanup_free_ char *name = fact_name(slot);
        struct rehashed fact;
        size_t size = 0;
        int r;

        if (!name)
                return -ENOMEM;
        r = baseline->ops->get_fact(baseline, name, &fact, sizeof(fact), &size);
        if (r < 0 && r != -ENOBUFS)
                return r;
        if (r > 0 && size == sizeof(fact)) {
                slot->rehash_seed = be64toh(fact.seed);
                slot->rehashed_ns = slot->rehashed_kept_ns = be64toh(fact.until_ns);
        } else {
                engine->options.clock->random(engine->options.clock, &slot->rehash_seed, sizeof(slot->rehash_seed));
                slot->rehashed_ns = slot->rehashed_kept_ns = 0;
        }
        slot->has_rehashed = true;
        return 0;
}

/* A pass that found nothing must write nothing: the time goes along with what is written anyway, and with the daemon's end. */
int sweep_keep_facts(struct engine *engine) {
        struct baseline *baseline = baseline_of(engine);

        for (size_t i = 0; i < engine->n_slots; i++) {
                struct slot *slot = &engine->slots[i];
                const struct rehashed fact = { htobe64(slot->rehash_seed), htobe64(slot->rehashed_ns) };
                _cleanup_free_ char *name = NULL;
                int r;

                if (slot->rehashed_ns == slot->rehashed_kept_ns)
                        continue;
                name = fact_name(slot);
                r = name ? baseline->ops->set_fact(baseline, name, bytes_of(&fact, sizeof(fact))) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The span of this pass. What was missed, however long that was, is made good bit by bit. */
static void plan_rehash(struct engine *engine, struct slot *slot, uint64_t now_ns) {
        struct sweep *sweep = &slot->sweep;
        uint64_t period_ns = engine->options.rehash_ns;
        uint64_t since_ns = slot->passed_ns && slot->passed_ns < now_ns ? now_ns - slot->passed_ns : engine->options.reconcile_ns;
        uint64_t from_ns = slot->rehashed_ns;

        if (from_ns > now_ns) /* the clock was set back */
                from_ns = now_ns;
        if (now_ns - from_ns > period_ns)
                from_ns = now_ns - period_ns;
        sweep->rehash_from_ns = sweep->rehash_to_ns = from_ns;
        if (period_ns == 0)
                return;
        sweep->rehash_to_ns = (now_ns - from_ns) / CATCH_UP > since_ns ? from_ns + since_ns * CATCH_UP : now_ns;
}

/* Each key has its moment in the period. The seed is ours: nobody can know when a file's turn is. */
static uint64_t phase_of(const struct slot *slot, struct bytes key, uint64_t period_ns) {
        uint64_t hash = bytes_hash(BYTES_HASH ^ slot->rehash_seed, key);

        hash ^= hash >> 33;
        hash *= UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 33;
        return hash % period_ns;
}

bool sweep_reads_again(const struct engine *engine, const struct slot *slot, struct bytes key) {
        const struct sweep *sweep = &slot->sweep;
        uint64_t period_ns = engine->options.rehash_ns, phase_ns;

        if (sweep->rehash_from_ns == sweep->rehash_to_ns || period_ns == 0)
                return false;
        phase_ns = phase_of(slot, key, period_ns);
        return (sweep->rehash_from_ns + period_ns - phase_ns) / period_ns != (sweep->rehash_to_ns + period_ns - phase_ns) / period_ns;
}

void sweep_read(struct slot *slot, bool all) {
        slot->rehashed_ns = all ? slot->passed_ns : slot->sweep.rehash_to_ns;
}

/* By what is known of it. */
static int is_small(struct engine *engine, struct slot *slot) {
        struct baseline *baseline = baseline_of(engine);
        const struct field *fields = slot->watch.kind->fields;
        _cleanup_stream_ struct stream *stream = NULL;
        int size = fields_find(fields, "size"), r;
        uint64_t bytes = 0;
        struct record record;

        r = baseline->ops->read(baseline, BASELINE_BEFORE, slot->watch.settings->name, fields, BYTES_NULL, &stream);
        if (r < 0)
                return r;
        for (size_t n = 0; n <= SMALL_RECORDS; n++) {
                r = stream_next(stream, &record);
                if (r <= 0)
                        return r < 0 ? r : 1;
                if (size >= 0 && record.values[size].present)
                        bytes += record.values[size].number;
                if (bytes > SMALL_BYTES)
                        return 0;
        }
        return 0;
}

/* ---- its life ---- */

int sweep_begin(struct engine *engine, struct slot *slot, bool thorough, bool sifts, const struct telling *telling) {
        struct engine_clock *clock = engine->options.clock;
        uint64_t now_ns = timestamp_to_ns(&engine->round.at);
        struct sweep *sweep = &slot->sweep;
        int r = 0;

        if (thorough && engine->options.starts_gently)
                r = is_small(engine, slot);
        else if (thorough)
                r = 1;
        thorough = r > 0;
        if (r >= 0 && !slot->has_rehashed)
                r = ask_rehashed(engine, slot);
        if (r < 0)
                return engine_fatal(engine, r);
        sweep_end(slot);
        sweep->active = true;
        sweep->sifts = sifts;
        sweep->thorough = thorough;
        sweep->telling = *telling;
        sweep->began_ns = sweep->next_ns = clock->monotonic_ns(clock);
        plan_rehash(engine, slot, now_ns);
        slot->passed_ns = now_ns;
        if (!slot->window_bytes) {
                slot->window_bytes = WINDOW_BYTES_FIRST;
                slot->window_records = WINDOW_RECORDS_FIRST;
        }
        return 0;
}

void sweep_end(struct slot *slot) {
        struct sweep *sweep = &slot->sweep;

        buffer_done(&sweep->place);
        buffer_done(&sweep->end);
        key_list_done(&sweep->touched);
        *sweep = (struct sweep){ .active = false };
}

void sweep_slice(struct engine *engine, struct slot *slot, struct look *look) {
        struct sweep *sweep = &slot->sweep;
        uint64_t now_ns = engine_now_ns(engine);

        look->sliced = true;
        look->thorough = sweep->thorough;
        look->telling = sweep->telling;
        /* What sifting tells is what its dry look saw. */
        if (slot->sifting) {
                look->until = sweep->to_end ? BYTES_NULL : buffer_bytes(&sweep->end);
        } else {
                look->limited = true;
                look->until_ns = now_ns + (engine->unhurried ? SLICE_UNHURRIED_NS : SLICE_NS);
        }
}

bool sweep_slice_over(struct engine *engine, const struct look *look) {
        if (engine->unhurried && look->window_records > 0 && look->kept < SLICE_KEPT_MOST)
                return false; /* what is read by now would be read with half the lanes empty */
        return look->limited && (look->kept >= SLICE_KEPT_MOST || engine_now_ns(engine) >= look->until_ns);
}

static void move_on(struct sweep *sweep) {
        struct buffer place = sweep->place;

        sweep->place = sweep->end;
        sweep->end = place;
        buffer_clear(&sweep->end);
}

void sweep_advance(struct engine *engine, struct slot *slot, const struct look *look) {
        struct sweep *sweep = &slot->sweep;
        uint64_t rate = engine->options.scan_rate;

        sweep->slices++;
        sweep->records += diff_records(&look->diff);
        sweep->appeared += look->appeared;
        sweep->changes += look->changes;
        sweep->bytes += look->bytes;
        sweep->next_ns = engine_now_ns(engine);
        if (rate && !engine->unhurried)
                sweep->next_ns += look->bytes / rate * NS_PER_S + look->bytes % rate * NS_PER_S / rate;
        if (look->dry)
                move_on(sweep);
        else
                sweep->moved = true;
}

void sweep_round_stands(struct slot *slot, bool stands) {
        if (slot->sweep.moved && stands)
                move_on(&slot->sweep);
        slot->sweep.moved = false;
}

/* ---- beside events ---- */

void sweep_touch(struct slot *slot, struct bytes key) {
        const struct origin nobody = { .known = false };

        if (slot->sweep.active && key_list_add(&slot->sweep.touched, key, 0, &nobody, NULL) < 0) {
                key_list_clear(&slot->sweep.touched);
                slot->sweep.stale = true;
        }
}

bool sweep_touched(const struct slot *slot, struct bytes key) {
        return slot->sweep.touched.count && key_list_find(&slot->sweep.touched, key);
}

/* ---- how much is read in one go ---- */

void sweep_open_window(const struct engine *engine, const struct slot *slot, struct diff *diff) {
        if (!engine->unhurried) {
                diff->window_records = slot->window_records;
                diff->window_bytes = slot->window_bytes;
        } else if (!engine->options.scan_rate) {
                diff->window_records = WINDOW_RECORDS_UNHURRIED;
                diff->window_bytes = WINDOW_BYTES_UNHURRIED;
        }
}

void sweep_fit_window(struct engine *engine, struct look *look, uint64_t took_ns) {
        struct slot *slot = look->slot;
        bool full = look->window_records >= slot->window_records / 2 || look->window_bytes >= slot->window_bytes / 2;

        look->window_records = 0;
        look->window_bytes = 0;
        if (engine->unhurried)
                return;
        if (took_ns > READ_MOST_NS) {
                slot->window_records = slot->window_records / 2 > WINDOW_RECORDS_LEAST ? slot->window_records / 2 : WINDOW_RECORDS_LEAST;
                slot->window_bytes = slot->window_bytes / 2 > WINDOW_BYTES_LEAST ? slot->window_bytes / 2 : WINDOW_BYTES_LEAST;
        } else if (took_ns < READ_LEAST_NS && full) {
                slot->window_records = slot->window_records * 2 < DIFF_WINDOW_RECORDS ? slot->window_records * 2 : DIFF_WINDOW_RECORDS;
                slot->window_bytes = slot->window_bytes * 2 < DIFF_WINDOW_BYTES ? slot->window_bytes * 2 : DIFF_WINDOW_BYTES;
        }
}
