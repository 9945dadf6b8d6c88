/* SPDX-License-Identifier: ISC */
/* SELECT, EXAMINE, CLOSE, UNSELECT. */
#include "session.h"

#include <stdlib.h>

#include "proto/imap_name.h"

struct selection {
	bool read_only;
	struct buf name;
};

static void selection_free(void *arg)
{
	struct selection *sel = arg;
	buf_fini(&sel->name);
	free(sel);
}

static void leave(struct session *s)
{
	if (s->view == NULL)
		return;
	mailbox_view_close(s->view);
	s->view = NULL;
	s->keywords_known = 0;
}

/* RFC 3501 6.3.1, RFC 7162 3.1.2. */
static void describe(struct session *s)
{
	struct mailbox_status st;
	mailbox_status(mailbox_view_mailbox(s->view), &st);
	session_flags_line(s);
	buf_printf(&s->out, "* %u EXISTS\r\n* %u RECENT\r\n", mailbox_view_count(s->view), mailbox_view_recent_count(s->view));
	uint32_t unseen = mailbox_view_first_unseen(s->view);
	if (unseen > 0)
		buf_printf(&s->out, "* OK [UNSEEN %u] The first that is unseen\r\n", unseen);
	buf_printf(&s->out, "* OK [UIDVALIDITY %u] UIDs are valid\r\n* OK [UIDNEXT %u] The next UID\r\n", st.uidvalidity, st.uidnext);
	buf_printf(&s->out, "* OK [HIGHESTMODSEQ %llu] The highest\r\n", (unsigned long long)(st.highestmodseq ? st.highestmodseq : 1));
}

/* What has arrived is durable now, and may be shown. */
static void open_view(struct session *s)
{
	struct selection *sel = s->job;
	int err = mailbox_view_open(s->imapd->store, buf_view(&sel->name), sel->read_only, &s->view);
	if (err != ERR_OK) {
		session_error(s, err);
		return;
	}
	describe(s);
	buf_adds(&s->code, sel->read_only ? "[READ-ONLY] " : "[READ-WRITE] ");
	session_ok(s, "Selected");
}

/* [SP "(" CONDSTORE ")"] */
static bool parameters(struct session *s)
{
	struct imap_text *t = &s->text;
	if (imap_at_end(t))
		return true;
	if (!imap_space(t) || !imap_take(t, '(') || !imap_keyword(t, "CONDSTORE") || !imap_take(t, ')') || !imap_at_end(t)) {
		session_bad(s, "SELECT takes a mailbox, and (CONDSTORE)");
		return false;
	}
	s->condstore = true;
	return true;
}

static void select_mailbox(struct session *s, bool read_only)
{
	struct selection *sel = mem_new(sizeof(*sel));
	sel->read_only = read_only;
	buf_init(&sel->name, IMAP_NAME_MAX);
	s->job = sel;
	s->job_free = selection_free;
	if (!args_mailbox(s, &sel->name) || !parameters(s))
		return;
	/* RFC 3501 6.3.1: whatever comes of it, no mailbox is selected any more. */
	if (s->view != NULL)
		buf_adds(&s->out, "* OK [CLOSED] The mailbox before is closed\r\n");
	leave(s);
	int err = store_refresh(s->imapd->store);
	if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, open_view);
}

void cmd_select(struct session *s)
{
	select_mailbox(s, false);
}

void cmd_examine(struct session *s)
{
	select_mailbox(s, true);
}

void cmd_unselect(struct session *s)
{
	if (!args_end(s))
		return;
	leave(s);
	session_ok(s, "Unselected");
}

static void closed(struct session *s)
{
	leave(s);
	session_ok(s, "Closed");
}

/* RFC 3501 6.4.2: \Deleted messages go, and nothing is said of it. */
void cmd_close(struct session *s)
{
	if (!args_end(s))
		return;
	if (mailbox_view_read_only(s->view) || mailbox_view_mailbox(s->view) == NULL) {
		closed(s);
		return;
	}
	int err = mailbox_view_expunge(s->view, NULL, false, NULL);
	if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, closed);
}
