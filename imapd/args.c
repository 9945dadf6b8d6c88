/* SPDX-License-Identifier: ISC */
/* Arguments that several commands have. */
#include "session.h"

#include "proto/imap_name.h"
#include "proto/imap_put.h"

bool args_end(struct session *s)
{
	if (imap_at_end(&s->text))
		return true;
	session_bad(s, "There is more in the command than it takes");
	return false;
}

bool args_space(struct session *s)
{
	if (imap_space(&s->text))
		return true;
	session_bad(s, "An argument is missing");
	return false;
}

bool args_mailbox(struct session *s, struct buf *name)
{
	struct view wire;
	if (!imap_space(&s->text) || !imap_astring(&s->text, &wire)) {
		session_bad(s, "The name of a mailbox is missing");
		return false;
	}
	if (imap_name_read(name, wire))
		return true;
	session_no(s, "[CANNOT] ", "That is no name for a mailbox");
	return false;
}

bool args_set(struct session *s, struct imap_set *set)
{
	struct imap_text *t = &s->text;
	size_t begin = t->at + 1;
	bool ok = imap_space(t);
	while (ok && !imap_at_end(t) && imap_peek(t) != ' ')
		t->at++;
	if (!ok || !imap_set_parse(s->arena, view_make(t->in.p + begin, t->at - begin), set)) {
		session_bad(s, "That is no set of messages");
		return false;
	}
	uint32_t count = mailbox_view_count(s->view);
	uint32_t last = count && s->uid ? mailbox_view_uid(s->view, count) : count;
	imap_set_resolve(set, last);
	return true;
}

/* The sequence numbers of a range, clipped to the view; false when there are none. */
static bool clip(const struct session *s, const struct imap_range *r, uint32_t *lo, uint32_t *hi)
{
	uint32_t count = mailbox_view_count(s->view);
	*lo = s->uid ? mailbox_view_seq_from(s->view, r->lo) : r->lo;
	*hi = r->hi < count ? r->hi : count;
	if (s->uid)
		*hi = r->hi == UINT32_MAX ? count : mailbox_view_seq_from(s->view, r->hi + 1) - 1;
	*lo = *lo ? *lo : 1;
	return count > 0 && r->hi > 0 && *lo <= *hi;
}

void set_uids(const struct session *s, const struct imap_set *set, struct uidset *uids)
{
	*uids = (struct uidset){ 0 };
	for (size_t i = 0; i < set->n; i++) {
		uint32_t lo, hi;
		if (clip(s, &set->range[i], &lo, &hi))
			uidset_add_range(uids, mailbox_view_uid(s->view, lo), mailbox_view_uid(s->view, hi));
	}
}

static const struct {
	enum mail_flag bit;
	const char *name;
} system_flags[] = {
#define X(name, bit, text) { MAIL_##name, text },
	MAIL_FLAG_TABLE(X)
#undef X
};
#define SYSTEM_FLAGS (sizeof(system_flags) / sizeof(system_flags[0]))

int flag_find(struct store *st, struct view name, bool add, struct mail_flags *flags)
{
	for (size_t i = 0; i < SYSTEM_FLAGS; i++)
		if (view_ieqs(name, system_flags[i].name)) {
			flags->system |= (uint8_t)system_flags[i].bit;
			return ERR_OK;
		}
	if (name.n == 0 || view_find(name, '\\') != SIZE_MAX || view_find(name, ']') != SIZE_MAX)
		return ERR_INVALID;
	unsigned bit = 0;
	int known = store_keyword_find(st, name);
	int err = ERR_OK;
	if (known >= 0)
		bit = (unsigned)known;
	else
		err = add ? store_keyword_add(st, name, &bit) : ERR_NOT_FOUND;
	if (err == ERR_OK)
		flags->keywords |= UINT64_C(1) << bit;
	return err;
}

