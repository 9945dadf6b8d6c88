/* SPDX-License-Identifier: ISC */
/* Whether a message is what a SEARCH looks for. */
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "proto/charset.h"
#include "proto/header.h"
#include "proto/imap_search.h"

#define PIECE ((size_t)32 << 10) /* of a body that is decoded at a time */
#define DATE_MAX 1000            /* octets of a Date field that are looked at */

static int64_t days(int64_t seconds)
{
	return seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
}

static bool found(struct view in, struct view needle)
{
	return needle.n == 0 || (in.n >= needle.n && memmem(in.p, in.n, needle.p, needle.n) != NULL);
}

/* The value as people read it. */
static bool value_has(struct view raw, struct view needle)
{
	struct buf text, folded;
	buf_init(&text, raw.n * 3 + 16);
	buf_init(&folded, raw.n * 9 + 16);
	words_decode(&text, raw);
	utf8_fold(&folded, buf_view(&text));
	bool yes = found(buf_view(&folded), needle);
	buf_fini(&text);
	buf_fini(&folded);
	return yes;
}

/* name empty: any field, its name counts as text. */
static bool header_has(struct view header, struct view name, struct view needle)
{
	struct header_iter it;
	struct header_field f;
	header_begin(&it, header);
	while (header_next(&it, &f)) {
		if (name.n > 0 && !view_ieq(f.name, name))
			continue;
		if (value_has(name.n > 0 ? f.raw : f.whole, needle))
			return true;
	}
	return false;
}

/* Looks in text that comes in pieces: what the next piece may complete stays in the window. */
struct window {
	struct buf folded;
	struct view needle;
};

static bool window_has(struct window *w, struct view text)
{
	utf8_fold(&w->folded, text);
	struct view v = buf_view(&w->folded);
	if (found(v, w->needle))
		return true;
	if (v.n >= w->needle.n)
		buf_consume(&w->folded, v.n - (w->needle.n - 1));
	return false;
}

static bool decoded_has(struct text_decoder *d, struct view body, struct view needle)
{
	struct window w = { .needle = needle };
	struct buf text;
	bool yes = false;
	buf_init(&text, SIZE_MAX / 2);
	buf_init(&w.folded, SIZE_MAX / 2);
	for (size_t at = 0; at < body.n && !yes; at += PIECE) {
		buf_reset(&text);
		text_decode(d, view_head(view_skip(body, at), PIECE), at + PIECE >= body.n, &text);
		yes = window_has(&w, buf_view(&text));
	}
	buf_fini(&text);
	buf_fini(&w.folded);
	return yes;
}

static bool part_has(const struct mime_tree *t, const struct mime_part *p, struct view needle)
{
	struct arena *a = arena_new();
	struct mime_value v;
	struct view charset = VIEW("utf-8");
	if (!p->plain && mime_value_parse(a, p->type, true, &v))
		for (size_t i = 0; i < v.n; i++)
			if (view_ieqs(v.params[i].name, "charset"))
				charset = v.params[i].value;
	struct text_decoder d;
	text_decoder_init(&d, mime_encoding(p), charset);
	bool yes = decoded_has(&d, mime_body(t, p), needle);
	text_decoder_fini(&d);
	arena_free(a);
	return yes;
}

/* The text parts, and the headers of the messages inside. */
static bool body_has(struct view message, struct view needle)
{
	struct mime_tree t;
	bool yes = needle.n == 0;
	mime_parse(&t, message);
	for (uint32_t i = 0; i < t.n && !yes; i++) {
		const struct mime_part *p = &t.part[i];
		if (p->kind == MIME_MESSAGE)
			yes = header_has(mime_header(&t, &t.part[p->first]), VIEW_NONE, needle);
		else if (p->kind == MIME_LEAF && (p->plain || mime_is(p, "text", NULL) || mime_is(p, "message", NULL)))
			yes = part_has(&t, p, needle);
	}
	mime_free(&t);
	return yes;
}

/* RFC 3501 6.4.4: the day that the Date field states, whatever its zone. */
static bool sent_day(struct view header, int64_t *day)
{
	struct header_field f;
	struct date d;
	if (!header_find(header, "date", &f) || !date_get_rfc5322(view_head(f.raw, DATE_MAX), &d))
		return false;
	d.hour = d.minute = d.second = d.zone = 0;
	*day = days(date_seconds(&d));
	return true;
}

