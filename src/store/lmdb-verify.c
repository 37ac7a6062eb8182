#include "lmdb-verify.h"

#include <errno.h>
#include <lmdb.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
        MAGIC = 0xbeefc0de,
        DATA_VERSION = 1,
        METAS = 2,
        PAGE_SIZE_MIN = 512,
        PAGE_SIZE_MAX = 32768,
        DEPTH_MAX = 32,
        KEY_SIZE_MAX = 511,
};

enum page_kind { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_OVERFLOW = 0x04, PAGE_META = 0x08 };
enum node_flag { NODE_OVERFLOW = 0x01, NODE_TABLE = 0x02 };

#define NO_PAGE SIZE_MAX

/* The file holds the writer's own structs: its word size, its byte order. */
struct page_head {
        size_t number;
        uint16_t pad, kind;
        union {
                struct {
                        uint16_t lower, upper;
                };
                uint32_t pages;         /* of an overflow run */
        };
};
enum { PAGE_HEAD_SIZE = offsetof(struct page_head, pages) + sizeof(uint32_t) };

struct node_head {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        uint16_t low, high;
#else
        uint16_t high, low;
#endif
        uint16_t flags, key_size;
};

struct table {
        uint32_t pad;                   /* in the table of free pages: the page size */
        uint16_t flags, depth;
        size_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta {
        uint32_t magic, version;
        void *address;
        size_t map_size;
        struct table free, main;
        size_t last_page, transaction;
};

struct walk {
        int file;
        size_t page_size, last_page, pages_in_file, transaction;
        uint8_t *claimed;               /* owned; a bit per page: in use, or free */
        struct buffer *problem;
};

enum table_kind { TABLE_FREE, TABLE_MAIN, TABLE_NAMED };

/* One table on the way through it, in key order. */
struct tour {
        enum table_kind kind;
        size_t entries;
        uint8_t floor[KEY_SIZE_MAX];    /* the last key; or the separator that the next key may equal */
        size_t floor_size;
        bool have_floor, may_equal;
};

static int visit_table(struct walk *walk, const struct table *table, enum table_kind kind);

static int bad(struct walk *walk, size_t page, const char *what) {
        buffer_clear(walk->problem);
        buffer_printf(walk->problem, "page %zu: %s", page, what);
        return -EBADMSG;
}

static int read_at(const struct walk *walk, void *place, size_t size, uint64_t offset) {
        uint8_t *next = place;

        while (size) {
                ssize_t got = pread(walk->file, next, size, (off_t)offset);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        return -EBADMSG;
                next += got;
                size -= (size_t)got;
                offset += (size_t)got;
        }
        return 0;
}

static int read_meta(struct walk *walk, size_t number, struct meta *ret) {
        uint8_t room[PAGE_HEAD_SIZE + sizeof(*ret)];
        struct page_head head;
        int r;

        r = read_at(walk, room, sizeof(room), number * walk->page_size);
        if (r < 0)
                return r == -EBADMSG ? bad(walk, number, "the file ends before it") : r;
        memcpy(&head, room, PAGE_HEAD_SIZE);
        memcpy(ret, room + PAGE_HEAD_SIZE, sizeof(*ret));

        if (head.kind != PAGE_META || head.number != number || ret->magic != MAGIC)
                return bad(walk, number, "not a meta page of LMDB");
        if (ret->version != DATA_VERSION)
                return bad(walk, number, "of an unknown data version");
        if (ret->free.pad < PAGE_SIZE_MIN || ret->free.pad > PAGE_SIZE_MAX || ret->free.pad & (ret->free.pad - 1))
                return bad(walk, number, "impossible page size");
        if (ret->free.flags != MDB_INTEGERKEY || ret->main.flags != 0)
                return bad(walk, number, "flags that nobody set");
        if (ret->last_page < METAS - 1 || ret->last_page > UINT32_MAX ||
            ret->last_page >= ret->map_size / ret->free.pad)
                return bad(walk, number, "impossible number of pages");
        return 0;
}

static int read_metas(struct walk *walk, struct meta ret[static METAS]) {
        size_t even, odd;
        struct stat status;
        int r;

        if (fstat(walk->file, &status) < 0)
                return -errno;
        r = read_meta(walk, 0, &ret[0]);
        if (r < 0)
                return r;
        walk->page_size = ret[0].free.pad;
        walk->pages_in_file = (size_t)((uint64_t)status.st_size / walk->page_size);
        if (walk->pages_in_file < METAS)
                return bad(walk, 1, "the file ends before it");
        r = read_meta(walk, 1, &ret[1]);
        if (r < 0)
                return r;
        if (ret[1].free.pad != walk->page_size)
                return bad(walk, 1, "another page size than page 0");

        /* Transaction N is written to meta page N % 2, so the two are neighbours; both are 0 in a new file. */
        even = ret[0].transaction;
        odd = ret[1].transaction;
        if ((even || odd) && (even % 2 != 0 || odd % 2 != 1 || (even + 1 != odd && odd + 1 != even)))
                return bad(walk, 0, "the two meta pages do not belong together");
        return 0;
}

/* Takes note that these pages are in use or free. */
static int claim(struct walk *walk, size_t page, size_t count, bool used) {
        if (page < METAS || page > walk->last_page || count == 0 || count > walk->last_page - page + 1)
                return bad(walk, page, "outside of the file's pages");
        if (used && page + count > walk->pages_in_file)
                return bad(walk, page, "behind the end of the file");
        for (size_t i = page; i < page + count; i++) {
                if (walk->claimed[i / 8] & 1 << i % 8)
                        return bad(walk, i, "used twice");
                walk->claimed[i / 8] |= (uint8_t)(1 << i % 8);
        }
        return 0;
}

static int compare(enum table_kind kind, struct bytes a, struct bytes b) {
        size_t number_a, number_b;

        if (kind != TABLE_FREE)
                return bytes_compare(a, b);
        memcpy(&number_a, a.data, sizeof(number_a));
        memcpy(&number_b, b.data, sizeof(number_b));
        return number_a < number_b ? -1 : number_a > number_b;
}

static int check_key(struct walk *walk, struct tour *tour, size_t page, struct bytes key, bool separator) {
        int order;

        if (key.size == 0 || key.size > KEY_SIZE_MAX || (tour->kind == TABLE_FREE && key.size != sizeof(size_t)))
                return bad(walk, page, "impossible key size");
        if (tour->have_floor) {
                order = compare(tour->kind, bytes_of(tour->floor, tour->floor_size), key);
                if (order > 0 || (order == 0 && !tour->may_equal))
                        return bad(walk, page, "keys out of order");
        }
        memcpy(tour->floor, key.data, key.size);
        tour->floor_size = key.size;
        tour->have_floor = true;
        tour->may_equal = separator;
        return 0;
}

/* A record of the table of free pages: a count, then so many page numbers, falling. */
static int check_free_list(struct walk *walk, size_t page, const uint8_t *inside, uint64_t offset, size_t size) {
        enum { AT_ONCE = 256 };
        size_t chunk[AT_ONCE], count, before = SIZE_MAX;
        int r = 0;

        if (size < sizeof(count))
                return bad(walk, page, "a list of free pages without a count");
        if (inside)
                memcpy(&count, inside, sizeof(count));
        else
                r = read_at(walk, &count, sizeof(count), offset);
        if (r < 0)
                return r;
        if (count > size / sizeof(count) - 1)
                return bad(walk, page, "a list of free pages longer than its record");

        for (size_t done = 0; done < count;) {
                size_t now = count - done < AT_ONCE ? count - done : AT_ONCE, skip = (1 + done) * sizeof(count);

                if (inside)
                        memcpy(chunk, inside + skip, now * sizeof(count));
                else
                        r = read_at(walk, chunk, now * sizeof(count), offset + skip);
                for (size_t i = 0; i < now && r == 0; i++) {
                        if (chunk[i] >= before)
                                return bad(walk, page, "a list of free pages out of order");
                        before = chunk[i];
                        r = claim(walk, chunk[i], 1, false);
                }
                if (r < 0)
                        return r;
                done += now;
        }
        return 0;
}

static int check_overflow(struct walk *walk, size_t page, size_t size) {
        struct page_head head = { 0 };
        size_t needed = (PAGE_HEAD_SIZE - 1 + size) / walk->page_size + 1;
        int r;

        if (page < METAS || page >= walk->pages_in_file)
                return bad(walk, page, "behind the end of the file");
        r = read_at(walk, &head, PAGE_HEAD_SIZE, (uint64_t)page * walk->page_size);
        if (r < 0)
                return r;
        if (head.kind != PAGE_OVERFLOW || head.number != page || head.pages < needed)
                return bad(walk, page, "not the overflow run that it should be");
        return claim(walk, page, head.pages, true);
}

/* The value of a leaf's node: 'data' is what stands in the page, 'size' the size of the value. */
static int check_value(struct walk *walk, struct tour *tour, size_t page, const struct node_head *node,
                       struct bytes key, const uint8_t *data, size_t size) {
        size_t overflow = NO_PAGE, freed_by;
        struct table table;
        int r;

