/* test-blake2b-lanes.c - BLAKE2b in lanes: RFC 7693 and libsodium are right about every implementation that runs here. */
#include "tree.h"

#include <sodium.h>
#include <time.h>

#include "blake2b-lanes.h"

#define MOST_BYTES 100000

static unsigned seed;

static unsigned below(unsigned limit) {
        return (unsigned)random() % limit;
}

/* A stream in memory of its own, so that a byte too far is seen. */
struct stream {
        uint8_t *data;
        size_t size, given;
        uint8_t digest[BLAKE2B_SIZE];
};

static struct stream stream_of(size_t size) {
        struct stream stream = { .data = malloc(size + BLAKE2B_BLOCK), .size = size };

        assert_non_null(stream.data);
        for (size_t i = 0; i < size; i++)
                stream.data[i] = (uint8_t)random();
        memset(stream.data + size, 0xee, BLAKE2B_BLOCK);
        return stream;
}

static void feed(struct blake2b_lane *lane, struct stream *stream, bool split) {
        size_t rest = stream->size - stream->given, blocks = rest / BLAKE2B_BLOCK;

        if (split && rest > BLAKE2B_BLOCK && below(3)) {
                lane->data = stream->data + stream->given;
                lane->blocks = 1 + below((unsigned)(rest - 1) / BLAKE2B_BLOCK);
                assert_true(lane->blocks <= blocks);
                stream->given += lane->blocks * BLAKE2B_BLOCK;
        } else {
                blake2b_lane_end(lane, stream->data + stream->given, rest);
                stream->given = stream->size;
        }
}

/* All of them, so many at once as there are lanes; a lane that has no more gets the next stream. */
static void digest(const struct blake2b_engine *engine, unsigned lanes, struct stream *streams, size_t count, bool split) {
        struct blake2b_lane room[BLAKE2B_MOST_LANES], *live[BLAKE2B_MOST_LANES];
        struct stream *of[BLAKE2B_MOST_LANES];
        size_t next = 0;
        unsigned n = 0;

        while (n < lanes && next < count) {
                live[n] = &room[n];
                of[n] = &streams[next++];
                blake2b_lane_begin(live[n]);
                feed(live[n], of[n], split);
                n++;
        }
        while (n) {
                blake2b_lanes_step(engine, live, n);
                for (unsigned i = 0; i < n;) {
                        if (live[i]->blocks) {
                                i++;
                        } else if (!live[i]->ends) {
                                feed(live[i], of[i], split);
                                i++;
                        } else {
                                blake2b_lane_digest(live[i], of[i]->digest);
                                if (next < count) {
                                        of[i] = &streams[next++];
                                        blake2b_lane_begin(live[i]);
                                        feed(live[i], of[i], split);
                                        i++;
                                } else {
                                        struct blake2b_lane *gone = live[i];

                                        n--;
                                        live[i] = live[n];
                                        live[n] = gone;
                                        of[i] = of[n];
                                }
                        }
                }
        }
}

/* With each number of lanes, whole and split. */
static void check(const struct blake2b_engine *engine, const size_t *sizes, size_t count) {
        struct stream *streams = calloc(count, sizeof(*streams));

        assert_non_null(streams);
        for (size_t i = 0; i < count; i++)
                streams[i] = stream_of(sizes[i]);
        for (unsigned lanes = 1; lanes <= engine->lanes; lanes++)
                for (unsigned split = 0; split < 2; split++) {
                        for (size_t i = 0; i < count; i++)
                                streams[i].given = 0;
                        digest(engine, lanes, streams, count, split);
                        for (size_t i = 0; i < count; i++) {
                                uint8_t wanted[BLAKE2B_SIZE];

                                (void)crypto_generichash(wanted, sizeof(wanted), streams[i].data, streams[i].size, NULL, 0);
                                if (memcmp(streams[i].digest, wanted, sizeof(wanted)))
                                        fail_msg("%s, %u lanes, seed %u: wrong for %zu bytes%s", engine->name, lanes, seed,
                                                 streams[i].size, split ? ", split" : "");
                                memset(streams[i].digest, 0, sizeof(streams[i].digest));
                        }
                }
        for (size_t i = 0; i < count; i++)
                free(streams[i].data);
        free(streams);
}

