#include "incidents.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>

#include "durations.h"
#include "escape.h"

static const struct action actions[INCIDENT_KINDS] = {
        [INCIDENT_PRIVILEGES_RAISED] = { "privileges-raised", "process", "change", SEVERITY_HIGH, true, NULL },
        [INCIDENT_RAW_SOCKET] = { "raw-socket-opened", "network", "start", SEVERITY_MEDIUM, true, NULL },
        [INCIDENT_MOUNTED] = { "filesystem-mounted", "host", "change", SEVERITY_LOW, true, NULL },
        [INCIDENT_UNMOUNTED] = { "filesystem-unmounted", "host", "change", SEVERITY_LOW, true, NULL },
        [INCIDENT_MODULE_REFUSED] = { "kernel-module-refused", "driver", "info", SEVERITY_HIGH, true, NULL },
        [INCIDENT_LOGIN] = { "logged-in", "authentication session", "start", SEVERITY_LOW, true, NULL },
        [INCIDENT_CLOCK_SET] = { "clock-set", "host", "change", SEVERITY_MEDIUM, true, NULL },
        [INCIDENT_SUSPENDED] = { "host-suspended", "host", "info", SEVERITY_INFO, true, NULL },
};

static void append(struct buffer *room, struct bytes text, const char *unknown) {
        if (text.size > 0)
                escape_append(room, text);
        else
                buffer_append_string(room, unknown);
}

static void add_text(struct event *event, const char *path, struct bytes text) {
        if (text.size > 0)
                event_add(event, path, FIELD_TEXT, value_bytes(text));
}

static void add_word(struct event *event, const char *path, const char *word) {
        event_add(event, path, FIELD_TEXT, value_string(word));
}

static void append_user(struct buffer *room, uint64_t id) {
        buffer_printf(room, id == 0 ? "root" : "user %" PRIu64, id);
}

static void privileges_raised(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        buffer_append_string(room, "a process of ");
        append_user(room, facts->numbers[0]);
        buffer_append_string(room, " became ");
        append_user(room, facts->numbers[1]);
        buffer_append_string(room, " without starting a program");
        event_add(event, "nephronix.incident.user_before", FIELD_IDENTIFIER, value_number(facts->numbers[0]));
        event_add(event, "nephronix.incident.user_now", FIELD_IDENTIFIER, value_number(facts->numbers[1]));
}

static const char *protocol_name(uint64_t protocol) {
        switch (protocol) {
        case IPPROTO_ICMP:
                return "icmp";
        case IPPROTO_TCP:
                return "tcp";
        case IPPROTO_UDP:
                return "udp";
        case IPPROTO_ICMPV6:
                return "ipv6-icmp";
        }
        return NULL;
}

static void raw_socket(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        bool packet = bytes_equal(facts->what, bytes_of_string("packet"));
        const char *name = packet ? NULL : protocol_name(facts->numbers[0]);

        buffer_append_string(room, "a ");
        append(room, facts->what, "raw");
        buffer_append_string(room, " socket was opened (");
        if (packet)
                buffer_printf(room, "protocol 0x%04" PRIx64 ")", facts->numbers[0]);
        else if (name)
                buffer_printf(room, "%s)", name);
        else
                buffer_printf(room, "protocol %" PRIu64 ")", facts->numbers[0]);
        add_word(event, "network.transport", name);
        event_add(event, "nephronix.incident.protocol", FIELD_NUMBER, value_number(facts->numbers[0]));
        add_text(event, "nephronix.incident.socket", facts->what);
}

static void mounted(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        append(room, facts->what, "something");
        buffer_append_string(room, " was mounted on ");
        append(room, facts->where, "an unknown place");
        add_text(event, "nephronix.incident.device", facts->what);
        add_text(event, "nephronix.incident.mount_point", facts->where);
}

static void unmounted(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        append(room, facts->where, "an unknown place");
        buffer_append_string(room, " was unmounted");
        add_text(event, "nephronix.incident.mount_point", facts->where);
}

static void module_refused(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        bool is_path = facts->what.size > 0 && memchr(facts->what.data, '/', facts->what.size);
        uint64_t number = facts->numbers[0];
        const char *why = number > 0 && number < 4096 ? strerrordesc_np((int)number) : NULL;

        buffer_append_string(room, "the kernel refused to load the module ");
        append(room, facts->what, "(name unknown)");
        if (why)
                buffer_printf(room, ": %s", why);
        else
                buffer_printf(room, ": error %" PRIu64, number);
        add_word(event, "error.code", why ? strerrorname_np((int)number) : NULL);
        add_word(event, "error.message", why);
        add_word(event, "event.outcome", "failure");
        add_text(event, is_path ? "file.path" : "nephronix.kernel.name", facts->what);
}

static bool is_address(struct bytes text) {
        return memchr(text.data, ':', text.size) || (memchr(text.data, '.', text.size) && text.data[0] >= '0' && text.data[0] <= '9');
}

static void logged_in(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        bool address = facts->where.size > 0 && is_address(facts->where);

        append(room, facts->what, "somebody");
        buffer_append_string(room, " logged in");
        if (facts->where.size > 0) {
                buffer_append_string(room, address ? " from " : " on ");
                escape_append(room, facts->where);
        }
        add_word(event, "event.outcome", "success");
        add_text(event, address ? "source.address" : "nephronix.incident.terminal", facts->where);
        add_text(event, "user.name", facts->what);
}

static void clock_set(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        buffer_printf(room, "the clock was set %s by ", facts->numbers[1] ? "back" : "forward");
        duration_append(room, facts->numbers[0]);
        event_add(event, "nephronix.incident.backwards", FIELD_FLAG, value_number(facts->numbers[1] != 0));
        event_add(event, "nephronix.incident.step_ns", FIELD_NUMBER, value_number(facts->numbers[0]));
}

static void suspended(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        buffer_append_string(room, "the machine slept for ");
        duration_append(room, facts->numbers[0]);
        event_add(event, "event.duration", FIELD_NUMBER, value_number(facts->numbers[0]));
}

static void (*const describe[INCIDENT_KINDS])(const struct incident_facts *facts, struct event *event, struct buffer *room) = {
        [INCIDENT_PRIVILEGES_RAISED] = privileges_raised,
        [INCIDENT_RAW_SOCKET] = raw_socket,
        [INCIDENT_MOUNTED] = mounted,
        [INCIDENT_UNMOUNTED] = unmounted,
        [INCIDENT_MODULE_REFUSED] = module_refused,
        [INCIDENT_LOGIN] = logged_in,
        [INCIDENT_CLOCK_SET] = clock_set,
        [INCIDENT_SUSPENDED] = suspended,
};

int incident_describe(const struct incident_facts *facts, struct event *event, struct buffer *room) {
        if ((unsigned)facts->kind >= INCIDENT_KINDS)
                return -EINVAL;
        buffer_clear(room);
        event->action = &actions[facts->kind];
        event->severity = event->action->severity;
        event->seen_by = "event";
        describe[facts->kind](facts, event, room);
        event->message = buffer_string(room);
        return buffer_error(room);
}
