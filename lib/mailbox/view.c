/* SPDX-License-Identifier: ISC */
/* What a session has selected: UIDs by sequence number, as the session knows them, merged with the mailbox as it is when the session takes the changes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mailbox/records.h"
#include "mailbox/viewing.h"

struct mailbox *mailbox_view_mailbox(const struct mailbox_view *v) { return state_by_id(v->store->st, v->mailbox); }
bool mailbox_view_read_only(const struct mailbox_view *v) { return v->read_only; }
uint32_t mailbox_view_count(const struct mailbox_view *v) { return v->n; }

uint32_t mailbox_view_uid(const struct mailbox_view *v, uint32_t seq)
{
	INVARIANT(seq >= 1 && seq <= v->n);
	return v->uids[seq - 1];
}

uint32_t mailbox_view_seq_from(const struct mailbox_view *v, uint32_t uid)
{
	uint32_t lo = 0, hi = v->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (v->uids[mid] < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo + 1;
}

uint32_t mailbox_view_seq(const struct mailbox_view *v, uint32_t uid)
{
	uint32_t seq = mailbox_view_seq_from(v, uid);
	return seq <= v->n && v->uids[seq - 1] == uid ? seq : 0;
}

static const struct message *find(struct mailbox_view *v, uint32_t uid)
{
	const struct mailbox *m = mailbox_view_mailbox(v);
	if (!m)
		return NULL;
	size_t i = v->hint + 1;
	if (i >= m->n || m->messages[i].uid != uid)
		i = mailbox_lower(m, uid);
	v->hint = i;
	return i < m->n && m->messages[i].uid == uid ? &m->messages[i] : NULL;
}

int mailbox_view_info(struct mailbox_view *v, uint32_t seq, struct message_info *info)
{
	const struct message *msg = find(v, mailbox_view_uid(v, seq));
	if (!msg)
		return ERR_NOT_FOUND;
	*info = (struct message_info){ .uid = msg->uid, .size = msg->size, .flags = { msg->flags, msg->keywords }, .date = msg->date,
		.modseq = msg->modseq, .ref = { msg->position, msg->offset } };
	return ERR_OK;
}

bool mailbox_view_recent(const struct mailbox_view *v, uint32_t uid) { return uidset_has(&v->recent, uid); }

uint32_t mailbox_view_recent_count(const struct mailbox_view *v)
{
	uint32_t n = 0;
	for (size_t i = 0; i < v->recent.n; i++) {
		const struct uid_range *r = &v->recent.ranges[i];
		n += (r->last == UINT32_MAX ? v->n + 1 : mailbox_view_seq_from(v, r->last + 1)) - mailbox_view_seq_from(v, r->first);
	}
	return n;
}

uint32_t mailbox_view_first_unseen(struct mailbox_view *v)
{
	struct message_info i;
	for (uint32_t seq = 1; seq <= v->n; seq++)
		if (mailbox_view_info(v, seq, &i) == ERR_OK && !(i.flags.system & MAIL_SEEN))
			return seq;
	return 0;
}

/* ---- taking changes ---- */
static void tell(mailbox_change_fn *fn, void *arg, enum mailbox_change_type type, uint32_t seq, uint32_t uid)
{
	struct mailbox_change c = { type, seq, uid };
	if (fn)
		fn(arg, &c);
}

/* Both lists ascend: what is in the view and not in the mailbox is gone. Each is told when the view is as it will be after it. */
static void take_expunges(struct mailbox_view *v, const struct mailbox *m, mailbox_change_fn *fn, void *arg)
{
	size_t i = 0;
	uint32_t kept = 0, was = v->n;
	for (uint32_t k = 0; k < was; k++) {
		uint32_t uid = v->uids[k];
		while (m && i < m->n && m->messages[i].uid < uid)
			i++;
		if (m && i < m->n && m->messages[i].uid == uid) {
			v->uids[kept++] = uid;
			continue;
		}
		v->n--;
		tell(fn, arg, MAILBOX_EXPUNGED, kept + 1, uid);
	}
	v->n = kept;
	v->expunged = m ? m->expunged : UINT64_MAX;
}

