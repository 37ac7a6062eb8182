#include "control-group.h"

#include "ownership.h"

enum { CONTAINER_ID_LENGTH = 64 };

static struct bytes without(struct bytes text, size_t front, size_t back) {
        return bytes_of(text.data + front, text.size - front - back);
}

static bool ends_with(struct bytes text, struct bytes end) {
        return text.size >= end.size && bytes_equal(bytes_of(text.data + text.size - end.size, end.size), end);
}

/* The last part of the path, taken off it. */
static bool take_last(struct bytes *path, struct bytes *ret) {
        const uint8_t *slash;

        while (path->size > 0 && path->data[path->size - 1] == '/')
                path->size--;
        if (path->size == 0)
                return false;
        slash = memrchr(path->data, '/', path->size);
        *ret = slash ? bytes_of(slash + 1, path->size - (size_t)(slash + 1 - path->data)) : *path;
        path->size -= ret->size;
        return true;
}

static bool is_id(struct bytes text) {
        if (text.size != CONTAINER_ID_LENGTH)
                return false;
        for (size_t i = 0; i < text.size; i++)
                if (!((text.data[i] >= '0' && text.data[i] <= '9') || (text.data[i] >= 'a' && text.data[i] <= 'f')))
                        return false;
        return true;
}

static struct bytes container_of_part(struct bytes part) {
        /* name: what is between is a name, not an id of 64 digits */
        static const struct { const char *front, *back; bool name; } forms[] = {
                { "docker-", ".scope", false },
                { "libpod-", ".scope", false },
                { "cri-containerd-", ".scope", false },
                { "crio-", ".scope", false },
                { "nerdctl-", ".scope", false },
                { "lxc.payload.", "", true },
                { "machine-", ".scope", true },
                { "systemd-nspawn@", ".service", true },
        };

        for (size_t i = 0; i < ELEMENTS(forms); i++) {
                struct bytes front = bytes_of_string(forms[i].front), back = bytes_of_string(forms[i].back), inner;

                if (part.size <= front.size + back.size || !bytes_starts_with(part, front) || !ends_with(part, back))
                        continue;
                inner = without(part, front.size, back.size);
                if (forms[i].name || is_id(inner))
                        return inner;
        }
        /* "/docker/ID", "/kubepods/burstable/podUID/ID", "/libpod_parent/libpod-ID" */
        if (bytes_starts_with(part, bytes_of_string("libpod-")) && is_id(without(part, strlen("libpod-"), 0)))
                return without(part, strlen("libpod-"), 0);
        return is_id(part) ? part : BYTES_NULL;
}

struct bytes control_group_container(struct bytes path) {
        struct bytes part, found, parent;

        while (take_last(&path, &part)) {
                found = container_of_part(part);
                if (found.size)
                        return found;
                /* "/lxc/NAME": only the folder above says what it is */
                parent = path;
                if (take_last(&parent, &found) && bytes_equal(found, bytes_of_string("lxc")))
                        return part;
        }
        return BYTES_NULL;
}

struct bytes control_group_unit(struct bytes path) {
        struct bytes part;

        while (take_last(&path, &part))
                if ((ends_with(part, bytes_of_string(".service")) && part.size > strlen(".service")) ||
                    (ends_with(part, bytes_of_string(".scope")) && part.size > strlen(".scope")))
                        return part;
        return BYTES_NULL;
}
