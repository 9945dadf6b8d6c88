/* SPDX-License-Identifier: ISC */
/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE. */
#include "session.h"

#include "proto/imap_name.h"

static void done(struct session *s)
{
	session_ok(s, "Done");
}

/* The answer to a change of the list of mailboxes. */
static void finish(struct session *s, int err)
{
	if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, done);
}

static unsigned use_find(struct view name)
{
	static const struct {
		const char *name;
		unsigned bit;
	} uses[] = {
#define X(name, bit, text) { text, bit },
		MAILBOX_USE_TABLE(X)
#undef X
	};
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (view_ieqs(name, uses[i].name))
			return uses[i].bit;
	return 0;
}

/* [SP "(USE (" attribute … "))"] (RFC 6154 3) */
static bool create_uses(struct session *s, unsigned *uses)
{
	struct imap_text *t = &s->text;
	*uses = 0;
	if (imap_at_end(t))
		return true;
	bool ok = imap_space(t) && imap_take(t, '(') && imap_keyword(t, "USE") && imap_space(t) && imap_take(t, '(');
	while (ok && !imap_take(t, ')')) {
		struct view name;
		ok = imap_word(t, &name);
		unsigned bit = ok ? use_find(name) : 0;
		if (ok && bit == 0) {
			session_no(s, "[USEATTR] ", "There is no such use");
			return false;
		}
		*uses |= bit;
		imap_space(t);
	}
	if (ok && imap_take(t, ')') && imap_at_end(t))
		return true;
	session_bad(s, "CREATE takes a mailbox, and (USE (...))");
	return false;
}

void cmd_create(struct session *s)
{
	struct buf name;
	unsigned uses;
	buf_init(&name, IMAP_NAME_MAX);
	if (args_mailbox(s, &name) && create_uses(s, &uses))
		finish(s, imap_name_ok(buf_view(&name)) ? store_create(s->imapd->store, buf_view(&name), uses) : ERR_INVALID);
	buf_fini(&name);
}

void cmd_delete(struct session *s)
{
	struct buf name;
	buf_init(&name, IMAP_NAME_MAX);
	if (args_mailbox(s, &name) && args_end(s))
		finish(s, store_delete(s->imapd->store, buf_view(&name)));
	buf_fini(&name);
}

void cmd_rename(struct session *s)
{
	struct buf from, to;
	buf_init(&from, IMAP_NAME_MAX);
	buf_init(&to, IMAP_NAME_MAX);
	if (args_mailbox(s, &from) && args_mailbox(s, &to) && args_end(s))
		finish(s, imap_name_ok(buf_view(&to)) ? store_rename(s->imapd->store, buf_view(&from), buf_view(&to)) : ERR_INVALID);
	buf_fini(&from);
	buf_fini(&to);
}

static void subscribe(struct session *s, bool on)
{
	struct buf name;
	buf_init(&name, IMAP_NAME_MAX);
	if (args_mailbox(s, &name) && args_end(s)) {
		/* RFC 3501 6.3.6 lets a server ask for an existing mailbox; only names that could be one are kept. */
		bool ok = !on || imap_name_ok(buf_view(&name));
		finish(s, ok ? store_subscribe(s->imapd->store, buf_view(&name), on) : ERR_INVALID);
	}
	buf_fini(&name);
}

void cmd_subscribe(struct session *s)
{
	subscribe(s, true);
}

void cmd_unsubscribe(struct session *s)
{
	subscribe(s, false);
}

/* RFC 2342: one personal namespace. */
void cmd_namespace(struct session *s)
{
	if (!args_end(s))
		return;
	buf_adds(&s->out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	session_ok(s, "Done");
}
