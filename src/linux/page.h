/* page.h - a text that one process keeps up to date and any other may read at any time, without a request: a mapped file with
 * a counter that is odd while the text is being replaced. Publishing makes no system call unless the text outgrew its room. */
#pragma once

#include "buffer.h"

struct page;

/* Makes the file anew (mode 0640). 0 and *ret, or negative errno. */
int page_create(const char *path, struct page **ret);
struct page *page_close(struct page *page);     /* takes NULL; the file stays; returns NULL */

/* 0 or negative errno; on failure readers see the text before. */
int page_publish(struct page *page, struct bytes text);

/* The text as last published, appended to the buffer. -ENOENT: no such file; -EBADMSG: not a page, or its writer died in
 * the middle; negative errno. */
int page_read(const char *path, struct buffer *buffer);
