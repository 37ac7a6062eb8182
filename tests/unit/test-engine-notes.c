/* The short way where it ends badly: what cannot be noted, what comes twice in a batch, what waits while nothing can be kept. */
#include "rounds.h"

#define ENGINE_HINT(fixture, ...) engine_hint((fixture)->engine, &(const struct hint){ .source = "fake", __VA_ARGS__ })

static void start(struct fixture *fixture, const char *truths) {
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.can_look_within = !alpha->kind.append_only;
        alpha->kind.subjects = 1u << DELTA_MODULE;
        alpha->kind.recognize = fake_recognize;
        set(alpha, truths);
        start_engine(fixture, 1, 0);
        assert_int_equal(run_round(fixture, false), 0);
        pass(fixture, SECOND / 2);
        begin_telling(fixture);
}

static void cover(struct fixture *fixture) {
        const struct coverage full = { .watch = "alpha", .mechanism = "tap", .level = COVERAGE_FULL };

        engine_covers(fixture->engine, "fake", &full);
        pass(fixture, 2 * INTERVAL);
        assert_round(fixture, "");
        begin_telling(fixture);
}

static void delta(struct fixture *fixture, enum delta_kind kind, const char *name, const char *value) {
        struct delta delta = { .kind = kind, .subject = DELTA_MODULE, .source = "fake" };

        delta.module.name = bytes_of_string(name);
        if (value)
                delta.module.path = bytes_of_string(value);
        engine_delta(fixture->engine, &delta);
}

/* Serves the engine as its owner does: how many rounds it wants before it lets some time pass. */
static unsigned rounds_at_once(struct fixture *fixture) {
        unsigned n = 0;

        while (n < 50 && engine_next_ns(fixture->engine) <= fixture->monotonic_ns) {
                (void)run_round(fixture, false);
                n++;
        }
        return n;
}

static int refuse_commit(struct baseline *baseline) {
        baseline->ops->abort(baseline);
        return -ENOSPC;
}

static int refuse_note(struct baseline *baseline, bool durable) {
        (void)durable;
        baseline->ops->note_abort(baseline);
        return -ENOSPC;
}

/* ---- no round without pause ---- */

static void test_rescan_in_vain(void **state) {
        static const int answers[] = { WATCH_E_UNAVAILABLE, WATCH_E_BUSY, -EIO };
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        const struct loss loss = { .source = "tap", .reason = "overrun" };

        start(fixture, "a=1");
        for (size_t i = 0; i < ELEMENTS(answers); i++) {
                unsigned rounds = 0;

                alpha->answer = answers[i];
                engine_loss(fixture->engine, &loss);
                for (int s = 0; s < 20; s++) {
                        rounds += rounds_at_once(fixture);
                        pass(fixture, SECOND);
                }
                if (rounds > 30)
                        fail_msg("answer %d: %u rounds in 20 seconds", answers[i], rounds);
                alpha->answer = 0;
                pass(fixture, RECONCILE);
                (void)rounds_at_once(fixture);
                assert_int_equal(report_of(fixture, alpha).state, ENGINE_IDLE);
        }
}

static void test_full_disk(void **state) {
        struct fixture *fixture = *state;
        const struct event event = { .action = &engine_condition_changed, .severity = SEVERITY_LOW, .message = "x" };

        start(fixture, "a=1");
        fixture->ops.commit = refuse_commit;
        assert_int_equal(engine_notice(fixture->engine, &event), 0);
        assert_true(rounds_at_once(fixture) <= 1);
        ENGINE_HINT(fixture, .watch = "beta");
        pass(fixture, INTERVAL);
        assert_true(rounds_at_once(fixture) <= 1);
        assert_true(fixture->given_up > 0);
        fixture->ops.commit = fixture->real->commit;
        pass(fixture, INTERVAL);
        assert_round(fixture, "3 coverage-changed/2 - \"x\"\n");
}

