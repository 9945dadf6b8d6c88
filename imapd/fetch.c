/* SPDX-License-Identifier: ISC */
/*
 * FETCH: a job over the messages of a set. What is short is rendered at once; a section is handed out as fast as the client reads it, so that
 * a mailbox of any size passes through a buffer of bounded size.
 */
#include "session.h"

#include <stdlib.h>

#include "base/date.h"
#include "log/log.h"
#include "proto/imap_body.h"
#include "proto/imap_fetch.h"
#include "proto/imap_put.h"

#define CHUNK ((size_t)64 << 10)        /* of a section that is handed out in pieces */
#define HEADER_MAX ((size_t)1 << 20)    /* octets of a header that are looked at where the header is enough */

struct fetch_job {
	struct imap_fetch f;
	struct uidset uids; /* what is asked for, of the view */
	size_t range;       /* where in it the job stands */
	uint32_t seq, last; /* in the range; seq > last: go to the next range */
	uint64_t changed_since;
	bool of_store;      /* the answer to a STORE */
	bool missing, damaged;
	struct uidset seen; /* to be marked \Seen at the end */
	struct store *summaries; /* where they were begun; or NULL */

	/* The message at hand. */
	bool open, first;
	bool unreadable;
	size_t item;
	struct message_info info;
	struct buf header;
	struct view content;
	bool has_content, whole, has_tree;
	struct mime_tree tree;

	/* The section that is being handed out: a range of the message, or `own`. */
	bool streaming, in_own;
	uint64_t at, left;
	struct buf own;
};

/* Content and tree are good until the store is called again. */
static void content_drop(struct fetch_job *j)
{
	if (j->has_tree)
		mime_free(&j->tree);
	j->has_content = j->has_tree = false;
}

static void fetch_free(void *arg)
{
	struct fetch_job *j = arg;
	content_drop(j);
	if (j->summaries)
		store_summary_end(j->summaries);
	uidset_fini(&j->uids);
	uidset_fini(&j->seen);
	buf_fini(&j->header);
	buf_fini(&j->own);
	free(j);
}

static struct fetch_job *fetch_new(void)
{
	struct fetch_job *j = mem_new(sizeof(*j));
	buf_init(&j->header, HEADER_MAX);
	buf_init(&j->own, SIZE_MAX / 2);
	j->seq = 1;
	return j;
}

static void content_failed(struct session *s, struct fetch_job *j, int err)
{
	log_error("imap_read_failed", LS("account", s->account), LU("uid", j->info.uid), LERR("error", err));
	j->content = VIEW("");
	j->unreadable = j->damaged = true;
}

/* Reads as much of the message as the items need. What cannot be read is empty, and the command ends with NO. */
static void content_need(struct session *s, struct fetch_job *j)
{
	if (j->has_content)
		return;
	struct store *st = s->imapd->store;
	int err = ERR_TOO_BIG;
	if (j->f.header_only) {
		buf_reset(&j->header);
		err = store_read_header(st, &j->info, &j->header);
		j->content = buf_view(&j->header);
		/* One that was cut would be another header than the whole message shows. */
		if (err == ERR_OK && j->content.n >= HEADER_MAX)
			err = ERR_TOO_BIG;
	}
	if (err == ERR_TOO_BIG)
		err = store_read(st, &j->info, &j->content);
	if (err != ERR_OK)
		content_failed(s, j, err);
	j->has_content = true;
}

static const struct mime_tree *tree_need(struct session *s, struct fetch_job *j)
{
	content_need(s, j);
	if (!j->has_tree)
		mime_parse(&j->tree, j->content);
	j->has_tree = true;
	return &j->tree;
}

/* ---- sections ---- */

static bool is_whole_message(const struct imap_fetch_item *i)
{
	return i->depth == 0 && i->text == IMAP_SECTION_ALL;
}

/* Where the section is; false: there is none, or it cannot be read. */
static bool section_locate(struct session *s, struct fetch_job *j, const struct imap_fetch_item *i)
{
	size_t at = 0, n = 0;
	buf_reset(&j->own);
	j->in_own = false;
	if (is_whole_message(i) && j->info.size > CHUNK) {
		/* Nothing needs to be looked at, but what will be sent must be what was stored. */
		int err = store_check(s->imapd->store, &j->info);
		if (err != ERR_OK) {
			content_failed(s, j, err);
			return false;
		}
		uint64_t skip = i->partial && i->offset < j->info.size ? i->offset : i->partial ? j->info.size : 0;
		j->at = skip;
		j->left = j->info.size - skip;
		if (i->partial && i->count < j->left)
			j->left = i->count;
		return true;
	}
	content_need(s, j);
	const struct mime_tree *t = i->depth > 0 ? tree_need(s, j) : NULL;
	if (j->unreadable || !imap_section_find(i, j->content, t, &at, &n, &j->own, &j->in_own))
		return false;
	j->at = at;
	j->left = n;
	return true;
}

