/* test-engine.c - what moved is told once, in order, with its severity; what costs is not done twice; a round stands or falls
 * as a whole. */
#include "rounds.h"

/* ---- the first look, and what moves after it ---- */

static void test_first_look(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];
        struct engine_report report;

        set(alpha, "a=1 b=2 c=3");
        start_engine(fixture, 1, 0);
        assert_int_equal(engine_count(fixture->engine), 2);
        assert_round(fixture, "1 baseline-created/1 alpha quiet count=3\n2 baseline-created/1 beta quiet count=0\n");
        assert_known(fixture, alpha, "a:value=1 b:value=2 c:value=3");
        assert_int_equal(fixture->baseline->ops->known(fixture->baseline, "beta"), 1);
        assert_int_equal(memory_baseline_begun(fixture->memory), 1);
        assert_int_equal(fixture->finished, 1);
        report = report_of(fixture, alpha);
        assert_int_equal(report.state, ENGINE_IDLE);
        assert_int_equal(report.records, 3);
        assert_int_equal(report.looks, 1);
        assert_int_equal(report.changes, 0); /* nothing is known to have changed */
        assert_true(report.last_change_ns == 0);
        assert_true(report.last_look_ns == 1800000000 * SECOND);
        assert_true(report.changed); /* its document is new, though */
        assert_string_equal(report.conditions, "");

        /* a quiet round writes nothing */
        for (int i = 0; i < 3; i++)
                assert_round(fixture, "");
        assert_int_equal(memory_baseline_begun(fixture->memory), 1);
        assert_int_equal(fixture->finished, 1);
        assert_int_equal(alpha->collected, 4);
        assert_int_equal(beta->collected, 4);
        assert_int_equal(alpha->opened, 1);
        report = report_of(fixture, alpha);
        assert_true(report.looked);
        assert_false(report.changed);
}

static void test_changes(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];
        struct engine_report report;
        uint64_t at;

        set(alpha, "a=1 b=2");
        set(beta, "x=1");
        start_engine(fixture, 10, 0);
        assert_round(fixture, "10 baseline-created/1 alpha quiet count=2\n11 baseline-created/1 beta quiet count=1\n");
        set(alpha, "a=1 b=3 c=4");
        set(beta, "");
        at = fixture->realtime_ns;
        assert_round(fixture, "12 changed/2 alpha b:2>3 poll\n13 appeared/2 alpha c:->4 poll\n14 vanished/2 beta x:1>- poll\n");
        assert_known(fixture, alpha, "a:value=1 b:value=3 c:value=4");
        assert_known(fixture, beta, "");
        report = report_of(fixture, alpha);
        assert_int_equal(report.records, 3);
        assert_int_equal(report.changes, 2);
        assert_true(report.last_change_ns == at);
        assert_true(report.changed);
        assert_int_equal(engine_next_sequence(fixture->engine), 15);
        assert_round(fixture, "");
        assert_false(report_of(fixture, alpha).changed);
        assert_int_equal(memory_baseline_begun(fixture->memory), 2);
        assert_waiting(fixture, "10 11 12 13 14 ");
}

static const struct action odd = { .action = "odd", .severity = SEVERITY_CRITICAL };
static const struct action forged = { .action = "forged", .severity = SEVERITY_MEDIUM, .fixed_severity = true };

static const struct action *classify(const struct change *change) {
        struct bytes value = change->after ? change->after->values[0].bytes : BYTES_NULL;

        return bytes_equal(value, bytes_of_string("odd")) ? &odd :
               bytes_equal(value, bytes_of_string("forged")) ? &forged : NULL;
}

static void test_severity(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];

        alpha->settings.priority = PRIORITY_HIGH;
        alpha->kind.vanished.severity = SEVERITY_LOW;
        alpha->kind.classify = beta->kind.classify = classify;
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, INTERVAL);
        set(alpha, "a=1 b=odd c=forged");
        set(beta, "a=1 b=odd c=forged");
        assert_round(fixture, "3 appeared/4 alpha a:->1 poll\n4 odd/5 alpha b:->odd poll\n5 forged/3 alpha c:->forged poll\n"
                              "6 appeared/2 beta a:->1 poll\n7 odd/2 beta b:->odd poll\n8 forged/3 beta c:->forged poll\n");
        set(alpha, "b=odd c=odd");
        assert_round(fixture, "9 vanished/4 alpha a:1>- poll\n10 odd/5 alpha c:forged>odd poll\n");
}

