/* SPDX-License-Identifier: ISC */
/* The contract of journal.h, call by call. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "journal/journal.h"
#include "journal/seam.h"
#include "sys/boot.h"
#include "tests/unit/journal/help.h"

static void appends_and_reads_back(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 0);
	struct journal_frame f[3] = { { .kind = 7, .parts = { VIEW("one") } },
		{ .kind = 8, .parts = { VIEW("tw"), VIEW("o") } }, { .kind = 9 } };
	struct journal_record r;

	assert_int_equal(journal_append(j, journal_end(j), f, 3), ERR_OK);
	assert_int_equal(journal_read(j, f[0].position, &r), ERR_OK);
	assert_int_equal(r.kind, 7);
	assert_true(view_eq(r.payload, VIEW("one")));
	assert_int_equal(r.next, f[1].position);
	assert_int_equal(journal_read(j, f[1].position, &r), ERR_OK);
	assert_true(view_eq(r.payload, VIEW("two")));
	assert_int_equal(journal_read(j, f[2].position, &r), ERR_OK);
	assert_int_equal(r.payload.n, 0);
	assert_int_equal(r.next, journal_end(j));
	assert_int_equal(journal_read(j, f[1].position + 8, &r), ERR_DAMAGED);
	assert_int_equal(journal_read(j, journal_end(j), &r), ERR_NOT_FOUND);
	journal_close(j);
}

static void keeps_what_was_flushed_and_what_was_not(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 0);
	uint64_t end;

	add_text(j, 1, "durable");
	assert_true(journal_durable(j) < journal_end(j));
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_durable(j), journal_end(j));
	add_text(j, 1, "not yet");
	end = journal_end(j);
	journal_close(j);
	j = home_open(h, JOURNAL_OWNER, 0);
	assert_int_equal(journal_end(j), end);
	assert_true(journal_durable(j) < end);
	assert_texts(j, "durable|not yet");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_durable(j), end);
	assert_null(journal_flush_begin(j));
	journal_close(j);
}

/* Flushes fail a few times; later ones on the same files succeed, which says nothing of what was lost: a success counts when it is of new files. */
struct failing {
	struct journal_seam seam;
	unsigned left, asked;
};

static int fail_flush(void *arg, struct seam_call *c)
{
	struct failing *f = arg;

	if (c->op != SEAM_FLUSH)
		return 0;
	f->asked++;
	if (f->left == 0)
		return 0;
	f->left--;
	return EIO;
}

static void goes_on_after_failed_flushes(struct home *h, enum journal_role role)
{
	struct failing f = { .seam = { .arg = &f, .before = fail_flush } };
	struct journal_options o = { .role = role, .create = true, .seam = &f.seam };
	struct journal *j, *reader;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	add_text(j, 1, "kept");
	assert_int_equal(journal_flush(j), ERR_OK);
	for (unsigned failures = 1; failures < 6; failures++) {
		f.left = failures;
		for (unsigned i = 0; i < failures; i++) {
			add_text(j, 1, "lost");
			assert_int_equal(journal_flush(j), ERR_IO);
		}
		assert_int_equal(f.left, 0);
		add_text(j, 1, "after");
		assert_int_equal(journal_flush(j), ERR_OK);
		assert_int_equal(journal_durable(j), journal_end(j));
	}
	assert_texts(j, "kept|after|after|after|after|after");
	reader = home_open(h, JOURNAL_READER, 0);
	assert_texts(reader, "kept|after|after|after|after|after");
	journal_close(reader);
	journal_close(j);
}

static void an_owner_goes_on_after_failed_flushes(void **state) { goes_on_after_failed_flushes(*state, JOURNAL_OWNER); }
static void a_shared_writer_goes_on_after_failed_flushes(void **state) { goes_on_after_failed_flushes(*state, JOURNAL_SHARED_WRITER); }

static unsigned files_open(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static void failed_flushes_leave_no_files_open(void **state)
{
	struct home *h = *state;
	struct failing f = { .seam = { .arg = &f, .before = fail_flush } };
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .seam = &f.seam };
	struct journal *j;
	unsigned before;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	before = files_open();
	f.left = UINT_MAX;
	for (int i = 0; i < 300; i++) {
		add_text(j, 1, "lost");
		assert_int_equal(journal_flush(j), ERR_IO);
	}
	assert_in_range(files_open(), 0, before + 100);
	f.left = 0;
	add_text(j, 1, "after");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_texts(j, "after");
	journal_close(j);
}

