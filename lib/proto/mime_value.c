/* SPDX-License-Identifier: ISC */
/* Structured values of MIME fields: words, parameters, RFC 2231. */
#include "proto/mime.h"

#include <string.h>

#include "base/num.h"
#include "proto/charset.h"

#define SEGMENTS_MAX 100 /* pieces of one continued parameter */

static char peek(const struct mime_lex *l)
{
	return l->at < l->in.n ? l->in.p[l->at] : '\0';
}

static bool at_end(const struct mime_lex *l)
{
	return l->at >= l->in.n;
}

/* Goes behind the comment that begins here, however deeply it is nested: a count, no calls. */
static void skip_comment(struct mime_lex *l)
{
	size_t depth = 0;
	do {
		char c = l->in.p[l->at++];
		if (c == '\\')
			l->at++;
		else if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
	} while (depth > 0 && !at_end(l));
	if (l->at > l->in.n)
		l->at = l->in.n;
}

void mime_skip_cfws(struct mime_lex *l)
{
	while (!at_end(l)) {
		if (peek(l) == '(')
			skip_comment(l);
		else if (ascii_isspace(peek(l)))
			l->at++;
		else
			return;
	}
}

/* RFC 2045 5.1 */
static bool is_token(char c)
{
	return ascii_isprint(c) && c != ' ' && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

struct view mime_token(struct mime_lex *l)
{
	size_t begin = l->at;
	if (at_end(l))
		return VIEW_NONE;
	while (!at_end(l) && is_token(peek(l)))
		l->at++;
	return view_make(l->in.p + begin, l->at - begin);
}

bool mime_take(struct mime_lex *l, char c)
{
	if (at_end(l) || peek(l) != c)
		return false;
	l->at++;
	return true;
}

/* What stands between the quotes (the first one is taken), quoted pairs undone and folds dropped. */
static struct view quoted(struct arena *a, struct mime_lex *l)
{
	size_t begin = l->at, n = 0;
	bool plain = true;
	while (!at_end(l) && peek(l) != '"') {
		if (peek(l) == '\\' && l->at + 1 < l->in.n)
			l->at++;
		plain = plain && l->in.p[l->at] != '\r' && l->in.p[l->at] != '\n' && l->at - begin == n;
		l->at++;
		n++;
	}
	struct view raw = view_make(l->in.p + begin, l->at - begin);
	mime_take(l, '"');
	if (plain)
		return raw;
	char *out = arena_alloc(a, raw.n + 1);
	n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.n)
			i++;
		else if (raw.p[i] == '\r' || raw.p[i] == '\n')
			continue;
		out[n++] = raw.p[i];
	}
	return view_make(out, n);
}

/* Laxer than a token: what real mail has there without quotes. */
static struct view bare(struct mime_lex *l)
{
	size_t begin = l->at;
	if (at_end(l))
		return VIEW("");
	while (!at_end(l) && !ascii_isspace(peek(l)) && peek(l) != ';' && peek(l) != '"')
		l->at++;
	return view_make(l->in.p + begin, l->at - begin);
}

static bool next_param(struct arena *a, struct mime_lex *l, struct mime_param *p)
{
	for (;;) {
		while (!at_end(l) && peek(l) != ';')
			l->at++;
		if (!mime_take(l, ';'))
			return false;
		mime_skip_cfws(l);
		p->name = mime_token(l);
		mime_skip_cfws(l);
		if (p->name.n == 0 || !mime_take(l, '='))
			continue;
		mime_skip_cfws(l);
		p->value = mime_take(l, '"') ? quoted(a, l) : bare(l);
		return true;
	}
}

/* Takes "name*12*" apart: false when it is no piece of a continued parameter. */
static bool segment(struct view name, struct view *base, uint32_t *index, bool *extended)
{
	*extended = view_ends(name, VIEW("*"));
	struct view rest = *extended ? view_head(name, name.n - 1) : name;
	size_t star = view_rfind(rest, '*');
	if (star == SIZE_MAX || star == 0)
		return false;
	*base = view_head(rest, star);
	return num_u32(view_skip(rest, star + 1), SEGMENTS_MAX - 1, index);
}

