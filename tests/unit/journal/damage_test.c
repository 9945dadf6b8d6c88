/* SPDX-License-Identifier: ISC */
/*
 * Damage: every octet of small streams is flipped in turn, and blocks are overwritten; at most the damaged records are lost, the loss is
 * reported, nothing else is served. And the rows of postrider-journal(5)'s table that take a hand to make.
 *
 * Where each row is executed: S1, S2 keeps_what_was_flushed… (journal_test); S3, S4 a_torn_tail…; S5, S17, S20 the flipped octets; S6, S13 power_test
 * (power cuts with all kept), kill_test; S7, S8, S11, S14, S15, S16 power_test; S9, S22 headless_files…; S10 an_unreadable_stream…, cut_test; S12
 * a_failed_flush…; S18, S21 without_the_lowest…; S19 a_missing_file….
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/frame.h"
#include "journal/seam.h"
#include "tests/unit/faults.h"
#include "tests/unit/journal/help.h"

#define FRAMES 90
#define STRIDE 0x112000 /* of positions, with segments and frames as small as here */

struct seen {
	bool present[FRAMES];
	size_t n;
	uint64_t damaged_from, damaged_to;
	unsigned reports;
};

static uint64_t positions[FRAMES], sizes[FRAMES];

static void text_of(int i, char *p, size_t n)
{
	(void)snprintf(p, n, "%03d%0*d", i, 20 + i * 37 % 150, i);
}

static int see_frame(void *arg, const struct journal_record *r)
{
	struct seen *s = arg;
	int i = atoi(mem_text(view_head(r->payload, 3)));
	char text[300];

	assert_in_range(i, 0, FRAMES - 1);
	text_of(i, text, sizeof(text));
	assert_true(view_eq(r->payload, view_of(text)));
	assert_int_equal(r->position, positions[i]);
	assert_false(s->present[i]);
	s->present[i] = true;
	s->n++;
	return ERR_OK;
}

static void see_damage(void *arg, uint64_t from, uint64_t to)
{
	struct seen *s = arg;

	assert_true(from < to);
	s->damaged_from = from;
	s->damaged_to = to;
	s->reports++;
}

static bool keep_most(void *arg, const struct journal_record *r)
{
	(void)arg;
	return r->position % 3 != 0;
}

/* Small segments, every third frame flushed, the first half compacted when asked for. */
static void write_stream(struct home *h, bool compacted)
{
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	char text[300];
	bool more;

	for (int i = 0; i < FRAMES; i++) {
		struct journal_frame f = { .kind = 1 };

		text_of(i, text, sizeof(text));
		f.parts[0] = view_of(text);
		assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
		positions[i] = f.position;
		sizes[i] = frame_size((uint32_t)f.parts[0].n);
		if (i % 3 == 0 || i == FRAMES - 1)
			assert_int_equal(journal_flush(j), ERR_OK);
	}
	if (compacted)
		assert_int_equal(journal_compact(j, keep_most, NULL, 0, &more), ERR_OK);
	journal_close(j);
}

static void see(struct home *h, enum journal_role role, struct seen *s)
{
	struct journal *j;
	struct journal_options o = { .role = role, .segment_size = 4096 };
	uint64_t next;

	memset(s, 0, sizeof(*s));
	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	journal_on_damage(j, see_damage, s);
	assert_int_equal(journal_scan(j, 0, see_frame, s, &next), ERR_OK);
	for (int i = 0; i < FRAMES; i++) {
		struct journal_record r;

		assert_int_equal(journal_read(j, positions[i], &r) == ERR_OK, s->present[i]);
	}
	journal_close(j);
}

struct file {
	char name[64];
	uint8_t b[2 << 20];
	size_t n;
};

static void load(struct home *h, const char *name, struct file *f)
{
	int fd = openat(h->fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t k;

	assert_true(fd >= 0);
	k = read(fd, f->b, sizeof(f->b));
	assert_true(k >= 0 && (size_t)k < sizeof(f->b));
	f->n = (size_t)k;
	(void)snprintf(f->name, sizeof(f->name), "%s", name);
	(void)close(fd);
}

static void store(struct home *h, const struct file *f)
{
	int fd = openat(h->fd, f->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->b, f->n), f->n);
	(void)close(fd);
}

static size_t lost(const struct seen *before, const struct seen *now)
{
	size_t n = 0;

	for (int i = 0; i < FRAMES; i++) {
		assert_true(before->present[i] || !now->present[i]);
		n += before->present[i] && !now->present[i];
	}
	return n;
}

