/* SPDX-License-Identifier: ISC */
#include "smtp-client/body.h"

void body_begin(struct body *b, struct view headers, struct view content)
{
	*b = (struct body){ .parts = { headers, content }, .bol = true };
}

static void end_line(struct body *b, struct buf *out)
{
	buf_add(out, "\r\n", 2);
	b->bol = true;
}

/* The run of octets that mean nothing, as a whole; then one that does. */
static void put(struct body *b, struct view v, struct buf *out)
{
	size_t at = 0;
	while (at < v.n) {
		char c = v.p[at];
		if (b->cr) {
			b->cr = false;
			end_line(b, out);
			if (c == '\n') {
				at++;
				continue;
			}
		}
		if (c == '\r') {
			b->cr = true;
			at++;
			continue;
		}
		if (c == '\n') {
			end_line(b, out);
			at++;
			continue;
		}
		if (b->bol && c == '.')
			buf_addc(out, '.');
		b->bol = false;
		size_t n = at;
		while (n < v.n && v.p[n] != '\r' && v.p[n] != '\n')
			n++;
		buf_add(out, v.p + at, n - at);
		at = n;
	}
}

static void end(struct body *b, struct buf *out)
{
	if (b->cr || !b->bol)
		end_line(b, out);
	buf_add(out, ".\r\n", 3);
	b->ended = true;
}

bool body_next(struct body *b, struct buf *out, size_t most)
{
	if (b->ended)
		return false;
	while (b->part < 2 && most > 0) {
		struct view piece = view_head(view_skip(b->parts[b->part], b->at), most);
		put(b, piece, out);
		b->at += piece.n;
		most -= piece.n;
		if (b->at == b->parts[b->part].n) {
			b->part++;
			b->at = 0;
		}
	}
	if (b->part == 2)
		end(b, out);
	return true;
}
