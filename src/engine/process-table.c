#include "process-table.h"

#include <errno.h>

#include "control-group.h"
#include "ownership.h"
#include "package-manager.h"
#include "session-entry.h"

enum {
        BUCKETS_FIRST = 1024,
        CHAIN_MAX = 64,                 /* how far up we walk: more generations than any session has */
};

/* What was confirmed this short a time ago still holds: to reuse a pid takes longer. */
#define FRESH_NS UINT64_C(10000000)
/* Who was not asked for longer than this is not assumed to have been the one who acted and is gone now. */
#define RECENT_NS UINT64_C(2000000000)
#define MANAGER_CHECK_NS UINT64_C(10000000000)

/* One run of a package manager; as many owners as processes in it. */
struct run {
        size_t owners;
        uint8_t id[TRANSACTION_ID_SIZE];
        struct process_facts facts;     /* of the manager as it began; bytes in 'text' */
        uint8_t *text;                  /* owned */
        uint64_t checked_ns, ended_ns;
        bool ended;
};

struct entry {
        struct entry *next;             /* in its bucket */
        struct entry *before, *after;   /* in its list */
        struct entry *parent, *child, *sibling_before, *sibling_after;
        struct list *list;
        struct run *run;                /* one ownership of it */
        uint8_t *text;                  /* owned: the bytes of facts */
        size_t text_size;
        char *remote;                   /* owned: of the ssh session that it begins */
        struct process_facts facts;
        uint64_t confirmed_ns, died_ns, doubts;
        bool dead, linked, asked, remote_asked;
        bool recorded;                  /* by the kernel's record, not by /proc alone */
        uint32_t held;                  /* somebody will ask again, however long it is dead */
};

struct list {
        struct entry *first, *last;
        size_t count;
};

struct process_table {
        struct process_lookup *lookup;
        struct buffer room, remote;
        struct entry **buckets;         /* owned */
        size_t n_buckets, n_entries;    /* n_buckets: a power of two */
        struct list living;             /* the one not heard of for longest first */
        struct list dead, needed;       /* in the order of their deaths; needed: somebody's parents */
        size_t bytes, dead_bytes;       /* of the texts */
        uint64_t seed[2], doubts;
        bool followed;
};

static uint64_t mix(uint64_t value) {
        value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
        return value ^ value >> 31;
}

int process_table_new(struct process_lookup *lookup, const uint8_t seed[PROCESS_TABLE_SEED_SIZE], struct process_table **ret) {
        _cleanup_process_table_ struct process_table *table = calloc(1, sizeof(*table));

        if (!table)
                return -ENOMEM;
        table->lookup = lookup;
        memcpy(table->seed, seed, sizeof(table->seed));
        table->n_buckets = BUCKETS_FIRST;
        table->buckets = calloc(table->n_buckets, sizeof(struct entry *));
        if (!table->buckets)
                return -ENOMEM;
        *ret = TAKE_PTR(table);
        return 0;
}

/* Lists, buckets. */

static void list_remove(struct entry *entry) {
        struct list *list = entry->list;

        if (!list)
                return;
        *(entry->before ? &entry->before->after : &list->first) = entry->after;
        *(entry->after ? &entry->after->before : &list->last) = entry->before;
        entry->before = entry->after = NULL;
        entry->list = NULL;
        list->count--;
}

static void list_append(struct list *list, struct entry *entry) {
        list_remove(entry);
        entry->list = list;
        entry->before = list->last;
        *(list->last ? &list->last->after : &list->first) = entry;
        list->last = entry;
        list->count++;
}

static struct entry **bucket_of(const struct process_table *table, uint32_t pid) {
        return &table->buckets[(pid * UINT32_C(0x9e3779b1)) >> 8 & (table->n_buckets - 1)];
}

static void grow(struct process_table *table) {
        size_t n = table->n_buckets * 2, before = table->n_buckets;
        struct entry **buckets, **old = table->buckets;

        if (table->n_entries < table->n_buckets)
                return;
        buckets = calloc(n, sizeof(*buckets));
        if (!buckets)
                return; /* slower, nothing worse */
        table->buckets = buckets;
        table->n_buckets = n;
        for (size_t i = 0; i < before; i++) {
                struct entry *entry = old[i], *next;

                for (; entry; entry = next) {
                        struct entry **bucket = bucket_of(table, entry->facts.pid);

                        next = entry->next;
                        entry->next = *bucket;
                        *bucket = entry;
                }
        }
        free(old);
}

