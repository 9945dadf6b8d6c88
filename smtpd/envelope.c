/* SPDX-License-Identifier: ISC */
/* MAIL and RCPT: the envelope, and who may use which address. */
#include <stdlib.h>
#include <string.h>

#include "smtpd/engine.h"

/* The lengths and numbers of a recipient in a commit, generously. */
enum { RCPT_FRAMING = 32 };
/* Envelope, content and headers of a message of common size. */
enum { SPARE_OCTETS = 16 * 1024 };

static const struct smtp_reply later = { 451, "4.3.0", "Cannot look that up now, try again later" };
/* RFC 5321 4.5.3.1.10: 452, so that the client sends the others in a further transaction. */
static const struct smtp_reply many = { 452, "4.5.3", "Too many recipients" };

/* Between the good ones and those that are not settled stand leftovers of what was moved or refused. */
static void release_rcpts(struct transaction *t)
{
	for (unsigned i = 0; i < t->good; i++)
		answer_unref(t->rcpts[i].route);
	for (unsigned i = t->settled > t->good ? t->settled : t->good; i < t->nrcpts; i++)
		answer_unref(t->rcpts[i].route);
	free(t->rcpts);
}

static void transaction_free(struct transaction *t)
{
	arena_free(t->arena);
	buf_fini(&t->content);
	buf_fini(&t->headers);
	free(t);
}

/* What the next one can use is kept, unless it is uncommonly big. */
static void transaction_spare(struct session *s, struct transaction *t)
{
	struct session_budget *b = s->facts.budget;

	if (!b || b->spares == SESSION_SPARES || arena_used(t->arena) + t->content.cap + t->headers.cap > SPARE_OCTETS) {
		transaction_free(t);
		return;
	}
	arena_reset(t->arena);
	buf_reset(&t->content);
	buf_reset(&t->headers);
	*t = (struct transaction){ .arena = t->arena, .content = t->content, .headers = t->headers };
	b->spare[b->spares++] = t;
}

static struct transaction *transaction_new(struct session *s)
{
	struct session_budget *b = s->facts.budget;
	struct transaction *t;

	if (b && b->spares)
		return b->spare[--b->spares];
	t = mem_new(sizeof *t);
	t->arena = arena_new();
	/* The scanner may add a piece of input and what it makes of it to content that is not yet written away. */
	buf_init(&t->content, CONTENT_INLINE + CONTENT_CHUNK);
	buf_init(&t->headers, 64 * 1024);
	return t;
}

void session_budget_fini(struct session_budget *b)
{
	while (b->spares)
		transaction_free(b->spare[--b->spares]);
}

void transaction_end(struct session *s)
{
	struct transaction *t = s->t;

	if (!t)
		return;
	s->t = NULL;
	if (t->file_open)
		s->ops->content_close(s->arg);
	if (t->content_file)
		s->ops->content_drop(s->arg, t->content_file);
	content_release(s, t);
	release_rcpts(t);
	free(t->from);
	transaction_spare(s, t);
	s->stage = STAGE_READY;
	if (s->mode != MODE_LONG_LINE)
		s->mode = MODE_COMMAND;
	s->unasked = NULL;
}

static void begin(struct session *s, const struct smtp_mail *m)
{
	struct transaction *t = transaction_new(s);

	t->mail = *m;
	s->ops->random(s->arg, t->commit_id, sizeof t->commit_id);
	s->t = t;
	s->stage = STAGE_MAIL;
}

/* A local part alone, from this host's own programs, is one of this host. */
static bool qualify(const struct session *s, struct address *a)
{
	size_t n = strlen(s->facts.settings->hostname);

	if (!s->facts.class->kernel || !a->n || a->domain < a->n)
		return true;
	if (a->n + 1 + n > ADDRESS_MAX)
		return false;
	a->text[a->n++] = '@';
	a->domain = a->n;
	memcpy(a->text + a->n, s->facts.settings->hostname, n);
	a->n += n;
	a->text[a->n] = '\0';
	return true;
}

static unsigned form(const struct session *s)
{
	return s->facts.class->kernel ? ADDRESS_BARE : 0;
}

static void sender_taken(struct session *s)
{
	static const struct smtp_reply taken = { 250, "2.1.0", "Ok" };

	session_reply(s, &taken);
}

static bool ask_sender(struct session *s)
{
	return s->ops->owns(s->arg, s->account, address_view(&s->t->mail.sender));
}

void sender_owned(struct session *s, unsigned outcome)
{
	static const struct smtp_reply others = { 553, "5.7.1", "This sender address is not yours" };

	s->wait = WAIT_NONE;
	if (outcome == IPC_DONE) {
		sender_taken(s);
	} else {
		session_error(s, outcome == IPC_LATER ? &later : &others);
		transaction_end(s);
	}
	session_answered(s);
}

/* A user of this host may be "user@hostname"; one who is trusted may be anybody. */
static bool kernel_user_is(const struct session *s, const struct address *a)
{
	return s->facts.user_trusted || !a->n ||
		(view_eq(address_local(a), s->facts.user) && view_ieqs(address_domain(a), s->facts.settings->hostname));
}

static const struct smtp_reply *mail_allowed(const struct session *s, const struct smtp_mail *m)
{
	static const struct smtp_reply too_big = { 552, "5.3.4", "Message too big" };
	static const struct smtp_reply login_first = { 530, "5.7.0", "Authentication required" };
	static const struct smtp_reply others = { 553, "5.7.1", "This sender address is not yours" };

	if (s->facts.class->login && !s->account.n)
		return &login_first;
	if (m->size > s->facts.settings->size_max)
		return &too_big;
	if (s->facts.class->kernel && !kernel_user_is(s, &m->sender))
		return &others;
	return NULL;
}

