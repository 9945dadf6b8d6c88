/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "pair.h"
#include "sys/sock.h"

static const char *const keys[] = { "p256", NULL };

enum { BIG = 4 * 1024 * 1024 };

static void set_up(struct bench *b, struct pair *p)
{
	bench_init(b, keys);
	pair_init(p, b);
}

static void tear_down(struct bench *b, struct pair *p)
{
	pair_fini(p);
	bench_fini(b);
}

static void raise_to_tls(struct pair *p)
{
	pair_start(p, "", TLS1_3_VERSION, NULL);
	bench_run(p->server.b, pair_secure, p);
}

static void in_both(void (*test)(struct pair *p))
{
	for (int tls = 0; tls < 2; tls++) {
		struct bench b;
		struct pair p;
		set_up(&b, &p);
		if (tls)
			raise_to_tls(&p);
		test(&p);
		tear_down(&b, &p);
	}
}

static bool server_closed(void *arg)
{
	return ((struct pair *)arg)->server.closed;
}

static bool client_closed(void *arg)
{
	return ((struct pair *)arg)->client.closed;
}

static char *pattern(size_t n)
{
	char *p = mem_new(n);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 251);
	return p;
}

/* ---- the end ---- */

static void clean(struct pair *p)
{
	stream_puts(p->client.s, "last words");
	stream_close(p->client.s);
	p->client.s = NULL;
	bench_run(p->server.b, server_closed, p);
	assert_int_equal(p->server.why, STREAM_END_CLEAN);
	assert_true(view_eqs(buf_view(&p->server.heard), "last words"));
	stream_puts(p->server.s, "too late, but no fault");
	bench_wait(p->server.b, 10);
}

static void test_clean(void **state)
{
	(void)state;
	in_both(clean);
}

/* TCP's end without close_notify is an end in the clear and a truncation in TLS. */
static void dropped(struct pair *p)
{
	stream_puts(p->client.s, "cut o");
	bench_wait(p->server.b, 10);
	stream_free(p->client.s);
	p->client.s = NULL;
	bench_run(p->server.b, server_closed, p);
	assert_true(view_eqs(buf_view(&p->server.heard), "cut o"));
	assert_int_equal(p->server.why, stream_is_tls(p->server.s) ? STREAM_END_TRUNCATED : STREAM_END_CLEAN);
}

static void test_dropped(void **state)
{
	(void)state;
	in_both(dropped);
}

/* A client that sends its end with its last command still gets the reply. */
static void half(struct pair *p)
{
	assert_int_equal(shutdown(stream_fd(p->client.s), SHUT_WR), 0);
	bench_run(p->server.b, server_closed, p);
	stream_puts(p->server.s, "221 bye");
	stream_close(p->server.s);
	p->server.s = NULL;
	bench_run(p->client.b, client_closed, p);
	assert_true(view_eqs(buf_view(&p->client.heard), "221 bye"));
	assert_int_equal(p->client.why, STREAM_END_CLEAN);
}

static void test_half_closed(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	set_up(&b, &p);
	half(&p);
	tear_down(&b, &p);
}

static void idle(struct pair *p)
{
	stream_set_idle(p->server.s, 60);
	for (int i = 0; i < 4; i++) {
		bench_wait(p->server.b, 30);
		stream_puts(p->client.s, ".");
	}
	assert_false(p->server.closed);
	stream_pause(p->server.s);
	bench_wait(p->server.b, 120);
	assert_false(p->server.closed); /* we keep it waiting, not it us */
	stream_resume(p->server.s);
	bench_run(p->server.b, server_closed, p);
	assert_int_equal(p->server.why, STREAM_END_IDLE);
	stream_puts(p->server.s, "421 too slow");
	stream_close(p->server.s);
	p->server.s = NULL;
	bench_run(p->client.b, client_closed, p);
	assert_true(view_eqs(buf_view(&p->client.heard), "421 too slow"));
}

static void test_idle(void **state)
{
	(void)state;
	in_both(idle);
}

static bool everything_heard(void *arg)
{
	return buf_len(&((struct pair *)arg)->client.heard) == BIG;
}

