/* SPDX-License-Identifier: ISC */
/* Bases in LMDB files: the one includer of lmdb.h. No lock file: a base never changes. */
#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "table/base.h"
#include "table/engines.h"
#include "table/whole.h"

#define ROOM_FIRST (64u * 1024 * 1024)
#define BATCH_OCTETS (4u * 1024 * 1024)

struct handle {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
};

struct builder {
	struct handle h;
	char *path;
	size_t batch; /* octets in the transaction under way */
};

static int err_of_mdb(int e)
{
	if (e == 0)
		return ERR_OK;
	if (e == MDB_NOTFOUND)
		return ERR_NOT_FOUND;
	if (e == MDB_KEYEXIST)
		return ERR_EXISTS;
	if (e > 0 && e != EINVAL)
		return err_of_errno(e);
	return ERR_DAMAGED;
}

static void handle_close(struct handle *h)
{
	if (h->txn)
		mdb_txn_abort(h->txn);
	if (h->env)
		mdb_env_close(h->env);
	*h = (struct handle){ 0 };
}

static int env_open(struct handle *h, const char *path, unsigned flags)
{
	int e = mdb_env_create(&h->env);

	if (!e)
		e = mdb_env_open(h->env, path, MDB_NOSUBDIR | MDB_NOLOCK | flags, 0640);
	if (!e)
		e = mdb_txn_begin(h->env, NULL, flags & MDB_RDONLY, &h->txn);
	if (!e)
		e = mdb_dbi_open(h->txn, NULL, 0, &h->dbi);
	if (e) {
		handle_close(h);
		return err_of_mdb(e);
	}
	return ERR_OK;
}

/* Opens path only if it still is the file that was found whole. */
static int lmdb_open_once(const char *path, struct handle *h)
{
	struct stat st;
	int fd;
	int err = whole_check(path, &st);

	if (!err)
		err = env_open(h, path, MDB_RDONLY | MDB_NOTLS);
	if (!err && (mdb_env_get_fd(h->env, &fd) != 0 || !whole_same(fd, &st))) {
		handle_close(h);
		err = ERR_AGAIN;
	}
	return err;
}

static int lmdb_open(const char *path, void **out)
{
	struct handle h = { 0 };
	int err = ERR_AGAIN;

	for (int tries = 0; tries < 5 && err == ERR_AGAIN; tries++)
		err = lmdb_open_once(path, &h);
	if (err)
		return err;
	*out = mem_new(sizeof(h));
	memcpy(*out, &h, sizeof(h));
	return ERR_OK;
}

static MDB_val val_of(struct view v)
{
	return (MDB_val){ .mv_size = v.n, .mv_data = (void *)(uintptr_t)v.p };
}

static int lmdb_get(void *hp, struct view key, struct buf *value)
{
	struct handle *h = hp;
	MDB_val k = val_of(key), v;
	int e;

	if (key.n == 0 || key.n > BASE_KEY_MAX)
		return ERR_NOT_FOUND;
	e = mdb_get(h->txn, h->dbi, &k, &v);
	if (e)
		return err_of_mdb(e);
	buf_add(value, v.mv_data, v.mv_size);
	return buf_ok(value) ? ERR_OK : ERR_TOO_BIG;
}

static int lmdb_next(void *hp, void **cursor, struct view *key, struct view *value)
{
	struct handle *h = hp;
	MDB_cursor *c = *cursor;
	MDB_val k, v;
	int e;

	if (!c) {
		e = mdb_cursor_open(h->txn, h->dbi, &c);
		if (e)
			return err_of_mdb(e);
		*cursor = c;
	}
	e = mdb_cursor_get(c, &k, &v, MDB_NEXT);
	if (e)
		return e == MDB_NOTFOUND ? ERR_END : err_of_mdb(e);
	*key = view_make(k.mv_data, k.mv_size);
	*value = view_make(v.mv_data, v.mv_size);
	return ERR_OK;
}

static void lmdb_end(void *hp, void *cursor)
{
	(void)hp;
	if (cursor)
		mdb_cursor_close(cursor);
}

static void lmdb_close(void *hp)
{
	handle_close(hp);
	free(hp);
}

static void builder_free(struct builder *b)
{
	handle_close(&b->h);
	free(b->path);
	free(b);
}

static int lmdb_create(const char *path, void **out)
{
	struct builder *b;
	int err;

	if (unlink(path) != 0 && errno != ENOENT)
		return err_of_errno(errno);
	b = mem_new(sizeof(*b));
	b->path = mem_str(view_of(path));
	err = env_open(&b->h, path, MDB_NOSYNC | MDB_NOMEMINIT);
	if (!err) {
		mdb_txn_abort(b->h.txn);
		b->h.txn = NULL;
		err = err_of_mdb(mdb_env_set_mapsize(b->h.env, ROOM_FIRST));
	}
	if (err) {
		builder_free(b);
		return err;
	}
	*out = b;
	return ERR_OK;
}

/* Room is made only between transactions: at least half of the map is free at the start of each. */
static int batch_begin(struct builder *b)
{
	MDB_envinfo info;
	MDB_stat st;
	int e = mdb_env_info(b->h.env, &info);

	if (!e)
		e = mdb_env_stat(b->h.env, &st);
	if (!e && (info.me_last_pgno + 1) * st.ms_psize > info.me_mapsize / 2)
		e = mdb_env_set_mapsize(b->h.env, info.me_mapsize * 2);
	if (!e)
		e = mdb_txn_begin(b->h.env, NULL, 0, &b->h.txn);
	if (!e)
		e = mdb_dbi_open(b->h.txn, NULL, 0, &b->h.dbi);
	b->batch = 0;
	return err_of_mdb(e);
}

static int batch_end(struct builder *b)
{
	MDB_txn *txn = b->h.txn;

	b->h.txn = NULL;
	return txn ? err_of_mdb(mdb_txn_commit(txn)) : ERR_OK;
}

static int lmdb_add(void *bp, struct view key, struct view value)
{
	struct builder *b = bp;
	MDB_val k = val_of(key), v = val_of(value);
	int err = ERR_OK;

	if (key.n == 0 || key.n > BASE_KEY_MAX || value.n > BASE_VALUE_MAX)
		return ERR_TOO_BIG;
	if (b->h.txn && b->batch > BATCH_OCTETS)
		err = batch_end(b);
	if (!err && !b->h.txn)
		err = batch_begin(b);
	if (err)
		return err;
	b->batch += key.n + value.n + 16;
	return err_of_mdb(mdb_put(b->h.txn, b->h.dbi, &k, &v, MDB_NOOVERWRITE));
}

static int lmdb_finish(void *bp)
{
	struct builder *b = bp;
	int err = batch_end(b);

	if (!err)
		err = err_of_mdb(mdb_env_sync(b->h.env, 1));
	handle_close(&b->h);
	if (!err)
		err = whole_seal(b->path, 1);
	builder_free(b);
	return err;
}

static void lmdb_drop(void *bp)
{
	struct builder *b = bp;

	(void)unlink(b->path);
	builder_free(b);
}

const struct base_engine base_engine_lmdb = {
	.prefix = "lmdb", .suffix = ".lmdb", .open = lmdb_open, .get = lmdb_get,
	.next = lmdb_next, .end = lmdb_end, .close = lmdb_close,
	.create = lmdb_create, .add = lmdb_add, .finish = lmdb_finish,
	.drop = lmdb_drop,
};
