/* SPDX-License-Identifier: ISC */
/*
 * A load generator for SMTP and LMTP that costs little: one epoll loop, no allocation a message. It prints messages acknowledged, seconds,
 * rate, the latency of the final reply, and its own CPU time. The clock stops at the last acknowledgement. A server that lets a connection wait
 * for its banner longer than 3 s is dialled again (OpenSMTPD's listen queue is short). Loopback addresses only.
 *   smtp_load [-s sessions] [-m messages] [-l octets] [-c messages a connection] [-r recipients] [-p] [-L] [-t pattern] [-i file] HOST PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RECIPIENTS_MAX = 20000, BANNER_MS = 3000, SILENCE_MS = 20000 };
enum step { CONNECT, BANNER, HELLO, MAIL, RCPT, DATA, BODY, QUIT };

struct session {
	int fd;
	unsigned dials;     /* changes with each connection */
	enum step step;
	unsigned awaited;   /* replies of this step that are still to come */
	unsigned sent;      /* messages on this connection */
	unsigned named;     /* recipients of the message at hand, one by one */
	uint64_t number;    /* of the message at hand */
	uint64_t began;     /* ns: of the message, or of the connection while no banner came */
	char in[4096];
	size_t nin;
	const char *out;    /* what is still to be written */
	size_t nout;
	bool armed;         /* epoll tells when more can be written */
	char *line;         /* commands: of MAIL and of all RCPTs */
	size_t room;
	char *message;
};

static struct {
	unsigned sessions, length, each, recipients, users;
	uint64_t messages;
	bool pipelined, lmtp;
	const char *pattern;
	struct sockaddr_in to;
	FILE *ids;
	int epoll;
	uint64_t started, acknowledged, refused, redials, last; /* last: ns, of the last acknowledgement */
	unsigned live;
	uint64_t *latency;
	char run[32];
} load = { .sessions = 20, .messages = 10000, .length = 4096, .each = UINT32_MAX, .recipients = 1, .users = 100, .pattern = "user%u@example.test" };

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void dial(struct session *s);

static void drop(struct session *s)
{
	close(s->fd);
	s->fd = -1;
	load.live--;
}

static void want(struct session *s, bool out)
{
	if (s->armed == out)
		return;
	s->armed = out;
	struct epoll_event e = { .events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = s };
	epoll_ctl(load.epoll, EPOLL_CTL_MOD, s->fd, &e);
}

static void push(struct session *s)
{
	while (s->nout > 0) {
		ssize_t n = send(s->fd, s->out, s->nout, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			want(s, true);
			return;
		}
		if (n < 0)
			return;
		s->out += n;
		s->nout -= (size_t)n;
		if (s->nout == 0)
			want(s, false);
	}
}

static void say(struct session *s, enum step step, unsigned replies, const char *text, size_t n)
{
	s->step = step;
	s->awaited = replies;
	s->out = text;
	s->nout = n;
	push(s);
}

static size_t put_recipients(struct session *s, unsigned first, unsigned count, char *at, size_t room)
{
	size_t n = 0;
	for (unsigned i = first; i < first + count; i++) {
		char address[256];
		unsigned user = (unsigned)((s->number * load.recipients + i) % load.users) + 1;
		const char *mark = strchr(load.pattern, '%');
		snprintf(address, sizeof address, "%.*s%u%s", (int)(mark - load.pattern), load.pattern, user, mark + 2);
		n += (size_t)snprintf(at + n, room - n, "RCPT TO:<%s>\r\n", address);
	}
	return n;
}

static void begin(struct session *s)
{
	static const char quit[] = "QUIT\r\n";
	if (load.started >= load.messages || s->sent >= load.each) {
		say(s, QUIT, 1, quit, sizeof quit - 1);
		return;
	}
	s->number = load.started++;
	s->sent++;
	s->began = now_ns();
	int n = snprintf(s->line, s->room, "MAIL FROM:<load@load.test>\r\n");
	if (!load.pipelined) {
		say(s, MAIL, 1, s->line, (size_t)n);
		return;
	}
	n += (int)put_recipients(s, 0, load.recipients, s->line + n, s->room - (size_t)n);
	n += snprintf(s->line + n, s->room - (size_t)n, "DATA\r\n");
	say(s, DATA, load.recipients + 2, s->line, (size_t)n);
}

static void send_body(struct session *s)
{
	/* The Message-ID stands at a fixed place. */
	char id[40];
	int n = snprintf(id, sizeof id, "%s.%012llu", load.run, (unsigned long long)s->number);
	memcpy(s->message + 13, id, (size_t)n);
	say(s, BODY, load.lmtp ? load.recipients : 1, s->message, load.length);
}

