/* SPDX-License-Identifier: ISC */
#include "proto/dsn.h"

#include "base/date.h"

enum { TEXT_MAX = 500, LINE = 76 };

static const struct {
	const char *name;    /* RFC 3464 2.3.3 */
	const char *subject;
	const char *say;
} actions[] = {
	[DSN_FAILED] = { "failed", "Undelivered mail returned to sender",
		"Your message could not be delivered to the recipients below.\r\nIt will not be tried again." },
	[DSN_DELAYED] = { "delayed", "Delayed mail (still being tried)",
		"Your message could not yet be delivered to the recipients below.\r\nYou need not send it again: it is still being tried." },
	[DSN_DELIVERED] = { "delivered", "Your mail was delivered", "Your message was delivered to the recipients below." },
	[DSN_RELAYED] = { "relayed", "Your mail was relayed",
		"Your message was relayed to a system that gives no notice of delivery,\r\nfor the recipients below." },
	[DSN_EXPANDED] = { "expanded", "Your mail was sent on to several addresses",
		"Your message was sent on to all for whom the recipients below stand.\r\nThere will be no notice of its delivery to each of them." },
};

uint8_t dsn_of_alias(uint8_t notify, bool first)
{
	if (!(notify & DSN_SUCCESS) || (notify & DSN_NEVER))
		return notify;
	uint8_t left = notify & (DSN_FAILURE | DSN_DELAY);
	return (uint8_t)((left ? left : DSN_NEVER) | (first ? DSN_EXPAND : 0));
}

bool dsn_wanted(uint8_t notify, enum dsn_action action)
{
	if (action == DSN_EXPANDED)
		return notify & DSN_EXPAND;
	if (notify & DSN_NEVER)
		return false;
	if (notify == 0)
		return action == DSN_FAILED || action == DSN_DELAYED;
	if (action == DSN_FAILED)
		return notify & DSN_FAILURE;
	return notify & (action == DSN_DELAYED ? DSN_DELAY : DSN_SUCCESS);
}

/* Text from outside: what is not printable becomes "?", UTF-8 stays where it may, and the whole is bounded. */
static void put_safe(struct buf *b, struct view v, size_t max, bool utf8)
{
	v = view_head(v, max);
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		buf_addc(b, (c >= 0x20 && c < 0x7f) || (utf8 && c >= 0x80) ? (char)c : '?');
	}
}

/* The same, folded at blanks: each line that follows begins with `indent`. */
static void put_folded(struct buf *b, struct view v, const char *indent, size_t used)
{
	struct view word;
	bool first = true;
	v = view_head(v, TEXT_MAX);
	while (view_word(&v, &word)) {
		if (!first && used + word.n > LINE) {
			buf_adds(b, "\r\n");
			buf_adds(b, indent);
			used = 4;
		} else if (!first) {
			buf_addc(b, ' ');
			used++;
		}
		put_safe(b, word, TEXT_MAX, false);
		used += word.n;
		first = false;
	}
}

static void put_date(struct buf *b, const char *name, uint64_t t)
{
	buf_adds(b, name);
	date_put_rfc5322(b, (int64_t)t);
	buf_adds(b, "\r\n");
}

/* What the whole notification says is what its worst recipient says. */
static enum dsn_action worst(const struct dsn_recipient *r, size_t n)
{
	enum dsn_action a = DSN_EXPANDED;
	for (size_t i = 0; i < n; i++)
		if (r[i].action < a)
			a = r[i].action;
	return a;
}

static bool is_8bit(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] & 0x80)
			return true;
	return false;
}

static void put_part(struct buf *b, const struct dsn *d, const char *type, bool eight)
{
	buf_adds(b, "\r\n--");
	buf_addv(b, d->token);
	buf_adds(b, "\r\nContent-Type: ");
	buf_adds(b, type);
	buf_adds(b, "\r\nContent-Transfer-Encoding: ");
	buf_adds(b, eight ? "8bit\r\n\r\n" : "7bit\r\n\r\n");
}

