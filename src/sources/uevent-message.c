#include "uevent-message.h"

#include <errno.h>

/* Takes a string and its NUL off *rest; what has no NUL is no string. */
static bool next_string(struct bytes *rest, struct bytes *ret) {
        const uint8_t *end = rest->size ? memchr(rest->data, '\0', rest->size) : NULL;

        if (!end)
                return false;
        *ret = bytes_of(rest->data, (size_t)(end - rest->data));
        *rest = bytes_of(end + 1, rest->size - ret->size - 1);
        return true;
}

static bool take_value(struct bytes text, const char *name, struct bytes *ret) {
        size_t length = strlen(name);

        if (!bytes_starts_with(text, bytes_of_string(name)))
                return false;
        *ret = bytes_of(text.data + length, text.size - length);
        return true;
}

int uevent_parse(struct bytes message, struct uevent *ret) {
        struct uevent event = { 0 };
        struct bytes text, value;
        const uint8_t *at;

        if (!next_string(&message, &text))
                return -EBADMSG;
        at = text.size ? memchr(text.data, '@', text.size) : NULL;
        if (!at || at == text.data)
                return -EBADMSG;
        while (next_string(&message, &text)) {
                (void)(take_value(text, "ACTION=", &event.action) || take_value(text, "DEVPATH=", &event.path) ||
                       take_value(text, "SUBSYSTEM=", &event.subsystem));
                if (take_value(text, "SYNTH_UUID=", &value))
                        event.on_request = true;
        }
        if (event.action.size == 0 || event.path.size == 0)
                return -EBADMSG;
        *ret = event;
        return 0;
}

struct bytes uevent_module(const struct uevent *event) {
        static const char folder[] = "/module/";
        struct bytes name = BYTES_NULL;

        if (!bytes_equal(event->subsystem, bytes_of_string("module")) || !take_value(event->path, folder, &name) ||
            (name.size && memchr(name.data, '/', name.size)))
                return BYTES_NULL;
        return name;
}
