#include "dpkg-packages.h"

#include <errno.h>

#include "dpkg-info.h"

void dpkg_packages_done(struct dpkg_packages *packages) {
        free(packages->items);
        *packages = DPKG_PACKAGES_NULL;
}

static int compare_names(const struct dpkg_paragraph *a, const struct dpkg_paragraph *b) {
        int order = bytes_compare(a->package, b->package);

        return order ? order : bytes_compare(a->architecture, b->architecture);
}

static int compare(const void *left, const void *right) {
        const struct dpkg_paragraph *a = left, *b = right;
        int order = compare_names(a, b);

        /* The later one in the text comes last. */
        return order ? order : (a->package.data > b->package.data) - (a->package.data < b->package.data);
}

int dpkg_packages_read(struct dpkg_packages *packages, struct bytes status) {
        struct dpkg_status reader = dpkg_status_of(status);
        struct dpkg_paragraph paragraph = { 0 };
        size_t kept = 0;

        packages->count = 0;
        while (dpkg_status_next(&reader, &paragraph)) {
                if (packages->count == packages->capacity) {
                        size_t capacity = packages->capacity ? packages->capacity * 2 : 1024;
                        struct dpkg_paragraph *items = reallocarray(packages->items, capacity, sizeof(*items));

                        if (!items)
                                return -ENOMEM;
                        packages->items = items;
                        packages->capacity = capacity;
                }
                packages->items[packages->count++] = paragraph;
        }
        if (packages->count)
                qsort(packages->items, packages->count, sizeof(*packages->items), compare);
        for (size_t i = 0; i < packages->count; i++)
                if (i + 1 == packages->count || compare_names(&packages->items[i], &packages->items[i + 1]) != 0)
                        packages->items[kept++] = packages->items[i];
        packages->count = kept;
        return 0;
}

const struct dpkg_paragraph *dpkg_packages_find(const struct dpkg_packages *packages, struct bytes stem) {
        const struct dpkg_paragraph *found = NULL;
        struct bytes name, architecture;
        size_t low = 0, high = packages->count;

        dpkg_info_split_name(stem, &name, &architecture);
        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (bytes_compare(packages->items[middle].package, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        for (; low < packages->count && bytes_equal(packages->items[low].package, name); low++) {
                const struct dpkg_paragraph *item = &packages->items[low];

                if (item->state != DPKG_NOT_INSTALLED && (!architecture.size || bytes_equal(item->architecture, architecture)) &&
                    (!found || item->state > found->state))
                        found = item;
        }
        return found;
}
