/* control-group.h - what the path of a control group tells: the container, the unit of systemd. Pure. */
#pragma once

#include "bytes.h"

/* The id (or the name, where the runtime uses names) of the innermost container: docker, podman, containerd, CRI-O, lxc,
 * systemd-nspawn; empty: none. Borrows from the path. */
struct bytes control_group_container(struct bytes path);
/* The innermost "NAME.service" or "session-3.scope", of the host's systemd or of the user's; empty: none. Borrows. */
struct bytes control_group_unit(struct bytes path);
