/* Texts that a process chooses itself (its path, arguments, control group), and records about processes in any order. */
#include <stdlib.h>

#include "control-group.h"
#include "disguise.h"
#include "package-manager.h"
#include "process-table.h"
#include "session-entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes take(struct bytes *rest, size_t size) {
        struct bytes taken = bytes_of(rest->data, size < rest->size ? size : rest->size);

        *rest = bytes_of(rest->data + taken.size, rest->size - taken.size);
        return taken;
}

static uint8_t take_byte(struct bytes *rest) {
        struct bytes byte = take(rest, 1);

        return byte.size ? byte.data[0] : 0;
}

static void check_inside(struct bytes part, struct bytes whole) {
        if (part.size && (part.data < whole.data || part.data + part.size > whole.data + whole.size))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t seed[PROCESS_TABLE_SEED_SIZE];
        _cleanup_process_table_ struct process_table *table = NULL;
        struct bytes rest = bytes_of(data, size);
        uint64_t now_ns = 0;

        check_inside(control_group_container(rest), rest);
        check_inside(control_group_unit(rest), rest);
        if (process_table_new(NULL, seed, &table) < 0)
                return 0;
        while (rest.size > 0) {
                uint8_t what = take_byte(&rest);
                struct process_facts facts = {
                        .pid = take_byte(&rest) % 16u,
                        .parent = take_byte(&rest) % 16u,
                        .start_ticks = take_byte(&rest) % 16u,
                        .flags = take_byte(&rest),
                        .session_leader = what >> 4,
                };
                struct delta delta = { .kind = (enum delta_kind)(what % 3), .subject = DELTA_PROCESS };
                struct origin origin = { .known = true, .pid = facts.pid, .start_ticks = facts.start_ticks };
                struct actor actor;

                facts.name = take(&rest, take_byte(&rest) % 16u);
                facts.executable = take(&rest, take_byte(&rest) % 64u);
                facts.command_line = take(&rest, take_byte(&rest) % 64u);
                facts.cgroup = take(&rest, take_byte(&rest) % 64u);
                (void)package_manager_is(&facts);
                (void)session_entry_type(&facts);
                (void)process_disguise(&facts, facts.cgroup);
                delta.process = facts;
                process_table_follow(table, what & 8);
                now_ns += UINT64_C(1000000000) * (what >> 2);
                process_table_delta(table, &delta, now_ns);
                if (process_table_actor(table, &origin, now_ns, &actor) && actor.process.pid != facts.pid)
                        abort();
        }
        return 0;
}
