/* SPDX-License-Identifier: ISC */
#include "proto/imap_body.h"

#include "proto/addrlist.h"
#include "proto/header.h"
#include "proto/imap_put.h"

/* The fields of an envelope in its order. */
static const struct {
	struct view name;
	bool addresses;
	bool from; /* RFC 3501 7.4.2: where it is missing or empty, From stands for it */
} envelope[] = {
	{ VIEW("date"), false, false },
	{ VIEW("subject"), false, false },
	{ VIEW("from"), true, false },
	{ VIEW("sender"), true, true },
	{ VIEW("reply-to"), true, true },
	{ VIEW("to"), true, false },
	{ VIEW("cc"), true, false },
	{ VIEW("bcc"), true, false },
	{ VIEW("in-reply-to"), false, false },
	{ VIEW("message-id"), false, false },
};
#define ENVELOPE_FIELDS (sizeof(envelope) / sizeof(envelope[0]))
#define ENVELOPE_FROM 2

static void put_part(struct buf *b, const struct buf *part)
{
	imap_put_nstring(b, part->n ? buf_view(part) : VIEW_NONE);
}

/* RFC 3501 7.4.2: a null host name marks the ends of a group, so that an address without one has an empty string. */
static void put_address(struct buf *b, const struct addr_list *l)
{
	if (l->kind == ADDR_GROUP_END) {
		buf_adds(b, "(NIL NIL NIL NIL)");
		return;
	}
	bool group = l->kind == ADDR_GROUP;
	struct view mailbox = buf_view(group ? &l->name : &l->local);
	buf_addc(b, '(');
	if (group)
		buf_adds(b, "NIL NIL ");
	else {
		put_part(b, &l->name);
		buf_addc(b, ' ');
		put_part(b, &l->route);
		buf_addc(b, ' ');
	}
	imap_put_string(b, mailbox);
	buf_addc(b, ' ');
	if (group)
		buf_adds(b, "NIL");
	else
		imap_put_string(b, buf_view(&l->domain));
	buf_addc(b, ')');
}

/* False, with nothing added, when there is no address in it. */
static bool put_addresses(struct buf *b, struct view raw)
{
	struct addr_list l;
	size_t n = 0;
	bool in_group = false;
	addr_list_init(&l, raw);
	while (n < IMAP_ADDRESSES_MAX && addr_list_next(&l)) {
		if (n++ == 0)
			buf_addc(b, '(');
		put_address(b, &l);
		in_group = l.in_group;
	}
	if (n > 0)
		buf_adds(b, in_group ? "(NIL NIL NIL NIL))" : ")");
	addr_list_fini(&l);
	return n > 0;
}

static void put_address_field(struct buf *b, const struct view *values, size_t i)
{
	if (put_addresses(b, values[i]))
		return;
	if (!envelope[i].from || !put_addresses(b, values[ENVELOPE_FROM]))
		buf_adds(b, "NIL");
}

/* The first field of each name counts, so that the envelope is the same for every reader. */
static void collect(struct view header, struct view *values)
{
	struct header_iter it;
	struct header_field f;
	header_begin(&it, header);
	while (header_next(&it, &f))
		for (size_t i = 0; i < ENVELOPE_FIELDS; i++)
			if (f.name.n == envelope[i].name.n && values[i].p == NULL && view_ieq(f.name, envelope[i].name))
				values[i] = f.raw;
}

void imap_put_envelope(struct buf *b, struct view header)
{
	struct view values[ENVELOPE_FIELDS] = { { NULL, 0 } };
	collect(header, values);
	buf_addc(b, '(');
	for (size_t i = 0; i < ENVELOPE_FIELDS; i++) {
		if (i > 0)
			buf_addc(b, ' ');
		if (envelope[i].addresses)
			put_address_field(b, values, i);
		else
			imap_put_header(b, values[i], IMAP_STRING_MAX);
	}
	buf_addc(b, ')');
}

struct renderer {
	struct buf *b;
	const struct mime_tree *t;
	struct arena *arena;
	bool extended;
};

static void put_cut(struct buf *b, struct view v)
{
	imap_put_nstring(b, view_head(v, IMAP_STRING_MAX));
}

static void put_params(struct renderer *r, const struct mime_value *v)
{
	if (v->n == 0) {
		buf_adds(r->b, "NIL");
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		buf_addc(r->b, i ? ' ' : '(');
		put_cut(r->b, v->params[i].name);
		buf_addc(r->b, ' ');
		put_cut(r->b, v->params[i].value.p ? v->params[i].value : VIEW(""));
	}
	buf_addc(r->b, ')');
}

/* The type's parameters; text without any is in US-ASCII (RFC 2045 5.2). */
static void put_type_params(struct renderer *r, const struct mime_part *p)
{
	struct mime_value v = { 0 };
	bool typed = p->major.n > 0 && !p->plain && mime_value_parse(r->arena, p->type, true, &v);
	if (v.n == 0 && (p->plain || !typed))
		buf_adds(r->b, "(\"charset\" \"us-ascii\")");
	else
		put_params(r, &v);
}

static void put_encoding(struct renderer *r, const struct mime_part *p)
{
	struct mime_lex l = { .in = p->encoding };
	mime_skip_cfws(&l);
	struct view word = mime_token(&l);
	put_cut(r->b, word.n ? word : VIEW("7bit"));
}

