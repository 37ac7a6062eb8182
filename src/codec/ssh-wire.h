/* ssh-wire.h - the pieces that files of OpenSSH are made of: strings with their length before them, base64. */
#pragma once

#include "buffer.h"

void ssh_put_string(struct buffer *buffer, struct bytes string);
/* Takes it from the beginning of the rest; false if that is too short. */
bool ssh_take(struct bytes *rest, void *ret, size_t size);
bool ssh_take_string(struct bytes *rest, struct bytes *ret); /* points into the rest */

/* Padded as it must be; line breaks and blanks between the digits are passed over. 0, -EBADMSG or -ENOMEM. */
int ssh_base64_read(struct bytes text, struct buffer *ret);
