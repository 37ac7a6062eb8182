#include "host-provenance.h"

#include <errno.h>

#include "dpkg-check.h"
#include "dpkg-provenance.h"
#include "dpkg-times.h"
#include "found-file.h"
#include "host.h"
#include "rpm-provenance.h"

struct host_provenance {
        struct provenance provenance;
        const struct host *host;        /* borrowed */
        struct dpkg_provenance dpkg;
        struct rpm_provenance rpm;
        struct dpkg_moment dpkg_moment; /* as last seen */
        struct rpm_moment rpm_moment;
        uint64_t generation;
};

static struct host_provenance *of(struct provenance *provenance) {
        return container_of(provenance, struct host_provenance, provenance);
}

static int prepare(struct provenance *provenance, const struct bytes *paths, size_t count) {
        return rpm_provenance_prepare(&of(provenance)->rpm, paths, count);
}

static int ask(struct provenance *provenance, struct bytes path, bool present, struct provenance_answer *ret) {
        struct host_provenance *self = of(provenance);
        _cleanup_(found_file_done) struct found_file file = FOUND_FILE_NULL;
        struct provenance_answer answer;
        int r;

        if (path.size == 0 || path.data[0] != '/' || memchr(path.data, '\0', path.size))
                return -EINVAL;
        r = found_file_init(&file, self->host, path, present);
        if (r == 0)
                r = dpkg_provenance_ask(&self->dpkg, &file, &answer);
        /* Only what dpkg knows nothing of: where both have a database, one of them has the host and the other some package. */
        if (r == 0 && !answer.manager)
                r = rpm_provenance_ask(&self->rpm, &file, &answer);
        if (r == 0)
                *ret = answer;
        return r;
}

static uint64_t generation(struct provenance *provenance) {
        struct host_provenance *self = of(provenance);
        struct dpkg_moment dpkg;
        struct rpm_moment rpm;
        bool came = rpm_provenance_poll(&self->rpm);

        dpkg_provenance_moment(self->host, &dpkg);
        rpm_provenance_moment(self->host, &rpm);
        if (self->generation == 0 || came ||
            memcmp(dpkg.fingerprint, self->dpkg_moment.fingerprint, sizeof(dpkg.fingerprint)) != 0 ||
            memcmp(rpm.fingerprint, self->rpm_moment.fingerprint, sizeof(rpm.fingerprint)) != 0)
                self->generation++;
        self->dpkg_moment = dpkg;
        self->rpm_moment = rpm;
        return self->generation;
}

static int check(struct provenance *provenance, struct provenance_findings *findings) {
        return dpkg_check(of(provenance)->host, DPKG_TIMES_SLACK_NS, findings);
}

static void release(struct provenance *provenance) {
        dpkg_provenance_release(&of(provenance)->dpkg);
        rpm_provenance_release(&of(provenance)->rpm);
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
        self->rpm.host = host;
        *ret = &self->provenance;
        return 0;
}

struct provenance *host_provenance_close(struct provenance *provenance) {
        if (provenance) {
                of(provenance)->rpm.pending = false; /* an answer that comes now is nobody's */
                release(provenance);
                free(of(provenance));
        }
        return NULL;
}