/* The latest owner of the pid that started no later than that. */
static struct entry *newest(const struct process_table *table, uint32_t pid, uint64_t not_after) {
        struct entry *found = NULL;

        for (struct entry *entry = *bucket_of(table, pid); entry; entry = entry->next)
                if (entry->facts.pid == pid && entry->facts.start_ticks <= not_after &&
                    (!found || entry->facts.start_ticks > found->facts.start_ticks))
                        found = entry;
        return found;
}

static struct entry *find(const struct process_table *table, uint32_t pid, uint64_t start_ticks) {
        if (start_ticks == 0)
                return newest(table, pid, UINT64_MAX);
        for (struct entry *entry = *bucket_of(table, pid); entry; entry = entry->next)
                if (entry->facts.pid == pid && entry->facts.start_ticks == start_ticks)
                        return entry;
        return NULL;
}

/* Facts and their bytes. */

static struct bytes copy_to(uint8_t **at, struct bytes bytes) {
        struct bytes copy = bytes_of(*at, bytes.size);

        if (bytes.size == 0)
                return BYTES_NULL;
        memcpy(*at, bytes.data, bytes.size);
        *at += bytes.size;
        return copy;
}

/* A copy with one allocation for all bytes. ret may be where from is. */
static int facts_copy(const struct process_facts *from, struct process_facts *ret, uint8_t **ret_text, size_t *ret_size) {
        struct process_facts copy = *from;
        size_t size;
        uint8_t *text, *at;

        if (copy.command_line.size > PROCESS_TABLE_COMMAND_LINE_MAX) {
                copy.command_line.size = PROCESS_TABLE_COMMAND_LINE_MAX;
                copy.flags |= PROCESS_CUT;
        }
        /* Each comes from a field of limited size; a source that hands over more gets -ENOMEM, not an overflow. */
        size = copy.name.size + copy.executable.size + copy.command_line.size + copy.working_directory.size +
               copy.cgroup.size + copy.tty_name.size;
        if (size > UINT32_MAX)
                return -ENOMEM;
        text = at = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        copy.name = copy_to(&at, copy.name);
        copy.executable = copy_to(&at, copy.executable);
        copy.command_line = copy_to(&at, copy.command_line);
        copy.working_directory = copy_to(&at, copy.working_directory);
        copy.cgroup = copy_to(&at, copy.cgroup);
        copy.tty_name = copy_to(&at, copy.tty_name);
        *ret = copy;
        *ret_text = text;
        *ret_size = size;
        return 0;
}

static void prefer(struct bytes *first, struct bytes second) {
        if (first->size == 0)
                *first = second;
}

/* What 'first' does not tell is taken from 'second'. */
static struct process_facts merged(const struct process_facts *first, const struct process_facts *second) {
        struct process_facts both = *first;
        unsigned told = first->flags;

        if (both.parent == 0)
                both.parent = second->parent;
        if (both.start_ticks == 0)
                both.start_ticks = second->start_ticks;
        if (!(told & PROCESS_HAS_USERS) && (second->flags & PROCESS_HAS_USERS)) {
                both.user = second->user;
                both.effective_user = second->effective_user;
        }
        if (!(told & PROCESS_HAS_LOGIN) && (second->flags & PROCESS_HAS_LOGIN)) {
                both.login_user = second->login_user;
                both.audit_session = second->audit_session;
        }
        if (!(told & PROCESS_HAS_EXIT) && (second->flags & PROCESS_HAS_EXIT))
                both.exit_status = second->exit_status;
        if (both.tty == 0) {
                both.tty = second->tty;
                prefer(&both.tty_name, second->tty_name);
        }
        if (both.session_leader == 0)
                both.session_leader = second->session_leader;
        if (both.exec_inode == 0) {
                both.exec_inode = second->exec_inode;
                both.exec_device = second->exec_device;
        }
        prefer(&both.name, second->name);
        prefer(&both.executable, second->executable);
        prefer(&both.command_line, second->command_line);
        prefer(&both.working_directory, second->working_directory);
        prefer(&both.cgroup, second->cgroup);
        both.flags |= second->flags;
        return both;
}