        if (tour->kind == TABLE_MAIN) {
                if (node->flags != NODE_TABLE || size != sizeof(table))
                        return bad(walk, page, "something else than a table among the tables");
                memcpy(&table, data, sizeof(table));
                if (table.flags != 0)
                        return bad(walk, page, "a table with flags that nobody set");
                return visit_table(walk, &table, TABLE_NAMED);
        }

        if (node->flags & NODE_OVERFLOW) {
                memcpy(&overflow, data, sizeof(overflow));
                r = check_overflow(walk, overflow, size);
                if (r < 0)
                        return r;
        }
        if (tour->kind == TABLE_NAMED)
                return 0;

        memcpy(&freed_by, key.data, sizeof(freed_by));
        if (freed_by == 0 || freed_by > walk->transaction)
                return bad(walk, page, "pages freed by a transaction that never was");
        if (overflow == NO_PAGE)
                return check_free_list(walk, page, data, 0, size);
        return check_free_list(walk, overflow, NULL, (uint64_t)overflow * walk->page_size + PAGE_HEAD_SIZE, size);
}

/* Marks the node's place in the page; every place once. */
static bool take_place(uint8_t *places, size_t offset, size_t size) {
        for (size_t i = offset / 2; i < (offset + size) / 2; i++) {
                if (places[i / 8] & 1 << i % 8)
                        return false;
                places[i / 8] |= (uint8_t)(1 << i % 8);
        }
        return true;
}

static int visit_page(struct walk *walk, struct tour *tour, size_t number, size_t levels) {
        uint8_t places[PAGE_SIZE_MAX / 2 / 8] = { 0 };
        _cleanup_free_ uint8_t *page = NULL;
        size_t nodes, least, filled = 0;
        bool leaf = levels == 1;
        struct page_head head;
        int r;

        r = claim(walk, number, 1, true);
        if (r < 0)
                return r;
        page = malloc(walk->page_size);
        if (!page)
                return -ENOMEM;
        r = read_at(walk, page, walk->page_size, (uint64_t)number * walk->page_size);
        if (r < 0)
                return r;
        memcpy(&head, page, PAGE_HEAD_SIZE);
        if (head.number != number || head.kind != (leaf ? PAGE_LEAF : PAGE_BRANCH))
                return bad(walk, number, "not the page that it should be");
        if (head.lower < PAGE_HEAD_SIZE || head.lower > head.upper || head.upper > walk->page_size || head.lower % 2)
                return bad(walk, number, "impossible bounds");
        nodes = (head.lower - PAGE_HEAD_SIZE) / 2;
        /* LMDB asserts two children, but for the table of free pages. */
        least = leaf || tour->kind == TABLE_FREE ? 1 : 2;
        if (nodes < least)
                return bad(walk, number, "too few entries");

        for (size_t i = 0; i < nodes; i++) {
                struct node_head node;
                size_t size = sizeof(node), data_size = 0, child;
                struct bytes key;
                uint16_t offset;
                bool overflow;

                memcpy(&offset, page + PAGE_HEAD_SIZE + 2 * i, sizeof(offset));
                if (offset % 2 || offset < head.upper || offset + sizeof(node) > walk->page_size)
                        return bad(walk, number, "an entry outside of the page");
                memcpy(&node, page + offset, sizeof(node));
                overflow = leaf && node.flags & NODE_OVERFLOW;
                size += node.key_size;
                if (leaf) {
                        data_size = node.low | (size_t)node.high << 16;
                        size += overflow ? sizeof(size_t) : data_size;
                }
                if (size > walk->page_size - offset)
                        return bad(walk, number, "an entry longer than the page");
                size += size % 2;
                if (size > walk->page_size - offset || !take_place(places, offset, size))
                        return bad(walk, number, "entries over each other");
                filled += size;
                key = bytes_of(page + offset + sizeof(node), node.key_size);

                /* The first child of a branch takes everything below the second's key: its own key means nothing. */
                if (leaf || i > 0) {
                        r = check_key(walk, tour, number, key, !leaf);
                        if (r < 0)
                                return r;
                }
                if (leaf) {
                        if (node.flags & ~(NODE_OVERFLOW | NODE_TABLE) ||
                            (node.flags & NODE_TABLE && tour->kind != TABLE_MAIN))
                                return bad(walk, number, "an entry of an unknown kind");
                        tour->entries++;
                        r = check_value(walk, tour, number, &node, key, key.data + key.size, data_size);
                } else {
                        child = node.low | (size_t)node.high << 16;
#if SIZE_MAX > 0xffffffff
                        child |= (size_t)node.flags << 32;
#endif
                        r = visit_page(walk, tour, child, levels - 1);
                }
                if (r < 0)
                        return r;
        }
        return filled == walk->page_size - head.upper ? 0 : bad(walk, number, "gaps between entries");
}

static int visit_table(struct walk *walk, const struct table *table, enum table_kind kind) {
        struct tour tour = { .kind = kind };
        int r;

        if (table->root == NO_PAGE)
                return table->depth == 0 && table->entries == 0 ? 0 : bad(walk, table->root, "a table without pages");
        if (table->depth == 0 || table->depth > DEPTH_MAX)
                return bad(walk, table->root, "a table of impossible depth");
        r = visit_page(walk, &tour, table->root, table->depth);
        if (r < 0)
                return r;
        return tour.entries == table->entries ? 0 : bad(walk, table->root, "a table that counts its entries wrong");
}

/* What this file knows is the format of 0.9; with another LMDB it can say nothing. */
static bool is_known_lmdb(void) {
        return MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9;
}

int lmdb_verify_head(int file, uint64_t *ret_transaction, struct buffer *problem) {
        struct walk walk = { .file = file, .problem = problem };
        struct meta metas[METAS] = { 0 };
        int r;

        *ret_transaction = 0;
        if (!is_known_lmdb())
                return 0;
        r = read_metas(&walk, metas);
        if (r < 0)
                return r;
        *ret_transaction = metas[0].transaction;
        if (metas[1].transaction > metas[0].transaction)
                *ret_transaction = metas[1].transaction;
        return 0;
}

int lmdb_verify_tree(int file, uint64_t transaction, struct buffer *problem) {
        struct walk walk = { .file = file, .problem = problem };
        _cleanup_free_ uint8_t *claimed = NULL;
        struct meta metas[METAS] = { 0 };
        const struct meta *meta;
        int r;

        if (!is_known_lmdb())
                return 0;
        r = read_metas(&walk, metas);
        if (r < 0)
                return r;
        meta = &metas[transaction % METAS];
        if (meta->transaction != transaction)
                return -ESTALE;

        walk.transaction = meta->transaction;
        walk.last_page = meta->last_page;
        walk.claimed = claimed = calloc(1, meta->last_page / 8 + 1);
        if (!claimed)
                return -ENOMEM;
        r = visit_table(&walk, &meta->free, TABLE_FREE);
        if (r == 0)
                r = visit_table(&walk, &meta->main, TABLE_MAIN);
        for (size_t page = walk.pages_in_file; r == 0 && page <= walk.last_page; page++)
                if (!(claimed[page / 8] & 1 << page % 8))
                        r = bad(&walk, page, "behind the end of the file, yet not free");
        return r;
}
