/* setuid.c - regular files with a set-user-id or set-group-id bit or with capabilities: of all filesystems of this machine a
 * walk finds them, and keeps only them (files_open_privileged()). Whether one has just got its privilege or is a new file with
 * it is one thing: it was none of these before. */
#include "setuid.h"

#include <errno.h>
#include <sys/stat.h>

#include "file-record.h"
#include "files.h"

#define CATEGORY "file iam"
#define OF_WHOM ", owner {user}, group {group}, mode {mode}{capabilities?, capabilities {capabilities}}"

static const struct action *classify(const struct change *change) {
        static const struct action user = { "setuid-file-appeared", CATEGORY, "creation", SEVERITY_HIGH, false,
                                            "new set-user-id file {path}" OF_WHOM };
        static const struct action group = { "setuid-file-appeared", CATEGORY, "creation", SEVERITY_HIGH, false,
                                             "new set-group-id file {path}" OF_WHOM };
        static const struct action capabilities = { "setuid-file-appeared", CATEGORY, "creation", SEVERITY_HIGH, false,
                                                    "new file with capabilities {path}" OF_WHOM };
        uint64_t mode;

        if (change->kind != CHANGE_APPEARED)
                return NULL;
        mode = change->after->values[FILE_MODE].number;
        return mode & S_ISUID ? &user : mode & S_ISGID ? &group : &capabilities;
}

const struct watch watch_setuid = {
        .kind = "setuid",
        .noun = "privileged file",
        .sensor = "walk",
        .dataset = "setuid",
        .fields = file_fields,
        .label = "{path}",
        .priority = PRIORITY_HIGH,
        .light = true,
        .can_resume = true,
        .can_look_within = true,
        .provable = true,
        .appeared = { "setuid-file-appeared", CATEGORY, "creation", SEVERITY_HIGH, false,
                      "new file {path} with privileges" OF_WHOM },
        .vanished = { "setuid-file-vanished", CATEGORY, "deletion", SEVERITY_HIGH, false,
                      "{path} is gone, or no longer set-user-id, set-group-id or with capabilities" },
        .changed = { "setuid-file-modified", CATEGORY, "change", SEVERITY_HIGH, false, NULL },
        .classify = classify,
        .title_changed = "Changes to set-user-id files in {path} detected! Diff:",
        .title_quiet = "No changes to set-user-id files in {path} detected.",
        .open = files_open_privileged,
        .collect = files_collect,
        .complete = files_complete,
        .defer = files_defer,
        .read_deferred = files_read_deferred,
        .complete_deferred = files_complete_deferred,
        .rest = files_rest,
        .detail = files_detail,
        .close = files_close,
};
