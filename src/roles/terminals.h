/* terminals.h - writing a notice to terminals, for the guard. Trusts neither the names nor the text. */
#pragma once

#include "bytes.h"

/* names: NUL-terminated, below /dev. text: printable, lines ended by '\n'; other control bytes: nothing is written. Never waits
 * for a terminal that does not take it. Returns how many took it, or -EINVAL. */
int terminals_write(struct bytes names, struct bytes text);
