#include "exec.h"

#include <errno.h>

static int exec_send(const struct alert_settings *settings, const struct host *host, struct favours *favours,
                     const struct notice *notice) {
        (void)host;
        if (!settings->hook)
                return -EINVAL;
        return favours->hook(favours, settings->hook, settings->time_limit_ns, notice->json);
}

const struct sink sink_exec = { .kind = "exec", .send = exec_send };
