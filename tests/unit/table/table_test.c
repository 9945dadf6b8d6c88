/* SPDX-License-Identifier: ISC */
#include "scratch.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "table/table.h"

static void put(struct table_writer *w, const char *key, const char *value)
{
	struct delta_change c = { .del = value == NULL, .key = view_of(key), .value = view_of(value) };

	assert_int_equal(table_append(w, &c, 1), ERR_OK);
	assert_int_equal(table_flush(w), ERR_OK);
}

/* The value as a fresh string, "-" for not found, "!" for could not ask. */
static const char *get(struct table *t, const char *key, char out[64])
{
	struct buf b;
	int err;

	buf_init(&b, BASE_VALUE_MAX);
	err = table_refresh(t);
	if (!err)
		err = table_get(t, view_of(key), &b);
	(void)snprintf(out, 64, "%s", err == ERR_OK ? buf_str(&b) : err == ERR_NOT_FOUND ? "-" : "!");
	buf_fini(&b);
	return out;
}
#define EXPECT(t, key, value) assert_string_equal(get(t, key, (char[64]){ 0 }), value)

static struct table_writer *writer(void **state)
{
	struct scratch *s = *state;
	struct table_writer *w;

	assert_int_equal(table_writer_open(s->dir, "main", &w), ERR_OK);
	return w;
}

static struct table *reader(void **state)
{
	struct scratch *s = *state;
	struct table *t;

	assert_int_equal(table_open(s->dir, "main", &t), ERR_OK);
	return t;
}

static void merge(struct table_writer *w, const char *kind)
{
	struct table_merge *m;

	assert_int_equal(table_merge_begin(w, base_engine_of(view_of(kind)), &m), ERR_OK);
	assert_int_equal(table_merge_end(w, m, table_merge_run(m)), ERR_OK);
}

static int walk_count(void **state, const char *prefix)
{
	struct scratch *s = *state;
	struct table_walk *w;
	struct view key, value;
	int err, n = 0;

	assert_int_equal(table_walk_new(s->dir, "main", view_of(prefix), &w), ERR_OK);
	while ((err = table_walk_next(w, &key, &value)) == ERR_OK) {
		assert_true(view_starts(key, view_of(prefix)));
		n++;
	}
	assert_int_equal(err, ERR_END);
	table_walk_free(w);
	return n;
}

static void no_table_is_told_from_an_empty_one(void **state)
{
	struct scratch *s = *state;
	struct table_writer *w;
	struct table *t;

	assert_int_equal(table_open(s->dir, "main", &t), ERR_NOT_FOUND);
	w = writer(state);
	t = reader(state);
	EXPECT(t, "domain:example.test", "-");
	table_close(t);
	table_writer_close(w);
}

static void a_reader_sees_each_change_at_once(void **state)
{
	struct table_writer *w = writer(state);
	struct table *t = reader(state);

	put(w, "domain:example.test", "1");
	EXPECT(t, "domain:example.test", "1");
	put(w, "domain:example.test", "2");
	EXPECT(t, "domain:example.test", "2");
	put(w, "domain:example.test", NULL);
	EXPECT(t, "domain:example.test", "-");
	EXPECT(table_writer_table(w), "domain:example.test", "-");
	assert_int_equal(table_generation(t), 3);
	table_close(t);
	table_writer_close(w);
}

static void a_record_is_all_or_nothing(void **state)
{
	struct table_writer *w = writer(state);
	struct delta_change c[] = {
		{ .key = VIEW("a"), .value = VIEW("1") },
		{ .key = VIEW(""), .value = VIEW("no key") },
	};

	assert_int_equal(table_append(w, c, 2), ERR_TOO_BIG);
	EXPECT(table_writer_table(w), "a", "-");
	/* A refused change leaves the writer whole. */
	put(w, "a", "2");
	EXPECT(table_writer_table(w), "a", "2");
	table_writer_close(w);
}

static void one_writer_only(void **state)
{
	struct scratch *s = *state;
	struct table_writer *w = writer(state), *second;

	assert_int_equal(table_writer_open(s->dir, "main", &second), ERR_BUSY);
	table_writer_close(w);
	w = writer(state);
	table_writer_close(w);
}

