/* SPDX-License-Identifier: ISC */
/*
 * The record reader: the input is one octet of choices and the content of a segment or a compacted file. With the first choice its head and the sums
 * of what look like frames are put right, so that the parts behind the sums are reached too. Whatever stands there: it is opened, read, dumped
 * and written on; what was read once is read again, and what was written is there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/frame.h"
#include "journal/journal.h"
#include "sys/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHOICE_REPAIR = 1, CHOICE_COMPACTED = 2, CHOICE_OWNER = 4 };
#define SIZE_MOST 65536u
#define SALT 42u
#define PLAIN "0000000000000000"
#define COMPACTED PLAIN "-0000000000100000.1"

static char directory[64];

static int unlink_one(const char *name, void *arg) { return unlinkat(*(int *)arg, name, 0) == 0 ? ERR_OK : ERR_IO; }

static int empty_directory(void)
{
	int fd;

	if (directory[0] == '\0') {
		(void)snprintf(directory, sizeof(directory), "%s/prjfuzz.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		INVARIANT(mkdtemp(directory) != NULL);
	}
	INVARIANT(file_open_dir(AT_FDCWD, directory, &fd) == ERR_OK);
	INVARIANT(file_list(fd, unlink_one, &fd) == ERR_OK);
	return fd;
}

static void repair(uint8_t *p, size_t n, bool compacted)
{
	uint32_t salt_sum = frame_salt_sum(SALT);
	uint64_t behind = 40;
	struct segment_head h = { .type = compacted ? SEGMENT_COMPACTED : SEGMENT_PLAIN, .generation = compacted, .salt = SALT,
		.limit = 0x100000, .size = 4096 };

	if (n < SEGMENT_DATA)
		return;
	if (compacted) {
		h.end = 0x8000;
		h.entries = n > 2000 ? 1 : 0;
		h.table_at = n - (n > 2000 ? SEGMENT_TABLE_ENTRY : 0);
		if (n > 2000) {
			le64_put(p + h.table_at, 0);
			le64_put(p + h.table_at + 8, SEGMENT_DATA);
		}
		h.table_sum = crc32c(0, p + h.table_at, n - (size_t)h.table_at);
	}
	segment_head_put(p, &h);
	n = compacted ? (size_t)h.table_at : n;
	for (size_t at = SEGMENT_DATA; at + FRAME_HEAD <= n;) {
		struct frame_head f = { .kind = le16_get(p + at + 4), .length = le32_get(p + at + 8) % 512, .position = le64_get(p + at + 16),
			.durable = le64_get(p + at + 24) };

		/* Rising, as all that was ever written; in compacted files with gaps. */
		f.position = compacted ? behind + f.position % 64 * 8 : at - SEGMENT_DATA;
		behind = f.position + frame_size(f.length);
		if (frame_size(f.length) > n - at)
			break;
		f.sum = crc32c(frame_seed(salt_sum, f.position), p + at + FRAME_HEAD, f.length);
		frame_head_put(p + at, salt_sum, &f);
		at += (size_t)frame_size(f.length);
	}
}

struct look {
	uint64_t hash, last;
	size_t n;
	uint64_t positions[64];
};

static int look_one(void *arg, const struct journal_record *r)
{
	struct look *l = arg;

	INVARIANT(r->next > r->position && (l->n == 0 || r->position > l->last));
	l->last = r->position;
	if (l->n < 64)
		l->positions[l->n] = r->position;
	l->n++;
	l->hash = l->hash * 31 + r->position + r->kind + crc32c(0, r->payload.p, r->payload.n);
	return ERR_OK;
}

static void no_line(void *arg, struct view text) { *(size_t *)arg += text.n; }

static void look_at(struct journal *j, struct look *l)
{
	struct journal_record r;
	uint64_t next;
	size_t octets = 0;
	uint8_t part[16];

	memset(l, 0, sizeof(*l));
	INVARIANT(journal_scan(j, 0, look_one, l, &next) == ERR_OK && next >= l->last);
	for (size_t i = 0; i < l->n && i < 64; i++) {
		INVARIANT(journal_read(j, l->positions[i], &r) == ERR_OK);
		INVARIANT(r.payload.n < sizeof(part) || journal_read_part(j, r.position, 0, part, sizeof(part)) == ERR_OK);
	}
	INVARIANT(journal_dump(j, 0, no_line, &octets) == ERR_OK && octets > 0);
}

static void write_on(int fd, struct look *before)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .create = true, .segment_size = 4096, .frame_max = 65536 };
	struct journal_frame f = { .kind = 7, .parts = { VIEW("written on") } };
	struct journal *j;
	struct look after;

	if (journal_open(fd, &o, &j) != ERR_OK)
		return; /* the head of a later version */
	look_at(j, before);
	INVARIANT(journal_append(j, journal_end(j), &f, 1) == ERR_OK && journal_flush(j) == ERR_OK);
	journal_close(j);
	o.role = JOURNAL_READER;
	INVARIANT(journal_open(fd, &o, &j) == ERR_OK);
	look_at(j, &after);
	INVARIANT(after.n == before->n + 1 && after.last == f.position);
	journal_close(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_options o = { .role = JOURNAL_READER };
	struct journal *j;
	struct look l;
	uint8_t *copy;
	bool compacted;
	int fd, file;

	if (size < 2 || size > SIZE_MOST)
		return 0;
	compacted = data[0] & CHOICE_COMPACTED;
	copy = mem_new(size);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & CHOICE_REPAIR)
		repair(copy, size - 1, compacted);
	fd = empty_directory();
	INVARIANT(file_create(fd, compacted ? COMPACTED : PLAIN, 0600, &file) == ERR_OK);
	INVARIANT(file_write(file, copy, size - 1) == ERR_OK);
	fd_close(&file);
	free(copy);
	if (journal_open(fd, &o, &j) == ERR_OK) {
		look_at(j, &l);
		journal_close(j);
	}
	if (data[0] & CHOICE_OWNER)
		write_on(fd, &l);
	INVARIANT(file_list(fd, unlink_one, &fd) == ERR_OK);
	fd_close(&fd);
	/* Made anew for the next input, so that nothing is left behind whichever is the last. */
	INVARIANT(rmdir(directory) == 0);
	directory[0] = '\0';
	return 0;
}
