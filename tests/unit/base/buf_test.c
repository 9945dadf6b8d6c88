/* SPDX-License-Identifier: ISC */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../base/random.h"

static void adds(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_null(b.mem);
	assert_string_equal(buf_str(&b), "");
	buf_adds(&b, "a");
	buf_addc(&b, 'b');
	buf_addu(&b, 0);
	buf_addu(&b, UINT64_MAX);
	buf_addi(&b, -7);
	buf_addi(&b, INT64_MIN);
	buf_addi(&b, 12);
	buf_addhex(&b, "\x00\xaf", 2);
	buf_addv(&b, VIEW_NONE);
	buf_printf(&b, "<%s%d>", "x", 5);
	assert_string_equal(buf_str(&b), "ab018446744073709551615-7-92233720368547758081200af<x5>");
	assert_true(buf_ok(&b));
	buf_fini(&b);
	assert_int_equal(b.max, 1000);
}

static void quotes_for_json(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_addjson(&b, VIEW("a\"b\\c\n\x01\x7f\xc3\xa9"));
	assert_string_equal(buf_str(&b), "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\xc3\xa9\"");
	buf_reset(&b);
	buf_addjson(&b, VIEW_NONE);
	assert_string_equal(buf_str(&b), "\"\"");
	buf_fini(&b);
}

static void puts_little_endian(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 15);
	buf_put8(&b, 0x01);
	buf_put16(&b, 0x0302);
	buf_put32(&b, 0x07060504);
	buf_put64(&b, 0x0f0e0d0c0b0a0908);
	assert_int_equal(buf_len(&b), 15);
	for (size_t i = 0; i < 15; i++)
		assert_int_equal(buf_view(&b).p[i], i + 1);
	buf_fini(&b);
}

/* Each kind of addition that would pass the maximum adds nothing at all, and the refusal is remembered. */
static void refuses(void **state)
{
	struct buf b;

	(void)state;
	for (int kind = 0; kind < 9; kind++) {
		buf_init(&b, 4);
		buf_adds(&b, "abc");
		switch (kind) {
		case 0: buf_adds(&b, "de"); break;
		case 1: buf_addu(&b, 10); break;
		case 2: buf_addi(&b, -1); break;
		case 3: buf_addhex(&b, "x", 1); break;
		case 4: buf_printf(&b, "%d", 42); break;
		case 5: buf_put16(&b, 1); break;
		case 6: assert_null(buf_room(&b, 2)); break;
		case 7: buf_addhex(&b, "x", SIZE_MAX / 2 + 2); break;
		default: assert_null(buf_room(&b, SIZE_MAX)); break;
		}
		assert_false(buf_ok(&b));
		assert_string_equal(buf_str(&b), "abc");
		buf_addc(&b, 'd');
		assert_string_equal(buf_str(&b), "abcd");
		assert_false(buf_ok(&b));
		buf_reset(&b);
		assert_true(buf_ok(&b) && buf_len(&b) == 0);
		buf_fini(&b);
	}
}

static void holds_its_maximum(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	buf_printf(&b, "%s", "12345");
	assert_true(buf_ok(&b));
	assert_string_equal(buf_str(&b), "12345");
	buf_consume(&b, 5);
	assert_int_equal(buf_len(&b), 0);
	buf_shrink(&b);
	assert_null(b.mem);
	buf_cut(&b, 3);
	buf_consume(&b, 3);
	assert_int_equal(buf_len(&b), 0);
	buf_fini(&b);
	buf_init(&b, 0);
	buf_addc(&b, 'x');
	assert_false(buf_ok(&b));
	buf_fini(&b);
}

