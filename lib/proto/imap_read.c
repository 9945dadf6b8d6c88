/* SPDX-License-Identifier: ISC */
#include "proto/imap_read.h"

#include <string.h>

#include "base/num.h"

void imap_reader_init(struct imap_reader *r, size_t line_max, size_t kept_max)
{
	*r = (struct imap_reader){ .line_max = line_max };
	buf_init(&r->command, kept_max);
}

void imap_reader_fini(struct imap_reader *r)
{
	buf_fini(&r->command);
}

void imap_next(struct imap_reader *r)
{
	buf_reset(&r->command);
	r->line_n = 0;
	r->tail_n = 0;
	r->nul = false;
	r->state = IMAP_IN_LINE;
}

bool imap_idle(const struct imap_reader *r)
{
	return r->state == IMAP_IN_LINE && buf_len(&r->command) == 0;
}

/* "{12}" or "{12+}" at the end of the line (RFC 3501 9, RFC 7888 8). A size that is no number gives no literal: a syntax error. */
static bool announces(struct imap_reader *r, struct view line)
{
	if (line.n < 3 || line.p[line.n - 1] != '}')
		return false;
	size_t open = view_rfind(line, '{');
	if (open == SIZE_MAX)
		return false;
	struct view digits = view_make(line.p + open + 1, line.n - open - 2);
	r->sync = !view_ends(digits, VIEW("+"));
	if (!r->sync)
		digits.n--;
	r->binary = open > 0 && line.p[open - 1] == '~';
	return num_u64(digits, UINT32_MAX, &r->size);
}

static struct view without_line_end(struct view v)
{
	if (v.n > 0 && v.p[v.n - 1] == '\n')
		v.n--;
	if (v.n > 0 && v.p[v.n - 1] == '\r')
		v.n--;
	return v;
}

static void tail_add(struct imap_reader *r, struct view v)
{
	if (v.n > sizeof(r->tail))
		v = view_skip(v, v.n - sizeof(r->tail));
	size_t keep = sizeof(r->tail) - v.n;
	if (r->tail_n > keep) {
		memmove(r->tail, r->tail + (r->tail_n - keep), keep);
		r->tail_n = keep;
	}
	if (v.n > 0)
		memcpy(r->tail + r->tail_n, v.p, v.n);
	r->tail_n += v.n;
}

/* Throws the rest of the line away, and a literal at its end that comes unasked. */
static enum imap_event skip_line(struct imap_reader *r, struct view *in)
{
	size_t lf = view_find(*in, '\n');
	size_t n = lf == SIZE_MAX ? in->n : lf + 1;
	tail_add(r, view_head(*in, n));
	*in = view_skip(*in, n);
	if (lf == SIZE_MAX)
		return IMAP_MORE;
	if (announces(r, without_line_end(view_make(r->tail, r->tail_n))) && !r->sync) {
		r->left = r->size;
		r->state = IMAP_SKIPPING_LITERAL;
		return IMAP_MORE;
	}
	r->state = IMAP_ENDED;
	return IMAP_TOO_LONG;
}

static enum imap_event take_line(struct imap_reader *r, struct view *in)
{
	size_t lf = view_find(*in, '\n');
	size_t n = lf == SIZE_MAX ? in->n : lf + 1;
	if (r->line_n + n > r->line_max || buf_len(&r->command) + n > r->command.max) {
		r->state = IMAP_SKIPPING_LINE;
		return IMAP_MORE;
	}
	struct view part = view_head(*in, n);
	r->nul = r->nul || view_find(part, '\0') != SIZE_MAX;
	buf_addv(&r->command, part);
	r->line_n += n;
	*in = view_skip(*in, n);
	if (lf == SIZE_MAX)
		return IMAP_MORE;
	struct view line = without_line_end(buf_view(&r->command));
	if (announces(r, line)) {
		r->state = IMAP_ASKING;
		return IMAP_LITERAL;
	}
	buf_cut(&r->command, line.n);
	r->state = IMAP_ENDED;
	return IMAP_COMMAND;
}

/* Up to r->left octets off the front of *in. */
static struct view take_left(struct imap_reader *r, struct view *in)
{
	struct view v = view_head(*in, r->left < in->n ? (size_t)r->left : in->n);
	*in = view_skip(*in, v.n);
	r->left -= v.n;
	return v;
}

enum imap_event imap_feed(struct imap_reader *r, struct view *in, struct view *data)
{
	enum imap_event e = IMAP_MORE;
	while (e == IMAP_MORE && in->n > 0) {
		switch (r->state) {
		case IMAP_IN_LINE:
			e = take_line(r, in);
			break;
		case IMAP_KEEPING:
			buf_addv(&r->command, take_left(r, in));
			if (r->left == 0)
				r->state = IMAP_IN_LINE;
			break;
		case IMAP_STREAMING:
			*data = take_left(r, in);
			if (r->left == 0)
				r->state = IMAP_IN_LINE;
			return IMAP_DATA;
		case IMAP_SKIPPING_LITERAL:
			take_left(r, in);
			if (r->left == 0) {
				r->tail_n = 0;
				r->state = IMAP_SKIPPING_LINE;
			}
			break;
		case IMAP_SKIPPING_LINE:
			e = skip_line(r, in);
			break;
		case IMAP_ASKING:
		case IMAP_ENDED:
			return IMAP_MORE;
		}
	}
	return e;
}

bool imap_accept(struct imap_reader *r)
{
	if (r->size > r->command.max - buf_len(&r->command)) {
		imap_refuse(r);
		return false;
	}
	r->left = r->size;
	r->state = r->left ? IMAP_KEEPING : IMAP_IN_LINE;
	return true;
}

void imap_stream(struct imap_reader *r)
{
	r->left = r->size;
	r->state = r->left ? IMAP_STREAMING : IMAP_IN_LINE;
}

bool imap_refuse(struct imap_reader *r)
{
	if (r->sync) {
		imap_next(r);
		return true;
	}
	r->left = r->size;
	r->tail_n = 0;
	r->state = r->left ? IMAP_SKIPPING_LITERAL : IMAP_SKIPPING_LINE;
	return false;
}
