/* test-engine-trouble.c - a watch that fails, waits, is not there, cannot see all or loses something: it alone, told once. */
#include "rounds.h"

/* ---- trouble with one watch ---- */

static void test_failure(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1], *gamma = add_fake(fixture, "gamma", plain_fields);
        uint64_t since;

        beta->settings.priority = PRIORITY_HIGH;
        set(alpha, "a=1");
        set(beta, "a=1 b=1 c=1");
        set(gamma, "a=1");
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, INTERVAL);

        /* it fails after two of its changes were told: they are taken back, its neighbours' stay, no number is lost */
        set(alpha, "a=2");
        set(beta, "a=2 b=2 c=2");
        set(gamma, "a=2");
        beta->answer = -EIO;
        beta->fail_after = 2;
        since = fixture->realtime_ns;
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told),
                            "4 changed/2 alpha a:1>2 poll\n"
                            "5 changed/2 gamma a:1>2 poll\n"
                            "6 watch-failed/4 beta \"beta: cannot be watched: Input/output error (EIO)\"\n");
        assert_known(fixture, beta, "a:value=1 b:value=1 c:value=1");
        assert_known(fixture, gamma, "a:value=2");
        assert_waiting(fixture, "1 2 3 4 5 6 "); /* what was taken back does not wait there either */
        assert_int_equal(report_of(fixture, beta).state, ENGINE_FAILING);
        assert_int_equal(report_of(fixture, beta).error, -EIO);
        assert_int_equal(report_of(fixture, beta).changes, 0);
        assert_false(report_of(fixture, beta).changed);
        assert_true(report_of(fixture, beta).failing_since_ns == since);
        pass(fixture, INTERVAL);

        assert_round(fixture, "");
        assert_round(fixture, "");
        beta->answer = -EACCES; /* another failure is news, but began no later */
        assert_round(fixture, "7 watch-failed/4 beta \"beta: cannot be watched: Permission denied (EACCES)\"\n");
        assert_true(report_of(fixture, beta).failing_since_ns == since);
        beta->answer = 0;
        assert_round(fixture, "8 changed/4 beta a:1>2 poll\n9 changed/4 beta b:1>2 poll\n10 changed/4 beta c:1>2 poll\n"
                              "11 watch-recovered/2 beta \"beta: is watched again, after 8 s\"\n");
        assert_int_equal(report_of(fixture, beta).state, ENGINE_IDLE);
        assert_int_equal(report_of(fixture, beta).error, 0);
        assert_true(report_of(fixture, beta).failing_since_ns == 0);
        assert_int_equal(report_of(fixture, beta).changes, 3);
        assert_round(fixture, "");
}

static int broken_next(struct stream *stream, struct record *ret) {
        (void)stream;
        (void)ret;
        return -EBADMSG;
}

static void broken_close(struct stream *stream) {
        (void)stream;
}

static struct stream broken_stream = { .next = broken_next, .close = broken_close };

static int read_broken(struct baseline *baseline, enum baseline_view view, const char *name, const struct field *fields,
                       struct bytes after, struct stream **ret) {
        struct fixture *fixture = the_fixture;

        if (strcmp(name, "beta") != 0)
                return fixture->real->read(baseline, view, name, fields, after, ret);
        *ret = &broken_stream;
        return 0;
}

/* Whatever is wrong with one watch, the others are looked at. */
static void test_failures(void **state) {
        static const struct {
                const char *what, *truths, *told;
                int answer, open_answer;
                bool broken;
        } cases[] = {
                { .what = "unsorted", .truths = "a=1 c=1 b=1", .told = "(EBADMSG)" },
                { .what = "one key twice", .truths = "a=1 a=2", .told = "(EBADMSG)" },
                { .what = "cannot be opened", .truths = "a=1", .told = "(EPERM)", .open_answer = -EPERM },
                { .what = "no memory", .truths = "", .told = "(ENOMEM)", .answer = -ENOMEM },
                { .what = "an answer that nobody knows", .truths = "", .told = "(?)", .answer = 77 },
                { .what = "an error that nobody knows", .truths = "", .told = "unknown error (?)", .answer = -4000 },
                { .what = "what was known is damaged", .truths = "a=1", .told = "make no sense", .broken = true },
        };
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];

        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, INTERVAL);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                uint64_t sequence = engine_next_sequence(fixture->engine);

                fixture->engine = engine_free(fixture->engine);
                start_engine(fixture, sequence, 0);
                set(beta, cases[i].truths);
                beta->answer = cases[i].answer;
                beta->open_answer = cases[i].open_answer;
                fixture->ops.read = cases[i].broken ? read_broken : fixture->real->read;
                for (unsigned round = 0; round < 3; round++) {
                        unsigned collected = alpha->collected;

                        assert_int_equal(run_round(fixture, false), 0);
                        assert_int_equal(alpha->collected, collected + 1);
                        if ((strstr(buffer_string(&fixture->told), cases[i].told) != NULL) != (round == 0))
                                fail_msg("%s, round %u: %s", cases[i].what, round, buffer_string(&fixture->told));
                        pass(fixture, INTERVAL);
                }
                assert_int_equal(report_of(fixture, beta).state, ENGINE_FAILING);
                assert_int_equal(engine_next_sequence(fixture->engine), sequence + 1);
                fixture->ops.read = fixture->real->read;
                assert_known(fixture, beta, "");
        }
}

