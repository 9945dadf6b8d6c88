/* SPDX-License-Identifier: ISC */
#include "ipc/channel.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/frame.h"
#include "sys/file.h"
#include "sys/sock.h"

/* smtpd-submission asks lookup, and master's end of the pair is here: both live in one loop. */
struct world {
	struct loop *loop;
	struct ipc_channel *asker, *answerer;
	struct timer *end;
	unsigned asked, answered, lost, downs, credits, silent;
	uint64_t last_id;
	char text[64];
	int got_fd;
};

static void stop(void *arg)
{
	loop_stop(((struct world *)arg)->loop);
}

static void run_for(struct world *w, unsigned ms)
{
	timer_set(w->end, ms);
	loop_run(w->loop);
}

static void on_owns(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct world *w = arg;
	const struct ipc_owns *m = msg;
	(void)fds;
	assert_int_equal(nfds, 0);
	w->asked++;
	w->last_id = m->id;
	snprintf(w->text, sizeof w->text, "%.*s", (int)m->address.n, m->address.p);
	struct ipc_owns_is a = { .id = m->id, .outcome = IPC_REFUSED };
	if (!w->silent)
		assert_int_equal(ipc_send(from, IPC_OWNS_IS, &a, NULL, 0), ERR_OK);
}

static void on_owns_is(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct world *w = arg;
	const struct ipc_owns_is *m = msg;
	(void)from;
	(void)fds;
	(void)nfds;
	assert_int_equal(m->outcome, IPC_REFUSED);
	w->answered++;
}

static void on_lost(void *arg, struct ipc_channel *c, enum ipc_kind kind, uint64_t id)
{
	struct world *w = arg;
	(void)c;
	(void)kind;
	(void)id;
	w->lost++;
}

static void on_down(void *arg, struct ipc_channel *c)
{
	(void)c;
	((struct world *)arg)->downs++;
}

static void on_credit(void *arg, struct ipc_channel *c)
{
	(void)c;
	((struct world *)arg)->credits++;
}

static const struct ipc_handler asking[] = { { IPC_OWNS_IS, on_owns_is }, { IPC_NONE, NULL } };
static const struct ipc_handler answering[] = { { IPC_OWNS, on_owns }, { IPC_NONE, NULL } };

static void join(struct world *w)
{
	int fds[2];
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	ipc_channel_connect(w->asker, fds[0]);
	ipc_channel_connect(w->answerer, fds[1]);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	w->loop = loop_new();
	w->end = timer_new(w->loop, stop, w);
	w->got_fd = -1;
	struct ipc_callbacks a = { .handlers = asking, .on_lost = on_lost, .on_down = on_down, .on_credit = on_credit, .arg = w };
	struct ipc_callbacks b = { .handlers = answering, .on_down = on_down, .arg = w };
	w->asker = ipc_channel_new(w->loop, ROLE_SMTPD_SUBMISSION, ROLE_LOOKUP, 0, &a);
	w->answerer = ipc_channel_new(w->loop, ROLE_LOOKUP, ROLE_SMTPD_SUBMISSION, 0, &b);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	ipc_channel_free(w->asker);
	ipc_channel_free(w->answerer);
	timer_free(w->end);
	loop_free(w->loop);
	free(w);
	return 0;
}

static uint64_t ask(struct world *w, const char *address)
{
	struct ipc_owns m = { .id = ipc_next_id(w->asker), .account = VIEW("a@b"), .address = view_of(address) };
	assert_int_equal(ipc_request(w->asker, IPC_OWNS, &m, NULL, 0), ERR_OK);
	return m.id;
}

static void answers_come_back_and_give_credit(void **state)
{
	struct world *w = *state;
	unsigned full = ipc_credit(w->asker);
	join(w);
	for (int i = 0; i < 200; i++)
		ask(w, "x@y");
	assert_int_equal(ipc_credit(w->asker), full - 200);
	run_for(w, 30);
	assert_int_equal(w->answered, 200);
	assert_int_equal(ipc_credit(w->asker), full);
}

