/* SPDX-License-Identifier: ISC */
#include "smtpd/message.h"

#include <string.h>

#include "base/date.h"
#include "proto/address_list.h"
#include "proto/header.h"

static void count_field(struct view name, struct message_facts *f)
{
	f->fields++;
	f->received += view_ieqs(name, "Received");
	f->froms += view_ieqs(name, "From");
	f->date = f->date || view_ieqs(name, "Date");
	f->id = f->id || view_ieqs(name, "Message-ID");
}

void message_look(struct view content, size_t max, struct message_facts *out)
{
	struct header_iter it;
	struct header_field f;

	*out = (struct message_facts){ .fields = 0 };
	header_begin(&it, view_head(content, max + 1));
	while (out->fields <= HEADER_FIELDS && header_next(&it, &f)) {
		if (!f.name.n && !out->fields) {
			out->headless = true;
			break;
		}
		count_field(f.name, out);
	}
	out->size = out->headless ? 0 : it.at;
}

/* ---- From ---- */

struct from_walk {
	message_from_fn *each;
	void *arg;
};

static bool give(void *arg, const struct address *a)
{
	struct from_walk *w = arg;

	return w->each(w->arg, address_view(a));
}

bool message_from_each(struct view content, size_t header, message_from_fn *each, void *arg)
{
	struct from_walk w = { each, arg };
	struct header_iter it;
	struct header_field f;

	header_begin(&it, view_head(content, header));
	while (header_next(&it, &f)) {
		size_t count = 0;
		if (view_ieqs(f.name, "From") && (!address_list_each(f.raw, give, &w, &count) || !count))
			return false;
	}
	return true;
}

/* ---- Received ---- */

/* In a name that the client chose, what could end a comment, an atom or a line becomes "?". */
static void put_safe(struct buf *b, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		bool safe = ascii_isalnum(v.p[i]) || (v.p[i] && strchr("-._:[]", v.p[i])) || (unsigned char)v.p[i] > 0x7f;
		buf_addc(b, safe ? v.p[i] : '?');
	}
}

/* RFC 5321 4.1.3: an address literal. */
static void put_literal(struct buf *b, struct view ip)
{
	bool six = ip.n && memchr(ip.p, ':', ip.n);

	buf_adds(b, six ? "[IPv6:" : "[");
	buf_addv(b, ip);
	buf_addc(b, ']');
}

static void put_from(struct buf *b, const struct message_trace *t)
{
	if (t->local) {
		buf_printf(b, "Received: (from user id %lu)\r\n", (unsigned long)t->uid);
		return;
	}
	buf_adds(b, "Received: from ");
	put_safe(b, t->helo);
	buf_adds(b, " (");
	put_literal(b, t->peer);
	buf_adds(b, ")\r\n");
	if (t->tls && t->tls->version)
		buf_printf(b, "\t(using %s with cipher %s (%d bits))\r\n", t->tls->version, t->tls->cipher, t->tls->bits);
}

void message_received(struct buf *b, const struct message_trace *t)
{
	put_from(b, t);
	buf_adds(b, "\tby ");
	buf_addv(b, t->hostname);
	buf_adds(b, " (Postrider)");
	if (!t->local) {
		buf_adds(b, " with ");
		buf_adds(b, t->with);
	}
	buf_adds(b, " id ");
	buf_addv(b, t->id);
	if (t->rcpt.n) {
		buf_adds(b, "\r\n\tfor <");
		buf_addv(b, t->rcpt);
		buf_addc(b, '>');
	}
	buf_adds(b, ";\r\n\t");
	date_put_rfc5322(b, t->now);
	buf_adds(b, "\r\n");
}

const char *message_with(bool extended, bool lmtp, bool tls, bool login, bool utf8)
{
	static const char *const names[2][2][4] = {
		{ { "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA" }, { "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA" } },
		{ { "LMTP", "LMTPA", "LMTPS", "LMTPSA" }, { "UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA" } },
	};

	return extended ? names[lmtp][utf8][2 * tls + login] : "SMTP";
}