static void one_owner_at_a_time(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 0), *other;
	struct journal_options o = { .role = JOURNAL_OWNER };

	assert_int_equal(journal_open(h->fd, &o, &other), ERR_BUSY);
	o.role = JOURNAL_SHARED_WRITER;
	assert_int_equal(journal_open(h->fd, &o, &other), ERR_BUSY);
	o.role = JOURNAL_READER;
	assert_int_equal(journal_open(h->fd, &o, &other), ERR_OK);
	journal_close(other);
	journal_close(j);
}

static void no_stream_is_not_found(void **state)
{
	struct home *h = *state;
	struct journal_options o = { .role = JOURNAL_READER, .create = true };
	struct journal *j;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_NOT_FOUND);
	o.role = JOURNAL_OWNER;
	o.create = false;
	assert_int_equal(journal_open(h->fd, &o, &j), ERR_NOT_FOUND);
}

static void a_full_segment_rolls(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	struct journal_info info;
	char text[200];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(text, sizeof(text), "%0150d", i);
		add_text(j, 1, text);
		if (i % 3 == 0)
			assert_int_equal(journal_flush(j), ERR_OK);
	}
	journal_info(j, &info);
	assert_true(info.segments > 3);
	assert_int_equal(count_frames(j, 0), 100);
	assert_int_equal(journal_flush(j), ERR_OK);
	journal_close(j);
	j = home_open(h, JOURNAL_READER, 4096);
	assert_int_equal(count_frames(j, 0), 100);
	journal_close(j);
}

static void writers_share_and_conflict(void **state)
{
	struct home *h = *state;
	struct journal *a = home_open(h, JOURNAL_SHARED_WRITER, 4096), *b = home_open(h, JOURNAL_SHARED_WRITER, 4096);
	struct journal_frame f = { .kind = 1, .parts = { VIEW("x") } };
	struct journal_options o = { .role = JOURNAL_OWNER };
	struct journal *c;
	uint64_t end = journal_end(b);

	assert_int_equal(journal_open(h->fd, &o, &c), ERR_BUSY);
	add_text(a, 1, "first");
	assert_int_equal(journal_append(b, end, &f, 1), ERR_CONFLICT);
	assert_int_equal(journal_end(b), journal_end(a));
	assert_int_equal(journal_append(b, journal_end(b), &f, 1), ERR_OK);
	assert_int_equal(journal_refresh(a), ERR_OK);
	assert_texts(a, "first|x");
	for (int i = 0; i < 200; i++) {
		struct journal *w = i % 2 ? a : b;

		assert_int_equal(journal_refresh(w), ERR_OK);
		add_text(w, 1, "some more text, to make it roll now and then");
		if (i % 7 == 0)
			assert_int_equal(journal_flush(w), ERR_OK);
	}
	assert_int_equal(journal_refresh(a), ERR_OK);
	assert_int_equal(count_frames(a, 0), 202);
	journal_close(a);
	journal_close(b);
}

static void a_reader_follows(void **state)
{
	struct home *h = *state;
	struct journal *w = home_open(h, JOURNAL_OWNER, 4096), *r = home_open(h, JOURNAL_READER, 4096);
	size_t n = 0;
	uint64_t at = 0;

	for (int i = 0; i < 300; i++) {
		add_text(w, 1, "a line that makes the segment fill up after a while");
		if (i % 5 == 0)
			assert_int_equal(journal_flush(w), ERR_OK);
		if (i % 3 != 0)
			continue;
		assert_int_equal(journal_refresh(r), ERR_OK);
		n += count_frames_on(r, &at);
		assert_int_equal(n, i + 1);
		assert_int_equal(journal_end(r), journal_end(w));
	}
	journal_close(w);
	journal_close(r);
}

static void flush_beside_the_loop(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 0);
	struct journal_flush *f, *g;
	uint64_t first;

	add_text(j, 1, "before");
	first = journal_end(j);
	f = journal_flush_begin(j);
	add_text(j, 1, "after");
	journal_flush_run(f);
	g = journal_flush_begin(j);
	assert_int_equal(journal_flush_end(j, f, NULL, NULL), ERR_OK);
	assert_int_equal(journal_durable(j), first);
	journal_flush_run(g);
	journal_close(j);
	assert_int_equal(journal_flush_end(NULL, g, NULL, NULL), ERR_OK);
}

