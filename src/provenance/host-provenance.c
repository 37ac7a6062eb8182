#include "host-provenance.h"

#include <errno.h>

#include "dpkg-check.h"
#include "dpkg-provenance.h"
#include "dpkg-times.h"
#include "found-file.h"
#include "host.h"

struct host_provenance {
        struct provenance provenance;
        const struct host *host;        /* borrowed */
        struct dpkg_provenance dpkg;
        struct dpkg_moment moment;      /* as last seen */
        uint64_t generation;
};

static struct host_provenance *of(struct provenance *provenance) {
        return container_of(provenance, struct host_provenance, provenance);
}

static int prepare(struct provenance *provenance, const struct bytes *paths, size_t count) {
        (void)provenance;
        (void)paths;
        (void)count;
        return 0;
}

static int ask(struct provenance *provenance, struct bytes path, bool present, struct provenance_answer *ret) {
        struct host_provenance *self = of(provenance);
        _cleanup_(found_file_done) struct found_file file = FOUND_FILE_NULL;
        int r;

        if (path.size == 0 || path.data[0] != '/' || memchr(path.data, '\0', path.size))
                return -EINVAL;
        r = found_file_init(&file, self->host, path, present);
        return r < 0 ? r : dpkg_provenance_ask(&self->dpkg, &file, ret);
}

static uint64_t generation(struct provenance *provenance) {
        struct host_provenance *self = of(provenance);
        struct dpkg_moment moment;

        dpkg_provenance_moment(self->host, &moment);
        if (self->generation == 0 || memcmp(moment.fingerprint, self->moment.fingerprint, sizeof(moment.fingerprint)) != 0)
                self->generation++;
        self->moment = moment;
        return self->generation;
}

static int check(struct provenance *provenance, struct provenance_findings *findings) {
        return dpkg_check(of(provenance)->host, DPKG_TIMES_SLACK_NS, findings);
}

static void release(struct provenance *provenance) {
        dpkg_provenance_release(&of(provenance)->dpkg);
}

static const struct provenance_ops host_ops = {
        .prepare = prepare,
        .ask = ask,
        .generation = generation,
        .check = check,
        .release = release,
};

int host_provenance_open(const struct host *host, struct provenance **ret) {
        struct host_provenance *self = calloc(1, sizeof(*self));

        if (!self)
                return -ENOMEM;
        self->provenance.ops = &host_ops;
        self->host = host;
        self->dpkg = DPKG_PROVENANCE_NULL;
        self->dpkg.host = host;
        *ret = &self->provenance;
        return 0;
}

struct provenance *host_provenance_close(struct provenance *provenance) {
        if (provenance) {
                release(provenance);
                free(of(provenance));
        }
        return NULL;
}
