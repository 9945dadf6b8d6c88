/* SPDX-License-Identifier: ISC */
/* The table of commands, and those that are a few lines. */
#include "session.h"

#define ANY (STATE_AUTHENTICATED | STATE_SELECTED)

static const struct command commands[] = {
	{ "APPEND", cmd_append, ANY, false, false },
	{ "CAPABILITY", cmd_capability, ANY, false, false },
	{ "CHECK", cmd_check, STATE_SELECTED, false, false },
	{ "CLOSE", cmd_close, STATE_SELECTED, false, false },
	{ "COPY", cmd_copy, STATE_SELECTED, true, false },
	{ "CREATE", cmd_create, ANY, false, false },
	{ "DELETE", cmd_delete, ANY, false, false },
	{ "ENABLE", cmd_enable, ANY, false, false },
	{ "EXAMINE", cmd_examine, ANY, false, false },
	{ "EXPUNGE", cmd_expunge, STATE_SELECTED, true, false },
	{ "FETCH", cmd_fetch, STATE_SELECTED, true, true },
	{ "ID", cmd_id, ANY, false, false },
	{ "IDLE", cmd_idle, ANY, false, false },
	{ "LIST", cmd_list, ANY, false, false },
	{ "LOGOUT", cmd_logout, ANY, false, false },
	{ "LSUB", cmd_lsub, ANY, false, false },
	{ "MOVE", cmd_move, STATE_SELECTED, true, false },
	{ "NAMESPACE", cmd_namespace, ANY, false, false },
	{ "NOOP", cmd_noop, ANY, false, false },
	{ "RENAME", cmd_rename, ANY, false, false },
	{ "SEARCH", cmd_search, STATE_SELECTED, true, true },
	{ "SELECT", cmd_select, ANY, false, false },
	{ "STATUS", cmd_status, ANY, false, false },
	{ "STORE", cmd_store, STATE_SELECTED, true, true },
	{ "SUBSCRIBE", cmd_subscribe, ANY, false, false },
	{ "UNSELECT", cmd_unselect, STATE_SELECTED, false, false },
	{ "UNSUBSCRIBE", cmd_unsubscribe, ANY, false, false },
};

const struct command *command_find(struct view name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (view_ieqs(name, commands[i].name))
			return &commands[i];
	return NULL;
}

/* After log-in: STARTTLS and AUTH= are no longer of use. */
void put_capability(struct session *s)
{
	buf_printf(&s->out,
		"CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE CHILDREN LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE "
		"UNSELECT UIDPLUS MOVE MULTIAPPEND ESEARCH WITHIN CONDSTORE STATUS=SIZE APPENDLIMIT=%llu",
		(unsigned long long)s->imapd->message_max);
}

void cmd_capability(struct session *s)
{
	if (!args_end(s))
		return;
	buf_adds(&s->out, "* ");
	put_capability(s);
	buf_adds(&s->out, "\r\n");
	session_ok(s, "That is what there is");
}

/* The log-in command, which login has checked, is answered here. */
void cmd_logged_in(struct session *s)
{
	buf_addv(&s->out, s->tag);
	buf_adds(&s->out, " OK [");
	put_capability(s);
	buf_adds(&s->out, "] Logged in\r\n");
	s->tag = VIEW_NONE;
	session_wake(s);
}

void cmd_logout(struct session *s)
{
	if (!args_end(s))
		return;
	buf_adds(&s->out, "* BYE Good-bye\r\n");
	session_ok(s, "Logged out");
	s->closing = true;
}

/* RFC 2971 3.1: NIL, or at most 30 pairs. What the client says of itself is checked and not kept. */
static bool id_list(struct imap_text *t)
{
	struct view v;
	if (imap_keyword(t, "NIL"))
		return true;
	if (!imap_take(t, '('))
		return false;
	if (imap_take(t, ')'))
		return true;
	for (int i = 0; i < 30; i++) {
		if (!imap_string(t, &v) || v.n > 30 || !imap_space(t) || !imap_nstring(t, &v) || v.n > 1024)
			return false;
		if (imap_take(t, ')'))
			return true;
		if (!imap_space(t))
			return false;
	}
	return false;
}

void cmd_id(struct session *s)
{
	if (!args_space(s))
		return;
	if (!id_list(&s->text)) {
		session_bad(s, "That is no list for ID");
		return;
	}
	if (!args_end(s))
		return;
	buf_adds(&s->out, "* ID (\"name\" \"Postrider\" \"version\" \"" PACKAGE_VERSION "\")\r\n");
	session_ok(s, "Pleased to meet you");
}

/* RFC 5161: what is not known is not enabled. */
void cmd_enable(struct session *s)
{
	bool condstore = false, any = false;
	struct view name;
	while (imap_space(&s->text)) {
		if (!imap_atom(&s->text, &name))
			break;
		any = true;
		condstore = condstore || view_ieqs(name, "CONDSTORE");
	}
	if (!any || !imap_at_end(&s->text)) {
		session_bad(s, "The names of capabilities are missing");
		return;
	}
	s->condstore = s->condstore || condstore;
	buf_printf(&s->out, "* ENABLED%s\r\n", condstore ? " CONDSTORE" : "");
	session_ok(s, "Enabled");
}

static void present(struct session *s)
{
	session_ok(s, "That is the present");
}

/* What has arrived is shown by the answer: hence the wait until it may be. */
void cmd_noop(struct session *s)
{
	if (!args_end(s))
		return;
	int err = store_refresh(s->imapd->store);
	if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, present);
}

void cmd_check(struct session *s)
{
	cmd_noop(s);
}

/* RFC 2177: until DONE. */
void cmd_idle(struct session *s)
{
	if (!args_end(s))
		return;
	int err = store_refresh(s->imapd->store);
	if (err != ERR_OK) {
		session_error(s, err);
		return;
	}
	session_updates(s, true);
	buf_adds(&s->out, "+ Idling\r\n");
	s->busy = s->idling = true;
	imap_next(&s->reader);
}