static void merges_into_every_kind(void **state)
{
	static const char *const kinds[] = { "btree", "hash", "lmdb", "btree", "lmdb" };
	struct table_writer *w = writer(state);
	struct table *t = reader(state);
	int generation = 0;

	put(w, "k:kept", "old");
	put(w, "k:gone", "old");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char value[16];

		if (!base_engine_of(view_of(kinds[i])))
			continue;
		merge(w, kinds[i]);
		EXPECT(t, "k:kept", generation ? "new" : "old");
		(void)snprintf(value, sizeof(value), "%d", ++generation);
		put(w, "k:kept", "new");
		put(w, "k:count", value);
		put(w, "k:gone", NULL);
		EXPECT(t, "k:count", value);
		EXPECT(t, "k:gone", "-");
		assert_int_equal(walk_count(state, "k:"), 2);
		assert_int_equal(walk_count(state, ""), 2);
	}
	table_close(t);
	table_writer_close(w);
	t = reader(state);
	EXPECT(t, "k:kept", "new");
	table_close(t);
}

static void a_merge_keeps_what_came_meanwhile(void **state)
{
	struct table_writer *w = writer(state);
	struct table *t = reader(state);
	struct table_merge *m;

	put(w, "before", "1");
	assert_int_equal(table_merge_begin(w, base_engine_of(VIEW("")), &m), ERR_OK);
	put(w, "meanwhile", "2");
	assert_int_equal(table_merge_run(m), ERR_OK);
	put(w, "before", NULL);
	assert_int_equal(table_merge_end(w, m, ERR_OK), ERR_OK);
	EXPECT(t, "before", "-");
	EXPECT(t, "meanwhile", "2");
	assert_int_equal(table_generation(t), 3);
	put(w, "after", "3");
	EXPECT(t, "after", "3");
	table_close(t);
	table_writer_close(w);
}

static void a_given_up_merge_changes_nothing(void **state)
{
	struct table_writer *w = writer(state);
	struct table_merge *m;
	char path[PATH_MAX + 64];

	put(w, "a", "1");
	assert_int_equal(table_merge_begin(w, base_engine_of(VIEW("")), &m), ERR_OK);
	assert_int_equal(table_merge_run(m), ERR_OK);
	assert_int_equal(table_merge_end(w, m, ERR_FULL), ERR_FULL);
	assert_int_equal(access(scratch_path(*state, "main.new", path), F_OK), -1);
	put(w, "b", "2");
	EXPECT(table_writer_table(w), "a", "1");
	table_writer_close(w);
}

/* The crash between the new base's rename and the new delta's: the old delta over the new base. */
static void a_merge_cut_in_the_middle_loses_nothing(void **state)
{
	struct table_writer *w = writer(state);
	char path[PATH_MAX + 64];
	unsigned char *delta;
	struct table *t;
	size_t n;

	put(w, "a", "1");
	put(w, "a", "2");
	put(w, "b", NULL);
	delta = scratch_read(scratch_path(*state, "main.delta", path), &n);
	merge(w, "");
	table_writer_close(w);
	scratch_write(path, delta, n);
	free(delta);
	t = reader(state);
	EXPECT(t, "a", "2");
	w = writer(state);
	put(w, "c", "3");
	EXPECT(t, "c", "3");
	assert_int_equal(table_generation(t), 4);
	table_close(t);
	table_writer_close(w);
}

/* An older base under a newer delta means that records are missing. */
static void a_delta_that_begins_behind_the_base_is_damage(void **state)
{
	struct scratch *s = *state;
	struct table_writer *w = writer(state);
	char path[PATH_MAX + 64];
	struct table *t;
	unsigned char *base;
	size_t n;
	const char *file;

	file = base_engine_of(VIEW(""))->suffix[1] == 'd' ? "main.db" : "main.lmdb";
	put(w, "a", "1");
	merge(w, "");
	base = scratch_read(scratch_path(s, file, path), &n);
	put(w, "a", "2");
	merge(w, "");
	table_writer_close(w);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(table_open(s->dir, "main", &t), ERR_DAMAGED);
	scratch_write(path, base, n);
	free(base);
	assert_int_equal(table_open(s->dir, "main", &t), ERR_DAMAGED);
}