/* Whoever hints without pause does not make us look without pause. */
static void test_hinted_without_pause(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        start(fixture, "a=1 d=1");
        cover(fixture);
        alpha->cost_ns = SECOND / 10;
        for (int below = 0; below < 2; below++) {
                unsigned collected = alpha->collected;

                pass(fixture, 20 * SECOND);
                for (int i = 0; i < 200; i++) {
                        struct bytes key = below ? bytes_of_string("d") : BYTES_NULL;

                        ENGINE_HINT(fixture, .watch = "alpha", .key = key, .flags = below ? HINT_BELOW : 0);
                        assert_int_equal(engine_flush(fixture->engine), 0);
                        if (i == 0)
                                assert_int_equal(alpha->collected, collected + 1);
                        assert_true(rounds_at_once(fixture) <= 1);
                        pass(fixture, SECOND / 10);
                }
                assert_in_range(alpha->collected - collected, 18, 22);
        }
}

/* What a round found and could not keep is looked for again soon, also where sources see everything. */
static void test_given_up_while_covered(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        const struct loss loss = { .source = "fake", .reason = "overrun" };

        start(fixture, "a=1");
        cover(fixture);
        set(alpha, "a=2");
        fixture->ops.commit = refuse_commit;
        engine_loss(fixture->engine, &loss);
        assert_int_equal(run_round(fixture, false), -ENOSPC);
        fixture->ops.commit = fixture->real->commit;
        pass(fixture, 2 * INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        assert_non_null(strstr(buffer_string(&fixture->told), "changed/2 alpha a:1>2 "));
}

/* ---- what cannot be noted ---- */

static void test_log_not_noted(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.append_only = true;
        alpha->kind.retain = 100;
        start(fixture, "a=1");
        set(alpha, "a=1 b=1 c=1");
        fixture->ops.note_commit = refuse_note;
        ENGINE_HINT(fixture, .watch = "alpha");
        assert_int_equal(engine_flush(fixture->engine), -ENOSPC);
        fixture->ops.note_commit = fixture->real->note_commit;
        pass(fixture, INTERVAL);
        assert_round(fixture, "3 appeared/2 alpha b:->1 poll\n4 appeared/2 alpha c:->1 poll\n");
        assert_known(fixture, alpha, "a:value=1 b:value=1 c:value=1");
}

static void test_too_much(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        start(fixture, "a=1 b=1 c=1");
        set(alpha, "a=2 b=2 c=2");
        ENGINE_HINT(fixture, .watch = "alpha");
        fixture->event_answer = -ENOBUFS;
        fixture->fail_at = 4;
        (void)engine_flush(fixture->engine);
        fixture->event_answer = 0;
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told),
                            "3 changed/2 alpha a:1>2 poll\n4 changed/2 alpha b:1>2 poll\n5 changed/2 alpha c:1>2 poll\n");
        assert_int_equal(report_of(fixture, alpha).state, ENGINE_IDLE);
        assert_known(fixture, alpha, "a:value=2 b:value=2 c:value=2");
}

/* A journal for a few notes, as the real one for a few thousand. */
static size_t noted, staged;

static int scarce_put(struct baseline *baseline, const char *name, const struct field *fields, const struct record *record) {
        staged++;
        return noted + staged > 1200 ? -ENOBUFS : the_fixture->real->note_put(baseline, name, fields, record);
}

static int scarce_commit(struct baseline *baseline, bool durable) {
        noted += staged;
        staged = 0;
        return the_fixture->real->note_commit(baseline, durable);
}

static int scarce_begin(struct baseline *baseline) {
        noted = staged = 0;
        return the_fixture->real->begin(baseline);
}

static int note_large(struct engine_out *out, const struct event *event) {
        (void)out;
        (void)event;
        return 10000;
}

/* Thousands in one call of a source, of which none may be lost. */
static void test_flood(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.delta_is_record = true;
        alpha->settings.full_detail = true;
        start(fixture, "a=1");
        fixture->ops.note_put = scarce_put;
        fixture->ops.note_commit = scarce_commit;
        fixture->ops.begin = scarce_begin;
        fixture->out.note = note_large;
        for (int i = 0; i < 5000; i++) {
                char name[8];

                (void)snprintf(name, sizeof(name), "%d", i);
                delta(fixture, DELTA_APPEARED, name, "x");
        }
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_int_equal(fixture->given_up, 0);
        assert_int_equal(report_of(fixture, alpha).changes, 5000);
}