/* Flips an octet, looks, flips it back. */
static void flip_all(struct home *h, const char *name, size_t step)
{
	struct file *f = mem_new(sizeof(*f));
	struct seen before, now;

	see(h, JOURNAL_READER, &before);
	assert_int_equal(before.reports, 0);
	load(h, name, f);
	for (size_t at = 0; at < f->n; at += step) {
		f->b[at] ^= (uint8_t)(1u << at % 8);
		store(h, f);
		see(h, at % 2 ? JOURNAL_READER : JOURNAL_OWNER, &now);
		if (lost(&before, &now) > 1)
			fail_msg("%zu frames lost by one octet at %zu of %s", lost(&before, &now), at, name);
		if (lost(&before, &now) == 1 && now.reports != 1)
			fail_msg("a loss by octet %zu of %s was not reported", at, name);
		f->b[at] ^= (uint8_t)(1u << at % 8);
	}
	store(h, f);
	free(f);
}

static size_t flip_step(void) { return faults_wanted() ? 1 : 5; }

static void a_flipped_octet_costs_one_record(void **state)
{
	struct home *h = *state;

	write_stream(h, false);
	flip_all(h, "0000000000000000", flip_step());
}

static void in_the_head_too(void **state)
{
	struct home *h = *state;
	char name[32];

	write_stream(h, false);
	(void)snprintf(name, sizeof(name), "%016llx", (unsigned long long)(positions[FRAMES - 1] / STRIDE * STRIDE));
	flip_all(h, name, flip_step());
}

static void and_in_compacted_files(void **state)
{
	struct home *h = *state;
	char name[64];

	write_stream(h, true);
	(void)snprintf(name, sizeof(name), "%s", home_first_name(h, "-"));
	assert_string_not_equal(name, "");
	flip_all(h, name, flip_step());
}

static void a_lost_block_costs_what_was_in_it(void **state)
{
	struct home *h = *state;
	struct file *f = mem_new(sizeof(*f)), *g = mem_new(sizeof(*g));
	struct seen before, now;

	write_stream(h, false);
	see(h, JOURNAL_READER, &before);
	load(h, "0000000000000000", f);
	for (size_t at = 1024; at + 512 <= f->n; at += 512) {
		size_t touched = 0;

		*g = *f;
		memset(g->b + at, at % 1024 ? 0 : 0xa5, 512);
		store(h, g);
		see(h, JOURNAL_READER, &now);
		for (int i = 0; i < FRAMES; i++)
			touched += positions[i] < f->n && positions[i] + 1024 < at + 512 && positions[i] + 1024 + sizes[i] > at;
		assert_true(lost(&before, &now) <= touched);
		assert_int_equal(now.reports > 0, lost(&before, &now) > 0);
	}
	free(f);
	free(g);
}

static int count_behind(void *arg, const struct journal_record *r)
{
	*(unsigned *)arg += view_eq(r->payload, view_of("behind"));
	return ERR_OK;
}

/* A reader steps over many zeros at once, and past none of what stands behind them, wherever they end. */
static void zeros_hide_nothing_behind_them(void **state)
{
	enum { MOST = 66000 };
	struct home *h = *state;
	struct file *f = mem_new(sizeof(*f));
	char *big = mem_new(MOST);

	memset(big, 'x', MOST);
	for (size_t n = 8; n < MOST; n += n < 80 ? 8 : 6008) {
		struct journal *j = home_open(h, JOURNAL_OWNER, 1 << 20);
		struct journal_frame frames[] = { { .kind = 1, .parts[0] = view_of("before") }, { .kind = 1, .parts[0] = view_make(big, n) },
			{ .kind = 1, .parts[0] = view_of("behind") } };
		uint64_t first = journal_end(j), next;
		unsigned behind = 0;

		assert_int_equal(journal_append(j, first, frames, 3), ERR_OK);
		assert_int_equal(journal_flush(j), ERR_OK);
		journal_close(j);
		load(h, "0000000000000000", f);
		memset(f->b + 1024 + frames[1].position, 0, frame_size((uint32_t)n));
		store(h, f);
		j = home_open(h, JOURNAL_READER, 1 << 20);
		assert_int_equal(journal_scan(j, first, count_behind, &behind, &next), ERR_OK);
		assert_int_equal(behind, 1);
		assert_true(next > frames[2].position);
		journal_close(j);
	}
	free(big);
	free(f);
}

/* S9, S22: files that were made and not flushed. */
static void headless_files_are_made_anew(void **state)
{
	struct home *h = *state;
	struct file *f = mem_new(sizeof(*f));
	struct journal *j;

	(void)snprintf(f->name, sizeof(f->name), "0000000000000000");
	f->n = 4096;
	store(h, f);
	j = home_open(h, JOURNAL_OWNER, 4096);
	add_text(j, 1, "here");
	assert_texts(j, "here");
	assert_int_equal(journal_start(j), 0);
	journal_close(j);
	free(f);
}

