/* test-sweep.c - a look at everything in slices: what lies where two of them meet, what happens while it is under way, and what of it
 * is read again in its turn. */
#include "rounds.h"

#define RECORD_NS (20 * UINT64_C(1000000)) /* two of them make a slice */
#define ENGINE_HINT(fixture, ...) engine_hint((fixture)->engine, &(const struct hint){ .source = "fake", __VA_ARGS__ })

static struct fake *slow(struct fixture *fixture) {
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.can_resume = alpha->kind.can_look_within = true;
        alpha->record_ns = RECORD_NS;
        return alpha;
}

/* One slice, and whether the sweep is over with it. */
static void assert_slice(struct fixture *fixture, const char *expected, bool over) {
        struct fake *alpha = &fixture->fakes[0];

        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), expected);
        assert_int_equal(report_of(fixture, alpha).sweeping, !over);
        if (!over)
                assert_true(engine_next_ns(fixture->engine) <= fixture->monotonic_ns);
}

static void assert_batch(struct fixture *fixture, const char *expected) {
        begin_telling(fixture);
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), expected);
}

/* ---- slices ---- */

static void test_learning(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = slow(fixture);

        set(alpha, "a=1 b=2 c=3 d=4 e=5");
        start_engine(fixture, 1, 0);
        assert_slice(fixture, "1 baseline-created/1 beta quiet count=0\n", false);
        assert_known(fixture, alpha, "a:value=1 b:value=2"); /* a transaction of its own */
        assert_int_equal(fixture->baseline->ops->known(fixture->baseline, "alpha"), 0);
        assert_true(report_of(fixture, alpha).learning);
        assert_int_equal(report_of(fixture, alpha).sweep_records, 2);
        assert_slice(fixture, "", false);
        assert_slice(fixture, "2 baseline-created/1 alpha quiet count=5\n", true);
        assert_int_equal(fixture->baseline->ops->known(fixture->baseline, "alpha"), 1);
        assert_int_equal(report_of(fixture, alpha).records, 5);
        assert_int_equal(report_of(fixture, alpha).looks, 1);
        assert_int_equal(report_of(fixture, alpha).changes, 0);
        assert_true(report_of(fixture, alpha).changed);
}

/* Who is killed while it learns has known nothing: its successor learns anew, and tells nothing of what moved meanwhile. */
static void test_learning_interrupted(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = slow(fixture);

        set(alpha, "a=1 b=2 c=3 d=4 e=5");
        start_engine(fixture, 1, 0);
        assert_slice(fixture, "1 baseline-created/1 beta quiet count=0\n", false);
        fixture->engine = engine_free(fixture->engine);
        set(alpha, "a=9 c=3 d=4 e=5");
        start_engine(fixture, 2, 0);
        assert_int_equal(run_round(fixture, true), 0); /* to the end */
        assert_string_equal(buffer_string(&fixture->told), "2 baseline-created/1 alpha quiet count=4\n");
        assert_known(fixture, alpha, "a:value=9 c:value=3 d:value=4 e:value=5");
}

/* What vanished between two slices, before the first and behind the last; and each slice is a round that stands for itself. */
static void test_borders(void **state) {
        static const char *const truths[] = {
                "c=3 d=4 e=5 f=6 g=7 h=8", "a=1 b=2", "a=1 b=2 g=7 h=8", "b=2 d=4 f=6 h=8", "a=1 c=3 e=5 g=7", "a=2 b=3 c=4 d=5 e=6 f=7 g=8 h=9",
                "", "a0=1 b=2 b0=3 h=8 h0=9", "z=1",
        };
        struct fixture *fixture = *state;
        struct fake *alpha = slow(fixture);

        start_engine(fixture, 1, 0);
        for (size_t i = 0; i < ELEMENTS(truths); i++) {
                _cleanup_buffer_ struct buffer whole = BUFFER_NULL, sliced = BUFFER_NULL;

                for (int k = 0; k < 2; k++) {
                        struct buffer *told = k ? &sliced : &whole;
                        uint64_t sequence;

                        alpha->record_ns = 0;
                        set(alpha, "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8");
                        assert_int_equal(run_round(fixture, true), 0);
                        pass(fixture, 100 * SECOND);
                        alpha->record_ns = k ? RECORD_NS : 0;
                        set(alpha, truths[i]);
                        sequence = engine_next_sequence(fixture->engine);
                        do {
                                assert_int_equal(run_round(fixture, false), 0);
                                for (const char *line = buffer_string(&fixture->told), *end; (end = strchr(line, '\n')); line = end + 1) {
                                        char *rest;

                                        assert_int_equal(strtoull(line, &rest, 10), sequence++);
                                        buffer_append(told, rest, (size_t)(end + 1 - rest));
                                }
                        } while (report_of(fixture, alpha).sweeping);
                        pass(fixture, 100 * SECOND);
                }
                assert_string_equal(buffer_string(&sliced), buffer_string(&whole));
        }
}