static void a_torn_tail_is_left_behind(void **state)
{
	struct table_writer *w = writer(state);
	struct table *t;
	char path[PATH_MAX + 64];
	FILE *f;

	put(w, "a", "1");
	table_writer_close(w);
	f = fopen(scratch_path(*state, "main.delta", path), "ab");
	assert_int_equal(fwrite("\x20\0\0\0\2\0\0\0\0\0\0\0half", 1, 16, f), 16);
	fclose(f);
	t = reader(state);
	EXPECT(t, "a", "1");
	w = writer(state);
	put(w, "b", "2");
	EXPECT(t, "b", "2");
	EXPECT(t, "a", "1");
	table_close(t);
	table_writer_close(w);
}

/* Flip each octet of a delta in turn: the content is as before, or it is an error; nothing is ever lost in silence. */
static void a_flipped_octet_is_never_a_lost_change(void **state)
{
	struct scratch *s = *state;
	struct table_writer *w = writer(state);
	char path[PATH_MAX + 64];
	unsigned char *p;
	size_t n, errors = 0;

	put(w, "a", "1");
	put(w, "b", "2");
	put(w, "c", "3");
	table_writer_close(w);
	p = scratch_read(scratch_path(s, "main.delta", path), &n);
	for (size_t i = 0; i < n; i++) {
		struct table *t;

		p[i] ^= 0x04;
		scratch_write(path, p, n);
		p[i] ^= 0x04;
		if (table_open(s->dir, "main", &t) != ERR_OK) {
			errors++;
			continue;
		}
		EXPECT(t, "a", "1");
		EXPECT(t, "b", "2");
		EXPECT(t, "c", "3");
		table_close(t);
	}
	/* header 24, mark 20, and all of the records */
	assert_int_equal(errors, 24 + 20 + (n - DELTA_RECORDS_AT));
	for (size_t cut = 0; cut < n; cut++) {
		struct table *t;

		scratch_write(path, p, cut);
		assert_int_equal(table_open(s->dir, "main", &t), ERR_DAMAGED);
	}
	free(p);
}

static void a_reader_recovers_when_the_table_does(void **state)
{
	struct table_writer *w = writer(state);
	struct table *t = reader(state);
	char path[PATH_MAX + 64], aside[PATH_MAX + 64];

	put(w, "a", "1");
	EXPECT(t, "a", "1");
	scratch_path(*state, "main.delta", path);
	scratch_path(*state, "aside", aside);
	assert_int_equal(rename(path, aside), 0);
	scratch_write(path, "rubbish", 7);
	/* The old file is still open and still has a name: nothing was replaced as the writer replaces. */
	EXPECT(t, "a", "1");
	assert_int_equal(unlink(aside), 0);
	EXPECT(t, "a", "!");
	EXPECT(t, "a", "!");
	table_close(t);
	table_writer_close(w);
}

/* A child is killed while it writes; what it was told to be durable is there afterwards. */
static void a_killed_writer_loses_nothing_acknowledged(void **state)
{
	int acked = 0;

	for (int round = 0; round < 8; round++) {
		int pipes[2];
		char c;
		pid_t pid;
		struct table *t;
		char key[32];

		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		if (pid == 0) {
			struct table_writer *w = writer(state);

			for (int i = acked;; i++) {
				(void)snprintf(key, sizeof(key), "n:%d", i);
				put(w, key, "x");
				if (i % 50 == 49)
					merge(w, "");
				if (write(pipes[1], "k", 1) != 1)
					_exit(1);
			}
		}
		close(pipes[1]);
		for (int i = 0; i < 23 + round * 7 && read(pipes[0], &c, 1) == 1; i++)
			acked++;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while (read(pipes[0], &c, 1) == 1)
			acked++;
		close(pipes[0]);
		t = reader(state);
		for (int i = 0; i < acked; i++) {
			(void)snprintf(key, sizeof(key), "n:%d", i);
			EXPECT(t, key, "x");
		}
		table_close(t);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_table_is_told_from_an_empty_one), T(a_reader_sees_each_change_at_once), T(a_record_is_all_or_nothing), T(one_writer_only),
		T(merges_into_every_kind), T(a_merge_keeps_what_came_meanwhile), T(a_given_up_merge_changes_nothing),
		T(a_merge_cut_in_the_middle_loses_nothing), T(a_delta_that_begins_behind_the_base_is_damage), T(a_torn_tail_is_left_behind),
		T(a_flipped_octet_is_never_a_lost_change), T(a_reader_recovers_when_the_table_does),
		T(a_killed_writer_loses_nothing_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
