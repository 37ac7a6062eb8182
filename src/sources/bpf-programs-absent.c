/* bpf-programs-absent.c - stands in where the programs could not be built: no libbpf, clang or bpftool. */
#include "bpf-programs.h"

#include <errno.h>

static int bpf_open(const struct source_request *request, void **ret_state, unsigned *ret_subjects, const char **ret_reason) {
        (void)request;
        (void)ret_state;
        (void)ret_subjects;
        *ret_reason = "nephronix was built without BPF programs";
        return -EOPNOTSUPP;
}

static void bpf_close(void *state) {
        (void)state;
}

const struct source source_bpf = {
        .name = "bpf",
        .open = bpf_open,
        .close = bpf_close,
};
