/* SPDX-License-Identifier: ISC */
#include "table/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/num.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "table/writer.h"

#define OPEN_TRIES 10
#define RETRY_MS 1000

char *table_path(const char *dir, const char *name, const char *suffix)
{
	struct buf b;
	char *s;

	buf_init(&b, 4096);
	buf_printf(&b, "%s%s%s%s", dir, *dir ? "/" : "", name, suffix);
	INVARIANT(buf_ok(&b));
	s = mem_str(buf_view(&b));
	buf_fini(&b);
	return s;
}

static void base_shut(struct table *t)
{
	if (t->base)
		t->engine->close(t->base);
	t->base = NULL;
	t->engine = NULL;
	t->base_generation = 0;
}

static void files_shut(struct table *t)
{
	base_shut(t);
	delta_close(t->delta);
	t->delta = NULL;
}

static int generation_of(const struct base_engine *e, void *base, uint64_t *out)
{
	struct buf b;
	int err;

	buf_init(&b, 32);
	err = e->get(base, TABLE_GENERATION, &b);
	if (!err && !num_u64(buf_view(&b), UINT64_MAX, out))
		err = ERR_DAMAGED;
	buf_fini(&b);
	/* A base without the key that every base has. */
	return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

/* Takes this engine's file if there is one and it is newer than what t holds. */
static int base_try(struct table *t, const struct base_engine *e)
{
	char *path = table_path(t->dir, t->name, e->suffix);
	uint64_t generation = 0;
	void *base = NULL;
	int err = e->open(path, &base);

	free(path);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = generation_of(e, base, &generation);
	if (err || (t->base && generation <= t->base_generation)) {
		e->close(base);
		return err;
	}
	base_shut(t);
	t->engine = e;
	t->base = base;
	t->base_generation = generation;
	return ERR_OK;
}

static int base_find(struct table *t)
{
	const struct base_engine *e;

	for (size_t i = 0; (e = base_engine_at(i, true)) != NULL; i++) {
		int err = base_try(t, e);

		if (err)
			return err;
	}
	return ERR_OK;
}

/* Base and delta that belong together; ERR_AGAIN when the one was replaced between the two openings. */
static int files_open(struct table *t)
{
	char *name = table_path("", t->name, ".delta");
	int err = base_find(t);

	if (!err) {
		err = delta_open(t->dirfd, name, t->writable, &t->delta);
		if (err == ERR_NOT_FOUND && t->base)
			err = ERR_DAMAGED;
	}
	free(name);
	if (err)
		return err;
	if (t->delta->base > t->base_generation)
		return ERR_AGAIN;
	return t->base_generation > t->delta->generation ? ERR_DAMAGED : ERR_OK;
}

int table_reopen(struct table *t)
{
	int err = ERR_AGAIN;

	for (int i = 0; i < OPEN_TRIES && err == ERR_AGAIN; i++) {
		files_shut(t);
		err = files_open(t);
	}
	if (err == ERR_AGAIN)
		err = ERR_DAMAGED;
	if (err)
		files_shut(t);
	t->err = err;
	t->retry_at = clock_mono_ms() + RETRY_MS;
	return err;
}

int table_open_as(const char *dir, const char *name, bool writable, struct table **out)
{
	struct table *t = mem_new(sizeof(*t));
	int err;

	t->dir = mem_str(view_of(dir));
	t->name = mem_str(view_of(name));
	t->writable = writable;
	t->dirfd = -1;
	err = file_open_dir(AT_FDCWD, dir, &t->dirfd);
	if (!err)
		err = table_reopen(t);
	if (err) {
		table_close(t);
		return err;
	}
	*out = t;
	return ERR_OK;
}

int table_open(const char *dir, const char *name, struct table **out)
{
	return table_open_as(dir, name, false, out);
}

void table_close(struct table *t)
{
	if (!t)
		return;
	files_shut(t);
	fd_close(&t->dirfd);
	free(t->dir);
	free(t->name);
	free(t);
}

int table_refresh(struct table *t)
{
	struct stat st;

	if (t->err)
		return clock_mono_ms() >= t->retry_at ? table_reopen(t) : t->err;
	if (fstat(t->delta->fd, &st) != 0)
		return t->err = err_of_errno(errno);
	if (delta_replaced(&st))
		return table_reopen(t);
	t->err = delta_catch_up(t->delta, &st);
	if (t->err)
		t->retry_at = clock_mono_ms() + RETRY_MS;
	return t->err;
}

uint64_t table_generation(const struct table *t) { return t->delta ? t->delta->generation : 0; }

int table_get(struct table *t, struct view key, struct buf *value)
{
	const struct delta_entry *e;
	int err;

	if (t->err)
		return t->err;
	e = delta_get(t->delta, key);
	if (e) {
		if (e->deleted)
			return ERR_NOT_FOUND;
		buf_add(value, e->value, e->n);
		return buf_ok(value) ? ERR_OK : ERR_TOO_BIG;
	}
	if (!t->base)
		return ERR_NOT_FOUND;
	err = t->engine->get(t->base, key, value);
	/* A base that failed once is opened afresh: Berkeley DB refuses all further work on a handle that met damage. */
	if (err && err != ERR_NOT_FOUND && err != ERR_TOO_BIG) {
		t->err = err;
		t->retry_at = clock_mono_ms() + RETRY_MS;
	}
	return err;
}

/* ---- walks ---- */

struct table_walk {
	struct table *t;
	bool own;
	char *prefix;
	size_t prefix_n;
	void *cursor;
	bool base_done;
	size_t it;
};

struct table_walk *table_walk_over(struct table *t, struct view prefix)
{
	struct table_walk *w = mem_new(sizeof(*w));

	w->t = t;
	w->prefix = mem_str(prefix);
	w->prefix_n = prefix.n;
	w->base_done = t->base == NULL;
	return w;
}

int table_walk_new(const char *dir, const char *name, struct view prefix, struct table_walk **out)
{
	struct table *t;
	int err = table_open(dir, name, &t);

	if (err)
		return err;
	*out = table_walk_over(t, prefix);
	(*out)->own = true;
	return ERR_OK;
}

static bool wanted(const struct table_walk *w, struct view key)
{
	return view_starts(key, view_make(w->prefix, w->prefix_n)) && !view_eq(key, TABLE_GENERATION);
}

static int base_next(struct table_walk *w, struct view *key, struct view *value)
{
	struct table *t = w->t;

	for (;;) {
		int err = t->engine->next(t->base, &w->cursor, key, value);

		if (err || (wanted(w, *key) && !delta_get(t->delta, *key)))
			return err;
	}
}

static int delta_next(struct table_walk *w, struct view *key, struct view *value)
{
	void *p;

	while (map_next(w->t->delta->entries, &w->it, key, &p)) {
		const struct delta_entry *e = p;

		if (e->deleted || !wanted(w, *key))
			continue;
		*value = view_make(e->value, e->n);
		return ERR_OK;
	}
	return ERR_END;
}

int table_walk_next(struct table_walk *w, struct view *key, struct view *value)
{
	if (!w->base_done) {
		int err = base_next(w, key, value);

		if (err != ERR_END)
			return err;
		w->base_done = true;
	}
	return delta_next(w, key, value);
}

void table_walk_free(struct table_walk *w)
{
	if (!w)
		return;
	if (w->cursor)
		w->t->engine->end(w->t->base, w->cursor);
	if (w->own)
		table_close(w->t);
	free(w->prefix);
	free(w);
}
