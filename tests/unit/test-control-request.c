#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control-request.h"
#include "ownership.h"

static int parse(const char *line, struct control_request *ret, const char **why) {
        return control_request_parse(bytes_of_string(line), ret, why);
}

static void takes_these(void **state) {
        struct control_request request;
        const char *why;

        (void)state;
        assert_int_equal(parse("{\"verb\":\"status\"}", &request, &why), 0);
        assert_int_equal(request.verb, CONTROL_STATUS);
        assert_int_equal(parse(" {\"after\":7, \"limit\":2 ,\"severity\":3,\"watch\":\"boot\",\"verb\":\"events\"} ", &request, &why), 0);
        assert_int_equal(request.verb, CONTROL_EVENTS);
        assert_int_equal(request.after, 7);
        assert_int_equal(request.limit, 2);
        assert_int_equal(request.severity, 3);
        assert_true(bytes_equal(request.watch, bytes_of_string("boot")));
}

static void refuses_these(void **state) {
        static const struct {
                const char *line, *why;
        } cases[] = {
                { "", "a request is one JSON object on one line" },
                { "status", "a request is one JSON object on one line" },
                { "{\"verb\":\"status\"", "a request is one JSON object on one line" },
                { "{\"verb\":\"status\"}}", "a request is one JSON object on one line" },
                { "{}", "\"verb\" is missing" },
                { "{\"verb\":\"accept\"}", "\"verb\" is none of \"status\", \"events\"" },
                { "{\"verb\":1}", "\"verb\" is none of \"status\", \"events\"" },
                { "{\"verb\":\"status\",\"verb\":\"events\"}", "\"verb\" is there twice" },
                { "{\"verb\":\"events\",\"severity\":6}", "\"severity\" takes 0 to 5" },
                { "{\"verb\":\"events\",\"after\":-1}", "\"after\" takes a sequence number" },
                { "{\"verb\":\"events\",\"watch\":[]}", "\"watch\" takes the name of a watch" },
                { "{\"verb\":\"events\",\"limit\":\"1\"}", "\"limit\" takes a number" },
                { "{\"verb\":\"events\",\"file\":\"/etc/shadow\"}",
                  "only \"verb\", \"after\", \"watch\", \"severity\" and \"limit\" are known" },
        };
        struct control_request request;
        const char *why;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_int_equal(parse(cases[i].line, &request, &why), -EBADMSG);
                assert_string_equal(why, cases[i].why);
        }
}

static bool wants(const char *request_line, const char *line) {
        struct control_request request;
        const char *why;

        assert_int_equal(parse(request_line, &request, &why), 0);
        return control_request_wants(&request, bytes_of_string(line));
}

static void wants_what_was_asked_for(void **state) {
        static const char line[] = "{\"event\":{\"sequence\":10,\"severity\":3},\"nephronix\":{\"watch\":\"boot\"}}";

        (void)state;
        assert_true(wants("{\"verb\":\"events\"}", line));
        assert_true(wants("{\"verb\":\"events\",\"after\":9,\"severity\":3,\"watch\":\"boot\"}", line));
        assert_false(wants("{\"verb\":\"events\",\"after\":10}", line));
        assert_false(wants("{\"verb\":\"events\",\"severity\":4}", line));
        assert_false(wants("{\"verb\":\"events\",\"watch\":\"boo\"}", line));
        /* what is torn is shown to who asks for all */
        assert_true(wants("{\"verb\":\"events\"}", "{\"ev"));
        assert_false(wants("{\"verb\":\"events\",\"severity\":1}", "{\"ev"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(takes_these),
                cmocka_unit_test(refuses_these),
                cmocka_unit_test(wants_what_was_asked_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
