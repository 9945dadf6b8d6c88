/* SPDX-License-Identifier: ISC */
/*
 * DATA and BDAT: content comes in through the scanner, stays in memory while it is small and goes to a file of qmgr's when it is not; at its end
 * it is judged, gets its trace field, and is handed in. The order of the judgements is: line ends, NUL, lengths; then the header; then whose the
 * header From is; each with one reply (in LMTP one for each recipient, RFC 2033 4.2).
 */
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/num.h"
#include "log/log.h"
#include "smtpd/engine.h"
#include "smtpd/message.h"

static const struct smtp_reply bare = { 550, "5.5.2", "A CR or LF stands alone in the message" };
static const struct smtp_reply nul = { 550, "5.6.0", "The message holds a NUL" };
static const struct smtp_reply too_big = { 552, "5.3.4", "Message too big" };
static const struct smtp_reply line_too_long = { 552, "5.3.4", "A line of the message is too long" };
static const struct smtp_reply big_header = { 552, "5.3.4", "The message's header is too big" };
static const struct smtp_reply no_space = { 452, "4.3.1", "No space for the message now, try again later" };
static const struct smtp_reply no_rcpts = { 554, "5.5.1", "No valid recipients" };
static const struct smtp_reply no_rcpt = { 503, "5.5.1", "Need RCPT first" };

/* ---- the end of a message ---- */

/* In LMTP each accepted recipient gets the reply (RFC 2033 4.2). */
static unsigned replies(const struct session *s)
{
	return s->facts.class->lmtp ? s->t->good : 1;
}

static void refuse(struct session *s, unsigned code, struct view status, struct view text)
{
	unsigned n = replies(s);

	session_error_text(s, code, status, text);
	for (unsigned i = 1; i < n; i++)
		smtp_reply_text(&s->out, code, status, text);
	transaction_end(s);
}

static void refuse_with(struct session *s, const struct smtp_reply *r)
{
	refuse(s, r->code, view_of(r->status), view_of(r->text));
}

static void note_queued(const struct session *s, struct view queue_id)
{
	const struct transaction *t = s->t;

	log_info("queued", LS("session", s->id), LV("queue_id", queue_id), LV("sender", address_view(&t->mail.sender)),
		LV("rcpt", t->rcpts[0].address), LU("rcpts", t->good), LU("size", t->scan.size), LV("account", s->account));
}

static void put_queued(struct session *s, struct view queue_id)
{
	for (unsigned i = replies(s); i; i--) {
		buf_adds(&s->out, "250 2.0.0 Ok: queued as ");
		buf_addv(&s->out, queue_id);
		buf_adds(&s->out, "\r\n");
	}
}

void session_committed(struct session *s, const struct ipc_committed *m)
{
	struct view reason = m->reason.n ? m->reason : VIEW("Cannot be queued now, try again later");
	bool full = view_eqs(m->status, "4.3.1");

	if (s->wait != WAIT_COMMIT)
		return;
	s->wait = WAIT_NONE;
	if (m->outcome == IPC_DONE) {
		/* The file is the message's now. */
		s->t->content_file = 0;
		note_queued(s, m->queue_id);
		put_queued(s, m->queue_id);
		s->messages++;
		s->errors = 0;
		transaction_end(s);
	} else if (m->outcome == IPC_LATER) {
		refuse(s, full ? 452 : 451, m->status.n ? m->status : VIEW("4.3.0"), reason);
	} else {
		refuse(s, 550, m->status.n ? m->status : VIEW("5.0.0"), reason);
	}
	session_answered(s);
}

static uint32_t flags(const struct session *s)
{
	const struct smtp_mail *m = &s->t->mail;

	return (uint32_t)((m->body == SMTP_BODY_8BITMIME ? 1 : 0) | (m->utf8 ? 2 : 0) | (m->body == SMTP_BODY_BINARYMIME ? 4 : 0) |
		(m->ret == SMTP_RET_FULL ? 8 : 0) | (m->ret == SMTP_RET_HDRS ? 16 : 0) | (s->facts.class->kernel ? 32 : 0) |
		(s->facts.class->networks ? 64 : 0));
}

static bool put_rcpts(const struct transaction *t, struct buf *b)
{
	for (unsigned i = 0; i < t->good; i++) {
		const struct rcpt *r = &t->rcpts[i];
		struct ipc_rcpt m = { .address = r->address, .orcpt = r->orcpt, .notify = r->notify, .route = r->route->sealed };
		if (ipc_rcpt_put(b, &m) != ERR_OK)
			return false;
	}
	return buf_ok(b);
}