static void test_schedule(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];

        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        set(alpha, "a=1");
        set(beta, "b=1");
        pass(fixture, SECOND);
        assert_int_equal(run_round(fixture, false), 0); /* not yet due */
        assert_string_equal(buffer_string(&fixture->told), "");
        assert_false(report_of(fixture, alpha).looked);
        hint(fixture, NULL); /* the clock's */
        hint(fixture, "alph");
        hint(fixture, "gamma");
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(alpha->collected, 1);
        hint(fixture, "beta");
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "3 appeared/2 beta b:->1 poll\n");
        assert_int_equal(alpha->collected, 1);
        assert_int_equal(run_round(fixture, true), 0);
        assert_string_equal(buffer_string(&fixture->told), "4 appeared/2 alpha a:->1 poll\n");

        /* what is dear is looked at less often */
        alpha->cost_ns = SECOND;
        pass(fixture, 10 * SECOND);
        assert_round(fixture, "");
        assert_true(report_of(fixture, alpha).last_cost_ns == SECOND);
        assert_true(report_of(fixture, alpha).cadence_ns == 50 * SECOND);
        set(alpha, "");
        pass(fixture, 40 * SECOND);
        assert_round(fixture, "");
        pass(fixture, 8 * SECOND);
        assert_round(fixture, "5 vanished/2 alpha a:1>- poll\n");
        assert_true(report_of(fixture, alpha).total_cost_ns == 2 * SECOND);
}

/* ---- trouble with the round ---- */

static int fail_begin(struct baseline *baseline) {
        (void)baseline;
        return -ENOSPC;
}

static int fail_put(struct baseline *baseline, const char *name, const struct field *fields, const struct record *record) {
        (void)baseline;
        (void)name;
        (void)fields;
        (void)record;
        return -ENOSPC;
}

static int fail_end_part(struct baseline *baseline, bool keep) {
        struct fixture *fixture = the_fixture;
        int r = fixture->real->end_part(baseline, false);

        return keep ? -ENOSPC : r;
}

static int fail_known(struct baseline *baseline, const char *name) {
        (void)baseline;
        (void)name;
        return -ENOSPC;
}

static void test_given_up(void **state) {
        static const char *const ways[] = { "commit", "begin", "put", "end_part", "known", "event", "finish" };
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];
        uint64_t sequence = 3, changes = 0;

        alpha->kind.stamp = fake_stamp; /* found again although the stamp says that nothing moved */
        set(alpha, "a=0");
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        for (size_t i = 0; i < ELEMENTS(ways); i++) {
                char truth[32], old[16], new[16], expected[200];
                struct event notice = { .action = &odd, .severity = SEVERITY_LOW, .message = "waits" };

                (void)snprintf(old, sizeof(old), "%zu", i);
                (void)snprintf(new, sizeof(new), "%zu", i + 1);
                (void)snprintf(truth, sizeof(truth), "a=%s", new);
                pass(fixture, INTERVAL);
                set(alpha, truth);
                alpha->place++;
                beta->answer = -EIO;
                assert_int_equal(engine_notice(fixture->engine, &notice), 0);

                if (strcmp(ways[i], "commit") == 0)
                        memory_baseline_fail_commit(fixture->memory, -ENOSPC);
                fixture->ops.begin = strcmp(ways[i], "begin") == 0 ? fail_begin : fixture->real->begin;
                fixture->ops.put = strcmp(ways[i], "put") == 0 ? fail_put : fixture->real->put;
                fixture->ops.end_part = strcmp(ways[i], "end_part") == 0 ? fail_end_part : fixture->real->end_part;
                fixture->ops.known = strcmp(ways[i], "known") == 0 ? fail_known : fixture->real->known;
                fixture->event_answer = strcmp(ways[i], "event") == 0 ? -ENOSPC : 0;
                fixture->fail_at = sequence;
                fixture->finish_answer = strcmp(ways[i], "finish") == 0 ? -ENOSPC : 0;
                for (int tries = 0; tries < 3; tries++) {
                        size_t given_up = fixture->given_up, committed = fixture->committed;

                        if (strcmp(ways[i], "commit") == 0)
                                memory_baseline_fail_commit(fixture->memory, -ENOSPC);
                        assert_int_equal(run_round(fixture, false), -ENOSPC);
                        assert_int_equal(fixture->given_up, given_up + 1);
                        assert_int_equal(fixture->committed, committed);
                        assert_int_equal(fixture->give_up_error, -ENOSPC);
                        assert_int_equal(engine_next_sequence(fixture->engine), sequence);
                        assert_false(report_of(fixture, alpha).changed);
                        assert_int_equal(report_of(fixture, alpha).changes, changes);
                        pass(fixture, INTERVAL);
                }
                fixture->ops = *fixture->real;
                fixture->event_answer = fixture->finish_answer = 0;

                /* all is found again, and told once */
                (void)snprintf(expected, sizeof(expected), "%llu changed/2 alpha a:%s>%s poll\n%llu odd/2 - \"waits\"\n",
                               (unsigned long long)sequence, old, new, (unsigned long long)sequence + 1);
                assert_int_equal(run_round(fixture, false), 0);
                assert_memory_equal(buffer_string(&fixture->told), expected, strlen(expected));
                assert_int_equal(report_of(fixture, alpha).changes, ++changes);
                pass(fixture, INTERVAL);
                beta->answer = 0;
                assert_int_equal(run_round(fixture, false), 0);
                sequence = engine_next_sequence(fixture->engine);
        }
}

