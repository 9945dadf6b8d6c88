/* SPDX-License-Identifier: ISC */
/* What is kept of summaries is right or not there, whatever happens to the file, and to the processes that have it open. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "mailbox/summary.h"
#include "sys/file.h"
#include "tests/unit/mailbox/help.h"

#define MESSAGES 6
#define LONG_TEXT 300

static const struct summary_identity alice = { .home = 1, .journal = 2, .uid = 3, .uidvalidity = 4, .version = 5 };

static struct summary_key key_at(uint64_t i)
{
	return (struct summary_key){ .position = i % 2 ? i << 10 : (i << 10) | UINT64_C(1) << 63, .date = 1000000000 + (int64_t)i, .offset = (uint32_t)i, .size = 100 + (uint32_t)i };
}

/* The only right text of a message; who: of which account. */
static struct view text_of(char *p, size_t room, uint64_t i, enum summary_kind kind, unsigned who)
{
	int n = snprintf(p, room, "(account %u message %llu kind %d", who, (unsigned long long)i, kind);
	while (i % 5 == 4 && n < LONG_TEXT)
		n += snprintf(p + n, room - (size_t)n, " more of %llu", (unsigned long long)i);
	return view_make(p, (size_t)n);
}

static struct summary *open_summary(struct account *a, const struct summary_identity *id)
{
	struct summary *s = summary_new(a->fd, id, 1);
	summary_refresh(s);
	return s;
}

static void put_as(struct summary *s, uint64_t i, unsigned who)
{
	char p[LONG_TEXT + 100];
	struct summary_key k = key_at(i);
	for (int kind = 0; kind < SUMMARY_KINDS; kind++)
		summary_put(s, &k, (enum summary_kind)kind, text_of(p, sizeof p, i, (enum summary_kind)kind, who));
}

static void put_all(struct summary *s, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		put_as(s, i, 1);
}

/* How many are there; those are right. */
static unsigned check(struct summary *s, uint64_t from, uint64_t to)
{
	char p[LONG_TEXT + 100];
	unsigned found = 0;
	for (uint64_t i = from; i < to; i++)
		for (int kind = 0; kind < SUMMARY_KINDS; kind++) {
			struct view got, want = text_of(p, sizeof p, i, (enum summary_kind)kind, 1);
			struct summary_key k = key_at(i);
			if (!summary_get(s, &k, (enum summary_kind)kind, &got))
				continue;
			assert_true(view_eq(got, want));
			found++;
		}
	return found;
}

static void put_file(struct account *a, const void *p, size_t n)
{
	int fd = openat(a->fd, SUMMARY_NAME, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_pwrite(fd, p, n, 0), ERR_OK);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	close(fd);
}

static size_t get_file(struct account *a, char *p, size_t room)
{
	struct buf b;
	buf_init(&b, room);
	assert_int_equal(file_slurp(a->fd, SUMMARY_NAME, &b), ERR_OK);
	size_t n = buf_len(&b);
	memcpy(p, buf_view(&b).p, n);
	buf_fini(&b);
	return n;
}

/* A file with all messages, as octets. */
static size_t make_file(struct account *a, char *p, size_t room)
{
	struct summary *s = open_summary(a, &alice);
	put_all(s, 0, MESSAGES);
	summary_free(s);
	return get_file(a, p, room);
}

static void kept(void **state)
{
	struct account *a = *state;
	struct summary *s = open_summary(a, &alice);
	assert_int_equal(check(s, 0, 100), 0);
	put_all(s, 0, 60);
	assert_int_equal(check(s, 0, 100), 60 * SUMMARY_KINDS);
	summary_rest(s);
	assert_int_equal(check(s, 0, 100), 60 * SUMMARY_KINDS);
	put_all(s, 60, 100);
	summary_free(s);
	s = open_summary(a, &alice);
	assert_int_equal(check(s, 99, 100), SUMMARY_KINDS);
	assert_int_equal(check(s, 0, 100), 100 * SUMMARY_KINDS);
	summary_free(s);
}

/* The same place with another size or date is another message: a home that was put back by other means than ours. */
static void other_message(void **state)
{
	struct account *a = *state;
	struct summary *s = open_summary(a, &alice);
	struct view got;
	put_all(s, 1, 2);
	for (int i = 0; i < 3; i++) {
		struct summary_key k = key_at(1);
		k.size += i == 0;
		k.date += i == 1;
		k.offset += i == 2;
		assert_false(summary_get(s, &k, SUMMARY_BODY, &got));
	}
	assert_int_equal(check(s, 1, 2), SUMMARY_KINDS);
	summary_free(s);
}

