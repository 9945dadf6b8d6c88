/* SPDX-License-Identifier: ISC */
#include "table/delta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "table/base.h"

#define MAGIC "PRDELTA1"
#define HEADER 24
#define MARK_AT 512
#define MARK 20
#define RECORD 16
#define CHANGE 7

enum { PUT = 1, DELETE = 2 };

/* ---- coding ---- */

static void header_make(char out[HEADER], uint64_t base, uint32_t salt)
{
	memcpy(out, MAGIC, 8);
	le64_put(out + 8, base);
	le32_put(out + 16, salt);
	le32_put(out + 20, crc32c(0, out, 20));
}

static void mark_make(char out[MARK], uint64_t end, uint64_t generation, uint32_t salt)
{
	le64_put(out, end);
	le64_put(out + 8, generation);
	le32_put(out + 16, crc32c(salt, out, 16));
}

static uint32_t record_sum(uint32_t salt, const char head[RECORD], struct view body)
{
	return crc32c(crc32c(salt, head, 12), body.p, body.n);
}

static void change_put(struct buf *b, const struct delta_change *c)
{
	buf_put8(b, c->del ? DELETE : PUT);
	buf_put16(b, (uint16_t)c->key.n);
	buf_put32(b, c->del ? 0 : (uint32_t)c->value.n);
	buf_addv(b, c->key);
	if (!c->del)
		buf_addv(b, c->value);
}

bool delta_change_next(struct view *body, struct delta_change *c, bool *bad)
{
	size_t key, value;
	uint8_t kind;

	*bad = false;
	if (body->n == 0)
		return false;
	*bad = true;
	if (body->n < CHANGE)
		return false;
	kind = (uint8_t)body->p[0];
	key = le16_get(body->p + 1);
	value = le32_get(body->p + 3);
	if (kind != PUT && !(kind == DELETE && value == 0))
		return false;
	if (key == 0 || key > BASE_KEY_MAX || value > BASE_VALUE_MAX || body->n - CHANGE < key + value)
		return false;
	c->del = kind == DELETE;
	c->key = view_make(body->p + CHANGE, key);
	c->value = view_make(body->p + CHANGE + key, value);
	*body = view_skip(*body, CHANGE + key + value);
	*bad = false;
	return true;
}

/* ---- the replayed state ---- */

static void entry_set(struct delta *d, const struct delta_change *c)
{
	struct delta_entry *e = mem_new(sizeof(*e) + c->value.n);

	e->deleted = c->del;
	e->n = c->value.n;
	if (e->n)
		memcpy(e->value, c->value.p, e->n);
	free(map_set(d->entries, c->key, e));
}

/* A body is looked through before any of it is applied: all or nothing. */
static bool body_valid(struct view body)
{
	struct delta_change c;
	bool bad;

	while (delta_change_next(&body, &c, &bad))
		;
	return !bad;
}

static void body_apply(struct delta *d, struct view body)
{
	struct delta_change c;
	bool bad;

	while (delta_change_next(&body, &c, &bad))
		entry_set(d, &c);
}

/* ---- reading ---- */

/* The mark may be read while it is written: a sum that is wrong is asked again. */
static int mark_read(const struct delta *d, uint64_t *durable)
{
	char have[MARK], want[MARK];

	for (int tries = 0; tries < 100; tries++) {
		int err = file_pread(d->fd, have, sizeof(have), MARK_AT);

		if (err)
			return err == ERR_END ? ERR_DAMAGED : err;
		mark_make(want, le64_get(have), le64_get(have + 8), d->salt);
		if (memcmp(have, want, MARK) == 0) {
			*durable = le64_get(have);
			return ERR_OK;
		}
	}
	return ERR_DAMAGED;
}

/* One record at the start of v: its whole length, or 0 where no valid one stands there. */
static size_t record_at(const struct delta *d, struct view v, struct view *body)
{
	size_t n;

	if (v.n < RECORD)
		return 0;
	n = le32_get(v.p);
	if (n > DELTA_BODY_MAX || v.n - RECORD < n || le64_get(v.p + 4) != d->generation + 1)
		return 0;
	*body = view_make(v.p + RECORD, n);
	if (record_sum(d->salt, v.p, *body) != le32_get(v.p + 12) || !body_valid(*body))
		return 0;
	return RECORD + n;
}

/* Replays the records in v, which stands at d->end; stops at the first that is not valid. */
static void replay(struct delta *d, struct view v)
{
	struct view body;
	size_t n;

	while ((n = record_at(d, v, &body)) > 0) {
		body_apply(d, body);
		d->generation++;
		d->end += n;
		v = view_skip(v, n);
	}
}

static int read_from(struct delta *d, uint64_t size)
{
	size_t n = (size_t)(size - d->end);
	char *p = mem_new(n ? n : 1);
	int err = file_pread(d->fd, p, n, (off_t)d->end);

	if (!err)
		replay(d, view_make(p, n));
	free(p);
	return err == ERR_END ? ERR_DAMAGED : err;
}

int delta_catch_up(struct delta *d, const struct stat *st)
{
	struct stat now;
	uint64_t size, durable = 0;
	int err;

	if ((uint64_t)st->st_size == d->seen)
		return ERR_OK;
	/* The mark first, the size after it: then what the mark speaks for is within the size. */
	err = mark_read(d, &durable);
	if (err)
		return err;
	if (fstat(d->fd, &now) != 0)
		return err_of_errno(errno);
	size = (uint64_t)now.st_size;
	if (size > DELTA_FILE_MAX)
		return ERR_TOO_BIG;
	if (size > d->end)
		err = read_from(d, size);
	if (!err && d->end < durable)
		err = ERR_DAMAGED;
	if (!err)
		d->seen = size;
	return err;
}

