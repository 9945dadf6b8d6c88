/* SPDX-License-Identifier: ISC */
#include "proto/mime.h"

#include <stdlib.h>
#include <string.h>

#include "proto/header.h"

#define BOUNDARY_MAX 200 /* RFC 2046 5.1.1 says 70; longer ones are seen */

/* A multipart whose delimiters are looked for. */
struct open_part {
	uint32_t part;
	size_t n;
	char boundary[BOUNDARY_MAX];
};

struct parser {
	struct mime_tree *t;
	uint32_t room;  /* parts allocated */
	uint32_t cur;   /* the innermost part that has not ended */
	bool in_header; /* of cur */
	size_t at;      /* where the current line begins */
	size_t feeds;   /* LFs before it */
	size_t nopen;
	struct open_part open[MIME_DEPTH_MAX + 1];
};

static struct mime_part *cur_part(struct parser *ps)
{
	return &ps->t->part[ps->cur];
}

static void part_begin(struct parser *ps, uint32_t parent, size_t at)
{
	struct mime_tree *t = ps->t;
	if (t->n == ps->room) {
		ps->room = ps->room ? ps->room * 2 : 4;
		t->part = mem_resize(t->part, ps->room * sizeof(*t->part));
	}
	uint32_t i = t->n++;
	struct mime_part *p = &t->part[i];
	*p = (struct mime_part){ .parent = parent, .number = 1, .header_at = at };
	p->first = p->last = p->next = MIME_NONE;
	if (parent != MIME_NONE) {
		struct mime_part *up = &t->part[parent];
		p->depth = (uint16_t)(up->depth + 1);
		if (up->last == MIME_NONE) {
			up->first = i;
		} else {
			p->number = t->part[up->last].number + 1;
			t->part[up->last].next = i;
		}
		up->last = i;
	}
	ps->cur = i;
	ps->in_header = true;
}

/* Which member of a part each header field fills. */
static const struct {
	const char *name;
	size_t member;
} fields[] = {
	{ "type", offsetof(struct mime_part, type) },
	{ "transfer-encoding", offsetof(struct mime_part, encoding) },
	{ "disposition", offsetof(struct mime_part, disposition) },
	{ "id", offsetof(struct mime_part, id) },
	{ "description", offsetof(struct mime_part, description) },
	{ "md5", offsetof(struct mime_part, md5) },
	{ "language", offsetof(struct mime_part, language) },
	{ "location", offsetof(struct mime_part, location) },
};

static void field_note(struct mime_part *p, const struct header_field *f)
{
	if (!view_istarts(f->name, VIEW("content-")))
		return;
	struct view rest = view_skip(f->name, strlen("content-"));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct view *v = (struct view *)(void *)((char *)p + fields[i].member);
		/* The first of several counts, as everywhere, so that all readers agree. */
		if (view_ieqs(rest, fields[i].name) && v->p == NULL)
			*v = f->raw;
	}
}

static void header_read(struct parser *ps, size_t end)
{
	struct mime_part *p = cur_part(ps);
	struct header_iter it;
	struct header_field f;
	p->header_n = end - p->header_at;
	p->body_at = end;
	header_begin(&it, mime_header(ps->t, p));
	while (header_next(&it, &f))
		field_note(p, &f);
	struct mime_lex l = { .in = p->type };
	mime_skip_cfws(&l);
	struct view major = mime_token(&l);
	mime_skip_cfws(&l);
	if (major.n == 0 || !mime_take(&l, '/'))
		return;
	mime_skip_cfws(&l);
	struct view minor = mime_token(&l);
	if (minor.n > 0) {
		p->major = major;
		p->minor = minor;
	}
}

/* Makes cur a multipart when its type names a usable boundary. */
static bool multipart_open(struct parser *ps)
{
	struct mime_part *p = cur_part(ps);
	struct arena *a = arena_new();
	struct mime_value v;
	bool ok = false;
	struct buf text;
	/* Where it is not ASCII its octets are compared as they came, so the charset of RFC 2231 4 is not asked for a translation. */
	buf_init(&text, p->type.n + 1);
	if (mime_value_parse(a, p->type, true, &v) && mime_param_octets(&v, "boundary", &text)) {
		struct view b = buf_view(&text);
		ok = b.n > 0 && b.n <= BOUNDARY_MAX;
		if (ok) {
			struct open_part *o = &ps->open[ps->nopen++];
			o->part = ps->cur;
			o->n = b.n;
			memcpy(o->boundary, b.p, b.n);
		}
	}
	buf_fini(&text);
	arena_free(a);
	return ok;
}

/* RFC 2046 5.1.5: a part of a digest is a message where it says nothing else. */
static bool is_message(const struct mime_tree *t, const struct mime_part *p)
{
	if (mime_encoding(p) != MIME_IDENTITY)
		return false;
	if (p->type.p == NULL)
		return p->parent != MIME_NONE && mime_is(&t->part[p->parent], "multipart", "digest");
	return mime_is(p, "message", "rfc822") || mime_is(p, "message", "global");
}

static void body_begin(struct parser *ps, size_t at, size_t feeds)
{
	header_read(ps, at);
	ps->in_header = false;
	struct mime_part *p = cur_part(ps);
	p->lines = feeds;
	bool room = p->depth < MIME_DEPTH_MAX && ps->t->n < MIME_PARTS_MAX;
	if (mime_is(p, "multipart", NULL)) {
		if (room && multipart_open(ps))
			p->kind = MIME_MULTIPART;
		else
			p->plain = true;
	} else if (room && is_message(ps->t, p)) {
		p->kind = MIME_MESSAGE;
		part_begin(ps, ps->cur, at);
	}
}

