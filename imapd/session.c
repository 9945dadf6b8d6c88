/* SPDX-License-Identifier: ISC */
/* The session's life: reading, dispatch, waits, jobs, writing. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/sock.h"

static void work(void *arg);
static void on_timer(void *arg);

static bool backlog(const struct session *s)
{
	return buf_len(&s->out) > SESSION_OUTPUT_SOFT;
}

/* After the client's end-of-file the clock is not set again. */
static void wait_at_most(struct session *s, uint64_t ms)
{
	if (!s->eof)
		timer_set(s->timer, ms);
}

static void want(struct session *s)
{
	unsigned w = buf_len(&s->out) > 0 ? IO_WRITE : 0;
	if (!s->eof && buf_len(&s->in) < SESSION_INPUT_MAX)
		w |= IO_READ;
	io_want(s->io, w);
}

/* ---- ends ---- */

static void command_end(struct session *s)
{
	if (s->job_free)
		s->job_free(s->job);
	s->job_free = NULL;
	s->job = NULL;
	s->step = NULL;
	s->durable = NULL;
	s->busy = s->idling = s->uid = false;
	s->no_code = s->no_text = NULL;
	s->command = NULL;
	s->tag = VIEW_NONE;
	append_abort(s);
	buf_reset(&s->code);
	arena_reset(s->arena);
	imap_next(&s->reader);
	wait_at_most(s, SESSION_IDLE_MS);
	session_wake(s);
}

static void session_free(struct session *s)
{
	struct imapd *d = s->imapd;
	store_wait_cancel(&s->wait);
	if (s->job_free)
		s->job_free(s->job);
	append_abort(s);
	mailbox_view_close(s->view);
	loop_later_cancel(d->loop, &s->run);
	io_free(s->io);
	timer_free(s->timer);
	fd_close(&s->fd);
	imap_reader_fini(&s->reader);
	buf_fini(&s->in);
	buf_fini(&s->out);
	buf_fini(&s->code);
	arena_free(s->arena);
	list_remove(&s->node);
	log_info("imap_end", LS("session", s->id), LS("account", s->account));
	free(s);
	d->count--;
	if (d->on_count)
		d->on_count(d->arg, d->count);
}

void session_bye(struct session *s, const char *text)
{
	if (s->closing)
		return;
	buf_printf(&s->out, "* BYE %s\r\n", text);
	s->closing = true;
	session_wake(s);
}

/* ---- answers ---- */

static void tagged(struct session *s, const char *status, const char *code, const char *text)
{
	buf_addv(&s->out, s->tag.n ? s->tag : VIEW("*"));
	buf_printf(&s->out, " %s ", status);
	buf_addv(&s->out, view_of(code));
	buf_adds(&s->out, text);
	buf_adds(&s->out, "\r\n");
	command_end(s);
}

static bool may_expunge(const struct session *s)
{
	return s->command == NULL || !s->command->keeps_expunges || s->uid;
}

void session_ok(struct session *s, const char *text)
{
	session_updates(s, may_expunge(s));
	s->bad = 0;
	tagged(s, "OK", buf_str(&s->code), text);
}

void session_no(struct session *s, const char *code, const char *text)
{
	session_updates(s, may_expunge(s));
	s->bad = 0;
	tagged(s, "NO", code, text);
}

void session_bad(struct session *s, const char *text)
{
	bool last = ++s->bad >= SESSION_BAD_MAX;
	tagged(s, "BAD", "", text);
	if (last)
		session_bye(s, "Too many bad commands");
}

void session_error(struct session *s, int err)
{
	static const struct {
		int err;
		const char *code, *text;
	} rows[] = {
		{ ERR_NOT_FOUND, "[NONEXISTENT] ", "No such mailbox" },
		{ ERR_EXISTS, "[ALREADYEXISTS] ", "There is a mailbox of that name" },
		{ ERR_INVALID, "[CANNOT] ", "That is no name for a mailbox" },
		{ ERR_DENIED, "[CANNOT] ", "That cannot be done to this mailbox" },
		{ ERR_LIMIT, "[LIMIT] ", "The account has as many as it may" },
		{ ERR_TOO_BIG, "[TOOBIG] ", "That is too big" },
		{ ERR_DAMAGED, "[CORRUPTION] ", "What is stored is damaged" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].err == err) {
			session_no(s, rows[i].code, rows[i].text);
			return;
		}
	log_error("imap_failed", LS("session", s->id), LS("account", s->account), LS("command", s->command ? s->command->name : ""),
		LERR("error", err));
	session_no(s, "[UNAVAILABLE] ", "Not now, try again later");
}

/* ---- waits and jobs ---- */

static void on_durable(void *arg, int err)
{
	struct session *s = arg;
	void (*fn)(struct session *) = s->durable;
	s->durable = NULL;
	s->busy = false;
	if (err != ERR_OK)
		session_error(s, err);
	else
		fn(s);
	session_wake(s);
}

void session_when_durable(struct session *s, void (*fn)(struct session *s))
{
	s->busy = true;
	s->durable = fn;
	store_flush(s->imapd->store, &s->wait, on_durable, s);
}

