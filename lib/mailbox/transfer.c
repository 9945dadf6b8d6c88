/* SPDX-License-Identifier: ISC */
#include "mailbox/transfer.h"

#include <stdio.h>

/* Messages between two reports. */
#define STEP 200

void transfer_bad(const struct tool_report *report, struct tool_result *r, const char *what, int err)
{
	r->bad++;
	if (report && report->bad)
		report->bad(report->arg, what, err);
}

void transfer_count(const struct tool_report *report, struct tool_result *r, uint64_t octets)
{
	r->octets += octets;
	if (++r->messages % STEP == 0 && report && report->progress)
		report->progress(report->arg, r);
}


int transfer_each_message(struct transfer_walk *w, transfer_message_fn *fn)
{
	struct message_info i;
	struct view content;
	char what[MAILBOX_NAME_MAX + 32];
	int err = ERR_OK;
	for (uint32_t seq = 1; seq <= mailbox_view_count(w->view) && err == ERR_OK; seq++) {
		if (mailbox_view_info(w->view, seq, &i) != ERR_OK)
			continue;
		int damage = store_read(w->s, &i, &content);
		if (damage == ERR_OK) {
			err = fn(w, &i, content);
			transfer_count(w->report, w->r, i.size);
		} else {
			snprintf(what, sizeof what, "%s UID %u", w->mailbox, i.uid);
			transfer_bad(w->report, w->r, what, damage);
		}
	}
	return err;
}

int transfer_each_mailbox(struct transfer_walk *w, int (*fn)(struct transfer_walk *w))
{
	int err = ERR_OK;
	for (size_t i = 0; i < store_mailbox_count(w->s) && err == ERR_OK; i++) {
		w->mailbox = mailbox_name(store_mailbox_at(w->s, i));
		err = mailbox_view_open(w->s, view_of(w->mailbox), true, &w->view);
		if (err == ERR_OK)
			err = fn(w);
		mailbox_view_close(w->view);
		w->view = NULL;
	}
	return err;
}

void transfer_put_lf(struct buf *b, struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != '\r' || i + 1 == v.n || v.p[i + 1] != '\n')
			buf_addc(b, v.p[i]);
}

void transfer_put_crlf(struct buf *b, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\n' && (i == 0 || v.p[i - 1] != '\r'))
			buf_addc(b, '\r');
		buf_addc(b, v.p[i]);
	}
}

int transfer_commit(struct transfer *im)
{
	struct store_append_result done;
	int err = im->append ? store_append_commit(im->append, &done) : ERR_OK;
	im->append = NULL;
	im->pending = 0;
	return err;
}

int transfer_append(struct transfer *im, int64_t date, struct mail_flags flags)
{
	int err = im->append ? ERR_OK : store_append_new(im->s, im->mailbox, &im->append);
	if (err == ERR_OK)
		err = store_append_begin(im->append, buf_len(&im->text), date, flags);
	if (err == ERR_LIMIT && im->pending) { /* the group is full */
		err = transfer_commit(im);
		return err == ERR_OK ? transfer_append(im, date, flags) : err;
	}
	if (err == ERR_OK)
		err = store_append_write(im->append, buf_view(&im->text));
	im->pending += err == ERR_OK;
	return err;
}