static void test_notices(void **state) {
        struct fixture *fixture = *state;
        static const char expected[] = "7 odd/1 - count=5 \"a message\"\n8 odd/1 - ";
        char message[] = "a message";
        struct event event = { .action = &odd, .severity = SEVERITY_INFO, .message = message };

        fixture->count = 0;
        start_engine(fixture, 7, 0);
        event_add(&event, "nephronix.count", FIELD_NUMBER, value_number(5));
        for (int i = 0; i < 64; i++)
                assert_int_equal(engine_notice(fixture->engine, &event), 0);
        assert_int_equal(engine_notice(fixture->engine, &event), -ENOBUFS);
        memset(message, '#', sizeof(message) - 1); /* the engine has its own */
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(fixture->events, 64);
        assert_memory_equal(buffer_string(&fixture->told), expected, sizeof(expected) - 1);
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(fixture->events, 0);
        assert_int_equal(engine_notice(fixture->engine, &event), 0); /* and goes away with it untold */
}

/* ---- logs, stamps, costly fields, gaps ---- */

static void test_append_only(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.append_only = true;
        alpha->kind.retain = 3;
        set(alpha, "a=1 b=1");
        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 baseline-created/1 alpha quiet count=2\n2 baseline-created/1 beta quiet count=0\n");
        set(alpha, "b=2 c=1"); /* the ring moved on; what is known is not told again */
        assert_round(fixture, "3 appeared/2 alpha c:->1 poll\n");
        set(alpha, "");
        assert_round(fixture, "");
        assert_known(fixture, alpha, "a:value=1 b:value=1 c:value=1");
        set(alpha, "d=1 e=1");
        assert_round(fixture, "4 appeared/2 alpha d:->1 poll\n5 appeared/2 alpha e:->1 poll\n");
        assert_known(fixture, alpha, "c:value=1 d:value=1 e:value=1");
        set(alpha, "f=1 g=1 h=1 i=1");
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(fixture->events, 4);
        assert_known(fixture, alpha, "g:value=1 h:value=1 i:value=1");
}

static void test_stamps(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.stamp = fake_stamp;
        set(alpha, "a=1");
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);

        /* two ticks after its stamp was first seen it may still move unseen */
        for (int i = 0; i < 2; i++) {
                pass(fixture, TICK);
                hint(fixture, "alpha");
                assert_int_equal(run_round(fixture, false), 0);
        }
        assert_int_equal(alpha->collected, 3);
        pass(fixture, INTERVAL);
        assert_round(fixture, ""); /* not yet: the last look was at two ticks, not behind them */
        assert_int_equal(alpha->collected, 4);
        set(alpha, "a=2"); /* nobody would know */
        for (int i = 0; i < 5; i++)
                assert_round(fixture, "");
        assert_int_equal(alpha->collected, 4);
        assert_true(report_of(fixture, alpha).looked);
        assert_true(report_of(fixture, alpha).last_look_ns == fixture->realtime_ns - INTERVAL);

        alpha->place++;
        assert_round(fixture, "3 changed/2 alpha a:1>2 poll\n");
        set(alpha, "a=3"); /* in the tick in which its stamp moved */
        assert_round(fixture, "4 changed/2 alpha a:2>3 poll\n");
        set(alpha, "a=4");
        assert_round(fixture, "");
        hint(fixture, "alpha"); /* somebody saw something: the stamp is not asked */
        assert_round(fixture, "5 changed/2 alpha a:3>4 poll\n");
        set(alpha, "a=5");
        pass(fixture, RECONCILE);
        assert_round(fixture, "6 changed/2 alpha a:4>5 poll\n");
        set(alpha, "a=6");
        assert_int_equal(run_round(fixture, true), 0);
        assert_string_equal(buffer_string(&fixture->told), "7 changed/2 alpha a:5>6 poll\n");
        pass(fixture, INTERVAL);
        set(alpha, "a=7");
        alpha->stamp_answer = -EIO; /* none: look */
        assert_round(fixture, "8 changed/2 alpha a:6>7 poll\n");
        set(alpha, "a=8");
        assert_round(fixture, "9 changed/2 alpha a:7>8 poll\n");
}

