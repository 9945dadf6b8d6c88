/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"
#include "login.h"
#include "sys/clock.h"
#include "sys/file.h"

#define LINE_MAX_OCTETS 16384  /* an initial response of 12 KiB, coded */
#define KEPT_MAX (24u << 10)   /* a command with its literals */
#define DEADLINE 180000        /* ms for all before log-in */
#define IDLE 60000             /* ms between two commands */
#define BAD_MAX 10

const struct protocol *client_protocol(const struct client *c)
{
	return c->door == IPC_DOOR_IMAP ? &imap_protocol : &pop3_protocol;
}

bool client_secure(const struct client *c)
{
	return stream_is_secure(c->stream);
}

void client_go_on(struct client *c)
{
	struct buf *in = stream_input(c->stream);
	if (c->state == CLIENT_COMMAND && buf_len(in) > 0)
		client_protocol(c)->take(c, in);
	else if ((c->state == CLIENT_RESPONSE || c->state == CLIENT_FINAL) && buf_len(in) > 0)
		sasl_take_response(c, in);
}

static void on_data(void *arg, struct stream *s)
{
	struct client *c = arg;
	(void)s;
	if (c->state == CLIENT_WAITING)
		stream_pause(c->stream);
	else
		client_go_on(c);
}

static void on_secure(void *arg, struct stream *s)
{
	struct client *c = arg;
	(void)s;
	c->state = CLIENT_COMMAND;
	/* What was said before TLS is forgotten. */
	buf_reset(&c->user);
	imap_reader_fini(&c->reader);
	imap_reader_init(&c->reader, LINE_MAX_OCTETS, KEPT_MAX);
	if (!c->starttls_told)
		client_protocol(c)->greet(c);
	c->starttls_told = false;
}

static void on_closed(void *arg, struct stream *s, enum stream_end why)
{
	struct client *c = arg;
	(void)s;
	if (why == STREAM_END_TLS || why == STREAM_END_DEADLINE)
		log_info("tls_failed", LS("session", c->session), LS("peer", c->peer), LS("why", stream_tls_error(c->stream)));
	else if (why == STREAM_END_IDLE)
		client_protocol(c)->farewell(c, "Autologout; idle for too long");
	client_close(c);
}

static const struct stream_callbacks callbacks = { .on_data = on_data, .on_secure = on_secure, .on_closed = on_closed };

void client_start_tls(struct client *c)
{
	c->state = CLIENT_WAITING;
	if (stream_starttls_server(c->stream, keys_server(c->l->d)) == ERR_OK)
		return;
	/* Octets pipelined behind the command: nobody honest sends them (CVE-2011-0411). */
	log_warn("starttls_injection", LS("session", c->session), LS("peer", c->peer));
	stream_discard_input(c->stream);
	client_protocol(c)->farewell(c, "Commands were sent before TLS was there");
	client_close(c);
}

static void too_long(void *arg)
{
	struct client *c = arg;
	client_protocol(c)->farewell(c, "Autologout; log in faster");
	client_close(c);
}

bool client_bad(struct client *c)
{
	if (++c->bad < BAD_MAX)
		return true;
	client_protocol(c)->farewell(c, "Too many commands that are none");
	client_close(c);
	return false;
}

void client_new(struct login *l, enum ipc_door door, bool implicit_tls, int fd, const struct sock_addr *peer)
{
	struct client *c = mem_new(sizeof *c);
	c->l = l;
	c->door = door;
	c->passed = -1;
	snprintf(c->session, sizeof c->session, "%016llx", (unsigned long long)random_u64());
	sock_addr_text(peer, c->peer);
	buf_init(&c->tag, 64);
	buf_init(&c->user, 512);
	buf_init(&c->sealed, 1024);
	imap_reader_init(&c->reader, LINE_MAX_OCTETS, KEPT_MAX);
	c->stream = stream_new(l->d->loop, fd, &callbacks, c);
	stream_set_input_max(c->stream, KEPT_MAX);
	stream_set_idle(c->stream, IDLE);
	c->deadline = timer_new(l->d->loop, too_long, c);
	timer_set(c->deadline, DEADLINE);
	list_append(&l->clients, &c->node);
	if (++l->count >= conf_num(l->d->conf, PARAM_CLIENTS_PER_PROCESS))
		daemon_accept(l->d, false);
	log_debug("connect", LS("session", c->session), LS("peer", c->peer));
	if (implicit_tls)
		client_start_tls(c);
	else
		client_protocol(c)->greet(c);
}

void client_close(struct client *c)
{
	struct login *l = c->l;
	sasl_abort(c);
	if (c->stream != NULL)
		stream_close_linger(c->stream);
	if (c->inner != NULL)
		stream_close(c->inner);
	fd_close(&c->passed);
	timer_free(c->deadline);
	imap_reader_fini(&c->reader);
	buf_fini(&c->tag);
	buf_fini(&c->user);
	mem_wipe(c->sealed.mem, c->sealed.cap);
	buf_fini(&c->sealed);
	list_remove(&c->node);
	l->count--;
	free(c);
	if (!l->d->stopping)
		daemon_accept(l->d, l->count < conf_num(l->d->conf, PARAM_CLIENTS_PER_PROCESS));
	else if (l->count == 0)
		daemon_exit(l->d);
}
