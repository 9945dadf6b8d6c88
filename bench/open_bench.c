/* SPDX-License-Identifier: ISC */
/*
 * What opening a big mailbox costs a fresh process: open_bench DIR [MESSAGES [RUNS]]. DIR must not exist; a home is made in it whose INBOX has that
 * many messages (of a thousand contents, the rest are copies), with a checkpoint and an index behind them. Each run is a process of its own; the
 * files stay in the page cache. Prints, for the opening by the index and, with that removed, by the records, the medians of the time until
 * the store is open, and until INBOX is selected too, and of the memory that this process has then for itself (Private_Dirty).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "mailbox/columns.h"
#include "mailbox/mailbox.h"
#include "sys/clock.h"

#define CONTENTS 1000
#define RUNS_MAX 100

struct figures {
	double open_ms, select_ms, private_kib;
};

static void must(int r, const char *what)
{
	if (r != ERR_OK)
		DIE("%s: %s", what, err_text(r));
}

static struct store *open_home(int home)
{
	struct store_options o = { 0 };
	struct store *s;
	must(store_open(NULL, home, &o, &s), "opening");
	return s;
}

static void append_some(struct store *s, unsigned n)
{
	char text[1024];
	struct store_append *a;
	struct store_append_result r;
	memset(text, 'x', sizeof text);
	must(store_append_new(s, VIEW("INBOX"), &a), "append");
	for (unsigned i = 0; i < n; i++) {
		must(store_append_begin(a, sizeof text, 1795000000 + i, (struct mail_flags){ i % 3 ? MAIL_SEEN : 0, 0 }), "append");
		must(store_append_write(a, (struct view){ text, sizeof text }), "append");
		must(store_append_end(a), "append");
	}
	must(store_append_commit(a, &r), "append");
}

static void fill(int home, uint64_t messages, int out)
{
	struct store *s = open_home(home);
	struct mailbox_view *v;
	struct store_copy_result r;
	struct uidset all = { 0 };
	(void)out;
	for (unsigned i = 0; i < CONTENTS; i += STORE_APPEND_MESSAGES_MAX)
		append_some(s, STORE_APPEND_MESSAGES_MAX);
	must(store_flush_now(s), "flush");
	must(mailbox_view_open(s, VIEW("INBOX"), true, &v), "view");
	uidset_add_range(&all, 1, CONTENTS);
	for (uint64_t n = CONTENTS; n < messages; n += CONTENTS) {
		must(mailbox_view_copy(v, &all, VIEW("INBOX"), false, &r), "copy");
		uidset_fini(&r.from);
	}
	mailbox_view_close(v);
	uidset_fini(&all);
	must(store_compact(s), "checkpoint");
	store_close(s);
}

static double private_kib(void)
{
	char line[256];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	if (f == NULL)
		DIE("no /proc/self/smaps_rollup");
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "Private_Dirty: %lu", &kib) == 1)
			break;
	(void)fclose(f);
	return (double)kib;
}

static void measure(int home, uint64_t messages, int out)
{
	struct figures f;
	struct mailbox_view *v;
	double before = private_kib();
	uint64_t begun = clock_mono_ns();
	struct store *s = open_home(home);
	f.open_ms = (double)(clock_mono_ns() - begun) / 1e6;
	must(mailbox_view_open(s, VIEW("INBOX"), true, &v), "view");
	f.select_ms = (double)(clock_mono_ns() - begun) / 1e6;
	f.private_kib = private_kib() - before;
	if (mailbox_view_count(v) != messages)
		DIE("%u messages instead of %llu", mailbox_view_count(v), (unsigned long long)messages);
	if (write(out, &f, sizeof f) != (ssize_t)sizeof f)
		DIE("writing");
	mailbox_view_close(v);
	store_close(s);
}

static void await(pid_t pid)
{
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		DIE("a run failed");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(const struct figures *f, unsigned n, size_t at)
{
	double all[RUNS_MAX];
	for (unsigned i = 0; i < n; i++)
		memcpy(&all[i], (const char *)&f[i] + at, sizeof all[i]);
	qsort(all, n, sizeof *all, by_value);
	return all[n / 2];
}

static void in_a_process(void (*fn)(int home, uint64_t messages, int out), int home, uint64_t messages, int out)
{
	pid_t pid = fork();
	if (pid == 0) {
		fn(home, messages, out);
		_exit(0);
	}
	await(pid);
}

static void run(const char *how, int home, uint64_t messages, unsigned runs, const int ends[2])
{
	struct figures f[RUNS_MAX];
	for (unsigned i = 0; i < runs; i++) {
		in_a_process(measure, home, messages, ends[1]);
		if (read(ends[0], &f[i], sizeof *f) != (ssize_t)sizeof *f)
			DIE("reading");
	}
	printf("%llu messages, %u runs %s: open %.1f ms, with SELECT %.1f ms, private %.1f MiB\n", (unsigned long long)messages, runs, how,
		median(f, runs, offsetof(struct figures, open_ms)), median(f, runs, offsetof(struct figures, select_ms)),
		median(f, runs, offsetof(struct figures, private_kib)) / 1024);
}

int main(int argc, char **argv)
{
	int ends[2];
	uint64_t messages = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
	unsigned runs = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 5;
	if (argc < 2 || runs == 0 || runs > RUNS_MAX || messages < CONTENTS || messages % CONTENTS != 0 || messages > STORE_MESSAGES_MAX) {
		(void)fprintf(stderr, "usage: open_bench DIR [MESSAGES (thousands) [RUNS (1 to %d)]]\n", RUNS_MAX);
		return 64;
	}
	int home = mkdir(argv[1], 0700) == 0 ? open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (home < 0 || pipe(ends) != 0)
		DIE("%s: cannot be made", argv[1]);
	in_a_process(fill, home, messages, -1);
	run("by the index", home, messages, runs, ends);
	if (unlinkat(home, COLUMNS_NAME, 0) != 0)
		DIE("there is no index");
	run("by the records", home, messages, runs, ends);
	return 0;
}