static void big_payloads_in_parts(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 65536);
	size_t n = 3000000;
	char *big = malloc(n), back[100];
	struct journal_frame f = { .kind = 3, .parts = { VIEW("head"), view_make(big, n), VIEW("tail") } };
	struct journal_record r;

	for (size_t i = 0; i < n; i++)
		big[i] = (char)(i * 7 + i / 251);
	assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
	assert_int_equal(journal_read(j, f.position, &r), ERR_OK);
	assert_int_equal(r.payload.n, n + 8);
	assert_memory_equal(r.payload.p + 4, big, n);
	assert_int_equal(journal_read_part(j, f.position, 4 + 1234567, back, sizeof(back)), ERR_OK);
	assert_memory_equal(back, big + 1234567, sizeof(back));
	assert_int_equal(journal_read_part(j, f.position, n, back, sizeof(back)), ERR_INVALID);
	add_text(j, 1, "behind");
	assert_int_equal(count_frames(j, 0), 2);
	free(big);
	journal_close(j);
}

static bool keep_even(void *arg, const struct journal_record *r)
{
	(void)arg;
	return (r->payload.p[r->payload.n - 1] - '0') % 2 == 0;
}

static void compaction_keeps_positions(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096), *old;
	uint64_t at[200];
	struct journal_record r;
	char text[100];
	bool more;

	for (int i = 0; i < 200; i++) {
		struct journal_frame f = { .kind = 1 };

		(void)snprintf(text, sizeof(text), "%080d", i);
		f.parts[0] = view_of(text);
		assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
		at[i] = f.position;
	}
	old = home_open(h, JOURNAL_READER, 4096);
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_roll(j), ERR_OK);
	assert_int_equal(journal_flush(j), ERR_OK);
	for (more = true; more;)
		assert_int_equal(journal_compact(j, keep_even, NULL, 1, &more), ERR_OK);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(count_frames(j, 0), 100);
		assert_int_equal(count_frames(j, at[101]), 49);
		for (int i = 0; i < 200; i++) {
			assert_int_equal(journal_read(j, at[i], &r), i % 2 ? ERR_NOT_FOUND : ERR_OK);
			if (i % 2 == 0)
				assert_int_equal(atoi(mem_text(r.payload)), i);
		}
		journal_close(j);
		j = home_open(h, JOURNAL_OWNER, 4096);
	}
	/* A reader from before the compaction goes on with the files that it has, or finds the new ones. */
	assert_true(count_frames(old, 0) >= 100);
	assert_int_equal(journal_read(old, at[2], &r), ERR_OK);
	journal_close(old);
	journal_close(j);
}

static void drop_frees_the_lowest(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	uint64_t middle = 0;

	for (int i = 0; i < 200; i++) {
		if (i == 100)
			middle = journal_end(j);
		add_text(j, 1, "eighty octets or so of text, so that a segment holds about thirty of these");
	}
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_drop(j, middle), ERR_OK);
	assert_true(journal_start(j) > 0);
	assert_true(journal_start(j) <= middle);
	assert_in_range(count_frames(j, 0), 100, 150);
	assert_int_equal(count_frames(j, middle), 100);
	journal_close(j);
	j = home_open(h, JOURNAL_OWNER, 4096);
	assert_int_equal(count_frames(j, middle), 100);
	journal_close(j);
}

/* As one does who looks for the last record of some kind: from the end, a segment more each time. */
static void its_tail_leads_to_its_start(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	uint64_t from, was;

	add_text(j, 1, "one");
	assert_int_equal(journal_roll(j), ERR_OK);
	add_text(j, 1, "two");
	assert_int_equal(journal_roll(j), ERR_OK); /* no frame of ours in the head, and positions that were never used before each */
	from = was = journal_tail(j, 0);
	for (unsigned i = 0; i < 10 && from > journal_start(j); i++, was = from) {
		from = journal_tail(j, journal_end(j) - from + 1);
		assert_true(from < was);
	}
	assert_int_equal(from, journal_start(j));
	assert_int_equal(journal_tail(j, journal_end(j) * 2), journal_start(j));
	journal_close(j);
}

static int count_flush(void *arg, struct seam_call *c)
{
	unsigned *n = arg;

	*n += c->op == SEAM_FLUSH || c->op == SEAM_FLUSH_DIR;
	return 0;
}

