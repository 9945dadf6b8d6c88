/* SPDX-License-Identifier: ISC */
#include "engine.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/num.h"
#include "inside.h"

struct pop3 *pop3_new(struct store *s, void (*wake)(void *arg), void *arg)
{
	struct pop3 *p = mem_new(sizeof *p);
	p->store = s;
	p->wake = wake;
	p->arg = arg;
	buf_init(&p->in, POP3_INPUT_MAX);
	buf_init(&p->out, POP3_OUTPUT_HIGH * 4);
	return p;
}

void pop3_free(struct pop3 *p)
{
	if (!p)
		return;
	store_wait_cancel(&p->wait);
	mailbox_view_close(p->view);
	buf_fini(&p->in);
	buf_fini(&p->out);
	free(p->deleted);
	free(p);
}

void pop3_ok(struct pop3 *p, const char *text) { buf_printf(&p->out, "+OK %s\r\n", text); }
void pop3_err(struct pop3 *p, const char *text) { buf_printf(&p->out, "-ERR %s\r\n", text); }

struct buf *pop3_output(struct pop3 *p) { return &p->out; }
size_t pop3_room(const struct pop3 *p) { return POP3_INPUT_MAX - buf_len(&p->in); }
bool pop3_over(const struct pop3 *p) { return p->over; }
bool pop3_busy(const struct pop3 *p) { return p->waiting || p->transfer.what != TRANSFER_NONE; }

bool pop3_input(struct pop3 *p, struct view octets)
{
	if (octets.n > pop3_room(p))
		return false;
	buf_addv(&p->in, octets);
	return true;
}

bool pop3_deleted(const struct pop3 *p, uint32_t seq) { return p->deleted[(seq - 1) / 8] >> ((seq - 1) % 8) & 1; }

/* ---- the maildrop ---- */
static uint32_t count_size(struct pop3 *p)
{
	struct message_info i;
	uint32_t count = mailbox_view_count(p->view);
	p->size = 0;
	for (uint32_t seq = 1; seq <= count; seq++)
		if (mailbox_view_info(p->view, seq, &i) == ERR_OK)
			p->size += i.size;
	return count;
}

static void greet(void *arg, int err)
{
	struct pop3 *p = arg;
	p->waiting = false;
	if (err == ERR_OK)
		err = mailbox_view_open(p->store, VIEW("INBOX"), true, &p->view);
	if (err != ERR_OK) {
		pop3_err(p, "[SYS/TEMP] the mailbox cannot be read now");
		p->over = true;
	} else {
		uint32_t n = count_size(p);
		p->deleted = mem_new(n / 8 + 1);
		buf_printf(&p->out, "+OK logged in, %u messages\r\n", n);
	}
	p->wake(p->arg);
}

void pop3_begin(struct pop3 *p)
{
	p->waiting = true;
	if (store_refresh(p->store) == ERR_OK)
		store_flush(p->store, &p->wait, greet, p);
	else
		greet(p, ERR_IO);
}

/* ---- arguments ---- */
/* A message number that stands in the maildrop and is not marked as deleted; else says -ERR. */
static bool get_message(struct pop3 *p, struct view word, uint32_t *seq)
{
	if (!num_u32(word, UINT32_MAX, seq) || *seq == 0 || *seq > mailbox_view_count(p->view))
		pop3_err(p, "no such message");
	else if (pop3_deleted(p, *seq))
		pop3_err(p, "that message is marked as deleted");
	else
		return true;
	return false;
}

/* The same with what the store knows of it; another session may have removed it. */
static bool get_info(struct pop3 *p, struct view word, uint32_t *seq, struct message_info *i)
{
	if (!get_message(p, word, seq))
		return false;
	if (mailbox_view_info(p->view, *seq, i) == ERR_OK)
		return true;
	pop3_err(p, "another session has removed that message");
	return false;
}

/* Digits, however many: what passes 64 bits is "all". */
static bool get_lines(struct view word, uint64_t *lines)
{
	if (word.n == 0)
		return false;
	for (size_t i = 0; i < word.n; i++)
		if (!ascii_isdigit(word.p[i]))
			return false;
	if (!num_u64(word, UINT64_MAX - 1, lines))
		*lines = UINT64_MAX;
	return true;
}