/* A watch that hands over few of many: a slice ends also where there is no record. */
static void test_passed(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = slow(fixture);
        unsigned slices = 1;

        set(alpha, "a=none b=none c=none d=4 e=none f=none g=none h=8 i=none");
        start_engine(fixture, 1, 0);
        assert_slice(fixture, "1 baseline-created/1 beta quiet count=0\n", false);
        assert_known(fixture, alpha, "");
        do {
                assert_int_equal(run_round(fixture, false), 0);
                slices++;
        } while (report_of(fixture, alpha).sweeping);
        assert_string_equal(buffer_string(&fixture->told), "2 baseline-created/1 alpha quiet count=2\n");
        assert_int_equal(slices, 5);
        assert_known(fixture, alpha, "d:value=4 h:value=8");

        pass(fixture, 100 * SECOND);
        set(alpha, "a=none b=2 c=none d=none e=none f=none g=none h=none i=9");
        assert_slice(fixture, "3 appeared/2 alpha b:->2 poll\n", false);
        assert_slice(fixture, "4 vanished/2 alpha d:4>- poll\n", false);
        assert_slice(fixture, "", false);
        assert_slice(fixture, "5 vanished/2 alpha h:8>- poll\n", false);
        assert_slice(fixture, "6 appeared/2 alpha i:->9 poll\n", true);
        assert_known(fixture, alpha, "b:value=2 i:value=9");
}

static void test_others_are_served(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = slow(fixture), *beta = &fixture->fakes[1];

        set(alpha, "a=1 b=2 c=3 d=4 e=5 f=6 g=7");
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, true), 0);
        pass(fixture, INTERVAL);
        set(alpha, "a=1 b=2 c=3 d=4 e=5 f=6 g=8");
        assert_slice(fixture, "", false);
        assert_false(report_of(fixture, alpha).learning);
        set(beta, "x=1");
        hint(fixture, "beta");
        assert_slice(fixture, "3 appeared/2 beta x:->1 poll\n", false);
        assert_slice(fixture, "", false);
        assert_slice(fixture, "4 changed/2 alpha g:7>8 poll\n", true);
}

static int fail_commit(struct baseline *baseline) {
        baseline->ops->abort(baseline);
        return -ENOSPC;
}

/* A slice that cannot be kept is made again, those before it are not. */
static void test_given_up(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = slow(fixture);

        set(alpha, "a=1 b=2 c=3 d=4 e=5");
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, true), 0);
        pass(fixture, INTERVAL);
        set(alpha, "a=9 b=2 c=9 d=4 e=9");
        assert_slice(fixture, "3 changed/2 alpha a:1>9 poll\n", false);
        fixture->ops.commit = fail_commit;
        assert_int_equal(run_round(fixture, false), -ENOSPC);
        assert_string_equal(buffer_string(&fixture->told), "");
        fixture->ops.commit = fixture->real->commit;
        assert_true(report_of(fixture, alpha).sweeping);
        assert_true(engine_next_ns(fixture->engine) > fixture->monotonic_ns); /* not without pause */
        pass(fixture, INTERVAL);
        assert_slice(fixture, "4 changed/2 alpha c:3>9 poll\n", false);
        assert_slice(fixture, "5 changed/2 alpha e:5>9 poll\n", true);

        /* one whose watch fails ends the sweep; the next one finds the rest */
        pass(fixture, 100 * SECOND);
        set(alpha, "a=1 b=1 c=1 d=1 e=1");
        assert_slice(fixture, "6 changed/2 alpha a:9>1 poll\n7 changed/2 alpha b:2>1 poll\n", false);
        alpha->answer = -EIO;
        alpha->fail_after = 1;
        assert_slice(fixture, "8 watch-failed/3 alpha \"alpha: cannot be watched: Input/output error (EIO)\"\n", true);
        alpha->answer = 0;
        pass(fixture, 100 * SECOND);
        assert_int_equal(run_round(fixture, true), 0);
        assert_known(fixture, alpha, "a:value=1 b:value=1 c:value=1 d:value=1 e:value=1");
}

