/* SPDX-License-Identifier: ISC */
/* A session's life, its input, its replies, and the answers it waits for. */
#include "smtpd/session.h"

#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "smtpd/engine.h"

enum { OUT_MAX = 4 * 1024 * 1024, OUT_KEPT = 1024 };

struct view view_copy(struct view v)
{
	return view_make(mem_str(v), v.n);
}

static void put_text(char *to, size_t size, struct view v)
{
	v = view_head(v, size - 1);
	if (v.n)
		memcpy(to, v.p, v.n);
	to[v.n] = '\0';
}

static void greet(struct session *s)
{
	buf_adds(&s->out, "220 ");
	buf_adds(&s->out, s->facts.settings->hostname);
	buf_adds(&s->out, s->facts.class->lmtp ? " LMTP Postrider\r\n" : " ESMTP Postrider\r\n");
}

struct session *session_new(const struct session_facts *facts, const struct session_ops *ops, void *arg)
{
	struct session *s = mem_new(sizeof *s);

	s->facts = *facts;
	s->ops = ops;
	s->arg = arg;
	put_text(s->id, sizeof s->id, facts->id);
	put_text(s->peer, sizeof s->peer, facts->peer);
	put_text(s->user, sizeof s->user, facts->user);
	s->facts.id = view_of(s->id);
	s->facts.peer = view_of(s->peer);
	s->facts.user = view_of(s->user);
	buf_init(&s->out, OUT_MAX);
	s->stage = STAGE_START;
	if (!facts->class->tls_at_once)
		greet(s);
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	login_abort(s);
	transaction_end(s);
	login_forget(s);
	free(s->helo);
	buf_fini(&s->out);
	free(s);
}

/* ---- replies ---- */

void session_reply(struct session *s, const struct smtp_reply *r)
{
	smtp_reply_put(&s->out, r);
}

static void note_reject(const struct session *s, unsigned code, struct view status, struct view text)
{
	log_info("reject", LS("session", s->id), LS("listener", s->facts.class->listener), LV("peer", s->facts.peer), LU("code", code),
		LV("status", status), LV("text", text), LV("sender", s->t ? address_view(&s->t->mail.sender) : VIEW_NONE));
}

/*
 * Each error beyond those that are free makes its answer wait longer; at the bound the session ends. LMTP clients, relays and users who have logged in
 * may well have some wrong recipients among many good ones.
 */
static void count_error(struct session *s)
{
	static const struct smtp_reply enough = { 421, "4.7.0", "Too many errors" };

	bool stranger = s->facts.class->stranger && !s->account.n;

	s->errors++;
	if (!stranger && s->errors < s->facts.settings->errors_max * FAMILIAR_FACTOR)
		return;
	if (s->errors >= s->facts.settings->errors_max) {
		session_reply(s, &enough);
		s->ended = true;
	} else if (s->errors > ERRORS_FREE) {
		s->delay += (s->errors - ERRORS_FREE) * ERROR_DELAY;
	}
}

void session_error_text(struct session *s, unsigned code, struct view status, struct view text)
{
	note_reject(s, code, status, text);
	smtp_reply_text(&s->out, code, status, text);
	count_error(s);
}

void session_error(struct session *s, const struct smtp_reply *r)
{
	session_error_text(s, r->code, view_of(r->status), view_of(r->text));
}

void session_error_end(struct session *s, const struct smtp_reply *r)
{
	note_reject(s, r->code, view_of(r->status), view_of(r->text));
	session_reply(s, r);
	s->errors++;
	s->ended = true;
}

/* ---- questions ---- */

void session_ask(struct session *s, bool (*question)(struct session *s))
{
	s->unasked = question(s) ? NULL : question;
}

void session_retry(struct session *s)
{
	if (s->unasked)
		session_ask(s, s->unasked);
}

static void say_farewell(struct session *s)
{
	smtp_reply_text(&s->out, 421, view_of(s->shut_status), view_of(s->shut_text));
	s->ended = true;
}

/* The farewell that waited, when its time has come. */
static void say_farewell_if_due(struct session *s)
{
	if (s->shut_text && !s->ended && s->wait != WAIT_COMMIT && (s->shut_now || session_idle(s)))
		say_farewell(s);
}

void session_answered(struct session *s)
{
	say_farewell_if_due(s);
}

void session_shut(struct session *s, const char *status, const char *text, bool when_idle)
{
	s->shut_status = status;
	s->shut_text = text;
	s->shut_now = !when_idle;
	say_farewell_if_due(s);
}

bool session_quit(const struct session *s)
{
	return s->quit;
}

void session_owns(struct session *s, unsigned outcome)
{
	if (s->wait == WAIT_SENDER)
		sender_owned(s, outcome);
	else if (s->wait == WAIT_FROM)
		from_owned(s, outcome);
}

void session_lost(struct session *s)
{
	if (s->wait == WAIT_LOGIN)
		session_auth(s, NULL);
	else if (s->wait == WAIT_FILE)
		session_content_opened(s, IPC_LATER, 0, VIEW("the queue manager was restarted"));
}