/* A look the short way that finds nothing new, but when it looked. */
static void test_refresh(void **state) {
        struct fixture *fixture = *state;
        struct fake *gamma = add_fake(fixture, "gamma", costly_fields);

        gamma->kind.can_look_within = true;
        set(gamma, "a=1");
        gamma->truths[0].ctime = fixture->realtime_ns;
        start(fixture, "a=1");
        pass(fixture, INTERVAL);
        ENGINE_HINT(fixture, .watch = "gamma", .key = bytes_of_string("a"));
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
}

/* A look completes what a delta told. What it says otherwise in a steady field has changed since; a delta may carry the beginning. */
static void test_settled_otherwise(void **state) {
        static const struct field steady_fields[] = { { "value", NULL, FIELD_TEXT, FIELD_STEADY }, { 0 } };
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.fields = steady_fields;
        alpha->kind.delta_is_record = alpha->settings.full_detail = true;
        start(fixture, "a=1");
        delta(fixture, DELTA_APPEARED, "k", "one");
        delta(fixture, DELTA_APPEARED, "l", "one");
        delta(fixture, DELTA_APPEARED, "m", "one");
        delta(fixture, DELTA_APPEARED, "n", NULL);
        assert_int_equal(engine_flush(fixture->engine), 0);
        set(alpha, "a=1 k=one l=two m=one+ n=one");
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "7 changed/2 alpha l:one>two event\n");
        assert_known(fixture, alpha, "a:value=1 k:value=one l:value=two m:value=one+ n:value=one");
}

/* ---- twice in a batch ---- */

static void test_staged(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        alpha->kind.delta_is_record = true;
        alpha->settings.full_detail = true;
        start(fixture, "a=1");
        delta(fixture, DELTA_APPEARED, "m", "one");
        delta(fixture, DELTA_CHANGED, "m", "two");
        delta(fixture, DELTA_APPEARED, "m", "three");
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "3 appeared/2 alpha m:->one event\n4 changed/2 alpha m:one>two event\n"
                                                           "5 changed/2 alpha m:two>three event\n");
        begin_telling(fixture);
        delta(fixture, DELTA_VANISHED, "m", NULL);
        delta(fixture, DELTA_APPEARED, "m", "three");
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "6 vanished/2 alpha m:three>- event\n7 appeared/2 alpha m:->three event\n");
        set(alpha, "a=1 m=three");
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
        assert_known(fixture, alpha, "a:value=1 m:value=three");
}

/* Hinted again with others in between, or with all that lies below: told once. */
static void test_twice(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        char key[] = "x0";

        alpha->kind.delta_is_record = true;
        alpha->settings.full_detail = true;
        start(fixture, "a=1 d=1");
        set(alpha, "a=2 m=one");
        delta(fixture, DELTA_APPEARED, "m", "one");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("m"));
        for (key[1] = 'a'; key[1] <= 'z'; key[1]++) {
                ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string(key));
                ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string(key), .flags = HINT_BELOW);
                if (key[1] != 'a' && key[1] != 'z')
                        continue;
                ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"));
                ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("d"), .flags = HINT_BELOW);
        }
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "3 appeared/2 alpha m:->one event\n4 changed/2 alpha a:1>2 event\n"
                                                           "5 vanished/2 alpha d:1>- event\n");
}

static size_t heard;
static int (*hear)(void *context, const char *name, struct bytes key, bool gone);

static int count_noted(void *context, const char *name, struct bytes key, bool gone) {
        heard++;
        return hear(context, name, key, gone);
}

static int counting_noted(struct baseline *baseline, const char *name, struct bytes above,
                          int (*note)(void *context, const char *name, struct bytes key, bool gone), void *context) {
        hear = note;
        return the_fixture->real->noted(baseline, name, above, count_noted, context);
}

