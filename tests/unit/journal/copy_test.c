/* SPDX-License-Identifier: ISC */
/* journal_copy: beside a writer that appends, flushes, rolls and compacts, each copy holds all that was durable before it, without a gap. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "journal/journal.h"
#include "tests/unit/journal/help.h"

enum { COPIES = 30, KEPT = 1, DEAD = 2, COMPACT_SLICE = 65536 };

static void copies_to_the_mark(void **state)
{
	struct home *h = *state, to = home_make();
	struct journal *j = home_open(h, JOURNAL_OWNER, 0), *copy;

	add_text(j, 1, "one");
	add_text(j, 1, "two");
	assert_int_equal(journal_flush(j), ERR_OK);
	add_text(j, 1, "not durable");
	assert_int_equal(journal_copy(h->fd, to.fd, true), ERR_OK);
	copy = home_open(&to, JOURNAL_OWNER, 0);
	assert_texts(copy, "one|two");
	add_text(copy, 1, "three");
	assert_texts(copy, "one|two|three");
	assert_texts(j, "one|two|not durable");
	journal_close(copy);
	journal_close(j);
	home_remove(&to);
}

static void shares_what_is_sealed(void **state)
{
	struct home *h = *state, to = home_make();
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	char name[32];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%016llx", (unsigned long long)journal_start(j));
	for (int i = 0; i < 300; i++)
		add_text(j, 1, "some text that fills a segment after a while");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(journal_copy(h->fd, to.fd, true), ERR_OK);
	assert_int_equal(fstatat(to.fd, name, &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	home_empty(&to);
	assert_int_equal(journal_copy(h->fd, to.fd, false), ERR_OK);
	assert_int_equal(fstatat(to.fd, name, &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	journal_close(j);
	j = home_open(&to, JOURNAL_READER, 0);
	assert_int_equal(count_frames(j, 0), 300);
	journal_close(j);
	home_remove(&to);
}

static void nothing_to_copy(void **state)
{
	struct home *h = *state, to = home_make();

	assert_int_equal(journal_copy(h->fd, to.fd, true), ERR_OK);
	home_remove(&to);
}

static bool is_kept(void *arg, const struct journal_record *r)
{
	(void)arg;
	return r->kind == KEPT;
}

/* Numbers as texts, every second one dead. *acknowledged: below it all were flushed. */
static void write_for_ever(struct home *h, atomic_ulong *acknowledged)
{
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	char text[200];

	for (unsigned long n = 0;; n++) {
		bool more = true;

		(void)snprintf(text, sizeof(text), "%lu %0100d", n, 0);
		add_text(j, KEPT, text);
		add_text(j, DEAD, text);
		if (n % 5 == 0 && journal_flush(j) == ERR_OK)
			atomic_store(acknowledged, n + 1);
		if (n % 50 == 0)
			while (more) {
				int err = journal_compact(j, is_kept, NULL, COMPACT_SLICE, &more);

				assert_true(err == ERR_OK || err == ERR_BUSY); /* a copy is being made */
				(void)usleep(500); /* as who does this beside a loop */
			}
	}
}

struct reading {
	unsigned long next;
	bool damaged;
};

static int in_order(void *arg, const struct journal_record *r)
{
	struct reading *g = arg;
	struct view rest = r->payload, word;
	uint64_t n;

	if (r->kind != KEPT)
		return ERR_OK;
	assert_true(view_cut(&rest, ' ', &word));
	assert_true(num_u64(word, UINT64_MAX, &n));
	assert_int_equal(n, g->next);
	g->next++;
	return ERR_OK;
}

static void damaged(void *arg, uint64_t from, uint64_t to)
{
	(void)from;
	(void)to;
	((struct reading *)arg)->damaged = true;
}

static void read_copy(struct home *to, unsigned long least)
{
	struct journal *j = home_open(to, JOURNAL_READER, 0);
	struct reading g = { 0 };
	uint64_t next;

	journal_on_damage(j, damaged, &g);
	assert_int_equal(journal_scan(j, 0, in_order, &g, &next), ERR_OK);
	assert_false(g.damaged);
	assert_true(g.next >= least);
	journal_close(j);
}

static void copies_beside_a_writer(void **state)
{
	struct home *h = *state, to = home_make();
	atomic_ulong *acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t writer;

	assert_ptr_not_equal(acknowledged, MAP_FAILED);
	writer = fork();
	if (writer == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
		write_for_ever(h, acknowledged);
	assert_true(writer > 0);
	for (int i = 0; i < COPIES; i++) {
		unsigned long least;

		/* About one compaction later, and at another place in it each time. */
		while ((least = atomic_load(acknowledged)) < (unsigned long)i * 53 + 10 && waitpid(writer, NULL, WNOHANG) == 0)
			(void)usleep(100);
		home_empty(&to);
		assert_int_equal(journal_copy(h->fd, to.fd, i % 2 == 0), ERR_OK);
		read_copy(&to, least);
	}
	assert_int_equal(kill(writer, SIGKILL), 0);
	assert_int_equal(waitpid(writer, NULL, 0), writer);
	(void)munmap(acknowledged, sizeof(*acknowledged));
	home_remove(&to);
}

static int lock_compaction(struct home *h, short how)
{
	struct flock l = { .l_type = how, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1 };
	int fd = openat(h->fd, "lock", O_RDWR | O_CLOEXEC);

	return fd >= 0 && fcntl(fd, F_OFD_SETLK, &l) == 0 ? fd : -1;
}

static bool always(void *arg, const struct journal_record *r)
{
	(void)arg;
	(void)r;
	return true;
}

/* A listing is true only as long as nothing is compacted. What is written while a copy waits is in it. */
static void waits_for_a_compaction(void **state)
{
	struct home *h = *state, to = home_make();
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	int ready[2], status;
	char c = 0;
	pid_t holder;

	add_text(j, 1, "one");
	assert_int_equal(journal_flush(j), ERR_OK);
	assert_int_equal(pipe(ready), 0);
	holder = fork();
	if (holder == 0) {
		int fd = lock_compaction(h, F_WRLCK);

		if (fd < 0 || write(ready[1], &c, 1) != 1)
			_exit(1);
		(void)usleep(300000);
		add_text(j, 1, "two");
		_exit(journal_flush(j) == ERR_OK ? 0 : 2);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(journal_copy(h->fd, to.fd, true), ERR_OK);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_int_equal(status, 0);
	journal_close(j);
	j = home_open(&to, JOURNAL_READER, 0);
	assert_texts(j, "one|two");
	journal_close(j);
	(void)close(ready[0]);
	(void)close(ready[1]);
	home_remove(&to);
}

static void compaction_waits_for_a_copy(void **state)
{
	struct home *h = *state;
	struct journal *j = home_open(h, JOURNAL_OWNER, 4096);
	int fd = lock_compaction(h, F_RDLCK), other = lock_compaction(h, F_RDLCK);
	bool more;

	assert_true(fd >= 0 && other >= 0); /* copies do not keep each other away */
	assert_int_equal(journal_compact(j, always, NULL, 0, &more), ERR_BUSY);
	(void)close(fd);
	assert_int_equal(journal_compact(j, always, NULL, 0, &more), ERR_BUSY);
	(void)close(other);
	assert_int_equal(journal_compact(j, always, NULL, 0, &more), ERR_OK);
	journal_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		home_test(copies_to_the_mark),
		home_test(shares_what_is_sealed),
		home_test(nothing_to_copy),
		home_test(copies_beside_a_writer),
		home_test(waits_for_a_compaction),
		home_test(compaction_waits_for_a_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
