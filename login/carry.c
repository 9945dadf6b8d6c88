/* SPDX-License-Identifier: ISC */
/* After log-in: the session goes to host, and the octets of a TLS connection through a socket pair to the account's process. */
#include <unistd.h>

#include "log/log.h"
#include "login.h"
#include "sys/file.h"
#include "sys/sock.h"

#define CARRY_INPUT 65536
#define INPUT_PASSED 65000 /* octets behind the log-in command that go along with it */

static void move(struct client *c, struct stream *from, struct stream *to)
{
	(void)c;
	struct buf *in = stream_input(from);
	stream_write(to, buf_view(in));
	buf_consume(in, buf_len(in));
	if (stream_full(to))
		stream_pause(from);
}

static struct stream *other(struct client *c, const struct stream *s)
{
	return s == c->stream ? c->inner : c->stream;
}

static void on_data(void *arg, struct stream *s)
{
	struct client *c = arg;
	if (c->state == CLIENT_CARRIED)
		move(c, s, other(c, s));
	else
		stream_pause(s);
}

static void on_drained(void *arg, struct stream *s)
{
	struct client *c = arg;
	if (c->state == CLIENT_CARRIED)
		stream_resume(other(c, s));
}

static void on_closed(void *arg, struct stream *s, enum stream_end why)
{
	struct client *c = arg;
	/* What the account's process said last still goes out; what a client said last goes in. */
	if (why == STREAM_END_CLEAN && c->state == CLIENT_CARRIED)
		move(c, s, other(c, s));
	client_close(c);
}

static const struct stream_callbacks carrying = { .on_data = on_data, .on_drained = on_drained, .on_closed = on_closed };

static void failed(struct client *c)
{
	fd_close(&c->passed);
	if (c->inner != NULL)
		stream_free(c->inner);
	c->inner = NULL;
	c->state = CLIENT_COMMAND;
	client_protocol(c)->refused(c, IPC_STEP_LATER, "The mailbox cannot be opened right now");
	stream_resume(c->stream);
}

/* A plain connection is passed on as it is; TLS stays here, and a pair of sockets carries its octets. */
static int prepare(struct client *c, int *fd)
{
	int pair[2];
	if (!stream_is_tls(c->stream)) {
		*fd = stream_fd(c->stream);
		return ERR_OK;
	}
	int err = sock_pair(SOCK_STREAM, pair);
	if (err != ERR_OK)
		return err;
	c->inner = stream_new(c->l->d->loop, pair[0], &carrying, c);
	c->passed = *fd = pair[1];
	return ERR_OK;
}

void carry_start(struct client *c)
{
	struct ipc_channel *host = daemon_channel(c->l->d, ROLE_HOST, 0);
	struct buf *in = stream_input(c->stream);
	int fd = -1;
	c->state = CLIENT_WAITING;
	stream_pause(c->stream);
	int err = buf_len(in) > INPUT_PASSED ? ERR_TOO_BIG : prepare(c, &fd);
	if (err != ERR_OK) {
		failed(c);
		return;
	}
	struct ipc_session_start m = { .id = ipc_next_id(host), .door = (uint8_t)c->door, .tls = stream_is_tls(c->stream),
		.login = buf_view(&c->sealed), .session = view_of(c->session), .peer = view_of(c->peer), .tag = buf_view(&c->tag),
		.input = buf_view(in) };
	err = ipc_request(host, IPC_SESSION_START, &m, &fd, 1);
	if (err != ERR_OK) {
		failed(c);
		return;
	}
	buf_consume(in, buf_len(in));
	c->asked = m.id;
	c->asked_of = host;
	map64_set(c->l->asked, m.id, c);
}

void carry_on_started(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct login *l = d->user;
	const struct ipc_session_started *m = msg;
	struct client *c = map64_del(l->asked, m->id);
	(void)from;
	(void)fds;
	(void)nfds;
	if (c == NULL)
		return;
	c->asked = 0;
	if (m->outcome != IPC_DONE) {
		failed(c);
		return;
	}
	fd_close(&c->passed);
	timer_stop(c->deadline);
	c->state = CLIENT_CARRIED;
	if (c->inner == NULL) {
		/* The account's process has the connection now; our copy is closed without a word. */
		stream_free(c->stream);
		c->stream = NULL;
		client_close(c);
		return;
	}
	stream_set_input_max(c->stream, CARRY_INPUT);
	stream_set_input_max(c->inner, CARRY_INPUT);
	stream_set_idle(c->stream, 0);
	stream_set_arg(c->stream, &carrying, c);
	stream_resume(c->stream);
	stream_resume(c->inner);
}
