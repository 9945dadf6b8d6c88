/* SPDX-License-Identifier: ISC */
/* The spool's state: each record's effect, and random histories against a plain model, with checkpoints and restarts in between. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit/qmgr/help.h"

static struct state *fresh(void)
{
	struct state *s = state_new();
	struct buf b;
	buf_init(&b, SIZE_MAX);
	help_identity(&b);
	help_apply(s, 1, SPOOL_IDENTITY, &b);
	buf_fini(&b);
	return s;
}

static void follows_a_message_to_its_end(void **state)
{
	struct state *s = fresh();
	struct buf b;
	(void)state;
	buf_init(&b, SIZE_MAX);
	help_message(&b, 1000, "a@example.test", 3, "0123456789abcdef");
	help_apply(s, 64, SPOOL_MESSAGE, &b);
	handle h = state_find(s, 64);
	assert_int_not_equal(h, HANDLE_NONE);
	assert_int_equal(state_message(s, h)->dest, DEST_MANY);
	assert_true(state_message(s, h)->flags & MSG_LOCAL);
	assert_int_equal(state_commit(s, VIEW("0123456789abcdef")), 64);
	help_result(&b, 64, 1010, 2000, 0, "dl");
	help_apply(s, 200, SPOOL_RESULT, &b);
	assert_int_equal(state_pending(state_message(s, h)), 2);
	assert_int_equal(state_message(s, h)->next_try, 2000);
	assert_true(state_is_done(state_message(s, h), 0));
	assert_false(state_is_done(state_message(s, h), 1));
	help_result(&b, 64, 1010, 2000, 1, "nd");
	help_apply(s, 300, SPOOL_RESULT, &b);
	assert_int_equal(state_find(s, 64), HANDLE_NONE);
	assert_int_equal(state_count(s), 0);
	/* It is done, and still the same commit. */
	assert_int_equal(state_commit(s, VIEW("0123456789abcdef")), 64);
	assert_int_equal(state_latest(s), 1010);
	buf_fini(&b);
	state_free(s);
}

static void knows_one_destination_from_many(void **state)
{
	struct state *s = fresh();
	struct buf b, list;
	(void)state;
	buf_init(&b, SIZE_MAX);
	buf_init(&list, SIZE_MAX);
	help_message(&b, 1000, "a@example.test", 1, "");
	help_apply(s, 64, SPOOL_MESSAGE, &b);
	assert_int_equal(state_message(s, state_find(s, 64))->dest, 1000);
	help_rcpt(&list, 2, 0, "x@Far.example");
	help_rcpt(&list, 2, 0, "y@far.EXAMPLE");
	struct spool_message m = { .arrived = 1, .rcpts = { buf_view(&list), 2 } };
	assert_int_equal(spool_message_put(&b, &m), ERR_OK);
	help_apply(s, 128, SPOOL_MESSAGE, &b);
	assert_int_equal(state_message(s, state_find(s, 128))->dest, state_remote(VIEW("z@far.example")));
	assert_false(state_message(s, state_find(s, 128))->flags & MSG_LOCAL);
	buf_fini(&list);
	buf_fini(&b);
	state_free(s);
}

static void a_notice_is_a_message_under_its_results_number(void **state)
{
	struct state *s = fresh();
	struct buf b, n, list;
	(void)state;
	buf_init(&b, SIZE_MAX);
	buf_init(&n, SIZE_MAX);
	buf_init(&list, SIZE_MAX);
	help_message(&b, 1000, "a@example.test", 1, "");
	help_apply(s, 64, SPOOL_MESSAGE, &b);
	help_message(&n, 1001, "", 1, "");
	assert_int_equal(spool_fate_put(&list, &(struct spool_fate){ .index = 0, .outcome = 2 }), ERR_OK);
	struct spool_result r = { .message = 64, .at = 1001, .fates = { buf_view(&list), 1 }, .notice = buf_view(&n) };
	assert_int_equal(spool_result_put(&b, &r), ERR_OK);
	help_apply(s, 99, SPOOL_RESULT, &b);
	assert_int_equal(state_find(s, 64), HANDLE_NONE);
	assert_true(state_message(s, state_find(s, 99))->flags & MSG_NOTICE);
	buf_fini(&list);
	buf_fini(&n);
	buf_fini(&b);
	state_free(s);
}

static void holds_releases_and_deletes(void **state)
{
	struct state *s = fresh();
	struct buf b;
	(void)state;
	buf_init(&b, SIZE_MAX);
	help_message(&b, 1000, "a@example.test", 1, "");
	help_apply(s, 64, SPOOL_MESSAGE, &b);
	help_act(&b, 64, 1, 1001);
	help_apply(s, 90, SPOOL_ACT, &b);
	assert_true(state_message(s, state_find(s, 64))->flags & MSG_HELD);
	help_act(&b, 64, 2, 1002);
	help_apply(s, 91, SPOOL_ACT, &b);
	assert_false(state_message(s, state_find(s, 64))->flags & MSG_HELD);
	help_act(&b, 64, 3, 7777);
	help_apply(s, 92, SPOOL_ACT, &b);
	assert_int_equal(state_message(s, state_find(s, 64))->next_try, 7777);
	help_act(&b, 64, 4, 1004);
	help_apply(s, 93, SPOOL_ACT, &b);
	assert_int_equal(state_count(s), 0);
	help_act(&b, 64, 4, 1004); /* long gone: no harm */
	help_apply(s, 94, SPOOL_ACT, &b);
	buf_fini(&b);
	state_free(s);
}

