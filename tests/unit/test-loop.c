/* test-loop.c - callbacks in their owners: added, changed and removed at any moment, and how a loop ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "fd.h"
#include "loop.h"

enum { FILES = 4 };

struct owner {
        struct loop_file file;
        struct owner *others;   /* all of them, itself included */
        struct loop *loop;
        int action;
        unsigned called;
        uint32_t events;
};

enum { COUNT, STOP, FAIL, REMOVE_OTHERS, REMOVE_ITSELF, REPLACE_OTHERS, DRAIN };

static int ready(struct loop_file *file, uint32_t events) {
        struct owner *owner = container_of(file, struct owner, file);
        uint64_t value;

        owner->called++;
        owner->events = events;
        switch (owner->action) {
        case STOP:
                loop_stop(owner->loop, 7);
                break;
        case FAIL:
                return -EIO;
        case REMOVE_OTHERS:
        case REPLACE_OTHERS:
                for (size_t i = 0; i < FILES; i++)
                        if (&owner->others[i] != owner)
                                loop_remove(&owner->others[i].file);
                for (size_t i = 0; owner->action == REPLACE_OTHERS && i < FILES; i++)
                        if (&owner->others[i] != owner)
                                assert_int_equal(loop_add(owner->loop, &owner->others[i].file, EPOLLIN), 0);
                owner->action = owner->action == REMOVE_OTHERS ? STOP : COUNT;
                break;
        case REMOVE_ITSELF:
                loop_remove(file);
                break;
        case DRAIN:
                assert_int_equal(read(file->fd, &value, sizeof(value)), sizeof(value));
                break;
        default:
                break;
        }
        return 0;
}

struct fixture {
        struct loop *loop;
        struct owner owners[FILES];
};

static int set_up(void **state) {
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        assert_non_null(fixture);
        fixture->loop = loop_new();
        assert_non_null(fixture->loop);
        for (size_t i = 0; i < FILES; i++) {
                fixture->owners[i] = (struct owner){
                        .file = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = ready },
                        .others = fixture->owners,
                        .loop = fixture->loop,
                };
                assert_true(fixture->owners[i].file.fd >= 0);
        }
        *state = fixture;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *fixture = *state;

        for (size_t i = 0; i < FILES; i++) {
                loop_remove(&fixture->owners[i].file);
                loop_remove(&fixture->owners[i].file); /* harmless */
                (void)close(fixture->owners[i].file.fd);
        }
        fixture->loop = loop_free(fixture->loop);
        assert_null(loop_free(NULL));
        free(fixture);
        return 0;
}

static void wake(struct owner *owner) {
        const uint64_t one = 1;

        assert_int_equal(write(owner->file.fd, &one, sizeof(one)), sizeof(one));
}

static void add_all(struct fixture *fixture, size_t count) {
        for (size_t i = 0; i < count; i++) {
                assert_int_equal(loop_add(fixture->loop, &fixture->owners[i].file, EPOLLIN), 0);
                assert_ptr_equal(fixture->owners[i].file.loop, fixture->loop);
        }
}

static void test_ends(void **state) {
        struct fixture *fixture = *state;
        struct owner *owner = fixture->owners;

        add_all(fixture, 1);
        wake(owner);
        owner->action = STOP;
        assert_int_equal(loop_run(fixture->loop), 7);
        assert_int_equal(owner->called, 1);
        assert_int_equal(owner->events, EPOLLIN);
        assert_int_equal(loop_run(fixture->loop), 7); /* level-triggered: it still has something to say */
        assert_int_equal(owner->called, 2);
        owner->action = FAIL;
        assert_int_equal(loop_run(fixture->loop), -EIO);
        assert_int_equal(loop_add(fixture->loop, &owner->file, EPOLLIN), -EEXIST);
        loop_remove(&owner->file);
        assert_null(owner->file.loop);
        assert_int_equal(loop_add(fixture->loop, &(struct loop_file){ .fd = -1 }, EPOLLIN), -EBADF);
}

