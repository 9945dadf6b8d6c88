/* SPDX-License-Identifier: ISC */
/*
 * The bare skeleton of the design, the bound that Postrider is measured against: a receiver process that parses almost nothing, and a spool
 * owner over one socket pair with one journal file, whose thread flushes; a message is acknowledged after the flush that covers it.
 *   skeleton PORT FILE     FILE is the journal, made anew
 *   skeleton PORT          a sink: every message is acknowledged at once and forgotten, to measure the load generator
 * It speaks enough SMTP for smtp_load and nothing more, on 127.0.0.1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SESSIONS = 4096, OWNER_ROOM = 8 << 20, AHEAD = 64 << 20 };

struct session {
	int fd;
	bool data;      /* content comes */
	bool waits;     /* for the owner's word */
	unsigned dials; /* tells an answer to a connection that is gone */
	char *in;
	size_t n, cap, at; /* octets there, room, where the search for the end of content goes on */
	char out[4096];
	size_t nout;
};

/* What goes over the socket pair before the content, and comes back alone. */
struct frame {
	uint32_t session, dials, length, spare;
};

static struct {
	int epoll, owner; /* owner < 0: a sink */
	struct session s[SESSIONS];
	char *to_owner;
	size_t n, cap;
} receiver;

static _Noreturn void die(const char *what)
{
	perror(what);
	_exit(1);
}

static void *grow(void *p, size_t *cap, size_t need)
{
	while (*cap < need)
		*cap = *cap == 0 ? 8192 : *cap * 2;
	p = realloc(p, *cap);
	if (p == NULL)
		die("skeleton: memory");
	return p;
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);
		if (w < 0)
			die("skeleton: write");
		p += w;
		n -= (size_t)w;
	}
}

/* ---- the receiver ---- */

static void reply(struct session *s, const char *text)
{
	size_t n = strlen(text);
	if (s->nout + n > sizeof s->out)
		die("skeleton: a client pipelines too much");
	memcpy(s->out + s->nout, text, n);
	s->nout += n;
}

static void flush_replies(struct session *s)
{
	if (s->nout > 0 && send(s->fd, s->out, s->nout, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		die("skeleton: send");
	s->nout = 0;
}

static void hang_up(struct session *s)
{
	close(s->fd);
	s->fd = -1;
	s->dials++;
}

static void commit(struct session *s, size_t length)
{
	struct frame f = { .session = (uint32_t)(s - receiver.s), .dials = s->dials, .length = (uint32_t)length };
	if (receiver.owner < 0) {
		reply(s, "250 ok\r\n");
		return;
	}
	if (receiver.cap < receiver.n + sizeof f + length)
		receiver.to_owner = grow(receiver.to_owner, &receiver.cap, receiver.n + sizeof f + length);
	memcpy(receiver.to_owner + receiver.n, &f, sizeof f);
	memcpy(receiver.to_owner + receiver.n + sizeof f, s->in, length);
	receiver.n += sizeof f + length;
	s->waits = true;
}

/* The octets of the content up to and with its end, 0: not there yet. */
static size_t content(struct session *s)
{
	char *end = memmem(s->in + s->at, s->n - s->at, "\r\n.\r\n", 5);
	if (end != NULL)
		return (size_t)(end - s->in) + 5;
	s->at = s->n > 4 ? s->n - 4 : 0;
	return 0;
}

/* false: the connection is over. */
static bool command(struct session *s)
{
	switch (s->in[0]) {
	case 'D':
		s->data = true;
		s->at = 0;
		reply(s, "354 go on\r\n");
		return true;
	case 'Q':
		reply(s, "221 bye\r\n");
		return false;
	default:
		reply(s, "250 ok\r\n");
		return true;
	}
}

static void consume(struct session *s)
{
	while (s->n > 0 && !s->waits) {
		char *end;
		size_t used;
		bool goes_on = true;
		if (s->data) {
			used = content(s);
			if (used == 0)
				break;
			s->data = false;
			commit(s, used);
		} else {
			end = memchr(s->in, '\n', s->n);
			if (end == NULL)
				break;
			used = (size_t)(end - s->in) + 1;
			goes_on = command(s);
		}
		s->n -= used;
		memmove(s->in, s->in + used, s->n);
		if (!goes_on) {
			flush_replies(s);
			hang_up(s);
			return;
		}
	}
	flush_replies(s);
}

static void on_session(struct session *s)
{
	if (s->cap < s->n + 65536)
		s->in = grow(s->in, &s->cap, s->n + 65536);
	ssize_t n = recv(s->fd, s->in + s->n, s->cap - s->n, 0);
	if (n > 0) {
		s->n += (size_t)n;
		consume(s);
	} else if (n == 0 || errno != EAGAIN) {
		hang_up(s);
	}
}

static void on_listener(int listener)
{
	int fd, one = 1;
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		unsigned i = 0;
		while (i < SESSIONS && receiver.s[i].fd >= 0)
			i++;
		if (i == SESSIONS) {
			close(fd);
			continue;
		}
		struct session *s = &receiver.s[i];
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		s->fd = fd;
		s->n = 0;
		s->data = s->waits = false;
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
		epoll_ctl(receiver.epoll, EPOLL_CTL_ADD, fd, &e);
		reply(s, "220 skeleton\r\n");
		flush_replies(s);
	}
}

static void on_owner(void)
{
	static struct frame f[SESSIONS];
	static size_t have;
	ssize_t n = read(receiver.owner, (char *)f + have, sizeof f - have);
	if (n <= 0)
		_exit(1);
	have += (size_t)n;
	size_t whole = have / sizeof *f;
	for (size_t i = 0; i < whole; i++) {
		struct session *s = &receiver.s[f[i].session];
		if (s->fd < 0 || s->dials != f[i].dials)
			continue;
		s->waits = false;
		reply(s, "250 ok\r\n");
		consume(s);
	}
	have -= whole * sizeof *f;
	memmove(f, f + whole, have);
}

static _Noreturn void receive(int listener)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL }, got[256];
	receiver.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < SESSIONS; i++)
		receiver.s[i].fd = -1;
	epoll_ctl(receiver.epoll, EPOLL_CTL_ADD, listener, &e);
	e.data.ptr = &receiver.owner;
	if (receiver.owner >= 0)
		epoll_ctl(receiver.epoll, EPOLL_CTL_ADD, receiver.owner, &e);
	for (;;) {
		int n = epoll_wait(receiver.epoll, got, 256, -1);
		for (int i = 0; i < n; i++) {
			if (got[i].data.ptr == NULL)
				on_listener(listener);
			else if (got[i].data.ptr == &receiver.owner)
				on_owner();
			else if (((struct session *)got[i].data.ptr)->fd >= 0)
				on_session(got[i].data.ptr);
		}
		if (receiver.n > 0)
			write_all(receiver.owner, receiver.to_owner, receiver.n);
		receiver.n = 0;
	}
}

