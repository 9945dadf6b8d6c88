/* SPDX-License-Identifier: ISC */
#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/list.h"
#include "../base/random.h"

static void allocates(void **state)
{
	char *p = mem_new(100);
	char *s = mem_str(view_make("a\0b", 3));

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	p = mem_resize(p, 10);
	assert_non_null(p);
	assert_memory_equal(s, "a\0b", 4);
	mem_wipe(s, 3);
	assert_memory_equal(s, "\0\0\0", 3);
	mem_wipe(NULL, 0);
	free(p);
	free(s);
	free(mem_new(0));
	free(mem_str(VIEW_NONE));
}

static void too_much(void)
{
	mem_array(SIZE_MAX / 2, 3);
}

static void broken(void)
{
	INVARIANT(1 + 1 == 3);
}

static void arena_too_much(void)
{
	arena_alloc(arena_new(), SIZE_MAX - 3);
}

/* In a child of its own, which must end by SIGABRT. */
static void assert_dies(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		fn();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void dies(void **state)
{
	(void)state;
	assert_dies(too_much);
	assert_dies(broken);
	assert_dies(arena_too_much);
}

static void arena_gives(void **state)
{
	enum { N = 2000 };
	struct arena *a = arena_new();
	struct rnd r = rnd_new(2);
	static struct {
		unsigned char *p;
		size_t n;
	} got[N];

	(void)state;
	for (int round = 0; round < 3; round++) {
		size_t sum = 0;
		for (int i = 0; i < N; i++) {
			got[i].n = rnd_below(&r, rnd_below(&r, 100) ? 64 : 100000);
			got[i].p = arena_alloc(a, got[i].n);
			sum += got[i].n;
			assert_int_equal((uintptr_t)got[i].p % alignof(max_align_t), 0);
			for (size_t k = 0; k < got[i].n; k++)
				assert_true(got[i].p[k] == 0);
			memset(got[i].p, i & 0xff, got[i].n);
		}
		/* Nothing overlaps. */
		for (int i = 0; i < N; i++)
			for (size_t k = 0; k < got[i].n; k++)
				assert_true(got[i].p[k] == (i & 0xff));
		assert_true(arena_used(a) >= sum);
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	assert_string_equal(arena_str(a, VIEW("abc")), "abc");
	assert_true(view_eqs(arena_view(a, VIEW("abc")), "abc"));
	assert_int_equal(arena_view(a, VIEW_NONE).n, 0);
	arena_free(a);
	arena_free(NULL);
}

struct thing {
	int n;
	struct list node;
};

static void lists(void **state)
{
	struct list head;
	struct thing t[4] = { { .n = 1 }, { .n = 2 }, { .n = 4 }, { .n = 8 } };
	int sum = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	assert_null(list_first(&head));
	list_append(&head, &t[1].node);
	list_append(&head, &t[2].node);
	list_push(&head, &t[0].node);
	list_insert(&t[2].node, &t[3].node);
	int want = 1;
	LIST_EACH (it, tmp, &head) {
		assert_int_equal(LIST_OF(it, struct thing, node)->n, want);
		want *= 2;
		if (it == &t[1].node)
			list_remove(it);
	}
	assert_int_equal(want, 16);
	list_remove(&t[1].node);
	LIST_EACH (it, tmp, &head)
		sum += LIST_OF(it, struct thing, node)->n;
	assert_int_equal(sum, 13);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocates),
		cmocka_unit_test(dies),
		cmocka_unit_test(arena_gives),
		cmocka_unit_test(lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