static void refuses_what_makes_no_sense_and_changes_nothing(void **state)
{
	struct state *s = fresh();
	struct buf b;
	(void)state;
	buf_init(&b, SIZE_MAX);
	help_message(&b, 1000, "a@example.test", 2, "");
	help_apply(s, 64, SPOOL_MESSAGE, &b);
	help_result(&b, 64, 1001, 0, 1, "dd"); /* there is no third */
	assert_int_equal(state_apply(s, 90, SPOOL_RESULT, buf_view(&b)), ERR_DAMAGED);
	assert_int_equal(state_pending(state_message(s, state_find(s, 64))), 2);
	buf_reset(&b);
	help_message(&b, 1000, "a@example.test", 1, "");
	buf_cut(&b, buf_len(&b) - 1);
	assert_int_equal(state_apply(s, 91, SPOOL_MESSAGE, buf_view(&b)), ERR_DAMAGED);
	assert_int_equal(state_apply(s, 92, 77, VIEW("x")), ERR_UNSUPPORTED);
	assert_int_equal(state_count(s), 1);
	buf_fini(&b);
	state_free(s);
}

static void orders_those_that_wait(void **state)
{
	struct state *s = fresh();
	struct buf b;
	uint32_t last = 0;
	(void)state;
	buf_init(&b, SIZE_MAX);
	srandom(7);
	for (uint64_t i = 0; i < 2000; i++) {
		help_message(&b, 1000, "a@example.test", 1, "");
		help_apply(s, 100 + i, SPOOL_MESSAGE, &b);
		state_wait(s, state_find(s, 100 + i), (uint32_t)random() % 5000);
	}
	for (uint64_t i = 0; i < 2000; i += 3) /* moved, and taken out */
		state_wait(s, state_find(s, 100 + i), (uint32_t)random() % 5000);
	for (uint64_t i = 0; i < 2000; i += 5)
		state_remove(s, state_find(s, 100 + i));
	size_t n = 0;
	for (handle h; (h = state_first(s)) != HANDLE_NONE; n++) {
		assert_true(state_message(s, h)->next_try >= last);
		last = state_message(s, h)->next_try;
		state_unwait(s, h);
	}
	assert_int_equal(n, 1600);
	buf_fini(&b);
	state_free(s);
}

static void queue_ids_go_there_and_back(void **state)
{
	struct state *s = fresh();
	char id[QUEUE_ID_MAX], other[QUEUE_ID_MAX];
	uint64_t n;
	(void)state;
	for (uint64_t i = 1; i < (UINT64_C(1) << 60); i = i * 3 + 1) {
		state_queue_id(s, i, id);
		assert_int_equal(strlen(id), 13);
		assert_true(state_queue_number(s, view_of(id), &n));
		assert_int_equal(n, i);
		state_queue_id(s, i + 1, other);
		assert_string_not_equal(id, other);
	}
	assert_false(state_queue_number(s, VIEW("ZZZZZZZZZZZZZ"), &n)); /* more than 64 bits */
	assert_false(state_queue_number(s, VIEW("0123456789ABU"), &n));
	assert_false(state_queue_number(s, VIEW(""), &n));
	state_free(s);
}

static void forgets_old_commits(void **state)
{
	struct state *s = fresh();
	struct buf b;
	(void)state;
	buf_init(&b, SIZE_MAX);
	help_message(&b, 1000, "a@example.test", 1, "aaaaaaaaaaaaaaaa");
	help_apply(s, 64, SPOOL_MESSAGE, &b);
	help_message(&b, 2000, "a@example.test", 1, "bbbbbbbbbbbbbbbb");
	help_apply(s, 65, SPOOL_MESSAGE, &b);
	state_forget(s, 1500);
	assert_int_equal(state_commit(s, VIEW("aaaaaaaaaaaaaaaa")), 0);
	assert_int_equal(state_commit(s, VIEW("bbbbbbbbbbbbbbbb")), 65);
	buf_fini(&b);
	state_free(s);
}

/* ---- random histories ---- */

enum { NUMBERS = 300, RCPTS = 100, STEPS = 6000 };

struct model {
	bool live, held;
	uint32_t n, pending;
	bool done[RCPTS];
	uint64_t next_try, number;
};

/* A log of records, as the journal would hold it. */
struct entry {
	uint64_t position;
	uint16_t kind;
	char *p;
	size_t n;
};
struct log {
	struct entry e[STEPS * 3];
	size_t n, checkpoint; /* where the last whole checkpoint begins */
};