static void without_credit_requests_wait(void **state)
{
	struct world *w = *state;
	join(w);
	while (ipc_credit(w->asker) > 0)
		ask(w, "x@y");
	struct ipc_owns m = { .id = ipc_next_id(w->asker), .account = VIEW("a"), .address = VIEW("b") };
	assert_int_equal(ipc_request(w->asker, IPC_OWNS, &m, NULL, 0), ERR_AGAIN);
	run_for(w, 50);
	assert_int_equal(w->credits, 1);
	assert_int_equal(ipc_request(w->asker, IPC_OWNS, &m, NULL, 0), ERR_OK);
}

static void requests_marked_resend_survive_the_peer(void **state)
{
	struct world *w = *state;
	/* Before there is a peer at all: it waits. */
	uint64_t first = ask(w, "first@x");
	w->silent = 1;
	join(w);
	run_for(w, 10);
	assert_int_equal(w->asked, 1);
	assert_int_equal(w->last_id, first);
	/* The peer dies without an answer; its successor gets the same request. */
	ipc_channel_drop(w->answerer);
	run_for(w, 10);
	assert_int_equal(w->downs, 2);
	assert_int_equal(w->lost, 0);
	w->silent = 0;
	join(w);
	run_for(w, 10);
	assert_int_equal(w->asked, 2);
	assert_int_equal(w->last_id, first);
	assert_int_equal(w->answered, 1);
}

static void forgotten_requests_are_not_answered(void **state)
{
	struct world *w = *state;
	unsigned full = ipc_credit(w->asker);
	join(w);
	ipc_forget(w->asker, ask(w, "x@y"));
	assert_int_equal(ipc_credit(w->asker), full);
	run_for(w, 10);
	assert_int_equal(w->asked, 1);
	assert_int_equal(w->answered, 0);
	assert_true(ipc_channel_is_up(w->asker));
}

/* What a captured peer might write instead of messages: the channel ends, the process goes on. */
static void malice(struct world *w, struct view octets, bool greeting)
{
	int fds[2];
	struct buf b;
	size_t put;
	buf_init(&b, 1 << 20);
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	ipc_channel_connect(w->answerer, fds[0]);
	if (greeting)
		ipc_greeting_put(&b, ROLE_SMTPD_SUBMISSION);
	buf_addv(&b, octets);
	assert_int_equal(sock_write(fds[1], buf_view(&b), &put), ERR_OK);
	run_for(w, 5);
	assert_false(ipc_channel_is_up(w->answerer));
	close(fds[1]);
	buf_fini(&b);
}

static void malformed_octets_end_the_channel(void **state)
{
	struct world *w = *state;
	struct buf b;
	buf_init(&b, 1 << 20);
	malice(w, VIEW("GET / HTTP/1.1\r\n\r\n"), false);
	malice(w, VIEW("\xff\xff\xff\xff\x01\x00\x00\x00"), true); /* longer than any message */
	malice(w, VIEW("\x00\x00\x00\x00\xff\xff\x00\x00"), true); /* no such kind */
	/* A message that this peer may not send. */
	struct ipc_owns_is answer = { .id = 1 };
	assert_int_equal(ipc_frame_put(&b, IPC_OWNS_IS, &answer, 0), ERR_OK);
	malice(w, buf_view(&b), true);
	/* A field that says it is longer than the message. */
	struct ipc_owns m = { .id = 7, .account = VIEW("a"), .address = VIEW("b") };
	buf_reset(&b);
	assert_int_equal(ipc_frame_put(&b, IPC_OWNS, &m, 0), ERR_OK);
	b.mem[b.off + IPC_FRAME_HEADER + 8] = 100;
	malice(w, buf_view(&b), true);
	/* Octets behind the last field. */
	buf_reset(&b);
	assert_int_equal(ipc_frame_put(&b, IPC_OWNS, &m, 0), ERR_OK);
	buf_addc(&b, 'x');
	b.mem[b.off]++;
	malice(w, buf_view(&b), true);
	buf_fini(&b);
	assert_int_equal(w->asked, 0);
}

