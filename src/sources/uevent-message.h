/* uevent-message.h - what the kernel says of its objects: "add@/module/dummy" and strings NAME=VALUE, each ended by NUL. */
#pragma once

#include "bytes.h"

struct uevent {
        struct bytes action, path, subsystem;   /* in the message; subsystem may be empty */
        bool on_request;                        /* somebody wrote into the object's file "uevent": nothing happened to it */
};

/* Pure. 0, or -EBADMSG and *ret untouched: also for the messages of udev's own. */
int uevent_parse(struct bytes message, struct uevent *ret);

/* The module's name if that is what it is about; empty if not. */
struct bytes uevent_module(const struct uevent *event);