/* Failing, its place unmoved: asked at growing intervals; at once when it moves. */
static void test_failing_rests(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        unsigned first;

        alpha->kind.stamp = fake_stamp;
        alpha->answer = -EIO;
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        first = alpha->collected;
        for (int i = 0; i < 64; i++) {
                pass(fixture, INTERVAL);
                assert_int_equal(run_round(fixture, false), 0);
                assert_string_equal(buffer_string(&fixture->told), "");
        }
        assert_true(alpha->collected - first >= 3 && alpha->collected - first <= 6);
        first = alpha->collected;
        alpha->place++;
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(alpha->collected, first + 1);
        hint(fixture, "alpha");
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(alpha->collected, first + 2);
}

static void test_busy(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->answer = WATCH_E_BUSY;
        set(alpha, "a=1");
        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 baseline-created/1 beta quiet count=0\n");
        assert_int_equal(report_of(fixture, alpha).state, ENGINE_WAITING);
        assert_false(report_of(fixture, alpha).looked);
        alpha->answer = 0;
        hint(fixture, "alpha");
        assert_round(fixture, "2 baseline-created/1 alpha quiet count=1\n");
        assert_int_equal(report_of(fixture, alpha).state, ENGINE_IDLE);
        /* records handed over before it turned out busy are no answer */
        set(alpha, "a=2 b=1");
        alpha->answer = WATCH_E_BUSY;
        alpha->fail_after = 1;
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, INTERVAL);
        assert_known(fixture, alpha, "a:value=1");
        assert_int_equal(engine_next_sequence(fixture->engine), 3);
        alpha->answer = 0;
        assert_round(fixture, "3 changed/2 alpha a:1>2 poll\n4 appeared/2 alpha b:->1 poll\n");
        /* who fails and then says busy still fails */
        alpha->answer = -EIO;
        alpha->fail_after = 0;
        assert_round(fixture, "5 watch-failed/3 alpha \"alpha: cannot be watched: Input/output error (EIO)\"\n");
        alpha->answer = WATCH_E_BUSY;
        assert_round(fixture, "");
        assert_int_equal(report_of(fixture, alpha).state, ENGINE_FAILING);
        alpha->answer = -EIO;
        assert_round(fixture, "");
        alpha->answer = 0;
        assert_round(fixture, "6 watch-recovered/2 alpha \"alpha: is watched again, after 6 s\"\n");
}

static void test_unavailable(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        unsigned collected;

        alpha->settings.priority = PRIORITY_HIGH;
        set(alpha, "a=1");
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, INTERVAL);
        for (int stamped = 0; stamped < 2; stamped++) {
                uint64_t sequence = engine_next_sequence(fixture->engine);
                char expected[200];

                /* what is seen no more is not gone; not seeing it is worth a page where its changes are */
                alpha->kind.stamp = stamped ? fake_stamp : NULL;
                alpha->place++;
                alpha->answer = WATCH_E_UNAVAILABLE;
                alpha->condition = "no such thing";
                (void)snprintf(expected, sizeof(expected), "%llu coverage-changed/4 alpha \"alpha: not seen: no such thing\"\n",
                               (unsigned long long)sequence);
                assert_round(fixture, expected);
                assert_known(fixture, alpha, stamped ? "a:value=2" : "a:value=1");
                assert_int_equal(report_of(fixture, alpha).state, ENGINE_UNAVAILABLE);
                assert_string_equal(report_of(fixture, alpha).conditions, "no such thing\n");
                collected = alpha->collected;
                assert_round(fixture, ""); /* it may be back any moment */
                assert_int_equal(alpha->collected, collected + 1);

                set(alpha, stamped ? "a=3" : "a=2");
                alpha->answer = 0;
                alpha->condition = NULL;
                hint(fixture, "alpha");
                (void)snprintf(expected, sizeof(expected),
                               "%llu changed/4 alpha a:%d>%d poll\n"
                               "%llu coverage-changed/2 alpha \"alpha: all of it can be seen again\"\n",
                               (unsigned long long)sequence + 1, stamped + 1, stamped + 2, (unsigned long long)sequence + 2);
                assert_round(fixture, expected);
                assert_string_equal(report_of(fixture, alpha).conditions, "");
        }

        /* never there: stated, low; and from failing to unavailable nothing of the failure stays */
        fixture->engine = engine_free(fixture->engine);
        alpha->kind.stamp = NULL;
        alpha->answer = WATCH_E_UNAVAILABLE;
        alpha->condition = "no such thing";
        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 coverage-changed/2 alpha \"alpha: not seen: no such thing\"\n");
        collected = alpha->collected;
        assert_round(fixture, ""); /* what this host never had is asked for rarely */
        assert_int_equal(alpha->collected, collected);
        pass(fixture, RECONCILE);
        assert_round(fixture, "");
        assert_int_equal(alpha->collected, collected + 1);
        alpha->answer = -EIO;
        hint(fixture, "alpha");
        assert_round(fixture, "2 watch-failed/4 alpha \"alpha: cannot be watched: Input/output error (EIO): no such thing\"\n");
        alpha->answer = WATCH_E_UNAVAILABLE;
        assert_round(fixture, "");
        assert_int_equal(report_of(fixture, alpha).state, ENGINE_UNAVAILABLE);
        assert_int_equal(report_of(fixture, alpha).error, 0);
        assert_true(report_of(fixture, alpha).failing_since_ns == 0);
}

