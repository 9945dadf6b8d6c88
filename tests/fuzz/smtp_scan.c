/* SPDX-License-Identifier: ISC */
/*
 * The scanner of content: whatever the pieces, the same content, the same flags, the same end. The first octet chooses the mode, the second the size of
 * the pieces; what is compared with is one octet at a time.
 */
#include <stdint.h>

#include "base/mem.h"
#include "proto/smtp_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t scan(struct smtp_scan *s, struct view in, size_t piece, struct buf *out)
{
	size_t at = 0;

	while (at < in.n && s->state != SCAN_END)
		at += smtp_scan(s, view_head(view_skip(in, at), piece), out);
	if (!s->dots)
		smtp_scan_last(s, out);
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_scan a, b;
	struct buf one, two;

	if (size < 2)
		return 0;
	struct view in = view_make(data + 2, size - 2);
	buf_init(&one, 4 * 1024 * 1024);
	buf_init(&two, 4 * 1024 * 1024);
	smtp_scan_init(&a, data[0] & 1, data[0] & 2 && !(data[0] & 1), data[0] & 4, 100, 2000);
	b = a;
	size_t n = scan(&a, in, 1, &one), k = scan(&b, in, (size_t)data[1] + 2, &two);
	INVARIANT(n == k && a.state == b.state && a.flags == b.flags);
	INVARIANT(smtp_scan_refused(&a) || (view_eq(buf_view(&one), buf_view(&two)) && a.size == buf_len(&one)));
	buf_fini(&one);
	buf_fini(&two);
	return 0;
}
