/* SPDX-License-Identifier: ISC */
/*
 * Bases in Berkeley DB files: the one includer of db.h. No environment: readers share no locks and no region files, and each has a small
 * cache of its own. The file is proven whole when it is opened; DB_CHKSUM guards each page that is read later.
 */
#include <db.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "table/base.h"
#include "table/engines.h"
#include "table/whole.h"

#define CACHE_READ (8 * 1024 * 1024) /* the inner pages of a million accounts; touched as it fills */
#define CACHE_BUILD (16 * 1024 * 1024)
#define PAGE 4096

struct builder {
	DB *db;
	char *path;
};

/* The library's texts say nothing that the code does not; where they belong is the caller's log line. */
static void be_silent(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

static int err_of_db(int e)
{
	switch (e) {
	case 0:
		return ERR_OK;
	case DB_NOTFOUND:
		return ERR_NOT_FOUND;
	case DB_KEYEXIST:
		return ERR_EXISTS;
	case EINVAL:
	case DB_PAGE_NOTFOUND:
	case DB_RUNRECOVERY:
	case DB_VERIFY_BAD:
	case DB_OLD_VERSION:
		return ERR_DAMAGED;
	default:
		return e > 0 ? err_of_errno(e) : ERR_DAMAGED;
	}
}

static int handle_new(u_int32_t cache, DB **out)
{
	DB *db;
	int e = db_create(&db, NULL, 0);

	if (e)
		return err_of_db(e);
	db->set_errcall(db, be_silent);
	e = db->set_cachesize(db, 0, cache, 1);
	if (e) {
		(void)db->close(db, DB_NOSYNC);
		return err_of_db(e);
	}
	*out = db;
	return ERR_OK;
}

static int db_open(const char *path, DB **out)
{
	DB *db;
	int e;
	int err = handle_new(CACHE_READ, &db);

	if (err)
		return err;
	e = db->open(db, NULL, path, NULL, DB_UNKNOWN, DB_RDONLY, 0);
	if (e) {
		(void)db->close(db, DB_NOSYNC);
		return e == ENOENT ? ERR_AGAIN : err_of_db(e);
	}
	*out = db;
	return ERR_OK;
}

/* Opens path only if it still is the file that was found whole. */
static int bdb_open_once(const char *path, DB **db)
{
	struct stat st;
	int fd;
	int err = whole_check(path, &st);

	if (!err)
		err = db_open(path, db);
	if (!err && ((*db)->fd(*db, &fd) != 0 || !whole_same(fd, &st))) {
		(void)(*db)->close(*db, DB_NOSYNC);
		err = ERR_AGAIN;
	}
	return err;
}

static int bdb_open(const char *path, void **out)
{
	DB *db = NULL;
	int err = ERR_AGAIN;

	for (int tries = 0; tries < 5 && err == ERR_AGAIN; tries++)
		err = bdb_open_once(path, &db);
	if (!err)
		*out = db;
	return err;
}

static DBT dbt_of(struct view v)
{
	return (DBT){ .data = (void *)(uintptr_t)v.p, .size = (u_int32_t)v.n };
}

static int bdb_get(void *h, struct view key, struct buf *value)
{
	DB *db = h;
	DBT k = dbt_of(key), v = { 0 };
	int e = db->get(db, NULL, &k, &v, 0);

	if (e)
		return err_of_db(e);
	buf_add(value, v.data, v.size);
	return buf_ok(value) ? ERR_OK : ERR_TOO_BIG;
}

static int bdb_next(void *h, void **cursor, struct view *key, struct view *value)
{
	DB *db = h;
	DBC *c = *cursor;
	DBT k = { 0 }, v = { 0 };
	int e;

	if (!c) {
		e = db->cursor(db, NULL, &c, 0);
		if (e)
			return err_of_db(e);
		*cursor = c;
	}
	e = c->get(c, &k, &v, DB_NEXT);
	if (e)
		return e == DB_NOTFOUND ? ERR_END : err_of_db(e);
	*key = view_make(k.data, k.size);
	*value = view_make(v.data, v.size);
	return ERR_OK;
}

static void bdb_end(void *h, void *cursor)
{
	DBC *c = cursor;

	(void)h;
	if (c)
		(void)c->close(c);
}

static void bdb_close(void *h)
{
	DB *db = h;

	(void)db->close(db, DB_NOSYNC);
}

static int create(const char *path, DBTYPE type, void **out)
{
	struct builder *b;
	DB *db;
	int err, e;

	if (unlink(path) != 0 && errno != ENOENT)
		return err_of_errno(errno);
	err = handle_new(CACHE_BUILD, &db);
	if (err)
		return err;
	e = db->set_flags(db, DB_CHKSUM);
	if (!e)
		e = db->set_pagesize(db, PAGE);
	if (!e)
		e = db->open(db, NULL, path, NULL, type, DB_CREATE | DB_EXCL, 0640);
	if (e) {
		(void)db->close(db, DB_NOSYNC);
		return err_of_db(e);
	}
	b = mem_new(sizeof(*b));
	b->db = db;
	b->path = mem_str(view_of(path));
	*out = b;
	return ERR_OK;
}

static int btree_create(const char *path, void **out) { return create(path, DB_BTREE, out); }
static int hash_create(const char *path, void **out) { return create(path, DB_HASH, out); }

static int bdb_add(void *h, struct view key, struct view value)
{
	struct builder *b = h;
	DBT k = dbt_of(key), v = dbt_of(value);

	if (key.n > BASE_KEY_MAX || value.n > BASE_VALUE_MAX)
		return ERR_TOO_BIG;
	return err_of_db(b->db->put(b->db, NULL, &k, &v, DB_NOOVERWRITE));
}

static void builder_free(struct builder *b)
{
	free(b->path);
	free(b);
}

static int bdb_finish(void *h)
{
	struct builder *b = h;
	int err = err_of_db(b->db->close(b->db, 0));

	/* Berkeley DB opens no file that is not a multiple of its page. */
	if (!err)
		err = whole_seal(b->path, PAGE);
	builder_free(b);
	return err;
}

static void bdb_drop(void *h)
{
	struct builder *b = h;

	(void)b->db->close(b->db, DB_NOSYNC);
	(void)unlink(b->path);
	builder_free(b);
}

#define BDB_ENGINE(kind)                                                               \
	const struct base_engine base_engine_##kind = {                                \
		.prefix = #kind, .suffix = ".db", .open = bdb_open, .get = bdb_get,     \
		.next = bdb_next, .end = bdb_end, .close = bdb_close,                   \
		.create = kind##_create, .add = bdb_add, .finish = bdb_finish,          \
		.drop = bdb_drop,                                                       \
	}
BDB_ENGINE(btree);
BDB_ENGINE(hash);