/* An answer is as old as its question: what moved while it was on its way is found. */
static void test_stamps_and_busy(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.stamp = fake_stamp;
        set(alpha, "a=1");
        start_engine(fixture, 1, 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(run_round(fixture, false), 0);
                pass(fixture, INTERVAL);
        }
        alpha->place++;
        alpha->answer = WATCH_E_BUSY;
        assert_round(fixture, "");
        alpha->place++;
        assert_round(fixture, "");
        alpha->answer = 0;
        set(alpha, "a=2"); /* as it was before the second move */
        assert_round(fixture, "3 changed/2 alpha a:1>2 poll\n");
        set(alpha, "a=3");
        assert_round(fixture, "4 changed/2 alpha a:2>3 poll\n");
        set(alpha, "a=4");
        assert_round(fixture, "");
}

static void test_costly(void **state) {
        struct fixture *fixture = *state;
        struct fake *gamma;
        uint64_t start = fixture->realtime_ns;

        fixture->count = 0;
        gamma = add_fake(fixture, "gamma", costly_fields);
        gamma->n_truths = 2;
        gamma->truths[0] = (struct truth){ "a", "x", 1, start - SECOND, 100 };
        gamma->truths[1] = (struct truth){ "b", "x", 2, start - 2 * TICK, 200 }; /* young */
        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 baseline-created/1 gamma quiet count=2\n");
        assert_int_equal(gamma->completed, 2);

        /* a is taken over; b was too young then, is read again, and is old enough from then on */
        assert_round(fixture, "");
        assert_int_equal(gamma->completed, 3);
        assert_int_equal(memory_baseline_begun(fixture->memory), 2); /* that it was looked at is worth keeping */
        assert_round(fixture, "");
        assert_int_equal(gamma->completed, 3);
        assert_int_equal(memory_baseline_begun(fixture->memory), 2);

        gamma->truths[0].content = 101; /* behind the back of its stamps */
        assert_round(fixture, "");
        assert_int_equal(run_round(fixture, true), 0);
        assert_string_equal(buffer_string(&fixture->told), "2 changed/2 gamma a:x(100)>x(101) poll\n");
        assert_int_equal(gamma->completed, 5);
        pass(fixture, INTERVAL);

        gamma->truths[0].content = 102;
        gamma->truths[0].ctime = fixture->realtime_ns;
        assert_round(fixture, "3 changed/2 gamma a:x(101)>x(102) poll\n");
        gamma->truths[0].content = 103; /* in the same tick: ctime stands */
        assert_round(fixture, "4 changed/2 gamma a:x(102)>x(103) poll\n");
        gamma->truths[0].value = "y"; /* what is cheap moves, what is dear is taken over */
        assert_round(fixture, "5 changed/2 gamma a:x(103)>y(103) poll\n");
        assert_int_equal(gamma->completed, 7);

        /* taken over across a restart, too */
        fixture->engine = engine_free(fixture->engine);
        start_engine(fixture, 6, 0);
        assert_round(fixture, "");
        assert_int_equal(gamma->completed, 7);
}

