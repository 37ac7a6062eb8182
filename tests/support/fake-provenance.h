/* fake-provenance.h - packages whose word the test sets. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "ownership.h"
#include "provenance.h"

enum { ANSWERS_MAX = 32 };

struct fake_answer {
        const char *path, *package;
        enum provenance_verdict verdict, when_gone;
        unsigned told;
        const char *why;
};

struct fake_provenance {
        struct provenance provenance;
        struct fake_answer answers[ANSWERS_MAX];        /* of other paths no package is the owner */
        size_t n_answers;
        bool busy, broken;
        uint64_t generation;
        const char *finding;            /* path of what check() finds */
        size_t asked, prepared, checked, released;
        const size_t *noted;            /* a count that check() reads; or NULL */
        size_t noted_when_checked;
};

static inline struct fake_provenance *fake_provenance_of(struct provenance *provenance) {
        return container_of(provenance, struct fake_provenance, provenance);
}

static inline int fake_prepare(struct provenance *provenance, const struct bytes *paths, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (paths[i].size == 0 || paths[i].data[0] != '/')
                        return -1;
        fake_provenance_of(provenance)->prepared += count;
        return 0;
}

static inline int fake_ask(struct provenance *provenance, struct bytes path, bool present, struct provenance_answer *ret) {
        struct fake_provenance *fake = fake_provenance_of(provenance);

        fake->asked++;
        if (fake->busy || fake->broken) {
                *ret = (struct provenance_answer){
                        .verdict = PROVENANCE_UNKNOWN, .manager = "dpkg", .soon = !fake->broken,
                        .why = fake->broken ? "it cannot be read" : "a package manager is at work",
                };
                return 0;
        }
        if (bytes_equal(path, bytes_of_string("/"))) { /* a package's folder */
                *ret = (struct provenance_answer){ .verdict = PROVENANCE_MATCHES, .manager = "dpkg", .package = bytes_of_string("base") };
                return 0;
        }
        *ret = (struct provenance_answer){ .verdict = present ? PROVENANCE_NONE : PROVENANCE_MATCHES };
        for (size_t i = 0; i < fake->n_answers; i++) {
                const struct fake_answer *answer = &fake->answers[i];

                if (!bytes_equal(path, bytes_of_string(answer->path)))
                        continue;
                *ret = (struct provenance_answer){
                        .verdict = present ? answer->verdict : answer->when_gone, .told = answer->told, .why = answer->why,
                };
                if (present || answer->when_gone != PROVENANCE_MATCHES) {
                        ret->manager = "dpkg";
                        ret->package = bytes_of_string(answer->package);
                        ret->version = bytes_of_string("2");
                }
        }
        return 0;
}

static inline uint64_t fake_generation(struct provenance *provenance) {
        return fake_provenance_of(provenance)->generation;
}

static inline int fake_check(struct provenance *provenance, struct provenance_findings *findings) {
        struct fake_provenance *fake = fake_provenance_of(provenance);
        const struct provenance_finding finding = {
                .manager = "dpkg", .package = bytes_of_string("bash"), .path = bytes_of_string(fake->finding),
                .why = "is newer than the package's other files",
        };

        fake->checked++;
        fake->noted_when_checked = fake->noted ? *fake->noted : 0;
        if (fake->busy)
                return 1;
        return fake->finding ? findings->finding(findings, &finding) : 0;
}

static inline void fake_release(struct provenance *provenance) {
        fake_provenance_of(provenance)->released++;
}

static const struct provenance_ops fake_provenance_ops = {
        .prepare = fake_prepare, .ask = fake_ask, .generation = fake_generation, .check = fake_check, .release = fake_release,
};

static inline void fake_provenance_init(struct fake_provenance *fake) {
        *fake = (struct fake_provenance){ .provenance = { .ops = &fake_provenance_ops }, .generation = 1 };
}

static inline void fake_provenance_say(struct fake_provenance *fake, const char *path, const char *package,
                                       enum provenance_verdict verdict, const char *why) {
        struct fake_answer *answer = &fake->answers[fake->n_answers++];

        *answer = (struct fake_answer){
                .path = path, .package = package, .verdict = verdict, .when_gone = PROVENANCE_DIFFERS,
                .told = PROVENANCE_TYPE | PROVENANCE_CONTENT, .why = why,
        };
}
