/* The short way: deltas and single keys, told at once, noted, settled; what sources cover; what they lose. */
#include "rounds.h"

#define ENGINE_HINT(fixture, ...) engine_hint((fixture)->engine, &(const struct hint){ .source = "fake", __VA_ARGS__ })

/* A batch that tells just this. */
static void assert_batch(struct fixture *fixture, const char *expected) {
        size_t begun = memory_baseline_begun(fixture->memory);

        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), expected);
        assert_int_equal(memory_baseline_begun(fixture->memory), begun);
        begin_telling(fixture);
}

static void start(struct fixture *fixture, const char *truths) {
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.can_look_within = true;
        alpha->kind.subjects = 1u << DELTA_MODULE;
        alpha->kind.recognize = fake_recognize;
        set(alpha, truths);
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, SECOND / 2);
        begin_telling(fixture);
}

/* The round that settles what was noted, and what it then tells. */
static void assert_settled(struct fixture *fixture, const char *expected) {
        size_t committed = fixture->committed;

        pass(fixture, INTERVAL);
        assert_true(engine_next_ns(fixture->engine) <= fixture->monotonic_ns);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), expected);
        assert_int_equal(fixture->committed, committed + 2);
        begin_telling(fixture);
}

static void delta(struct fixture *fixture, enum delta_kind kind, const char *name, const char *value) {
        struct delta delta = { .kind = kind, .subject = DELTA_MODULE, .source = "fake" };

        delta.module.name = bytes_of_string(name);
        if (value)
                delta.module.path = bytes_of_string(value);
        engine_delta(fixture->engine, &delta);
}

static void test_key(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        unsigned collected;

        start(fixture, "a=1 b=2 c=3");
        collected = fixture->fakes[1].collected;
        set(alpha, "a=9 b=5 c=3");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"));
        assert_true(engine_wants_looks(fixture->engine));
        assert_batch(fixture, "3 changed/2 alpha b:2>5 event\n");
        assert_int_equal(fixture->noted, 1);
        assert_false(engine_wants_looks(fixture->engine));
        assert_known(fixture, alpha, "a:value=1 b:value=2 c:value=3");
        /* the same again says nothing, another change is compared with what was noted */
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"));
        assert_batch(fixture, "");
        set(alpha, "a=9 b=6 c=3");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"));
        assert_batch(fixture, "4 changed/2 alpha b:5>6 event\n");
        set(alpha, "a=9 c=3 d=4");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"));
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("d"));
        assert_batch(fixture, "5 vanished/2 alpha b:6>- event\n6 appeared/2 alpha d:->4 event\n");
        /* the round settles it first and finds what nobody told */
        assert_settled(fixture, "7 changed/2 alpha a:1>9 poll\n");
        assert_known(fixture, alpha, "a:value=9 c:value=3 d:value=4");
        assert_int_equal(fixture->fakes[1].collected, collected + 1);
        assert_round(fixture, "");
}

static void test_passed(void **state) {
        struct fixture *fixture = *state;

        fixture->fakes[0].settings.full_detail = true; /* else only the first of each kind is told at once */
        start(fixture, "a=1");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"), .flags = HINT_APPEARED);
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"), .flags = HINT_VANISHED);
        assert_batch(fixture, "3 appeared/2 alpha b:-> event\n4 vanished/2 alpha b:>- event\n");
        /* what was known and is gone has vanished; what came back is what it was */
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"), .flags = HINT_APPEARED | HINT_VANISHED);
        assert_batch(fixture, "");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("x"), .flags = HINT_VANISHED);
        assert_batch(fixture, "");
        /* its source's own record says more than the key */
        delta(fixture, DELTA_APPEARED, "m", "seen");
        delta(fixture, DELTA_VANISHED, "m", NULL);
        assert_batch(fixture, "5 appeared/2 alpha m:->seen event\n6 vanished/2 alpha m:seen>- event\n");
        assert_settled(fixture, "");
}

