/* SPDX-License-Identifier: ISC */
#include "qmgr/content.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"

enum { NAME = 17, CHUNK = 256 << 10 };

struct contents {
	int dir;
	struct pool *pool;
};

static void name_of(uint64_t id, char name[NAME])
{
	(void)snprintf(name, NAME, "%016llx", (unsigned long long)id);
}

int contents_open(int spoolfd, struct pool *pool, struct contents **out)
{
	int fd, err = file_mkdir(spoolfd, "content", 0700);
	if (err == ERR_OK) /* its name too, whoever made it */
		err = file_flush(spoolfd);
	if (err == ERR_OK)
		err = file_open_dir(spoolfd, "content", &fd);
	if (err != ERR_OK)
		return err;
	struct contents *c = mem_new(sizeof *c);
	c->dir = fd;
	c->pool = pool;
	*out = c;
	return ERR_OK;
}

void contents_free(struct contents *c)
{
	if (!c)
		return;
	fd_close(&c->dir);
	free(c);
}

/* The writer's descriptor can only append to what is there by writing: the reader's is a file description of its own. */
int content_new(struct contents *c, uint64_t *id, int fds[2])
{
	char name[NAME];
	do
		*id = random_u64();
	while (*id == 0);
	name_of(*id, name);
	fds[0] = openat(c->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fds[0] < 0)
		return ERR_FULL;
	int err = file_open_read(c->dir, name, &fds[1]);
	if (err != ERR_OK) {
		fd_close(&fds[0]);
		content_remove(c, *id);
	}
	return err;
}

struct proof {
	int fd, dir, err;
	uint64_t size;
	uint32_t sum;
	void (*fn)(void *arg, int err);
	void *arg;
};

static int sum_of(int fd, uint64_t size, uint32_t *sum)
{
	char *p = mem_new(CHUNK);
	int err = ERR_OK;
	*sum = 0;
	for (uint64_t at = 0; at < size && err == ERR_OK;) {
		size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		err = file_pread(fd, p, n, (off_t)at);
		if (err == ERR_OK)
			*sum = crc32c(*sum, p, n);
		at += n;
	}
	free(p);
	return err;
}

static int prove(struct proof *w)
{
	uint64_t size;
	uint32_t sum;
	if (!file_no_writers(w->fd))
		return ERR_BUSY;
	int err = file_size(w->fd, &size);
	if (err == ERR_OK && size != w->size)
		return ERR_DAMAGED;
	if (err == ERR_OK)
		err = sum_of(w->fd, size, &sum);
	if (err == ERR_OK && sum != w->sum)
		return ERR_DAMAGED;
	if (err == ERR_OK)
		err = file_flush(w->fd);
	return err == ERR_OK ? file_flush(w->dir) : err;
}

static void prove_run(void *arg)
{
	struct proof *w = arg;
	if (w->err == ERR_OK)
		w->err = prove(w);
}

static void prove_done(void *arg)
{
	struct proof *w = arg;
	fd_close(&w->fd);
	w->fn(w->arg, w->err);
	free(w);
}

void content_prove(struct contents *c, uint64_t id, uint64_t size, uint32_t sum, void (*fn)(void *arg, int err), void *arg)
{
	struct proof *w = mem_new(sizeof *w);
	*w = (struct proof){ .fd = -1, .dir = c->dir, .size = size, .sum = sum, .fn = fn, .arg = arg };
	w->err = content_read(c, id, &w->fd);
	pool_submit(c->pool, prove_run, prove_done, w);
}

int content_read(struct contents *c, uint64_t id, int *fd)
{
	char name[NAME];
	name_of(id, name);
	return file_open_read(c->dir, name, fd);
}

void content_remove(struct contents *c, uint64_t id)
{
	char name[NAME];
	name_of(id, name);
	if (unlinkat(c->dir, name, 0) != 0)
		log_warn("content_not_removed", LS("file", name));
}

struct sweep {
	struct contents *c;
	bool (*wanted)(void *arg, uint64_t id);
	void *arg;
	unsigned n;
};

static int sweep_one(const char *name, void *arg)
{
	struct sweep *s = arg;
	uint64_t id;
	if (!num_hex64(view_of(name), &id) || s->wanted(s->arg, id))
		return 0;
	s->n += unlinkat(s->c->dir, name, 0) == 0;
	return 0;
}

void contents_sweep(struct contents *c, bool (*wanted)(void *arg, uint64_t id), void *arg)
{
	struct sweep s = { c, wanted, arg, 0 };
	int err = file_list(c->dir, sweep_one, &s);
	if (err != ERR_OK)
		log_warn("content_sweep_failed", LERR("error", err));
	if (s.n)
		log_info("content_swept", LU("files", s.n));
}