static int entry_set(struct process_table *table, struct entry *entry, const struct process_facts *facts) {
        struct process_facts copy;
        uint8_t *text;
        size_t size;
        int r = facts_copy(facts, &copy, &text, &size);

        if (r < 0)
                return r;
        free(entry->text);
        table->bytes += size - entry->text_size;
        if (entry->dead)
                table->dead_bytes += size - entry->text_size;
        entry->text = text;
        entry->text_size = size;
        entry->facts = copy;
        return 0;
}

/* Runs of package managers. */

static struct run *run_free(struct run *run) {
        if (run && --run->owners == 0) {
                free(run->text);
                free(run);
        }
        return NULL;
}

static struct run *run_new(const struct process_table *table, const struct process_facts *manager, uint64_t now_ns) {
        struct run *run = calloc(1, sizeof(*run));
        uint64_t words[2];
        size_t size;

        if (!run)
                return NULL;
        if (facts_copy(manager, &run->facts, &run->text, &size) < 0) {
                free(run);
                return NULL;
        }
        words[0] = mix(mix(table->seed[0] ^ manager->start_ticks) + manager->pid);
        words[1] = mix(mix(table->seed[1] ^ words[0]) + manager->start_ticks);
        memcpy(run->id, words, sizeof(run->id));
        run->id[6] = (uint8_t)((run->id[6] & 0x0f) | 0x80); /* RFC 9562: version 8, made in a way of our own */
        run->id[8] = (uint8_t)((run->id[8] & 0x3f) | 0x80);
        run->owners = 1;
        run->checked_ns = now_ns;
        return run;
}

static bool run_is_over(const struct run *run, uint64_t now_ns) {
        return run->ended && now_ns >= run->ended_ns && now_ns - run->ended_ns >= TRANSACTION_GRACE_NS;
}

static void join_run(struct process_table *table, struct entry *entry, uint64_t now_ns) {
        if (entry->run && run_is_over(entry->run, now_ns))
                entry->run = run_free(entry->run);
        if (entry->run)
                return;
        if (entry->parent && entry->parent->run && !run_is_over(entry->parent->run, now_ns)) {
                entry->run = entry->parent->run;
                entry->run->owners++;
        } else if (package_manager_is(&entry->facts))
                entry->run = run_new(table, &entry->facts, now_ns);
}

/* Births and deaths. */

static void expire(struct process_table *table, uint64_t now_ns);

static void part(struct process_table *table, struct entry *child) {
        struct entry *parent = child->parent;

        if (!parent)
                return;
        *(child->sibling_before ? &child->sibling_before->sibling_after : &parent->child) = child->sibling_after;
        if (child->sibling_after)
                child->sibling_after->sibling_before = child->sibling_before;
        child->parent = child->sibling_before = child->sibling_after = NULL;
        if (parent->dead && !parent->child && !parent->held)
                list_append(&table->dead, parent);
}

/* False: it descends from the child itself, which only records that are not true can say. */
static bool attach(struct process_table *table, struct entry *child, struct entry *parent) {
        /* Who starts later is no ancestor, so only those of the same tick can close a circle. */
        for (const struct entry *at = parent; at && at->facts.start_ticks == child->facts.start_ticks; at = at->parent)
                if (at == child)
                        return false;
        child->parent = parent;
        child->sibling_after = parent->child;
        if (parent->child)
                parent->child->sibling_before = child;
        parent->child = child;
        if (parent->dead)
                list_append(&table->needed, parent);
        return true;
}

static void entry_free(struct process_table *table, struct entry *entry) {
        struct entry **place = bucket_of(table, entry->facts.pid);

        while (*place != entry)
                place = &(*place)->next;
        *place = entry->next;
        table->n_entries--;
        while (entry->child)
                part(table, entry->child); /* their chain ends here from now on */
        part(table, entry);
        list_remove(entry);
        table->bytes -= entry->text_size;
        if (entry->dead)
                table->dead_bytes -= entry->text_size;
        (void)run_free(entry->run);
        free(entry->text);
        free(entry->remote);
        free(entry);
}

struct process_table *process_table_free(struct process_table *table) {
        if (!table)
                return NULL;
        for (size_t i = 0; table->buckets && i < table->n_buckets; i++)
                while (table->buckets[i])
                        entry_free(table, table->buckets[i]);
        buffer_done(&table->room);
        buffer_done(&table->remote);
        free(table->buckets);
        free(table);
        return NULL;
}

