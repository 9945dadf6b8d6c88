/* SPDX-License-Identifier: ISC */
/*
 * The journal's speed: records of 4 KiB (or argv[2]) appended with a flush for every 1, 16, 64 of them, the same with the flush in a thread
 * beside the appending one, reading all of it by scan and by position, and opening. The directory is argv[1] (on the disk to be measured).
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "journal/journal.h"
#include "sys/clock.h"
#include "sys/file.h"

static double seconds_since(uint64_t ns) { return (double)(clock_mono_ns() - ns) / 1e9; }

static double cpu_seconds(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void must(int r, const char *what)
{
	if (r != ERR_OK)
		DIE("%s: %s", what, err_text(r));
}

static int drop_name(const char *name, void *arg)
{
	(void)arg;
	return unlinkat(*(int *)arg, name, 0) == 0 ? ERR_OK : ERR_IO;
}

static struct journal *fresh(int dirfd)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true };
	struct journal *j;

	must(file_list(dirfd, drop_name, &dirfd), "emptying");
	must(journal_open(dirfd, &o, &j), "open");
	return j;
}

static void append_one(struct journal *j, const char *p, size_t size)
{
	struct journal_frame f = { .kind = 1, .parts = { view_make(p, size) } };

	must(journal_append(j, journal_end(j), &f, 1), "append");
}

static void bench_flush_every(int dirfd, const char *p, size_t size, unsigned group, double seconds)
{
	struct journal *j = fresh(dirfd);
	unsigned long n = 0;
	double cpu = cpu_seconds(), t;
	uint64_t start = clock_mono_ns();

	while ((t = seconds_since(start)) < seconds) {
		for (unsigned i = 0; i < group; i++)
			append_one(j, p, size);
		must(journal_flush(j), "flush");
		n += group;
	}
	printf("append, a flush for each %-4u %10.0f records/s %8.1f MiB/s %8.4f CPU-ms/record\n", group, (double)n / t,
		(double)(n * size) / t / 1048576, (cpu_seconds() - cpu) * 1000 / (double)n);
	journal_close(j);
}

/* The flushing thread: takes a flush, runs it, hands it back. */
struct flusher {
	pthread_mutex_t m;
	pthread_cond_t c;
	struct journal_flush *todo, *done;
	bool quit;
};

static void *flusher_run(void *arg)
{
	struct flusher *f = arg;

	(void)pthread_mutex_lock(&f->m);
	while (!f->quit) {
		struct journal_flush *x = f->todo;

		if (x == NULL) {
			(void)pthread_cond_wait(&f->c, &f->m);
			continue;
		}
		f->todo = NULL;
		(void)pthread_mutex_unlock(&f->m);
		journal_flush_run(x);
		(void)pthread_mutex_lock(&f->m);
		f->done = x;
	}
	(void)pthread_mutex_unlock(&f->m);
	return NULL;
}

static void flusher_turn(struct flusher *f, struct journal *j, bool *busy)
{
	struct journal_flush *done, *next;

	(void)pthread_mutex_lock(&f->m);
	done = f->done;
	f->done = NULL;
	(void)pthread_mutex_unlock(&f->m);
	if (done != NULL) {
		must(journal_flush_end(j, done, NULL, NULL), "flush");
		*busy = false;
	}
	if (*busy || (next = journal_flush_begin(j)) == NULL)
		return;
	*busy = true;
	(void)pthread_mutex_lock(&f->m);
	f->todo = next;
	(void)pthread_cond_signal(&f->c);
	(void)pthread_mutex_unlock(&f->m);
}

