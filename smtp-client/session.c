/* SPDX-License-Identifier: ISC */
#include "smtp-client/session.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "proto/header.h"
#include "proto/xtext.h"

enum { BODY_PIECE = 64 << 10 };
enum { FLAG_8BIT = 1, FLAG_UTF8 = 2, FLAG_BINARY = 4, FLAG_FULL = 8, FLAG_HDRS = 16 };
enum { X_PIPELINING = 1, X_8BITMIME = 2, X_SMTPUTF8 = 4, X_DSN = 8, X_STARTTLS = 16, X_SIZE = 32 };

static const struct {
	const char *name;
	unsigned bit;
} extensions[] = {
	{ "PIPELINING", X_PIPELINING }, /* RFC 2920 */
	{ "8BITMIME", X_8BITMIME },     /* RFC 6152 */
	{ "SMTPUTF8", X_SMTPUTF8 },     /* RFC 6531 */
	{ "DSN", X_DSN },               /* RFC 3461 */
	{ "STARTTLS", X_STARTTLS },     /* RFC 3207 */
	{ "SIZE", X_SIZE },             /* RFC 1870 */
};

/* RFC 5321 4.5.3.2, in seconds. */
static const unsigned timeouts[] = {
	[S_BANNER] = 300, [S_EHLO] = 300, [S_HELO] = 300, [S_STARTTLS] = 120, [S_HANDSHAKE] = 120, [S_IDLE] = 5, [S_MAIL] = 300, [S_RCPT] = 300,
	[S_DATA] = 120, [S_BODY] = 180, [S_END] = 600, [S_RSET] = 20, [S_QUIT] = 5,
};

unsigned session_timeout(const struct session *s)
{
	return timeouts[s->state];
}

void session_init(struct session *s, struct view name, bool allow_tls)
{
	*s = (struct session){ .state = S_BANNER, .name = name, .allow_tls = allow_tls };
}

/* ---- fates ---- */

static void settle_one(struct mail_rcpt *r, enum mail_outcome outcome, const char *status, const char *text)
{
	if (r->outcome != MAIL_OPEN)
		return;
	r->outcome = outcome;
	(void)snprintf(r->status, sizeof r->status, "%s", status);
	(void)snprintf(r->text, sizeof r->text, "%s", text);
}

void mail_settle(struct mail *m, enum mail_outcome outcome, const char *status, const char *text)
{
	for (uint32_t i = 0; i < m->n; i++)
		settle_one(&m->rcpts[i], outcome, status, text);
}

/* What the reply says of an attempt: 2xx done; 5xx never; everything else later, also what makes no sense. */
static enum mail_outcome judge(const struct session *s)
{
	unsigned class = s->reply.code / 100;
	return class == 2 ? MAIL_DONE : class == 5 ? MAIL_NEVER : MAIL_LATER;
}

static void settle_by_reply(struct session *s, struct mail_rcpt *r, enum mail_outcome outcome)
{
	char status[16], text[500];
	reply_status(&s->reply, status);
	/* A reply of another class than the outcome: it broke the protocol (RFC 3463 3.6, X.5.0). */
	if (outcome == MAIL_LATER && status[0] != '4')
		(void)snprintf(status, sizeof status, "4.5.0");
	reply_text(&s->reply, text, sizeof text);
	if (r)
		settle_one(r, outcome, status, text);
	else
		mail_settle(s->mail, outcome, status, text);
}

void session_lost(struct session *s, const char *status, const char *text)
{
	(void)snprintf(s->why, sizeof s->why, "%s", text);
	if (s->mail)
		mail_settle(s->mail, MAIL_LATER, status, text);
	s->mail = NULL;
}

static enum session_event fail(struct session *s, const char *status, const char *what)
{
	char said[400], why[500];
	reply_text(&s->reply, said, sizeof said);
	(void)snprintf(why, sizeof why, "%s: %s", what, said);
	session_lost(s, status, why);
	return SESSION_FAILED;
}

