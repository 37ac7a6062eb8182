/* notify.h - tells systemd how we are (sd_notify(3)), without its library: one datagram. */
#pragma once

/* Does nothing without NOTIFY_SOCKET in the environment. */
void notify_send(const char *state);