/* Who looks at what lies below one key need not walk over all that is noted. */
static void test_notes_below(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        char below[] = "d\0x";

        alpha->kind.delta_is_record = alpha->settings.full_detail = true;
        start(fixture, "a=1 d=1");
        for (int i = 0; i < 60; i++) {
                char name[8];

                (void)snprintf(name, sizeof(name), "%c%d", i % 2 ? 'c' : 'e', i);
                delta(fixture, DELTA_APPEARED, name, "x");
        }
        for (; below[2] <= 'z'; below[2]++) {
                struct delta appeared = { .subject = DELTA_MODULE, .source = "fake" };

                appeared.module.name = bytes_of(below, 3);
                engine_delta(fixture->engine, &appeared);
        }
        assert_int_equal(engine_flush(fixture->engine), 0);
        fixture->ops.noted = counting_noted;
        begin_telling(fixture);
        heard = 0;
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("d"), .flags = HINT_BELOW);
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_int_equal(heard, 3 + 1);
        assert_non_null(strstr(buffer_string(&fixture->told), " vanished/2 alpha d"));
        ENGINE_HINT(fixture, .watch = "beta", .key = bytes_of_string("d"), .flags = HINT_BELOW);
        heard = 0;
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_int_equal(heard, 0);
}

/* What was counted is told before the end, also though its window is not over. */
static void test_counted_at_the_end(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        char key[] = "x0";

        alpha->kind.delta_is_record = true;
        start(fixture, "a=1");
        for (key[1] = 'a'; key[1] <= 'z'; key[1]++)
                delta(fixture, DELTA_APPEARED, key, "1");
        assert_int_equal(engine_flush(fixture->engine), 0);
        begin_telling(fixture);
        assert_int_equal(engine_flush_all(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "4 appeared/2 alpha xb:->1 event *25\n");
        begin_telling(fixture);
        assert_int_equal(engine_flush_all(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
}

/* Made and removed, with others in between, or with a look in between. */
static void test_passed_apart(void **state) {
        struct fixture *fixture = *state;
        char key[] = "x0";
        size_t lines = 0;

        fixture->fakes[0].settings.full_detail = true;
        start(fixture, "a=1");
        for (int vanished = 0; vanished < 2; vanished++)
                for (key[1] = 'a'; key[1] <= 'z'; key[1]++)
                        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string(key),
                                    .flags = vanished ? HINT_VANISHED : HINT_APPEARED);
        assert_int_equal(engine_flush(fixture->engine), 0);
        for (const char *at = buffer_string(&fixture->told); (at = strchr(at, '\n')); at++)
                lines++;
        assert_int_equal(lines, 52);
        begin_telling(fixture);
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("y"), .flags = HINT_APPEARED);
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("y"), .flags = HINT_VANISHED);
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "55 appeared/2 alpha y:-> event\n56 vanished/2 alpha y:>- event\n");
        begin_telling(fixture);
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("y"), .flags = HINT_VANISHED);
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "");
}

/* ---- who ---- */

static uint32_t actor_pid;

static int note_actor(struct engine_out *out, const struct event *event) {
        actor_pid = event->actor ? event->actor->process.pid : 0;
        return out_note(out, event);
}

static void process(struct fixture *fixture, uint32_t pid) {
        struct delta delta = { .kind = DELTA_APPEARED, .subject = DELTA_PROCESS, .source = "fake" };

        delta.process.pid = pid;
        delta.process.start_ticks = pid;
        delta.process.name = bytes_of_string("sh");
        engine_delta(fixture->engine, &delta);
}

static void test_who(void **state) {
        static const struct { uint32_t first, second, expected; } cases[] = {
                { 10, 10, 10 }, { 10, 11, 0 }, { 0, 10, 10 }, { 10, 0, 10 },
        };
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        char truths[] = "a=0";

        fixture->out.note = note_actor;
        start(fixture, "a=x");
        process(fixture, 10);
        process(fixture, 11);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                truths[2] = (char)('0' + i);
                set(alpha, truths);
                actor_pid = UINT32_MAX;
                for (int second = 0; second < 2; second++) {
                        uint32_t pid = second ? cases[i].second : cases[i].first;

                        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"),
                                    .origin = { .known = pid != 0, .pid = pid, .start_ticks = pid });
                }
                assert_int_equal(engine_flush(fixture->engine), 0);
                if (actor_pid != cases[i].expected)
                        fail_msg("%u and %u: %u", cases[i].first, cases[i].second, actor_pid);
        }
}