static bool ask_commit(struct session *s)
{
	struct transaction *t = s->t;
	struct buf rcpts;
	struct ipc_commit m = { .commit_id = view_make(t->commit_id, sizeof t->commit_id), .session = view_of(s->id),
		.sender = address_view(&t->mail.sender), .flags = flags(s), .envid = view_make(t->mail.envid, t->mail.envid_n),
		.login = s->login, .peer = view_of(s->peer), .headers = buf_view(&t->headers), .content_file = t->content_file,
		.size = t->content_file ? t->size : buf_len(&t->content), .sum = t->sum };

	buf_init(&rcpts, RCPTS_OCTETS);
	INVARIANT(put_rcpts(t, &rcpts));
	m.rcpts = (struct ipc_list){ buf_view(&rcpts), t->good };
	if (!t->content_file)
		m.content = buf_view(&t->content);
	bool asked = s->ops->commit(s->arg, &m);
	buf_fini(&rcpts);
	return asked;
}

void content_commit(struct session *s)
{
	s->wait = WAIT_COMMIT;
	session_ask(s, ask_commit);
}

/* ---- the fields put before the content ---- */

static void put_received(struct session *s)
{
	struct transaction *t = s->t;
	struct message_trace trace = {
		.helo = view_of(s->helo), .peer = view_of(s->peer), .id = view_of(s->id), .hostname = view_of(s->facts.settings->hostname),
		.rcpt = t->good == 1 ? t->rcpts[0].address : VIEW_NONE, .tls = &s->tls, .local = s->facts.class->kernel,
		.uid = s->facts.uid, .now = s->ops->now(s->arg),
		.with = message_with(s->extended, s->facts.class->lmtp, s->tls.version, s->account.n, t->mail.utf8),
	};

	message_received(&t->headers, &trace);
}

/* RFC 6409 8.1 to 8.3. */
static void put_missing(struct session *s)
{
	struct transaction *t = s->t;

	if (!t->has_from) {
		buf_adds(&t->headers, "From: <");
		buf_addv(&t->headers, t->mail.sender.n ? address_view(&t->mail.sender) : s->account);
		buf_adds(&t->headers, ">\r\n");
	}
	if (!t->has_date) {
		buf_adds(&t->headers, "Date: ");
		date_put_rfc5322(&t->headers, s->ops->now(s->arg));
		buf_adds(&t->headers, "\r\n");
	}
	if (!t->has_id) {
		buf_adds(&t->headers, "Message-ID: <");
		buf_addhex(&t->headers, t->commit_id, sizeof t->commit_id);
		buf_addc(&t->headers, '@');
		buf_adds(&t->headers, s->facts.settings->hostname);
		buf_adds(&t->headers, ">\r\n");
	}
}

static void hand_in(struct session *s)
{
	put_received(s);
	if (s->facts.class->complete)
		put_missing(s);
	/* What is no header must not become a part of ours. */
	if (s->t->headless)
		buf_adds(&s->t->headers, "\r\n");
	content_commit(s);
}

/* ---- whose is the header From? ---- */

static bool keep_from(void *arg, struct view address)
{
	struct transaction *t = arg;

	if (t->nfrom == HEADER_FIELDS)
		return false;
	/* Doubled whenever a power of two is full. */
	if (!(t->nfrom & (t->nfrom - 1)))
		t->from = mem_resize(t->from, (t->nfrom ? 2 * (size_t)t->nfrom : 1) * sizeof *t->from);
	t->from[t->nfrom++] = arena_view(t->arena, address);
	return true;
}

static bool ask_from(struct session *s)
{
	return s->ops->owns(s->arg, s->account, s->t->from[s->t->from_at]);
}

static void check_from(struct session *s)
{
	if (!s->facts.class->login || s->t->from_at == s->t->nfrom) {
		hand_in(s);
		return;
	}
	s->wait = WAIT_FROM;
	session_ask(s, ask_from);
}

void from_owned(struct session *s, unsigned outcome)
{
	static const struct smtp_reply others = { 550, "5.7.1", "An address in the From field is not yours" };
	static const struct smtp_reply later = { 451, "4.3.0", "Cannot look that up now, try again later" };

	s->wait = WAIT_NONE;
	if (outcome == IPC_DONE) {
		s->t->from_at++;
		check_from(s);
	} else {
		refuse_with(s, outcome == IPC_LATER ? &later : &others);
	}
	session_answered(s);
}

/* ---- judging ---- */