/* Each octet, bit by bit in turn: found by who opens it then, and by who had it open. */
static void flipped(void **state)
{
	struct account *a = *state;
	static char file[1 << 16];
	size_t n = make_file(a, file, sizeof file);
	for (size_t i = 0; i < n; i++) {
		put_file(a, file, n);
		struct summary *before = open_summary(a, &alice);
		assert_int_equal(check(before, 0, 1), SUMMARY_KINDS);
		file[i] = (char)(file[i] ^ (1 << i % 8));
		put_file(a, file, n);
		file[i] = (char)(file[i] ^ (1 << i % 8));
		struct summary *s = open_summary(a, &alice);
		assert_true(check(s, 0, MESSAGES) < MESSAGES * SUMMARY_KINDS);
		put_all(s, 0, MESSAGES);
		assert_int_equal(check(s, 0, MESSAGES), MESSAGES * SUMMARY_KINDS);
		(void)check(before, 0, MESSAGES);
		summary_free(s);
		(void)check(before, 0, MESSAGES);
		summary_free(before);
		unlinkat(a->fd, SUMMARY_NAME, 0);
	}
}

static void cut(void **state)
{
	struct account *a = *state;
	static char file[1 << 16];
	size_t n = make_file(a, file, sizeof file);
	for (size_t i = 0; i < n; i += i < 600 || i > n - 600 ? 1 : 13) {
		put_file(a, file, n);
		struct summary *before = open_summary(a, &alice);
		(void)check(before, 0, i % MESSAGES);
		put_file(a, file, i);
		struct summary *s = open_summary(a, &alice);
		assert_true(check(s, 0, MESSAGES) < MESSAGES * SUMMARY_KINDS);
		put_all(s, 0, MESSAGES);
		assert_int_equal(check(s, 0, MESSAGES), MESSAGES * SUMMARY_KINDS);
		(void)check(before, 0, MESSAGES);
		summary_refresh(before);
		put_all(before, 0, MESSAGES);
		(void)check(before, 0, MESSAGES);
		summary_free(before);
		summary_free(s);
		s = open_summary(a, &alice);
		assert_int_equal(check(s, 0, MESSAGES), MESSAGES * SUMMARY_KINDS);
		summary_free(s);
		unlinkat(a->fd, SUMMARY_NAME, 0);
	}
}

/* Put in the place of ours, while it is open and while it is not; ours in another life is as another's. */
static void of_another(void **state)
{
	struct account *a = *state;
	for (int i = 0; i < 5; i++) {
		struct summary_identity bob = alice;
		bob.home += i == 0;
		bob.journal += i == 1;
		bob.uid += i == 2;
		bob.uidvalidity += i == 3;
		bob.version += i == 4;
		struct summary *s = open_summary(a, &bob);
		for (uint64_t k = 0; k < MESSAGES; k++)
			put_as(s, k, 2);
		summary_free(s);
		static char file[1 << 16];
		size_t n = get_file(a, file, sizeof file);
		s = open_summary(a, &alice);
		assert_int_equal(check(s, 0, MESSAGES), 0);
		put_all(s, 0, MESSAGES / 2);
		summary_rest(s);
		put_file(a, file, n);
		(void)check(s, 0, MESSAGES);
		summary_refresh(s);
		(void)check(s, 0, MESSAGES);
		put_all(s, 0, MESSAGES);
		(void)check(s, 0, MESSAGES);
		summary_free(s);
		s = open_summary(a, &alice);
		(void)check(s, 0, MESSAGES);
		summary_free(s);
	}
}

static void deleted(void **state)
{
	struct account *a = *state;
	struct summary *s = open_summary(a, &alice);
	for (int i = 0; i < 3; i++) {
		put_all(s, 0, MESSAGES);
		summary_rest(s);
		assert_int_equal(unlinkat(a->fd, SUMMARY_NAME, 0), 0);
		assert_int_equal(unlinkat(a->fd, SUMMARY_DIR, AT_REMOVEDIR), 0);
		assert_int_equal(check(s, 0, MESSAGES), MESSAGES * SUMMARY_KINDS);
		summary_refresh(s);
		assert_int_equal(check(s, 0, MESSAGES), 0);
	}
	put_all(s, 0, MESSAGES);
	summary_free(s);
	s = open_summary(a, &alice);
	assert_int_equal(check(s, 0, MESSAGES), MESSAGES * SUMMARY_KINDS);
	summary_free(s);
	/* Something else stands there. */
	assert_int_equal(unlinkat(a->fd, SUMMARY_NAME, 0), 0);
	assert_int_equal(mkdirat(a->fd, SUMMARY_NAME, 0700), 0);
	s = open_summary(a, &alice);
	put_all(s, 0, MESSAGES);
	assert_int_equal(check(s, 0, MESSAGES), 0);
	summary_free(s);
}