/* ---- beside events ---- */

static void start_covered(struct fixture *fixture, const char *truths) {
        const struct coverage full = { .watch = "alpha", .mechanism = "tap", .level = COVERAGE_FULL };
        struct fake *alpha = slow(fixture);

        set(alpha, truths);
        start_engine(fixture, 1, 0);
        engine_covers(fixture->engine, "fake", &full);
        assert_int_equal(run_round(fixture, true), 0);
        pass(fixture, RECONCILE);
}

/* Before and behind the place where the sweep stands: told once, by the event; what no event tells is found in its slice. */
static void test_events_meanwhile(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        size_t begun;

        start_covered(fixture, "a=1 b=2 c=3 d=4 e=5 f=6 g=7");
        assert_slice(fixture, "", false); /* a, b */
        begun = memory_baseline_begun(fixture->memory);
        set(alpha, "a=9 b=2 c=3 d=4 e=9 f=9 g=7");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"));
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("e"));
        assert_batch(fixture, "3 changed/2 alpha a:1>9 event\n4 changed/2 alpha e:5>9 event\n");
        assert_slice(fixture, "", false); /* c, d: clean, and nothing was settled for it */
        assert_int_equal(memory_baseline_begun(fixture->memory), begun);
        assert_slice(fixture, "5 changed/2 alpha f:6>9 reconcile\n", false); /* e, f */
        assert_slice(fixture, "", true);
        pass(fixture, RECONCILE);
        while (report_of(fixture, alpha).sweeping || engine_next_ns(fixture->engine) <= fixture->monotonic_ns)
                assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
}

static void drain_two(void *context) {
        struct fixture *fixture = context;

        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("d"));
}

/* An event that is on its way when the slice comes by is not taken for one that was missed. */
static void test_sifting(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        fixture->drain = drain_two;
        start_covered(fixture, "a=1 b=2 c=3 d=4 e=5");
        assert_slice(fixture, "", false);
        set(alpha, "a=1 b=2 c=9 d=9 d0=1 e=9");
        /* d0 and e lie behind this slice */
        assert_slice(fixture, "3 changed/2 alpha d:4>9 event\n4 changed/2 alpha c:3>9 reconcile\n", false);
        assert_slice(fixture, "5 appeared/2 alpha d0:->1 reconcile\n6 changed/2 alpha e:5>9 reconcile\n", false);
        assert_slice(fixture, "", true);
}

/* The end of a slice goes while its findings are sifted. */
static void drain_end(void *context) {
        struct fixture *fixture = context;

        set(&fixture->fakes[0], "a=9 c=3 d=4");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"));
}

static void test_end_goes(void **state) {
        struct fixture *fixture = *state;

        fixture->drain = drain_end;
        start_covered(fixture, "a=1 b=2 c=3 d=4");
        set(&fixture->fakes[0], "a=9 b=3 c=3 d=4");
        assert_slice(fixture, "3 vanished/2 alpha b:2>- event\n4 changed/2 alpha a:1>9 reconcile\n", false);
        assert_slice(fixture, "", false);
        assert_slice(fixture, "", true);
}

/* A watch that goes by a list of names it read earlier does not see what came since; its event told of it. */
static int collect_stale(void *state, const struct collect_request *request, struct collector *collector) {
        static const char stale[] = "a=1 b=2 c=3 d=4 e=5";
        struct fake *fake = state;
        int r;

        if (request->within.size || request->after.size == 0)
                return fake_collect(state, request, collector);
        assert_int_equal(request->fresh, fake->lost > 0);
        set(fake, stale);
        r = fake_collect(state, request, collector);
        set(fake, "a=1 b=2 c=3 c0=7 d=4 e=5");
        return r;
}

static void test_stale_names(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        start_covered(fixture, "a=1 b=2 c=3 d=4 e=5");
        alpha->kind.collect = collect_stale;
        assert_slice(fixture, "", false);
        set(alpha, "a=1 b=2 c=3 c0=7 d=4 e=5");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("c0"));
        assert_batch(fixture, "3 appeared/2 alpha c0:->7 event\n");
        assert_slice(fixture, "", false);
        assert_slice(fixture, "", true);
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0); /* settles */
        assert_known(fixture, alpha, "a:value=1 b:value=2 c:value=3 c0:value=7 d:value=4 e:value=5");
}

