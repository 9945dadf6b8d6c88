/* SPDX-License-Identifier: ISC */
#include "proto/imap_fetch.h"

#include <string.h>

#include "proto/header.h"
#include "proto/imap_put.h"

/* Plain items. */
static const struct {
	const char *name;
	enum imap_fetch_kind kind;
	const char *label;
	enum imap_section_text text;
	bool peek;
} names[] = {
	{ "FLAGS", IMAP_FETCH_FLAGS, NULL, IMAP_SECTION_ALL, true },
	{ "UID", IMAP_FETCH_UID, NULL, IMAP_SECTION_ALL, true },
	{ "INTERNALDATE", IMAP_FETCH_INTERNALDATE, NULL, IMAP_SECTION_ALL, true },
	{ "RFC822.SIZE", IMAP_FETCH_SIZE, NULL, IMAP_SECTION_ALL, true },
	{ "MODSEQ", IMAP_FETCH_MODSEQ, NULL, IMAP_SECTION_ALL, true },
	{ "ENVELOPE", IMAP_FETCH_ENVELOPE, NULL, IMAP_SECTION_ALL, true },
	{ "BODY", IMAP_FETCH_BODY, NULL, IMAP_SECTION_ALL, true },
	{ "BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE, NULL, IMAP_SECTION_ALL, true },
	{ "RFC822", IMAP_FETCH_SECTION, "RFC822", IMAP_SECTION_ALL, false },
	{ "RFC822.HEADER", IMAP_FETCH_SECTION, "RFC822.HEADER", IMAP_SECTION_HEADER, true },
	{ "RFC822.TEXT", IMAP_FETCH_SECTION, "RFC822.TEXT", IMAP_SECTION_TEXT, false },
};

static const struct {
	const char *name;
	enum imap_section_text text;
} texts[] = {
	{ "HEADER", IMAP_SECTION_HEADER },
	{ "HEADER.FIELDS", IMAP_SECTION_FIELDS },
	{ "HEADER.FIELDS.NOT", IMAP_SECTION_FIELDS_NOT },
	{ "TEXT", IMAP_SECTION_TEXT },
	{ "MIME", IMAP_SECTION_MIME },
};

static const struct {
	const char *name;
	enum imap_fetch_kind kind[5];
	size_t n;
} macros[] = {
	{ "FAST", { IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_SIZE }, 3 },
	{ "ALL", { IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_SIZE, IMAP_FETCH_ENVELOPE }, 4 },
	{ "FULL", { IMAP_FETCH_FLAGS, IMAP_FETCH_INTERNALDATE, IMAP_FETCH_SIZE, IMAP_FETCH_ENVELOPE, IMAP_FETCH_BODY }, 5 },
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

bool imap_fetch_has(const struct imap_fetch *f, enum imap_fetch_kind kind)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->item[i].kind == kind)
			return true;
	return false;
}

void imap_fetch_add(struct imap_fetch *f, enum imap_fetch_kind kind)
{
	if (!imap_fetch_has(f, kind) && f->n < IMAP_FETCH_ITEMS_MAX)
		f->item[f->n++] = (struct imap_fetch_item){ .kind = kind, .peek = true };
}

/* "(" field names ")" */
static bool field_list(struct imap_text *t, struct imap_fetch_item *i)
{
	if (!imap_space(t) || !imap_take(t, '('))
		return false;
	i->fields = arena_alloc(t->arena, IMAP_SECTION_FIELDS_MAX * sizeof(*i->fields));
	do {
		if (i->nfields == IMAP_SECTION_FIELDS_MAX || !imap_astring(t, &i->fields[i->nfields++]))
			return false;
	} while (imap_space(t));
	return imap_take(t, ')');
}

static bool section_text(struct imap_text *t, struct imap_fetch_item *i)
{
	struct view word;
	if (!imap_atom(t, &word))
		return false;
	for (size_t k = 0; k < COUNT(texts); k++) {
		if (!view_ieqs(word, texts[k].name))
			continue;
		i->text = texts[k].text;
		if (i->text == IMAP_SECTION_MIME)
			return i->depth > 0; /* RFC 3501 6.4.5: MIME only behind numbers */
		bool fields = i->text == IMAP_SECTION_FIELDS || i->text == IMAP_SECTION_FIELDS_NOT;
		return !fields || field_list(t, i);
	}
	return false;
}