static void one_writer(void **state)
{
	struct account *a = *state;
	struct summary *first = open_summary(a, &alice);
	put_all(first, 0, 3);
	summary_rest(first);
	struct summary *second = open_summary(a, &alice);
	put_all(second, 3, 6);
	assert_int_equal(check(second, 0, 6), 3 * SUMMARY_KINDS);
	put_all(first, 6, 7);
	summary_rest(first);
	assert_int_equal(check(second, 6, 7), 0);
	put_all(first, 7, 8);
	summary_free(first);
	put_all(second, 8, 9);
	assert_int_equal(check(second, 7, 9), 0); /* it does not ask for the lock again in the same command */
	summary_refresh(second);
	put_all(second, 8, 9);
	assert_int_equal(check(second, 0, 9), 6 * SUMMARY_KINDS);
	summary_free(second);
	first = open_summary(a, &alice);
	assert_int_equal(check(first, 0, 9), 6 * SUMMARY_KINDS);
	summary_free(first);
}

static bool every_fourth(void *arg, const struct summary_key *k)
{
	(void)arg;
	return k->offset % 4 == 0;
}

static void compacted(void **state)
{
	struct account *a = *state;
	struct stat before, after;
	struct summary *s = open_summary(a, &alice);
	put_all(s, 0, 100);
	summary_rest(s);
	assert_false(summary_compaction_due(s, 100));
	assert_false(summary_compaction_due(s, 50));
	assert_true(summary_compaction_due(s, 25));
	struct summary *reader = open_summary(a, &alice);
	assert_int_equal(fstatat(a->fd, SUMMARY_NAME, &before, 0), 0);
	summary_compact(s, every_fourth, NULL);
	assert_int_equal(fstatat(a->fd, SUMMARY_NAME, &after, 0), 0);
	assert_true(after.st_size < before.st_size / 3);
	assert_false(summary_compaction_due(s, 25));
	assert_int_equal(check(s, 0, 100), 25 * SUMMARY_KINDS);
	assert_int_equal(check(reader, 0, 100), 100 * SUMMARY_KINDS);
	summary_refresh(reader);
	assert_int_equal(check(reader, 0, 100), 25 * SUMMARY_KINDS);
	put_all(s, 1, 2);
	summary_free(s);
	summary_refresh(reader);
	assert_int_equal(check(reader, 0, 100), 26 * SUMMARY_KINDS);
	summary_free(reader);
}

/* A process that writes, and compacts, is killed at some moment. */
static void killed(void **state)
{
	struct account *a = *state;
	for (int round = 0; round < 25; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			struct summary *s = open_summary(a, &alice);
			for (uint64_t i = 0;; i = (i + 1) % 1000) {
				put_all(s, i, i + 1);
				if (i % 7 == 0)
					summary_rest(s);
				if (i % 500 == 499)
					summary_compact(s, every_fourth, NULL);
			}
		}
		assert_true(pid > 0);
		usleep((useconds_t)(1000 + round * 900));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		struct summary *s = open_summary(a, &alice);
		(void)check(s, 0, 1000);
		put_all(s, 0, 1000);
		assert_int_equal(check(s, 0, 1000), 1000 * SUMMARY_KINDS);
		summary_free(s);
		s = open_summary(a, &alice);
		assert_int_equal(check(s, 0, 1000), 1000 * SUMMARY_KINDS);
		summary_free(s);
	}
}

/* What cannot be written is as if it had not been put, and the file gives its room back. */
static void full(void **state)
{
	struct account *a = *state;
	struct summary *s = open_summary(a, &alice);
	struct rlimit old, small;
	put_all(s, 0, 3);
	summary_rest(s);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 2000, old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	put_all(s, 3, 9);
	summary_rest(s);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(check(s, 0, 9), 0);
	put_all(s, 0, 9);
	summary_refresh(s);
	assert_int_equal(check(s, 0, 9), 0);
	assert_int_equal(faccessat(a->fd, SUMMARY_NAME, F_OK, 0), -1);
	summary_free(s);
}

static void too_long(void **state)
{
	struct account *a = *state;
	struct summary *s = open_summary(a, &alice);
	struct summary_key k = key_at(1);
	struct view got;
	char *p = mem_array(SUMMARY_TEXT_MAX + 1, 1);
	summary_put(s, &k, SUMMARY_BODY, view_make(p, SUMMARY_TEXT_MAX + 1));
	assert_false(summary_get(s, &k, SUMMARY_BODY, &got));
	for (uint64_t i = 0; i < 30; i++) {
		k = key_at(i);
		memset(p, (int)i, SUMMARY_TEXT_MAX);
		summary_put(s, &k, SUMMARY_BODY, view_make(p, SUMMARY_TEXT_MAX));
	}
	for (uint64_t i = 0; i < 30; i++) {
		k = key_at(i);
		memset(p, (int)i, SUMMARY_TEXT_MAX);
		assert_true(summary_get(s, &k, SUMMARY_BODY, &got));
		assert_true(view_eq(got, view_make(p, SUMMARY_TEXT_MAX)));
	}
	free(p);
	summary_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		account_test(kept),
		account_test(other_message),
		account_test(flipped),
		account_test(cut),
		account_test(of_another),
		account_test(deleted),
		account_test(one_writer),
		account_test(compacted),
		account_test(killed),
		account_test(full),
		account_test(too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
