/* processes.h - the watch "processes": what runs on this host, by /proc.
 * Left out: processes that ended and only wait for their parent, and the threads that run the kernel's work queues
 * (kworker/...), which come, go and rename themselves on an idle host. */
#pragma once

#include "watch.h"

extern const struct watch watch_processes;
