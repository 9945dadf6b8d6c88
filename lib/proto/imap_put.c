/* SPDX-License-Identifier: ISC */
#include "proto/imap_put.h"

#include "proto/header.h"
#include "proto/imap_name.h"

#define QUOTED_MAX 1000 /* longer strings go as literals */

static bool quotable(struct view v)
{
	if (v.n > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_isprint(v.p[i]) && v.p[i] != '\t')
			return false;
	return true;
}

static void put_quoted(struct buf *b, struct view v)
{
	buf_addc(b, '"');
	size_t from = 0;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] != '"' && v.p[i] != '\\')
			continue;
		buf_add(b, v.p + from, i - from);
		buf_addc(b, '\\');
		from = i;
	}
	buf_addv(b, view_skip(v, from));
	buf_addc(b, '"');
}

static void put_literal(struct buf *b, struct view v)
{
	size_t nuls = 0;
	for (size_t i = 0; i < v.n; i++)
		nuls += v.p[i] == '\0';
	buf_printf(b, "{%zu}\r\n", v.n - nuls);
	while (v.n > 0) {
		size_t n = view_find(v, '\0');
		n = n == SIZE_MAX ? v.n : n;
		buf_addv(b, view_head(v, n));
		v = view_skip(v, n + 1);
	}
}

void imap_put_number(struct buf *b, const char *before, uint64_t n, const char *after)
{
	buf_adds(b, before);
	buf_addu(b, n);
	buf_adds(b, after);
}

void imap_put_string(struct buf *b, struct view v)
{
	if (quotable(v))
		put_quoted(b, v);
	else
		put_literal(b, v);
}

void imap_put_nstring(struct buf *b, struct view v)
{
	if (v.p == NULL)
		buf_adds(b, "NIL");
	else
		imap_put_string(b, v);
}

void imap_put_header(struct buf *b, struct view raw, size_t max)
{
	if (raw.p == NULL) {
		buf_adds(b, "NIL");
		return;
	}
	struct buf text;
	raw = view_head(view_trim(raw), max);
	buf_init(&text, raw.n);
	header_unfold(&text, raw);
	imap_put_string(b, text.n ? buf_view(&text) : VIEW(""));
	buf_fini(&text);
}

void imap_put_text(struct buf *b, struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		buf_addc(b, ascii_isprint(v.p[i]) ? v.p[i] : '?');
}

void imap_put_mailbox(struct buf *b, struct view utf8)
{
	struct buf name;
	buf_init(&name, utf8.n * 8 + 8);
	imap_name_encode(&name, utf8);
	put_quoted(b, buf_view(&name));
	buf_fini(&name);
}