/* ---- commands: args are split already, as many as the table says ---- */
static void cmd_stat(struct pop3 *p, const struct view *args, size_t n)
{
	(void)args;
	(void)n;
	buf_printf(&p->out, "+OK %u %llu\r\n", mailbox_view_count(p->view) - p->ndeleted, (unsigned long long)p->size);
}

static void cmd_list(struct pop3 *p, const struct view *args, size_t n)
{
	struct message_info i;
	uint32_t seq;
	if (n == 0) {
		buf_printf(&p->out, "+OK %u messages\r\n", mailbox_view_count(p->view) - p->ndeleted);
		p->transfer = (struct transfer){ .what = TRANSFER_LIST, .seq = 1 };
	} else if (get_info(p, args[0], &seq, &i)) {
		buf_printf(&p->out, "+OK %u %u\r\n", seq, i.size);
	}
}

/* UIDVALIDITY and UID: never the same for two messages, the same in every session (RFC 1939 7). */
static void cmd_uidl(struct pop3 *p, const struct view *args, size_t n)
{
	struct mailbox_status st = { 0 };
	uint32_t seq;
	if (n == 0) {
		pop3_ok(p, "unique-id listing follows");
		p->transfer = (struct transfer){ .what = TRANSFER_UIDL, .seq = 1 };
	} else if (get_message(p, args[0], &seq)) {
		mailbox_status(mailbox_view_mailbox(p->view), &st);
		buf_printf(&p->out, "+OK %u %u.%u\r\n", seq, st.uidvalidity, mailbox_view_uid(p->view, seq));
	}
}

static void send_message(struct pop3 *p, struct view word, uint64_t lines)
{
	struct message_info i;
	uint32_t seq;
	if (!get_info(p, word, &seq, &i))
		return;
	/* Now, while -ERR can still be said: what is sent may be deleted thereafter. */
	if (store_check(p->store, &i) != ERR_OK) {
		pop3_err(p, "[SYS/TEMP] that message cannot be read now");
		return;
	}
	buf_printf(&p->out, "+OK %u octets\r\n", i.size);
	transfer_message(p, &i, lines);
}

static void cmd_retr(struct pop3 *p, const struct view *args, size_t n)
{
	(void)n;
	send_message(p, args[0], UINT64_MAX);
}

static void cmd_top(struct pop3 *p, const struct view *args, size_t n)
{
	uint64_t lines;
	(void)n;
	if (get_lines(args[1], &lines))
		send_message(p, args[0], lines);
	else
		pop3_err(p, "TOP takes a message and a number of lines");
}

static void cmd_dele(struct pop3 *p, const struct view *args, size_t n)
{
	struct message_info i;
	uint32_t seq;
	(void)n;
	if (!get_message(p, args[0], &seq))
		return;
	p->deleted[(seq - 1) / 8] |= (uint8_t)(1 << (seq - 1) % 8);
	p->ndeleted++;
	if (mailbox_view_info(p->view, seq, &i) == ERR_OK)
		p->size -= i.size < p->size ? i.size : p->size;
	buf_printf(&p->out, "+OK message %u will be removed at QUIT\r\n", seq);
}

static void cmd_noop(struct pop3 *p, const struct view *args, size_t n)
{
	(void)args;
	(void)n;
	pop3_ok(p, "nothing done");
}

static void cmd_rset(struct pop3 *p, const struct view *args, size_t n)
{
	(void)args;
	(void)n;
	uint32_t count = count_size(p);
	for (uint32_t i = 0; i <= count / 8; i++)
		p->deleted[i] = 0;
	p->ndeleted = 0;
	pop3_ok(p, "nothing is marked as deleted");
}

static void cmd_capa(struct pop3 *p, const struct view *args, size_t n)
{
	(void)args;
	(void)n;
	buf_adds(&p->out, "+OK capabilities follow\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
							"IMPLEMENTATION Postrider\r\n.\r\n");
}

static void cmd_logged_in(struct pop3 *p, const struct view *args, size_t n)
{
	(void)args;
	(void)n;
	pop3_err(p, "already logged in");
}