/* What is appended while zeros are on their way never meets them: the stream rolls first. */
static void zeros_ahead_harm_nothing(void **state)
{
	struct home *h = *state;
	struct journal_seam seam = { 0 }; /* it is there, so that every file system will do */
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .segment_size = 1u << 20, .ahead = 16384, .seam = &seam };
	struct journal_ahead *a;
	struct journal *j;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	add_text(j, 7, "a small one");
	assert_int_equal(journal_flush(j), ERR_OK);
	a = journal_ahead_begin(j);
	assert_non_null(a);
	assert_null(journal_ahead_begin(j)); /* one at a time */
	for (unsigned i = 0; i < 600; i++)
		add_text(j, 7, "meanwhile");
	journal_ahead_run(a);
	journal_ahead_end(j, a);
	assert_int_equal(count_frames(j, 0), 601);
	assert_true(journal_end(j) > 1u << 20);
	assert_int_equal(journal_flush(j), ERR_OK);
	journal_close(j);
	j = home_open(h, JOURNAL_READER, 0);
	assert_int_equal(count_frames(j, 0), 601);
	journal_close(j);
}

/* With small flushes the end never comes to octets that were not written before. */
static void zeros_stay_ahead(void **state)
{
	struct home *h = *state;
	struct journal_seam seam = { 0 };
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .segment_size = 1u << 20, .ahead = 16384, .seam = &seam };
	struct journal_ahead *a;
	struct journal *j;
	unsigned begun = 0;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	for (unsigned i = 0; i < 2000; i++) {
		add_text(j, 7, "a small one");
		assert_int_equal(journal_flush(j), ERR_OK);
		a = journal_ahead_begin(j);
		if (a == NULL)
			continue;
		begun++;
		journal_ahead_run(a);
		journal_ahead_end(j, a);
		assert_null(journal_ahead_begin(j)); /* enough is ready */
	}
	assert_in_range(begun, journal_end(j) / 16384, journal_end(j) / 16384 + 2);
	assert_int_equal(count_frames(j, 0), 2000);
	/* Big ones are not worth it. */
	for (unsigned i = 0; i < 40; i++) {
		for (unsigned k = 0; k < 400; k++)
			add_text(j, 7, "one of many");
		assert_int_equal(journal_flush(j), ERR_OK);
	}
	assert_null(journal_ahead_begin(j));
	journal_close(j);
}

static int fail_mark(void *arg, struct seam_call *c)
{
	const bool *on = arg;

	return *on && c->op == SEAM_WRITE && strcmp(c->name, "lock") == 0 ? EIO : 0;
}

/* While there is an owner, readers go by its mark: one that could not be written is not forgotten. */
static void an_owner_publishes_late(void **state)
{
	struct home *h = *state;
	bool on = false;
	struct journal_seam seam = { .arg = &on, .before = fail_mark };
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .seam = &seam };
	struct journal *j, *reader;
	uint64_t before;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	add_text(j, 7, "one");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_publish(j), ERR_OK);
	before = journal_durable(j);
	reader = home_open(h, JOURNAL_READER, 0);
	on = true;
	add_text(j, 7, "two");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_not_equal(journal_publish(j), ERR_OK);
	assert_int_equal(journal_refresh(reader), ERR_OK);
	assert_int_equal(journal_settled(reader), before);
	on = false;
	assert_int_equal(journal_publish(j), ERR_OK);
	assert_int_equal(journal_settled(reader), journal_durable(j));
	journal_close(reader);
	journal_close(j);
}

static int fail_flush_when(void *arg, struct seam_call *c)
{
	const bool *on = arg;

	return *on && c->op == SEAM_FLUSH ? EIO : 0;
}

/* It is flushed, let go and read from the disk, where the file system lets: then it can be taken at once. */
static void a_reader_looks_on_the_disk_for_what_a_dead_owner_left(void **state)
{
	struct home *h = *state;
	bool on = false;
	struct journal_seam seam = { .arg = &on, .before = fail_flush_when };
	struct journal_options o = { .role = JOURNAL_READER, .seam = &seam };
	struct journal *j = home_open(h, JOURNAL_OWNER, 0), *reader;
	uint64_t durable, end;
	struct statfs fs;

	add_text(j, 7, "one");
	assert_int_equal(journal_flush(j), ERR_OK);
	durable = journal_durable(j);
	add_text(j, 7, "two");
	assert_int_equal(journal_open(h->fd, &o, &reader), ERR_OK);
	assert_int_equal(journal_settled(reader), durable); /* the owner lives */
	journal_close(j);
	on = true;
	assert_int_equal(journal_settled(reader), durable);
	on = false;
	end = journal_end(reader);
	assert_int_equal(fstatfs(h->fd, &fs), 0);
	if (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC)
		assert_int_equal(journal_settled(reader), end);
	else
		assert_in_range(journal_settled(reader), durable, end);
	assert_texts(reader, "one|two");
	journal_close(reader);
}