/* All that was written arrives, though the stream was closed at once, and though the peer went on talking. */
static void closed_full(struct pair *p)
{
	char *big = pattern(BIG);
	stream_write(p->server.s, view_make(big, BIG));
	stream_close_linger(p->server.s);
	p->server.s = NULL;
	stream_puts(p->client.s, "still talking");
	bench_run(p->client.b, client_closed, p);
	assert_int_equal(p->client.why, STREAM_END_CLEAN);
	assert_true(view_eq(buf_view(&p->client.heard), view_make(big, BIG)));
	stream_free(p->client.s); /* the lingering end sees it and goes too */
	p->client.s = NULL;
	bench_wait(p->server.b, 10);
	free(big);
}

static void test_closed_full(void **state)
{
	(void)state;
	in_both(closed_full);
}

/* ---- flow ---- */

static void back_pressure(struct pair *p)
{
	char *big = pattern(BIG);
	stream_pause(p->client.s);
	stream_set_output_marks(p->server.s, 100000, 2 * BIG);
	stream_write(p->server.s, view_make(big, BIG));
	assert_true(stream_full(p->server.s));
	stream_puts(p->client.s, "not read while it owes");
	bench_wait(p->server.b, 30);
	assert_true(stream_full(p->server.s));
	assert_int_equal(buf_len(&p->server.heard), 0);
	assert_int_equal(p->server.drained, 0);
	/* The client's input is bounded too. */
	assert_true(buf_len(stream_input(p->client.s)) <= 65536);
	stream_resume(p->client.s);
	bench_run(p->client.b, everything_heard, p);
	bench_wait(p->server.b, 10);
	assert_int_equal(p->server.drained, 1);
	assert_int_equal(stream_backlog(p->server.s), 0);
	assert_true(view_eq(buf_view(&p->client.heard), view_make(big, BIG)));
	assert_true(view_eqs(buf_view(&p->server.heard), "not read while it owes"));
	/* An idle stream holds no buffers. */
	assert_true(p->server.s->wire.mem == NULL && p->server.s->in.mem == NULL);
	assert_true(!p->server.s->tls || p->server.s->tls->clear.mem == NULL);
	free(big);
}

static void test_back_pressure(void **state)
{
	(void)state;
	in_both(back_pressure);
}

/* One that adds to the output itself and stops when it is full is told, also when the socket takes all of it at once. */
static void told_to_go_on(struct pair *p)
{
	char *some = pattern(5000);
	stream_set_output_marks(p->server.s, 1000, BIG);
	buf_add(stream_output(p->server.s), some, 5000);
	assert_true(stream_full(p->server.s));
	bench_wait(p->server.b, 30);
	assert_int_equal(stream_backlog(p->server.s), 0);
	assert_int_equal(p->server.drained, 1);
	free(some);
}

static void test_told_to_go_on(void **state)
{
	(void)state;
	in_both(told_to_go_on);
}

static void overflow(struct pair *p)
{
	char *big = pattern(BIG);
	stream_pause(p->client.s);
	stream_set_output_marks(p->server.s, 1000, 10000);
	for (int i = 0; i < 2; i++)
		stream_write(p->server.s, view_make(big, BIG));
	bench_run(p->server.b, server_closed, p);
	assert_int_equal(p->server.why, STREAM_END_OVERFLOW);
	free(big);
}

static void test_overflow(void **state)
{
	(void)state;
	in_both(overflow);
}

/* Takes ten octets at a time, each time pausing, and going on in the next turn. */
static void sip(struct end *e)
{
	struct buf *in = stream_input(e->s);
	size_t n = buf_len(in) < 10 ? buf_len(in) : 10;
	buf_addv(&e->heard, view_head(buf_view(in), n));
	buf_consume(in, n);
	stream_pause(e->s);
	stream_resume(e->s);
}

static bool server_heard_20000(void *arg)
{
	return buf_len(&((struct pair *)arg)->server.heard) == 20000;
}

/* The input is smaller than a record: what TLS holds back must come without the socket's help. */
static void small_input(struct pair *p)
{
	char *big = pattern(20000);
	stream_set_input_max(p->server.s, 1000);
	p->server.keep = true;
	p->server.then = sip;
	stream_write(p->client.s, view_make(big, 20000));
	bench_run(p->server.b, server_heard_20000, p);
	assert_true(view_eq(buf_view(&p->server.heard), view_make(big, 20000)));
	p->server.then = NULL;
	stream_close(p->client.s);
	p->client.s = NULL;
	bench_run(p->server.b, server_closed, p);
	assert_int_equal(p->server.why, STREAM_END_CLEAN);
	free(big);
}