/* ---- QUIT ---- */
static void quit_done(void *arg, int err)
{
	struct pop3 *p = arg;
	p->waiting = false;
	p->over = true;
	if (err == ERR_OK)
		pop3_ok(p, "bye");
	else
		pop3_err(p, "[SYS/TEMP] some deleted messages not removed");
	p->wake(p->arg);
}

static int remove_deleted(struct pop3 *p)
{
	struct uidset uids = { 0 };
	uint32_t count = mailbox_view_count(p->view);
	for (uint32_t seq = 1; seq <= count; seq++)
		if (pop3_deleted(p, seq))
			uidset_add(&uids, mailbox_view_uid(p->view, seq));
	int err = mailbox_view_expunge(p->view, &uids, true, NULL);
	uidset_fini(&uids);
	return err;
}

static void cmd_quit(struct pop3 *p, const struct view *args, size_t n)
{
	(void)args;
	(void)n;
	p->waiting = true;
	if (p->ndeleted == 0) {
		quit_done(p, ERR_OK);
		return;
	}
	int err = remove_deleted(p);
	if (err == ERR_OK)
		store_flush(p->store, &p->wait, quit_done, p);
	else
		quit_done(p, err);
}

/* ---- lines ---- */
static const struct command {
	const char *name;
	void (*fn)(struct pop3 *p, const struct view *args, size_t n);
	size_t least, most; /* arguments */
} commands[] = {
	{ "STAT", cmd_stat, 0, 0 },
	{ "LIST", cmd_list, 0, 1 },
	{ "RETR", cmd_retr, 1, 1 },
	{ "DELE", cmd_dele, 1, 1 },
	{ "NOOP", cmd_noop, 0, 0 },
	{ "RSET", cmd_rset, 0, 0 },
	{ "QUIT", cmd_quit, 0, 0 },
	{ "TOP", cmd_top, 2, 2 },
	{ "UIDL", cmd_uidl, 0, 1 },
	{ "CAPA", cmd_capa, 0, 0 },
	{ "USER", cmd_logged_in, 0, 2 },
	{ "PASS", cmd_logged_in, 0, 2 },
	{ "AUTH", cmd_logged_in, 0, 2 },
	{ "APOP", cmd_logged_in, 0, 2 },
	{ "STLS", cmd_logged_in, 0, 0 },
};

static void bad(struct pop3 *p, const char *text)
{
	if (++p->errors < POP3_ERRORS_MAX) {
		pop3_err(p, text);
		return;
	}
	pop3_err(p, "too many bad commands");
	p->over = true;
}

static void run_line(struct pop3 *p, struct view line)
{
	struct view name = VIEW_NONE, args[3];
	size_t n = 0;
	(void)view_word(&line, &name);
	while (n < 3 && view_word(&line, &args[n]))
		n++;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		const struct command *c = &commands[i];
		if (!view_ieqs(name, c->name))
			continue;
		if (n < c->least || n > c->most)
			bad(p, "wrong number of arguments");
		else
			c->fn(p, args, n);
		return;
	}
	bad(p, "unknown command");
}

/* Takes one line off the input; false when none is complete. A line ends in LF; a CR before it is part of the end. */
static bool next_line(struct pop3 *p, struct view *line)
{
	struct view in = buf_view(&p->in);
	size_t end = view_find(in, '\n');
	if (end == SIZE_MAX) {
		if (in.n >= POP3_LINE_MAX) {
			p->skipping = true;
			buf_reset(&p->in);
		}
		return false;
	}
	*line = view_head(in, end);
	if (view_ends(*line, VIEW("\r")))
		line->n--;
	return true;
}

static bool run_next(struct pop3 *p)
{
	struct view line;
	if (!next_line(p, &line))
		return false;
	size_t used = view_find(buf_view(&p->in), '\n') + 1;
	if (p->skipping || used > POP3_LINE_MAX)
		bad(p, "line too long");
	else
		run_line(p, line);
	p->skipping = false;
	buf_consume(&p->in, used);
	return true;
}

void pop3_run(struct pop3 *p)
{
	while (!p->over && !p->waiting && buf_len(&p->out) < POP3_OUTPUT_HIGH) {
		if (p->transfer.what != TRANSFER_NONE)
			transfer_run(p);
		else if (!run_next(p))
			break;
	}
}
