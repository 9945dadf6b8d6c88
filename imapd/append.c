/* SPDX-License-Identifier: ISC */
/*
 * APPEND and MULTIAPPEND (RFC 3501 6.3.11, RFC 3502): each message goes to the store as its octets come. It is looked at when its literal is
 * announced, so that a message that will not be taken is refused before it is sent.
 */
#include "session.h"

#include <stdlib.h>

#include "base/date.h"
#include "proto/imap_name.h"
#include "sys/clock.h"

struct append {
	struct store_append *to;
	size_t seen; /* octets of the command up to the end of the last literal's announcement */
	int err;     /* what the store said: the rest is read and dropped */
	struct store_append_result result;
};

void append_abort(struct session *s)
{
	if (s->append == NULL)
		return;
	store_append_abort(s->append->to);
	free(s->append);
	s->append = NULL;
}

/* SP [flags SP] [date SP], then the literal that stands at the end of what there is. False: it is no such thing. */
struct message_head {
	bool has_flags, has_date;
	size_t flags_at;
	int64_t date;
};

static bool skip_flags(struct imap_text *t, struct message_head *h)
{
	struct view v;
	h->has_flags = imap_peek(t) == '(';
	if (!h->has_flags)
		return true;
	h->flags_at = t->at;
	imap_take(t, '(');
	while (!imap_take(t, ')')) {
		if (!imap_word(t, &v))
			return false;
		imap_space(t);
	}
	return imap_space(t);
}

static bool read_date(struct imap_text *t, struct message_head *h)
{
	struct view v;
	struct date d;
	h->has_date = imap_peek(t) == '"';
	if (!h->has_date)
		return true;
	if (!imap_string(t, &v) || !date_get_imap(v, &d) || !imap_space(t))
		return false;
	h->date = date_seconds(&d);
	return true;
}

static bool read_head(struct imap_text *t, struct message_head *h)
{
	*h = (struct message_head){ 0 };
	return imap_space(t) && skip_flags(t, h) && read_date(t, h) && (imap_peek(t) == '{' || imap_peek(t) == '~');
}

/* The literal at hand is the command's last token? Then what stands before it is all there. */
static bool at_announcement(const struct imap_text *t)
{
	struct view rest = view_skip(t->in, t->at);
	return view_find(rest, '\n') == rest.n - 1;
}

static void refuse(struct session *s, int err)
{
	append_abort(s);
	if (err == ERR_NOT_FOUND)
		session_refuse_literal(s, "[TRYCREATE] ", "No such mailbox");
	else if (err == ERR_TOO_BIG)
		session_refuse_literal(s, "[TOOBIG] ", "The message is too big");
	else if (err == ERR_LIMIT)
		session_refuse_literal(s, "[LIMIT] ", "These are too many");
	else
		session_refuse_literal(s, "[UNAVAILABLE] ", "Not now, try again later");
}

/* The flags are read again, now for the store: keywords may be new. */
static int head_flags(struct session *s, struct imap_text t, const struct message_head *h, struct mail_flags *flags)
{
	struct view name;
	*flags = (struct mail_flags){ 0 };
	if (!h->has_flags)
		return ERR_OK;
	t.at = h->flags_at + 1;
	while (!imap_take(&t, ')')) {
		imap_word(&t, &name);
		int err = flag_find(s->imapd->store, name, true, flags);
		/* \Recent and keywords that find no room are left out: the message matters more. */
		if (err != ERR_OK && err != ERR_INVALID && err != ERR_LIMIT && err != ERR_TOO_BIG)
			return err;
		imap_space(&t);
	}
	return ERR_OK;
}

/* The store is told of the next message; the client may send it. */
static void take(struct session *s, struct imap_text *t, const struct message_head *h)
{
	struct append *a = s->append;
	struct mail_flags flags;
	if (s->reader.size == 0) {
		session_refuse_literal(s, NULL, "The message is empty");
		return;
	}
	int err = head_flags(s, *t, h, &flags);
	if (err == ERR_OK && s->reader.size > s->imapd->message_max)
		err = ERR_TOO_BIG;
	if (err == ERR_OK)
		err = store_append_begin(a->to, s->reader.size, h->has_date ? h->date : clock_wall(NULL), flags);
	if (err != ERR_OK) {
		refuse(s, err);
		return;
	}
	a->seen = buf_len(&s->reader.command);
	if (s->reader.sync)
		buf_adds(&s->out, "+ Go on\r\n");
	imap_stream(&s->reader);
}

static void next_message(struct session *s)
{
	struct imap_text t = { .in = buf_view(&s->reader.command), .at = s->append->seen, .arena = s->arena };
	struct message_head h;
	if (s->append->err != ERR_OK)
		refuse(s, s->append->err);
	else if (!read_head(&t, &h) || !at_announcement(&t))
		session_refuse_literal(s, NULL, "That is no message to append");
	else
		take(s, &t, &h);
}

static void first_message(struct session *s, struct imap_text *t, struct view wire, const struct message_head *h)
{
	struct buf name;
	struct store_append *to = NULL;
	buf_init(&name, IMAP_NAME_MAX);
	int err = imap_name_read(&name, wire) ? store_append_new(s->imapd->store, buf_view(&name), &to) : ERR_NOT_FOUND;
	buf_fini(&name);
	if (err != ERR_OK) {
		refuse(s, err);
		return;
	}
	s->append = mem_new(sizeof(*s->append));
	s->append->to = to;
	take(s, t, h);
}

bool append_literal(struct session *s)
{
	if (s->append != NULL) {
		next_message(s);
		return true;
	}
	struct imap_text t = s->text;
	struct view wire;
	struct message_head h;
	if (s->tag.n == 0 || s->reader.nul || !imap_space(&t) || !imap_keyword(&t, "APPEND") || !imap_space(&t) || !imap_astring(&t, &wire))
		return false;
	/* A date or flags that cannot be read: the literal is not taken, and the command is bad. */
	if (!read_head(&t, &h) || !at_announcement(&t)) {
		session_refuse_literal(s, NULL, "The flags or the date are malformed");
		return true;
	}
	if (imap_peek(&t) == '~')
		session_refuse_literal(s, "[UNKNOWN-CTE] ", "Binary literals are not taken");
	else
		first_message(s, &t, wire, &h);
	return true;
}

void append_data(struct session *s, struct view data)
{
	struct append *a = s->append;
	if (a->err == ERR_OK)
		a->err = store_append_write(a->to, data);
	if (a->err == ERR_OK && s->reader.left == 0)
		a->err = store_append_end(a->to);
}

static void appended(struct session *s)
{
	const struct store_append_result *r = &s->append->result;
	buf_printf(&s->code, "[APPENDUID %u %u", r->uidvalidity, r->uid_first);
	if (r->uid_last != r->uid_first)
		buf_printf(&s->code, ":%u", r->uid_last);
	buf_adds(&s->code, "] ");
	session_ok(s, "Appended");
}

/* All the messages were read: they are in the mailbox together, or not at all. */
void cmd_append(struct session *s)
{
	struct append *a = s->append;
	if (a == NULL) {
		session_bad(s, "APPEND takes a mailbox and a message");
		return;
	}
	s->text.at = a->seen;
	if (!args_end(s))
		return;
	if (a->err == ERR_OK) {
		a->err = store_append_commit(a->to, &a->result);
		a->to = NULL;
	}
	if (a->err == ERR_NOT_FOUND)
		session_no(s, "[TRYCREATE] ", "No such mailbox");
	else if (a->err != ERR_OK)
		session_error(s, a->err);
	else
		session_when_durable(s, appended);
}