/* A watch that sees most of it says what it does not see. */
static void test_conditions(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->settings.priority = PRIORITY_HIGH;
        alpha->condition = "/a: cannot be entered";
        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 baseline-created/1 alpha quiet count=0\n2 baseline-created/1 beta quiet count=0\n"
                              "3 coverage-changed/2 alpha \"alpha: not seen: /a: cannot be entered\"\n");
        assert_round(fixture, "");
        /* a name from outside is one condition and one line, whatever is in it */
        alpha->condition = "/a\nno /b on this host\x1b[2J: cannot be entered";
        assert_round(fixture, "4 coverage-changed/2 alpha \"alpha: not seen: /a\\x0ano /b on this host\\x1b[2J: cannot be entered\"\n");
        assert_string_equal(report_of(fixture, alpha).conditions, "/a\\x0ano /b on this host\\x1b[2J: cannot be entered\n");
        alpha->condition = "/back\\slash";
        assert_round(fixture, "5 coverage-changed/2 alpha \"alpha: not seen: /back\\slash\"\n");
        /* failing says nothing about what is seen: the condition stands until a look ends well */
        alpha->answer = -EIO;
        alpha->condition = NULL;
        assert_round(fixture, "6 watch-failed/4 alpha \"alpha: cannot be watched: Input/output error (EIO)\"\n");
        assert_string_equal(report_of(fixture, alpha).conditions, "/back\\slash\n");
        alpha->answer = 0;
        assert_round(fixture, "7 watch-recovered/2 alpha \"alpha: is watched again, after 2 s\"\n"
                              "8 coverage-changed/2 alpha \"alpha: all of it can be seen again\"\n");
}

static void test_losses(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];
        struct loss loss = { .source = "tap", .reason = "overflow", .everybody = true };
        unsigned collected;

        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, INTERVAL);
        alpha->loss = "overrun";
        alpha->lost = 12;
        assert_round(fixture, "3 events-lost/4 - source=fake reason=overrun count=12 rescan_ns=0 found=0 \"fake lost 12 "
                              "events (overrun); rescanned alpha in 0 us, found 0 changes\"\n");
        assert_int_equal(report_of(fixture, alpha).losses, 12);
        alpha->lost = 0;
        alpha->answer = -EIO; /* what is lost is lost, even if the look fails */
        assert_round(fixture, "4 watch-failed/3 alpha \"alpha: cannot be watched: Input/output error (EIO)\"\n"
                              "5 events-lost/4 - source=fake reason=overrun rescan_ns=0 found=0 \"fake lost an unknown number of "
                              "events (overrun); nothing was rescanned\"\n");
        assert_int_equal(report_of(fixture, alpha).losses, 13);
        alpha->answer = 0;
        alpha->loss = NULL;
        assert_int_equal(run_round(fixture, false), 0);

        /* a source lost something: everybody looks at once, whatever their stamps say */
        beta->kind.stamp = fake_stamp;
        for (int i = 0; i < 5; i++) {
                pass(fixture, INTERVAL);
                assert_int_equal(run_round(fixture, false), 0);
        }
        collected = beta->collected;
        set(alpha, "a=1");
        engine_loss(fixture->engine, &loss);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told),
                            "7 appeared/2 alpha a:->1 poll\n"
                            "8 events-lost/4 - source=tap reason=overflow rescan_ns=0 found=1 \"tap lost an unknown number of events "
                            "(overflow); rescanned alpha and beta in 0 us, found 1 change\"\n");
        assert_int_equal(beta->collected, collected + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ENGINE_TEST(test_failure),
                ENGINE_TEST(test_failures),
                ENGINE_TEST(test_failing_rests),
                ENGINE_TEST(test_busy),
                ENGINE_TEST(test_unavailable),
                ENGINE_TEST(test_conditions),
                ENGINE_TEST(test_losses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