/* Who stops or fails is the last that is called. */
static void test_nobody_after_the_end(void **state) {
        struct fixture *fixture = *state;
        unsigned called = 0;

        add_all(fixture, FILES);
        for (size_t i = 0; i < FILES; i++) {
                fixture->owners[i].action = i % 2 ? STOP : FAIL;
                wake(&fixture->owners[i]);
        }
        (void)loop_run(fixture->loop);
        for (size_t i = 0; i < FILES; i++)
                called += fixture->owners[i].called;
        assert_int_equal(called, 1);
}

/* Removed while their events wait in the same batch: not called, though the descriptor still has something to say. */
static void test_removed_in_a_batch(void **state) {
        struct fixture *fixture = *state;
        unsigned called = 0;

        add_all(fixture, FILES);
        for (size_t i = 0; i < FILES; i++) {
                fixture->owners[i].action = REMOVE_OTHERS;
                wake(&fixture->owners[i]);
        }
        assert_int_equal(loop_run(fixture->loop), 7);
        for (size_t i = 0; i < FILES; i++)
                called += fixture->owners[i].called;
        assert_int_equal(called, 2); /* the one, which then stops */
}

/* Removed and added again: called in the next batch, not for the events of the one before. */
static void test_replaced_in_a_batch(void **state) {
        struct fixture *fixture = *state;
        struct owner *owners = fixture->owners;

        add_all(fixture, 2);
        loop_remove(&owners[1].file);
        for (size_t i = 0; i < FILES; i++) {
                wake(&owners[i]);
                owners[i].action = i ? STOP : REPLACE_OTHERS;
        }
        for (size_t i = 1; i < FILES; i++)
                owners[i].action = STOP;
        assert_int_equal(loop_run(fixture->loop), 7);
        assert_true(owners[0].called >= 1);
        assert_int_equal(owners[1].called + owners[2].called + owners[3].called, 1);
}

static void test_removes_itself(void **state) {
        struct fixture *fixture = *state;
        struct owner *owners = fixture->owners;

        add_all(fixture, 2);
        owners[0].action = REMOVE_ITSELF;
        owners[1].action = DRAIN;
        wake(&owners[0]);
        wake(&owners[1]);
        assert_int_equal(loop_add(fixture->loop, &owners[2].file, EPOLLOUT), 0); /* writable at once */
        owners[2].action = STOP;
        assert_int_equal(loop_run(fixture->loop), 7);
        loop_remove(&owners[2].file);
        assert_int_equal(loop_add(fixture->loop, &owners[3].file, EPOLLOUT), 0);
        owners[3].action = STOP;
        assert_int_equal(loop_run(fixture->loop), 7);
        assert_int_equal(owners[0].called, 1);
        assert_int_equal(owners[1].called, 1);
}

static void test_changed(void **state) {
        struct fixture *fixture = *state;
        struct owner *owners = fixture->owners;

        add_all(fixture, 2);
        wake(&owners[0]);
        wake(&owners[1]);
        owners[1].action = STOP;
        assert_int_equal(loop_change(fixture->loop, &owners[0].file, 0), 0);
        assert_int_equal(loop_run(fixture->loop), 7);
        assert_int_equal(owners[0].called, 0);
        assert_int_equal(loop_change(fixture->loop, &owners[1].file, 0), 0);
        assert_int_equal(loop_change(fixture->loop, &owners[0].file, EPOLLIN | EPOLLOUT), 0);
        owners[0].action = STOP;
        assert_int_equal(loop_run(fixture->loop), 7);
        assert_int_equal(owners[0].events, EPOLLIN | EPOLLOUT);
        assert_int_equal(loop_change(fixture->loop, &owners[2].file, EPOLLIN), -ENOENT);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                LOOP_TEST(test_ends),
                LOOP_TEST(test_nobody_after_the_end),
                LOOP_TEST(test_removed_in_a_batch),
                LOOP_TEST(test_replaced_in_a_batch),
                LOOP_TEST(test_removes_itself),
                LOOP_TEST(test_changed),
        };

        (void)alarm(60); /* a loop that does not end is a failure, too */
        return cmocka_run_group_tests(tests, NULL, NULL);
}