/* RFC 3501 9, body-fields. */
static void put_body_fields(struct renderer *r, const struct mime_part *p)
{
	put_type_params(r, p);
	buf_addc(r->b, ' ');
	imap_put_header(r->b, p->id, IMAP_STRING_MAX);
	buf_addc(r->b, ' ');
	imap_put_header(r->b, p->description, IMAP_STRING_MAX);
	buf_addc(r->b, ' ');
	put_encoding(r, p);
	buf_printf(r->b, " %zu", p->body_n);
}

static void put_disposition(struct renderer *r, struct view raw)
{
	struct mime_value v;
	if (raw.p == NULL || !mime_value_parse(r->arena, raw, false, &v)) {
		buf_adds(r->b, "NIL");
		return;
	}
	buf_addc(r->b, '(');
	put_cut(r->b, v.word);
	buf_addc(r->b, ' ');
	put_params(r, &v);
	buf_addc(r->b, ')');
}

#define LANGUAGES_MAX 32

static void put_language(struct renderer *r, struct view raw)
{
	struct mime_lex l = { .in = raw };
	size_t n = 0;
	do {
		mime_skip_cfws(&l);
		struct view tag = mime_token(&l);
		if (tag.n == 0)
			break;
		buf_addc(r->b, n++ ? ' ' : '(');
		put_cut(r->b, tag);
		mime_skip_cfws(&l);
	} while (mime_take(&l, ',') && n < LANGUAGES_MAX);
	buf_adds(r->b, n ? ")" : "NIL");
}

static void put_extension(struct renderer *r, const struct mime_part *p)
{
	if (!r->extended)
		return;
	if (p->kind != MIME_MULTIPART) {
		buf_addc(r->b, ' ');
		imap_put_header(r->b, p->md5, IMAP_STRING_MAX);
	}
	buf_addc(r->b, ' ');
	put_disposition(r, p->disposition);
	buf_addc(r->b, ' ');
	put_language(r, p->language);
	buf_addc(r->b, ' ');
	imap_put_header(r->b, p->location, IMAP_STRING_MAX);
}

static void put_type(struct renderer *r, const struct mime_part *p)
{
	bool stated = p->major.n > 0 && !p->plain;
	if (p->kind == MIME_MESSAGE && !stated) {
		buf_adds(r->b, "\"message\" \"rfc822\" ");
		return;
	}
	/* A message/rfc822 that was not looked into has no envelope to give: an opaque part then. */
	if (p->kind == MIME_LEAF && mime_is(p, "message", "rfc822")) {
		buf_adds(r->b, "\"application\" \"octet-stream\" ");
		return;
	}
	put_cut(r->b, stated ? p->major : VIEW("text"));
	buf_addc(r->b, ' ');
	put_cut(r->b, stated ? p->minor : VIEW("plain"));
	buf_addc(r->b, ' ');
}

/* What stands before the children; all of it for a leaf. */
static void enter(struct renderer *r, const struct mime_part *p)
{
	buf_addc(r->b, '(');
	if (p->kind == MIME_MULTIPART)
		return;
	put_type(r, p);
	put_body_fields(r, p);
	if (p->kind == MIME_MESSAGE) {
		buf_addc(r->b, ' ');
		imap_put_envelope(r->b, mime_header(r->t, &r->t->part[p->first]));
		buf_addc(r->b, ' ');
		return;
	}
	if (p->plain || mime_is(p, "text", NULL))
		buf_printf(r->b, " %zu", p->lines);
	put_extension(r, p);
	buf_addc(r->b, ')');
}

/* What stands behind the children. */
static void leave(struct renderer *r, const struct mime_part *p)
{
	if (p->kind == MIME_MESSAGE) {
		buf_printf(r->b, " %zu", p->lines);
	} else {
		buf_addc(r->b, ' ');
		put_cut(r->b, p->minor.n ? p->minor : VIEW("mixed"));
		if (r->extended) {
			struct mime_value v = { 0 };
			buf_addc(r->b, ' ');
			if (!mime_value_parse(r->arena, p->type, true, &v))
				v.n = 0;
			put_params(r, &v);
		}
	}
	put_extension(r, p);
	buf_addc(r->b, ')');
}

/* The part to render behind p, closing the parents that end with it; MIME_NONE at the end. */
static uint32_t after(struct renderer *r, uint32_t i)
{
	while (i != MIME_NONE && r->t->part[i].next == MIME_NONE) {
		i = r->t->part[i].parent;
		if (i != MIME_NONE)
			leave(r, &r->t->part[i]);
	}
	return i == MIME_NONE ? MIME_NONE : r->t->part[i].next;
}

void imap_put_structure(struct buf *b, const struct mime_tree *t, bool extended)
{
	struct buf own;
	buf_init(&own, IMAP_STRUCTURE_MAX);
	struct renderer r = { .b = &own, .t = t, .arena = arena_new(), .extended = extended };
	uint32_t i = 0;
	while (i != MIME_NONE && buf_ok(&own)) {
		const struct mime_part *p = &t->part[i];
		enter(&r, p);
		i = p->kind == MIME_LEAF ? after(&r, i) : p->first;
		arena_reset(r.arena);
	}
	arena_free(r.arena);
	const struct mime_part *root = &t->part[0];
	if (buf_ok(&own))
		buf_addv(b, buf_view(&own));
	else
		buf_printf(b, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"8bit\" %zu %zu%s)", root->body_n, root->lines,
			extended ? " NIL NIL NIL NIL" : "");
	buf_fini(&own);
}
