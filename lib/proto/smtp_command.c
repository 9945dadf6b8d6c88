/* SPDX-License-Identifier: ISC */
#include "proto/smtp_command.h"

#include <string.h>

#include "base/num.h"
#include "proto/xtext.h"

struct smtp_line smtp_line_split(struct view line)
{
	struct smtp_line l = { .arg = line };

	if (!view_cut(&l.arg, ' ', &l.verb))
		return l;
	while (l.arg.n && l.arg.p[l.arg.n - 1] == ' ')
		l.arg.n--;
	return l;
}

bool smtp_line_has_control(struct view line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
			return true;
	return false;
}

bool smtp_line_is_foreign(struct view line)
{
	static const char *const first[] = { "GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT ", "PATCH ", "DELETE ", "TRACE ", "PROPFIND ",
		"Host:", "User-Agent:", "Content-Type:", "PROXY ", "SSH-", "PRI * HTTP/" };

	if (line.n > 2 && line.p[0] == 0x16 && line.p[1] == 0x03)
		return true;
	for (size_t i = 0; i < sizeof first / sizeof *first; i++)
		if (view_ieq(view_head(line, strlen(first[i])), view_of(first[i])))
			return true;
	return false;
}

/* ---- parameters ---- */

static const struct smtp_reply bad_mail = { 501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]" };
static const struct smtp_reply bad_rcpt = { 501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]" };
static const struct smtp_reply bad_sender = { 501, "5.1.7", "Bad sender address syntax" };
static const struct smtp_reply bad_to = { 501, "5.1.3", "Bad recipient address syntax" };
static const struct smtp_reply bad_value = { 501, "5.5.4", "Bad parameter value" };
static const struct smtp_reply twice = { 501, "5.5.4", "Parameter given twice" };
static const struct smtp_reply unknown = { 555, "5.5.4", "Unsupported parameter" };
static const struct smtp_reply need_utf8 = { 553, "5.6.7", "Address needs SMTPUTF8" };

/* One parameter: its keyword in the commands' table, and what takes its value. The value's p is NULL where no "=" stood. */
struct parameter {
	const char *keyword;
	bool (*take)(void *out, struct view value);
};

static bool take_size(void *out, struct view v)
{
	struct smtp_mail *m = out;

	/* RFC 1870 4: 1 to 20 digits; what passes 64 bits passes any limit. */
	if (!v.n || v.n > 20)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_isdigit(v.p[i]))
			return false;
	if (!num_u64(v, UINT64_MAX, &m->size))
		m->size = UINT64_MAX;
	return true;
}

static bool take_body(void *out, struct view v)
{
	struct smtp_mail *m = out;

	if (view_ieqs(v, "7BIT"))
		m->body = SMTP_BODY_7BIT;
	else if (view_ieqs(v, "8BITMIME"))
		m->body = SMTP_BODY_8BITMIME;
	else if (view_ieqs(v, "BINARYMIME"))
		m->body = SMTP_BODY_BINARYMIME;
	else
		return false;
	return true;
}

static bool take_ret(void *out, struct view v)
{
	struct smtp_mail *m = out;

	if (view_ieqs(v, "FULL"))
		m->ret = SMTP_RET_FULL;
	else if (view_ieqs(v, "HDRS"))
		m->ret = SMTP_RET_HDRS;
	else
		return false;
	return true;
}

/* xtext of at most max coded octets whose meaning is printable, into to. */
static bool take_xtext(struct view v, size_t max, char *to, size_t *n)
{
	struct buf b;

	if (!v.n || v.n > max)
		return false;
	buf_init(&b, max);
	bool ok = xtext_get(&b, v) && address_utf8_ok(buf_view(&b));
	if (ok)
		memcpy(to, buf_view(&b).p, *n = buf_len(&b));
	buf_fini(&b);
	return ok;
}

static bool take_envid(void *out, struct view v)
{
	struct smtp_mail *m = out;

	return take_xtext(v, SMTP_ENVID_MAX, m->envid, &m->envid_n);
}

static bool take_utf8(void *out, struct view v)
{
	struct smtp_mail *m = out;

	m->utf8 = true;
	return !v.p;
}

/* RFC 4954 5: who submitted it first. Only a trusted peer's word would count, and no peer's does: checked and forgotten. */
static bool take_auth(void *out, struct view v)
{
	char text[SMTP_ORCPT_MAX];
	size_t n = 0;
	struct address a;

	(void)out;
	if (!take_xtext(v, sizeof text, text, &n))
		return false;
	return view_eqs(view_make(text, n), "<>") || address_mailbox(view_make(text, n), ADDRESS_UTF8 | ADDRESS_BARE, &a);
}

