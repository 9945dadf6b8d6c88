/* SPDX-License-Identifier: ISC */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../base/random.h"

/* SipHash-1-3 of 00, 00 01, 00 01 02 … under the key 00 … 0f, as other implementations have it. */
static void hashes(void **state)
{
	static const struct {
		size_t n;
		uint64_t hash;
	} rows[] = { { 0, 0xabac0158050fc4dc }, { 1, 0xc9f49bf37d57ca93 }, { 7, 0xd3927d989bb11140 }, { 8, 0x369095118d299a8e }, { 9, 0x25a48eb36c063de4 }, { 15, 0xd320d86d2a519956 }, { 16, 0xcc4fdd1a7d908b66 }, { 63, 0x9d199062b7bbb3a8 } };
	char octets[64];

	(void)state;
	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (char)i;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_true(map_hash(view_make(octets, rows[i].n)) == rows[i].hash);
}

static void seeded(void **state)
{
	uint64_t before = map_hash(VIEW("a"));

	(void)state;
	map_seed(1, 2);
	assert_true(map_hash(VIEW("a")) != before);
	map_seed(0x0706050403020100, 0x0f0e0d0c0b0a0908);
	assert_true(map_hash(VIEW("a")) == before);
}

static void octet_keys(void **state)
{
	struct map *m = map_new();
	int one, two;
	char key[] = "a\0b";

	(void)state;
	assert_null(map_get(m, VIEW("x")));
	assert_null(map_del(m, VIEW("x")));
	assert_null(map_set(m, view_make(key, 3), &one));
	key[2] = 'c';
	/* The key was copied. */
	assert_ptr_equal(map_get(m, view_make("a\0b", 3)), &one);
	assert_null(map_get(m, view_make(key, 3)));
	assert_null(map_set(m, VIEW_NONE, &two));
	assert_ptr_equal(map_get(m, VIEW("")), &two);
	assert_ptr_equal(map_set(m, VIEW(""), &one), &two);
	assert_int_equal(map_count(m), 2);
	assert_ptr_equal(map_del(m, VIEW("")), &one);
	assert_null(map_get(m, VIEW("")));
	assert_int_equal(map_count(m), 1);
	map_free(m);
	map_free(NULL);
}

enum { KEYS = 500 };
static char values[KEYS];

static struct view name(size_t k, char out[32])
{
	return view_make(out, (size_t)snprintf(out, 32, "user%zu@example.com", k));
}

/* Both kinds go through the same random steps and are compared with an array of what must be in them. */
static void keep_to_their_model(void **state)
{
	struct rnd r = rnd_new(3);
	struct map *m = map_new();
	struct map64 *m64 = map64_new();
	void *model[KEYS] = { NULL };
	size_t count = 0;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		/* Waves, so that it grows and empties again. */
		size_t k = rnd_below(&r, KEYS), wave = (size_t)i / 10000 % 2;
		char text[32];
		struct view v = name(k, text);
		void *was = model[k];
		if (rnd_below(&r, 3) < 1 + wave) {
			model[k] = &values[rnd_below(&r, KEYS)];
			assert_ptr_equal(map_set(m, v, model[k]), was);
			assert_ptr_equal(map64_set(m64, k * 0x100000001, model[k]), was);
			count += was == NULL;
		} else {
			model[k] = NULL;
			assert_ptr_equal(map_del(m, v), was);
			assert_ptr_equal(map64_del(m64, k * 0x100000001), was);
			count -= was != NULL;
		}
		k = rnd_below(&r, KEYS);
		assert_ptr_equal(map_get(m, name(k, text)), model[k]);
		assert_ptr_equal(map64_get(m64, k * 0x100000001), model[k]);
		assert_int_equal(map_count(m), count);
		assert_int_equal(map64_count(m64), count);
	}
	map_free(m);
	map64_free(m64);
}

/* Every key is given once, although some are removed when they come. */
static void walks(void **state)
{
	struct map *m = map_new();
	struct map64 *m64 = map64_new();
	char text[32];
	struct view key;
	uint64_t number;
	void *value;
	size_t it = 0, seen = 0;

	(void)state;
	assert_false(map_next(m, &it, &key, &value));
	for (size_t k = 0; k < KEYS; k++) {
		map_set(m, name(k, text), &values[k]);
		map64_set(m64, k, &values[k]);
	}
	for (it = 0; map_next(m, &it, &key, &value); seen++) {
		size_t k = (size_t)((char *)value - values);
		assert_true(view_eq(key, name(k, text)));
		if (k % 3 == 0)
			assert_ptr_equal(map_del(m, key), value);
	}
	assert_int_equal(seen, KEYS);
	assert_int_equal(map_count(m), KEYS - (KEYS + 2) / 3);
	for (it = 0, seen = 0; map64_next(m64, &it, &number, &value); seen++) {
		assert_ptr_equal(value, &values[number]);
		assert_ptr_equal(map64_del(m64, number), value);
	}
	assert_int_equal(seen, KEYS);
	assert_int_equal(map64_count(m64), 0);
	it = 0;
	assert_false(map64_next(m64, &it, &number, &value));
	map_free(m);
	map64_free(m64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes),
		cmocka_unit_test(seeded),
		cmocka_unit_test(octet_keys),
		cmocka_unit_test(keep_to_their_model),
		cmocka_unit_test(walks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
