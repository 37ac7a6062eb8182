/* self.c - the files that nephronix is made of. The observer names them in paths: programs, configuration, lib/. */
#include "self.h"

#include "file-record.h"
#include "files.h"

const struct watch watch_self = {
        .kind = "self",
        .noun = "nephronix's own file",
        .sensor = "walk",
        .dataset = "self",
        .fields = file_fields,
        .label = "{path}",
        .priority = PRIORITY_HIGH,
        .built_in = true,
        .light = true,
        .can_resume = true,
        .can_look_within = true,
        .appeared = { "own-file-created", "file", "creation", SEVERITY_HIGH, false,
                      "nephronix's own {type} {path} was created" },
        .vanished = { "own-file-deleted", "file", "deletion", SEVERITY_HIGH, false,
                      "nephronix's own {type} {path} was deleted" },
        .changed = { "own-file-modified", "file", "change", SEVERITY_HIGH, false, NULL },
        .title_changed = "Changes to nephronix itself detected! Diff:",
        .title_quiet = "No changes to nephronix itself detected.",
        .open = files_open,
        .collect = files_collect,
        .complete = files_complete,
        .defer = files_defer,
        .read_deferred = files_read_deferred,
        .complete_deferred = files_complete_deferred,
        .rest = files_rest,
        .detail = files_detail,
        .close = files_close,
};