/* ---- greeting ---- */

static void say_hello(struct session *s, const char *verb, struct buf *out)
{
	buf_adds(out, verb);
	buf_addc(out, ' ');
	buf_addv(out, s->name);
	buf_adds(out, "\r\n");
}

static enum session_event on_banner(struct session *s, struct buf *out)
{
	if (s->reply.code != 220)
		return fail(s, "4.4.0", "the greeting refuses us");
	s->state = S_EHLO;
	say_hello(s, "EHLO", out);
	return SESSION_MORE;
}

static void learn_size(struct session *s, struct view arg)
{
	uint64_t n;
	struct view word;
	if (view_word(&arg, &word) && num_u64(word, UINT64_MAX, &n))
		s->size_max = n;
}

static void learn(struct session *s)
{
	struct view rest = view_make(s->reply.text, s->reply.n), line, word;
	s->extensions = 0;
	s->size_max = 0;
	for (bool first = true; view_cut(&rest, '\n', &line); first = false) {
		if (first || !view_word(&line, &word))
			continue;
		for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
			if (view_ieqs(word, extensions[i].name))
				s->extensions |= extensions[i].bit;
		if (view_ieqs(word, "SIZE"))
			learn_size(s, line);
	}
}

static enum session_event on_ehlo(struct session *s, struct buf *out)
{
	if (s->reply.code / 100 == 5 && !s->secure) { /* RFC 5321 4.1.4 */
		s->state = S_HELO;
		say_hello(s, "HELO", out);
		return SESSION_MORE;
	}
	if (s->reply.code != 250)
		return fail(s, "4.4.0", "EHLO was refused");
	learn(s);
	if ((s->extensions & X_STARTTLS) && s->allow_tls && !s->secure) {
		s->state = S_STARTTLS;
		buf_adds(out, "STARTTLS\r\n");
		return SESSION_MORE;
	}
	s->state = S_IDLE;
	return SESSION_IDLE;
}

static enum session_event on_helo(struct session *s)
{
	if (s->reply.code != 250)
		return fail(s, "4.4.0", "HELO was refused");
	s->extensions = 0;
	s->state = S_IDLE;
	return SESSION_IDLE;
}

/* TLS is used where it can be had; a host that takes its offer back gets the mail as it would have without it. */
static enum session_event on_starttls(struct session *s)
{
	if (s->reply.code == 220) {
		s->state = S_HANDSHAKE;
		return SESSION_STARTTLS;
	}
	s->state = S_IDLE;
	return SESSION_IDLE;
}

enum session_event session_secure(struct session *s, struct buf *out)
{
	s->secure = true;
	s->extensions = 0; /* RFC 3207 4.2: what was said before is forgotten */
	s->state = S_EHLO;
	say_hello(s, "EHLO", out);
	return SESSION_MORE;
}

/* ---- a message ---- */

static bool is_8bit(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] & 0x80)
			return true;
	return false;
}

/* RFC 6531 3.2: is the extension needed, or was it only declared? */
static bool needs_utf8(const struct mail *m)
{
	if (!(m->flags & FLAG_UTF8))
		return false;
	if (is_8bit(m->sender) || is_8bit(m->headers) || is_8bit(view_head(m->content, header_size(m->content))))
		return true;
	for (uint32_t i = 0; i < m->n; i++)
		if (is_8bit(m->rcpts[i].address))
			return true;
	return false;
}

/* What this host cannot take, told at once. */
static bool refuse_here(struct session *s, struct mail *m)
{
	if (m->flags & FLAG_BINARY)
		mail_settle(m, MAIL_NEVER, "5.6.3", "the message is binary (BINARYMIME), and the next host is not offered that");
	else if (needs_utf8(m) && !(s->extensions & X_SMTPUTF8))
		mail_settle(m, MAIL_NEVER, "5.6.7", "the message needs SMTPUTF8, which the next host does not offer");
	else if (s->size_max && m->headers.n + m->content.n > s->size_max)
		mail_settle(m, MAIL_NEVER, "5.3.4", "the message is bigger than the next host takes");
	else
		return false;
	return true;
}