/* Ends cur before `end`; feeds counts the LFs before that. */
static void part_end(struct parser *ps, size_t end, size_t feeds)
{
	struct mime_part *p = cur_part(ps);
	if (ps->in_header) {
		header_read(ps, end);
		ps->in_header = false;
		p->lines = feeds;
	}
	p->body_n = end > p->body_at ? end - p->body_at : 0;
	p->lines = feeds > p->lines ? feeds - p->lines : 0;
	if (p->kind == MIME_MULTIPART && p->first == MIME_NONE) {
		p->kind = MIME_LEAF;
		p->plain = true;
	}
	ps->cur = p->parent;
}

/* Which open multipart the line delimits, innermost first; SIZE_MAX for none. *last: it is the closing delimiter. */
static size_t delimiter(const struct parser *ps, struct view line, bool *last)
{
	if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
		return SIZE_MAX;
	struct view text = view_skip(view_trim(line), 2);
	for (size_t k = ps->nopen; k-- > 0;) {
		const struct open_part *o = &ps->open[k];
		if (text.n < o->n || memcmp(text.p, o->boundary, o->n) != 0)
			continue;
		struct view rest = view_trim(view_skip(text, o->n));
		*last = view_eqs(rest, "--");
		if (rest.n == 0 || *last)
			return k;
	}
	return SIZE_MAX;
}

/* The delimiter of open[k] stands at ps->at; its line ends at `behind`. */
static void at_delimiter(struct parser *ps, size_t k, bool last, size_t behind)
{
	if (!last && ps->t->n >= MIME_PARTS_MAX) {
		ps->nopen = 0; /* the rest belongs to the part at hand */
		return;
	}
	const char *p = ps->t->message.p;
	while (ps->cur != ps->open[k].part) {
		size_t end = ps->at, feeds = ps->feeds;
		size_t least = ps->in_header ? cur_part(ps)->header_at : cur_part(ps)->body_at;
		/* The line end before a delimiter belongs to it (RFC 2046 5.1.1); a header keeps its own. */
		if (!ps->in_header && end > least) {
			end--;
			feeds--;
			if (end > least && p[end - 1] == '\r')
				end--;
		}
		part_end(ps, end, feeds);
	}
	ps->nopen = last ? k : k + 1;
	if (!last)
		part_begin(ps, ps->cur, behind);
}

static void parse_line(struct parser *ps, struct view line)
{
	bool last = false;
	size_t k = delimiter(ps, line, &last);
	size_t behind = ps->at + line.n;
	size_t feeds = ps->feeds + (line.p[line.n - 1] == '\n');
	if (k != SIZE_MAX)
		at_delimiter(ps, k, last, behind);
	else if (ps->in_header && header_chomp(line).n == 0)
		body_begin(ps, behind, feeds);
	ps->at = behind;
	ps->feeds = feeds;
}

void mime_parse(struct mime_tree *t, struct view message)
{
	struct parser *ps = mem_new(sizeof(*ps));
	*t = (struct mime_tree){ .message = message };
	ps->t = t;
	part_begin(ps, MIME_NONE, 0);
	while (ps->at < message.n)
		parse_line(ps, header_line(message, ps->at));
	while (ps->cur != MIME_NONE)
		part_end(ps, message.n, ps->feeds);
	free(ps);
}

void mime_free(struct mime_tree *t)
{
	free(t->part);
	*t = (struct mime_tree){ 0 };
}

struct view mime_header(const struct mime_tree *t, const struct mime_part *p)
{
	return view_head(view_skip(t->message, p->header_at), p->header_n);
}

struct view mime_body(const struct mime_tree *t, const struct mime_part *p)
{
	return view_head(view_skip(t->message, p->body_at), p->body_n);
}

static const struct mime_part *nth_child(const struct mime_tree *t, const struct mime_part *p, uint32_t number)
{
	uint32_t i = p->first;
	while (i != MIME_NONE && t->part[i].number != number)
		i = t->part[i].next;
	return i == MIME_NONE ? NULL : &t->part[i];
}

const struct mime_part *mime_find(const struct mime_tree *t, const uint32_t *numbers, size_t n)
{
	const struct mime_part *p = &t->part[0];
	bool top = true; /* p is a whole message: where it is no multipart, its body is part 1 */
	for (size_t i = 0; i < n; i++) {
		if (!top && p->kind == MIME_MESSAGE) {
			p = &t->part[p->first];
			top = true;
		}
		if (p->kind == MIME_MULTIPART)
			p = nth_child(t, p, numbers[i]);
		else if (!top || numbers[i] != 1)
			p = NULL;
		if (p == NULL)
			return NULL;
		top = false;
	}
	return p;
}

enum mime_encoding mime_encoding(const struct mime_part *p)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
	} names[] = {
		{ "7bit", MIME_IDENTITY },
		{ "8bit", MIME_IDENTITY },
		{ "binary", MIME_IDENTITY },
		{ "base64", MIME_BASE64 },
		{ "quoted-printable", MIME_QUOTED_PRINTABLE },
	};
	struct mime_lex l = { .in = p->encoding };
	mime_skip_cfws(&l);
	struct view word = mime_token(&l);
	if (word.n == 0)
		return MIME_IDENTITY;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (view_ieqs(word, names[i].name))
			return names[i].encoding;
	return MIME_UNKNOWN;
}

bool mime_is(const struct mime_part *p, const char *type, const char *subtype)
{
	struct view major = p->major.n ? p->major : VIEW("text");
	struct view minor = p->minor.n ? p->minor : VIEW("plain");
	return view_ieqs(major, type) && (subtype == NULL || view_ieqs(minor, subtype));
}