/* Of a whole watch: only where sources tell of what happens, else it may be anybody's. */
static void test_who_of_all(void **state) {
        static const struct { enum coverage_level level; uint32_t expected; } cases[] = {
                { COVERAGE_WAKES, 0 }, { COVERAGE_MOST, 10 }, { COVERAGE_FULL, 10 },
        };
        struct fixture *fixture = *state;
        char truths[] = "a=0 b=0";

        fixture->out.note = note_actor;
        start(fixture, "a=x b=x");
        process(fixture, 10);
        for (size_t i = 0; i <= ELEMENTS(cases); i++) {
                const struct coverage coverage = { .watch = "alpha", .mechanism = "tap", .level = i ? cases[i - 1].level : 0 };
                uint32_t expected = i ? cases[i - 1].expected : 0;

                if (i)
                        engine_covers(fixture->engine, "fake", &coverage);
                truths[2] = truths[6] = (char)('0' + i);
                set(&fixture->fakes[0], truths);
                actor_pid = UINT32_MAX;
                ENGINE_HINT(fixture, .watch = "alpha", .origin = { .known = true, .pid = 10, .start_ticks = 10 });
                assert_int_equal(engine_flush(fixture->engine), 0);
                if (actor_pid != expected)
                        fail_msg("case %zu: %u", i, actor_pid);
        }
}

static uint32_t made_by, removed_by;

static int note_both(struct engine_out *out, const struct event *event) {
        *(strcmp(event->action->action, "appeared") == 0 ? &made_by : &removed_by) = event->actor ? event->actor->process.pid : 0;
        return out_note(out, event);
}

/* Who made it is one thing, who removed it another. */
static void test_who_of_what_passed(void **state) {
        struct fixture *fixture = *state;

        fixture->out.note = note_both;
        fixture->fakes[0].settings.full_detail = true;
        start(fixture, "a=1");
        process(fixture, 10);
        process(fixture, 11);
        for (int apart = 0; apart < 2; apart++) {
                made_by = removed_by = 0;
                ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"), .flags = HINT_APPEARED,
                            .origin = { .known = true, .pid = 10, .start_ticks = 10 });
                if (apart)
                        assert_int_equal(engine_flush(fixture->engine), 0);
                ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("b"), .flags = HINT_VANISHED,
                            .origin = { .known = true, .pid = 11, .start_ticks = 11 });
                assert_int_equal(engine_flush(fixture->engine), 0);
                assert_int_equal(made_by, 10);
                assert_int_equal(removed_by, 11);
        }
}

static int recognize_process(void *state, const struct delta *delta, struct record *ret) {
        struct fake *fake = state;

        *ret = (struct record){ .key = delta->process.name };
        ret->values[0] = value_bytes(delta->process.executable);
        assert_memory_equal(delta->process.name.data, "sh", 2);
        assert_memory_equal(delta->process.executable.data, "/bin/sh", 7);
        pass(fake->fixture, 61 * SECOND); /* the table forgets it while the first watch tells of it */
        return 1;
}

/* Each of several watches is told of an end with all that was known of the process. */
static void test_end_for_two(void **state) {
        struct fixture *fixture = *state;
        struct delta delta = {
                .kind = DELTA_APPEARED, .subject = DELTA_PROCESS, .source = "fake",
                .origin = { .known = true, .pid = 10, .start_ticks = 10 },
                .process = { .pid = 10, .start_ticks = 10, .name = bytes_of_string("sh"), .executable = bytes_of_string("/bin/sh") },
        };

        start(fixture, "sh=/bin/sh");
        set(&fixture->fakes[1], "sh=/bin/sh");
        pass(fixture, INTERVAL);
        assert_int_equal(run_round(fixture, false), 0);
        begin_telling(fixture);
        engine_delta(fixture->engine, &delta);
        for (size_t i = 0; i < 2; i++) {
                struct fake *fake = &fixture->fakes[i];

                fake->kind.subjects = 1u << DELTA_PROCESS;
                fake->kind.recognize = recognize_process;
                fake->kind.delta_is_record = fake->kind.can_look_within = fake->settings.full_detail = true;
        }
        delta.kind = DELTA_VANISHED;
        delta.process = (struct process_facts){ .pid = 10, .start_ticks = 10 };
        engine_delta(fixture->engine, &delta);
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "4 vanished/2 alpha sh:/bin/sh>- event\n"
                                                           "5 vanished/2 beta sh:/bin/sh>- event\n");
}