static bool take_notify(void *out, struct view v)
{
	static const char *const words[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" };
	struct smtp_rcpt *r = out;
	struct view word;

	while (view_cut(&v, ',', &word)) {
		unsigned bit = 0;
		for (unsigned i = 0; i < 4; i++)
			if (view_ieqs(word, words[i]))
				bit = 1u << i;
		if (!bit || r->notify & bit)
			return false;
		r->notify |= bit;
	}
	/* RFC 3461 4.1: NEVER stands alone. */
	return r->notify && (!(r->notify & SMTP_NOTIFY_NEVER) || r->notify == SMTP_NOTIFY_NEVER);
}

/* RFC 3461 4.2, with the utf-8 type of RFC 6533: type ";" xtext. */
static bool take_orcpt(void *out, struct view v)
{
	struct smtp_rcpt *r = out;
	struct view rest = v, type;
	size_t n = 0;

	if (v.n > SMTP_ORCPT_MAX || !view_cut(&rest, ';', &type) || !type.n || !rest.n)
		return false;
	for (size_t i = 0; i < type.n; i++)
		if (!ascii_isalnum(type.p[i]) && type.p[i] != '-')
			return false;
	if (!take_xtext(rest, SMTP_ORCPT_MAX - type.n - 1, r->orcpt + type.n + 1, &n))
		return false;
	memcpy(r->orcpt, type.p, type.n);
	r->orcpt[type.n] = ';';
	r->orcpt_n = type.n + 1 + n;
	return true;
}

static const struct parameter mail_parameters[] = {
	{ "SIZE", take_size },
	{ "BODY", take_body },
	{ "SMTPUTF8", take_utf8 },
	{ "RET", take_ret },
	{ "ENVID", take_envid },
	{ "AUTH", take_auth },
	{ NULL, NULL },
};
static const struct parameter rcpt_parameters[] = {
	{ "NOTIFY", take_notify },
	{ "ORCPT", take_orcpt },
	{ NULL, NULL },
};

static const struct smtp_reply *read_parameter(struct view text, const struct parameter *table, unsigned *seen, void *out)
{
	struct view value = text, keyword;

	view_cut(&value, '=', &keyword);
	for (unsigned i = 0; table[i].keyword; i++) {
		if (!view_ieqs(keyword, table[i].keyword))
			continue;
		if (*seen & 1u << i)
			return &twice;
		*seen |= 1u << i;
		return table[i].take(out, value) ? NULL : &bad_value;
	}
	return &unknown;
}

/* The first mistake is told; a parameter that is not known, and so may mean anything, comes before what follows it. */
static const struct smtp_reply *read_parameters(struct view rest, const struct parameter *table, void *out)
{
	const struct smtp_reply *bad = NULL;
	unsigned seen = 0;
	struct view one;

	while (!bad && view_word(&rest, &one))
		bad = read_parameter(one, table, &seen, out);
	return bad;
}

/* "FROM:" or "TO:" in front of a path; a blank behind the colon is wrong (RFC 5321 3.3) but common, and harmless. */
static bool skip_prefix(struct view *arg, const char *prefix)
{
	size_t n = strlen(prefix);

	if (!view_ieq(view_head(*arg, n), view_of(prefix)))
		return false;
	*arg = view_skip(*arg, n);
	while (arg->n && arg->p[0] == ' ')
		*arg = view_skip(*arg, 1);
	return true;
}

static bool read_path(struct view *arg, unsigned form, struct address *out)
{
	return address_path(arg, form, out) && (!arg->n || arg->p[0] == ' ');
}

const struct smtp_reply *smtp_mail_read(struct view arg, unsigned form, struct smtp_mail *out)
{
	*out = (struct smtp_mail){ .size = 0 };
	if (!skip_prefix(&arg, "FROM:"))
		return &bad_mail;
	if (!read_path(&arg, form | ADDRESS_REVERSE | ADDRESS_UTF8, &out->sender))
		return &bad_sender;
	const struct smtp_reply *bad = read_parameters(arg, mail_parameters, out);
	/* Whether UTF-8 is allowed stands behind the address. */
	if (!bad && out->sender.utf8 && !out->utf8)
		bad = &need_utf8;
	return bad;
}

const struct smtp_reply *smtp_rcpt_read(struct view arg, unsigned form, struct smtp_rcpt *out)
{
	out->notify = 0;
	out->orcpt_n = 0;
	if (!skip_prefix(&arg, "TO:"))
		return &bad_rcpt;
	if (!read_path(&arg, form | ADDRESS_UTF8, &out->to))
		return &bad_to;
	if (out->to.utf8 && !(form & ADDRESS_UTF8))
		return &need_utf8;
	return read_parameters(arg, rcpt_parameters, out);
}

const struct smtp_reply *smtp_chunk_read(struct view arg, struct smtp_chunk *out)
{
	static const struct smtp_reply bad = { 501, "5.5.4", "Syntax: BDAT size [LAST]" };
	struct view size, last = VIEW_NONE, more;

	if (!view_word(&arg, &size) || !num_u64(size, INT64_MAX, &out->size))
		return &bad;
	out->last = view_word(&arg, &last);
	if ((out->last && !view_ieqs(last, "LAST")) || view_word(&arg, &more))
		return &bad;
	return NULL;
}