static void test_small_input(void **state)
{
	(void)state;
	in_both(small_input);
}

/* A user that pauses in the middle of the input hears the end only behind it. */
static void take_half_and_pause(struct end *e)
{
	struct buf *in = stream_input(e->s);
	size_t n = buf_len(in) / 2;
	if (e->closed || stream_paused(e->s))
		return;
	buf_addv(&e->heard, view_head(buf_view(in), n));
	buf_consume(in, n);
	stream_pause(e->s);
}

static void end_behind(struct pair *p)
{
	p->server.keep = true;
	p->server.then = take_half_and_pause;
	stream_puts(p->client.s, "0123456789");
	stream_close(p->client.s);
	p->client.s = NULL;
	bench_wait(p->server.b, 30);
	assert_false(p->server.closed);
	assert_true(view_eqs(buf_view(&p->server.heard), "01234"));
	p->server.keep = false;
	p->server.then = NULL;
	stream_resume(p->server.s);
	bench_run(p->server.b, server_closed, p);
	assert_true(view_eqs(buf_view(&p->server.heard), "0123456789"));
	assert_int_equal(p->server.why, STREAM_END_CLEAN);
}

static void test_end_behind(void **state)
{
	(void)state;
	in_both(end_behind);
}

/* ---- a wire that carries one octet at a time ---- */

struct trickle {
	struct loop *loop;
	int fd[2];
	struct io *io[2];
	size_t most;
};

static void carry(struct trickle *t, int from)
{
	char c[16];
	ssize_t n = recv(t->fd[from], c, t->most, MSG_DONTWAIT);
	if (n > 0)
		assert_int_equal(send(t->fd[1 - from], c, (size_t)n, MSG_NOSIGNAL), n);
	else if (n == 0)
		io_want(t->io[from], 0);
}

static void carry_0(void *arg, unsigned ready)
{
	(void)ready;
	carry(arg, 0);
}

static void carry_1(void *arg, unsigned ready)
{
	(void)ready;
	carry(arg, 1);
}

static bool both_talked(void *arg)
{
	struct pair *p = arg;
	return buf_len(&p->server.heard) == 300 && buf_len(&p->client.heard) == 300;
}

static void trickled(size_t most, int version)
{
	struct bench b;
	struct pair p;
	struct trickle t = { .most = most };
	int one[2], two[2];
	char *some = pattern(300);
	bench_init(&b, keys);
	assert_true(sock_pair(SOCK_STREAM, one) == ERR_OK && sock_pair(SOCK_STREAM, two) == ERR_OK);
	t.fd[0] = one[1];
	t.fd[1] = two[1];
	t.io[0] = io_new(b.loop, t.fd[0], carry_0, &t);
	t.io[1] = io_new(b.loop, t.fd[1], carry_1, &t);
	io_want(t.io[0], IO_READ);
	io_want(t.io[1], IO_READ);
	pair_init_fds(&p, &b, one[0], two[0]);
	pair_start(&p, "", version, NULL);
	bench_run(&b, pair_secure, &p);
	stream_write(p.server.s, view_make(some, 300));
	stream_write(p.client.s, view_make(some, 300));
	bench_run(&b, both_talked, &p);
	assert_true(view_eq(buf_view(&p.server.heard), view_make(some, 300)));
	pair_fini(&p);
	for (int i = 0; i < 2; i++) {
		io_free(t.io[i]);
		close(t.fd[i]);
	}
	free(some);
	bench_fini(&b);
}

static void test_trickle(void **state)
{
	(void)state;
	trickled(1, TLS1_3_VERSION);
	trickled(1, TLS1_2_VERSION);
	trickled(7, TLS1_3_VERSION);
}

/* ---- raising to TLS ---- */

/* CVE-2011-0411: what was pipelined behind STARTTLS is there to be seen, and TLS does not start over it. */
static void test_injection(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	set_up(&b, &p);
	p.server.keep = true;
	stream_puts(p.client.s, "EHLO evil\r\n");
	bench_wait(&b, 10);
	assert_int_equal(stream_starttls_server(p.server.s, b.server), ERR_PROTOCOL);
	assert_false(stream_is_tls(p.server.s));
	assert_int_equal(stream_discard_input(p.server.s), 11);
	assert_int_equal(stream_discard_input(p.server.s), 0);
	assert_int_equal(stream_starttls_server(p.server.s, b.server), ERR_OK);
	assert_int_equal(stream_starttls_server(p.server.s, b.server), ERR_PROTOCOL);
	tear_down(&b, &p);
}