static bool one_flag(struct session *s, struct mail_flags *flags)
{
	struct view name;
	int err = imap_word(&s->text, &name) ? flag_find(s->imapd->store, name, true, flags) : ERR_INVALID;
	if (err == ERR_OK)
		return true;
	if (err == ERR_INVALID)
		session_bad(s, "That is no flag that can be set");
	else if (err == ERR_LIMIT || err == ERR_TOO_BIG)
		session_no(s, "[LIMIT] ", "No more keywords can be had");
	else
		session_error(s, err);
	return false;
}

bool args_flags(struct session *s, bool bare, struct mail_flags *flags)
{
	struct imap_text *t = &s->text;
	*flags = (struct mail_flags){ 0 };
	bool list = imap_take(t, '(');
	if (!list && !bare) {
		session_bad(s, "A list of flags is missing");
		return false;
	}
	if (list && imap_take(t, ')'))
		return true;
	do {
		if (!one_flag(s, flags))
			return false;
	} while (imap_space(t));
	if (!list || imap_take(t, ')'))
		return true;
	session_bad(s, "The list of flags does not end");
	return false;
}

static void put_flag(struct buf *b, bool *first, const char *name)
{
	if (!*first)
		buf_addc(b, ' ');
	*first = false;
	buf_adds(b, name);
}

static void put_flag_names(struct session *s, struct mail_flags flags, bool *first)
{
	struct store *st = s->imapd->store;
	for (size_t i = 0; i < SYSTEM_FLAGS; i++)
		if (flags.system & system_flags[i].bit)
			put_flag(&s->out, first, system_flags[i].name);
	unsigned n = flags.keywords ? store_keyword_count(st) : 0;
	for (unsigned i = 0; i < n; i++)
		if (flags.keywords >> i & 1)
			put_flag(&s->out, first, store_keyword(st, i));
}

void put_flags(struct session *s, const struct message_info *info)
{
	bool first = true;
	buf_adds(&s->out, "FLAGS (");
	put_flag_names(s, info->flags, &first);
	if (mailbox_view_recent(s->view, info->uid))
		put_flag(&s->out, &first, "\\Recent");
	buf_addc(&s->out, ')');
}

void session_flags_line(struct session *s)
{
	struct mail_flags all = { .system = MAIL_FLAGS_ALL, .keywords = UINT64_MAX };
	bool first = true;
	s->keywords_known = store_keyword_count(s->imapd->store);
	buf_adds(&s->out, "* FLAGS (");
	put_flag_names(s, all, &first);
	buf_adds(&s->out, ")\r\n* OK [PERMANENTFLAGS (");
	first = true;
	if (!mailbox_view_read_only(s->view)) {
		put_flag_names(s, all, &first);
		buf_adds(&s->out, " \\*");
	}
	buf_adds(&s->out, ")] These can be kept\r\n");
}

static void on_change(void *arg, const struct mailbox_change *c)
{
	struct session *s = arg;
	struct message_info info;
	switch (c->type) {
	case MAILBOX_EXPUNGED:
		imap_put_number(&s->out, "* ", c->seq, " EXPUNGE\r\n");
		break;
	case MAILBOX_EXISTS:
		buf_printf(&s->out, "* %u EXISTS\r\n* %u RECENT\r\n", c->seq, mailbox_view_recent_count(s->view));
		break;
	case MAILBOX_FLAGS:
		if (mailbox_view_info(s->view, c->seq, &info) != ERR_OK)
			break;
		imap_put_number(&s->out, "* ", c->seq, " FETCH (");
		imap_put_number(&s->out, "UID ", c->uid, " ");
		put_flags(s, &info);
		if (s->condstore)
			imap_put_number(&s->out, " MODSEQ (", info.modseq, ")");
		buf_adds(&s->out, ")\r\n");
		break;
	}
}

void session_updates(struct session *s, bool expunges)
{
	if (s->view == NULL)
		return;
	if (s->keywords_known != store_keyword_count(s->imapd->store))
		session_flags_line(s);
	if (mailbox_view_changed(s->view))
		mailbox_view_take(s->view, expunges, on_change, s);
}
