/* SPDX-License-Identifier: ISC */
/*
 * The log process: reads each process' pipe, stamps every line with the role and pid that master told for that pipe, caps each
 * sender, and writes postrider.log in one write a turn. A sender past its cap loses lines, which are counted and told.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/processes.h"
#include "log/log.h"
#include "sys/file.h"

#define LINE_MAX_OCTETS 16384 /* of a line; a longer one is cut */
#define SECOND_MAX (4u << 20) /* octets a second that one sender may write */
#define OUT_MAX (4u << 20)    /* octets that wait for the file in one turn */
#define SOURCES 96

struct source {
	struct writer *w;
	bool used;
	enum ipc_role role;
	unsigned instance;
	uint32_t pid;
	int fd;
	struct io *io;
	struct buf in;
	uint64_t second, octets, dropped; /* its cap */
};

struct writer {
	struct daemon *d;
	struct source sources[SOURCES];
	struct buf out;
	struct later write;
	int fd;
	uint64_t lost; /* octets that the file did not take */
};

static int open_file(struct writer *w)
{
	int fd = openat(daemon_dir(w->d, "log"), "postrider.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return err_of_errno(errno);
	fd_close(&w->fd);
	w->fd = fd;
	return ERR_OK;
}

/* Mail flows when the disk is full: what cannot be written is counted, and told when there is room again. */
static void write_out(void *arg)
{
	struct writer *w = arg;
	if (w->lost > 0) {
		buf_printf(&w->out, "level=warn event=log_lost octets=%llu\n", (unsigned long long)w->lost);
		w->lost = 0;
	}
	size_t n = buf_len(&w->out);
	if (file_write(w->fd, buf_view(&w->out).p, n) != ERR_OK)
		w->lost += n;
	buf_reset(&w->out);
}

/* A captured process may write anything into its pipe: only printable ASCII reaches the file. */
static void put_printable(struct buf *out, struct view line)
{
	while (line.n > 0) {
		size_t n = 0;
		while (n < line.n && ascii_isprint(line.p[n]))
			n++;
		buf_addv(out, view_head(line, n));
		if (n < line.n)
			buf_addc(out, '?');
		line = view_skip(line, n + 1);
	}
}

static bool is_time(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_isdigit(v.p[i]) && view_find(VIEW("-:.TZ"), v.p[i]) == SIZE_MAX)
			return false;
	return v.n > 0;
}

/* `TIME rest` becomes `TIME role=… pid=… rest`. */
static void put_line(struct source *s, struct view line)
{
	struct buf *out = &s->w->out;
	size_t time = view_find(line, ' ');
	const struct process_row *row = process_row(s->role);
	if (line.n == 0)
		return;
	/* A time, and not something else that reads like a field of ours. */
	if (time != SIZE_MAX && time < 40 && is_time(view_head(line, time))) {
		buf_addv(out, view_head(line, time + 1));
		line = view_skip(line, time + 1);
	}
	buf_printf(out, "role=%s pid=%u ", row != NULL ? row->name : ipc_role_name(s->role), s->pid);
	put_printable(out, line);
	buf_addc(out, '\n');
	loop_later(s->w->d->loop, &s->w->write);
}

static bool within_cap(struct source *s, size_t n)
{
	uint64_t second = loop_now(s->w->d->loop) / 1000;
	if (second != s->second) {
		if (s->dropped > 0)
			log_warn("log_capped", LS("sender", ipc_role_name(s->role)), LU("octets", s->dropped));
		s->second = second;
		s->octets = s->dropped = 0;
	}
	s->octets += n;
	if (s->octets <= SECOND_MAX)
		return true;
	s->dropped += n;
	return false;
}

static void take_lines(struct source *s)
{
	struct view rest = buf_view(&s->in), line;
	size_t used = 0, end;
	while ((end = view_find(rest, '\n')) != SIZE_MAX) {
		line = view_head(rest, end);
		rest = view_skip(rest, end + 1);
		used += end + 1;
		if (within_cap(s, line.n))
			put_line(s, line);
	}
	buf_consume(&s->in, used);
	if (buf_len(&s->in) >= LINE_MAX_OCTETS) {
		put_line(s, buf_view(&s->in));
		buf_reset(&s->in);
	}
	buf_shrink(&s->in);
}

static void on_lines(void *arg, unsigned ready)
{
	struct source *s = arg;
	(void)ready;
	char *room = buf_room(&s->in, 65536);
	ssize_t n = room == NULL ? 0 : read(s->fd, room, 65536);
	if (n > 0) {
		buf_commit(&s->in, (size_t)n);
		take_lines(s);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		io_want(s->io, 0);
	}
}

static struct source *find(struct writer *w, enum ipc_role role, unsigned instance)
{
	struct source *free_one = NULL;
	for (size_t i = 0; i < SOURCES; i++) {
		struct source *s = &w->sources[i];
		if (s->used && s->role == role && s->instance == instance)
			return s;
		if (!s->used && free_one == NULL)
			free_one = s;
	}
	return free_one;
}

static void on_source(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct writer *w = d->user;
	const struct ipc_log_source *m = msg;
	struct source *s = find(w, (enum ipc_role)m->role, m->instance);
	(void)from;
	(void)nfds;
	if (s == NULL) {
		close(fds[0]);
		return;
	}
	if (s->used) {
		io_free(s->io);
		close(s->fd);
	} else {
		buf_init(&s->in, LINE_MAX_OCTETS + 65536);
	}
	s->used = true;
	s->w = w;
	s->role = (enum ipc_role)m->role;
	s->instance = m->instance;
	s->pid = m->pid;
	s->fd = fds[0];
	s->io = io_new(d->loop, s->fd, on_lines, s);
	io_want(s->io, IO_READ);
}

static int start(struct daemon *d)
{
	struct writer *w = mem_new(sizeof *w);
	d->user = w;
	w->d = d;
	w->fd = -1;
	w->write = (struct later){ .fn = write_out, .arg = w };
	buf_init(&w->out, OUT_MAX);
	int err = open_file(w);
	if (err != ERR_OK)
		log_error("log_not_opened", LERR("error", err));
	return err;
}

/* Rotation: the file was renamed, reload opens a new one. */
static void reload(struct daemon *d)
{
	struct writer *w = d->user;
	if (open_file(w) != ERR_OK)
		log_error("log_not_opened", LS("hint", "the old file stays in use"));
}

/* The last words of all others are in the pipes. */
static void stop(struct daemon *d)
{
	struct writer *w = d->user;
	for (size_t i = 0; i < SOURCES; i++)
		if (w->sources[i].used)
			on_lines(&w->sources[i], IO_READ);
	write_out(w);
	daemon_exit(d);
}

int main(int argc, char **argv)
{
	static const struct ipc_handler handlers[] = { { IPC_LOG_SOURCE, on_source }, { IPC_NONE, NULL } };
	static const struct daemon_hooks hooks = {
		.role = ROLE_LOG, .start = start, .reload = reload, .stop = stop, .handlers = handlers };
	return daemon_main(argc, argv, &hooks);
}