/* Joins the pieces of `base` up to the first gap. */
static struct mime_param join(struct arena *a, const struct mime_param *in, size_t n, struct view base)
{
	struct view piece[SEGMENTS_MAX] = { { NULL, 0 } };
	bool any_extended = false;
	for (size_t i = 0; i < n; i++) {
		struct view b;
		uint32_t index;
		bool extended;
		if (!segment(in[i].name, &b, &index, &extended) || !view_ieq(b, base) || piece[index].p != NULL)
			continue;
		piece[index] = in[i].value.p ? in[i].value : VIEW("");
		any_extended = any_extended || extended;
	}
	size_t total = 0, count = 0;
	while (count < SEGMENTS_MAX && piece[count].p != NULL)
		total += piece[count++].n;
	char *value = arena_alloc(a, total + 1), *name = arena_alloc(a, base.n + 1);
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		memcpy(value + at, piece[i].p, piece[i].n);
		at += piece[i].n;
	}
	memcpy(name, base.p, base.n);
	name[base.n] = '*';
	return (struct mime_param){ view_make(name, base.n + (any_extended ? 1 : 0)), view_make(value, at) };
}

static bool joined_already(const struct mime_param *out, size_t n, struct view base)
{
	for (size_t i = 0; i < n; i++)
		if (view_ieq(view_head(out[i].name, base.n), base) && out[i].name.n <= base.n + 1)
			return true;
	return false;
}

/* The parameters as they came, with the continued ones joined where their first piece stood. */
static void params_join(struct arena *a, const struct mime_param *in, size_t n, struct mime_value *v)
{
	v->params = arena_alloc(a, (n ? n : 1) * sizeof(*v->params));
	v->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct view base;
		uint32_t index;
		bool extended;
		if (!segment(in[i].name, &base, &index, &extended))
			v->params[v->n++] = in[i];
		else if (!joined_already(v->params, v->n, base))
			v->params[v->n++] = join(a, in, n, base);
	}
}

bool mime_value_parse(struct arena *a, struct view raw, bool pair, struct mime_value *v)
{
	struct mime_lex l = { .in = raw };
	*v = (struct mime_value){ 0 };
	mime_skip_cfws(&l);
	v->word = mime_token(&l);
	mime_skip_cfws(&l);
	if (v->word.n == 0 || (pair && !mime_take(&l, '/')))
		return false;
	mime_skip_cfws(&l);
	v->word2 = pair ? mime_token(&l) : VIEW_NONE;
	if (pair && v->word2.n == 0)
		return false;
	struct mime_param found[MIME_PARAMS_MAX];
	size_t n = 0;
	while (n < MIME_PARAMS_MAX && next_param(a, &l, &found[n]))
		n++;
	params_join(a, found, n, v);
	return true;
}

/* charset'language'text with %XX (RFC 2231 4): the octets of the text; what they mean is returned. */
static struct view extended_octets(struct view v, struct buf *octets)
{
	struct view rest = v, charset, language;
	view_cut(&rest, '\'', &charset);
	if (rest.p == NULL || !view_cut(&rest, '\'', &language) || rest.p == NULL) {
		rest = v;
		charset = VIEW("us-ascii");
	}
	for (size_t i = 0; i < rest.n; i++) {
		int high = i + 2 < rest.n && rest.p[i] == '%' ? ascii_hex(rest.p[i + 1]) : -1;
		if (rest.p[i] == '%' && high >= 0 && ascii_hex(rest.p[i + 2]) >= 0) {
			buf_addc(octets, (char)(high << 4 | ascii_hex(rest.p[i + 2])));
			i += 2;
		} else {
			buf_addc(octets, rest.p[i]);
		}
	}
	return charset;
}

/* The parameter; the form of RFC 2231 before the plain one, which is for those who do not know it. *extended: it has that form. */
static const struct mime_param *find_param(const struct mime_value *v, const char *name, bool *extended)
{
	const struct mime_param *plain = NULL;
	for (size_t i = 0; i < v->n; i++) {
		struct view k = v->params[i].name;
		*extended = k.n > 0 && k.p[k.n - 1] == '*' && view_ieqs(view_head(k, k.n - 1), name);
		if (*extended)
			return &v->params[i];
		if (plain == NULL && view_ieqs(k, name))
			plain = &v->params[i];
	}
	*extended = false;
	return plain;
}

bool mime_param_octets(const struct mime_value *v, const char *name, struct buf *out)
{
	bool extended;
	const struct mime_param *p = find_param(v, name, &extended);
	if (p == NULL)
		return false;
	if (extended)
		extended_octets(p->value, out);
	else
		buf_addv(out, p->value);
	return true;
}

bool mime_param_text(const struct mime_value *v, const char *name, struct buf *out)
{
	bool extended;
	const struct mime_param *p = find_param(v, name, &extended);
	if (p == NULL)
		return false;
	struct buf octets;
	buf_init(&octets, p->value.n + 1);
	struct view charset = VIEW("utf-8");
	if (extended)
		charset = extended_octets(p->value, &octets);
	charset_to_utf8(out, charset, extended ? buf_view(&octets) : p->value);
	buf_fini(&octets);
	return true;
}