static bool match_content(const struct imap_search_node *n, const struct imap_search_message *m)
{
	struct view v;
	int64_t day, asked = (int64_t)n->n;
	bool whole = n->op == IMAP_SEARCH_BODY || n->op == IMAP_SEARCH_TEXT;
	if (!m->content(m->arg, whole, &v))
		return false;
	if (n->op == IMAP_SEARCH_HEADER)
		return header_has(v, n->name, n->text);
	if (n->op == IMAP_SEARCH_BODY)
		return body_has(v, n->text);
	if (n->op == IMAP_SEARCH_TEXT)
		return header_has(v, VIEW_NONE, n->text) || body_has(v, n->text);
	if (!sent_day(v, &day))
		return false;
	return n->op == IMAP_SEARCH_SENTBEFORE ? day < asked : n->op == IMAP_SEARCH_SENTON ? day == asked : day >= asked;
}

static bool has_flag(const struct imap_search_node *n, const struct imap_search_message *m)
{
	return (m->system & n->system) != 0 || (m->keywords & n->keywords) != 0;
}

static int64_t age(const struct imap_search_message *m)
{
	return m->now - m->date;
}

static bool match_facts(const struct imap_search_node *n, const struct imap_search_message *m)
{
	switch (n->op) {
	case IMAP_SEARCH_ALL:
		return true;
	case IMAP_SEARCH_SEQ:
		return imap_set_has(&n->set, m->seq);
	case IMAP_SEARCH_UID:
		return imap_set_has(&n->set, m->uid);
	case IMAP_SEARCH_FLAG:
		return has_flag(n, m);
	case IMAP_SEARCH_UNFLAG:
		return !has_flag(n, m);
	case IMAP_SEARCH_RECENT:
		return m->recent;
	case IMAP_SEARCH_OLD:
		return !m->recent;
	case IMAP_SEARCH_NEW:
		return m->recent && !m->seen;
	case IMAP_SEARCH_BEFORE:
		return days(m->date) < (int64_t)n->n;
	case IMAP_SEARCH_ON:
		return days(m->date) == (int64_t)n->n;
	case IMAP_SEARCH_SINCE:
		return days(m->date) >= (int64_t)n->n;
	case IMAP_SEARCH_OLDER:
		return age(m) >= (int64_t)n->n;
	case IMAP_SEARCH_YOUNGER:
		return age(m) <= (int64_t)n->n;
	case IMAP_SEARCH_LARGER:
		return m->size > n->n;
	case IMAP_SEARCH_SMALLER:
		return m->size < n->n;
	case IMAP_SEARCH_MODSEQ:
		return m->modseq >= n->n;
	case IMAP_SEARCH_AND:
	case IMAP_SEARCH_OR:
	case IMAP_SEARCH_NOT:
	case IMAP_SEARCH_SENTBEFORE:
	case IMAP_SEARCH_SENTON:
	case IMAP_SEARCH_SENTSINCE:
	case IMAP_SEARCH_HEADER:
	case IMAP_SEARCH_BODY:
	case IMAP_SEARCH_TEXT:
		break;
	}
	return false;
}

static bool looks_inside(const struct imap_search_node *n)
{
	return n->op <= IMAP_SEARCH_NOT || n->op >= IMAP_SEARCH_SENTBEFORE;
}

static bool match(const struct imap_search *s, uint32_t i, const struct imap_search_message *m);

/* Whether some (want) or not all (!want) children are so; those that cost nothing are asked first. */
static bool any_child(const struct imap_search *s, uint32_t i, const struct imap_search_message *m, bool want)
{
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t c = s->node[i].first; c != IMAP_SEARCH_NONE; c = s->node[c].next)
			if (looks_inside(&s->node[c]) == (pass == 1) && match(s, c, m) == want)
				return true;
	return false;
}

/* As deep as the parser let it be: IMAP_SEARCH_DEPTH_MAX. */
static bool match(const struct imap_search *s, uint32_t i, const struct imap_search_message *m)
{
	const struct imap_search_node *n = &s->node[i];
	if (n->op == IMAP_SEARCH_AND)
		return !any_child(s, i, m, false);
	if (n->op == IMAP_SEARCH_OR)
		return any_child(s, i, m, true);
	if (n->op == IMAP_SEARCH_NOT)
		return !match(s, n->first, m);
	return n->op >= IMAP_SEARCH_SENTBEFORE ? match_content(n, m) : match_facts(n, m);
}

bool imap_search_match(const struct imap_search *s, const struct imap_search_message *m)
{
	return match(s, 0, m);
}