static void acknowledge(struct session *s, bool ok)
{
	if (!ok) {
		load.refused++;
		return;
	}
	load.last = now_ns();
	load.latency[load.acknowledged++] = load.last - s->began;
	if (load.ids != NULL)
		fprintf(load.ids, "%s.%012llu\n", load.run, (unsigned long long)s->number);
}

static void on_reply(struct session *s, unsigned code)
{
	bool ok = code < 400;
	if (s->step == BODY && --s->awaited == 0) {
		acknowledge(s, ok);
		begin(s);
		return;
	}
	if (s->step == BODY || (s->step == DATA && --s->awaited > 0))
		return;
	if (!ok && s->step != QUIT) {
		load.refused++;
		drop(s);
		dial(s);
		return;
	}
	switch (s->step) {
	case CONNECT:
	case BANNER: {
		static const char ehlo[] = "EHLO load.test\r\n", lhlo[] = "LHLO load.test\r\n";
		say(s, HELLO, 1, load.lmtp ? lhlo : ehlo, sizeof ehlo - 1);
		break;
	}
	case HELLO:
		begin(s);
		break;
	case MAIL:
		s->named = 0;
		say(s, RCPT, 1, s->line, put_recipients(s, s->named++, 1, s->line, s->room));
		break;
	case RCPT: {
		static const char data[] = "DATA\r\n";
		if (s->named < load.recipients)
			say(s, RCPT, 1, s->line, put_recipients(s, s->named++, 1, s->line, s->room));
		else
			say(s, DATA, 1, data, sizeof data - 1);
		break;
	}
	case DATA:
		send_body(s);
		break;
	case BODY:
		break;
	case QUIT:
		drop(s);
		if (load.started < load.messages)
			dial(s);
		break;
	}
}

static void take(struct session *s)
{
	size_t at = 0;
	unsigned dials = s->dials;
	for (;;) {
		char *end = memchr(s->in + at, '\n', s->nin - at);
		if (end == NULL)
			break;
		const char *line = s->in + at;
		at = (size_t)(end - s->in) + 1;
		if (line[3] != '-')
			on_reply(s, (unsigned)atoi(line));
		if (s->fd < 0 || s->dials != dials)
			return; /* what was read belonged to a connection that is gone */
	}
	s->nin -= at;
	memmove(s->in, s->in + at, s->nin);
}

static void dial(struct session *s)
{
	int one = 1;
	if (load.started >= load.messages)
		return;
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (s->fd < 0 || (connect(s->fd, (struct sockaddr *)&load.to, sizeof load.to) != 0 && errno != EINPROGRESS)) {
		perror("smtp_load: connect");
		exit(1);
	}
	s->dials++;
	s->step = BANNER;
	s->awaited = 1;
	s->nin = 0;
	s->nout = 0;
	s->sent = 0;
	s->armed = false;
	s->began = now_ns();
	load.live++;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
	epoll_ctl(load.epoll, EPOLL_CTL_ADD, s->fd, &e);
}

static void on_event(struct session *s, uint32_t events)
{
	if (events & EPOLLOUT)
		push(s);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || s->fd < 0)
		return;
	ssize_t n = recv(s->fd, s->in + s->nin, sizeof s->in - s->nin, 0);
	if (n > 0) {
		s->nin += (size_t)n;
		take(s);
	} else if (n == 0 || errno != EAGAIN) {
		if (++load.redials > 1000 + load.acknowledged) {
			fprintf(stderr, "smtp_load: the server refuses connections\n");
			exit(1);
		}
		drop(s);
		dial(s);
	}
}

