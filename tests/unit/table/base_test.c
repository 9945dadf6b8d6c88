/* SPDX-License-Identifier: ISC */
/* Every engine that was built in, with the same expectations. */
#include "scratch.h"

#include "base/mem.h"
#include "table/base.h"

#define KEYS 3000

static void key_of(int i, char out[64]) { (void)snprintf(out, 64, "account:user%d@example.test", i); }
static void value_of(int i, char out[400])
{
	int n = snprintf(out, 400, "uid=%d\npassword=", i);

	memset(out + n, 'a' + i % 26, (size_t)(i % 300));
	out[n + i % 300] = 0;
}

static void build(const struct base_engine *e, const char *path, int keys)
{
	char key[64], value[400];
	void *b;

	assert_int_equal(e->create(path, &b), ERR_OK);
	for (int i = 0; i < keys; i++) {
		key_of(i, key);
		value_of(i, value);
		assert_int_equal(e->add(b, view_of(key), view_of(value)), ERR_OK);
	}
	assert_int_equal(e->finish(b), ERR_OK);
}

/* How many of the keys are right; every other answer must be an error, never "not found", never a wrong value. */
static int check_all(const struct base_engine *e, void *h, int keys)
{
	char key[64], value[400];
	struct buf b;
	int right = 0;

	buf_init(&b, BASE_VALUE_MAX);
	for (int i = 0; i < keys; i++) {
		int err;

		key_of(i, key);
		value_of(i, value);
		buf_reset(&b);
		err = e->get(h, view_of(key), &b);
		assert_int_not_equal(err, ERR_NOT_FOUND);
		if (err)
			continue;
		assert_true(view_eqs(buf_view(&b), value));
		right++;
	}
	buf_fini(&b);
	return right;
}

#define EACH_ENGINE(e) \
	for (size_t i_ = 0; i_ < 8; i_++) \
		for (const struct base_engine *e = base_engine_at(i_, false); e; e = NULL)

static void finds_what_was_added(void **state)
{
	EACH_ENGINE(e) {
		char path[PATH_MAX + 64];
		struct buf b;
		void *h;

		buf_init(&b, 1000);
		build(e, scratch_path(*state, "x", path), KEYS);
		assert_int_equal(e->open(path, &h), ERR_OK);
		assert_int_equal(check_all(e, h, KEYS), KEYS);
		assert_int_equal(e->get(h, VIEW("account:nobody@example.test"), &b), ERR_NOT_FOUND);
		assert_int_equal(e->get(h, VIEW("account:user1@example.tes"), &b), ERR_NOT_FOUND);
		e->close(h);
	}
}