static void test_delta_is_record(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.delta_is_record = true;
        alpha->settings.full_detail = true;
        start(fixture, "a=1");
        delta(fixture, DELTA_APPEARED, "m", "seen");
        assert_batch(fixture, "3 appeared/2 alpha m:->seen event\n");
        delta(fixture, DELTA_VANISHED, "n", NULL); /* nobody ever heard of it */
        assert_batch(fixture, "");
        delta(fixture, DELTA_APPEARED, "p", "short");
        delta(fixture, DELTA_VANISHED, "p", NULL);
        assert_batch(fixture, "4 appeared/2 alpha p:->short event\n5 vanished/2 alpha p:short>- event\n");
        /* a look has other words for it: no change */
        set(alpha, "a=1 m=whole");
        assert_settled(fixture, "");
        assert_known(fixture, alpha, "a:value=1 m:value=whole");
        delta(fixture, DELTA_CHANGED, "m", "other");
        assert_batch(fixture, "6 changed/2 alpha m:whole>other event\n");
        set(alpha, "a=1");
        delta(fixture, DELTA_VANISHED, "m", NULL);
        assert_batch(fixture, "7 vanished/2 alpha m:other>- event\n");
        assert_settled(fixture, "");
        assert_known(fixture, alpha, "a:value=1");
}

/* Of what happens again and again the first is told; the others are counted, and told as one. */
static void test_folded(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        uint64_t next_ns;

        alpha->kind.delta_is_record = true;
        start(fixture, "a=1");
        for (int i = 0; i < 500; i++) {
                char name[8];

                (void)snprintf(name, sizeof(name), "p%d", i);
                delta(fixture, DELTA_APPEARED, name, "x");
                delta(fixture, DELTA_VANISHED, name, NULL);
        }
        assert_batch(fixture, "3 appeared/2 alpha p0:->x event\n4 vanished/2 alpha p0:x>- event\n");
        assert_settled(fixture, "");
        assert_known(fixture, alpha, "a:value=1");
        for (int i = 0; i < 100 && !fixture->told.size; i++) {
                next_ns = engine_next_ns(fixture->engine);
                assert_true(next_ns != UINT64_MAX);
                if (next_ns > fixture->monotonic_ns)
                        pass(fixture, next_ns - fixture->monotonic_ns);
                begin_telling(fixture);
                assert_int_equal(engine_flush(fixture->engine), 0);
                if (!fixture->told.size)
                        assert_int_equal(run_round(fixture, false), 0);
        }
        assert_string_equal(buffer_string(&fixture->told), "5 appeared/2 alpha p1:->x event *499\n6 vanished/2 alpha p1:x>- event *499\n");
        assert_int_equal(report_of(fixture, alpha).changes, 2 + 2 * 499);
}

static int refuse(struct baseline *baseline, bool durable) {
        (void)baseline;
        (void)durable;
        return -ENOSPC;
}

static void test_not_noted(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        start(fixture, "a=1");
        set(alpha, "a=2");
        fixture->ops.note_commit = refuse;
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"));
        assert_int_equal(engine_flush(fixture->engine), -ENOSPC);
        assert_int_equal(fixture->given_up, 1);
        assert_int_equal(fixture->give_up_error, -ENOSPC);
        assert_int_equal(fixture->noted, 0);
        fixture->ops.note_commit = fixture->real->note_commit;
        /* the round finds it, under the number that was given back */
        assert_int_equal(engine_next_ns(fixture->engine), 0);
        fixture->given_up = 0;
        assert_round(fixture, "3 changed/2 alpha a:1>2 poll\n");
        assert_round(fixture, "");
}

