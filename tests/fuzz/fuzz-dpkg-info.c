/* fuzz-dpkg-info.c - any bytes as the small files of dpkg's database: what is found lies within them, a path that is in a list
 * is found there. */
#include <stdlib.h>

#include "dpkg-info.h"
#include "dpkg-packages.h"
#include "path-table.h"
#include "text-line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct bytes part, struct bytes whole) {
        if (part.size && (part.data < whole.data || part.size > whole.size || part.data > whole.data + whole.size - part.size))
                abort();
}

static void try_table(struct bytes whole, struct bytes (*path_of)(struct bytes line), unsigned merged) {
        struct path_table table = PATH_TABLE_NULL;
        struct buffer text = BUFFER_NULL;
        struct bytes rest = whole, line, found, after;

        buffer_append_bytes(&text, whole);
        if (path_table_make(&table, &text, path_of, 0x1234, merged) < 0)
                abort();
        while (text_line_next(&rest, &line)) {
                struct bytes path = usr_merge_shorten(merged, path_of(line));

                if (path.size == 0)
                        continue;
                if (!path_table_find(&table, path, &found, &after) ||
                    !bytes_equal(usr_merge_shorten(merged, path_of(found)), path))
                        abort();
                within(found, buffer_bytes(&table.text));
                within(after, buffer_bytes(&table.text));
        }
        path_table_done(&table);
        buffer_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct bytes whole = bytes_of(data, size);
        struct dpkg_packages packages = DPKG_PACKAGES_NULL;
        struct dpkg_diversion diversion;
        struct dpkg_override override;
        struct dpkg_conffile conffile;
        uint8_t digest[DPKG_MD5_SIZE];
        struct bytes rest = whole, line;
        uint32_t id;

        while (dpkg_info_diversion_next(&rest, &diversion)) {
                within(diversion.from, whole);
                within(diversion.to, whole);
                within(diversion.package, whole);
                if (diversion.from.size == 0 || diversion.to.size == 0 || diversion.package.size == 0)
                        abort();
        }
        for (rest = whole; dpkg_info_override_next(&rest, &override);) {
                within(override.user, whole);
                within(override.group, whole);
                within(override.path, whole);
                if (override.user.size == 0 || override.group.size == 0 || override.path.size == 0 || override.mode > 07777)
                        abort();
                (void)dpkg_info_account_id(whole, override.user, &id);
        }
        for (rest = whole; dpkg_info_conffile_next(&rest, &conffile);) {
                within(conffile.path, whole);
                if (conffile.path.size == 0)
                        abort();
        }
        for (rest = whole; text_line_next(&rest, &line);)
                (void)dpkg_info_digest(line, digest);
        if (dpkg_packages_read(&packages, whole) < 0)
                abort();
        for (size_t i = 0; i < packages.count; i++)
                if (packages.items[i].state != DPKG_NOT_INSTALLED && !dpkg_packages_find(&packages, packages.items[i].package) &&
                    !memchr(packages.items[i].package.data, ':', packages.items[i].package.size))
                        abort();
        dpkg_packages_done(&packages);
        try_table(whole, dpkg_info_list_path, 0);
        try_table(whole, dpkg_info_list_path, 0x7f);
        try_table(whole, dpkg_info_digest_path, 0x7f);
        return 0;
}