/* At most `window` octets are not durable: what so many waiting sessions would have sent. */
static void bench_beside(int dirfd, const char *p, size_t size, unsigned sessions, double seconds)
{
	struct journal *j = fresh(dirfd);
	struct flusher f = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };
	pthread_t thread;
	unsigned long n = 0;
	bool busy = false;
	double cpu = cpu_seconds(), t;
	uint64_t start = clock_mono_ns();

	(void)pthread_create(&thread, NULL, flusher_run, &f);
	while ((t = seconds_since(start)) < seconds) {
		while (journal_end(j) - journal_durable(j) < sessions * (uint64_t)size) {
			append_one(j, p, size);
			n++;
		}
		flusher_turn(&f, j, &busy);
	}
	while (busy || journal_durable(j) < journal_end(j))
		flusher_turn(&f, j, &busy);
	(void)pthread_mutex_lock(&f.m);
	f.quit = true;
	(void)pthread_cond_signal(&f.c);
	(void)pthread_mutex_unlock(&f.m);
	(void)pthread_join(thread, NULL);
	printf("append, %4u waiting, a thread flushes %6.0f records/s %8.1f MiB/s\n", sessions, (double)n / t,
		(double)(n * size) / t / 1048576);
	(void)cpu;
	journal_close(j);
}

struct walk {
	unsigned long n;
	uint64_t octets;
	uint64_t *positions;
	size_t cap;
};

static int walk_one(void *arg, const struct journal_record *r)
{
	struct walk *w = arg;

	if (w->n < w->cap)
		w->positions[w->n] = r->position;
	w->n++;
	w->octets += r->payload.n;
	return ERR_OK;
}

static void bench_read(int dirfd, const char *p, size_t size)
{
	struct journal *j = fresh(dirfd);
	struct journal_options o = { .role = JOURNAL_OWNER };
	struct walk w = { .cap = 1u << 20 };
	struct journal_record r;
	uint64_t start, next;
	double t;

	w.positions = mem_array(w.cap, sizeof(uint64_t));
	for (unsigned i = 0; i < 65536 && (uint64_t)i * size < (UINT64_C(256) << 20); i++)
		append_one(j, p, size);
	must(journal_flush(j), "flush");
	journal_close(j);
	start = clock_mono_ns();
	must(journal_open(dirfd, &o, &j), "open");
	printf("open, %llu MiB in the stream            %8.3f ms\n", (unsigned long long)(journal_end(j) >> 20),
		seconds_since(start) * 1000);
	start = clock_mono_ns();
	must(journal_scan(j, 0, walk_one, &w, &next), "scan");
	t = seconds_since(start);
	printf("scan                              %8.0f records/s %8.1f MiB/s\n", (double)w.n / t, (double)w.octets / t / 1048576);
	start = clock_mono_ns();
	for (unsigned long i = 0; i < 100000; i++)
		must(journal_read(j, w.positions[i * 7919 % w.n], &r), "read");
	printf("read by position                  %8.0f records/s\n", 100000 / seconds_since(start));
	journal_close(j);
	free(w.positions);
}

int main(int argc, char **argv)
{
	size_t size = argc > 2 ? (size_t)atoi(argv[2]) : 4096;
	double seconds = argc > 3 ? atof(argv[3]) : 2;
	char *p = mem_new(size);
	int dirfd;

	if (argc < 2)
		DIE("usage: journal_bench DIRECTORY [SIZE [SECONDS]]; the files in DIRECTORY are removed");
	memset(p, 'x', size);
	(void)mkdir(argv[1], 0700);
	must(file_open_dir(AT_FDCWD, argv[1], &dirfd), argv[1]);
	bench_flush_every(dirfd, p, size, 1, seconds);
	bench_flush_every(dirfd, p, size, 16, seconds);
	bench_flush_every(dirfd, p, size, 64, seconds);
	bench_beside(dirfd, p, size, 1, seconds);
	bench_beside(dirfd, p, size, 20, seconds);
	bench_beside(dirfd, p, size, 500, seconds);
	bench_read(dirfd, p, size);
	must(file_list(dirfd, drop_name, &dirfd), "emptying");
	(void)close(dirfd);
	free(p);
	return 0;
}
