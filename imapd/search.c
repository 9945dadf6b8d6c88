/* SPDX-License-Identifier: ISC */
/* SEARCH: a job that looks at some messages at a time. */
#include "session.h"

#include <stdlib.h>

#include "proto/imap_put.h"
#include "proto/imap_search.h"
#include "sys/clock.h"

#define HEADER_MAX ((size_t)1 << 20) /* octets of a header that are searched */

struct search_job {
	struct imap_search program;
	uint32_t seq;
	struct uidset found; /* sequence numbers or UIDs */
	uint64_t modseq;     /* the highest found */
	struct buf header;
	struct session *s;
	struct message_info info;
};

static void search_free(void *arg)
{
	struct search_job *j = arg;
	imap_search_fini(&j->program);
	uidset_fini(&j->found);
	buf_fini(&j->header);
	free(j);
}

/* What a key looks into. */
static bool content(void *arg, bool whole, struct view *v)
{
	struct search_job *j = arg;
	struct store *st = j->s->imapd->store;
	if (whole)
		return store_read(st, &j->info, v) == ERR_OK;
	buf_reset(&j->header);
	if (store_read_header(st, &j->info, &j->header) != ERR_OK)
		return false;
	*v = buf_view(&j->header);
	return true;
}

static void look_at(struct session *s, struct search_job *j)
{
	if (mailbox_view_info(s->view, j->seq, &j->info) != ERR_OK)
		return;
	struct imap_search_message m = {
		.seq = j->seq,
		.uid = j->info.uid,
		.system = j->info.flags.system,
		.keywords = j->info.flags.keywords,
		.recent = mailbox_view_recent(s->view, j->info.uid),
		.seen = (j->info.flags.system & MAIL_SEEN) != 0,
		.date = j->info.date,
		.now = clock_wall(NULL),
		.size = j->info.size,
		.modseq = j->info.modseq,
		.content = content,
		.arg = j,
	};
	if (!imap_search_match(&j->program, &m))
		return;
	uidset_add(&j->found, s->uid ? m.uid : m.seq);
	j->modseq = m.modseq > j->modseq ? m.modseq : j->modseq;
}

static void put_numbers(struct session *s, const struct search_job *j)
{
	buf_adds(&s->out, "* SEARCH");
	for (size_t i = 0; i < j->found.n; i++)
		for (uint64_t n = j->found.ranges[i].first; n <= j->found.ranges[i].last; n++)
			imap_put_number(&s->out, " ", n, "");
	if (j->program.modseq && j->found.n > 0)
		buf_printf(&s->out, " (MODSEQ %llu)", (unsigned long long)j->modseq);
	buf_adds(&s->out, "\r\n");
}

/* RFC 4731 3.1 */
static void put_esearch(struct session *s, const struct search_job *j)
{
	const struct uidset *f = &j->found;
	unsigned r = j->program.returns;
	buf_adds(&s->out, "* ESEARCH (TAG ");
	imap_put_string(&s->out, s->tag);
	buf_adds(&s->out, s->uid ? ") UID" : ")");
	if (r & IMAP_RETURN_MIN && f->n > 0)
		buf_printf(&s->out, " MIN %u", f->ranges[0].first);
	if (r & IMAP_RETURN_MAX && f->n > 0)
		buf_printf(&s->out, " MAX %u", f->ranges[f->n - 1].last);
	if (r & IMAP_RETURN_COUNT)
		buf_printf(&s->out, " COUNT %llu", (unsigned long long)uidset_count(f));
	if (r & IMAP_RETURN_ALL && f->n > 0) {
		buf_adds(&s->out, " ALL ");
		uidset_put_text(&s->out, f);
	}
	if (j->program.modseq && f->n > 0)
		buf_printf(&s->out, " MODSEQ %llu", (unsigned long long)j->modseq);
	buf_adds(&s->out, "\r\n");
}

static void search_step(struct session *s)
{
	struct search_job *j = s->job;
	uint64_t end = session_slice_end();
	uint32_t count = mailbox_view_count(s->view);
	while (j->seq <= count && !session_slice_over(s, end)) {
		look_at(s, j);
		j->seq++;
	}
	if (j->seq <= count)
		return;
	if (j->program.returns)
		put_esearch(s, j);
	else
		put_numbers(s, j);
	session_ok(s, "Searched");
}

/* Flags by name become bits; a keyword that the account does not have is on no message. */
static void resolve_flags(struct session *s, struct imap_search *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct imap_search_node *n = &p->node[i];
		struct mail_flags flags = { 0 };
		if (n->op != IMAP_SEARCH_FLAG && n->op != IMAP_SEARCH_UNFLAG)
			continue;
		if (flag_find(s->imapd->store, n->text, false, &flags) != ERR_OK)
			continue;
		n->system = flags.system;
		n->keywords = flags.keywords;
	}
}

static bool program_ok(struct session *s, enum imap_search_result r)
{
	switch (r) {
	case IMAP_SEARCH_BAD:
		session_bad(s, "That is no search program");
		return false;
	case IMAP_SEARCH_BADCHARSET:
		session_no(s, "[BADCHARSET (US-ASCII UTF-8)] ", "The charset is not known");
		return false;
	case IMAP_SEARCH_LIMIT:
		session_no(s, "[LIMIT] ", "That search asks for too much");
		return false;
	case IMAP_SEARCH_OK:
		break;
	}
	return true;
}

void cmd_search(struct session *s)
{
	struct search_job *j = mem_new(sizeof(*j));
	j->s = s;
	j->seq = 1;
	buf_init(&j->header, HEADER_MAX);
	s->job = j;
	s->job_free = search_free;
	if (!args_space(s) || !program_ok(s, imap_search_parse(&s->text, &j->program)))
		return;
	uint32_t count = mailbox_view_count(s->view);
	imap_search_resolve(&j->program, count, count ? mailbox_view_uid(s->view, count) : 0);
	resolve_flags(s, &j->program);
	s->condstore = s->condstore || j->program.modseq;
	session_job(s, search_step, j, search_free);
}