static void mark_dead(struct process_table *table, struct entry *entry, uint64_t now_ns) {
        if (entry->dead)
                return;
        entry->dead = true;
        entry->died_ns = now_ns;
        table->dead_bytes += entry->text_size;
        list_append(entry->child || entry->held ? &table->needed : &table->dead, entry);
        if (entry->run && entry->run->facts.pid == entry->facts.pid &&
            entry->run->facts.start_ticks == entry->facts.start_ticks && !entry->run->ended) {
                entry->run->ended = true;
                entry->run->ended_ns = now_ns;
        }
}

static void touch(struct process_table *table, struct entry *entry) {
        if (!entry->dead)
                list_append(&table->living, entry);
}

static struct entry *add(struct process_table *table, const struct process_facts *facts, uint64_t now_ns) {
        struct entry *later, *entry = calloc(1, sizeof(*entry)), **bucket;

        if (!entry)
                return NULL;
        if (entry_set(table, entry, facts) < 0) {
                free(entry);
                return NULL;
        }
        /* Whoever had the pid before is gone, told or not; and so is this one, if somebody has it since. */
        later = newest(table, facts->pid, UINT64_MAX);
        if (later && later->facts.start_ticks <= facts->start_ticks) {
                mark_dead(table, later, now_ns);
                later = NULL;
        }
        bucket = bucket_of(table, facts->pid);
        entry->next = *bucket;
        *bucket = entry;
        table->n_entries++;
        entry->confirmed_ns = now_ns;
        entry->doubts = table->doubts;
        list_append(&table->living, entry);
        if (later)
                mark_dead(table, entry, now_ns);
        grow(table);
        return entry;
}

static void expire(struct process_table *table, uint64_t now_ns) {
        struct entry *entry;

        while ((entry = table->dead.first) &&
               (now_ns >= entry->died_ns + PROCESS_TABLE_DEAD_NS || table->dead.count + table->needed.count > PROCESS_TABLE_DEAD_MAX ||
                table->dead_bytes > PROCESS_TABLE_DEAD_BYTES_MAX))
                entry_free(table, entry);
        while ((entry = table->needed.first) &&
               (table->needed.count > PROCESS_TABLE_DEAD_MAX || table->dead_bytes > PROCESS_TABLE_DEAD_BYTES_MAX))
                entry_free(table, entry);
        while ((entry = table->living.first) && entry != table->living.last &&
               (table->living.count > PROCESS_TABLE_LIVING_MAX || table->bytes > PROCESS_TABLE_BYTES_MAX))
                entry_free(table, entry);
}

/* Asking the host. */

/* Somebody who has the pid now; his facts in *ret, bytes in the room. */
static int ask(struct process_table *table, uint32_t pid, struct process_facts *ret) {
        int r;

        if (!table->lookup || pid == 0)
                return -ESRCH;
        r = table->lookup->read(table->lookup, pid, &table->room, ret);
        if (r == 0)
                ret->flags &= ~(unsigned)PROCESS_DELETED; /* now, which an upgrade does to whoever runs; not when it started */
        return r < 0 ? r : ret->pid != pid ? -ESRCH : 0;
}

/* Takes over what /proc says. The entry of it, or NULL without memory. */
static struct entry *adopt(struct process_table *table, const struct process_facts *facts, uint64_t now_ns) {
        struct entry *entry = find(table, facts->pid, facts->start_ticks);
        struct process_facts both;

        if (!entry) {
                entry = add(table, facts, now_ns);
                if (entry)
                        entry->asked = true;
                return entry;
        }
        if (entry->dead) /* its parent has not waited for it: nothing new, and its bytes may be in somebody's hands */
                return entry;
        /* The kernel's record holds; of one known from /proc alone the program may be another one by now. */
        both = entry->recorded ? merged(&entry->facts, facts) : merged(facts, &entry->facts);
        both.parent = entry->facts.parent ? entry->facts.parent : facts->parent;
        if (!entry->recorded)
                both.flags = facts->flags;
        (void)entry_set(table, entry, &both);
        entry->asked = true;
        entry->confirmed_ns = now_ns;
        entry->doubts = table->doubts;
        touch(table, entry);
        return entry;
}

/* The one who was its parent when it started. */
static struct entry *parent_of(struct process_table *table, const struct entry *child, uint64_t now_ns) {
        const struct process_facts *facts = &child->facts;
        struct entry *known = newest(table, facts->parent, facts->start_ticks);
        struct process_facts asked;