static void make_message(struct session *s, unsigned k)
{
	s->room = 512 + (size_t)load.recipients * 300;
	s->line = malloc(s->room);
	s->message = malloc(load.length + 1);
	int n = snprintf(s->message, load.length, "Message-ID: <%s.%012u@load.test>\r\nFrom: <load@load.test>\r\nSubject: load %u\r\n\r\n", load.run, 0u, k);
	for (unsigned i = (unsigned)n; i < load.length; i++)
		s->message[i] = (i - (unsigned)n) % 72 == 70 ? '\r' : (i - (unsigned)n) % 72 == 71 ? '\n' : (char)('a' + i % 26);
	memcpy(s->message + load.length - 7, "xx\r\n.\r\n", 7);
	/* No CR or LF may stand alone before the end. */
	for (unsigned i = (unsigned)n; i < load.length - 7; i++)
		if ((s->message[i] == '\r' && (s->message[i + 1] != '\n' || i + 1 >= load.length - 7)) || (s->message[i] == '\n' && s->message[i - 1] != '\r'))
			s->message[i] = 'x';
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static double cpu_ms(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

static void report(uint64_t ns)
{
	double seconds = (double)ns / 1e9;
	uint64_t n = load.acknowledged;
	qsort(load.latency, n, sizeof *load.latency, by_value);
	printf("{\"acknowledged\":%llu,\"refused\":%llu,\"redials\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"load_cpu_ms\":%.4f}\n",
		(unsigned long long)n, (unsigned long long)load.refused, (unsigned long long)load.redials, seconds, (double)n / seconds,
		n > 0 ? (double)load.latency[n / 2] / 1e6 : 0, n > 0 ? (double)load.latency[n * 99 / 100] / 1e6 : 0,
		cpu_ms() / (double)(n > 0 ? n : 1));
}

/* Dials those again that wait for a banner in vain; without work left they are dropped. */
static void redial(struct session *sessions)
{
	uint64_t now = now_ns();
	for (unsigned i = 0; i < load.sessions; i++) {
		struct session *s = &sessions[i];
		if (s->fd < 0 || s->step != BANNER || now - s->began < (uint64_t)BANNER_MS * 1000000)
			continue;
		load.redials++;
		drop(s);
		dial(s);
	}
}

static int options(int argc, char **argv)
{
	int c;
	while ((c = getopt(argc, argv, "s:m:l:c:r:u:t:i:pL")) != -1) {
		unsigned long v = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;
		switch (c) {
		case 's': load.sessions = (unsigned)v; break;
		case 'm': load.messages = v; break;
		case 'l': load.length = (unsigned)v; break;
		case 'c': load.each = (unsigned)v; break;
		case 'r': load.recipients = (unsigned)v; break;
		case 'u': load.users = (unsigned)v; break;
		case 't': load.pattern = optarg; break;
		case 'i': load.ids = fopen(optarg, "a"); break;
		case 'p': load.pipelined = true; break;
		case 'L': load.lmtp = true; break;
		default: return 0;
		}
	}
	bool ok = argc - optind == 2 && load.sessions > 0 && load.sessions <= 15000 && load.length >= 256 && load.recipients > 0 &&
		load.recipients <= RECIPIENTS_MAX && load.users > 0 && strstr(load.pattern, "%u") != NULL;
	return ok ? optind : 0;
}

int main(int argc, char **argv)
{
	int at = options(argc, argv);
	if (at == 0 || inet_pton(AF_INET, argv[at], &load.to.sin_addr) != 1 || (ntohl(load.to.sin_addr.s_addr) >> 24) != 127) {
		fprintf(stderr, "usage: smtp_load [-s sessions] [-m messages] [-l octets] [-c messages a connection] [-r recipients]\n"
			"  [-u users] [-t address-pattern] [-i file for acknowledged ids] [-p pipelined] [-L LMTP] 127.x.x.x PORT\n");
		return 64;
	}
	load.to.sin_family = AF_INET;
	load.to.sin_port = htons((uint16_t)atoi(argv[at + 1]));
	load.latency = calloc(load.messages + 1, sizeof *load.latency);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	snprintf(load.run, sizeof load.run, "r%08x%08x", (unsigned)getpid(), (unsigned)now_ns());
	struct session *sessions = calloc(load.sessions, sizeof *sessions);
	for (unsigned i = 0; i < load.sessions; i++)
		make_message(&sessions[i], i);
	uint64_t start = now_ns(), heard = start, swept = start;
	load.last = start;
	for (unsigned i = 0; i < load.sessions; i++)
		dial(&sessions[i]);
	while (load.live > 0) {
		struct epoll_event e[256];
		int n = epoll_wait(load.epoll, e, 256, 500);
		uint64_t now = now_ns();
		if (n > 0)
			heard = now;
		if (now - heard > (uint64_t)SILENCE_MS * 1000000) {
			fprintf(stderr, "smtp_load: nothing came for %d s\n", SILENCE_MS / 1000);
			break;
		}
		if (now - swept > 500000000) {
			redial(sessions);
			swept = now;
		}
		for (int i = 0; i < n; i++)
			on_event(e[i].data.ptr, e[i].events);
	}
	report(load.last > start ? load.last - start : 1);
	if (load.ids != NULL)
		fclose(load.ids);
	return load.acknowledged == load.messages ? 0 : 1;
}