static void another_generation_is_refused(void **state)
{
	struct world *w = *state;
	struct buf b;
	buf_init(&b, 64);
	ipc_greeting_put(&b, ROLE_SMTPD_SUBMISSION);
	b.mem[b.off + 5] ^= 1;
	malice(w, buf_view(&b), false);
	/* And a peer that says it is somebody else. */
	buf_reset(&b);
	ipc_greeting_put(&b, ROLE_QMGR);
	malice(w, buf_view(&b), false);
	buf_fini(&b);
}

static void on_session(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct world *w = arg;
	const struct ipc_session_add *m = msg;
	char c = 0;
	(void)from;
	assert_int_equal(nfds, 1);
	/* Each message comes with its own descriptor: the octet in it is the session's name. */
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(m->session.p[0], c);
	close(fds[0]);
	w->asked++;
}

static void descriptors_keep_to_their_messages(void **state)
{
	struct world *w = *state;
	static const struct ipc_handler handlers[] = { { IPC_SESSION_ADD, on_session }, { IPC_NONE, NULL } };
	struct ipc_callbacks cb = { .handlers = handlers, .arg = w };
	struct ipc_callbacks none = { .arg = w };
	struct ipc_channel *host = ipc_channel_new(w->loop, ROLE_HOST, ROLE_IMAPD, 0, &none);
	struct ipc_channel *imapd = ipc_channel_new(w->loop, ROLE_IMAPD, ROLE_HOST, 0, &cb);
	int fds[2];
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	ipc_channel_connect(host, fds[0]);
	ipc_channel_connect(imapd, fds[1]);
	for (char c = 'a'; c <= 'z'; c++) {
		int p[2];
		struct ipc_session_add m = { .session = view_make(&c, 1), .input = VIEW("some input") };
		assert_int_equal(pipe(p), 0);
		assert_int_equal(write(p[1], &c, 1), 1);
		assert_int_equal(ipc_send(host, IPC_SESSION_ADD, &m, &p[0], 1), ERR_OK);
		close(p[0]);
		close(p[1]);
	}
	run_for(w, 30);
	assert_int_equal(w->asked, 26);
	ipc_channel_free(host);
	ipc_channel_free(imapd);
}

/* ---- a peer that asks and does not read ---- */

static void on_content(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct world *w = arg;
	const struct ipc_content_open *m = msg;
	struct ipc_content_opened a = { .id = m->id, .reason = VIEW("x") };
	int p[2];
	(void)fds;
	(void)nfds;
	w->asked++;
	assert_int_equal(pipe(p), 0);
	int err = ipc_send(from, IPC_CONTENT_OPENED, &a, p, 2);
	assert_true(err == ERR_OK || err == ERR_LIMIT);
	w->lost += err != ERR_OK;
	close(p[0]);
	close(p[1]);
}