static void put_mail(struct session *s, struct buf *out)
{
	const struct mail *m = s->mail;
	buf_adds(out, "MAIL FROM:<");
	buf_addv(out, m->sender);
	buf_adds(out, ">");
	if (s->extensions & X_SIZE) {
		buf_adds(out, " SIZE=");
		buf_addu(out, m->headers.n + m->content.n);
	}
	if ((s->extensions & X_8BITMIME) && (m->flags & FLAG_8BIT))
		buf_adds(out, " BODY=8BITMIME");
	if ((s->extensions & X_SMTPUTF8) && (m->flags & FLAG_UTF8))
		buf_adds(out, " SMTPUTF8");
	if ((s->extensions & X_DSN) && (m->flags & (FLAG_FULL | FLAG_HDRS)))
		buf_adds(out, m->flags & FLAG_FULL ? " RET=FULL" : " RET=HDRS");
	if ((s->extensions & X_DSN) && m->envid.n) {
		buf_adds(out, " ENVID=");
		xtext_put(out, m->envid);
	}
	buf_adds(out, "\r\n");
}

static void put_notify(struct buf *out, uint8_t notify)
{
	static const char *const names[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" };
	const char *between = " NOTIFY=";
	if (notify & 1)
		notify = 1; /* RFC 3461 4.1: NEVER stands alone */
	for (unsigned i = 0; i < 4; i++)
		if (notify >> i & 1) {
			buf_adds(out, between);
			buf_adds(out, names[i]);
			between = ",";
		}
}

static void put_rcpt(struct session *s, const struct mail_rcpt *r, struct buf *out)
{
	struct view type, rest = r->orcpt;
	buf_adds(out, "RCPT TO:<");
	buf_addv(out, r->address);
	buf_adds(out, ">");
	if (s->extensions & X_DSN) {
		put_notify(out, r->notify);
		if (r->orcpt.n && view_cut(&rest, ';', &type) && rest.n) {
			buf_adds(out, " ORCPT=");
			buf_addv(out, type);
			buf_addc(out, ';');
			xtext_put(out, rest);
		}
	}
	buf_adds(out, "\r\n");
}

enum session_event session_mail(struct session *s, struct mail *m, struct buf *out)
{
	if (refuse_here(s, m))
		return SESSION_IDLE;
	s->mail = m;
	s->rcpt = s->sent = 0;
	s->data_sent = s->mail_ok = s->any = false;
	m->noted = s->extensions & X_DSN;
	s->state = S_MAIL;
	put_mail(s, out);
	if (s->extensions & X_PIPELINING) {
		for (; s->sent < m->n; s->sent++)
			put_rcpt(s, &m->rcpts[s->sent], out);
		buf_adds(out, "DATA\r\n");
		s->data_sent = true;
	}
	return SESSION_MORE;
}

/* The message is over; what the server may still think of it is reset where it may still be open. */
static enum session_event over(struct session *s, bool reset, struct buf *out)
{
	s->mail = NULL;
	if (reset) {
		s->state = S_RSET;
		buf_adds(out, "RSET\r\n");
		return SESSION_MORE;
	}
	s->state = S_IDLE;
	return SESSION_IDLE;
}

/* After MAIL or a RCPT: what comes next. */
static enum session_event go_on(struct session *s, struct buf *out)
{
	if (s->rcpt < s->mail->n && (s->mail_ok || s->data_sent)) {
		s->state = S_RCPT;
		if (s->sent == s->rcpt)
			put_rcpt(s, &s->mail->rcpts[s->sent++], out);
		return SESSION_MORE;
	}
	if (!s->data_sent && !s->any)
		return over(s, true, out);
	s->state = S_DATA;
	if (!s->data_sent) {
		s->data_sent = true;
		buf_adds(out, "DATA\r\n");
	}
	return SESSION_MORE;
}

static enum session_event on_mail(struct session *s, struct buf *out)
{
	enum mail_outcome o = judge(s);
	s->mail_ok = o == MAIL_DONE;
	if (!s->mail_ok)
		settle_by_reply(s, NULL, o);
	return go_on(s, out);
}

static enum session_event on_rcpt(struct session *s, struct buf *out)
{
	enum mail_outcome o = judge(s);
	struct mail_rcpt *r = &s->mail->rcpts[s->rcpt++];
	if (o == MAIL_DONE && s->mail_ok)
		s->any = true;
	else
		settle_by_reply(s, r, o == MAIL_DONE ? MAIL_LATER : o);
	return go_on(s, out);
}

static enum session_event on_data(struct session *s, struct buf *out)
{
	if (s->reply.code == 354) {
		s->state = S_BODY;
		if (s->any) {
			body_begin(&s->body, s->mail->headers, s->mail->content);
			return SESSION_BODY;
		}
		/* RFC 2920 3.1: nobody was accepted, and yet it waits for a message: it gets an empty one. */
		s->state = S_END;
		buf_adds(out, ".\r\n");
		return SESSION_MORE;
	}
	if (s->any)
		settle_by_reply(s, NULL, judge(s) == MAIL_NEVER ? MAIL_NEVER : MAIL_LATER);
	/* Anything but a refusal here is against the protocol: who knows what it waits for. */
	if (s->reply.code / 100 < 4)
		return fail(s, "4.5.0", "DATA was answered out of order");
	return over(s, true, out);
}

bool session_body(struct session *s, struct buf *out)
{
	if (s->state == S_BODY && body_next(&s->body, out, BODY_PIECE))
		return true;
	s->state = S_END;
	return false;
}

static enum session_event on_end(struct session *s, struct buf *out)
{
	if (s->any)
		settle_by_reply(s, NULL, judge(s));
	return over(s, false, out);
}

void session_quit(struct session *s, struct buf *out)
{
	s->state = S_QUIT;
	buf_adds(out, "QUIT\r\n");
}

/* ---- replies ---- */

static enum session_event dispatch(struct session *s, struct buf *out)
{
	if (s->reply.code == 421 && s->state != S_BANNER && s->state != S_QUIT) /* RFC 5321 3.8 */
		return fail(s, "4.4.2", "the next host is closing");
	switch (s->state) {
	case S_BANNER:
		return on_banner(s, out);
	case S_EHLO:
		return on_ehlo(s, out);
	case S_HELO:
		return on_helo(s);
	case S_STARTTLS:
		return on_starttls(s);
	case S_MAIL:
		return on_mail(s, out);
	case S_RCPT:
		return on_rcpt(s, out);
	case S_DATA:
		return on_data(s, out);
	case S_END:
		return on_end(s, out);
	case S_RSET:
		s->state = S_IDLE;
		return s->reply.code == 250 ? SESSION_IDLE : fail(s, "4.5.0", "RSET was refused");
	case S_HANDSHAKE:
	case S_IDLE:
	case S_BODY:
	case S_QUIT:
		break;
	}
	return fail(s, "4.5.0", "the next host speaks out of turn");
}

enum session_event session_feed(struct session *s, struct buf *in, struct buf *out)
{
	while (buf_len(in)) {
		int err = reply_read(&s->reply, in);
		if (err == ERR_AGAIN)
			return SESSION_MORE;
		if (err != ERR_OK) {
			session_lost(s, "4.5.0", "the next host's reply is malformed or too long");
			return SESSION_FAILED;
		}
		enum session_event e = dispatch(s, out);
		reply_reset(&s->reply);
		if (e != SESSION_MORE)
			return e;
	}
	return SESSION_MORE;
}