/* Clear text where a handshake is due ends in an alert, and is never shown. */
static void test_garbage(void **state)
{
	static const char *const garbage[] = { "EHLO evil\r\nMAIL FROM:<>\r\n", "\x16\x03\x01\xff\xff", "\x80\x2e\x01\x00\x02\x00\x15", "GET / HTTP/1.0\r\n\r\n" };
	(void)state;
	for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
		struct bench b;
		struct pair p;
		set_up(&b, &p);
		assert_int_equal(stream_starttls_server(p.server.s, b.server), ERR_OK);
		stream_write(p.client.s, view_of(garbage[i]));
		stream_close(p.client.s);
		p.client.s = NULL;
		bench_run(&b, server_closed, &p);
		assert_int_equal(p.server.why, STREAM_END_TLS);
		assert_int_equal(buf_len(&p.server.heard), 0);
		assert_false(stream_is_secure(p.server.s));
		tear_down(&b, &p);
	}
}

/* The reply before goes out in the clear, what is written during the handshake waits for it. */
static void test_order(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	set_up(&b, &p);
	stream_puts(p.server.s, "220 go ahead\r\n");
	assert_int_equal(stream_starttls_server(p.server.s, b.server), ERR_OK);
	stream_puts(p.server.s, "* OK hello\r\n");
	bench_wait(&b, 20);
	assert_true(view_eqs(buf_view(&p.client.heard), "220 go ahead\r\n"));
	buf_reset(&p.client.heard);
	assert_int_equal(stream_starttls_client(p.client.s, b.client, VIEW("")), ERR_OK);
	bench_run(&b, pair_secure, &p);
	bench_wait(&b, 20);
	assert_true(view_eqs(buf_view(&p.client.heard), "* OK hello\r\n"));
	tear_down(&b, &p);
}

/* A record broken on its way ends the session, and nothing of it is shown. */
static void test_broken_record(void **state)
{
	static const char bad[] = "\x17\x03\x03\x00\x20" "0123456789abcdef0123456789abcdef";
	struct bench b;
	struct pair p;
	(void)state;
	set_up(&b, &p);
	raise_to_tls(&p);
	assert_int_equal(send(stream_fd(p.client.s), bad, sizeof bad - 1, 0), sizeof bad - 1);
	bench_run(&b, server_closed, &p);
	assert_int_equal(p.server.why, STREAM_END_TLS);
	assert_int_equal(buf_len(&p.server.heard), 0);
	tear_down(&b, &p);
}

/* ---- the rest ---- */

static void test_detach(void **state)
{
	struct bench b;
	struct pair p;
	struct buf rest;
	char got[32];
	int fd = -1;
	(void)state;
	set_up(&b, &p);
	buf_init(&rest, 1000);
	p.server.keep = true;
	stream_puts(p.client.s, "a login\r\nb select\r\n");
	bench_wait(&b, 10);
	buf_consume(stream_input(p.server.s), 9);
	stream_puts(p.server.s, "a OK\r\n");
	assert_int_equal(stream_detach_fd(p.server.s, &fd, &rest), ERR_OK);
	p.server.s = NULL;
	assert_true(view_eqs(buf_view(&rest), "b select\r\n"));
	bench_wait(&b, 10);
	assert_true(view_eqs(buf_view(&p.client.heard), "a OK\r\n"));
	stream_puts(p.client.s, "more");
	bench_wait(&b, 10);
	assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), 4);
	close(fd);
	buf_fini(&rest);
	tear_down(&b, &p);
}

static void test_detach_refused(void **state)
{
	struct bench b;
	struct pair p;
	struct buf rest;
	char *big = pattern(BIG);
	int fd = -1;
	(void)state;
	set_up(&b, &p);
	buf_init(&rest, 1000);
	stream_pause(p.client.s);
	stream_write(p.server.s, view_make(big, BIG));
	assert_int_equal(stream_detach_fd(p.server.s, &fd, &rest), ERR_AGAIN);
	stream_resume(p.client.s);
	bench_run(&b, everything_heard, &p);
	raise_to_tls(&p);
	assert_int_equal(stream_detach_fd(p.server.s, &fd, &rest), ERR_UNSUPPORTED);
	free(big);
	buf_fini(&rest);
	tear_down(&b, &p);
}

