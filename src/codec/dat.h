/* dat.h - a record as one line of its workspace/NAME_*.dat document (watch.h: struct document). */
#pragma once

#include "buffer.h"
#include "watch.h"

/* Appends the line without its newline. True if the record has a line in this document. Values are escaped (escape.h),
 * except a b2sum_name: its bytes stand raw but for '\', newline and carriage return, which are written as b2sum(1) 9.1
 * does (with the line led by '\'), so that b2sum -c verifies the file. Width counts code points. */
bool dat_line(struct buffer *buffer, const struct document *document, const struct field *fields,
              const struct record *record);
