/* SPDX-License-Identifier: ISC */
/* Long answers, piece by piece: lists, and messages with CRLF line ends, dots stuffed (RFC 1939 3). */
#include "inside.h"

/* Octets of a message a piece. Stuffed and with CR before each LF it is at most twice as many. */
#define PIECE 16384
/* Lines of a list a piece. */
#define LINES 512

void transfer_message(struct pop3 *p, const struct message_info *i, uint64_t lines)
{
	p->transfer = (struct transfer){ .what = TRANSFER_MESSAGE, .info = *i, .lines = lines, .in_header = true, .line_start = true };
}

static void finish(struct pop3 *p)
{
	buf_adds(&p->out, ".\r\n");
	p->transfer.what = TRANSFER_NONE;
}

static void list_piece(struct pop3 *p)
{
	struct transfer *t = &p->transfer;
	const struct mailbox *m = mailbox_view_mailbox(p->view);
	struct mailbox_status st = { 0 };
	struct message_info i;
	if (m)
		mailbox_status(m, &st);
	uint32_t count = mailbox_view_count(p->view), end = count - t->seq >= LINES ? t->seq + LINES : count + 1;
	for (; t->seq < end; t->seq++) {
		if (pop3_deleted(p, t->seq))
			continue;
		if (t->what == TRANSFER_UIDL)
			buf_printf(&p->out, "%u %u.%u\r\n", t->seq, st.uidvalidity, mailbox_view_uid(p->view, t->seq));
		else if (mailbox_view_info(p->view, t->seq, &i) == ERR_OK)
			buf_printf(&p->out, "%u %u\r\n", t->seq, i.size);
	}
	if (t->seq > count)
		finish(p);
}

/* One octet of the message; false when enough lines were sent. */
static bool put(struct pop3 *p, char c)
{
	struct transfer *t = &p->transfer;
	if (t->line_start && !t->in_header && t->lines == 0)
		return false;
	if (c == '\n') {
		bool empty = t->line_start;
		if (!t->cr)
			buf_addc(&p->out, '\r');
		buf_addc(&p->out, '\n');
		t->line_start = true;
		t->cr = false;
		if (!t->in_header)
			t->lines -= t->lines != UINT64_MAX;
		else if (empty)
			t->in_header = false;
		return true;
	}
	/* A CR that begins a line leaves it empty if an LF follows. */
	if (t->line_start && !t->cr && c == '.')
		buf_addc(&p->out, '.');
	buf_addc(&p->out, c);
	t->line_start = t->line_start && c == '\r' && !t->cr;
	t->cr = c == '\r';
	return true;
}

static void message_end(struct pop3 *p)
{
	if (!p->transfer.line_start || p->transfer.cr)
		buf_adds(&p->out, p->transfer.cr ? "\n" : "\r\n");
	finish(p);
}

static void message_piece(struct pop3 *p)
{
	struct transfer *t = &p->transfer;
	char piece[PIECE];
	size_t n = t->info.size - t->at < PIECE ? (size_t)(t->info.size - t->at) : PIECE;
	if (n && store_read_part(p->store, &t->info, t->at, piece, n) != ERR_OK) {
		/* After +OK nothing can be said any more: a cut connection is no whole message. */
		t->what = TRANSFER_NONE;
		p->over = true;
		return;
	}
	t->at += n;
	for (size_t i = 0; i < n; i++)
		if (!put(p, piece[i])) {
			finish(p);
			return;
		}
	if (t->at == t->info.size)
		message_end(p);
}

void transfer_run(struct pop3 *p)
{
	if (p->transfer.what == TRANSFER_MESSAGE)
		message_piece(p);
	else
		list_piece(p);
}