/* S10: the head of the only file is gone: an empty stream must not come of it. */
static void an_unreadable_stream_is_not_an_empty_one(void **state)
{
	struct home *h = *state;
	struct file *f = mem_new(sizeof(*f));
	struct seen s = { 0 };
	struct journal *j = home_open(h, JOURNAL_OWNER, 0);
	uint64_t next;

	add_text(j, 1, "text");
	assert_int_equal(journal_flush(j), ERR_OK);
	journal_close(j);
	load(h, "0000000000000000", f);
	memset(f->b, 0, 1024);
	store(h, f);
	j = home_open(h, JOURNAL_OWNER, 0);
	journal_on_damage(j, see_damage, &s);
	assert_int_equal(journal_scan(j, 0, see_frame, &s, &next), ERR_OK);
	assert_int_equal(s.reports, 1);
	add_text(j, 1, "new");
	assert_texts(j, "new");
	journal_close(j);
	j = home_open(h, JOURNAL_OWNER, 0);
	assert_texts(j, "new");
	journal_close(j);
	free(f);
}

/* S3, S4: a torn tail, and frames behind a gap, never come back. */
static void a_torn_tail_is_left_behind(void **state)
{
	struct home *h = *state;
	struct file *f = mem_new(sizeof(*f));
	struct journal *j = home_open(h, JOURNAL_OWNER, 0), *r;
	uint64_t end;

	add_text(j, 1, "kept");
	assert_int_equal(journal_flush(j), ERR_OK);
	end = journal_end(j);
	add_text(j, 1, "gap-");
	add_text(j, 1, "behind the gap");
	journal_close(j);
	load(h, "0000000000000000", f);
	memset(f->b + SEGMENT_DATA + end, 0, 40);
	store(h, f);
	r = home_open(h, JOURNAL_READER, 0);
	assert_texts(r, "kept");
	j = home_open(h, JOURNAL_OWNER, 0);
	assert_int_equal(journal_end(j), end);
	add_text(j, 1, "next");
	assert_int_equal(journal_refresh(r), ERR_OK);
	assert_texts(r, "kept|next");
	journal_close(j);
	journal_close(r);
	free(f);
}

/* S19: a file between two others is missing. */
static void a_missing_file_is_reported(void **state)
{
	struct home *h = *state;
	struct seen before, now;

	write_stream(h, false);
	see(h, JOURNAL_READER, &before);
	assert_int_equal(unlinkat(h->fd, "0000000000112000", 0), 0);
	see(h, JOURNAL_READER, &now);
	assert_true(lost(&before, &now) > 0);
	assert_int_equal(now.reports, 1);
	assert_int_equal(now.damaged_from, STRIDE);
	assert_true(now.present[FRAMES - 1]);
}

/* S18: the lowest one is missing: dropped. S21: no lock file. */
static void without_the_lowest_and_the_lock(void **state)
{
	struct home *h = *state;
	struct seen before, now;

	write_stream(h, false);
	see(h, JOURNAL_READER, &before);
	assert_int_equal(unlinkat(h->fd, "lock", 0), 0);
	see(h, JOURNAL_READER, &now);
	assert_int_equal(lost(&before, &now), 0);
	assert_int_equal(unlinkat(h->fd, "0000000000000000", 0), 0);
	see(h, JOURNAL_OWNER, &now);
	assert_int_equal(now.reports, 0);
	assert_false(now.present[0]);
	assert_true(now.present[FRAMES - 1]);
}

struct failing {
	struct journal_seam seam;
	enum seam_op op;
	int error;      /* 0: none */
	size_t shorten; /* to so many octets */
};

static int failing_before(void *arg, struct seam_call *c)
{
	struct failing *f = arg;

	if (c->op != f->op)
		return 0;
	if (f->shorten > 0 && c->n > f->shorten) {
		c->n = f->shorten;
		f->shorten = 0;
		return 0;
	}
	return f->error;
}

static struct journal *open_failing(struct home *h, struct failing *f, enum journal_role role)
{
	struct journal_options o = { .role = role, .create = true, .seam = &f->seam };
	struct journal *j;

	f->seam = (struct journal_seam){ .arg = f, .before = failing_before };
	assert_int_equal(journal_open(h->fd, &o, &j), ERR_OK);
	return j;
}

/* S12: a flush that failed, then one that works: what the first did not cover is gone for good, for readers too. */
static void a_failed_flush_is_not_forgotten(void **state)
{
	struct home *h = *state;
	struct failing f = { .op = SEAM_FLUSH };
	struct journal *j = open_failing(h, &f, JOURNAL_OWNER), *r;
	struct journal_flush *x;
	uint64_t from, to, durable;

	add_text(j, 1, "good");
	assert_int_equal(journal_flush(j), ERR_OK);
	durable = journal_durable(j);
	r = home_open(h, JOURNAL_READER, 0);
	add_text(j, 1, "doomed");
	x = journal_flush_begin(j);
	add_text(j, 1, "doomed too");
	assert_int_equal(journal_refresh(r), ERR_OK);
	assert_texts(r, "good|doomed|doomed too");
	f.error = EIO;
	journal_flush_run(x);
	f.error = 0;
	to = journal_end(j);
	assert_int_equal(journal_flush_end(j, x, &from, &to), ERR_IO);
	assert_int_equal(from, durable);
	assert_true(journal_end(j) > to);
	assert_texts(j, "good");
	add_text(j, 1, "after");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_refresh(r), ERR_OK);
	assert_texts(r, "good|after");
	journal_close(j);
	journal_close(r);
	j = home_open(h, JOURNAL_OWNER, 0);
	assert_texts(j, "good|after");
	journal_close(j);
}

