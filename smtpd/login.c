/* SPDX-License-Identifier: ISC */
/* STARTTLS (RFC 3207) and AUTH (RFC 4954). The exchange itself is auth's: here are only its base64 and its bounds. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "log/log.h"
#include "smtpd/engine.h"

enum { CODED_MAX = LINE_AUTH, RAW_MAX = 12288, LOGIN_DELAYS = 4 };

static const struct smtp_reply bad_base64 = { 501, "5.5.2", "That is no base64" };

struct view login_mechanisms(const struct session *s)
{
	/* RFC 4954 4: a password is not shown to the net. */
	bool may = s->facts.class->login && s->tls.version;

	return may ? view_of(s->facts.settings->mechanisms) : VIEW_NONE;
}

static void drop_text(struct view *v)
{
	if (v->p)
		mem_wipe((char *)v->p, v->n);
	free((char *)v->p);
	*v = VIEW_NONE;
}

static void forget_step(struct session *s)
{
	drop_text(&s->mechanism);
	drop_text(&s->response);
	s->has_initial = false;
}

void login_forget(struct session *s)
{
	forget_step(s);
	drop_text(&s->account);
	drop_text(&s->login);
	s->login_ready = false;
}

void login_abort(struct session *s)
{
	if (s->wait == WAIT_LOGIN || (s->mode == MODE_LOGIN && !s->login_ready))
		s->ops->auth_abort(s->arg);
	if (s->mode == MODE_LOGIN || s->wait == WAIT_LOGIN)
		login_forget(s);
	if (s->mode == MODE_LOGIN)
		s->mode = MODE_COMMAND;
	if (s->wait == WAIT_LOGIN)
		s->wait = WAIT_NONE;
}

/* ---- questions to auth ---- */

static bool ask_start(struct session *s)
{
	return s->ops->auth_start(s->arg, s->mechanism, s->has_initial ? &s->response : NULL);
}

static bool ask_continue(struct session *s)
{
	return s->ops->auth_continue(s->arg, s->response);
}

static bool decode(struct view coded, struct view *raw)
{
	struct buf b;

	buf_init(&b, RAW_MAX);
	bool ok = base64_get(&b, coded) && buf_ok(&b);
	if (ok)
		*raw = view_copy(buf_view(&b));
	if (b.mem)
		mem_wipe(b.mem, b.cap);
	buf_fini(&b);
	return ok;
}

/* ---- the end of an exchange ---- */

static void logged_in(struct session *s)
{
	static const struct smtp_reply welcome = { 235, "2.7.0", "Authentication successful" };

	s->login_ready = false;
	s->mode = MODE_COMMAND;
	log_info("login", LS("session", s->id), LV("account", s->account), LV("peer", s->facts.peer));
	session_reply(s, &welcome);
}

static void not_logged_in(struct session *s, const struct smtp_reply *why)
{
	s->mode = MODE_COMMAND;
	login_forget(s);
	session_error(s, why);
}

/* Guessing is slowed down: the same wait for an unknown account and a wrong password. */
static void refused(struct session *s)
{
	static const struct smtp_reply wrong = { 535, "5.7.8", "Authentication credentials invalid" };

	if (s->login_errors < LOGIN_DELAYS)
		s->login_errors++;
	not_logged_in(s, &wrong);
	s->delay += (s->login_errors - 1) * LOGIN_DELAY;
}

static void challenge(struct session *s, struct view text)
{
	buf_adds(&s->out, "334 ");
	base64_put(&s->out, text);
	buf_adds(&s->out, "\r\n");
	s->mode = MODE_LOGIN;
}

/* Logged in; what the server has to say last (RFC 4422 5) goes out as a challenge, for SMTP has no other place for it. */
static void accepted(struct session *s, const struct ipc_auth_step *m)
{
	s->account = view_copy(m->account);
	s->login = view_copy(m->login);
	s->login_time = s->ops->now(s->arg);
	if (!m->challenge.n) {
		logged_in(s);
		return;
	}
	s->login_ready = true;
	challenge(s, m->challenge);
}

