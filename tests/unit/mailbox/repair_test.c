/* SPDX-License-Identifier: ISC */
/*
 * Repair: every frame of an account's journal is damaged in turn, then every file of it, by its head and altogether. Whatever it was, all messages whose octets
 * are still there are found afterwards, no UID names another message under the UIDVALIDITY that it had, and a check finds nothing more.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/frame.h"
#include "mailbox/records.h"
#include "mailbox/repair.h"
#include "mailbox/store.h"
#include "sys/file.h"
#include "tests/unit/mailbox/help.h"

#define FRAMES_MAX 200
#define TEXTS 14

static struct {
	uint64_t position;
	unsigned kind;
	char text[8]; /* a content's */
} frames[FRAMES_MAX];
static size_t nframes;

static int note_frame(void *arg, const struct journal_record *r)
{
	(void)arg;
	assert_true(nframes < FRAMES_MAX);
	frames[nframes].position = r->position;
	frames[nframes].kind = r->kind;
	snprintf(frames[nframes].text, sizeof frames[nframes].text, "%.*s", r->kind == RECORD_content ? 3 : 0, (const char *)r->payload.p);
	nframes++;
	return ERR_OK;
}

/* ---- the account that is damaged: messages t00 … by delivery and by APPEND, in two mailboxes, flags, copies, an expunge ---- */
static void multiappend(struct store *s, const char *const texts[3])
{
	struct store_append *a;
	struct store_append_result r;
	assert_int_equal(store_append_new(s, VIEW("INBOX"), &a), ERR_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_append_begin(a, strlen(texts[i]), 7, (struct mail_flags){ 0 }), ERR_OK);
		assert_int_equal(store_append_write(a, view_of(texts[i])), ERR_OK);
		assert_int_equal(store_append_end(a), ERR_OK);
	}
	assert_int_equal(store_append_commit(a, &r), ERR_OK);
	settle(s);
}

static void flag_and_copy(struct store *s)
{
	struct mailbox_view *v = view_of_mailbox(s, "INBOX");
	struct uidset u = uids_of(2, 3);
	assert_int_equal(mailbox_view_store(v, &u, STORE_FLAGS_ADD, (struct mail_flags){ MAIL_FLAGGED, 0 }, UINT64_MAX, true, NULL), ERR_OK);
	assert_int_equal(mailbox_view_copy(v, &u, VIEW("Archive"), false, NULL), ERR_OK);
	uidset_fini(&u);
	u = uids_of(1, 1);
	assert_int_equal(mailbox_view_expunge(v, &u, true, NULL), ERR_OK); /* t00 */
	uidset_fini(&u);
	mailbox_view_close(v);
	settle(s);
}

static void fill(struct account *a, bool checkpoint)
{
	static const char *const three[] = { "t02", "t03", "t04" };
	bool more = true;
	a->segment_size = 4096;
	struct store *s = account_open(a);
	append_text(s, "INBOX", "t00", 0);
	deliver(a, "t01", NULL);
	settle(s);
	multiappend(s, three);
	flag_and_copy(s);
	if (checkpoint) {
		s->tidy_least = 64;
		assert_int_equal(store_tidy(s, &more), ERR_OK);
		settle(s);
	}
	assert_int_equal(journal_roll(s->journal), ERR_OK);
	s->next = journal_end(s->journal);
	deliver(a, "t05", "Junk:\\Seen $x,Archive:");
	deliver(a, "t06", NULL);
	settle(s);
	append_text(s, "Archive", "t07", MAIL_SEEN);
	assert_int_equal(store_create(s, VIEW("made"), 0), ERR_OK);
	append_text(s, "made", "t08", 0);
	assert_int_equal(journal_roll(s->journal), ERR_OK);
	s->next = journal_end(s->journal);
	append_text(s, "INBOX", "t09", 0);
	append_text(s, "made", "t10", 0);
	deliver(a, "t11", "made:");
	deliver(a, "t12", NULL);
	settle(s);
	append_text(s, "INBOX", "t13", 0); /* the last: whatever damage there is lies below the durable mark */
	nframes = 0;
	uint64_t next;
	assert_int_equal(journal_scan(s->journal, 0, note_frame, NULL, &next), ERR_OK);
}