/* As much as there is room for; a section cannot be taken back when reading fails in its midst: the session ends then. */
static void section_stream(struct session *s, struct fetch_job *j)
{
	while (j->left > 0 && buf_len(&s->out) <= SESSION_OUTPUT_SOFT) {
		size_t n = j->left < CHUNK ? (size_t)j->left : CHUNK;
		if (j->in_own) {
			buf_addv(&s->out, view_head(view_skip(buf_view(&j->own), (size_t)j->at), n));
		} else {
			char *p = buf_room(&s->out, n);
			content_drop(j);
			int err = p ? store_read_part(s->imapd->store, &j->info, j->at, p, n) : ERR_LIMIT;
			if (err != ERR_OK) {
				log_error("imap_read_failed", LS("account", s->account), LU("uid", j->info.uid), LERR("error", err));
				s->broken = true;
				return;
			}
			buf_commit(&s->out, n);
		}
		j->at += n;
		j->left -= n;
	}
	j->streaming = j->left > 0;
}

static void put_section(struct session *s, struct fetch_job *j, const struct imap_fetch_item *i)
{
	imap_put_fetch_label(&s->out, i);
	if (!section_locate(s, j, i)) {
		buf_adds(&s->out, " NIL");
		return;
	}
	imap_put_number(&s->out, " {", j->left, "}\r\n");
	if (j->has_content && !j->in_own && j->left <= CHUNK) {
		buf_addv(&s->out, view_head(view_skip(j->content, (size_t)j->at), (size_t)j->left));
		return;
	}
	j->streaming = true;
	section_stream(s, j);
}

/* ---- items ---- */

static void render(struct session *s, struct fetch_job *j, enum summary_kind kind)
{
	if (kind != SUMMARY_ENVELOPE) {
		imap_put_structure(&s->out, tree_need(s, j), kind == SUMMARY_BODYSTRUCTURE);
		return;
	}
	content_need(s, j);
	imap_put_envelope(&s->out, j->content);
}

/* As it was rendered for somebody before, or from the message. */
static void put_summary(struct session *s, struct fetch_job *j, const char *label, enum summary_kind kind)
{
	struct view text;
	buf_adds(&s->out, label);
	if (store_summary_get(s->imapd->store, &j->info, kind, &text)) {
		buf_addv(&s->out, text);
		return;
	}
	size_t at = buf_len(&s->out);
	render(s, j, kind);
	if (!j->unreadable)
		store_summary_put(s->imapd->store, &j->info, kind, view_skip(buf_view(&s->out), at));
}

static void put_date(struct buf *b, int64_t t)
{
	buf_adds(b, "INTERNALDATE \"");
	date_put_imap(b, t);
	buf_addc(b, '"');
}

static void put_item(struct session *s, struct fetch_job *j, const struct imap_fetch_item *i)
{
	struct buf *b = &s->out;
	if (!j->first)
		buf_addc(b, ' ');
	j->first = false;
	switch (i->kind) {
	case IMAP_FETCH_FLAGS:
		put_flags(s, &j->info);
		break;
	case IMAP_FETCH_UID:
		imap_put_number(b, "UID ", j->info.uid, "");
		break;
	case IMAP_FETCH_INTERNALDATE:
		put_date(b, j->info.date);
		break;
	case IMAP_FETCH_SIZE:
		imap_put_number(b, "RFC822.SIZE ", j->info.size, "");
		break;
	case IMAP_FETCH_MODSEQ:
		imap_put_number(b, "MODSEQ (", j->info.modseq, ")");
		break;
	case IMAP_FETCH_ENVELOPE:
		put_summary(s, j, "ENVELOPE ", SUMMARY_ENVELOPE);
		break;
	case IMAP_FETCH_BODY:
		put_summary(s, j, "BODY ", SUMMARY_BODY);
		break;
	case IMAP_FETCH_BODYSTRUCTURE:
		put_summary(s, j, "BODYSTRUCTURE ", SUMMARY_BODYSTRUCTURE);
		break;
	case IMAP_FETCH_SECTION:
		put_section(s, j, i);
		break;
	}
}

/* ---- messages ---- */

/* The next message of the set that there is; false at the end. */
static bool message_next(struct session *s, struct fetch_job *j)
{
	for (;;) {
		if (j->seq > j->last) {
			if (j->range == j->uids.n)
				return false;
			const struct uid_range *r = &j->uids.ranges[j->range++];
			j->seq = mailbox_view_seq(s->view, r->first);
			j->last = mailbox_view_seq(s->view, r->last);
			if (j->seq == 0 || j->last == 0)
				j->seq = j->last + 1;
			continue;
		}
		if (mailbox_view_info(s->view, j->seq, &j->info) == ERR_OK && j->info.modseq > j->changed_since)
			return true;
		/* RFC 3501 6.4.8: a UID that is not there is no error. */
		j->missing = j->missing || (j->changed_since == 0 && !s->uid);
		j->seq++;
	}
}