/* ---- the owner of the spool ---- */

static struct {
	int fd, receiver;
	pthread_mutex_t m;
	pthread_cond_t c;
	struct frame *waiting; /* appended, not flushed */
	size_t n, cap;
} spool = { .m = PTHREAD_MUTEX_INITIALIZER, .c = PTHREAD_COND_INITIALIZER };

/* Flushes for as long as something waits, and acknowledges what a flush covered. */
static void *flusher(void *arg)
{
	struct frame *mine = NULL;
	size_t n, cap = 0;
	(void)arg;
	for (;;) {
		pthread_mutex_lock(&spool.m);
		while (spool.n == 0)
			pthread_cond_wait(&spool.c, &spool.m);
		struct frame *p = spool.waiting;
		size_t c = spool.cap;
		n = spool.n;
		spool.waiting = mine;
		spool.cap = cap;
		spool.n = 0;
		mine = p;
		cap = c;
		pthread_mutex_unlock(&spool.m);
		if (fdatasync(spool.fd) != 0)
			die("skeleton: fdatasync");
		write_all(spool.receiver, (const char *)mine, n * sizeof *mine);
	}
	return NULL;
}

/* The octets of the whole frames in p; with `waiting` they are noted as appended. */
static size_t frames(const char *p, size_t n, bool waiting)
{
	size_t at = 0;
	struct frame f;
	while (n - at >= sizeof f) {
		memcpy(&f, p + at, sizeof f);
		if (n - at < sizeof f + f.length)
			break;
		at += sizeof f + f.length;
		if (!waiting)
			continue;
		if (spool.cap < (spool.n + 1) * sizeof f)
			spool.waiting = grow(spool.waiting, &spool.cap, (spool.n + 1) * sizeof f);
		spool.waiting[spool.n++] = f;
	}
	return at;
}

static _Noreturn void own(const char *path)
{
	char *in = malloc(OWNER_ROOM);
	size_t have = 0;
	off_t end = 0, ahead = 0;
	pthread_t t;
	spool.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (in == NULL || spool.fd < 0 || pthread_create(&t, NULL, flusher, NULL) != 0)
		die(path);
	for (;;) {
		ssize_t n = read(spool.receiver, in + have, OWNER_ROOM - have);
		if (n <= 0)
			_exit(0);
		have += (size_t)n;
		/* Only what is whole is appended; one write for all that came together. */
		size_t whole = frames(in, have, false);
		if (whole == 0)
			continue;
		if (end + (off_t)whole > ahead && fallocate(spool.fd, 0, ahead, AHEAD) == 0)
			ahead += AHEAD;
		write_all(spool.fd, in, whole);
		end += (off_t)whole;
		pthread_mutex_lock(&spool.m);
		frames(in, whole, true);
		pthread_cond_signal(&spool.c);
		pthread_mutex_unlock(&spool.m);
		have -= whole;
		memmove(in, in + whole, have);
	}
}

int main(int argc, char **argv)
{
	int pair[2], one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: skeleton PORT [FILE]\n");
		return 64;
	}
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 4096) != 0)
		die("skeleton: listen");
	receiver.owner = -1;
	if (argc < 3)
		receive(listener);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		die("skeleton: socketpair");
	pid_t receiving = fork();
	if (receiving < 0)
		die("skeleton: fork");
	if (receiving == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[1]);
		receiver.owner = pair[0];
		receive(listener);
	}
	close(pair[0]);
	close(listener);
	spool.receiver = pair[1];
	own(argv[2]);
}