/* Once, while the whole header is still in memory (settings: header_max is at most CONTENT_INLINE). */
static void look_at_header(struct session *s)
{
	static const struct smtp_reply loop = { 554, "5.4.6", "Too many hops, this mail is going in circles" };
	static const struct smtp_reply bad_from = { 550, "5.7.1", "The From field cannot be read" };
	struct transaction *t = s->t;
	struct message_facts f;

	t->header_seen = true;
	message_look(buf_view(&t->content), s->facts.settings->header_max, &f);
	t->has_date = f.date;
	t->has_id = f.id;
	t->has_from = f.froms;
	t->headless = f.headless;
	if (f.size > s->facts.settings->header_max || f.fields > HEADER_FIELDS)
		t->refused = &big_header;
	else if (f.received > RECEIVED_MAX)
		t->refused = &loop;
	else if (s->facts.class->login && !message_from_each(buf_view(&t->content), f.size, keep_from, t))
		t->refused = &bad_from;
}

static const struct smtp_reply *verdict(const struct transaction *t)
{
	bool lone = t->scan.flags & (SCAN_BARE_CR | SCAN_BARE_LF) && !t->scan.normalize;

	if (lone)
		return &bare;
	if (t->scan.flags & SCAN_NUL)
		return &nul;
	if (t->scan.flags & SCAN_TOO_BIG)
		return &too_big;
	if (t->scan.flags & SCAN_LONG_LINE)
		return &line_too_long;
	return t->refused ? t->refused : t->failed ? &no_space : NULL;
}

/* Writes away what was gathered. */
static void write_content(struct session *s)
{
	struct transaction *t = s->t;
	struct view v = buf_view(&t->content);

	if (!t->failed && v.n) {
		int err = s->ops->content_write(s->arg, v);
		t->failed = err != ERR_OK;
		if (err != ERR_OK)
			log_warn("content_not_written", LS("session", s->id), LERR("error", err));
	}
	t->sum = crc32c(t->sum, v.p, v.n);
	t->size += v.n;
	buf_reset(&t->content);
}

static void end_of_content(struct session *s)
{
	struct transaction *t = s->t;

	s->mode = MODE_COMMAND;
	if (t->content_file) {
		write_content(s);
		s->ops->content_close(s->arg);
		t->file_open = false;
	} else {
		t->sum = crc32c(0, buf_view(&t->content).p, buf_len(&t->content));
	}
	if (!t->header_seen && !smtp_scan_refused(&t->scan))
		look_at_header(s);
	const struct smtp_reply *bad = verdict(t);
	if (!bad) {
		check_from(s);
		return;
	}
	refuse_with(s, bad);
	/* What stands behind such a message may be meant for somebody else (smuggling): nothing of it is read. */
	if (bad == &bare)
		s->ended = true;
}

/* ---- the shared budget ---- */

static void set_held(struct session *s, struct transaction *t, size_t octets)
{
	struct session_budget *b = s->facts.budget;

	if (b)
		b->held = b->held - t->held + octets;
	t->held = octets;
}

void content_release(struct session *s, struct transaction *t)
{
	set_held(s, t, 0);
}

static bool budget_spent(const struct session *s)
{
	const struct session_budget *b = s->facts.budget;

	return b && b->held > b->max;
}

/* ---- content on its way ---- */

static void end_of_chunk(struct session *s);

static bool ask_file(struct session *s)
{
	uint64_t size = s->t->mail.size;

	return s->ops->content_open(s->arg, size <= s->facts.settings->size_max ? size : 0);
}

void session_content_opened(struct session *s, unsigned outcome, uint64_t content, struct view reason)
{
	if (s->wait != WAIT_FILE)
		return;
	s->wait = WAIT_NONE;
	if (outcome == IPC_DONE) {
		s->t->content_file = content;
		s->t->file_open = true;
		write_content(s);
	} else {
		log_warn("content_file_refused", LS("session", s->id), LV("reason", reason));
		s->t->failed = true;
		buf_reset(&s->t->content);
	}
	if (s->mode == MODE_CHUNK && !s->chunk_left)
		end_of_chunk(s);
	session_answered(s);
}

/* Keeps the memory of one message bounded. What will be refused anyway is not kept at all. */
static void bound_content(struct session *s)
{
	struct transaction *t = s->t;

	if (t->failed || smtp_scan_refused(&t->scan) || t->refused)
		buf_fini(&t->content);
	set_held(s, t, t->content.cap);
	if (!t->content.cap)
		return;
	if (t->file_open) {
		if (buf_len(&t->content) >= CONTENT_CHUNK)
			write_content(s);
		return;
	}
	if (buf_len(&t->content) <= CONTENT_INLINE)
		return;
	if (!t->header_seen)
		look_at_header(s);
	if (t->refused)
		return;
	s->wait = WAIT_FILE;
	session_ask(s, ask_file);
}