/* ---- input ---- */

static bool blocked(const struct session *s)
{
	return s->wait != WAIT_NONE || s->delay || s->ended || s->starttls;
}

/* RFC 5321 2.3.8: a line ends in CRLF; what ends in a bare LF may hold a command that another program did not see. */
static const struct smtp_reply bare_lf = { 500, "5.5.2", "Lines must end in CRLF" };
static const struct smtp_reply long_line = { 500, "5.5.6", "Line too long" };
static const struct smtp_reply foreign = { 554, "5.5.1", "This is a mail server" };

static void take_line(struct session *s, struct view line)
{
	if (s->mode == MODE_LOGIN)
		login_line(s, line);
	else
		command_line(s, line);
}

/* A recipient may follow others whose answers are not there; any other command waits for them. */
static bool must_wait(const struct session *s, struct view line)
{
	if (!s->t || s->t->settled == s->t->nrcpts)
		return false;
	return !view_ieq(view_head(line, 5), VIEW("RCPT ")) || s->t->asked >= RCPTS_ASKED || s->unasked;
}

static size_t input_line(struct session *s, struct view in)
{
	const char *lf = memchr(in.p, '\n', in.n);

	if (s->mode == MODE_COMMAND && in.p[0] == 0x16) {
		session_error_end(s, &foreign);
		return in.n;
	}
	if (!lf && in.n <= LINE_AUTH)
		return 0;
	if (!lf) {
		login_abort(s);
		s->mode = MODE_LONG_LINE;
		return in.n;
	}
	size_t n = (size_t)(lf - in.p) + 1;
	if (must_wait(s, view_head(in, n)))
		return 0;
	s->more = n < in.n;
	if (n < 2 || lf[-1] != '\r')
		session_error_end(s, &bare_lf);
	else if (n > (s->mode == MODE_LOGIN ? LINE_AUTH : command_line_max(view_head(in, n))))
		login_abort(s), session_error(s, &long_line);
	else
		take_line(s, view_make(in.p, n - 2));
	return n;
}

/* The rest of a line that was too long: one reply, at its end. */
static size_t input_long_line(struct session *s, struct view in)
{
	const char *lf = memchr(in.p, '\n', in.n);

	if (!lf)
		return in.n;
	s->mode = MODE_COMMAND;
	if (s->t && s->t->settled != s->t->nrcpts) {
		/* Recipients before it are still asked about: their replies come first, and the order would be lost. */
		session_error_end(s, &long_line);
		return in.n;
	}
	session_error(s, &long_line);
	return (size_t)(lf - in.p) + 1;
}

static size_t take(struct session *s, struct view in)
{
	switch (s->mode) {
	case MODE_LONG_LINE:
		return input_long_line(s, in);
	case MODE_DATA:
		return content_data(s, in);
	case MODE_CHUNK:
		return content_chunk(s, in);
	case MODE_COMMAND:
	case MODE_LOGIN:
		break;
	}
	return input_line(s, in);
}

size_t session_input(struct session *s, struct view in)
{
	size_t at = 0;

	while (at < in.n && !blocked(s)) {
		size_t k = take(s, view_skip(in, at));
		if (!k)
			break;
		at += k;
	}
	say_farewell_if_due(s);
	return at;
}

/* ---- what its user asks ---- */

struct buf *session_out(struct session *s)
{
	return &s->out;
}

enum session_state session_state(const struct session *s)
{
	if (s->ended)
		return SESSION_ENDED;
	if (s->starttls)
		return SESSION_STARTTLS;
	bool asking = s->t && s->t->settled != s->t->nrcpts;
	return s->wait != WAIT_NONE || asking ? SESSION_WAITING : SESSION_READING;
}

unsigned session_delay(const struct session *s)
{
	return s->delay;
}

void session_delayed(struct session *s)
{
	s->delay = 0;
}

bool session_content_coming(const struct session *s, uint64_t *octets)
{
	if ((s->mode != MODE_DATA && s->mode != MODE_CHUNK) || blocked(s))
		return false;
	*octets = s->t ? s->t->taken : 0;
	return true;
}

bool session_idle(const struct session *s)
{
	return !s->t && s->wait == WAIT_NONE && s->mode == MODE_COMMAND;
}

void session_secured(struct session *s, const struct session_tls *tls)
{
	s->tls = *tls;
	s->starttls = false;
	s->stage = STAGE_START;
	s->mode = MODE_COMMAND;
	s->extended = false;
	free(s->helo);
	s->helo = NULL;
	login_forget(s);
	transaction_end(s);
	if (s->facts.class->tls_at_once)
		greet(s);
}

unsigned session_messages(const struct session *s)
{
	return s->messages;
}

unsigned session_errors(const struct session *s)
{
	return s->errors;
}

struct view session_account(const struct session *s)
{
	return s->account;
}
