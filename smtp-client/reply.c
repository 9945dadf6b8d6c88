/* SPDX-License-Identifier: ISC */
#include "smtp-client/reply.h"

#include <stdio.h>
#include <string.h>

void reply_reset(struct reply *r)
{
	r->code = r->lines = 0;
	r->n = 0;
}

static bool code_of(struct view line, unsigned *code)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !ascii_isdigit(line.p[1]) || !ascii_isdigit(line.p[2]))
		return false;
	*code = (unsigned)(line.p[0] - '0') * 100 + (unsigned)(line.p[1] - '0') * 10 + (unsigned)(line.p[2] - '0');
	return line.n == 3 || line.p[3] == ' ' || line.p[3] == '-';
}

static void keep(struct reply *r, struct view text)
{
	if (r->n && r->n < REPLY_TEXT_MAX)
		r->text[r->n++] = '\n';
	for (size_t i = 0; i < text.n && r->n < REPLY_TEXT_MAX; i++)
		r->text[r->n++] = ascii_isprint(text.p[i]) ? text.p[i] : '?';
	r->text[r->n] = '\0';
}

/* One line, without its line end. ERR_OK when it is the last of its reply. */
static int take_line(struct reply *r, struct view line)
{
	unsigned code;
	if (!code_of(line, &code) || ++r->lines > REPLY_LINES_MAX)
		return ERR_PROTOCOL;
	if (r->lines == 1)
		r->code = code;
	keep(r, view_skip(line, 4));
	return line.n > 3 && line.p[3] == '-' ? ERR_AGAIN : ERR_OK;
}

int reply_read(struct reply *r, struct buf *in)
{
	for (;;) {
		struct view v = buf_view(in);
		size_t n = view_find(v, '\n');
		if (n == SIZE_MAX)
			return v.n > REPLY_LINE_MAX ? ERR_PROTOCOL : ERR_AGAIN;
		if (n > REPLY_LINE_MAX)
			return ERR_PROTOCOL;
		struct view line = view_head(v, n);
		if (view_ends(line, VIEW("\r")))
			line.n--;
		int err = take_line(r, line);
		buf_consume(in, n + 1);
		if (err != ERR_AGAIN)
			return err;
	}
}

static bool is_status(struct view v, unsigned class, size_t *n)
{
	size_t i = 0, dots = 0;
	if (v.n < 5 || v.p[0] != (char)('0' + class) || v.p[1] != '.')
		return false;
	for (; i < v.n && (ascii_isdigit(v.p[i]) || v.p[i] == '.'); i++)
		dots += v.p[i] == '.';
	*n = i;
	return dots == 2 && i < 12 && v.p[i - 1] != '.';
}

void reply_status(const struct reply *r, char out[16])
{
	unsigned class = r->code / 100;
	size_t n;
	if (is_status(view_make(r->text, r->n), class, &n)) {
		memcpy(out, r->text, n);
		out[n] = '\0';
	} else {
		(void)snprintf(out, 16, "%u.0.0", class == 2 || class == 5 ? class : 4);
	}
}

void reply_text(const struct reply *r, char *out, size_t size)
{
	size_t k = (size_t)snprintf(out, size, "%u ", r->code);
	for (size_t i = 0; i < r->n && k + 1 < size; i++)
		out[k++] = r->text[i] == '\n' ? ' ' : r->text[i];
	out[k] = '\0';
}