        if (known && (known == child || known->facts.start_ticks == 0)) /* of the latter nobody knows whether it came before */
                known = NULL;
        if (known && !known->dead)
                return known;
        /* A parent dies after its child was seen to start: unless another one has its pid, it is the dead one. */
        if (ask(table, facts->parent, &asked) < 0 || asked.start_ticks > facts->start_ticks)
                return known;
        return adopt(table, &asked, now_ns);
}

/* Binds it to its parents, as far up as they are known or live, and to the run of a package manager that it belongs to. */
static void bind_to_parents(struct process_table *table, struct entry *entry, uint64_t now_ns) {
        struct entry *path[CHAIN_MAX], *parent;
        size_t n = 0;

        for (;;) {
                path[n++] = entry;
                if (entry->linked || entry->parent || n == CHAIN_MAX)
                        break;
                entry->linked = true;
                if (entry->facts.parent == 0 || entry->facts.parent == entry->facts.pid || entry->facts.start_ticks == 0)
                        break;
                parent = parent_of(table, entry, now_ns);
                if (!parent || !attach(table, entry, parent))
                        break;
                entry = parent;
        }
        while (n > 0)
                join_run(table, path[--n], now_ns);
}

/* A session that sshd begins: its address is asked for while sshd is there. */
static void ask_remote(struct process_table *table, struct entry *entry) {
        const char *door, *own;
        int r;

        if (entry->remote_asked || entry->dead || !entry->parent || !table->lookup || !table->lookup->remote_address)
                return;
        door = session_entry_type(&entry->parent->facts);
        own = session_entry_type(&entry->facts);
        if (!door || strcmp(door, "sshd") != 0 || (own && strcmp(own, "sshd") == 0))
                return;
        entry->remote_asked = true;
        r = table->lookup->remote_address(table->lookup, entry->parent->facts.pid, entry->facts.pid, &table->remote);
        if (r == 0 && buffer_error(&table->remote) == 0 && table->remote.size > 0)
                entry->remote = strdup(buffer_string(&table->remote));
}

void process_table_follow(struct process_table *table, bool followed) {
        if (followed && !table->followed)
                process_table_doubt(table);
        table->followed = followed;
}

void process_table_doubt(struct process_table *table) {
        table->doubts++;
}

/* Nothing can have changed since we last knew. */
static bool is_certain(const struct process_table *table, const struct entry *entry, uint64_t now_ns) {
        if (table->followed && entry->doubts == table->doubts)
                return true;
        return now_ns >= entry->confirmed_ns && now_ns - entry->confirmed_ns < FRESH_NS && entry->doubts == table->doubts;
}

static void take_exec(struct process_table *table, const struct process_facts *facts, uint64_t now_ns) {
        struct entry *entry = find(table, facts->pid, facts->start_ticks);
        struct process_facts now = *facts;

        if (entry && entry->dead && facts->start_ticks == 0)
                entry = NULL;
        if (!entry) {
                entry = add(table, facts, now_ns);
                if (!entry)
                        return;
        } else {
                /* execve keeps these; the rest is of the program before. */
                const struct process_facts *before = &entry->facts;

                if (now.start_ticks == 0)
                        now.start_ticks = before->start_ticks;
                if (before->parent)
                        now.parent = before->parent;
                if (!(now.flags & PROCESS_HAS_LOGIN)) {
                        now.login_user = before->login_user;
                        now.audit_session = before->audit_session;
                        now.flags |= before->flags & PROCESS_HAS_LOGIN;
                }
                if (now.session_leader == 0)
                        now.session_leader = before->session_leader;
                if (now.tty == 0) {
                        now.tty = before->tty;
                        prefer(&now.tty_name, before->tty_name);
                }
                prefer(&now.working_directory, before->working_directory);
                prefer(&now.cgroup, before->cgroup);
                (void)entry_set(table, entry, &now);
                entry->confirmed_ns = now_ns;
                entry->doubts = table->doubts;
                touch(table, entry);
        }
        entry->recorded = true;
        entry->asked = false;
        bind_to_parents(table, entry, now_ns);
        ask_remote(table, entry);
}