void session_job(struct session *s, void (*step)(struct session *s), void *job, void (*job_free)(void *job))
{
	s->busy = true;
	s->step = step;
	s->job = job;
	s->job_free = job_free;
	session_wake(s);
}

uint64_t session_slice_end(void)
{
	return clock_mono_ms() + SESSION_SLICE_MS;
}

bool session_slice_over(const struct session *s, uint64_t end)
{
	return backlog(s) || s->broken || clock_mono_ms() >= end;
}

void session_wake(struct session *s)
{
	loop_later(s->imapd->loop, &s->run);
}

/* ---- commands ---- */

static void dispatch(struct session *s)
{
	struct view name;
	struct imap_text *t = &s->text;
	if (!imap_space(t) || !imap_atom(t, &name)) {
		session_bad(s, "A command is missing");
		return;
	}
	if (view_ieqs(name, "UID")) {
		s->uid = true;
		if (!imap_space(t) || !imap_atom(t, &name))
			name = VIEW_NONE;
	}
	s->command = command_find(name);
	enum session_state state = s->view ? STATE_SELECTED : STATE_AUTHENTICATED;
	if (s->command == NULL || (s->uid && !s->command->uid))
		session_bad(s, "No such command");
	else if ((s->command->states & state) == 0)
		session_bad(s, "Select a mailbox first");
	else
		s->command->run(s);
}

static void begin(struct session *s)
{
	s->text = (struct imap_text){ .in = buf_view(&s->reader.command), .arena = s->arena };
	s->uid = false;
	s->command = NULL;
	if (s->append == NULL)
		arena_reset(s->arena);
	bool ok = imap_tag(&s->text, &s->tag) && s->tag.n <= SESSION_TAG_MAX;
	/* It outlives the command's text: when a literal is refused, and in IDLE. */
	s->tag = ok ? arena_view(s->arena, s->tag) : VIEW_NONE;
}

static void on_command(struct session *s)
{
	if (s->idling) {
		struct view line = buf_view(&s->reader.command);
		/* The command's tag was kept when IDLE began. */
		if (view_ieqs(line, "DONE"))
			session_ok(s, "Idle is over");
		else
			session_bad(s, "DONE was expected");
		return;
	}
	begin(s);
	if (s->tag.n == 0 || s->reader.nul)
		session_bad(s, s->reader.nul ? "There is a NUL in the command" : "A tag is missing");
	else
		dispatch(s);
}

static void literal_refused(struct session *s)
{
	const char *text = s->no_text;
	if (s->no_code)
		session_no(s, s->no_code, text);
	else
		session_bad(s, text);
}

/* A client that waits for our "+" gets its answer now; one that does not, when what it sends has been thrown away. */
void session_refuse_literal(struct session *s, const char *code, const char *text)
{
	s->no_code = code;
	s->no_text = text;
	if (imap_refuse(&s->reader))
		literal_refused(s);
}

static void on_literal(struct session *s)
{
	if (s->idling) {
		session_refuse_literal(s, NULL, "DONE was expected");
		return;
	}
	begin(s);
	if (append_literal(s))
		return;
	if (s->reader.size > SESSION_COMMAND_MAX - buf_len(&s->reader.command)) {
		session_refuse_literal(s, "[TOOBIG] ", "That literal is too big");
		return;
	}
	if (s->reader.sync)
		buf_adds(&s->out, "+ Go on\r\n");
	if (!imap_accept(&s->reader))
		s->broken = true;
}

static void on_too_long(struct session *s)
{
	if (s->no_text) {
		literal_refused(s);
		return;
	}
	if (s->append == NULL && !s->idling)
		begin(s);
	session_bad(s, "That command is too long");
}

static void feed(struct session *s)
{
	struct view in = buf_view(&s->in), data = VIEW_NONE;
	size_t before = in.n;
	enum imap_event e = imap_feed(&s->reader, &in, &data);
	switch (e) {
	case IMAP_LITERAL:
		on_literal(s);
		break;
	case IMAP_DATA:
		append_data(s, data);
		break;
	case IMAP_COMMAND:
		on_command(s);
		break;
	case IMAP_TOO_LONG:
		on_too_long(s);
		break;
	case IMAP_MORE:
		break;
	}
	buf_consume(&s->in, before - in.n);
}

/* ---- the turn ---- */

static void flush_out(struct session *s)
{
	size_t put;
	bool moved = false;
	while (buf_len(&s->out) > 0 && !s->broken) {
		int err = sock_write(s->fd, buf_view(&s->out), &put);
		if (err == ERR_AGAIN)
			break;
		if (err != ERR_OK) {
			s->broken = true;
			break;
		}
		buf_consume(&s->out, put);
		moved = true;
	}
	bool blocked = buf_len(&s->out) > 0;
	if (moved || blocked != s->blocked)
		wait_at_most(s, blocked ? SESSION_STUCK_MS : SESSION_IDLE_MS);
	s->blocked = blocked;
	if (!buf_ok(&s->out))
		s->broken = true;
	if (buf_len(&s->out) == 0)
		buf_shrink(&s->out);
}

