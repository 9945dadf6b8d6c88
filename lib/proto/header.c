/* SPDX-License-Identifier: ISC */
#include "proto/header.h"

#include <string.h>

struct view header_line(struct view in, size_t at)
{
	if (at >= in.n)
		return VIEW_NONE;
	const char *p = in.p + at;
	const char *lf = memchr(p, '\n', in.n - at);
	return view_make(p, lf ? (size_t)(lf - p) + 1 : in.n - at);
}

struct view header_chomp(struct view line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\n') {
		line.n--;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
	}
	return line;
}

void header_begin(struct header_iter *it, struct view message)
{
	*it = (struct header_iter){ .in = message };
}

/* RFC 5322 2.2: printable US-ASCII without the colon; blanks before the colon are obsolete and let through (4.5.1). */
static struct view field_name(struct view line)
{
	size_t colon = view_find(line, ':');
	if (colon == SIZE_MAX)
		return VIEW_NONE;
	size_t n = colon;
	while (n > 0 && (line.p[n - 1] == ' ' || line.p[n - 1] == '\t'))
		n--;
	for (size_t i = 0; i < n; i++)
		if (line.p[i] <= ' ' || line.p[i] >= 0x7f)
			return VIEW_NONE;
	return view_head(line, n);
}

static bool is_continuation(struct view in, size_t at)
{
	return at < in.n && (in.p[at] == ' ' || in.p[at] == '\t');
}

bool header_next(struct header_iter *it, struct header_field *f)
{
	struct view first = header_line(it->in, it->at);
	struct view text = header_chomp(first);
	size_t begin = it->at;
	it->at += first.n;
	if (text.n == 0)
		return false;
	while (is_continuation(it->in, it->at))
		it->at += header_line(it->in, it->at).n;
	f->whole = view_make(it->in.p + begin, it->at - begin);
	f->name = field_name(text);
	f->raw = header_chomp(f->whole);
	if (f->name.n > 0)
		f->raw = view_skip(f->raw, view_find(f->raw, ':') + 1);
	return true;
}

bool header_find(struct view message, const char *name, struct header_field *f)
{
	struct header_iter it;
	header_begin(&it, message);
	while (header_next(&it, f))
		if (view_ieqs(f->name, name))
			return true;
	return false;
}

size_t header_size(struct view message)
{
	struct header_iter it;
	struct header_field f;
	header_begin(&it, message);
	while (header_next(&it, &f))
		;
	return it.at;
}

void header_unfold(struct buf *b, struct view raw)
{
	raw = view_trim(raw);
	size_t at = 0;
	while (at < raw.n) {
		struct view line = header_line(raw, at);
		buf_addv(b, header_chomp(line));
		at += line.n;
	}
}