/* What was appended and not flushed may be lost already, by a flush that failed: nobody takes it, until the machine has read it from its disk. */
static void without_an_owner_the_mark_counts_until_the_next_start(void **state)
{
	struct home *h = *state;
	bool on = true;
	struct journal_seam seam = { .arg = &on, .before = fail_flush_when };
	struct journal_options o = { .role = JOURNAL_READER, .seam = &seam };
	struct journal *j, *reader;
	uint64_t durable;

	boot_pretend(1);
	j = home_open(h, JOURNAL_OWNER, 0);
	add_text(j, 7, "one");
	assert_int_equal(journal_flush(j), ERR_OK);
	durable = journal_durable(j);
	add_text(j, 7, "two");
	journal_close(j);
	/* It cannot find out whether the disk has it. */
	assert_int_equal(journal_open(h->fd, &o, &reader), ERR_OK);
	assert_true(journal_end(reader) > durable);
	assert_int_equal(journal_settled(reader), durable);
	boot_pretend(2);
	assert_int_equal(journal_settled(reader), journal_end(reader));
	/* An owner says so before it appends. */
	j = home_open(h, JOURNAL_OWNER, 0);
	assert_int_equal(journal_publish(j), ERR_OK);
	assert_int_equal(journal_durable(j), journal_end(j));
	durable = journal_durable(j);
	add_text(j, 7, "three");
	assert_int_equal(journal_refresh(reader), ERR_OK);
	assert_true(journal_end(reader) > durable);
	assert_int_equal(journal_settled(reader), durable);
	journal_close(j);
	journal_close(reader);
	boot_pretend(0);
}

static int watch_write(void *arg, struct seam_call *c)
{
	uint64_t *lowest = arg;

	if (c->op == SEAM_WRITE && strcmp(c->name, "lock") != 0 && c->at < *lowest)
		*lowest = c->at;
	return 0;
}

/*
 * One that appends behind what another left unflushed makes both durable. What it opens only then does not tell it of an earlier flush that failed, so it
 * writes the other's frames once more.
 */
static void a_writer_that_opens_late_covers_what_it_found(void **state)
{
	struct home *h = *state;
	uint64_t lowest = UINT64_MAX, before;
	struct journal_seam seam = { .arg = &lowest, .before = watch_write };
	struct journal_options o = { .role = JOURNAL_SHARED_WRITER, .create = true, .seam = &seam };
	struct journal *a = home_open(h, JOURNAL_SHARED_WRITER, 0), *b;

	add_text(a, 7, "flushed");
	assert_int_equal(journal_flush(a), ERR_OK);
	assert_int_equal(journal_open(h->fd, &o, &b), ERR_OK);
	before = journal_end(a);
	add_text(a, 7, "left");
	journal_close(a);
	assert_int_equal(journal_refresh(b), ERR_OK);
	add_text(b, 7, "behind it");
	assert_int_equal(journal_flush(b), ERR_OK);
	assert_int_equal(lowest, 1024 + before); /* where the frame at `before` stands in the first segment */
	assert_texts(b, "flushed|left|behind it");
	journal_close(b);
}

static void a_stream_is_made_for_a_later_flush(void **state)
{
	struct home *h = *state;
	unsigned flushes = 0;
	struct journal_seam seam = { .arg = &flushes, .before = count_flush };
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .unflushed = true, .seam = &seam };
	struct journal *j;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	assert_int_equal(journal_durable(j), journal_end(j));
	journal_close(j);
	assert_int_equal(flushes, 0);
	/* Who opens it next need not flush it either; what is appended then is flushed as ever. */
	o.unflushed = false;
	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	assert_int_equal(flushes, 0);
	add_text(j, 1, "first");
	assert_true(journal_durable(j) < journal_end(j));
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_true(flushes > 0);
	assert_int_equal(journal_durable(j), journal_end(j));
	assert_texts(j, "first");
	journal_close(j);
}