/* What passed and could not be noted is found by no look: it is said how much that was. */
static void test_passed_not_noted(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        struct delta incident = { .subject = DELTA_INCIDENT, .source = "fake", .incident.kind = INCIDENT_CLOCK_SET };
        unsigned collected;

        alpha->settings.full_detail = true;
        start(fixture, "a=1");
        collected = fixture->fakes[1].collected;
        fixture->ops.note_commit = refuse;
        for (int is_record = 0; is_record < 2; is_record++) {
                alpha->kind.delta_is_record = is_record;
                delta(fixture, DELTA_APPEARED, "m", "seen");
                delta(fixture, DELTA_VANISHED, "m", NULL);
                set(alpha, is_record ? "a=3" : "a=2");
                ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"));
                ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"), .flags = HINT_APPEARED | HINT_VANISHED);
                assert_int_equal(engine_flush(fixture->engine), -ENOSPC);
                begin_telling(fixture);
        }
        fixture->ops.note_commit = fixture->real->note_commit;
        fixture->given_up = 0;
        assert_int_equal(engine_next_ns(fixture->engine), 0);
        assert_round(fixture, "3 changed/2 alpha a:1>3 poll\n"
                              "4 events-lost/4 - source=engine reason=not kept count=8 rescan_ns=0 found=1 \"engine lost 8 events "
                              "(not kept); rescanned alpha in 0 us, found 1 change\"\n");
        assert_int_equal(report_of(fixture, alpha).losses, 8);
        assert_int_equal(fixture->fakes[1].collected, collected);
        assert_round(fixture, "");
        /* of what leaves no record nothing can be looked for */
        fixture->ops.note_commit = refuse;
        engine_delta(fixture->engine, &incident);
        assert_int_equal(engine_flush(fixture->engine), -ENOSPC);
        fixture->ops.note_commit = fixture->real->note_commit;
        assert_int_equal(engine_next_ns(fixture->engine), 0);
        assert_round(fixture, "5 events-lost/4 - source=engine reason=not kept count=1 rescan_ns=0 found=0 \"engine lost 1 event "
                              "(not kept); nothing was rescanned\"\n");
        assert_round(fixture, "");
        /* what was folded is counted, and told with its group */
        alpha->settings.full_detail = false;
        begin_telling(fixture);
        delta(fixture, DELTA_APPEARED, "m", "seen");
        delta(fixture, DELTA_VANISHED, "m", NULL);
        assert_batch(fixture, "6 appeared/2 alpha m:->seen event\n7 vanished/2 alpha m:seen>- event\n");
        delta(fixture, DELTA_APPEARED, "n", "seen");
        delta(fixture, DELTA_APPEARED, "o", "seen");
        fixture->ops.note_commit = refuse;
        assert_int_equal(engine_flush(fixture->engine), -ENOSPC);
        fixture->ops.note_commit = fixture->real->note_commit;
        assert_settled(fixture, "");
        pass(fixture, 70 * SECOND);
        assert_batch(fixture, "8 appeared/2 alpha n:->seen event *2\n");
        /* and what was kept is not lost with what comes after it */
        alpha->settings.full_detail = true;
        fixture->event_answer = -ENOBUFS;
        for (uint64_t i = 0; i < 2; i++) {
                fixture->fail_at = i ? engine_next_sequence(fixture->engine) : 0;
                delta(fixture, DELTA_APPEARED, "n", "seen");
                delta(fixture, DELTA_VANISHED, "n", NULL);
                (void)engine_flush(fixture->engine);
                begin_telling(fixture);
        }
        fixture->event_answer = 0;
        fixture->given_up = 0;
        assert_int_equal(run_round(fixture, false), 0);
        assert_non_null(strstr(buffer_string(&fixture->told), "count=1 "));
}

/* What was counted and could not be noted is told when it can be. */
static void test_folded_not_noted(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        char name[] = "p0";

        alpha->kind.delta_is_record = true;
        start(fixture, "a=1");
        for (name[1] = '0'; name[1] <= '9'; name[1]++) {
                delta(fixture, DELTA_APPEARED, name, "x");
                delta(fixture, DELTA_VANISHED, name, NULL);
        }
        assert_batch(fixture, "3 appeared/2 alpha p0:->x event\n4 vanished/2 alpha p0:x>- event\n");
        assert_settled(fixture, "");
        pass(fixture, 70 * SECOND);
        for (int answer = 0; answer < 2; answer++) {
                if (answer) {
                        fixture->event_answer = -ENOBUFS;
                        fixture->fail_at = 6;
                } else
                        fixture->ops.note_commit = refuse;
                assert_true(engine_flush(fixture->engine) < 0);
                fixture->ops.note_commit = fixture->real->note_commit;
                fixture->event_answer = 0;
                begin_telling(fixture);
                if (!answer)
                        assert_batch(fixture, ""); /* not without pause */
                pass(fixture, 10 * SECOND);
        }
        assert_batch(fixture, "5 appeared/2 alpha p1:->x event *9\n6 vanished/2 alpha p1:x>- event *9\n");
}

static void test_below(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        static const char gone[] = "d";
        unsigned collected;

        start(fixture, "a=1 d=0 e=2");
        set(alpha, "a=1 e=3");
        collected = alpha->collected;
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string(gone), .flags = HINT_BELOW);
        assert_batch(fixture, "3 vanished/2 alpha d:0>- event\n");
        assert_int_equal(alpha->collected, collected + 1);
        pass(fixture, INTERVAL);
        assert_settled(fixture, "4 changed/2 alpha e:2>3 poll\n");
        /* a whole watch that was hinted is looked at the short way too, on top of what is only noted */
        set(alpha, "a=7 b=8 e=3");
        ENGINE_HINT(fixture, .watch = "alpha");
        assert_batch(fixture, "5 changed/2 alpha a:1>7 event\n6 appeared/2 alpha b:->8 event\n");
        set(alpha, "b=9");
        ENGINE_HINT(fixture, .watch = "alpha");
        assert_batch(fixture, "7 vanished/2 alpha a:7>- event\n8 changed/2 alpha b:8>9 event\n9 vanished/2 alpha e:3>- event\n");
        assert_settled(fixture, "");
        assert_known(fixture, alpha, "b:value=9");
}