static void take_exit(struct process_table *table, const struct process_facts *facts, uint64_t now_ns) {
        struct entry *entry = find(table, facts->pid, facts->start_ticks);
        struct process_facts both;

        if (!entry) {
                /* It never called execve, or we came later than it. */
                if (facts->parent == 0 && facts->name.size == 0 && facts->executable.size == 0)
                        return;
                entry = add(table, facts, now_ns);
                if (!entry)
                        return;
                entry->recorded = true;
                bind_to_parents(table, entry, now_ns);
        } else if (!(entry->facts.flags & PROCESS_HAS_EXIT)) {
                both = merged(&entry->facts, facts);
                (void)entry_set(table, entry, &both);
        }
        mark_dead(table, entry, now_ns);
}

static void take_change(struct process_table *table, const struct process_facts *facts, uint64_t now_ns) {
        struct entry *entry = find(table, facts->pid, facts->start_ticks);
        struct process_facts both;

        if (!entry || entry->dead) {
                if (facts->start_ticks == 0 || (facts->name.size == 0 && facts->executable.size == 0))
                        return; /* to be asked for when somebody wants to know */
                entry = entry ? entry : add(table, facts, now_ns);
                if (entry)
                        bind_to_parents(table, entry, now_ns);
                return;
        }
        both = merged(facts, &entry->facts);
        both.parent = entry->facts.parent ? entry->facts.parent : facts->parent;
        (void)entry_set(table, entry, &both);
        entry->confirmed_ns = now_ns;
        touch(table, entry);
}

void process_table_delta(struct process_table *table, const struct delta *delta, uint64_t now_ns) {
        if (delta->subject != DELTA_PROCESS || delta->process.pid == 0)
                return;
        switch (delta->kind) {
        case DELTA_APPEARED:
                take_exec(table, &delta->process, now_ns);
                break;
        case DELTA_VANISHED:
                take_exit(table, &delta->process, now_ns);
                break;
        case DELTA_CHANGED:
                take_change(table, &delta->process, now_ns);
                break;
        }
        expire(table, now_ns);
}

const struct process_facts *process_table_find(const struct process_table *table, uint32_t pid, uint64_t start_ticks) {
        const struct entry *entry = find(table, pid, start_ticks);

        return entry ? &entry->facts : NULL;
}

const struct process_facts *process_table_parent(const struct process_table *table, uint32_t pid, uint64_t start_ticks) {
        const struct entry *entry = find(table, pid, start_ticks);

        return entry && entry->parent ? &entry->parent->facts : NULL;
}

/* fill: what a look at /proc could add is wanted. */
static struct entry *learn(struct process_table *table, const struct origin *origin, uint64_t now_ns, bool fill) {
        struct process_facts asked;
        struct entry *entry;
        bool gaps;
        int r;

        if (!origin->known || origin->pid == 0)
                return NULL;
        entry = find(table, origin->pid, origin->start_ticks);
        if (entry && entry->dead && origin->start_ticks != 0)
                return entry;
        gaps = entry && !entry->asked && (entry->facts.executable.size == 0 ||
                                          (fill && (entry->facts.cgroup.size == 0 || entry->facts.session_leader == 0)));
        if (entry && !entry->dead && !gaps && is_certain(table, entry, now_ns))
                return entry;

        r = ask(table, origin->pid, &asked);
        if (r == 0 && (origin->start_ticks == 0 || asked.start_ticks == origin->start_ticks)) {
                entry = adopt(table, &asked, now_ns);
                if (entry)
                        bind_to_parents(table, entry, now_ns);
                return entry;
        }
        if (!entry)
                return NULL;
        entry->asked = true;
        if (r == 0 || r == -ESRCH) {
                bool recent = entry->dead || now_ns - entry->confirmed_ns < RECENT_NS;

                mark_dead(table, entry, now_ns);
                if (origin->start_ticks == 0 && !recent && !table->followed)
                        return NULL; /* the pid may have had another owner in between */
        }
        return entry;
}

const struct process_facts *process_table_learn(struct process_table *table, const struct origin *origin, uint64_t now_ns) {
        struct entry *entry = learn(table, origin, now_ns, false);

        return entry ? &entry->facts : NULL;
}

void process_table_hold(struct process_table *table, uint32_t pid, uint64_t start_ticks) {
        struct entry *entry = find(table, pid, start_ticks);

        if (!entry || entry->held == UINT32_MAX)
                return;
        entry->held++;
        if (entry->dead)
                list_append(&table->needed, entry);
}

