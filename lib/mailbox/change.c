/* SPDX-License-Identifier: ISC */
/* Changes of messages, through a session's view: flags, copies, moves, expunges. One record each. */
#include "mailbox/records.h"
#include "mailbox/viewing.h"

/*
 * Builds a set for a record: messages that stand side by side in the mailbox make one range, whatever UIDs are missing between them (they are
 * never given again), so that "all" stays one range for ever.
 */
struct compact {
	struct uidset set;
	uint32_t first, last;
	size_t at; /* index of the last one, plus 1 */
};

static void compact_add(struct compact *c, size_t index, uint32_t uid)
{
	if (c->at == 0 || index != c->at) {
		if (c->at)
			uidset_add_range(&c->set, c->first, c->last);
		c->first = uid;
	}
	c->last = uid;
	c->at = index + 1;
}

static void compact_put(struct compact *c, struct buf *b)
{
	if (c->at)
		uidset_add_range(&c->set, c->first, c->last);
	buf_init(b, UINT32_C(32) << 20);
	uidset_put(b, &c->set);
	uidset_fini(&c->set);
}

/* Walks the messages that the session means and knows of: in uids (NULL: all), in the mailbox, in the view. */
struct walk {
	const struct mailbox_view *view;
	const struct mailbox *mailbox;
	struct uidset uids;
	size_t range, at;
};

static bool walk_begin(struct walk *w, const struct mailbox_view *v, const struct uidset *uids)
{
	*w = (struct walk){ .view = v, .mailbox = mailbox_view_mailbox(v) };
	if (!w->mailbox)
		return false;
	for (size_t i = 0; uids && i < uids->n; i++)
		uidset_add_range(&w->uids, uids->ranges[i].first, uids->ranges[i].last);
	if (!uids)
		uidset_add_range(&w->uids, 1, UINT32_MAX);
	return true;
}

static const struct message *walk_next(struct walk *w)
{
	const struct message *msg = mailbox_next_in(w->mailbox, &w->uids, &w->range, &w->at);
	return msg && msg->uid < w->view->next ? msg : NULL;
}

static size_t walk_index(const struct walk *w, const struct message *msg) { return (size_t)(msg - w->mailbox->messages); }
static void walk_end(struct walk *w) { uidset_fini(&w->uids); }

/* ---- flags ---- */
struct flagging {
	struct mailbox_view *view;
	const struct uidset *uids;
	enum store_flags_how how;
	struct mail_flags flags;
	uint64_t unchanged_since;
	bool own_is_all; /* nobody else's change is unknown to the view: its own may count as known */
	struct store_flags_result *result;
};

static struct mail_flags flags_after(const struct flagging *f, const struct message *m)
{
	switch (f->how) {
	case STORE_FLAGS_ADD:
		return (struct mail_flags){ m->flags | f->flags.system, m->keywords | f->flags.keywords };
	case STORE_FLAGS_REMOVE:
		return (struct mail_flags){ (uint8_t)(m->flags & ~f->flags.system), m->keywords & ~f->flags.keywords };
	case STORE_FLAGS_SET:
		break;
	}
	return f->flags;
}

static void flag_record(const struct flagging *f, uint64_t mailbox, struct view uids, struct batch *b)
{
	struct record_flags r = { .mailbox = mailbox, .uids = uids };
	if (f->how != STORE_FLAGS_REMOVE) {
		r.add = f->flags.system & MAIL_FLAGS_ALL;
		r.add_keywords = f->flags.keywords;
	}
	if (f->how == STORE_FLAGS_REMOVE) {
		r.remove = f->flags.system & MAIL_FLAGS_ALL;
		r.remove_keywords = f->flags.keywords;
	} else if (f->how == STORE_FLAGS_SET) {
		r.remove = MAIL_FLAGS_ALL;
		r.remove_keywords = UINT64_MAX;
	}
	BATCH_ADD(b, flags, .mailbox = r.mailbox, .add = r.add, .remove = r.remove, .add_keywords = r.add_keywords,
		.remove_keywords = r.remove_keywords, .uids = r.uids);
}

static void reset_result(struct store_flags_result *r)
{
	uidset_fini(&r->changed);
	uidset_fini(&r->modified);
}

static int build_flags(struct store *s, void *request, struct batch *b)
{
	struct flagging *f = request;
	struct compact c = { 0 };
	struct walk w;
	struct buf uids;
	const struct message *m;
	(void)s;
	reset_result(f->result);
	if (!walk_begin(&w, f->view, f->uids))
		return ERR_OK;
	f->own_is_all = w.mailbox->flagged <= (f->view->own > f->view->seen ? f->view->own : f->view->seen);
	while ((m = walk_next(&w))) {
		struct mail_flags after = flags_after(f, m);
		if (m->modseq > f->unchanged_since) {
			uidset_add(&f->result->modified, m->uid);
		} else if (after.system != m->flags || after.keywords != m->keywords) {
			uidset_add(&f->result->changed, m->uid);
			compact_add(&c, walk_index(&w, m), m->uid);
		}
	}
	compact_put(&c, &uids);
	if (buf_len(&uids))
		flag_record(f, w.mailbox->id, buf_view(&uids), b);
	buf_fini(&uids);
	walk_end(&w);
	return ERR_OK;
}

