/* package-version.h - which of two package versions is the newer, as the package managers order them. Pure. */
#pragma once

#include "bytes.h"

/* [epoch:]upstream[-revision], deb-version(7). Negative: a is older; 0: neither; positive: a is newer. */
int package_version_compare_deb(struct bytes a, struct bytes b);

/* [epoch:]version[-release], the order of rpm's labels: digits against digits, letters against letters, '~' before the
 * end, '^' after it, any other character only separates. */
int package_version_compare_rpm(struct bytes a, struct bytes b);
