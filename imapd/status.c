/* SPDX-License-Identifier: ISC */
/* STATUS (RFC 3501 6.3.10, SIZE of RFC 8438, HIGHESTMODSEQ of RFC 7162). */
#include "session.h"

#include <stdlib.h>

#include "proto/imap_name.h"
#include "proto/imap_put.h"

static uint64_t value_messages(const struct mailbox_status *st)
{
	return st->messages;
}

static uint64_t value_recent(const struct mailbox_status *st)
{
	return st->recent;
}

static uint64_t value_uidnext(const struct mailbox_status *st)
{
	return st->uidnext;
}

static uint64_t value_uidvalidity(const struct mailbox_status *st)
{
	return st->uidvalidity;
}

static uint64_t value_unseen(const struct mailbox_status *st)
{
	return st->unseen;
}

static uint64_t value_deleted(const struct mailbox_status *st)
{
	return st->deleted;
}

static uint64_t value_size(const struct mailbox_status *st)
{
	return st->size;
}

static uint64_t value_highestmodseq(const struct mailbox_status *st)
{
	return st->highestmodseq ? st->highestmodseq : 1;
}

/* Bit i of a set of items is row i. */
static const struct {
	const char *name;
	uint64_t (*value)(const struct mailbox_status *st);
} rows[] = {
	{ "MESSAGES", value_messages },
	{ "RECENT", value_recent },
	{ "UIDNEXT", value_uidnext },
	{ "UIDVALIDITY", value_uidvalidity },
	{ "UNSEEN", value_unseen },
	{ "DELETED", value_deleted },
	{ "SIZE", value_size },
	{ "HIGHESTMODSEQ", value_highestmodseq },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool item(struct imap_text *t, unsigned *items)
{
	struct view name;
	if (!imap_atom(t, &name))
		return false;
	for (size_t i = 0; i < ROWS; i++)
		if (view_ieqs(name, rows[i].name)) {
			*items |= 1U << i;
			return true;
		}
	return view_ieqs(name, "APPENDLIMIT");
}

bool status_items(struct session *s, unsigned *items)
{
	struct imap_text *t = &s->text;
	*items = 0;
	bool ok = imap_take(t, '(');
	while (ok && (ok = item(t, items)) && imap_space(t))
		;
	if (ok && imap_take(t, ')'))
		return true;
	session_bad(s, "STATUS takes a mailbox and a list of items");
	return false;
}

void put_status(struct session *s, struct view name, const struct mailbox *m, unsigned items)
{
	struct mailbox_status st;
	bool first = true;
	mailbox_status(m, &st);
	buf_adds(&s->out, "* STATUS ");
	imap_put_mailbox(&s->out, name);
	buf_adds(&s->out, " (");
	for (size_t i = 0; i < ROWS; i++) {
		if ((items >> i & 1) == 0)
			continue;
		buf_printf(&s->out, "%s%s %llu", first ? "" : " ", rows[i].name, (unsigned long long)rows[i].value(&st));
		first = false;
	}
	buf_adds(&s->out, ")\r\n");
}

struct request {
	struct buf name;
	unsigned items;
};

static void request_free(void *arg)
{
	struct request *r = arg;
	buf_fini(&r->name);
	free(r);
}

static void answer(struct session *s)
{
	struct request *r = s->job;
	struct mailbox *m = store_mailbox(s->imapd->store, buf_view(&r->name));
	if (m == NULL) {
		session_error(s, ERR_NOT_FOUND);
		return;
	}
	put_status(s, buf_view(&r->name), m, r->items);
	session_ok(s, "That is its status");
}

void cmd_status(struct session *s)
{
	struct request *r = mem_new(sizeof(*r));
	buf_init(&r->name, IMAP_NAME_MAX);
	s->job = r;
	s->job_free = request_free;
	if (!args_mailbox(s, &r->name) || !args_space(s) || !status_items(s, &r->items) || !args_end(s))
		return;
	int err = store_refresh(s->imapd->store);
	if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, answer);
}