bool delta_replaced(const struct stat *st) { return st->st_nlink == 0; }

bool delta_torn(const struct delta *d) { return d->seen > d->end; }

const struct delta_entry *delta_get(const struct delta *d, struct view key) { return map_get(d->entries, key); }

static int header_read(struct delta *d)
{
	char have[HEADER], want[HEADER];
	int err = file_pread(d->fd, have, sizeof(have), 0);

	if (err)
		return err == ERR_END ? ERR_DAMAGED : err;
	d->base = d->generation = le64_get(have + 8);
	d->salt = le32_get(have + 16);
	d->end = DELTA_RECORDS_AT;
	header_make(want, d->base, d->salt);
	return memcmp(have, want, HEADER) == 0 ? ERR_OK : ERR_DAMAGED;
}

int delta_open(int dirfd, const char *name, bool writable, struct delta **out)
{
	struct delta *d = mem_new(sizeof(*d));
	struct stat st;
	int err = ERR_OK;

	d->entries = map_new();
	d->fd = openat(dirfd, name, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (d->fd < 0)
		err = err_of_errno(errno);
	else if (fstat(d->fd, &st) != 0)
		err = err_of_errno(errno);
	else if (!S_ISREG(st.st_mode))
		err = ERR_INVALID;
	else
		err = header_read(d);
	if (!err)
		err = delta_catch_up(d, &st);
	if (err) {
		delta_close(d);
		return err;
	}
	*out = d;
	return ERR_OK;
}

void delta_close(struct delta *d)
{
	struct view key;
	void *value;
	size_t it = 0;

	if (!d)
		return;
	while (map_next(d->entries, &it, &key, &value))
		free(value);
	map_free(d->entries);
	fd_close(&d->fd);
	free(d);
}

/* ---- writing ---- */

static void record_put(struct buf *b, uint32_t salt, uint64_t generation, struct view body)
{
	char head[RECORD];

	le32_put(head, (uint32_t)body.n);
	le64_put(head + 4, generation);
	le32_put(head + 12, record_sum(salt, head, body));
	buf_add(b, head, sizeof(head));
	buf_addv(b, body);
}

int delta_append(struct delta *d, const struct delta_change *changes, size_t n)
{
	struct buf body, rec;
	struct stat st;
	int err = ERR_OK;

	buf_init(&body, DELTA_BODY_MAX);
	buf_init(&rec, DELTA_BODY_MAX + RECORD);
	for (size_t i = 0; i < n; i++) {
		if (changes[i].key.n == 0 || changes[i].key.n > BASE_KEY_MAX || changes[i].value.n > BASE_VALUE_MAX)
			err = ERR_TOO_BIG;
		else
			change_put(&body, &changes[i]);
	}
	if (!err && (!buf_ok(&body) || d->end + buf_len(&body) + RECORD > DELTA_FILE_MAX))
		err = ERR_TOO_BIG;
	if (!err) {
		record_put(&rec, d->salt, d->generation + 1, buf_view(&body));
		err = file_pwrite(d->fd, buf_view(&rec).p, buf_len(&rec), (off_t)d->end);
	}
	if (!err && fstat(d->fd, &st) != 0)
		err = err_of_errno(errno);
	if (!err)
		err = delta_catch_up(d, &st);
	buf_fini(&body);
	buf_fini(&rec);
	return err;
}

int delta_flush(struct delta *d)
{
	char mark[MARK];
	int err = file_flush_data(d->fd);

	if (err)
		return err;
	mark_make(mark, d->end, d->generation, d->salt);
	return file_pwrite(d->fd, mark, sizeof(mark), MARK_AT);
}

/* The records of `from` behind generation base, one after another, under the new file's salt. */
static int copy_records(struct buf *out, uint32_t salt, uint64_t base, const struct delta *from)
{
	size_t n = (size_t)(from->end - DELTA_RECORDS_AT), len;
	char *p = mem_new(n ? n : 1);
	struct view v = view_make(p, n);
	int err = file_pread(from->fd, p, n, DELTA_RECORDS_AT);

	for (; !err && v.n; v = view_skip(v, RECORD + len)) {
		len = le32_get(v.p);
		if (le64_get(v.p + 4) > base)
			record_put(out, salt, le64_get(v.p + 4), view_make(v.p + RECORD, len));
	}
	free(p);
	return err;
}

static int content_make(struct buf *b, uint64_t base, const struct delta *from)
{
	uint64_t generation = from && from->generation > base ? from->generation : base;
	uint32_t salt = (uint32_t)random_u64();
	char head[DELTA_RECORDS_AT] = { 0 };
	int err = ERR_OK;

	buf_add(b, head, sizeof(head));
	if (from)
		err = copy_records(b, salt, base, from);
	if (err || !buf_ok(b))
		return err ? err : ERR_TOO_BIG;
	header_make(b->mem + b->off, base, salt);
	mark_make(b->mem + b->off + MARK_AT, buf_len(b), generation, salt);
	return ERR_OK;
}

int delta_create(int dirfd, const char *name, uint64_t base, const struct delta *from)
{
	struct buf b;
	int err;

	buf_init(&b, DELTA_FILE_MAX);
	err = content_make(&b, base, from);
	if (!err)
		err = file_replace(dirfd, name, buf_view(&b), 0640);
	buf_fini(&b);
	return err;
}