/* What a sweep has passed when it is lost or hinted as a whole is looked at by another one. */
static void test_spoilt(void **state) {
        const struct loss loss = { .source = "fake", .reason = "overrun", .watch = "alpha" };
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        start_covered(fixture, "a=1 b=2 c=3");
        assert_slice(fixture, "", false);
        set(alpha, "a=9 b=2 c=3");
        engine_loss(fixture->engine, &loss);
        assert_slice(fixture, "", true);
        while (!report_of(fixture, alpha).changed) {
                pass(fixture, SECOND);
                assert_int_equal(run_round(fixture, false), 0);
        }
        assert_non_null(strstr(buffer_string(&fixture->told), "changed/2 alpha a:1>9 reconcile\n"));
        while (report_of(fixture, alpha).sweeping)
                assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);

        pass(fixture, RECONCILE);
        assert_slice(fixture, "", false);
        set(alpha, "a=8 b=2 c=3");
        hint(fixture, "alpha");
        assert_slice(fixture, "", true);
        pass(fixture, 100 * SECOND);
        assert_int_equal(run_round(fixture, true), 0);
        assert_non_null(strstr(buffer_string(&fixture->told), "changed/2 alpha a:9>8"));
}

/* ---- a thorough round ---- */

static bool go_on_twice(void *context) {
        struct fixture *fixture = context;

        return fixture->scan_rate++ < 1;
}

static void test_thorough(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = slow(fixture);

        alpha->record_ns = SECOND; /* one slice each, if nobody waits */
        fixture->go_on = go_on_twice;
        set(alpha, "a=1 b=2 c=3 d=4");
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, true), 0);
        assert_known(fixture, alpha, "a:value=1 b:value=2"); /* then it was told to stop, and goes on when it may */
        alpha->record_ns = 0;
        assert_slice(fixture, "2 baseline-created/1 alpha quiet count=4\n", true);
}

/* Nor does a slice end before what is to be read has been gathered: many at once are read faster. */
static void test_thorough_batch(void **state) {
        struct fixture *fixture = *state;
        struct fake *gamma;

        fixture->count = 0;
        gamma = add_fake(fixture, "gamma", costly_fields);
        gamma->kind.can_resume = true;
        gamma->record_ns = SECOND;
        gamma->n_truths = 3;
        for (size_t i = 0; i < 3; i++)
                gamma->truths[i] = (struct truth){ &"a\0b\0c"[2 * i], "x", i, fixture->realtime_ns - SECOND, 100 };
        defer_all(gamma);
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, true), 0);
        assert_int_equal(gamma->completed, 3);
        assert_int_equal(gamma->batches, 1);

        gamma->truths[2].ctime = fixture->realtime_ns; /* while somebody waits, time is what counts */
        gamma->truths[0].ctime = fixture->realtime_ns;
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        assert_true(report_of(fixture, gamma).sweeping);
        assert_int_equal(gamma->batches, 2);
}

/* ---- what is read again ---- */

enum { RECORDS = 16, PERIOD = 100 };

static struct fake *costly(struct fixture *fixture) {
        static const char *const names[RECORDS] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p" };
        struct fake *gamma;

        fixture->count = 0;
        gamma = add_fake(fixture, "gamma", costly_fields);
        gamma->kind.can_resume = true;
        gamma->n_truths = RECORDS;
        for (size_t i = 0; i < RECORDS; i++)
                gamma->truths[i] = (struct truth){ names[i], "x", i, fixture->realtime_ns - SECOND, 100 };
        fixture->rehash_ns = PERIOD * INTERVAL;
        return gamma;
}

