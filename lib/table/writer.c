/* SPDX-License-Identifier: ISC */
#include "table/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"

struct table_writer {
	struct table *t;
	int lock;
	int broken; /* the error after which nothing more is written */
};

struct table_merge {
	struct table *snapshot;
	const struct base_engine *engine;
	char *path; /* NAME.new */
};

static int lock_take(const char *dir, const char *name, int *fd)
{
	char *path = table_path(dir, name, ".lock");
	int err;

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	free(path);
	if (*fd < 0)
		return err_of_errno(errno);
	err = file_lock(*fd, true, false);
	if (err)
		fd_close(fd);
	return err;
}

static int delta_make(const char *dir, const char *name, uint64_t base, const struct delta *from)
{
	char *file = table_path("", name, ".delta");
	int dirfd = -1;
	int err = file_open_dir(AT_FDCWD, dir, &dirfd);

	if (!err)
		err = delta_create(dirfd, file, base, from);
	fd_close(&dirfd);
	free(file);
	return err;
}

/* Opens for writing, makes what is missing, and leaves a torn tail behind by writing the valid records into a new file. */
static int open_clean(const char *dir, const char *name, struct table **out)
{
	int err = table_open_as(dir, name, true, out);

	if (err == ERR_NOT_FOUND) {
		err = delta_make(dir, name, 0, NULL);
		if (!err)
			err = table_open_as(dir, name, true, out);
	}
	if (err || !delta_torn((*out)->delta))
		return err;
	err = delta_make(dir, name, (*out)->delta->base, (*out)->delta);
	if (!err)
		err = table_reopen(*out);
	if (err)
		table_close(*out);
	return err;
}

int table_writer_open(const char *dir, const char *name, struct table_writer **out)
{
	struct table_writer *w = mem_new(sizeof(*w));
	int err = lock_take(dir, name, &w->lock);

	if (!err)
		err = open_clean(dir, name, &w->t);
	else
		w->lock = -1;
	/* What a crash left beyond the mark was taken as there: now make it so. */
	if (!err && (err = delta_flush(w->t->delta)) != ERR_OK)
		table_close(w->t);
	if (err) {
		fd_close(&w->lock);
		free(w);
		return err;
	}
	*out = w;
	return ERR_OK;
}

void table_writer_close(struct table_writer *w)
{
	if (!w)
		return;
	table_close(w->t);
	fd_close(&w->lock);
	free(w);
}

struct table *table_writer_table(struct table_writer *w) { return w->t; }

int table_append(struct table_writer *w, const struct delta_change *changes, size_t n)
{
	int err = w->broken ? w->broken : w->t->err;

	if (err)
		return err;
	err = delta_append(w->t->delta, changes, n);
	/* A change that is too big was not begun; anything else may have left half a record. */
	if (err && err != ERR_TOO_BIG)
		w->broken = err;
	return err;
}

int table_flush(struct table_writer *w)
{
	if (!w->broken)
		w->broken = delta_flush(w->t->delta);
	return w->broken;
}

uint64_t table_delta_size(const struct table_writer *w) { return w->t->delta ? w->t->delta->end : 0; }

bool table_has_base(const struct table_writer *w) { return w->t->base != NULL; }

bool table_other_kind(const struct table_writer *w, const struct base_engine *engine)
{
	return w->t->engine && !view_eqs(view_of(w->t->engine->suffix), engine->suffix);
}

/* ---- merging ---- */

static void merge_free(struct table_merge *m)
{
	table_close(m->snapshot);
	free(m->path);
	free(m);
}

int table_merge_begin(struct table_writer *w, const struct base_engine *engine, struct table_merge **out)
{
	struct table_merge *m;
	int err = table_flush(w);

	if (err)
		return err;
	m = mem_new(sizeof(*m));
	m->engine = engine;
	m->path = table_path(w->t->dir, w->t->name, ".new");
	err = table_open(w->t->dir, w->t->name, &m->snapshot);
	if (err) {
		merge_free(m);
		return err;
	}
	*out = m;
	return ERR_OK;
}

static int generation_add(struct table_merge *m, void *b)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)table_generation(m->snapshot));
	return m->engine->add(b, TABLE_GENERATION, view_of(text));
}

static int copy_all(struct table_merge *m, void *b)
{
	struct table_walk *w = table_walk_over(m->snapshot, VIEW_NONE);
	struct view key, value;
	int err;

	while ((err = table_walk_next(w, &key, &value)) == ERR_OK)
		if ((err = m->engine->add(b, key, value)) != ERR_OK)
			break;
	table_walk_free(w);
	return err == ERR_END ? ERR_OK : err;
}

int table_merge_run(struct table_merge *m)
{
	void *b = NULL;
	int err = m->engine->create(m->path, &b);

	if (err)
		return err;
	err = generation_add(m, b);
	if (!err)
		err = copy_all(m, b);
	if (!err)
		return m->engine->finish(b);
	m->engine->drop(b);
	return err;
}

static int rename_into(const struct table *t, const struct table_merge *m)
{
	char *to = table_path(t->dir, t->name, m->engine->suffix);
	int err = rename(m->path, to) == 0 ? ERR_OK : err_of_errno(errno);

	free(to);
	return err ? err : file_flush(t->dirfd);
}

/* The base of another kind is of no use any more. */
static void others_remove(const struct table *t, const struct base_engine *keep)
{
	const struct base_engine *e;

	for (size_t i = 0; (e = base_engine_at(i, true)) != NULL; i++) {
		char *path = table_path(t->dir, t->name, e->suffix);

		if (!view_eqs(view_of(e->suffix), keep->suffix))
			(void)unlink(path);
		free(path);
	}
}

int table_merge_end(struct table_writer *w, struct table_merge *m, int run_err)
{
	struct table *t = w->t;
	int err = run_err;

	if (!err && w->broken)
		err = w->broken;
	if (err)
		(void)unlink(m->path);
	if (!err)
		err = rename_into(t, m);
	if (!err)
		err = delta_make(t->dir, t->name, table_generation(m->snapshot), t->delta);
	if (!err) {
		others_remove(t, m->engine);
		err = w->broken = table_reopen(t);
	}
	merge_free(m);
	return err;
}
