#include "path-glob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>

#include "fd.h"

static bool has_pattern(const char *text, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (text[i] == '*' || text[i] == '?' || text[i] == '[')
                        return true;
        return false;
}

bool path_is_glob(const char *path) {
        return has_pattern(path, strlen(path));
}

int path_compare(const char *left, const char *right) {
        for (; *left && *left == *right; left++, right++)
                ;
        if (*left == *right)
                return 0;
        if (!*left || (*left == '/' && *right))
                return -1;
        if (!*right || *right == '/')
                return 1;
        return (unsigned char)*left < (unsigned char)*right ? -1 : 1;
}

static int compare(const void *a, const void *b) {
        return path_compare(*(char *const *)a, *(char *const *)b);
}

static int add(struct strings *list, const char *path) {
        char **items, *copy;

        if (list->count == PATH_GLOB_MOST)
                return -ENOSPC;
        copy = strdup(path);
        items = copy ? reallocarray(list->items, list->count + 1, sizeof(*items)) : NULL;
        if (!items) {
                free(copy);
                return -ENOMEM;
        }
        list->items = items;
        items[list->count++] = copy;
        return 0;
}

static void close_listing(DIR **listing) {
        if (*listing)
                (void)closedir(*listing);
}

/* 'path' holds what is decided; 'rest' what follows, from its '/' on. No deeper than the pattern has parts. */
static int expand(const struct host *host, struct buffer *path, const char *rest, struct strings *ret) {
        __attribute__((cleanup(close_listing))) DIR *listing = NULL;
        _cleanup_free_ char *pattern = NULL;
        size_t length, decided;
        struct dirent *entry;
        int fd, r = 0;

        while (*rest && !has_pattern(rest + 1, strcspn(rest + 1, "/"))) {
                length = 1 + strcspn(rest + 1, "/");
                buffer_append(path, rest, length);
                rest += length;
        }
        if (buffer_error(path) < 0)
                return -ENOMEM;
        if (!*rest)
                return add(ret, path->size ? buffer_string(path) : "/");

        length = strcspn(rest + 1, "/");
        pattern = strndup(rest + 1, length);
        if (!pattern)
                return -ENOMEM;
        fd = host_openat(host, path->size ? buffer_string(path) : "/", O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd == -ENOMEM ? fd : 0;
        listing = fdopendir(fd);
        if (!listing) {
                (void)fd_close(fd);
                return -ENOMEM;
        }
        decided = path->size;
        while (r == 0 && (entry = readdir(listing))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0)
                        continue;
                if (rest[1 + length] && entry->d_type == DT_REG) /* nothing is below it */
                        continue;
                buffer_append_byte(path, '/');
                buffer_append_string(path, entry->d_name);
                r = expand(host, path, rest + 1 + length, ret);
                buffer_truncate(path, decided);
        }
        return r;
}

static bool is_in(const char *path, const char *top) {
        size_t length = strlen(top);

        return strncmp(path, top, length) == 0 && (path[length] == '\0' || path[length] == '/' || length == 1);
}

int path_glob_expand(const struct host *host, const struct strings *paths, struct strings *ret) {
        _cleanup_buffer_ struct buffer path = BUFFER_NULL;
        bool globs = false;
        size_t kept = 0;
        int r = 0;

        for (size_t i = 0; i < paths->count && r == 0; i++) {
                buffer_clear(&path);
                globs |= path_is_glob(paths->items[i]);
                if (path_is_glob(paths->items[i]))
                        r = expand(host, &path, paths->items[i], ret);
                else
                        r = add(ret, paths->items[i]);
        }
        if (ret->count)
                qsort(ret->items, ret->count, sizeof(*ret->items), compare);
        for (size_t i = 0; globs && i < ret->count; i++)
                if (kept && is_in(ret->items[i], ret->items[kept - 1]))
                        free(ret->items[i]);
                else
                        ret->items[kept++] = ret->items[i];
        if (globs)
                ret->count = kept;
        return r;
}

void path_glob_done(struct strings *list) {
        for (size_t i = 0; i < list->count; i++)
                free(list->items[i]);
        free(list->items);
        *list = (struct strings){ .items = NULL };
}