/* Is there something to be done that need not wait for the client or the disk? */
static bool can_advance(const struct session *s)
{
	if (backlog(s) || s->broken)
		return false;
	/* During IDLE a line is read: DONE. */
	return s->step != NULL || ((!s->busy || s->idling) && !s->closing && buf_len(&s->in) > 0);
}

static void advance(struct session *s)
{
	if (s->step)
		s->step(s);
	else
		feed(s);
}

/* True when the session has come to its end. */
static bool is_over(const struct session *s)
{
	if (s->broken || (s->eof && s->idling))
		return true;
	return buf_len(&s->out) == 0 && (s->closing || (s->eof && !s->busy && buf_len(&s->in) == 0));
}

static void work(void *arg)
{
	struct session *s = arg;
	uint64_t end = session_slice_end();
	flush_out(s);
	while (can_advance(s)) {
		advance(s);
		if (session_slice_over(s, end))
			break;
	}
	flush_out(s);
	if (is_over(s)) {
		session_free(s);
		return;
	}
	buf_shrink(&s->in);
	if (imap_idle(&s->reader))
		buf_shrink(&s->reader.command);
	if (can_advance(s))
		session_wake(s);
	want(s);
}

static void on_ready(void *arg, unsigned ready)
{
	struct session *s = arg;
	size_t got;
	if (ready & IO_READ && !s->eof && buf_len(&s->in) < SESSION_INPUT_MAX) {
		int err = sock_read(s->fd, &s->in, SESSION_INPUT_MAX - buf_len(&s->in), &got);
		if (err != ERR_OK && err != ERR_AGAIN) {
			/* It may have closed one direction only, and still read. */
			timer_set(s->timer, SESSION_EOF_MS);
			s->eof = true;
		}
		if (err == ERR_LOST)
			s->broken = true;
	}
	work(s);
}

static void on_timer(void *arg)
{
	struct session *s = arg;
	if (buf_len(&s->out) > 0 || s->eof) {
		log_info("imap_stuck", LS("session", s->id), LS("account", s->account));
		s->broken = true;
		session_wake(s);
		return;
	}
	if (s->busy && !s->idling) {
		timer_set(s->timer, SESSION_IDLE_MS);
		return;
	}
	session_bye(s, "Nothing was said for too long");
}

static void copy_text(char *out, size_t size, struct view v)
{
	snprintf(out, size, "%.*s", (int)v.n, v.n ? v.p : "");
}

void imapd_add(struct imapd *d, const struct imapd_client *c)
{
	struct session *s = mem_new(sizeof(*s));
	s->imapd = d;
	s->fd = c->fd;
	s->run = (struct later){ .fn = work, .arg = s };
	buf_init(&s->in, SESSION_INPUT_MAX);
	buf_init(&s->out, SESSION_OUTPUT_MAX);
	buf_init(&s->code, SESSION_OUTPUT_MAX);
	imap_reader_init(&s->reader, SESSION_LINE_MAX, SESSION_COMMAND_MAX);
	s->arena = arena_new();
	copy_text(s->account, sizeof(s->account), c->account);
	copy_text(s->id, sizeof(s->id), c->id);
	copy_text(s->peer, sizeof(s->peer), c->peer);
	s->broken = fd_nonblock(s->fd) != ERR_OK;
	s->io = io_new(d->loop, s->fd, on_ready, s);
	s->timer = timer_new(d->loop, on_timer, s);
	timer_set(s->timer, SESSION_IDLE_MS);
	list_append(&d->sessions, &s->node);
	buf_addv(&s->in, view_head(c->input, SESSION_INPUT_MAX));
	log_info("imap_begin", LS("session", s->id), LS("account", s->account), LS("peer", s->peer));
	s->tag = c->tag;
	cmd_logged_in(s);
	d->count++;
	if (d->on_count)
		d->on_count(d->arg, d->count);
}

/* ---- all sessions ---- */

static void on_watch(void *arg)
{
	struct imapd *d = arg;
	LIST_EACH (it, tmp, &d->sessions) {
		struct session *s = LIST_OF(it, struct session, node);
		/* Nothing comes behind a BYE. */
		if (!s->idling || s->closing || s->view == NULL || !mailbox_view_changed(s->view) || backlog(s))
			continue;
		session_updates(s, true);
		session_wake(s);
	}
}

void imapd_init(struct imapd *d, struct loop *l, struct store *s, uint64_t message_max)
{
	*d = (struct imapd){ .loop = l, .store = s, .message_max = message_max };
	list_init(&d->sessions);
	store_watch(s, &d->watch, on_watch, d);
}

void imapd_fini(struct imapd *d)
{
	store_unwatch(&d->watch);
	d->on_count = NULL;
	LIST_EACH (it, tmp, &d->sessions)
		session_free(LIST_OF(it, struct session, node));
}

void imapd_news(struct imapd *d)
{
	int err = store_refresh(d->store);
	if (err != ERR_OK)
		log_error("store_refresh_failed", LERR("error", err));
}

void imapd_stop(struct imapd *d)
{
	LIST_EACH (it, tmp, &d->sessions)
		session_bye(LIST_OF(it, struct session, node), "The server goes down; come back soon");
}
