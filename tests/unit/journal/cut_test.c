/* SPDX-License-Identifier: ISC */
/*
 * A file of a stream is cut beneath those who have it open, at every place: by a disk that loses its tail, or by hands. Nothing of a stream is mapped,
 * so that a read of what is gone is a short read. Who has the stream open gets every frame that is left and no wrong one, an error for what is gone, and
 * goes on; and what is appended later never takes the place of what was once told to be durable.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/frame.h"
#include "tests/unit/faults.h"
#include "tests/unit/journal/help.h"

#define FRAMES 48
#define TEXT 160u /* octets of each payload, so that one would fit in another's place */

static uint64_t positions[FRAMES];

static void text_of(int i, const char *age, char p[TEXT + 1])
{
	memset(p, 'a' + i % 26, TEXT);
	p[TEXT] = '\0';
	memcpy(p, age, 3);
	p[3] = (char)('0' + i / 10);
	p[4] = (char)('0' + i % 10);
}

static uint64_t add(struct journal *j, int i, const char *age)
{
	char text[TEXT + 1];
	struct journal_frame f = { .kind = 1 };

	text_of(i, age, text);
	f.parts[0] = view_of(text);
	assert_int_equal(journal_append(j, journal_end(j), &f, 1), ERR_OK);
	return f.position;
}

static bool keep_most(void *arg, const struct journal_record *r)
{
	(void)arg;
	return r->position % 5 != 0;
}

/* Small segments; all is flushed, and the mark published. */
static void write_stream(struct home *h, bool compacted)
{
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	bool more;

	for (int i = 0; i < FRAMES; i++) {
		positions[i] = add(j, i, "old");
		if (i % 3 == 0 || i == FRAMES - 1)
			assert_int_equal(journal_flush(j), ERR_OK);
	}
	if (compacted)
		assert_int_equal(journal_compact(j, keep_most, NULL, 0, &more), ERR_OK);
	journal_close(j);
}

/* What one who has the stream open sees of it. */
struct seen {
	bool scanned[FRAMES], read[FRAMES], late[FRAMES];
	size_t n;
	unsigned reports;
};

static int see_frame(void *arg, const struct journal_record *r)
{
	struct seen *s = arg;
	char age[4], text[TEXT + 1];
	int i;

	assert_int_equal(r->payload.n, TEXT);
	assert_int_equal(sscanf(mem_text(view_head(r->payload, 5)), "%3s%2d", age, &i), 2);
	assert_in_range(i, 0, FRAMES - 1);
	text_of(i, age, text);
	assert_true(view_eq(r->payload, view_of(text)));
	if (strcmp(age, "old") == 0) {
		assert_int_equal(r->position, positions[i]);
		assert_false(s->scanned[i]);
		s->scanned[i] = true;
		s->n++;
	} else {
		assert_false(s->late[i]);
		s->late[i] = true;
	}
	return ERR_OK;
}

static void see_damage(void *arg, uint64_t from, uint64_t to)
{
	struct seen *s = arg;

	assert_true(from < to);
	s->reports++;
}

/* Every way to read a frame gives it, or says that it is gone. */
static bool see_one(struct journal *j, int i)
{
	struct journal_record r;
	char text[TEXT + 1], part[TEXT];
	int whole, some;

	text_of(i, "old", text);
	some = journal_check(j, positions[i]);
	if (some == ERR_OK)
		some = journal_read_part(j, positions[i], 0, part, TEXT);
	if (some == ERR_OK)
		assert_memory_equal(part, text, TEXT);
	else
		assert_true(some == ERR_DAMAGED || some == ERR_NOT_FOUND);
	whole = journal_read(j, positions[i], &r);
	if (whole == ERR_OK)
		assert_true(view_eq(r.payload, view_of(text)));
	else
		assert_true(whole == ERR_DAMAGED || whole == ERR_NOT_FOUND);
	return whole == ERR_OK;
}

static void see(struct journal *j, struct seen *s)
{
	uint64_t next;

	memset(s, 0, sizeof(*s));
	journal_on_damage(j, see_damage, s);
	for (int i = 0; i < FRAMES; i++)
		s->read[i] = see_one(j, i);
	assert_int_equal(journal_scan(j, 0, see_frame, s, &next), ERR_OK);
	assert_int_equal(next, journal_end(j));
	journal_on_damage(j, NULL, NULL);
}

/* Everything that was there before and does not reach into what is gone must be there still, and what is gone is told. */
static void assert_served(const struct seen *before, const struct seen *now, const bool *left)
{
	size_t lost = 0;

	for (int i = 0; i < FRAMES; i++) {
		if (!before->scanned[i])
			continue;
		if (left[i] && (!now->scanned[i] || !now->read[i]))
			fail_msg("frame %d is left, and not served (scan %d, read %d)", i, now->scanned[i], now->read[i]);
		lost += !now->scanned[i];
	}
	assert_int_equal(now->reports > 0, lost > 0);
}