/* The seal of the log-in runs out: better now than when the message is complete (RFC 5321 3.8 leaves 421 to any moment). */
static bool login_is_old(struct session *s)
{
	static const struct smtp_reply again = { 421, "4.7.0", "The session has lasted too long: connect and log in again" };

	if (!s->account.n || s->ops->now(s->arg) - s->login_time < LOGIN_LIFE)
		return false;
	session_error_end(s, &again);
	return true;
}

void command_mail(struct session *s, struct view arg)
{
	if (login_is_old(s))
		return;

	struct smtp_mail m;
	const struct smtp_reply *bad = smtp_mail_read(arg, form(s), &m);
	static const struct smtp_reply too_long = { 501, "5.1.7", "Sender address too long" };

	if (!bad && !qualify(s, &m.sender))
		bad = &too_long;
	if (!bad)
		bad = mail_allowed(s, &m);
	if (bad) {
		session_error(s, bad);
		return;
	}
	begin(s, &m);
	/* The null reverse-path belongs to everybody: it makes no claim (RFC 5321 4.5.5). */
	if (!s->facts.class->login || !m.sender.n) {
		sender_taken(s);
		return;
	}
	s->wait = WAIT_SENDER;
	session_ask(s, ask_sender);
}

/* ---- recipients ---- */

static void settle_good(struct session *s, struct rcpt *r)
{
	static const struct smtp_reply taken = { 250, "2.1.5", "Ok" };

	session_reply(s, &taken);
	s->t->rcpts[s->t->good++] = *r;
}

static void settle_bad(struct session *s, const struct rcpt *r)
{
	answer_unref(r->route);
	session_error(s, r->reply);
}

/* Gives the replies that are due, in the order of the commands. */
static void settle(struct session *s)
{
	struct transaction *t = s->t;

	while (t->settled < t->nrcpts && t->rcpts[t->settled].state >= RCPT_GOOD && !s->ended) {
		struct rcpt r = t->rcpts[t->settled++];
		if (r.state == RCPT_GOOD)
			settle_good(s, &r);
		else
			settle_bad(s, &r);
	}
	if (t->settled == t->nrcpts)
		t->nrcpts = t->settled = t->good;
}

static void bad_rcpt(struct rcpt *r, const struct smtp_reply *why)
{
	r->state = RCPT_BAD;
	r->reply = why;
}

void session_recipient(struct session *s, unsigned index, unsigned outcome, struct answer *route)
{
	static const struct smtp_reply unknown = { 550, "5.1.1", "No such recipient here" };
	static const struct smtp_reply relay = { 550, "5.7.1", "Relaying is not permitted" };
	struct transaction *t = s->t;

	if (!t || index < t->settled || index >= t->nrcpts || t->rcpts[index].state != RCPT_ASKED)
		return;
	struct rcpt *r = &t->rcpts[index];
	t->asked--;
	size_t octets = r->address.n + r->orcpt.n + (route ? route->sealed.n : 0) + RCPT_FRAMING;
	if (outcome == IPC_DONE && route && octets > RCPTS_OCTETS - t->octets) {
		bad_rcpt(r, &many);
	} else if (outcome == IPC_DONE && route) {
		t->octets += octets;
		r->state = RCPT_GOOD;
		r->route = answer_ref(route);
	} else {
		bad_rcpt(r, outcome == IPC_NEVER ? &unknown : outcome == IPC_REFUSED ? &relay : &later);
	}
	settle(s);
	session_answered(s);
}

static bool ask_rcpts(struct session *s)
{
	struct transaction *t = s->t;
	bool asked = true;

	for (unsigned i = t->settled; asked && i < t->nrcpts; i++) {
		if (t->rcpts[i].state != RCPT_UNASKED)
			continue;
		/* Before the question: the answer may come from within. */
		t->rcpts[i].state = RCPT_ASKED;
		t->asked++;
		asked = s->ops->recipient(s->arg, i, t->rcpts[i].address, s->facts.class->relay);
		if (!asked) {
			t->rcpts[i].state = RCPT_UNASKED;
			t->asked--;
		}
	}
	return asked;
}

static struct rcpt *add_rcpt(struct transaction *t)
{
	if (t->nrcpts == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 4;
		t->rcpts = mem_resize(t->rcpts, t->cap * sizeof *t->rcpts);
	}
	t->rcpts[t->nrcpts] = (struct rcpt){ .state = RCPT_UNASKED };
	return &t->rcpts[t->nrcpts++];
}

void command_rcpt(struct session *s, struct view arg)
{
	static const struct smtp_reply too_long = { 501, "5.1.3", "Recipient address too long" };
	struct transaction *t = s->t;
	struct smtp_rcpt in;
	const struct smtp_reply *bad = smtp_rcpt_read(arg, form(s) | (t->mail.utf8 ? ADDRESS_UTF8 : 0), &in);

	if (!bad && !qualify(s, &in.to))
		bad = &too_long;
	if (!bad && t->nrcpts >= s->facts.settings->rcpts_max)
		bad = &many;
	struct rcpt *r = add_rcpt(t);
	t->named++;
	if (bad) {
		bad_rcpt(r, bad);
		settle(s);
		return;
	}
	r->address = arena_view(t->arena, address_view(&in.to));
	r->orcpt = arena_view(t->arena, view_make(in.orcpt, in.orcpt_n));
	r->notify = (uint8_t)in.notify;
	session_ask(s, ask_rcpts);
}
