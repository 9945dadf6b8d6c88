/* SPDX-License-Identifier: ISC */
/*
 * The index of columns: the input's first four octets say how long its part of names is, then come that and rows; the head and the sums are put
 * right, so that the reader gets past them. A state that it gives is one that could be: it can be written, and is the same when it is read again.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "mailbox/columns.h"
#include "sys/file.h"
#include "tests/fuzz/home.h"

#define HEAD 120
#define ROWS 96
#define NAMES 104
#define SUM 112
#define ROW 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct columns_identity identity = { 1, 2, 3 };
static const struct columns_mark mark = { .covered = UINT64_C(1) << 40, .last = 77, .last_kind = 9, .last_sum = 1234 };

/* One for all inputs: where it is, and a right head. */
static int home = -1;
static char head[HEAD];

static void home_new(void)
{
	uint64_t octets;
	int fd;
	home = fuzz_home(COLUMNS_DIR, COLUMNS_NAME);
	struct state *st = state_new();
	INVARIANT(columns_write(home, &identity, &mark, st, &octets) == ERR_OK);
	state_free(st);
	INVARIANT(file_open_read(home, COLUMNS_NAME, &fd) == ERR_OK && file_pread(fd, head, HEAD, 0) == ERR_OK);
	fd_close(&fd);
}

static void put_right(const char *p, size_t n, size_t names)
{
	char tail[8] = { 0 };
	le64_put(head + ROWS, (n - names) / ROW);
	le64_put(head + NAMES, names);
	le32_put(head + SUM, crc32c(0, head, SUM));
	n = names + (n - names) / ROW * ROW;
	le32_put(tail, crc32c(le32_get(head + SUM), p, n));
	int fd = openat(home, COLUMNS_NAME, O_WRONLY | O_CREAT, 0600);
	INVARIANT(fd >= 0 && file_pwrite(fd, head, HEAD, 0) == ERR_OK && file_pwrite(fd, p, n, HEAD) == ERR_OK &&
		file_pwrite(fd, tail, sizeof tail, (off_t)(HEAD + n)) == ERR_OK && ftruncate(fd, (off_t)(HEAD + n + sizeof tail)) == 0);
	fd_close(&fd);
}

static void check_messages(const struct mailbox *m)
{
	for (size_t i = 0; i < m->n; i++) {
		INVARIANT(m->messages[i].uid < m->uidnext && m->messages[i].uid > (i ? m->messages[i - 1].uid : 0));
		INVARIANT((m->messages[i].position & ~MESSAGE_OWN) < UINT64_C(1) << 63 && m->messages[i].modseq < mark.covered);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct columns_mark told;
	uint64_t octets, again;
	if (size < 4)
		return 0;
	if (home < 0)
		home_new();
	size_t n = size - 4, names = le32_get(data);
	char *p = mem_array(n + 1, 1);
	memcpy(p, data + 4, n);
	put_right(p, n, names < n ? names : n);
	free(p);
	struct state *st = columns_read(home, &identity, &told, &octets);
	if (!st)
		return 0;
	INVARIANT(told.covered == mark.covered && told.last_sum == mark.last_sum);
	for (size_t i = 0; i < st->n; i++)
		check_messages(st->mailboxes[i]);
	INVARIANT(columns_write(home, &identity, &told, st, &octets) == ERR_OK);
	struct state *same = columns_read(home, &identity, &told, &again);
	INVARIANT(same && again == octets && state_same(st, same));
	state_free(same);
	state_free(st);
	return 0;
}