/* "[" *(number ".") [text] "]" */
static bool section(struct imap_text *t, struct imap_fetch_item *i)
{
	uint32_t number;
	i->numbers = arena_alloc(t->arena, IMAP_SECTION_DEPTH_MAX * sizeof(*i->numbers));
	while (ascii_isdigit(imap_peek(t))) {
		if (i->depth == IMAP_SECTION_DEPTH_MAX || !imap_number(t, &number) || number == 0)
			return false;
		i->numbers[i->depth++] = number;
		if (imap_take(t, ']'))
			return true;
		if (!imap_take(t, '.'))
			return false;
	}
	if (i->depth == 0 && imap_take(t, ']'))
		return true;
	return section_text(t, i) && imap_take(t, ']');
}

/* "<" offset "." count ">" */
static bool partial(struct imap_text *t, struct imap_fetch_item *i)
{
	if (!imap_take(t, '<'))
		return true;
	i->partial = true;
	return imap_number64(t, &i->offset) && imap_take(t, '.') && imap_number64(t, &i->count) && i->count > 0 && imap_take(t, '>');
}

static bool word_char(char c)
{
	return ascii_isalnum(c) || c == '.';
}

static struct view item_word(struct imap_text *t)
{
	size_t begin = t->at;
	while (word_char(imap_peek(t)))
		t->at++;
	return view_make(t->in.p + begin, t->at - begin);
}

static bool item(struct imap_text *t, struct imap_fetch *f)
{
	if (f->n == IMAP_FETCH_ITEMS_MAX)
		return false;
	struct view word = item_word(t);
	struct imap_fetch_item *i = &f->item[f->n++];
	*i = (struct imap_fetch_item){ .kind = IMAP_FETCH_SECTION };
	i->peek = view_ieqs(word, "BODY.PEEK");
	if ((i->peek || view_ieqs(word, "BODY")) && imap_take(t, '['))
		return section(t, i) && partial(t, i);
	for (size_t k = 0; k < COUNT(names); k++) {
		if (!view_ieqs(word, names[k].name))
			continue;
		*i = (struct imap_fetch_item){ .kind = names[k].kind, .label = names[k].label, .text = names[k].text, .peek = names[k].peek };
		return true;
	}
	return false;
}

static bool macro(struct imap_text *t, struct imap_fetch *f)
{
	size_t begin = t->at;
	struct view word = item_word(t);
	for (size_t k = 0; k < COUNT(macros); k++)
		if (view_ieqs(word, macros[k].name)) {
			for (size_t i = 0; i < macros[k].n; i++)
				imap_fetch_add(f, macros[k].kind[i]);
			return true;
		}
	t->at = begin;
	return false;
}

/* What answering the items costs. */
static void summarise(struct imap_fetch *f)
{
	f->header_only = true;
	for (size_t k = 0; k < f->n; k++) {
		const struct imap_fetch_item *i = &f->item[k];
		bool in_header = i->depth == 0 && i->text != IMAP_SECTION_ALL && i->text != IMAP_SECTION_TEXT;
		f->seen = f->seen || !i->peek;
		f->content = f->content || i->kind >= IMAP_FETCH_ENVELOPE;
		if (i->kind == IMAP_FETCH_BODY || i->kind == IMAP_FETCH_BODYSTRUCTURE || (i->kind == IMAP_FETCH_SECTION && !in_header))
			f->header_only = false;
	}
}

bool imap_fetch_parse(struct imap_text *t, struct imap_fetch *f)
{
	memset(f, 0, sizeof(*f));
	bool ok = true;
	if (imap_take(t, '(')) {
		do
			ok = item(t, f);
		while (ok && imap_space(t));
		ok = ok && imap_take(t, ')');
	} else if (!macro(t, f)) {
		ok = item(t, f);
	}
	summarise(f);
	return ok;
}

static const char *text_name(enum imap_section_text text)
{
	for (size_t k = 0; k < COUNT(texts); k++)
		if (texts[k].text == text)
			return texts[k].name;
	return "";
}

static bool is_atom(struct view v)
{
	struct imap_text t = { .in = v };
	struct view atom;
	return imap_atom(&t, &atom) && imap_at_end(&t);
}