/* As much as the socket takes. */
static void ask_blindly(struct world *w, int fd, struct buf *b)
{
	for (int i = 0; i < 200 && buf_len(b) > 0; i++) {
		size_t put = 0;
		int err = sock_write(fd, buf_view(b), &put);
		assert_true(err == ERR_OK || err == ERR_AGAIN);
		buf_consume(b, put);
		run_for(w, 1);
	}
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void descriptors_for_a_peer_that_does_not_read_are_bounded(void **state)
{
	struct world *w = *state;
	static const struct ipc_handler handlers[] = { { IPC_CONTENT_OPEN, on_content }, { IPC_NONE, NULL } };
	struct ipc_callbacks cb = { .handlers = handlers, .on_down = on_down, .arg = w };
	struct ipc_channel *qmgr = ipc_channel_new(w->loop, ROLE_QMGR, ROLE_SMTPD_MX, 0, &cb);
	struct rlimit before, few;
	struct buf b;
	int fds[2];
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	ipc_channel_connect(qmgr, fds[0]);
	buf_init(&b, 1 << 24);
	ipc_greeting_put(&b, ROLE_SMTPD_MX);
	for (uint64_t id = 1; id <= 20000; id++)
		assert_int_equal(ipc_frame_put(&b, IPC_CONTENT_OPEN, &(struct ipc_content_open){ .id = id, .size = 1 }, 0), ERR_OK);
	/* What an ordinary process has. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ 1024, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	ask_blindly(w, fds[1], &b);
	assert_true(open_descriptors() < 200);
	assert_true(w->asked > 0 && w->asked < 2000);
	assert_true(ipc_fds_waiting(qmgr) > 0);
	assert_true(ipc_channel_is_up(qmgr));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(fds[1]);
	run_for(w, 5);
	assert_int_equal(w->downs, 1);
	assert_int_equal(ipc_fds_waiting(qmgr), 0);
	ipc_channel_free(qmgr);
	buf_fini(&b);
}

/* An answer that is far bigger than its question. */
static void on_recipient(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	static char big[100000];
	struct world *w = arg;
	struct ipc_recipient_is a = { .id = ((const struct ipc_recipient *)msg)->id, .sealed = view_make(big, sizeof big) };
	(void)fds;
	(void)nfds;
	w->asked++;
	assert_int_equal(ipc_send(from, IPC_RECIPIENT_IS, &a, NULL, 0), ERR_OK);
}

static void who_does_not_read_is_not_listened_to(void **state)
{
	struct world *w = *state;
	static const struct ipc_handler handlers[] = { { IPC_RECIPIENT, on_recipient }, { IPC_NONE, NULL } };
	struct ipc_callbacks cb = { .handlers = handlers, .on_down = on_down, .arg = w };
	struct ipc_channel *lookup = ipc_channel_new(w->loop, ROLE_LOOKUP, ROLE_SMTPD_MX, 0, &cb);
	static char sink[1 << 20];
	struct buf b;
	size_t got = 0;
	int fds[2];
	assert_int_equal(sock_pair(SOCK_STREAM, fds), ERR_OK);
	ipc_channel_connect(lookup, fds[0]);
	buf_init(&b, 1 << 20);
	ipc_greeting_put(&b, ROLE_SMTPD_MX);
	for (uint64_t id = 1; id <= 1000; id++)
		assert_int_equal(ipc_frame_put(&b, IPC_RECIPIENT, &(struct ipc_recipient){ .id = id, .address = VIEW("a@b") }, 0), ERR_OK);
	ask_blindly(w, fds[1], &b);
	assert_true(ipc_backlog(lookup) < 9u << 20);
	assert_true(w->asked < 100);
	/* It reads, and has all its answers. */
	for (int i = 0; i < 20000 && got < 1000u * 100000; i++) {
		ssize_t n = read(fds[1], sink, sizeof sink);
		got += n > 0 ? (size_t)n : 0;
		if (n <= 0)
			run_for(w, 1);
		ask_blindly(w, fds[1], &b);
	}
	assert_int_equal(w->asked, 1000);
	assert_true(got > 1000u * 100000);
	assert_true(ipc_channel_is_up(lookup));
	ipc_channel_free(lookup);
	close(fds[1]);
	buf_fini(&b);
}

static void a_message_past_a_bound_is_not_sent(void **state)
{
	struct world *w = *state;
	char big[400];
	memset(big, 'x', sizeof big);
	join(w);
	struct ipc_owns m = { .id = 1, .account = view_make(big, sizeof big), .address = VIEW("b") };
	assert_int_equal(ipc_request(w->asker, IPC_OWNS, &m, NULL, 0), ERR_TOO_BIG);
	ask(w, "small@x");
	run_for(w, 10);
	assert_int_equal(w->answered, 1);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(answers_come_back_and_give_credit),
		T(without_credit_requests_wait),
		T(requests_marked_resend_survive_the_peer),
		T(forgotten_requests_are_not_answered),
		T(malformed_octets_end_the_channel),
		T(another_generation_is_refused),
		T(descriptors_keep_to_their_messages),
		T(descriptors_for_a_peer_that_does_not_read_are_bounded),
		T(who_does_not_read_is_not_listened_to),
		T(a_message_past_a_bound_is_not_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