static void log_add(struct log *l, uint64_t position, uint16_t kind, struct view v)
{
	char *p = mem_new(v.n ? v.n : 1);
	memcpy(p, v.p, v.n);
	l->e[l->n++] = (struct entry){ position, kind, p, v.n };
}

static void compare(const struct state *s, const struct model *m)
{
	size_t live = 0;
	for (size_t i = 0; i < NUMBERS; i++) {
		if (!m[i].live)
			continue;
		live++;
		handle h = state_find(s, m[i].number);
		assert_int_not_equal(h, HANDLE_NONE);
		const struct message *x = state_message(s, h);
		assert_int_equal(x->nrcpts, m[i].n);
		assert_int_equal(state_pending(x), m[i].pending);
		assert_int_equal(x->next_try, m[i].next_try);
		assert_int_equal(!!(x->flags & MSG_HELD), m[i].held);
		for (uint32_t k = 0; k < m[i].n; k++)
			assert_int_equal(state_is_done(x, k), m[i].done[k]);
	}
	assert_int_equal(state_count(s), live);
}

static void step_new(struct model *m, uint64_t position, struct buf *b)
{
	*m = (struct model){ .live = true, .number = position, .next_try = position + 5 };
	m->n = m->pending = 1 + (uint32_t)random() % (random() % 8 ? 3 : RCPTS);
	help_message(b, position + 5, "a@example.test", m->n, "");
}

static void step_result(struct model *m, uint64_t position, struct buf *b)
{
	char outcomes[RCPTS + 1] = "";
	uint32_t first = (uint32_t)random() % m->n, n = 1 + (uint32_t)random() % (m->n - first);
	for (uint32_t i = 0; i < n; i++) {
		outcomes[i] = m->done[first + i] ? 'd' : "dln"[random() % 3];
		if (outcomes[i] == 'l') {
			m->next_try = position + 9;
		} else if (!m->done[first + i]) {
			m->done[first + i] = true;
			m->pending--;
		}
	}
	help_result(b, m->number, position, position + 9, first, outcomes);
	m->live = m->pending > 0;
}

static void step_act(struct model *m, uint64_t position, struct buf *b)
{
	uint8_t action = (uint8_t)(1 + random() % 4);
	help_act(b, m->number, action, position + 1);
	m->held = action == 1 || (m->held && action != 2);
	if (action == 3)
		m->next_try = position + 1;
	m->live = action != 4;
}

struct writer {
	struct log *log;
	uint64_t position;
};

static void add_part(void *arg, uint16_t kind, struct view v)
{
	struct writer *w = arg;
	log_add(w->log, w->position++, kind, v);
}

/* Sometimes it is cut off: then it counts for nothing. */
static uint64_t step_checkpoint(struct state *s, struct log *l, uint64_t position, bool torn)
{
	struct writer w = { l, position };
	size_t begin = l->n;
	state_checkpoint(s, position, add_part, &w);
	if (torn)
		free(l->e[--l->n].p);
	else
		l->checkpoint = begin;
	return w.position;
}

static struct state *replay(const struct log *l, size_t from)
{
	struct state *s = state_new();
	for (size_t i = from; i < l->n; i++) {
		int err = state_apply(s, l->e[i].position, l->e[i].kind, view_make(l->e[i].p, l->e[i].n));
		assert_int_equal(err, ERR_OK);
	}
	return s;
}

static void replays_any_history(void **state)
{
	static struct log l;
	static struct model m[NUMBERS];
	struct state *s = fresh();
	struct buf b;
	uint64_t position = 10;
	(void)state;
	buf_init(&b, SIZE_MAX);
	help_identity(&b);
	log_add(&l, 1, SPOOL_IDENTITY, buf_view(&b));
	buf_reset(&b);
	srandom(1);
	for (int i = 0; i < STEPS; i++, position++) {
		struct model *x = &m[random() % NUMBERS];
		if (random() % 500 == 0) {
			position = step_checkpoint(s, &l, position, random() % 3 == 0);
			state_free(s);
			s = replay(&l, random() % 2 ? 0 : l.checkpoint);
			compare(s, m);
			continue;
		}
		uint16_t kind = !x->live ? SPOOL_MESSAGE : random() % 4 ? SPOOL_RESULT : SPOOL_ACT;
		(kind == SPOOL_MESSAGE ? step_new : kind == SPOOL_RESULT ? step_result : step_act)(x, position, &b);
		log_add(&l, position, kind, buf_view(&b));
		help_apply(s, position, kind, &b);
	}
	compare(s, m);
	state_free(s);
	for (size_t i = 0; i < l.n; i++)
		free(l.e[i].p);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_a_message_to_its_end),
		cmocka_unit_test(knows_one_destination_from_many),
		cmocka_unit_test(a_notice_is_a_message_under_its_results_number),
		cmocka_unit_test(holds_releases_and_deletes),
		cmocka_unit_test(refuses_what_makes_no_sense_and_changes_nothing),
		cmocka_unit_test(orders_those_that_wait),
		cmocka_unit_test(queue_ids_go_there_and_back),
		cmocka_unit_test(forgets_old_commits),
		cmocka_unit_test(replays_any_history),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
