/* SPDX-License-Identifier: ISC */
/* COPY, MOVE (RFC 6851) and EXPUNGE, with UIDPLUS (RFC 4315). */
#include "session.h"

#include "proto/imap_name.h"

static void put_copyuid(struct buf *b, const struct store_copy_result *r)
{
	buf_printf(b, "[COPYUID %u ", r->uidvalidity);
	uidset_put_text(b, &r->from);
	buf_printf(b, " %u", r->to_first);
	if (r->to_last != r->to_first)
		buf_printf(b, ":%u", r->to_last);
	buf_adds(b, "] ");
}

static void copied(struct session *s)
{
	session_ok(s, "Copied");
}

/* RFC 6851 4.3: where they went is told before they vanish. */
static void moved(struct session *s)
{
	if (buf_len(&s->code) > 0)
		buf_printf(&s->out, "* OK %sMoved\r\n", buf_str(&s->code));
	buf_reset(&s->code);
	session_ok(s, "Moved");
}

static void copy_or_move(struct session *s, struct view name, const struct imap_set *set, bool move)
{
	struct uidset uids;
	struct store_copy_result r = { 0 };
	set_uids(s, set, &uids);
	int err = mailbox_view_copy(s->view, &uids, name, move, &r);
	uidset_fini(&uids);
	if (err == ERR_OK && r.to_first != 0)
		put_copyuid(&s->code, &r);
	uidset_fini(&r.from);
	if (err == ERR_NOT_FOUND)
		session_no(s, "[TRYCREATE] ", "No such mailbox");
	else if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, move ? moved : copied);
}

static void transfer(struct session *s, bool move)
{
	struct imap_set set;
	struct buf name;
	buf_init(&name, IMAP_NAME_MAX);
	if (args_set(s, &set) && args_mailbox(s, &name) && args_end(s)) {
		if (move && mailbox_view_read_only(s->view))
			session_no(s, "[READ-ONLY] ", "The mailbox is open for reading");
		else
			copy_or_move(s, buf_view(&name), &set, move);
	}
	buf_fini(&name);
}

void cmd_copy(struct session *s)
{
	transfer(s, false);
}

void cmd_move(struct session *s)
{
	transfer(s, true);
}

static void expunged(struct session *s)
{
	session_ok(s, "Expunged");
}

/* UID EXPUNGE takes a set (RFC 4315 2.1). */
void cmd_expunge(struct session *s)
{
	struct imap_set set = { 0 };
	struct uidset uids = { 0 };
	if ((s->uid && !args_set(s, &set)) || !args_end(s))
		return;
	if (mailbox_view_read_only(s->view)) {
		session_no(s, "[READ-ONLY] ", "The mailbox is open for reading");
		return;
	}
	set_uids(s, &set, &uids);
	int err = mailbox_view_expunge(s->view, s->uid ? &uids : NULL, false, NULL);
	uidset_fini(&uids);
	if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, expunged);
}