/* A piece of input that may grow twofold always has room: CONTENT_INLINE + CONTENT_CHUNK is the buffer's maximum. */
enum { PIECE = CONTENT_CHUNK / 2 - 2 };

static void begin_content(struct session *s, bool dots)
{
	struct transaction *t = s->t;
	const struct settings *c = s->facts.settings;

	if (t->begun)
		return;
	t->begun = true;
	smtp_scan_init(&t->scan, dots, t->mail.body == SMTP_BODY_BINARYMIME, c->normalize, c->line_max, c->size_max);
}

size_t content_data(struct session *s, struct view in)
{
	struct transaction *t = s->t;
	size_t k = smtp_scan(&t->scan, view_head(in, PIECE), &t->content);

	t->taken += k;
	if (t->scan.state == SCAN_END)
		end_of_content(s);
	else
		bound_content(s);
	return k;
}

static const struct smtp_reply *needs_rcpts(const struct session *s)
{
	if (s->t->good)
		return NULL;
	return s->t->named ? &no_rcpts : &no_rcpt;
}

void command_data(struct session *s, struct view arg)
{
	static const struct smtp_reply go = { 354, NULL, "End data with <CR><LF>.<CR><LF>" };
	static const struct smtp_reply binary = { 503, "5.5.1", "BINARYMIME needs BDAT" };
	static const struct smtp_reply syntax = { 501, "5.5.4", "Syntax: DATA" };
	const struct smtp_reply *bad = needs_rcpts(s);

	if (!bad && budget_spent(s))
		bad = &no_space;
	if (arg.n)
		bad = &syntax;
	/* RFC 3030 3. */
	if (!bad && s->t->mail.body == SMTP_BODY_BINARYMIME)
		bad = &binary;
	if (bad) {
		session_error(s, bad);
		return;
	}
	begin_content(s, true);
	s->mode = MODE_DATA;
	session_reply(s, &go);
}

/* ---- BDAT ---- */

static void end_of_chunk(struct session *s)
{
	static const struct smtp_reply more = { 250, "2.0.0", "Ok: chunk taken" };
	const struct smtp_reply *bad = s->chunk_bad;

	s->mode = MODE_COMMAND;
	if (bad) {
		s->chunk_bad = NULL;
		session_error(s, bad);
		/* RFC 3030 2: nothing may be made of a message that lacks a chunk. */
		if (s->stage == STAGE_CHUNKS)
			transaction_end(s);
	} else if (s->chunk_last) {
		smtp_scan_last(&s->t->scan, &s->t->content);
		end_of_content(s);
	} else {
		session_reply(s, &more);
	}
}

size_t content_chunk(struct session *s, struct view in)
{
	in = view_head(view_head(in, PIECE), s->chunk_left > SIZE_MAX ? SIZE_MAX : (size_t)s->chunk_left);
	s->chunk_left -= in.n;
	if (s->t)
		s->t->taken += in.n;
	if (!s->chunk_bad) {
		smtp_scan(&s->t->scan, in, &s->t->content);
		bound_content(s);
	}
	/* With a file still to be opened the end waits for it: session_content_opened. */
	if (!s->chunk_left && s->wait != WAIT_FILE)
		end_of_chunk(s);
	return in.n;
}

static const struct smtp_reply *chunk_out_of_place(const struct session *s)
{
	static const struct smtp_reply bad_sequence = { 503, "5.5.1", "Bad sequence of commands" };

	if (s->stage != STAGE_MAIL && s->stage != STAGE_CHUNKS)
		return &bad_sequence;
	if (s->stage == STAGE_MAIL && budget_spent(s))
		return &no_space;
	return needs_rcpts(s);
}

/*
 * A chunk follows its command at once, so its octets must be read whatever is wrong (RFC 3030 2); but not without end, and none when their number
 * is not known.
 */
void command_bdat(struct session *s, struct view arg)
{
	struct smtp_chunk c;
	const struct smtp_reply *bad = smtp_chunk_read(arg, &c);

	if (bad || c.size > CHUNK_READ) {
		session_error_end(s, bad ? bad : &too_big);
		return;
	}
	s->chunk_bad = chunk_out_of_place(s);
	if (!s->chunk_bad) {
		s->stage = STAGE_CHUNKS;
		begin_content(s, false);
		if (c.size > s->t->scan.size_max - s->t->scan.size)
			s->chunk_bad = &too_big;
	}
	s->chunk_left = c.size;
	s->chunk_last = c.last;
	s->mode = MODE_CHUNK;
	if (!c.size)
		end_of_chunk(s);
}