static const struct blake2b_engine *engine_of(void **state) {
        const struct blake2b_engine *engine = *state;

        if (!engine->usable()) {
                print_message("%s: not on this processor\n", engine->name);
                skip();
        }
        return engine;
}

/* RFC 7693 appendix A, and what b2sum says of nothing. */
static const struct {
        const char *text;
        uint8_t digest[BLAKE2B_SIZE];
} published[] = {
        { "abc",
          { 0xba, 0x80, 0xa5, 0x3f, 0x98, 0x1c, 0x4d, 0x0d, 0x6a, 0x27, 0x97, 0xb6, 0x9f, 0x12, 0xf6, 0xe9,
            0x4c, 0x21, 0x2f, 0x14, 0x68, 0x5a, 0xc4, 0xb7, 0x4b, 0x12, 0xbb, 0x6f, 0xdb, 0xff, 0xa2, 0xd1,
            0x7d, 0x87, 0xc5, 0x39, 0x2a, 0xab, 0x79, 0x2d, 0xc2, 0x52, 0xd5, 0xde, 0x45, 0x33, 0xcc, 0x95,
            0x18, 0xd3, 0x8a, 0xa8, 0xdb, 0xf1, 0x92, 0x5a, 0xb9, 0x23, 0x86, 0xed, 0xd4, 0x00, 0x99, 0x23 } },
        { "",
          { 0x78, 0x6a, 0x02, 0xf7, 0x42, 0x01, 0x59, 0x03, 0xc6, 0xc6, 0xfd, 0x85, 0x25, 0x52, 0xd2, 0x72,
            0x91, 0x2f, 0x47, 0x40, 0xe1, 0x58, 0x47, 0x61, 0x8a, 0x86, 0xe2, 0x17, 0xf7, 0x1f, 0x54, 0x19,
            0xd2, 0x5e, 0x10, 0x31, 0xaf, 0xee, 0x58, 0x53, 0x13, 0x89, 0x64, 0x44, 0x93, 0x4e, 0xb0, 0x4b,
            0x90, 0x3a, 0x68, 0x5b, 0x14, 0x48, 0xb7, 0x55, 0xd5, 0x6f, 0x70, 0x1a, 0xfe, 0x9b, 0xe2, 0xce } },
};

static void test_published(void **state) {
        const struct blake2b_engine *engine = engine_of(state);

        for (size_t i = 0; i < ELEMENTS(published); i++)
                for (unsigned lanes = 1; lanes <= engine->lanes; lanes++) {
                        struct stream streams[BLAKE2B_MOST_LANES];

                        for (unsigned j = 0; j < lanes; j++) {
                                streams[j] = stream_of(strlen(published[i].text));
                                memcpy(streams[j].data, published[i].text, streams[j].size);
                        }
                        digest(engine, lanes, streams, lanes, false);
                        for (unsigned j = 0; j < lanes; j++) {
                                assert_memory_equal(streams[j].digest, published[i].digest, BLAKE2B_SIZE);
                                free(streams[j].data);
                        }
                }
}

static void test_each_length(void **state) {
        const struct blake2b_engine *engine = engine_of(state);
        size_t sizes[1101];

        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                sizes[i] = i;
        check(engine, sizes, ELEMENTS(sizes));
}

static void test_around_blocks(void **state) {
        const struct blake2b_engine *engine = engine_of(state);
        size_t sizes[3 * 64], n = 0;

        for (size_t blocks = 1; n < ELEMENTS(sizes); blocks++)
                for (size_t more = 0; more < 3; more++)
                        sizes[n++] = blocks * (1 + blocks / 8) * BLAKE2B_BLOCK - 1 + more;
        check(engine, sizes, n);
}

static void test_unequal(void **state) {
        const struct blake2b_engine *engine = engine_of(state);
        size_t sizes[48];

        for (size_t i = 0; i < ELEMENTS(sizes); i++)
                sizes[i] = below(4) ? below(2000) : below(MOST_BYTES);
        check(engine, sizes, ELEMENTS(sizes));
}

