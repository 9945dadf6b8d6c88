/* SPDX-License-Identifier: ISC */
#include "tests/unit/mailbox/help.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/journal.h"
#include "mailbox/incoming.h"
#include "sys/file.h"

/* One text at a time is enough for an assertion. */
static struct buf *scratch(void)
{
	static struct buf b = { .max = 1 << 22 };
	buf_reset(&b);
	return &b;
}

int account_new(void **state)
{
	struct account *a = mem_new(sizeof *a);
	snprintf(a->path, sizeof a->path, "/tmp/mailbox-test-XXXXXX");
	assert_non_null(mkdtemp(a->path));
	assert_int_equal(file_open_dir(AT_FDCWD, a->path, &a->fd), ERR_OK);
	*state = a;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int account_free(void **state)
{
	struct account *a = *state;
	account_close(a);
	fd_close(&a->fd);
	nftw(a->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	buf_fini(scratch());
	free(a);
	return 0;
}

struct store *account_open(struct account *a)
{
	account_close(a);
	struct store_options o = { .segment_size = a->segment_size, .tidy_least = a->tidy_least };
	a->loop = loop_new();
	assert_int_equal(store_open(a->loop, a->fd, &o, &a->store), ERR_OK);
	return a->store;
}

void account_close(struct account *a)
{
	if (!a->store)
		return;
	store_close(a->store);
	loop_free(a->loop);
	a->store = NULL;
}

struct store *account_other(struct account *a)
{
	struct store *s;
	struct store_options o = { .segment_size = a->segment_size, .tidy_least = a->tidy_least };
	assert_int_equal(store_open(NULL, a->fd, &o, &s), ERR_OK);
	return s;
}

static size_t split_targets(const char *targets, struct incoming_target *t)
{
	struct view rest = view_of(targets), one;
	size_t n = 0;
	while (view_cut(&rest, ',', &one)) {
		t[n].flags = one;
		assert_true(view_cut(&t[n].flags, ':', &t[n].mailbox));
		n++;
	}
	return n;
}

void deliver(struct account *a, const char *text, const char *targets)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .segment_size = a->segment_size };
	struct incoming_target t[INCOMING_TARGETS_MAX];
	struct incoming in = { .id = { 1, ++a->deliveries, 0 }, .date = 1000000000 + (int64_t)a->deliveries };
	struct journal *j;
	struct buf head;
	int fd;
	assert_int_equal(file_mkdir(a->fd, "incoming", 0700), ERR_OK);
	assert_int_equal(file_open_dir(a->fd, "incoming", &fd), ERR_OK);
	assert_int_equal(journal_open(fd, &o, &j), ERR_OK);
	in.back = journal_end(j);
	buf_init(&head, INCOMING_HEAD_MAX);
	incoming_encode(&head, &in, t, targets ? split_targets(targets, t) : 0);
	struct journal_frame f = { .kind = INCOMING_MESSAGE, .parts = { buf_view(&head), view_of(text) } };
	assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
	assert_int_equal(journal_flush(j), ERR_OK);
	buf_fini(&head);
	journal_close(j);
	fd_close(&fd);
}

void settle(struct store *s)
{
	assert_int_equal(store_refresh(s), ERR_OK);
	assert_int_equal(store_flush_now(s), ERR_OK);
}

uint32_t append_text(struct store *s, const char *mailbox, const char *text, uint8_t flags)
{
	struct store_append *a;
	struct store_append_result r;
	struct view v = view_of(text);
	assert_int_equal(store_append_new(s, view_of(mailbox), &a), ERR_OK);
	assert_int_equal(store_append_begin(a, v.n, 1234567890, (struct mail_flags){ flags, 0 }), ERR_OK);
	assert_int_equal(store_append_write(a, view_head(v, 1)), ERR_OK);
	assert_int_equal(store_append_write(a, view_skip(v, 1)), ERR_OK);
	assert_int_equal(store_append_end(a), ERR_OK);
	assert_int_equal(store_append_commit(a, &r), ERR_OK);
	assert_int_equal(store_flush_now(s), ERR_OK);
	return r.uid_first;
}

struct mailbox_view *view_of_mailbox(struct store *s, const char *name)
{
	struct mailbox_view *v;
	assert_int_equal(mailbox_view_open(s, view_of(name), false, &v), ERR_OK);
	return v;
}

struct uidset uids_of(uint32_t first, uint32_t last)
{
	struct uidset u = { 0 };
	uidset_add_range(&u, first, last);
	return u;
}

const char *contents(struct account *a, struct store *s, struct mailbox_view *v)
{
	struct buf *b = scratch();
	struct message_info i;
	struct view content;
	(void)a;
	for (uint32_t seq = 1; seq <= mailbox_view_count(v); seq++) {
		buf_printf(b, "%s%u:", seq > 1 ? " " : "", mailbox_view_uid(v, seq));
		if (mailbox_view_info(v, seq, &i) == ERR_OK && store_read(s, &i, &content) == ERR_OK)
			buf_addv(b, content);
		else
			buf_addc(b, '?');
	}
	return buf_str(b);
}

const char *contents_of(struct account *a, struct store *s, const char *name)
{
	struct mailbox_view *v;
	assert_int_equal(mailbox_view_open(s, view_of(name), true, &v), ERR_OK);
	const char *text = contents(a, s, v);
	mailbox_view_close(v);
	return text;
}

static void note_change(void *arg, const struct mailbox_change *c)
{
	struct buf *b = arg;
	if (buf_len(b))
		buf_addc(b, ' ');
	if (c->type == MAILBOX_EXISTS)
		buf_printf(b, "=%u", c->seq);
	else
		buf_printf(b, "%c%u(%u)", c->type == MAILBOX_EXPUNGED ? '-' : 'f', c->seq, c->uid);
}

const char *changes(struct account *a, struct mailbox_view *v, bool expunges)
{
	struct buf *b = scratch();
	(void)a;
	mailbox_view_take(v, expunges, note_change, b);
	return buf_str(b);
}