static int count_read(void *arg, struct seam_call *c)
{
	*(unsigned *)arg += c->op == SEAM_READ;
	return 0;
}

/* Opens, looks whether all is there, closes; gives how often it read until it was open. */
static unsigned reads_to_open(struct home *h, enum journal_role role, size_t frames)
{
	unsigned reads = 0, opened;
	struct journal_seam seam = { .arg = &reads, .before = count_read };
	struct journal_options o = { .role = role, .segment_size = 4096, .frame_max = 65536, .seam = &seam };
	struct journal *j;

	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	opened = reads;
	assert_int_equal(journal_durable(j), journal_end(j));
	assert_int_equal(count_frames(j, 0), frames);
	journal_close(j);
	return opened;
}

static bool keep_later(void *arg, const struct journal_record *r) { return r->position >= *(uint64_t *)arg; }

static void compact_from(struct home *h, uint64_t position)
{
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	bool more;

	assert_int_equal(journal_compact(j, keep_later, &position, 0, &more), ERR_OK);
	journal_close(j);
}

static bool is_there(const struct home *h, const char *name) { return faccessat(h->fd, name, F_OK, 0) == 0; }

/*
 * An owner of a stream in which every file has its place reads what any reader reads. What a compaction that was cut left, of whichever generation, it
 * removes; names that are none of the stream's are no business of its.
 */
static void an_opening_tidies_only_what_is_untidy(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	uint64_t at[200];
	char first[64];

	for (int i = 0; i < 200; i++) {
		at[i] = journal_end(j);
		add_text(j, 1, "eighty octets or so of text, so that a segment holds about thirty of these");
	}
	assert_int_equal(journal_flush(j), ERR_OK);
	journal_close(j);
	assert_int_equal(linkat(h->fd, "0000000000000000", h->fd, "aside", 0), 0);
	assert_int_equal(reads_to_open(h, JOURNAL_OWNER, 200), reads_to_open(h, JOURNAL_READER, 200));
	compact_from(h, at[10]);
	assert_false(is_there(h, "0000000000000000"));
	assert_int_equal(reads_to_open(h, JOURNAL_OWNER, 190), reads_to_open(h, JOURNAL_READER, 190));
	/* A segment beside the file that replaced it; then that file beside the next generation. */
	assert_int_equal(linkat(h->fd, "aside", h->fd, "0000000000000000", 0), 0);
	(void)reads_to_open(h, JOURNAL_OWNER, 190);
	assert_false(is_there(h, "0000000000000000"));
	(void)snprintf(first, sizeof(first), "%s", home_first_name(h, "0000000000000000-"));
	assert_string_not_equal(first, "");
	assert_int_equal(linkat(h->fd, first, h->fd, "aside too", 0), 0);
	compact_from(h, at[20]);
	assert_int_equal(linkat(h->fd, "aside too", h->fd, first, 0), 0);
	(void)reads_to_open(h, JOURNAL_OWNER, 180);
	assert_false(is_there(h, first));
	assert_int_equal(reads_to_open(h, JOURNAL_OWNER, 180), reads_to_open(h, JOURNAL_READER, 180));
	assert_true(is_there(h, "aside") && is_there(h, "aside too"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(appends_and_reads_back),
		home_test(keeps_what_was_flushed_and_what_was_not),
		home_test(an_owner_goes_on_after_failed_flushes),
		home_test(a_shared_writer_goes_on_after_failed_flushes),
		home_test(failed_flushes_leave_no_files_open),
		home_test(one_owner_at_a_time),
		home_test(no_stream_is_not_found),
		home_test(a_full_segment_rolls),
		home_test(writers_share_and_conflict),
		home_test(a_reader_follows),
		home_test(flush_beside_the_loop),
		home_test(big_payloads_in_parts),
		home_test(compaction_keeps_positions),
		home_test(drop_frees_the_lowest),
		home_test(its_tail_leads_to_its_start),
		home_test(an_owner_publishes_late),
		home_test(a_reader_looks_on_the_disk_for_what_a_dead_owner_left),
		home_test(without_an_owner_the_mark_counts_until_the_next_start),
		home_test(a_writer_that_opens_late_covers_what_it_found),
		home_test(zeros_ahead_harm_nothing),
		home_test(zeros_stay_ahead),
		home_test(a_stream_is_made_for_a_later_flush),
		home_test(an_opening_tidies_only_what_is_untidy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
