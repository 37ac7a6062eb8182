#include "package-changes.h"

#include <errno.h>

#include "ownership.h"

static const char *const words[] = { "installed", "upgraded", "downgraded", "removed", "changed" };
static const char *const managers[] = { "dpkg", "rpm" };

enum { TEXTS = 4 };

/* As it goes into a fact: our own, for the same machine. */
struct head {
        uint8_t run[TRANSACTION_ID_SIZE];
        uint8_t in_run, what, manager, spare;
        uint16_t sizes[TEXTS];
};

const char *package_changes_word(const char *action) {
        static const char prefix[] = "package-";

        if (strncmp(action, prefix, sizeof(prefix) - 1) != 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTS(words); i++)
                if (strcmp(action + sizeof(prefix) - 1, words[i]) == 0)
                        return words[i];
        return NULL;
}

void package_changes_done(struct package_changes *changes) {
        for (size_t i = 0; i < changes->count; i++)
                free(changes->items[i].text);
        free(changes->items);
        *changes = (struct package_changes){ .items = NULL };
}

static struct package_change *room_for_one(struct package_changes *changes) {
        if (changes->count == PACKAGE_CHANGES_MAX) {
                free(changes->items[0].text);
                changes->count--;
                memmove(changes->items, changes->items + 1, changes->count * sizeof(*changes->items));
        }
        if (changes->count == changes->capacity) {
                size_t capacity = changes->capacity ? changes->capacity * 2 : 8;
                struct package_change *items = reallocarray(changes->items, capacity, sizeof(*items));

                if (!items)
                        return NULL;
                changes->items = items;
                changes->capacity = capacity;
        }
        return &changes->items[changes->count];
}

int package_changes_add(struct package_changes *changes, const struct event_package *package, uint64_t at_ns,
                        const uint8_t *run) {
        const struct bytes from[TEXTS] = { package->name, package->architecture, package->before, package->version };
        struct event_package copy = *package;
        struct bytes *const to[TEXTS] = { &copy.name, &copy.architecture, &copy.before, &copy.version };
        struct package_change *change;
        size_t size = 0;
        char *text, *at;

        for (size_t i = 0; i < TEXTS; i++)
                size += from[i].size;
        text = at = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < TEXTS; at += from[i].size, i++) {
                if (from[i].size)
                        memcpy(at, from[i].data, from[i].size);
                *to[i] = bytes_of(at, from[i].size);
        }
        change = room_for_one(changes);
        if (!change) {
                free(text);
                return -ENOMEM;
        }
        *change = (struct package_change){ .package = copy, .at_ns = at_ns, .in_run = run, .unfinished = true, .text = text };
        if (run)
                memcpy(change->run, run, sizeof(change->run));
        changes->count++;
        return 0;
}

const struct package_change *package_changes_find(const struct package_changes *changes, struct bytes name,
                                                  struct bytes architecture, uint64_t since_ns) {
        for (size_t i = changes->count; i-- > 0;) {
                const struct package_change *change = &changes->items[i];

                if (change->at_ns >= since_ns && bytes_equal(change->package.name, name) &&
                    (architecture.size == 0 || change->package.architecture.size == 0 ||
                     bytes_equal(change->package.architecture, architecture)))
                        return change;
        }
        return NULL;
}

/* Place behind the one of that name; 0: none. */
static uint8_t place_of(const char *const *list, size_t n, const char *word) {
        for (size_t i = 0; word && i < n; i++)
                if (strcmp(list[i], word) == 0)
                        return (uint8_t)(i + 1);
        return 0;
}

void package_changes_encode(const struct package_changes *changes, struct buffer *buffer) {
        size_t start = buffer->size;

        for (size_t i = 0; i < changes->count; i++) {
                const struct package_change *change = &changes->items[i];
                const struct event_package *package = &change->package;
                const struct bytes texts[TEXTS] = { package->name, package->architecture, package->before, package->version };
                struct head head = {
                        .in_run = change->in_run,
                        .what = place_of(words, ELEMENTS(words), package->what),
                        .manager = place_of(managers, ELEMENTS(managers), package->manager),
                };
                size_t size = sizeof(head);
                bool fits = true;

                for (size_t k = 0; k < TEXTS; k++) {
                        fits &= texts[k].size <= UINT16_MAX;
                        head.sizes[k] = (uint16_t)texts[k].size;
                        size += texts[k].size;
                }
                if (!change->unfinished || !fits || buffer->size - start + size > PACKAGE_CHANGES_BYTES_MAX)
                        continue;
                memcpy(head.run, change->run, sizeof(head.run));
                buffer_append(buffer, &head, sizeof(head));
                for (size_t k = 0; k < TEXTS; k++)
                        buffer_append_bytes(buffer, texts[k]);
        }
}

int package_changes_decode(struct package_changes *changes, struct bytes bytes) {
        while (bytes.size > 0) {
                struct event_package package = { .files = 0 };
                struct bytes *const to[TEXTS] = { &package.name, &package.architecture, &package.before, &package.version };
                struct head head;
                size_t at = sizeof(head);
                int r;

                if (bytes.size < sizeof(head))
                        return -EBADMSG;
                memcpy(&head, bytes.data, sizeof(head));
                if (head.in_run > 1 || head.what > ELEMENTS(words) || head.manager > ELEMENTS(managers))
                        return -EBADMSG;
                for (size_t k = 0; k < TEXTS; k++) {
                        if (head.sizes[k] > bytes.size - at)
                                return -EBADMSG;
                        *to[k] = bytes_of(bytes.data + at, head.sizes[k]);
                        at += head.sizes[k];
                }
                package.what = head.what ? words[head.what - 1] : NULL;
                package.manager = head.manager ? managers[head.manager - 1] : NULL;
                r = package_changes_add(changes, &package, 0, head.in_run ? head.run : NULL);
                if (r < 0)
                        return r;
                bytes = bytes_of(bytes.data + at, bytes.size - at);
        }
        return 0;
}