static void message_open(struct session *s, struct fetch_job *j)
{
	content_drop(j);
	j->open = j->first = true;
	j->unreadable = false;
	j->item = 0;
	imap_put_number(&s->out, "* ", j->seq, " FETCH (");
	/* RFC 3501 6.4.5: reading it marks it, and the change of flags is told with it. */
	if (j->f.seen && !mailbox_view_read_only(s->view) && (j->info.flags.system & MAIL_SEEN) == 0) {
		j->info.flags.system |= MAIL_SEEN;
		uidset_add(&j->seen, j->info.uid);
		if (!imap_fetch_has(&j->f, IMAP_FETCH_FLAGS))
			put_item(s, j, &(struct imap_fetch_item){ .kind = IMAP_FETCH_FLAGS });
	}
}

/* Goes on with the message at hand. */
static void message_step(struct session *s, struct fetch_job *j)
{
	if (j->streaming)
		section_stream(s, j);
	while (!j->streaming && j->item < j->f.n)
		put_item(s, j, &j->f.item[j->item++]);
	if (j->streaming)
		return;
	buf_adds(&s->out, ")\r\n");
	content_drop(j);
	j->open = false;
	j->seq++;
}

static void finish(struct session *s, struct fetch_job *j)
{
	content_drop(j);
	int err = ERR_OK;
	if (!uidset_empty(&j->seen))
		err = mailbox_view_store(s->view, &j->seen, STORE_FLAGS_ADD, (struct mail_flags){ .system = MAIL_SEEN }, UINT64_MAX, true, NULL);
	if (err != ERR_OK)
		log_error("imap_seen_failed", LS("account", s->account), LERR("error", err));
	if (j->damaged)
		session_no(s, "[CORRUPTION] ", "Some messages could not be read");
	else if (j->missing && !j->of_store)
		session_no(s, "[EXPUNGEISSUED] ", "Some messages are gone");
	else
		session_ok(s, j->of_store ? "Stored" : "Fetched");
}

static void fetch_step(struct session *s)
{
	struct fetch_job *j = s->job;
	uint64_t end = session_slice_end();
	do {
		if (!j->open) {
			if (!message_next(s, j)) {
				finish(s, j);
				return;
			}
			message_open(s, j);
		}
		message_step(s, j);
	} while (!session_slice_over(s, end));
	content_drop(j);
}

/* [SP "(CHANGEDSINCE" SP modseq ")"] (RFC 7162 3.1.4.1) */
static bool modifiers(struct session *s, struct fetch_job *j)
{
	struct imap_text *t = &s->text;
	if (imap_at_end(t))
		return true;
	if (!imap_space(t) || !imap_take(t, '(') || !imap_keyword(t, "CHANGEDSINCE") || !imap_space(t) || !imap_number64(t, &j->changed_since) ||
		!imap_take(t, ')') || !imap_at_end(t)) {
		session_bad(s, "There is more in the command than it takes");
		return false;
	}
	imap_fetch_add(&j->f, IMAP_FETCH_MODSEQ);
	return true;
}

static void begin_summaries(struct session *s, struct fetch_job *j)
{
	if (!imap_fetch_has(&j->f, IMAP_FETCH_ENVELOPE) && !imap_fetch_has(&j->f, IMAP_FETCH_BODY) && !imap_fetch_has(&j->f, IMAP_FETCH_BODYSTRUCTURE))
		return;
	j->summaries = s->imapd->store;
	store_summary_begin(j->summaries);
}

void cmd_fetch(struct session *s)
{
	struct fetch_job *j = fetch_new();
	struct imap_set set;
	s->job = j;
	s->job_free = fetch_free;
	if (!args_set(s, &set) || !args_space(s))
		return;
	if (!imap_fetch_parse(&s->text, &j->f)) {
		session_bad(s, "These are no items of FETCH");
		return;
	}
	if (!modifiers(s, j))
		return;
	if (s->uid)
		imap_fetch_add(&j->f, IMAP_FETCH_UID);
	s->condstore = s->condstore || imap_fetch_has(&j->f, IMAP_FETCH_MODSEQ);
	set_uids(s, &set, &j->uids);
	if (s->keywords_known != store_keyword_count(s->imapd->store))
		session_flags_line(s);
	begin_summaries(s, j);
	session_job(s, fetch_step, j, fetch_free);
}

void fetch_after_store(struct session *s, struct uidset *uids, bool flags, bool modseq)
{
	struct fetch_job *j = fetch_new();
	j->uids = *uids;
	*uids = (struct uidset){ 0 };
	j->of_store = true;
	if (s->uid)
		imap_fetch_add(&j->f, IMAP_FETCH_UID);
	if (flags)
		imap_fetch_add(&j->f, IMAP_FETCH_FLAGS);
	if (modseq)
		imap_fetch_add(&j->f, IMAP_FETCH_MODSEQ);
	if (s->keywords_known != store_keyword_count(s->imapd->store))
		session_flags_line(s);
	if (s->job_free)
		s->job_free(s->job);
	session_job(s, fetch_step, j, fetch_free);
}