static void late_frames(struct home *h, enum journal_role role, uint64_t told)
{
	struct journal *j = home_open(h, role, 4096);

	assert_true(journal_end(j) >= told); /* no position is used again */
	for (int i = 0; i < FRAMES; i++)
		(void)add(j, i, "new");
	assert_int_equal(journal_flush(j), ERR_OK);
	journal_close(j);
}

struct cut {
	struct home *h;
	const char *name;
	enum journal_role role;
	bool warm; /* who has it open has just read in it */
	off_t size; /* the file as it was */
};

/* Which frames need nothing of what is behind `at`. The survivors in a compacted file stand close together. */
static void find_left(const struct cut *c, const struct seen *before, off_t at, bool left[FRAMES])
{
	const char *dash = strchr(c->name, '-');
	uint64_t first = strtoull(c->name, NULL, 16), limit = dash != NULL ? strtoull(dash + 1, NULL, 16) : first + (uint64_t)c->size;
	uint64_t end = SEGMENT_DATA;

	for (int i = 0; i < FRAMES; i++) {
		left[i] = true;
		if (!before->scanned[i] || positions[i] < first || positions[i] >= limit)
			continue;
		end = dash != NULL ? end + frame_size(TEXT) : SEGMENT_DATA + positions[i] - first + frame_size(TEXT);
		left[i] = end <= (uint64_t)at;
	}
}

/* The home is a copy that may be spoilt. */
static void cut_once(const struct cut *c, off_t at)
{
	struct journal *j = home_open(c->h, c->role, 4096);
	struct seen before, now;
	bool left[FRAMES];
	uint64_t told = journal_end(j);
	int fd;

	see(j, &before);
	assert_int_equal(before.reports, 0);
	find_left(c, &before, at, left);
	if (c->warm)
		(void)see_one(j, FRAMES - 1);
	fd = openat(c->h->fd, c->name, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, at), 0);
	(void)close(fd);
	see(j, &now);
	assert_served(&before, &now, left);
	assert_int_equal(journal_refresh(j), ERR_OK);
	see(j, &now);
	assert_served(&before, &now, left);
	late_frames(c->h, c->role == JOURNAL_SHARED_WRITER ? JOURNAL_SHARED_WRITER : JOURNAL_OWNER, told);
	assert_int_equal(journal_refresh(j), ERR_OK);
	see(j, &now);
	assert_served(&before, &now, left);
	for (int i = 0; i < FRAMES; i++)
		assert_true(now.late[i]);
	if (c->role == JOURNAL_SHARED_WRITER) {
		(void)add(j, 0, "own");
		assert_int_equal(journal_flush(j), ERR_OK);
	}
	journal_close(j);
}

static void cut_all(struct home *h, const char *name, enum journal_role role)
{
	struct home copy = home_make();
	struct cut c = { .h = &copy, .name = name, .role = role };
	/* Behind a copy of the head, behind both, behind the begin: where what is left is whole by itself. */
	static const off_t edges[] = { SEGMENT_DATA / 2, SEGMENT_DATA, SEGMENT_DATA + FRAME_BEGIN_SIZE };
	off_t step = faults_wanted() ? 1 : 7;
	struct stat st;

	assert_int_equal(fstatat(h->fd, name, &st, 0), 0);
	c.size = st.st_size;
	for (off_t at = 0; at < st.st_size; at += at < 2048 && st.st_size > 4096 && !faults_wanted() ? 61 : step) {
		c.warm = at % 2;
		home_copy(h, &copy);
		cut_once(&c, at);
	}
	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges) && !faults_wanted(); i++) {
		home_copy(h, &copy);
		cut_once(&c, edges[i]);
	}
	home_remove(&copy);
}

static const char *name_of_last(const struct home *h)
{
	static char name[32];
	struct journal *j = home_open((struct home *)(uintptr_t)h, JOURNAL_READER, 4096);

	(void)snprintf(name, sizeof(name), "%016llx", (unsigned long long)journal_tail(j, 0));
	journal_close(j);
	return name;
}

static void the_head_under_a_reader(void **state)
{
	write_stream(*state, false);
	cut_all(*state, name_of_last(*state), JOURNAL_READER);
}

static void the_head_under_a_writer(void **state)
{
	write_stream(*state, false);
	cut_all(*state, name_of_last(*state), JOURNAL_SHARED_WRITER);
}

static void a_sealed_segment_under_a_reader(void **state)
{
	write_stream(*state, false);
	cut_all(*state, "0000000000000000", JOURNAL_READER);
}

static void a_compacted_file_under_a_reader(void **state)
{
	char name[64];

	write_stream(*state, true);
	(void)snprintf(name, sizeof(name), "%s", home_first_name(*state, "-"));
	assert_string_not_equal(name, "");
	cut_all(*state, name, JOURNAL_READER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(the_head_under_a_reader),
		home_test(the_head_under_a_writer),
		home_test(a_sealed_segment_under_a_reader),
		home_test(a_compacted_file_under_a_reader),
	};

	cmocka_set_test_filter(getenv("POSTRIDER_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