/* The counter is a number of 64 bits: a lane that is far in its stream stands beside one that begins. */
static void test_far_counter(void **state) {
        const struct blake2b_engine *engine = engine_of(state);
        struct stream near = stream_of(1000);
        struct blake2b_lane far[2], lanes[BLAKE2B_MOST_LANES], *live[BLAKE2B_MOST_LANES];
        const struct blake2b_engine *plain = engine;
        uint8_t digests[2][BLAKE2B_SIZE];

        for (const struct blake2b_engine *const *each = blake2b_engines; *each; each++)
                plain = *each;
        for (unsigned i = 0; i < 2; i++) {
                blake2b_lane_begin(&far[i]);
                far[i].counted = UINT64_C(0xfffffff80);
                blake2b_lane_end(&far[i], near.data, near.size);
        }
        for (unsigned i = 0; i < engine->lanes; i++) {
                blake2b_lane_begin(&lanes[i]);
                blake2b_lane_end(&lanes[i], near.data, near.size);
                live[i] = i ? &lanes[i] : &far[0];
        }
        blake2b_lanes_step(engine, live, engine->lanes);
        live[0] = &far[1];
        blake2b_lanes_step(plain, live, 1);
        for (unsigned i = 0; i < 2; i++) {
                assert_int_equal(far[i].blocks, 0);
                assert_int_equal(far[i].counted, UINT64_C(0xfffffff80) + 1000);
                blake2b_lane_digest(&far[i], digests[i]);
        }
        assert_memory_equal(digests[0], digests[1], BLAKE2B_SIZE);
        free(near.data);
}

/* blake2b.h: sizes around those of its buffers, from memory and from a file. */
static void test_one_file(void **state) {
        static const size_t around[] = { 128, 256, 16384, 16512, 262144, 262144 + 16384 - 256, 262144 + 16384, 524288, 786432 };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(around) * 5; i++) {
                struct stream stream = stream_of(around[i / 5] + i % 5 * 64 - 128 + (i % 5 + 1) % 2);
                FILE *file = tmpfile();
                uint8_t wanted[BLAKE2B_SIZE], found[BLAKE2B_SIZE];

                assert_non_null(file);
                assert_int_equal(fwrite(stream.data, 1, stream.size, file), stream.size);
                assert_int_equal(fflush(file), 0);
                assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
                (void)crypto_generichash(wanted, sizeof(wanted), stream.data, stream.size, NULL, 0);
                blake2b_bytes(stream.data, stream.size, found);
                assert_memory_equal(found, wanted, sizeof(wanted));
                memset(found, 0, sizeof(found));
                assert_int_equal(blake2b_file(fileno(file), found), 0);
                assert_memory_equal(found, wanted, sizeof(wanted));
                assert_int_equal(fclose(file), 0);
                free(stream.data);
        }
        {
                uint8_t found[BLAKE2B_SIZE];

                blake2b_bytes(NULL, 0, found);
                assert_memory_equal(found, published[1].digest, sizeof(found));
        }
}

static void test_the_best_is_usable(void **state) {
        (void)state;
        assert_true(blake2b_engine()->usable());
        print_message("engine: %s\n", blake2b_engine()->name);
}

/* A seed as the argument makes a run again. */
int main(int argc, char **argv) {
        static const struct {
                const char *name;
                CMUnitTestFunction function;
        } of_engine[] = {
                { "test_published", test_published },
                { "test_each_length", test_each_length },
                { "test_around_blocks", test_around_blocks },
                { "test_unequal", test_unequal },
                { "test_far_counter", test_far_counter },
        };
        enum { MOST_TESTS = 32 };
        struct CMUnitTest tests[MOST_TESTS] = { cmocka_unit_test(test_one_file), cmocka_unit_test(test_the_best_is_usable) };
        char names[MOST_TESTS][48];
        size_t n = 2;

        seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : (unsigned)time(NULL);
        srandom(seed);
        print_message("seed %u\n", seed);
        for (const struct blake2b_engine *const *engine = blake2b_engines; *engine; engine++)
                for (size_t i = 0; i < ELEMENTS(of_engine); i++, n++) {
                        (void)snprintf(names[n], sizeof(names[n]), "%s_%s", of_engine[i].name, (*engine)->name);
                        tests[n] = (struct CMUnitTest){ names[n], of_engine[i].function, NULL, NULL, (void *)(uintptr_t)*engine };
                }
        return _cmocka_run_group_tests("blake2b-lanes", tests, n, NULL, NULL);
}