/* ---- what there was, to compare with ---- */
struct seen {
	char name[16];
	uint32_t uidvalidity, uid;
	char text[8];
};

struct picture {
	struct seen v[64];
	size_t n;
};

static void take_picture(struct store *s, struct picture *p)
{
	p->n = 0;
	for (size_t i = 0; i < store_mailbox_count(s); i++) {
		const struct mailbox *m = store_mailbox_at(s, i);
		for (size_t k = 0; k < m->n; k++) {
			struct message_info info = { .uid = m->messages[k].uid, .size = m->messages[k].size,
				.ref = { m->messages[k].position, m->messages[k].offset } };
			struct view content;
			assert_true(p->n < 64);
			struct seen *e = &p->v[p->n++];
			*e = (struct seen){ .uidvalidity = m->uidvalidity, .uid = info.uid };
			snprintf(e->name, sizeof e->name, "%s", m->name);
			assert_int_equal(store_read(s, &info, &content), ERR_OK);
			snprintf(e->text, sizeof e->text, "%.*s", 3, (const char *)content.p);
		}
	}
}

static bool has_text(const struct picture *p, const char *text)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].text, text) == 0)
			return true;
	return false;
}

static void assert_uids_agree(const struct picture *before, const struct picture *after)
{
	for (size_t i = 0; i < before->n; i++)
		for (size_t k = 0; k < after->n; k++) {
			const struct seen *b = &before->v[i], *a = &after->v[k];
			if (strcmp(a->name, b->name) == 0 && a->uidvalidity == b->uidvalidity && a->uid == b->uid)
				assert_string_equal(a->text, b->text);
		}
}

/* ---- damage ---- */
static void journal_path(struct account *a, const char *name, char out[400]) { snprintf(out, 400, "%s/journal/%s", a->path, name); }

/* The segment that holds this position. */
static uint64_t segment_of(struct account *a, uint64_t position)
{
	char path[400];
	uint64_t best = 0;
	journal_path(a, "", path);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		char *end;
		uint64_t first = strtoull(e->d_name, &end, 16);
		if (strlen(e->d_name) == 16 && *end == '\0' && first <= position && first > best)
			best = first;
	}
	closedir(d);
	return best;
}

static void overwrite(struct account *a, uint64_t segment, off_t at, size_t n)
{
	char name[20], path[400], junk[1024];
	memset(junk, 0x5a, sizeof junk);
	snprintf(name, sizeof name, "%016llx", (unsigned long long)segment);
	journal_path(a, name, path);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk, n, at), n);
	close(fd);
}

/* ---- a repair, and what must hold ---- */
static void count_bad(void *arg, const char *what, int err)
{
	(void)what;
	(void)err;
	++*(unsigned *)arg;
}

static void repair(struct account *a, struct repair_result *what)
{
	struct tool_result r;
	unsigned bad = 0;
	struct tool_report report = { .bad = count_bad, .arg = &bad };
	struct store *s = account_open(a);
	assert_int_equal(tool_repair(s, false, "1", &report, &r, what), ERR_OK);
	assert_int_equal(bad, r.bad);
}

static void assert_sound(struct account *a, const struct picture *before, const char *missing)
{
	struct picture after;
	struct tool_result r;
	char text[8];
	struct store *s = account_open(a);
	assert_int_equal(s->st->refused, 0);
	take_picture(s, &after);
	assert_uids_agree(before, &after);
	for (int i = 1; i < TEXTS; i++) {
		snprintf(text, sizeof text, "t%02d", i);
		if (strcmp(text, missing) != 0)
			assert_true(has_text(&after, text));
	}
	assert_int_equal(tool_check(s, NULL, &r), ERR_OK);
	assert_int_equal(r.bad, 0);
	/* And it goes on. */
	deliver(a, "new", NULL);
	settle(s);
	assert_non_null(strstr(contents_of(a, s, "INBOX"), ":new"));
	append_text(s, "INBOX", "own", 0);
	account_close(a);
	take_picture(account_open(a), &after);
	assert_true(has_text(&after, "own"));
}

