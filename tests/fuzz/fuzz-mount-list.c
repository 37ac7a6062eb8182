/* Two mount tables, with a NUL between them: what is gone from the first and has come with the second must make up the
 * difference of their sizes. */
#include <stdlib.h>

#include "mount-list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *context, const struct mount_list *list, const struct mount *mount) {
        size_t *n = context;

        if (mount < list->items || mount >= list->items + list->count || mount->where + mount->where_size > list->text.size ||
            mount->what + mount->what_size > list->text.size)
                abort();
        (void)mount_touches(mount_where(list, mount), "/boot/efi");
        ++*n;
}

static size_t n_gone;

static void count_gone(void *context, const struct mount_list *list, const struct mount *mount) {
        (void)context;
        count(&n_gone, list, mount);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *middle = size ? memchr(data, '\0', size) : NULL;
        size_t first = middle ? (size_t)(middle - data) : size, n_come = 0;
        struct mount_list before = MOUNT_LIST_NULL, after = MOUNT_LIST_NULL;

        n_gone = 0;
        if (mount_list_parse(&before, bytes_of(data, first)) == 0 &&
            mount_list_parse(&after, bytes_of(middle ? middle + 1 : NULL, middle ? size - first - 1 : 0)) == 0 &&
            mount_list_compare(&before, &after, &n_come, count_gone, count) == 0 &&
            before.count - n_gone != after.count - n_come)
                abort();
        mount_list_done(&before);
        mount_list_done(&after);
        return 0;
}