void process_table_release(struct process_table *table, uint32_t pid, uint64_t start_ticks) {
        struct entry *entry = find(table, pid, start_ticks);

        if (!entry || entry->held == 0)
                return;
        entry->held--;
        if (entry->dead && !entry->held && !entry->child)
                list_append(&table->dead, entry);
}

bool process_table_lives(struct process_table *table, const struct origin *origin, uint64_t now_ns) {
        const struct entry *entry = learn(table, origin, now_ns, false);

        return entry && !entry->dead;
}

/* The outermost session that a door of the host began, or one with a terminal whose door is not known. */
static struct entry *entry_leader(struct entry *entry, const char **ret_type) {
        struct entry *terminal = NULL;
        size_t n = 0;

        for (; entry && n < CHAIN_MAX; entry = entry->parent, n++) {
                bool leads = entry->facts.session_leader == entry->facts.pid;
                const char *type;

                if (leads && entry->facts.tty != 0)
                        terminal = entry;
                if (!leads || !entry->parent)
                        continue;
                type = session_entry_type(&entry->parent->facts);
                /* What init began is a service; a terminal below it (tmux) is somebody's. */
                if (type && !(terminal && strcmp(type, "init") == 0)) {
                        *ret_type = type;
                        return entry;
                }
        }
        *ret_type = terminal ? "terminal" : NULL;
        return terminal;
}

/* A process is born into its parent's group, and who is moved elsewhere (a service, a container) leads a session there. */
static struct bytes cgroup_of(const struct entry *entry) {
        for (size_t n = 0; entry && n < CHAIN_MAX; entry = entry->parent, n++) {
                if (entry->facts.cgroup.size > 0)
                        return entry->facts.cgroup;
                if (entry->facts.session_leader == 0 || !entry->parent ||
                    entry->parent->facts.session_leader != entry->facts.session_leader)
                        break;
        }
        return BYTES_NULL;
}

/* Is the package manager still there? Only asked where nobody tells us of its end. */
static void check_run(struct process_table *table, struct run *run, uint64_t now_ns) {
        struct process_facts asked;
        struct entry *manager;
        int r;

        if (run->ended || table->followed || now_ns - run->checked_ns < MANAGER_CHECK_NS)
                return;
        run->checked_ns = now_ns;
        r = ask(table, run->facts.pid, &asked);
        if (r != -ESRCH && (r < 0 || asked.start_ticks == run->facts.start_ticks))
                return;
        run->ended = true;
        run->ended_ns = now_ns;
        manager = find(table, run->facts.pid, run->facts.start_ticks);
        if (manager)
                mark_dead(table, manager, now_ns);
}

bool process_table_actor(struct process_table *table, const struct origin *origin, uint64_t now_ns, struct actor *ret) {
        struct entry *entry, *leader;
        struct bytes cgroup;
        size_t n;

        *ret = (struct actor){ .entry_leader = NULL };
        expire(table, now_ns);
        entry = learn(table, origin, now_ns, true);
        if (!entry)
                return false;
        n = 0;
        for (struct entry *at = entry; at && n < CHAIN_MAX; at = at->parent, n++)
                ask_remote(table, at);
        if (entry->run)
                check_run(table, entry->run, now_ns);
        join_run(table, entry, now_ns);

        ret->process = entry->facts;
        leader = entry_leader(entry, &ret->entry_type);
        if (leader) {
                ret->entry_leader = &leader->facts;
                ret->remote_address = bytes_of_string(leader->remote);
        }
        for (const struct entry *at = entry; at != leader && at->parent && ret->n_ancestors < ACTOR_ANCESTORS_MAX; at = at->parent)
                ret->ancestors[ret->n_ancestors++] = at->parent->facts;
        cgroup = cgroup_of(entry);
        ret->container = control_group_container(cgroup);
        ret->unit = control_group_unit(cgroup);
        if (entry->run) {
                ret->in_transaction = true;
                memcpy(ret->transaction.id, entry->run->id, sizeof(ret->transaction.id));
                ret->transaction.process = &entry->run->facts;
        }
        return true;
}

void process_table_count(const struct process_table *table, size_t *ret_living, size_t *ret_dead, size_t *ret_bytes) {
        *ret_living = table->living.count;
        *ret_dead = table->dead.count + table->needed.count;
        *ret_bytes = table->bytes;
}