/* The second of two flushes under way must not hide the failure of the first. */
static void flushes_under_way_fail_together(void **state)
{
	struct home *h = *state;
	struct failing f = { .op = SEAM_FLUSH };
	struct journal *j = open_failing(h, &f, JOURNAL_OWNER);
	struct journal_flush *x, *y;

	add_text(j, 1, "one");
	x = journal_flush_begin(j);
	add_text(j, 1, "two");
	y = journal_flush_begin(j);
	f.error = EIO;
	journal_flush_run(x);
	f.error = 0;
	journal_flush_run(y);
	assert_int_equal(journal_flush_end(j, y, NULL, NULL), ERR_IO);
	assert_int_equal(journal_flush_end(j, x, NULL, NULL), ERR_IO);
	assert_texts(j, "");
	add_text(j, 1, "three");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_texts(j, "three");
	journal_close(j);
}

static void a_full_disk_takes_nothing(void **state)
{
	struct home *h = *state;
	struct failing f = { .op = SEAM_WRITE };
	struct journal *j = open_failing(h, &f, JOURNAL_OWNER), *r = home_open(h, JOURNAL_READER, 0);
	struct journal_frame x[2] = { { .kind = 1, .parts = { VIEW("whole") } }, { .kind = 1, .parts = { VIEW("cut off") } } };

	add_text(j, 1, "first");
	f.error = ENOSPC;
	assert_int_equal(journal_append(j, journal_end(j), x, 2), ERR_FULL);
	f.shorten = 50;
	assert_int_equal(journal_append(j, journal_end(j), x, 2), ERR_FULL);
	assert_int_equal(journal_append(j, journal_end(j), x, 2), ERR_FULL);
	assert_texts(j, "first");
	f.error = 0;
	add_text(j, 1, "room again");
	assert_texts(j, "first|room again");
	assert_int_equal(journal_refresh(r), ERR_OK);
	assert_texts(r, "first|room again");
	journal_close(j);
	journal_close(r);
}

/* A writer whose frames another one cut away learns it before it says that they are durable. */
static void a_cut_is_seen_by_the_other_writers(void **state)
{
	struct home *h = *state;
	struct failing f = { .op = SEAM_FLUSH };
	struct journal *a = open_failing(h, &f, JOURNAL_SHARED_WRITER), *b = home_open(h, JOURNAL_SHARED_WRITER, 0);
	struct journal_flush *x;
	uint64_t from, to;

	add_text(b, 1, "b1");
	assert_int_equal(journal_flush(b), ERR_OK);
	assert_int_equal(journal_refresh(a), ERR_OK);
	add_text(a, 1, "a1");
	assert_int_equal(journal_refresh(b), ERR_OK);
	add_text(b, 1, "b2");
	f.error = EIO;
	assert_int_equal(journal_flush(a), ERR_IO);
	f.error = 0;
	x = journal_flush_begin(b);
	assert_non_null(x);
	journal_flush_run(x);
	assert_int_equal(journal_flush_end(b, x, &from, &to), ERR_IO);
	assert_true(to > from);
	assert_texts(b, "b1");
	add_text(b, 1, "b3");
	assert_int_equal(journal_flush(b), ERR_OK);
	assert_int_equal(journal_refresh(a), ERR_OK);
	assert_texts(a, "b1|b3");
	journal_close(a);
	journal_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(a_flipped_octet_costs_one_record),
		home_test(in_the_head_too),
		home_test(and_in_compacted_files),
		home_test(a_lost_block_costs_what_was_in_it),
		home_test(zeros_hide_nothing_behind_them),
		home_test(headless_files_are_made_anew),
		home_test(an_unreadable_stream_is_not_an_empty_one),
		home_test(a_torn_tail_is_left_behind),
		home_test(a_missing_file_is_reported),
		home_test(without_the_lowest_and_the_lock),
		home_test(a_failed_flush_is_not_forgotten),
		home_test(flushes_under_way_fail_together),
		home_test(a_full_disk_takes_nothing),
		home_test(a_cut_is_seen_by_the_other_writers),
	};

	cmocka_set_test_filter(getenv("POSTRIDER_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
