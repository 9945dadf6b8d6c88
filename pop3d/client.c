/* SPDX-License-Identifier: ISC */
#include "client.h"

#include <stdlib.h>

#include "base/mem.h"
#include "engine.h"
#include "sys/file.h"
#include "sys/sock.h"

static void schedule(void *arg)
{
	struct client *c = arg;
	loop_later(c->loop, &c->work);
}

/* False: the connection is of no more use. */
static bool send_some(struct client *c)
{
	struct buf *out = pop3_output(c->pop3);
	while (buf_len(out)) {
		size_t put = 0;
		int err = sock_write(c->fd, buf_view(out), &put);
		if (err == ERR_AGAIN)
			return true;
		if (err != ERR_OK)
			return false;
		buf_consume(out, put);
		timer_set(c->idle, CLIENT_IDLE_MS);
	}
	buf_shrink(out);
	return true;
}

static bool read_some(struct client *c)
{
	char octets[4096];
	struct buf in;
	size_t got, room = pop3_room(c->pop3);
	if (room == 0 || c->ended)
		return true;
	buf_init(&in, sizeof octets);
	int err = sock_read(c->fd, &in, room < sizeof octets ? room : sizeof octets, &got);
	if (err == ERR_OK) {
		(void)pop3_input(c->pop3, buf_view(&in));
		timer_set(c->idle, CLIENT_IDLE_MS);
	}
	buf_fini(&in);
	c->ended = err == ERR_END;
	return err == ERR_OK || err == ERR_AGAIN || err == ERR_END;
}

static void want(struct client *c)
{
	unsigned w = 0;
	if (buf_len(pop3_output(c->pop3)))
		w |= IO_WRITE;
	if (!c->ended && pop3_room(c->pop3) && buf_len(pop3_output(c->pop3)) < POP3_OUTPUT_HIGH && !pop3_over(c->pop3))
		w |= IO_READ;
	io_want(c->io, w);
}

/* Makes, sends and makes again, until the client or the engine has to be waited for. */
static bool pump(struct client *c)
{
	size_t before;
	do {
		pop3_run(c->pop3);
		before = buf_len(pop3_output(c->pop3));
		if (!send_some(c))
			return false;
	} while (before && buf_len(pop3_output(c->pop3)) == 0 && !pop3_over(c->pop3));
	if (buf_len(pop3_output(c->pop3)))
		return true;
	/* A client that ended without QUIT has deleted nothing (RFC 1939 6); one that waits for QUIT's answer gets it. */
	return !pop3_over(c->pop3) && (!c->ended || pop3_busy(c->pop3));
}

static void work(void *arg)
{
	struct client *c = arg;
	if (pump(c))
		want(c);
	else
		c->closed(c->arg, c);
}

static void ready(void *arg, unsigned what)
{
	struct client *c = arg;
	if (what & IO_READ && !read_some(c)) {
		c->closed(c->arg, c);
		return;
	}
	work(c);
}

static void idle(void *arg)
{
	struct client *c = arg;
	c->closed(c->arg, c);
}

struct client *client_new(struct loop *l, struct store *s, int fd, struct view input, void (*closed)(void *arg, struct client *c), void *arg)
{
	struct client *c = mem_new(sizeof *c);
	*c = (struct client){ .loop = l, .fd = fd, .closed = closed, .arg = arg };
	list_init(&c->node);
	c->work = (struct later){ .fn = work, .arg = c };
	c->io = io_new(l, fd, ready, c);
	c->idle = timer_new(l, idle, c);
	timer_set(c->idle, CLIENT_IDLE_MS);
	c->pop3 = pop3_new(s, schedule, c);
	/* More than the engine would read by itself was not asked for: the surplus is lost with the session. */
	if (!pop3_input(c->pop3, input))
		c->ended = true;
	pop3_begin(c->pop3);
	return c;
}

void client_free(struct client *c)
{
	loop_later_cancel(c->loop, &c->work);
	list_remove(&c->node);
	pop3_free(c->pop3);
	timer_free(c->idle);
	io_free(c->io);
	fd_close(&c->fd);
	free(c);
}