/* What the first look after a start finds happened while nobody watched, whichever round that look is in. */
static void test_gap(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0], *beta = &fixture->fakes[1];

        set(alpha, "a=1");
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        fixture->engine = engine_free(fixture->engine);

        pass(fixture, 100 * SECOND);
        set(alpha, "a=2");
        set(beta, "b=1");
        beta->answer = WATCH_E_BUSY;
        start_engine(fixture, 3, fixture->realtime_ns - 100 * SECOND);
        memory_baseline_fail_commit(fixture->memory, -ENOSPC);
        assert_int_equal(run_round(fixture, false), -ENOSPC);
        pass(fixture, INTERVAL);
        assert_round(fixture, "3 changed/2 alpha a:1>2 reconcile since=1800000000 until=1800000102\n");
        beta->answer = 0;
        set(alpha, "a=3");
        assert_round(fixture, "4 changed/2 alpha a:2>3 poll\n5 appeared/2 beta b:->1 reconcile since=1800000000 until=1800000104\n");
        set(beta, "b=2");
        assert_round(fixture, "6 changed/2 beta b:1>2 poll\n");

        /* nobody knows since when: no span, but not seen as it happened either */
        fixture->engine = engine_free(fixture->engine);
        set(beta, "b=3");
        start_engine(fixture, 7, 0);
        assert_round(fixture, "7 changed/2 beta b:2>3 reconcile\n");
}

static int add_detail(void *state, const struct change *change, struct record *record) {
        struct fake *fake = state;

        assert_non_null(change->after);
        assert_true(bytes_equal(record->key, change->after->key));
        assert_true(record != change->after);
        fake->detailed++;
        record->values[0] = value_string("detailed");
        return fake->stamp_answer;
}

/* A look at everything completes many at once, and what is told in detail is kept so; what is only learnt is not asked for detail. */
static void test_batches_and_detail(void **state) {
        struct fixture *fixture = *state;
        struct fake *gamma;
        uint64_t start = fixture->realtime_ns;

        fixture->count = 0;
        gamma = add_fake(fixture, "gamma", costly_fields);
        defer_all(gamma);
        gamma->kind.detail = add_detail;
        gamma->n_truths = 3;
        gamma->truths[0] = (struct truth){ "a", "x", 1, start - SECOND, 100 };
        gamma->truths[1] = (struct truth){ "b", "x", 2, start - SECOND, 200 };
        gamma->truths[2] = (struct truth){ "c", "x", 3, start - SECOND, 300 };
        start_engine(fixture, 1, 0);
        assert_round(fixture, "1 baseline-created/1 gamma quiet count=3\n");
        assert_int_equal(gamma->completed, 3);
        assert_int_equal(gamma->batches, 1);
        assert_int_equal(gamma->detailed, 0);
        assert_int_equal(gamma->rested, 1);

        gamma->truths[0].inode = 10;
        gamma->truths[0].content = 101;
        gamma->truths[2].inode = 30;
        gamma->truths[2].content = 301;
        assert_round(fixture, "2 changed/2 gamma a:x(100)>detailed(101) poll\n3 changed/2 gamma c:x(300)>detailed(301) poll\n");
        assert_int_equal(gamma->completed, 5);
        assert_int_equal(gamma->batches, 2);
        assert_int_equal(gamma->detailed, 2);
        assert_known(fixture, gamma, "a:value=detailed,inode=10,ctime=1799999999000000000,content=101,looked=1800000002000000000 "
                                     "b:value=x,inode=2,ctime=1799999999000000000,content=200,looked=1800000000000000000 "
                                     "c:value=detailed,inode=30,ctime=1799999999000000000,content=301,looked=1800000002000000000");

        /* where it fails the look does, and nothing is kept of it */
        gamma->stamp_answer = -EIO;
        gamma->truths[0].inode = 11;
        assert_int_equal(run_round(fixture, false), 0);
        assert_int_equal(report_of(fixture, gamma).state, ENGINE_FAILING);
        assert_int_equal(gamma->rested, 3);
        gamma->stamp_answer = 0;
        gamma->n_truths = 2;
        pass(fixture, 20 * SECOND);
        assert_int_equal(run_round(fixture, false), 0);
        assert_non_null(strstr(buffer_string(&fixture->told), "vanished/2 gamma c:detailed(301)>- poll"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ENGINE_TEST(test_first_look),
                ENGINE_TEST(test_changes),
                ENGINE_TEST(test_severity),
                ENGINE_TEST(test_schedule),
                ENGINE_TEST(test_given_up),
                ENGINE_TEST(test_notices),
                ENGINE_TEST(test_append_only),
                ENGINE_TEST(test_stamps),
                ENGINE_TEST(test_stamps_and_busy),
                ENGINE_TEST(test_costly),
                ENGINE_TEST(test_gap),
                ENGINE_TEST(test_batches_and_detail),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
