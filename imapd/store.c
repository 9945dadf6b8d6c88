/* SPDX-License-Identifier: ISC */
/* STORE (RFC 3501 6.4.6, UNCHANGEDSINCE of RFC 7162 3.1.3). */
#include "session.h"

#include <stdlib.h>

struct store_job {
	struct uidset uids;
	struct store_flags_result result;
	bool silent, conditional;
};

static void store_job_free(void *arg)
{
	struct store_job *j = arg;
	uidset_fini(&j->uids);
	uidset_fini(&j->result.changed);
	uidset_fini(&j->result.modified);
	free(j);
}

static const struct {
	const char *name;
	enum store_flags_how how;
	bool silent;
} items[] = {
	{ "FLAGS", STORE_FLAGS_SET, false },
	{ "FLAGS.SILENT", STORE_FLAGS_SET, true },
	{ "+FLAGS", STORE_FLAGS_ADD, false },
	{ "+FLAGS.SILENT", STORE_FLAGS_ADD, true },
	{ "-FLAGS", STORE_FLAGS_REMOVE, false },
	{ "-FLAGS.SILENT", STORE_FLAGS_REMOVE, true },
};
#define ITEMS (sizeof(items) / sizeof(items[0]))

/* What was not touched, in the numbers of the command. */
static void put_modified(struct session *s, const struct uidset *modified)
{
	struct uidset seqs = { 0 };
	for (size_t i = 0; i < modified->n && !s->uid; i++)
		for (uint32_t seq = mailbox_view_seq_from(s->view, modified->ranges[i].first);
			seq <= mailbox_view_count(s->view) && mailbox_view_uid(s->view, seq) <= modified->ranges[i].last; seq++)
			uidset_add(&seqs, seq);
	buf_adds(&s->code, "[MODIFIED ");
	uidset_put_text(&s->code, s->uid ? modified : &seqs);
	buf_adds(&s->code, "] ");
	uidset_fini(&seqs);
}

static void stored(struct session *s)
{
	struct store_job *j = s->job;
	if (!uidset_empty(&j->result.modified))
		put_modified(s, &j->result.modified);
	/* RFC 7162 3.1.3: .SILENT keeps the flags back, but not the MODSEQ from a client that knows of it. */
	if (j->silent && !j->conditional && !s->condstore)
		session_ok(s, "Stored");
	else
		fetch_after_store(s, j->silent ? &j->result.changed : &j->uids, !j->silent, s->condstore || j->conditional);
}

/* [SP "(UNCHANGEDSINCE" SP modseq ")"] SP item SP flags */
static bool arguments(struct session *s, struct store_job *j, uint64_t *since, enum store_flags_how *how, struct mail_flags *flags)
{
	struct imap_text *t = &s->text;
	struct view name;
	*since = UINT64_MAX;
	if (!args_space(s))
		return false;
	if (imap_take(t, '(')) {
		j->conditional = imap_keyword(t, "UNCHANGEDSINCE") && imap_space(t) && imap_number64(t, since) && imap_take(t, ')') && imap_space(t);
		if (!j->conditional) {
			session_bad(s, "There is no such modifier of STORE");
			return false;
		}
		s->condstore = true;
	}
	size_t i = ITEMS;
	if (imap_atom(t, &name))
		for (i = 0; i < ITEMS && !view_ieqs(name, items[i].name);)
			i++;
	if (i == ITEMS) {
		session_bad(s, "STORE takes FLAGS, +FLAGS or -FLAGS");
		return false;
	}
	*how = items[i].how;
	j->silent = items[i].silent;
	return args_space(s) && args_flags(s, true, flags) && args_end(s);
}

void cmd_store(struct session *s)
{
	struct store_job *j = mem_new(sizeof(*j));
	struct imap_set set;
	struct mail_flags flags;
	enum store_flags_how how;
	uint64_t since;
	s->job = j;
	s->job_free = store_job_free;
	if (!args_set(s, &set) || !arguments(s, j, &since, &how, &flags))
		return;
	if (mailbox_view_read_only(s->view)) {
		session_no(s, "[READ-ONLY] ", "The mailbox is open for reading");
		return;
	}
	set_uids(s, &set, &j->uids);
	int err = mailbox_view_store(s->view, &j->uids, how, flags, since, true, &j->result);
	if (err != ERR_OK)
		session_error(s, err);
	else
		session_when_durable(s, stored);
}