void session_auth(struct session *s, const struct ipc_auth_step *m)
{
	static const struct smtp_reply later = { 454, "4.7.0", "Temporary authentication failure" };
	static const struct smtp_reply malformed = { 501, "5.5.2", "Malformed authentication exchange" };

	if (s->wait != WAIT_LOGIN)
		return;
	s->wait = WAIT_NONE;
	forget_step(s);
	if (!m || m->step == IPC_STEP_LATER)
		not_logged_in(s, &later);
	else if (m->step == IPC_STEP_IN)
		accepted(s, m);
	else if (m->step == IPC_STEP_WRONG)
		refused(s);
	else if (m->step == IPC_STEP_GO_ON)
		challenge(s, m->challenge);
	else
		not_logged_in(s, &malformed);
	session_answered(s);
}

/* ---- commands and lines ---- */

void login_line(struct session *s, struct view line)
{
	static const struct smtp_reply cancelled = { 501, "5.7.0", "Authentication cancelled" };
	bool ready = s->login_ready;

	if (view_eqs(line, "*")) {
		login_abort(s);
		session_error(s, &cancelled);
	} else if (ready && !line.n) {
		logged_in(s);
	} else if (ready || !decode(line, &s->response)) {
		login_abort(s);
		session_error(s, &bad_base64);
	} else {
		s->wait = WAIT_LOGIN;
		session_ask(s, ask_continue);
	}
}

static const struct smtp_reply *auth_allowed(const struct session *s, struct view mechanism)
{
	static const struct smtp_reply unknown = { 500, "5.5.1", "Command not known here" };
	static const struct smtp_reply tls_first = { 538, "5.7.11", "Encryption required: STARTTLS first" };
	static const struct smtp_reply twice = { 503, "5.5.1", "Logged in already" };
	static const struct smtp_reply syntax = { 501, "5.5.4", "Syntax: AUTH mechanism" };
	static const struct smtp_reply no_such = { 504, "5.5.4", "Authentication mechanism not offered" };
	struct view offered = login_mechanisms(s), one;

	if (!s->facts.class->login)
		return &unknown;
	if (!s->tls.version)
		return &tls_first;
	if (s->account.n)
		return &twice;
	if (!mechanism.n)
		return &syntax;
	while (view_word(&offered, &one))
		if (view_ieq(one, mechanism))
			return NULL;
	return &no_such;
}

void command_auth(struct session *s, struct view arg)
{
	struct view rest = arg, mechanism = VIEW_NONE, initial = VIEW_NONE;

	view_word(&rest, &mechanism);
	view_word(&rest, &initial);
	const struct smtp_reply *bad = auth_allowed(s, mechanism);
	/* "=" is the initial response of no octets. */
	if (!bad && (view_trim(rest).n || (initial.n && !view_eqs(initial, "=") && !decode(initial, &s->response))))
		bad = &bad_base64;
	if (bad) {
		session_error(s, bad);
		return;
	}
	s->has_initial = initial.n;
	s->mechanism = view_copy(mechanism);
	s->wait = WAIT_LOGIN;
	session_ask(s, ask_start);
}

void command_starttls(struct session *s, struct view arg)
{
	static const struct smtp_reply go = { 220, "2.0.0", "Ready to start TLS" };
	static const struct smtp_reply syntax = { 501, "5.5.4", "Syntax: STARTTLS" };
	static const struct smtp_reply twice = { 503, "5.5.1", "TLS is active already" };
	static const struct smtp_reply none = { 454, "4.7.0", "TLS is not available now" };
	/* RFC 3207 4.2, CVE-2011-0411: what was said before TLS must not be taken for what is said in it. */
	static const struct smtp_reply piped = { 554, "5.5.1", "Nothing may follow STARTTLS in the clear" };

	if (s->tls.version)
		session_error(s, &twice);
	else if (!s->facts.tls_offered)
		session_error(s, &none);
	else if (arg.n)
		session_error(s, &syntax);
	else if (s->more)
		session_error_end(s, &piped);
	else {
		session_reply(s, &go);
		s->starttls = true;
	}
}