/* RFC 3464 2; RFC 3834 5 asks for Auto-Submitted. */
static void put_header(struct buf *b, const struct dsn *d, enum dsn_action action)
{
	put_date(b, "Date: ", d->now);
	buf_adds(b, "From: Mail Delivery System <MAILER-DAEMON@");
	buf_addv(b, d->host);
	buf_adds(b, ">\r\nTo: <");
	put_safe(b, d->sender, 320, true);
	buf_adds(b, ">\r\nSubject: ");
	buf_adds(b, actions[action].subject);
	buf_adds(b, "\r\nMessage-ID: <");
	buf_addv(b, d->token);
	buf_addc(b, '@');
	buf_addv(b, d->host);
	buf_adds(b, ">\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		    "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
	buf_addv(b, d->token);
	buf_adds(b, "\"\r\n\r\nThis is a report in MIME format.\r\n");
}

static void put_words(struct buf *b, const struct dsn *d, const struct dsn_recipient *r, size_t n)
{
	put_part(b, d, "text/plain; charset=utf-8", true);
	buf_adds(b, "This is the mail system at ");
	buf_addv(b, d->host);
	buf_adds(b, ".\r\n");
	for (enum dsn_action a = DSN_FAILED; a <= DSN_EXPANDED; a++) {
		bool said = false;
		for (size_t i = 0; i < n; i++) {
			if (r[i].action != a)
				continue;
			if (!said) {
				buf_adds(b, "\r\n");
				buf_adds(b, actions[a].say);
				buf_adds(b, "\r\n");
				said = true;
			}
			buf_adds(b, "\r\n<");
			put_safe(b, r[i].address, 320, true);
			buf_adds(b, ">:\r\n    ");
			put_folded(b, r[i].text, "    ", 4);
			buf_adds(b, "\r\n");
		}
	}
}

static void put_address(struct buf *b, const char *field, struct view address, bool utf8)
{
	buf_adds(b, field);
	buf_adds(b, utf8 && is_8bit(address) ? "utf-8; " : "rfc822; ");
	put_safe(b, address, 320, utf8);
	buf_adds(b, "\r\n");
}

/* RFC 3461 6.3: what ORCPT said, and no such field where none was given. */
static void put_original(struct buf *b, const struct dsn *d, const struct dsn_recipient *r)
{
	struct view rest = r->orcpt, type;
	if (r->orcpt.n && view_cut(&rest, ';', &type) && rest.n) {
		buf_adds(b, "Original-Recipient: ");
		put_safe(b, type, 40, false);
		buf_adds(b, "; ");
		put_safe(b, rest, 500, d->utf8);
		buf_adds(b, "\r\n");
	}
}

/* RFC 3464 2.3. */
static void put_recipient(struct buf *b, const struct dsn *d, const struct dsn_recipient *r)
{
	buf_adds(b, "\r\n");
	put_original(b, d, r);
	put_address(b, "Final-Recipient: ", r->address, d->utf8);
	buf_adds(b, "Action: ");
	buf_adds(b, actions[r->action].name);
	buf_adds(b, "\r\nStatus: ");
	if (r->status.n)
		put_safe(b, r->status, 16, false);
	else
		buf_adds(b, r->action == DSN_FAILED ? "5.0.0" : r->action == DSN_DELAYED ? "4.0.0" : "2.0.0");
	if (r->remote.n) {
		buf_adds(b, "\r\nRemote-MTA: dns; ");
		put_safe(b, r->remote, 255, false);
		buf_adds(b, "\r\nDiagnostic-Code: smtp; ");
		put_folded(b, r->text, "    ", 23);
	} else if (r->text.n && r->action != DSN_DELIVERED && r->action != DSN_EXPANDED) {
		buf_adds(b, "\r\nDiagnostic-Code: x-postrider; ");
		put_folded(b, r->text, "    ", 30);
	}
	buf_adds(b, "\r\n");
	if (r->action == DSN_DELAYED && d->until)
		put_date(b, "Will-Retry-Until: ", d->until);
}

/* RFC 3464 2.2. */
static void put_status(struct buf *b, const struct dsn *d, const struct dsn_recipient *r, size_t n)
{
	put_part(b, d, d->utf8 ? "message/global-delivery-status" : "message/delivery-status", d->utf8);
	if (d->envid.n) {
		buf_adds(b, "Original-Envelope-Id: ");
		put_safe(b, d->envid, 100, false);
		buf_adds(b, "\r\n");
	}
	buf_adds(b, "Reporting-MTA: dns; ");
	buf_addv(b, d->host);
	buf_adds(b, "\r\nX-Postrider-Queue-ID: ");
	buf_addv(b, d->queue_id);
	buf_adds(b, "\r\n");
	put_date(b, "Arrival-Date: ", d->arrived);
	for (size_t i = 0; i < n; i++)
		put_recipient(b, d, &r[i]);
}

static void put_message(struct buf *b, const struct dsn *d)
{
	bool eight = is_8bit(d->original);
	if (d->full)
		put_part(b, d, d->utf8 ? "message/global" : "message/rfc822", eight);
	else
		put_part(b, d, d->utf8 ? "message/global-headers" : "text/rfc822-headers", eight);
	buf_addv(b, d->original);
	if (!view_ends(d->original, VIEW("\r\n")))
		buf_adds(b, "\r\n");
}

void dsn_put(struct buf *b, const struct dsn *d, const struct dsn_recipient *r, size_t n)
{
	put_header(b, d, worst(r, n));
	put_words(b, d, r, n);
	put_status(b, d, r, n);
	put_message(b, d);
	buf_adds(b, "\r\n--");
	buf_addv(b, d->token);
	buf_adds(b, "--\r\n");
}
