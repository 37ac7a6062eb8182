#include "page.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fd.h"

enum { ROOM = 16 * 1024, TRIES = 1000, SIZE_MAX_READ = 16 * 1024 * 1024 };

static const char page_magic[8] = "nephrpg1";

struct head {
        char magic[8];
        _Atomic uint32_t turn;          /* odd: being replaced */
        uint32_t size;
        uint8_t text[];
};

struct page {
        int fd;
        size_t room;
        struct head *head;
};

static int map(struct page *page, size_t room) {
        void *place;

        /* On a full filesystem a page that was only promised is a SIGBUS when it is written to. */
        if (fallocate(page->fd, 0, 0, (off_t)room) < 0 && (errno != EOPNOTSUPP || ftruncate(page->fd, (off_t)room) < 0))
                return -errno;
        place = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, page->fd, 0);
        if (place == MAP_FAILED)
                return -errno;
        if (page->head)
                (void)munmap(page->head, page->room);
        page->head = place;
        page->room = room;
        return 0;
}

int page_create(const char *path, struct page **ret) {
        struct page *page = calloc(1, sizeof(*page));
        int r;

        if (!page)
                return -ENOMEM;
        if (unlink(path) < 0 && errno != ENOENT) {
                r = -errno;
                free(page);
                return r;
        }
        page->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
        r = page->fd < 0 ? -errno : map(page, ROOM);
        if (r < 0) {
                (void)page_close(page);
                return r;
        }
        memcpy(page->head->magic, page_magic, sizeof(page_magic));
        *ret = page;
        return 0;
}

struct page *page_close(struct page *page) {
        if (!page)
                return NULL;
        if (page->head)
                (void)munmap(page->head, page->room);
        (void)fd_close(page->fd);
        free(page);
        return NULL;
}

int page_publish(struct page *page, struct bytes text) {
        size_t wanted = sizeof(struct head) + text.size, room = page->room;
        int r;

        if (wanted > SIZE_MAX_READ) /* nobody would read it */
                return -EFBIG;
        while (room < wanted)
                room *= 2;
        if (room != page->room) {
                r = map(page, room);
                if (r < 0)
                        return r;
        }
        atomic_fetch_add_explicit(&page->head->turn, 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_release); /* odd before the first byte of it moves */
        if (text.size)
                memcpy(page->head->text, text.data, text.size);
        page->head->size = (uint32_t)text.size;
        atomic_fetch_add_explicit(&page->head->turn, 1, memory_order_release);
        return 0;
}

int page_read(const char *path, struct buffer *buffer) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        for (int i = 0; i < TRIES; i++) {
                _cleanup_buffer_ struct buffer copy = BUFFER_NULL;
                struct head *head;
                struct stat stat;
                uint32_t turn;

                /* read(2), not a mapping: a file that shrinks must not kill the reader */
                if (fstat(fd, &stat) < 0)
                        return -errno;
                if (stat.st_size < (off_t)sizeof(struct head) || stat.st_size > SIZE_MAX_READ)
                        return -EBADMSG;
                buffer_append_fill(&copy, 0, (size_t)stat.st_size);
                if (buffer_error(&copy) < 0)
                        return -ENOMEM;
                head = (struct head *)(void *)copy.data;
                if (pread(fd, &turn, sizeof(turn), offsetof(struct head, turn)) != (ssize_t)sizeof(turn) ||
                    pread(fd, copy.data, copy.size, 0) != (ssize_t)copy.size)
                        return -EBADMSG;
                if (memcmp(head->magic, page_magic, sizeof(page_magic)) != 0)
                        return -EBADMSG;
                if ((turn & 1) == 0 && head->turn == turn && head->size <= copy.size - sizeof(struct head)) {
                        uint32_t again;

                        if (pread(fd, &again, sizeof(again), offsetof(struct head, turn)) == (ssize_t)sizeof(again) &&
                            again == turn) {
                                buffer_append(buffer, head->text, head->size);
                                return buffer_error(buffer);
                        }
                }
                (void)usleep(1000);
        }
        return -EBADMSG;
}
