/* SPDX-License-Identifier: ISC */
#include "proto/smtp_reply.h"

/* RFC 5321 4.5.3.1.5: a reply line has 512 octets at most. */
enum { TEXT_MAX = 400 };

static void put_code(struct buf *b, unsigned code, char between)
{
	char text[4] = { (char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10), (char)('0' + code % 10), between };

	buf_add(b, text, sizeof text);
}

void smtp_reply_put(struct buf *b, const struct smtp_reply *r)
{
	put_code(b, r->code, ' ');
	if (r->status) {
		buf_adds(b, r->status);
		buf_addc(b, ' ');
	}
	buf_adds(b, r->text);
	buf_adds(b, "\r\n");
}

void smtp_reply_text(struct buf *b, unsigned code, struct view status, struct view text)
{
	put_code(b, code, ' ');
	if (status.n) {
		buf_addv(b, status);
		buf_addc(b, ' ');
	}
	text = view_head(text, TEXT_MAX);
	for (size_t i = 0; i < text.n; i++)
		buf_addc(b, ascii_isprint(text.p[i]) ? text.p[i] : '?');
	buf_adds(b, "\r\n");
}

void smtp_reply_line(struct buf *b, unsigned code, bool last, struct view text)
{
	put_code(b, code, last ? ' ' : '-');
	buf_addv(b, text);
	buf_adds(b, "\r\n");
}