/* In one period each record once, spread over it; and no pass of it writes anything. */
static void test_rehash(void **state) {
        struct fixture *fixture = *state;
        struct fake *gamma = costly(fixture);
        unsigned most = 0, busy = 0;
        size_t begun;

        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 baseline-created/1 gamma quiet count=16\n");
        assert_int_equal(gamma->completed, RECORDS);
        begun = memory_baseline_begun(fixture->memory);
        gamma->completed = 0;
        for (int i = 0; i < PERIOD; i++) {
                unsigned before = gamma->completed;

                assert_round(fixture, "");
                most = gamma->completed - before > most ? gamma->completed - before : most;
                busy += gamma->completed > before;
        }
        assert_int_equal(gamma->completed, RECORDS);
        assert_int_equal(memory_baseline_begun(fixture->memory), begun);
        assert_true(most < RECORDS / 2);
        assert_true(busy > RECORDS / 3);

        /* what it finds is told */
        for (size_t i = 0; i < RECORDS; i++)
                gamma->truths[i].content = 101;
        for (int i = 0; i < PERIOD; i++) {
                assert_int_equal(run_round(fixture, false), 0);
                pass(fixture, INTERVAL);
        }
        for (size_t i = 0; i < RECORDS; i++) {
                _cleanup_buffer_ struct buffer room = BUFFER_NULL;
                struct record record;

                assert_int_equal(fixture->baseline->ops->get(fixture->baseline, "gamma", costly_fields,
                                                             bytes_of_string(gamma->truths[i].key), &room, &record), 1);
                assert_int_equal(record.values[3].number, 101);
        }
}

/* What had its turn before a restart has not again; after a long gap the turns are made good, not all at once. */
static void test_rehash_restart(void **state) {
        struct fixture *fixture = *state;
        struct fake *gamma = costly(fixture);
        unsigned most = 0;
        int passes = 0;

        fixture->starts_gently = true;
        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 baseline-created/1 gamma quiet count=16\n");
        gamma->completed = 0;
        for (int i = 0; i < PERIOD / 2; i++)
                assert_round(fixture, "");
        gamma->truths[0].value = "y"; /* what is written takes the time along */
        assert_round(fixture, "2 changed/2 gamma a:x(100)>y(100) poll\n");
        fixture->engine = engine_free(fixture->engine);
        start_engine(fixture, 3, 0);
        for (int i = 0; i < PERIOD / 2 - 1; i++)
                assert_round(fixture, "");
        assert_int_equal(gamma->completed, RECORDS);

        /* a small one is read at a start all the same */
        assert_int_equal(run_round(fixture, true), 0);
        assert_int_equal(gamma->completed, RECORDS * 2);
        assert_int_equal(report_of(fixture, gamma).sweeping, false);

        gamma->truths[0].value = "z";
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        gamma->completed = 0;
        pass(fixture, 10 * PERIOD * INTERVAL);
        for (; passes < 20 && gamma->completed < RECORDS; passes++) {
                unsigned before = gamma->completed;

                fixture->engine = engine_free(fixture->engine); /* a start that does not know when the last pass was */
                if (passes == 0)
                        fixture->rehash_ns = 100 * RECONCILE;
                start_engine(fixture, 4, 0);
                assert_int_equal(run_round(fixture, false), 0);
                most = gamma->completed - before > most ? gamma->completed - before : most;
                gamma->truths[0].value = passes % 2 ? "v" : "w";
                pass(fixture, INTERVAL);
                assert_int_equal(run_round(fixture, false), 0);
        }
        assert_true(passes > 3);
        assert_true(most < RECORDS);
}

/* Never, if it is so wished. */
static void test_rehash_never(void **state) {
        struct fixture *fixture = *state;
        struct fake *gamma = costly(fixture);

        fixture->rehash_ns = 0;
        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 baseline-created/1 gamma quiet count=16\n");
        gamma->completed = 0;
        for (int i = 0; i < PERIOD; i++)
                assert_round(fixture, "");
        assert_int_equal(gamma->completed, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ENGINE_TEST(test_learning),
                ENGINE_TEST(test_learning_interrupted),
                ENGINE_TEST(test_borders),
                ENGINE_TEST(test_passed),
                ENGINE_TEST(test_others_are_served),
                ENGINE_TEST(test_given_up),
                ENGINE_TEST(test_events_meanwhile),
                ENGINE_TEST(test_sifting),
                ENGINE_TEST(test_end_goes),
                ENGINE_TEST(test_stale_names),
                ENGINE_TEST(test_spoilt),
                ENGINE_TEST(test_thorough),
                ENGINE_TEST(test_thorough_batch),
                ENGINE_TEST(test_rehash),
                ENGINE_TEST(test_rehash_restart),
                ENGINE_TEST(test_rehash_never),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