static void each_frame(bool checkpoint, size_t octet)
{
	struct picture before;
	struct repair_result what;
	size_t n = 1;
	for (size_t i = 0; i < n; i++) {
		void *p;
		account_new(&p);
		struct account *a = p;
		fill(a, checkpoint);
		n = nframes - 2; /* without t13 and its record */
		take_picture(a->store, &before);
		account_close(a);
		uint64_t at = frames[i].position, segment = segment_of(a, at);
		overwrite(a, segment, (off_t)(SEGMENT_DATA + (at - segment) + octet), 1);
		repair(a, &what);
		assert_int_equal(what.damaged, 1);
		assert_int_equal(what.aside, 1);
		assert_sound(a, &before, frames[i].text);
		account_free(&p);
	}
	assert_true(n > 20);
}

static void test_each_payload(void **state)
{
	(void)state;
	each_frame(false, FRAME_HEAD);
	each_frame(true, FRAME_HEAD);
}

static void test_each_frame_head(void **state)
{
	(void)state;
	each_frame(false, 9);
	each_frame(true, 9);
}

/* Of an APPEND of three the middle one's octets: the others stay what they were. */
static void test_rest_of_a_group(void **state)
{
	struct account *a = *state;
	struct repair_result what;
	size_t i = 0;
	fill(a, false);
	account_close(a);
	while (strcmp(frames[i].text, "t03") != 0)
		i++;
	uint64_t segment = segment_of(a, frames[i].position);
	overwrite(a, segment, (off_t)(SEGMENT_DATA + (frames[i].position - segment) + FRAME_HEAD), 1);
	repair(a, &what);
	assert_int_equal(what.gone, 1);
	assert_int_equal(what.recovered, 0);
	assert_string_equal(contents_of(a, account_open(a), "INBOX"), "2:t01 3:t02 5:t04 6:t06 7:t09 8:t12 9:t13");
}

/* A file that is gone takes the contents that stood in it alone. */
static void assert_rest_is_there(struct account *a, const struct picture *before, uint64_t from, uint64_t to)
{
	struct picture after;
	struct tool_result r;
	struct store *s = account_open(a);
	take_picture(s, &after);
	assert_uids_agree(before, &after);
	for (size_t i = 0; i < nframes; i++)
		if (*frames[i].text && strcmp(frames[i].text, "t00") != 0 && (frames[i].position < from || frames[i].position >= to))
			assert_true(has_text(&after, frames[i].text));
	assert_true(has_text(&after, "t01") && has_text(&after, "t05") && has_text(&after, "t06") && has_text(&after, "t11"));
	assert_int_equal(tool_check(s, NULL, &r), ERR_OK);
	assert_int_equal(r.bad, 0);
	append_text(s, "INBOX", "own", 0);
}

static void each_file(bool checkpoint, bool whole)
{
	for (int which = 0; which < 2; which++) {
		struct picture before;
		struct repair_result what;
		char name[20], path[400];
		void *p;
		account_new(&p);
		struct account *a = p;
		fill(a, checkpoint);
		take_picture(a->store, &before);
		uint64_t last = segment_of(a, UINT64_MAX >> 1);
		account_close(a);
		uint64_t middle = segment_of(a, frames[nframes - 1].position - 1);
		middle = segment_of(a, middle - 1);
		uint64_t victim = which ? middle : 0, limit = which ? segment_of(a, frames[nframes - 1].position) : middle;
		if (which == 0 && whole) { /* it would have been dropped: nothing to see */
			account_free(&p);
			continue;
		}
		assert_true(last > middle && middle > 0);
		snprintf(name, sizeof name, "%016llx", (unsigned long long)victim);
		journal_path(a, name, path);
		if (whole)
			assert_int_equal(unlink(path), 0);
		else
			overwrite(a, victim, 0, 1024);
		repair(a, &what);
		assert_true(what.damaged > 0 && what.aside == (whole ? 0 : 1));
		assert_rest_is_there(a, &before, victim, limit);
		account_free(&p);
	}
}

static void test_each_file(void **state)
{
	(void)state;
	each_file(false, false);
	each_file(true, false);
	each_file(false, true);
	each_file(true, true);
}