/* ---- due by the clock as well ---- */

static void test_below_while_due(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        start(fixture, "a=1 d=0");
        cover(fixture);
        set(alpha, "a=2");
        pass(fixture, 2 * RECONCILE);
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("d"), .flags = HINT_BELOW);
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "3 vanished/2 alpha d:0>- event\n");
        assert_int_equal(run_round(fixture, false), 0);
        assert_string_equal(buffer_string(&fixture->told), "4 changed/2 alpha a:1>2 reconcile\n");
}

static int begin_fails;

static int refuse_begin(struct baseline *baseline) {
        (void)baseline;
        begin_fails++;
        return -ENOSPC;
}

static void hint_a(void *context) {
        struct fixture *fixture = context;

        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"));
}

/* The round that would have told the suspects was not kept: what is found later is no less true. */
static void test_sifted_and_given_up(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];

        fixture->drain = hint_a;
        start(fixture, "a=1 b=1");
        cover(fixture);
        set(alpha, "a=2");
        pass(fixture, RECONCILE);
        fixture->ops.begin = refuse_begin;
        assert_int_equal(run_round(fixture, false), -ENOSPC);
        assert_true(begin_fails > 0);
        fixture->ops.begin = fixture->real->begin;
        begin_telling(fixture);
        set(alpha, "a=2 b=2");
        ENGINE_HINT(fixture, .watch = "alpha");
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_string_equal(buffer_string(&fixture->told), "4 changed/2 alpha b:1>2 event\n");
}

static uint8_t finished_id[UUID_SIZE];

static int finish_id(struct engine_out *out, const struct round *round) {
        memcpy(finished_id, round->id, UUID_SIZE);
        return out_finish(out, round);
}

/* A notice names the id of what was told at once: the text that settles it is found by the same one. */
static void test_one_id(void **state) {
        struct fixture *fixture = *state;
        struct fake *alpha = &fixture->fakes[0];
        uint8_t first[UUID_SIZE];

        start(fixture, "a=1");
        fixture->out.finish = finish_id;
        set(alpha, "a=2");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"));
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_true(fixture->noted > 0);
        memcpy(first, fixture->round_id, UUID_SIZE);
        pass(fixture, INTERVAL);
        (void)rounds_at_once(fixture);
        assert_memory_equal(first, finished_id, UUID_SIZE);
        begin_telling(fixture);
        set(alpha, "a=3");
        ENGINE_HINT(fixture, .watch = "alpha", .key = bytes_of_string("a"));
        assert_int_equal(engine_flush(fixture->engine), 0);
        assert_memory_not_equal(first, fixture->round_id, UUID_SIZE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ENGINE_TEST(test_rescan_in_vain),
                ENGINE_TEST(test_full_disk),
                ENGINE_TEST(test_hinted_without_pause),
                ENGINE_TEST(test_given_up_while_covered),
                ENGINE_TEST(test_log_not_noted),
                ENGINE_TEST(test_too_much),
                ENGINE_TEST(test_flood),
                ENGINE_TEST(test_refresh),
                ENGINE_TEST(test_settled_otherwise),
                ENGINE_TEST(test_staged),
                ENGINE_TEST(test_twice),
                ENGINE_TEST(test_notes_below),
                ENGINE_TEST(test_counted_at_the_end),
                ENGINE_TEST(test_passed_apart),
                ENGINE_TEST(test_who),
                ENGINE_TEST(test_who_of_all),
                ENGINE_TEST(test_who_of_what_passed),
                ENGINE_TEST(test_end_for_two),
                ENGINE_TEST(test_below_while_due),
                ENGINE_TEST(test_sifted_and_given_up),
                ENGINE_TEST(test_one_id),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