static void take_flags(struct mailbox_view *v, const struct mailbox *m, mailbox_change_fn *fn, void *arg)
{
	uint64_t known = v->own > v->seen ? v->own : v->seen;
	if (m->flagged > known) {
		uint32_t k = 0;
		for (size_t i = 0; i < m->n && k < v->n; i++) {
			while (k < v->n && v->uids[k] < m->messages[i].uid)
				k++;
			if (k < v->n && v->uids[k] == m->messages[i].uid && m->messages[i].modseq > known)
				tell(fn, arg, MAILBOX_FLAGS, k + 1, v->uids[k]);
		}
	}
	v->seen = v->own = m->highestmodseq;
}

static void take_recent(struct mailbox_view *v, struct mailbox *m, uint32_t end)
{
	uint32_t first = m->recent > v->next ? m->recent : v->next;
	if (first < end)
		uidset_add_range(&v->recent, first, end - 1);
	if (!v->read_only && m->recent < end)
		m->recent = end;
}

static void take_new(struct mailbox_view *v, struct mailbox *m, mailbox_change_fn *fn, void *arg)
{
	uint32_t end = m->shown_next;
	if (v->next >= end)
		return;
	uint32_t before = v->n;
	for (size_t i = mailbox_lower(m, v->next); i < m->n && m->messages[i].uid < end; i++) {
		if (v->n == v->cap) {
			v->cap = v->cap ? v->cap + v->cap / 2 : 64;
			v->uids = mem_resize(v->uids, v->cap * sizeof *v->uids);
		}
		v->uids[v->n++] = m->messages[i].uid;
	}
	take_recent(v, m, end);
	v->next = end;
	if (v->n != before)
		tell(fn, arg, MAILBOX_EXISTS, v->n, 0);
}

void mailbox_view_take(struct mailbox_view *v, bool expunges, mailbox_change_fn *fn, void *arg)
{
	struct mailbox *m = mailbox_view_mailbox(v);
	if (expunges && v->expunged != (m ? m->expunged : UINT64_MAX))
		take_expunges(v, m, fn, arg);
	if (!m)
		return;
	take_flags(v, m, fn, arg);
	take_new(v, m, fn, arg);
}

bool mailbox_view_changed(const struct mailbox_view *v)
{
	const struct mailbox *m = mailbox_view_mailbox(v);
	if (!m)
		return v->n > 0;
	return v->expunged != m->expunged || m->flagged > (v->own > v->seen ? v->own : v->seen) || v->next < m->shown_next;
}

/* ---- open and close ---- */
struct recent_note {
	uint32_t mailbox, uid;
};

static int build_recent(struct store *s, void *request, struct batch *b)
{
	const struct recent_note *r = request;
	const struct mailbox *m = state_by_id(s->st, r->mailbox);
	if (m && r->uid <= m->uidnext)
		BATCH_ADD(b, recent, .mailbox = r->mailbox, .uid = r->uid);
	return ERR_OK;
}

/* So that the next session does not take them for new; not worth a flush, nor an error. */
static void note_recent(struct mailbox_view *v)
{
	struct recent_note r = { v->mailbox, v->next };
	if (!v->read_only && v->recent.n && mailbox_view_mailbox(v) && store_commit(v->store, build_recent, &r) != ERR_OK)
		return;
}

int mailbox_view_open(struct store *s, struct view name, bool read_only, struct mailbox_view **out)
{
	struct mailbox *m = state_by_name(s->st, name);
	if (!m)
		return ERR_NOT_FOUND;
	struct mailbox_view *v = mem_new(sizeof *v);
	*v = (struct mailbox_view){ .store = s, .mailbox = m->id, .read_only = read_only, .next = 1, .seen = m->highestmodseq, .own = m->highestmodseq,
		.expunged = m->expunged };
	take_new(v, m, NULL, NULL);
	*out = v;
	return ERR_OK;
}

void mailbox_view_close(struct mailbox_view *v)
{
	if (!v)
		return;
	note_recent(v);
	uidset_fini(&v->recent);
	free(v->uids);
	free(v);
}