static void borrows_memory(void **state)
{
	struct buf spare, a, b;

	(void)state;
	buf_init(&spare, 100);
	buf_init(&a, 80);
	buf_init(&b, 80);
	buf_adds(&a, "xline");
	buf_consume(&a, 1);
	buf_borrow(&a, &spare);
	assert_int_equal(a.cap, 100);
	assert_true(view_eqs(buf_view(&a), "line"));
	const char *mem = a.mem;
	/* Little that is left moves out, and the next gets the same memory. */
	buf_give_back(&a, &spare);
	assert_ptr_equal(spare.mem, mem);
	assert_int_equal(a.cap, 4);
	assert_true(view_eqs(buf_view(&a), "line"));
	buf_borrow(&b, &spare);
	assert_ptr_equal(b.mem, mem);
	/* Another meanwhile gets other memory, of which one piece is kept. */
	buf_borrow(&a, &spare);
	assert_true(view_eqs(buf_view(&a), "line"));
	buf_give_back(&b, &spare);
	assert_null(b.mem);
	assert_ptr_equal(spare.mem, mem);
	buf_reset(&a);
	buf_give_back(&a, &spare);
	assert_null(a.mem);
	/* Much that is left stays where it is; the maximum is the buf's own. */
	buf_borrow(&a, &spare);
	assert_non_null(buf_room(&a, 80));
	assert_null(buf_room(&a, 81));
	memset(buf_room(&a, 51), 'y', 51);
	buf_commit(&a, 51);
	buf_give_back(&a, &spare);
	assert_ptr_equal(a.mem, mem);
	assert_null(spare.mem);
	buf_fini(&a);
	buf_fini(&spare);
}

/* What a buf must be, kept in the plainest way. */
struct model {
	char bytes[600];
	size_t n;
};

static void step(struct buf *b, struct model *m, size_t max, struct rnd *r)
{
	char some[300];
	size_t k = rnd_below(r, sizeof some);
	char *to;

	memset(some, (int)('a' + rnd_below(r, 26)), sizeof some);
	switch (rnd_below(r, 6)) {
	case 0:
		buf_consume(b, k);
		k = k < m->n ? k : m->n;
		memmove(m->bytes, m->bytes + k, m->n - k);
		m->n -= k;
		break;
	case 1:
		buf_cut(b, k);
		m->n = k < m->n ? k : m->n;
		break;
	case 2:
		to = buf_room(b, k);
		assert_int_equal(to == NULL, k > max - m->n);
		if (to) {
			memcpy(to, some, k);
			buf_commit(b, k / 2);
			memcpy(m->bytes + m->n, some, k / 2);
			m->n += k / 2;
		}
		break;
	case 3:
		assert_int_equal(strlen(buf_str(b)), m->n);
		break;
	default:
		buf_add(b, some, k);
		if (k <= max - m->n) {
			memcpy(m->bytes + m->n, some, k);
			m->n += k;
		}
		break;
	}
	if (b->n == 0 && rnd_below(r, 4) == 0)
		buf_shrink(b);
	assert_int_equal(buf_len(b), m->n);
	assert_true(b->cap <= max + 1);
	if (m->n)
		assert_memory_equal(buf_view(b).p, m->bytes, m->n);
}

static void keeps_to_its_model(void **state)
{
	struct rnd r = rnd_new(1);

	(void)state;
	for (int round = 0; round < 200; round++) {
		size_t max = 1 + rnd_below(&r, sizeof ((struct model *)NULL)->bytes);
		struct model m = { .n = 0 };
		struct buf b;
		buf_init(&b, max);
		for (int i = 0; i < 200; i++)
			step(&b, &m, max, &r);
		buf_fini(&b);
	}
}

/* A megabyte eaten octet by octet would take a minute if each step moved the rest. */
static void consumes_cheaply(void **state)
{
	enum { N = 1 << 20 };
	struct buf b;
	char *some = calloc(1, N);

	(void)state;
	buf_init(&b, 2 * N);
	buf_add(&b, some, N);
	for (int i = 0; i < N; i++) {
		buf_consume(&b, 1);
		buf_addc(&b, 'x');
	}
	assert_int_equal(buf_len(&b), N);
	buf_fini(&b);
	free(some);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds),
		cmocka_unit_test(quotes_for_json),
		cmocka_unit_test(puts_little_endian),
		cmocka_unit_test(refuses),
		cmocka_unit_test(holds_its_maximum),
		cmocka_unit_test(borrows_memory),
		cmocka_unit_test(keeps_to_its_model),
		cmocka_unit_test(consumes_cheaply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