static void test_coverage(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];
        const struct coverage full = { .watch = "alpha", .mechanism = "tap", .level = COVERAGE_FULL };
        unsigned collected;

        start(fixture, "a=1");
        engine_covers(fixture->engine, "fake", &full);
        pass(fixture, 2 * INTERVAL);
        assert_round(fixture, "");
        collected = alpha->collected;
        set(alpha, "a=2");
        set(beta, "b=1");
        assert_round(fixture, "3 appeared/2 beta b:->1 poll\n");
        for (int i = 0; i < 20; i++)
                assert_round(fixture, "");
        assert_int_equal(alpha->collected, collected);
        assert_string_equal(report_of(fixture, alpha).mechanism, "tap");
        assert_string_equal(report_of(fixture, beta).mechanism, "");
        /* the full comparison is the proof: what it finds, no event told */
        pass(fixture, RECONCILE);
        assert_round(fixture, "4 changed/2 alpha a:1>2 reconcile\n");
        assert_int_equal(report_of(fixture, alpha).reconcile_found, 1);
        /* without its source it polls again, at once */
        set(alpha, "a=3");
        engine_uncovers(fixture->engine, "fake");
        assert_round(fixture, "5 changed/2 alpha a:2>3 poll\n");
}

static void late_hint(void *context) {
        struct fixture *fixture = context;

        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"));
        set(&fixture->fakes[0], "a=2 b=2 c=1");         /* c comes between the two looks */
}

/* What a full comparison finds while its event is on its way was not missed. */
static void test_sifted(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        const struct coverage full = { .watch = "alpha", .mechanism = "tap", .level = COVERAGE_FULL };

        fixture->drain = late_hint;
        start(fixture, "a=1 b=1");
        engine_covers(fixture->engine, "fake", &full);
        pass(fixture, RECONCILE);
        assert_round(fixture, "");
        assert_int_equal(report_of(fixture, alpha).reconcile_found, 0);
        set(alpha, "a=2 b=2");
        pass(fixture, RECONCILE);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "3 changed/2 alpha a:1>2 event\n4 changed/2 alpha b:1>2 reconcile\n");
        assert_int_equal(report_of(fixture, alpha).reconcile_found, 1);
        assert_known(fixture, alpha, "a:value=2 b:value=2");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("c"));
        begin_telling(fixture);
        assert_batch(fixture, "5 appeared/2 alpha c:->1 event\n");
}

static void test_loss_of_one(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];
        const struct coverage full = { .watch = "alpha", .mechanism = "tap", .level = COVERAGE_FULL };
        const struct loss loss = { .source = "tap", .reason = "overflow", .counted = true, .count = 4312 };
        unsigned collected;

        start(fixture, "a=1");
        engine_covers(fixture->engine, "tap", &full);
        pass(fixture, 2 * INTERVAL);
        assert_round(fixture, "");
        collected = beta->collected;
        pass(fixture, SECOND / 4);
        fixture->realtime_ns -= INTERVAL;
        fixture->monotonic_ns -= INTERVAL;
        set(alpha, "a=2");
        engine_loss(fixture->engine, &loss);
        engine_loss(fixture->engine, &loss);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told),
                            "3 changed/2 alpha a:1>2 reconcile\n"
                            "4 events-lost/4 - source=tap reason=overflow count=8624 rescan_ns=0 found=1 \"tap lost 8,624 events "
                            "(overflow); rescanned alpha in 0 us, found 1 change\"\n");
        assert_int_equal(beta->collected, collected);
        /* who loses without pause does not make us look without pause */
        collected = alpha->collected;
        engine_loss(fixture->engine, &loss);
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(alpha->collected, collected);
        assert_true(engine_next_ns(fixture->engine) > fixture->monotonic_ns);
        pass(fixture, 2 * SECOND);
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(alpha->collected, collected + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ENGINE_TEST(test_key),
                ENGINE_TEST(test_passed),
                ENGINE_TEST(test_delta_is_record),
                ENGINE_TEST(test_folded),
                ENGINE_TEST(test_not_noted),
                ENGINE_TEST(test_passed_not_noted),
                ENGINE_TEST(test_folded_not_noted),
                ENGINE_TEST(test_below),
                ENGINE_TEST(test_coverage),
                ENGINE_TEST(test_sifted),
                ENGINE_TEST(test_loss_of_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