static void free_now(struct end *e)
{
	stream_free(e->s);
	e->s = NULL;
}

static void close_now(struct end *e)
{
	stream_puts(e->s, "bye");
	stream_close(e->s);
	e->s = NULL;
}

/* A stream may be freed, or closed, in each of its own callbacks. */
static void test_ended_within(void **state)
{
	(void)state;
	for (int how = 0; how < 8; how++) {
		struct bench b;
		struct pair p;
		set_up(&b, &p);
		if (how & 2)
			raise_to_tls(&p);
		p.server.then = how & 1 ? close_now : free_now;
		if (how & 4)
			stream_close(p.client.s);
		else
			stream_puts(p.client.s, "x");
		if (how & 4)
			p.client.s = NULL;
		bench_wait(&b, 20);
		assert_null(p.server.s);
		if (p.client.s)
			assert_int_equal(p.client.why, how == 2 ? STREAM_END_TRUNCATED : STREAM_END_CLEAN);
		if (how == 1 || how == 3)
			assert_true(view_eqs(buf_view(&p.client.heard), "bye"));
		tear_down(&b, &p);
	}
}

static void test_freed_when_secure(void **state)
{
	struct bench b;
	struct pair p;
	(void)state;
	set_up(&b, &p);
	p.server.then = free_now;
	pair_start(&p, "", TLS1_3_VERSION, NULL);
	bench_run(&b, pair_any_closed, &p);
	assert_true(p.server.secure);
	assert_null(p.server.s);
	tear_down(&b, &p);
}

struct connecting {
	bool connected, closed;
	enum stream_end why;
};

static void on_connected(void *arg, struct stream *s)
{
	struct connecting *c = arg;
	(void)s;
	c->connected = true;
}

static void on_end(void *arg, struct stream *s, enum stream_end why)
{
	struct connecting *c = arg;
	(void)s;
	c->closed = true;
	c->why = why;
}

static bool decided(void *arg)
{
	const struct connecting *c = arg;
	return c->connected || c->closed;
}

static struct stream *dial(struct bench *b, const struct sock_addr *a, struct connecting *c)
{
	static const struct stream_callbacks cb = { .on_connected = on_connected, .on_closed = on_end };
	int fd = -1;
	int err = sock_connect(a, &fd);
	assert_true(err == ERR_OK || err == ERR_AGAIN);
	memset(c, 0, sizeof *c);
	struct stream *s = stream_new_connecting(b->loop, fd, &cb, c);
	stream_puts(s, "said before it stood");
	bench_run(b, decided, c);
	return s;
}

static void test_connecting(void **state)
{
	struct bench b;
	struct sock_addr a;
	struct connecting c;
	char got[32];
	int listener = -1, fd = -1;
	(void)state;
	bench_init(&b, keys);
	assert_int_equal(sock_addr_parse(VIEW("127.0.0.1"), 0, &a), ERR_OK);
	assert_int_equal(sock_listen_tcp(&a, &listener), ERR_OK);
	a.len = sizeof a.ss;
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a.ss, &a.len), 0);
	struct stream *s = dial(&b, &a, &c);
	assert_true(c.connected && !c.closed);
	assert_int_equal(sock_accept(listener, &fd, &a), ERR_OK);
	bench_wait(&b, 10);
	assert_int_equal(recv(fd, got, sizeof got, 0), 20);
	stream_free(s);
	close(fd);
	a.len = sizeof a.ss;
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a.ss, &a.len), 0);
	close(listener);
	s = dial(&b, &a, &c);
	assert_true(c.closed && !c.connected);
	assert_int_equal(c.why, STREAM_END_RESET);
	stream_free(s);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean), cmocka_unit_test(test_dropped), cmocka_unit_test(test_half_closed), cmocka_unit_test(test_idle),
		cmocka_unit_test(test_closed_full), cmocka_unit_test(test_back_pressure), cmocka_unit_test(test_told_to_go_on), cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_small_input), cmocka_unit_test(test_end_behind), cmocka_unit_test(test_trickle),
		cmocka_unit_test(test_injection), cmocka_unit_test(test_garbage), cmocka_unit_test(test_order),
		cmocka_unit_test(test_broken_record), cmocka_unit_test(test_detach), cmocka_unit_test(test_detach_refused),
		cmocka_unit_test(test_ended_within), cmocka_unit_test(test_freed_when_secure), cmocka_unit_test(test_connecting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
