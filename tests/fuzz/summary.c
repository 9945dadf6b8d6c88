/* SPDX-License-Identifier: ISC */
/*
 * The file of summaries: the input is what stands behind its head, with the entries' sums put right where the first octet is even, so that the
 * reader gets past them. Whatever it says, what is given is what was asked for, and what is put then is kept.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "mailbox/summary.h"
#include "sys/file.h"
#include "tests/fuzz/home.h"

#define HEAD 52
#define ENTRY 36
#define PUT "(body)"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct summary_identity identity = { 1, 2, 3, 4, 5 };

/* One for all inputs: where it is, and the head that this identity's file has there. */
static int home = -1;
static char head[HEAD];

static void home_new(void)
{
	int file;
	home = fuzz_home(SUMMARY_DIR, SUMMARY_NAME);
	struct summary *s = summary_new(home, &identity, 1);
	summary_refresh(s);
	summary_free(s);
	INVARIANT(file_open_read(home, SUMMARY_NAME, &file) == ERR_OK && file_pread(file, head, HEAD, 0) == ERR_OK);
	fd_close(&file);
}

static void put_right(char *p, size_t n, uint32_t seed)
{
	while (n >= ENTRY && le32_get(p + 4) <= n - ENTRY) {
		size_t entry = ENTRY + le32_get(p + 4);
		le32_put(p, crc32c(seed, p + 4, entry - 4));
		p += entry;
		n -= entry;
	}
}

static void write_file(const char *p, size_t n)
{
	int fd = openat(home, SUMMARY_NAME, O_WRONLY | O_CREAT, 0600);
	INVARIANT(fd >= 0 && file_pwrite(fd, head, HEAD, 0) == ERR_OK && file_pwrite(fd, p, n, HEAD) == ERR_OK &&
		ftruncate(fd, (off_t)(HEAD + n)) == 0);
	fd_close(&fd);
}

/* All that the input speaks of is asked for; the reader may have it, with a text that the input has or that was put, or not. */
static void ask(struct summary *s, const char *p, size_t n)
{
	struct view text, file = view_make(p, n), put = VIEW(PUT);
	while (n >= ENTRY && le32_get(p + 4) <= n - ENTRY) {
		struct summary_key k = { .offset = le32_get(p + 12), .position = le64_get(p + 16), .date = (int64_t)le64_get(p + 24), .size = le32_get(p + 32) };
		for (int kind = 0; kind < SUMMARY_KINDS; kind++)
			if (summary_get(s, &k, (enum summary_kind)kind, &text))
				INVARIANT(text.n == 0 || view_search(file, text) != SIZE_MAX || view_eq(text, put));
		n -= ENTRY + le32_get(p + 4);
		p += ENTRY + le32_get(p + 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *p = mem_array(size + 1, 1);
	struct summary_key k = { .position = 77, .size = 7 };
	struct view text;
	if (home < 0)
		home_new();
	memcpy(p, data, size);
	if (size > 0 && p[0] % 2 == 0)
		put_right(p + 1, size - 1, le32_get(head + HEAD - 8));
	size_t n = size > 0 ? size - 1 : 0;
	write_file(p + 1, n);
	struct summary *s = summary_new(home, &identity, 1);
	summary_refresh(s);
	ask(s, p + 1, n);
	summary_put(s, &k, SUMMARY_BODY, VIEW(PUT));
	INVARIANT(summary_get(s, &k, SUMMARY_BODY, &text) && view_eqs(text, PUT));
	ask(s, p + 1, n);
	summary_free(s);
	free(p);
	return 0;
}