/* Below a checkpoint nothing that matters can be lost but contents; a session may be there. */
static void test_beside_a_session(void **state)
{
	struct account *a = *state;
	struct picture before, after;
	struct repair_result what;
	struct tool_result r;
	fill(a, true);
	take_picture(a->store, &before);
	uint64_t at = frames[0].position, segment = segment_of(a, at);
	overwrite(a, segment, (off_t)(SEGMENT_DATA + (at - segment) + FRAME_HEAD), 1);
	struct store *other = account_other(a);
	assert_int_equal(tool_repair(other, false, "1", NULL, &r, &what), ERR_OK);
	store_close(other);
	assert_false(what.records_lost);
	assert_int_equal(what.gone + what.recovered + what.adopted + what.renewed, 0);
	settle(a->store);
	take_picture(a->store, &after);
	assert_int_equal(after.n, before.n);
	for (size_t i = 0; i < before.n; i++)
		assert_int_equal(after.v[i].uidvalidity, before.v[i].uidvalidity);
	assert_uids_agree(&before, &after);
	append_text(a->store, "INBOX", "own", 0);
}

/* Where records may be lost, a process that knew them would go on by its own state: it must end first. Dry runs change nothing. */
static void test_not_beside_who_knows_better(void **state)
{
	struct account *a = *state;
	struct repair_result what;
	struct tool_result r;
	fill(a, false);
	uint64_t at = frames[nframes - 3].position, segment = segment_of(a, at), end = journal_end(a->store->journal);
	overwrite(a, segment, (off_t)(SEGMENT_DATA + (at - segment) + FRAME_HEAD), 1);
	struct store *other = account_other(a);
	assert_int_equal(tool_repair(other, false, "1", NULL, &r, &what), ERR_BUSY);
	store_close(other);
	account_close(a);
	other = account_other(a);
	assert_int_equal(tool_repair(other, true, "1", NULL, &r, &what), ERR_OK);
	assert_true(what.records_lost);
	store_close(other);
	account_open(a);
	assert_true(journal_end(a->store->journal) >= end);
	assert_int_equal(tool_check(a->store, NULL, &r), ERR_OK);
	assert_int_equal(r.bad, 1);
}

/* A part of a checkpoint that is missing makes all of it worth nothing: what it would leave out is not to vanish. */
static void test_checkpoint_with_a_hole(void **state)
{
	struct state *st = state_new();
	struct buf b;
	(void)state;
	buf_init(&b, 256);
	for (unsigned part = 0; part < 3; part++) {
		buf_reset(&b);
		record_put_checkpoint(&b, &(struct record_checkpoint){ .part = part, .last = part == 2, .records = 9 });
		assert_int_equal(part == 1 || state_apply(st, RECORD_checkpoint, part + 1, buf_view(&b), true), part != 2);
	}
	assert_int_equal(st->records, 0);
	buf_fini(&b);
	state_free(st);
}

/* What is damaged of incoming stays; its deliveries are gone, and a check knows. */
static void test_incoming(void **state)
{
	struct account *a = *state;
	struct repair_result what;
	struct tool_result r;
	char path[400];
	static const char *const texts[] = { "one", "two", "three", "four" };
	struct store *s = account_open(a);
	for (int i = 0; i < 4; i++)
		deliver(a, texts[i], NULL);
	settle(s);
	uint64_t at = store_mailbox(s, VIEW("INBOX"))->messages[1].position;
	account_close(a);
	snprintf(path, sizeof path, "%s/incoming/0000000000000000", a->path);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0 && pwrite(fd, "\xff", 1, (off_t)(SEGMENT_DATA + at + FRAME_HEAD + 1)) == 1);
	close(fd);
	s = account_open(a);
	assert_int_equal(tool_check(s, NULL, &r), ERR_OK);
	assert_int_equal(r.bad, 2); /* the range, and the message */
	repair(a, &what);
	assert_int_equal(what.gone, 1);
	assert_false(what.records_lost);
	s = account_open(a);
	assert_int_equal(tool_check(s, NULL, &r), ERR_OK);
	assert_int_equal(r.bad, 0);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 3:three 4:four");
	deliver(a, "five", NULL);
	settle(s);
	assert_string_equal(contents_of(a, s, "INBOX"), "1:one 3:three 4:four 5:five");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_payload),
		cmocka_unit_test(test_each_frame_head),
		account_test(test_rest_of_a_group),
		cmocka_unit_test(test_each_file),
		account_test(test_beside_a_session),
		account_test(test_not_beside_who_knows_better),
		cmocka_unit_test(test_checkpoint_with_a_hole),
		account_test(test_incoming),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