static void refuses_doubles_and_giants(void **state)
{
	EACH_ENGINE(e) {
		char path[PATH_MAX + 64], big[BASE_KEY_MAX + 1] = { 1 };
		void *b;

		assert_int_equal(e->create(scratch_path(*state, "x", path), &b), ERR_OK);
		assert_int_equal(e->add(b, VIEW("k"), VIEW("1")), ERR_OK);
		assert_int_equal(e->add(b, VIEW("k"), VIEW("2")), ERR_EXISTS);
		assert_int_equal(e->add(b, view_make(big, sizeof(big)), VIEW("2")), ERR_TOO_BIG);
		e->drop(b);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void walks_over_each_key_once(void **state)
{
	EACH_ENGINE(e) {
		char path[PATH_MAX + 64];
		bool seen[KEYS] = { false };
		struct view key, value;
		void *h, *cursor = NULL;
		int err, n = 0;

		build(e, scratch_path(*state, "x", path), KEYS);
		assert_int_equal(e->open(path, &h), ERR_OK);
		while ((err = e->next(h, &cursor, &key, &value)) == ERR_OK) {
			int i = atoi(view_skip(key, strlen("account:user")).p);

			assert_in_range(i, 0, KEYS - 1);
			assert_false(seen[i]);
			seen[i] = true;
			n++;
		}
		assert_int_equal(err, ERR_END);
		assert_int_equal(n, KEYS);
		e->end(h, cursor);
		e->close(h);
	}
}

static void holds_values_of_a_megabyte(void **state)
{
	EACH_ENGINE(e) {
		char path[PATH_MAX + 64];
		char *big = malloc(BASE_VALUE_MAX);
		struct buf b;
		void *h;

		memset(big, 'v', BASE_VALUE_MAX);
		assert_int_equal(e->create(scratch_path(*state, "x", path), &h), ERR_OK);
		for (int i = 0; i < 40; i++) {
			char key[64];

			key_of(i, key);
			assert_int_equal(e->add(h, view_of(key), view_make(big, BASE_VALUE_MAX)), ERR_OK);
		}
		assert_int_equal(e->finish(h), ERR_OK);
		assert_int_equal(e->open(path, &h), ERR_OK);
		buf_init(&b, BASE_VALUE_MAX);
		assert_int_equal(e->get(h, VIEW("account:user39@example.test"), &b), ERR_OK);
		assert_true(view_eq(buf_view(&b), view_make(big, BASE_VALUE_MAX)));
		buf_fini(&b);
		e->close(h);
		free(big);
	}
}

static void a_missing_file_is_told_from_a_bad_one(void **state)
{
	EACH_ENGINE(e) {
		char path[PATH_MAX + 64];
		void *h;

		assert_int_equal(e->open(scratch_path(*state, "none", path), &h), ERR_NOT_FOUND);
		scratch_write(scratch_path(*state, "bad", path), "not a table at all, but text", 28);
		assert_int_not_equal(e->open(path, &h), ERR_OK);
		assert_int_not_equal(e->open(path, &h), ERR_NOT_FOUND);
		scratch_write(path, "", 0);
		assert_int_not_equal(e->open(path, &h), ERR_OK);
		assert_int_not_equal(e->open(path, &h), ERR_NOT_FOUND);
	}
}

/* The sum of the whole is checked when a base is opened: any flipped octet shows there. */
static void damage_is_never_not_found(void **state)
{
	EACH_ENGINE(e) {
		char good[PATH_MAX + 64], bad[PATH_MAX + 64];
		unsigned char *p;
		size_t n;
		void *h;

		build(e, scratch_path(*state, "good", good), 600);
		p = scratch_read(good, &n);
		for (size_t at = 7; at < n; at += 1777) {
			p[at] ^= 0x10;
			scratch_write(scratch_path(*state, "bad", bad), p, n);
			p[at] ^= 0x10;
			assert_int_equal(e->open(bad, &h), ERR_DAMAGED);
		}
		free(p);
	}
}

static void a_hole_or_a_lost_tail_is_never_not_found(void **state)
{
	EACH_ENGINE(e) {
		char good[PATH_MAX + 64], bad[PATH_MAX + 64];
		unsigned char *p, *q;
		size_t n;
		void *h;

		build(e, scratch_path(*state, "good", good), 600);
		p = scratch_read(good, &n);
		q = malloc(n);
		scratch_path(*state, "bad", bad);
		for (size_t page = 0; page + 4096 <= n; page += 4096) {
			memcpy(q, p, n);
			memset(q + page, 0, 4096);
			scratch_write(bad, q, n);
			assert_int_equal(e->open(bad, &h), ERR_DAMAGED);
			scratch_write(bad, p, page);
			assert_int_equal(e->open(bad, &h), ERR_DAMAGED);
		}
		free(p);
		free(q);
	}
}

static void a_replaced_file_stays_readable(void **state)
{
	EACH_ENGINE(e) {
		char path[PATH_MAX + 64], other[PATH_MAX + 64];
		void *h;

		build(e, scratch_path(*state, "x", path), 500);
		assert_int_equal(e->open(path, &h), ERR_OK);
		build(e, scratch_path(*state, "y", other), 1);
		assert_int_equal(rename(other, path), 0);
		assert_int_equal(check_all(e, h, 500), 500);
		e->close(h);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(finds_what_was_added), T(refuses_doubles_and_giants), T(walks_over_each_key_once), T(holds_values_of_a_megabyte),
		T(a_missing_file_is_told_from_a_bad_one), T(damage_is_never_not_found),
		T(a_hole_or_a_lost_tail_is_never_not_found), T(a_replaced_file_stays_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