int mailbox_view_store(struct mailbox_view *v, const struct uidset *uids, enum store_flags_how how, struct mail_flags flags,
	uint64_t unchanged_since, bool own, struct store_flags_result *result)
{
	struct store_flags_result none = { 0 };
	struct flagging f = { .view = v, .uids = uids, .how = how, .flags = flags, .unchanged_since = unchanged_since, .result = &none };
	int err = store_commit(v->store, build_flags, &f);
	const struct mailbox *m = mailbox_view_mailbox(v);
	if (err == ERR_OK && m && !uidset_empty(&none.changed)) {
		none.modseq = m->flagged;
		if (own && f.own_is_all)
			v->own = m->flagged;
	}
	if (err == ERR_OK && result)
		*result = none;
	else
		reset_result(&none);
	return err;
}

/* ---- copy and move ---- */
struct copying {
	struct mailbox_view *view;
	const struct uidset *uids;
	struct view to;
	bool move;
	struct store_copy_result *result;
};

static bool has_room(const struct state *st, uint64_t more)
{
	for (size_t i = 0; i < st->n; i++)
		more += st->mailboxes[i]->n;
	return more <= STORE_MESSAGES_MAX;
}

static void put_copy(const struct copying *c, struct walk *w, const struct mailbox *to, struct batch *b)
{
	struct compact set = { 0 };
	struct buf uids;
	uint64_t n = 0;
	for (const struct message *m; (m = walk_next(w)); n++) {
		uidset_add(&c->result->from, m->uid);
		compact_add(&set, walk_index(w, m), m->uid);
	}
	compact_put(&set, &uids);
	if (n && n < UINT32_MAX - to->uidnext && (c->move || has_room(c->view->store->st, n))) {
		BATCH_ADD(b, copy, .from = w->mailbox->id, .to = to->id, .move = c->move, .uid = to->uidnext, .uids = buf_view(&uids));
		c->result->to_first = to->uidnext;
		c->result->to_last = (uint32_t)(to->uidnext + n - 1);
	}
	buf_fini(&uids);
}

static int build_copy(struct store *s, void *request, struct batch *b)
{
	struct copying *c = request;
	struct walk w;
	const struct mailbox *to = state_by_name(s->st, c->to);
	uidset_fini(&c->result->from);
	if (!to)
		return ERR_NOT_FOUND;
	*c->result = (struct store_copy_result){ .uidvalidity = to->uidvalidity };
	if (!walk_begin(&w, c->view, c->uids))
		return ERR_OK;
	put_copy(c, &w, to, b);
	walk_end(&w);
	return b->n == 0 && !uidset_empty(&c->result->from) ? ERR_LIMIT : ERR_OK;
}

int mailbox_view_copy(struct mailbox_view *v, const struct uidset *uids, struct view to, bool move, struct store_copy_result *result)
{
	struct store_copy_result none = { 0 };
	struct copying c = { v, uids, to, move, &none };
	int err = store_commit(v->store, build_copy, &c);
	if (err == ERR_OK && result)
		*result = none;
	else
		uidset_fini(&none.from);
	return err;
}

/* ---- expunge ---- */
struct expunging {
	struct mailbox_view *view;
	const struct uidset *uids;
	bool force;
	struct uidset gone;
};

static int build_expunge(struct store *s, void *request, struct batch *b)
{
	struct expunging *e = request;
	struct compact c = { 0 };
	struct walk w;
	struct buf uids;
	(void)s;
	uidset_fini(&e->gone);
	if (!walk_begin(&w, e->view, e->uids))
		return ERR_OK;
	for (const struct message *m; (m = walk_next(&w));) {
		if (!e->force && !(m->flags & MAIL_DELETED))
			continue;
		uidset_add(&e->gone, m->uid);
		compact_add(&c, walk_index(&w, m), m->uid);
	}
	compact_put(&c, &uids);
	if (buf_len(&uids))
		BATCH_ADD(b, expunge, .mailbox = w.mailbox->id, .uids = buf_view(&uids));
	buf_fini(&uids);
	walk_end(&w);
	return ERR_OK;
}

int mailbox_view_expunge(struct mailbox_view *v, const struct uidset *uids, bool force, struct uidset *gone)
{
	struct expunging e = { .view = v, .uids = uids, .force = force };
	int err = store_commit(v->store, build_expunge, &e);
	if (err == ERR_OK && gone)
		*gone = e.gone;
	else
		uidset_fini(&e.gone);
	return err;
}
