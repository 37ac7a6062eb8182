/* dpkg-tree.h - a fixture tree with dpkg's database in it. */
#pragma once

#include "tree.h"

#include "buffer.h"
#include "fd.h"
#include "file-digests.h"
#include "host.h"
#include "host-provenance.h"

struct dpkg_tree {
        struct tree tree;
        struct host host;
        struct provenance *provenance;
        struct buffer status;
};

static inline void dpkg_tree_make(struct dpkg_tree *is) {
        *is = (struct dpkg_tree){ .host = HOST_NULL, .status = BUFFER_NULL };
        tree_make(&is->tree);
        tree_folder(&is->tree, "var/lib/dpkg/info");
        tree_folder(&is->tree, "var/lib/dpkg/updates");
        assert_int_equal(host_open(&is->host, is->tree.root), 0);
        assert_int_equal(host_provenance_open(&is->host, &is->provenance), 0);
}

static inline void dpkg_tree_remove(struct dpkg_tree *is) {
        is->provenance = host_provenance_close(is->provenance);
        host_close(&is->host);
        buffer_done(&is->status);
        tree_remove(&is->tree);
}

/* As dpkg writes it: a new one in place of the old one. */
static inline void dpkg_tree_write_status(struct dpkg_tree *is) {
        _cleanup_free_ char *status = tree_path(&is->tree, "var/lib/dpkg/status"),
                            *old = tree_path(&is->tree, "var/lib/dpkg/status-old"),
                            *new = tree_path(&is->tree, "var/lib/dpkg/status-new");

        tree_write(&is->tree, "var/lib/dpkg/status-new", is->status.data, is->status.size);
        (void)unlink(old);
        (void)!link(status, old);
        assert_int_equal(rename(new, status), 0);
}

static inline void dpkg_tree_paragraph(struct dpkg_tree *is, const char *package, const char *state, const char *more) {
        buffer_printf(&is->status, "Package: %s\nStatus: install ok %s\nArchitecture: amd64\nVersion: 1.0-1\n%s\n", package, state, more);
        dpkg_tree_write_status(is);
}

/* A file in info/. */
static inline void dpkg_tree_info(const struct dpkg_tree *is, const char *name, const char *text) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;

        buffer_printf(&path, "var/lib/dpkg/info/%s", name);
        tree_text(&is->tree, buffer_string(&path), text);
}

/* The MD5 of a file in the tree, in hexadecimal; the caller's to free. */
static inline char *dpkg_tree_md5(const struct dpkg_tree *is, const char *path) {
        _cleanup_close_ int fd = host_openat(&is->host, path, O_RDONLY);
        struct file_digests digests;
        char *text = malloc(2 * MD5_SIZE + 1);

        assert_non_null(text);
        assert_int_equal(file_digests(fd, FILE_DIGEST_MD5, &digests), 0);
        for (size_t i = 0; i < MD5_SIZE; i++)
                (void)snprintf(text + 2 * i, 3, "%02x", digests.md5[i]);
        return text;
}

/* A package whose only file has this content, with its folder listed as well. */
static inline void dpkg_tree_package(struct dpkg_tree *is, const char *stem, const char *folder, const char *file, const char *content) {
        _cleanup_buffer_ struct buffer list = BUFFER_NULL, digests = BUFFER_NULL, name = BUFFER_NULL, path = BUFFER_NULL;
        _cleanup_free_ char *md5 = NULL;

        buffer_printf(&path, "%s/%s", folder, file);
        tree_text(&is->tree, buffer_string(&path), content);
        md5 = dpkg_tree_md5(is, buffer_string(&path));
        buffer_printf(&list, "/.\n/%s\n/%s/%s\n", folder, folder, file);
        buffer_printf(&digests, "%s  %s/%s\n", md5, folder, file);
        buffer_printf(&name, "%s.list", stem);
        dpkg_tree_info(is, buffer_string(&name), buffer_string(&list));
        buffer_clear(&name);
        buffer_printf(&name, "%s.md5sums", stem);
        dpkg_tree_info(is, buffer_string(&name), buffer_string(&digests));
}