static void put_section(struct buf *b, const struct imap_fetch_item *i)
{
	buf_adds(b, "BODY[");
	for (size_t k = 0; k < i->depth; k++)
		buf_printf(b, "%s%u", k ? "." : "", i->numbers[k]);
	if (i->depth > 0 && i->text != IMAP_SECTION_ALL)
		buf_addc(b, '.');
	buf_adds(b, text_name(i->text));
	for (size_t k = 0; k < i->nfields; k++) {
		buf_adds(b, k ? " " : " (");
		if (is_atom(i->fields[k]))
			buf_addv(b, i->fields[k]);
		else
			imap_put_string(b, i->fields[k]);
	}
	buf_adds(b, i->nfields ? ")]" : "]");
	if (i->partial)
		buf_printf(b, "<%llu>", (unsigned long long)i->offset);
}

void imap_put_fetch_label(struct buf *b, const struct imap_fetch_item *i)
{
	if (i->kind == IMAP_FETCH_SECTION && i->label == NULL) {
		put_section(b, i);
		return;
	}
	for (size_t k = 0; k < COUNT(names); k++)
		if (names[k].kind == i->kind && names[k].label == i->label) {
			buf_adds(b, names[k].name);
			return;
		}
}

static bool is_asked(const struct imap_fetch_item *i, struct view name)
{
	for (size_t k = 0; k < i->nfields; k++)
		if (view_ieq(i->fields[k], name))
			return true;
	return false;
}

/* The lines of the fields asked for, and the empty line (RFC 3501 6.4.5). */
static void put_fields(struct buf *b, const struct imap_fetch_item *i, struct view header)
{
	struct header_iter it;
	struct header_field f;
	header_begin(&it, header);
	while (header_next(&it, &f))
		if (f.name.n > 0 && is_asked(i, f.name) == (i->text == IMAP_SECTION_FIELDS))
			buf_addv(b, f.whole);
	buf_adds(b, "\r\n");
}

static void clip(const struct imap_fetch_item *i, size_t *at, size_t *n)
{
	if (!i->partial)
		return;
	size_t skip = i->offset < *n ? (size_t)i->offset : *n;
	*at += skip;
	*n -= skip;
	*n = i->count < *n ? (size_t)i->count : *n;
}

/* The message whose header or text is meant: the part's, or the one inside it (RFC 3501 6.4.5). */
static const struct mime_part *inner_message(const struct mime_tree *t, const struct mime_part *p)
{
	return p->kind == MIME_MESSAGE ? &t->part[p->first] : NULL;
}

/* Header and body of the message or part that the section is about. */
static bool locate(const struct imap_fetch_item *i, struct view message, const struct mime_tree *t, struct view *header, struct view *body)
{
	if (i->depth == 0) {
		*header = view_head(message, header_size(message));
		*body = view_skip(message, header->n);
		return true;
	}
	const struct mime_part *p = mime_find(t, i->numbers, i->depth);
	if (p && i->text != IMAP_SECTION_ALL && i->text != IMAP_SECTION_MIME)
		p = inner_message(t, p);
	if (p == NULL)
		return false;
	*header = mime_header(t, p);
	*body = mime_body(t, p);
	return true;
}

bool imap_section_find(const struct imap_fetch_item *i, struct view message, const struct mime_tree *tree, size_t *at, size_t *n,
	struct buf *own, bool *in_own)
{
	struct view header, body, found;
	*in_own = false;
	if (i->depth == 0 && i->text == IMAP_SECTION_ALL) {
		found = message;
	} else if (!locate(i, message, tree, &header, &body)) {
		return false;
	} else if (i->text == IMAP_SECTION_FIELDS || i->text == IMAP_SECTION_FIELDS_NOT) {
		put_fields(own, i, header);
		*in_own = true;
		*at = 0;
		*n = buf_len(own);
		clip(i, at, n);
		return true;
	} else {
		found = i->text == IMAP_SECTION_HEADER || i->text == IMAP_SECTION_MIME ? header : body;
	}
	*at = found.n ? (size_t)(found.p - message.p) : 0;
	*n = found.n;
	clip(i, at, n);
	return true;
}
