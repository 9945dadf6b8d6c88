/* SPDX-License-Identifier: ISC */
#include "log/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/date.h"
#include "base/err.h"
#include "sys/clock.h"

enum {
	VALUE_MAX = 1024,
	LINE_MAX = 8 * 1024,      /* with its newline */
	GATHERED = 16 * 1024,     /* so much waiting is written */
	PACKET_MAX = 24 * 1024,   /* whole lines of one write: what waited and one line more */
	WAITING_MAX = 256 * 1024, /* a sink that is slower than that loses lines, counted */
};

/* The process' log: the one context. */
static struct {
	int fd; /* -1 stands for standard error */
	bool is_socket;
	enum log_level least;
	const char *role;
	const char *program; /* of a fork that shares its sink */
	struct buf waiting; /* whole lines, but for a first one that a stream took in part */
	uint64_t dropped;
	struct buf line; /* what is being built, empty between two calls */
} sink = { .fd = -1, .least = LOG_LEVEL_INFO, .waiting = { .max = WAITING_MAX } };

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

void log_to(int fd, enum log_level least)
{
	int type;

	log_flush();
	sink.fd = fd;
	sink.least = least;
	sink.is_socket = fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){ sizeof type }) == 0;
}

void log_role(const char *role)
{
	sink.role = role;
}

void log_program(const char *name)
{
	sink.program = name;
}

static bool plain(char c)
{
	return c > ' ' && c <= '~' && c != '"' && c != '\\';
}

static void put_quoted(struct buf *b, struct view v, const char *dots)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < v.n; i++) {
		if (plain(v.p[i]) || v.p[i] == ' ')
			buf_addc(b, v.p[i]);
		else if (v.p[i] == '"' || v.p[i] == '\\')
			buf_printf(b, "\\%c", v.p[i]);
		else
			buf_printf(b, "\\x%02x", (unsigned)(unsigned char)v.p[i]);
	}
	buf_printf(b, "%s\"", dots);
}

/* A value that was cut ends in dots. */
static void put_text(struct buf *b, struct view whole)
{
	struct view v = view_head(whole, VALUE_MAX);
	const char *dots = v.n < whole.n ? "..." : "";
	size_t i = 0;

	while (i < v.n && plain(v.p[i]))
		i++;
	if (i < v.n || v.n == 0) {
		put_quoted(b, v, dots);
		return;
	}
	buf_addv(b, v);
	buf_adds(b, dots);
}

static void put_errno(struct buf *b, int e)
{
	const char *name = strerrorname_np(e);

	if (name)
		buf_adds(b, name);
	else
		buf_addi(b, e);
}

static void put_value(struct buf *b, const struct log_field *f)
{
	switch (f->type) {
	case LOG_TEXT:
		put_text(b, f->v);
		return;
	case LOG_UNSIGNED:
		buf_addu(b, f->u);
		return;
	case LOG_SIGNED:
		buf_addi(b, f->i);
		return;
	case LOG_ERR:
		buf_adds(b, err_name((int)f->i));
		return;
	case LOG_ERRNO:
		put_errno(b, (int)f->i);
		return;
	}
}

/* Fields that no longer fit into the buf are left out as wholes, and the line says so. */
void log_render(struct buf *b, const char *event, const struct log_field *fields)
{
	static const char cut[] = " cut=1";
	size_t most = b->max;

	buf_adds(b, "event=");
	buf_adds(b, event);
	/* Keeps place for the remark. */
	b->max = b->max > sizeof cut + b->n ? b->max - (sizeof cut - 1) : b->max;
	for (; fields->name; fields++) {
		size_t before = b->n;
		bool was_over = b->over;
		b->over = false;
		buf_addc(b, ' ');
		buf_adds(b, fields->name);
		buf_addc(b, '=');
		put_value(b, fields);
		if (b->over) {
			buf_cut(b, before);
			b->max = most;
			b->over = was_over;
			buf_adds(b, cut);
			return;
		}
		b->over = was_over;
	}
	b->max = most;
}

static void put_line(struct buf *b, enum log_level level, const char *event, const struct log_field *fields)
{
	uint32_t ns;
	int64_t now = clock_wall(&ns);

	date_put_iso(b, now, ns);
	buf_adds(b, " level=");
	buf_adds(b, level_names[level]);
	buf_addc(b, ' ');
	if (sink.fd < 0)
		buf_printf(b, "role=%s pid=%ld ", sink.role ? sink.role : "postrider", (long)getpid());
	if (sink.program)
		buf_printf(b, "program=%s child=%ld ", sink.program, (long)getpid());
	log_render(b, event, fields);
}

/* Adds a line to those that wait; the one that says how many were lost comes before. */
static void add_line(enum log_level level, const char *event, const struct log_field *fields)
{
	struct buf *line = &sink.line;

	line->max = LINE_MAX - 1;
	put_line(line, level, event, fields);
	line->max = LINE_MAX;
	buf_addc(line, '\n');
	if (buf_len(line) > sink.waiting.max - buf_len(&sink.waiting))
		sink.dropped++;
	else
		buf_addv(&sink.waiting, buf_view(line));
	buf_reset(line);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	if (level < sink.least)
		return;
	if (sink.dropped && buf_len(&sink.waiting) + LINE_MAX < WAITING_MAX / 2) {
		uint64_t lines = sink.dropped;
		sink.dropped = 0;
		add_line(LOG_LEVEL_WARN, "log_lines_lost", LOG_FIELDS(LU("lines", lines)));
	}
	add_line(level, event, fields);
	if (level >= LOG_LEVEL_ERROR || buf_len(&sink.waiting) >= GATHERED)
		log_flush();
}

size_t log_waiting(void)
{
	return buf_len(&sink.waiting);
}

/* Whole lines up to the size of a packet; a lone line is never longer than that. */
static struct view next_packet(void)
{
	struct view v = view_head(buf_view(&sink.waiting), PACKET_MAX);

	return view_head(v, view_rfind(v, '\n') + 1);
}

static ssize_t put_packet(struct view v)
{
	if (sink.is_socket)
		return send(sink.fd, v.p, v.n, MSG_NOSIGNAL);
	return write(sink.fd < 0 ? STDERR_FILENO : sink.fd, v.p, v.n);
}

static uint64_t count_lines(struct view v)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < v.n; i++)
		lines += v.p[i] == '\n';
	return lines;
}

/* A sink that is full keeps its lines waiting; one that is broken loses them, counted. errno stays the caller's. */
void log_flush(void)
{
	int saved = errno;

	while (buf_len(&sink.waiting)) {
		struct view v = next_packet();
		ssize_t n = put_packet(v);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			sink.dropped += count_lines(v);
		buf_consume(&sink.waiting, n < 0 ? v.n : (size_t)n);
	}
	errno = saved;
}
