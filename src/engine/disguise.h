/* disguise.h - a process that does not look like what it is. Pure. */
#pragma once

#include "delta.h"

/* Names the disguise ("runs from a memfd"): static, fits after "process NAME, which ..."; NULL: none. command_line_now: what
 * /proc shows now, when facts->command_line is that of its execve; empty: not known. The worst comes first: a program
 * without a file, the claim to be a kernel thread, another program's name, its arguments written over, its file deleted. A
 * program that only writes its state after its own name ("sshd: root@pts/0") wears no disguise. */
const char *process_disguise(const struct process_facts *facts, struct bytes command_line_now);
