/* SPDX-License-Identifier: ISC */
/*
 * An SMTP client's octets against a whole session. The first octet chooses the class of listener and whether TLS stands, the second the pieces in which
 * the rest arrives. The suite is played by callbacks that answer at once or at the end of each piece. What is checked besides memory: the
 * replies are lines of CRLF with a code, and whatever is handed in as content has no bare CR or LF and no NUL, unless it was declared binary.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "smtpd/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct session *s;
	unsigned asked; /* recipients whose answers are held back */
	unsigned indexes[128];
	bool owns, commit, file, auth;
	uint8_t turn; /* makes answers differ */
};

static bool ask_recipient(void *arg, unsigned index, struct view address, bool relay)
{
	struct world *w = arg;

	(void)relay;
	INVARIANT(address.n && address.n <= 320 && w->asked < 128);
	w->indexes[w->asked++] = index;
	return true;
}

static bool ask_owns(void *arg, struct view account, struct view address)
{
	(void)account, (void)address;
	return ((struct world *)arg)->owns = true;
}

/* Every CR is followed by LF, every LF stands behind CR. */
static void check_lines(struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		INVARIANT(v.p[i]);
		INVARIANT(v.p[i] != '\r' || (i + 1 < v.n && v.p[i + 1] == '\n'));
		INVARIANT(v.p[i] != '\n' || (i > 0 && v.p[i - 1] == '\r'));
	}
}

static bool ask_commit(void *arg, struct ipc_commit *m)
{
	enum { BINARY = 4 };

	INVARIANT(m->rcpts.count && m->headers.n);
	check_lines(m->headers);
	if (!(m->flags & BINARY))
		check_lines(m->content);
	return ((struct world *)arg)->commit = true;
}

static bool ask_file(void *arg, uint64_t size)
{
	(void)size;
	return ((struct world *)arg)->file = true;
}

static int write_file(void *arg, struct view v)
{
	struct world *w = arg;

	(void)v;
	return w->turn++ % 8 ? ERR_OK : ERR_FULL;
}

static void close_file(void *arg) { (void)arg; }
static void drop_file(void *arg, uint64_t content) { (void)arg, (void)content; }

static bool start_auth(void *arg, struct view mechanism, const struct view *initial)
{
	(void)mechanism, (void)initial;
	return ((struct world *)arg)->auth = true;
}

static bool continue_auth(void *arg, struct view response)
{
	(void)response;
	return ((struct world *)arg)->auth = true;
}

static void abort_auth(void *arg) { ((struct world *)arg)->auth = false; }

static int64_t wall(void *arg)
{
	(void)arg;
	return 1795313564;
}

static void random_octets(void *arg, void *p, size_t n)
{
	(void)arg;
	memset(p, 7, n);
}

static const struct session_ops ops = { ask_recipient, ask_owns, ask_commit, ask_file, write_file, close_file, drop_file, start_auth, continue_auth,
	abort_auth, wall, random_octets };

static void answer_rcpts(struct world *w)
{
	unsigned n = w->asked;

	w->asked = 0;
	for (unsigned i = 0; i < n; i++) {
		struct answer *a = answer_new(VIEW("sealed"));
		session_recipient(w->s, w->indexes[i], w->turn++ % 5 ? 0 : w->turn % 4, a);
		answer_unref(a);
	}
}

static void answer_auth(struct world *w)
{
	struct ipc_auth_step step = { .step = (uint8_t)(w->turn++ % 3 ? 0 : w->turn % 5), .challenge = w->turn % 2 ? VIEW("more") : VIEW_NONE,
		.account = VIEW("a@x.test"), .login = VIEW("sealed") };

	w->auth = false;
	session_auth(w->s, &step);
}

static void answer_all(struct world *w)
{
	struct ipc_committed done = { .outcome = w->turn % 3, .queue_id = VIEW("Q1") };

	answer_rcpts(w);
	if (w->owns) {
		w->owns = false;
		session_owns(w->s, w->turn++ % 4 ? IPC_DONE : IPC_NEVER);
	}
	if (w->file) {
		w->file = false;
		session_content_opened(w->s, w->turn++ % 4 ? IPC_DONE : IPC_LATER, 7, VIEW_NONE);
	}
	if (w->commit) {
		w->commit = false;
		w->turn++;
		session_committed(w->s, &done);
	}
	if (w->auth)
		answer_auth(w);
}

static void check_replies(struct session *s)
{
	struct view v = buf_view(session_out(s)), line;

	check_lines(v);
	while (v.n && view_cut(&v, '\n', &line))
		INVARIANT(line.n >= 5 && line.n <= 12 * 1024 && ascii_isdigit(line.p[0]) && (line.p[3] == ' ' || line.p[3] == '-'));
	buf_reset(session_out(s));
	session_delayed(s);
}

static void run(struct world *w, struct view in, size_t piece)
{
	struct buf held;

	buf_init(&held, 2 * 1024 * 1024);
	for (size_t at = 0; at < in.n && session_state(w->s) != SESSION_ENDED; at += piece) {
		buf_addv(&held, view_head(view_skip(in, at), piece));
		size_t before;
		do {
			before = buf_len(&held);
			buf_consume(&held, session_input(w->s, buf_view(&held)));
			check_replies(w->s);
			answer_all(w);
			check_replies(w->s);
		} while (buf_len(&held) != before);
		if (session_state(w->s) == SESSION_STARTTLS)
			session_secured(w->s, &(struct session_tls){ "TLSv1.3", "TLS_AES_128_GCM_SHA256", 128 });
	}
	buf_fini(&held);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const listeners[] = { "smtp", "submission", "submissions", "submit", "lmtp", "relay" };
	struct settings settings = { .hostname = "mx.test", .mechanisms = "PLAIN", .size_max = 300000, .rcpts_max = 10, .errors_max = 20,
		.line_max = 1000, .header_max = 2000 };
	struct world w = { .turn = 1 };

	if (size < 2)
		return 0;
	log_to(-1, LOG_LEVEL_ERROR);
	settings.normalize = data[0] & 64;
	struct session_facts facts = { .class = class_find(listeners[data[0] % 6]), .settings = &settings, .id = VIEW("0123456789abcdef"),
		.peer = VIEW("192.0.2.1"), .tls_offered = true, .user = VIEW("carol"), .uid = 1000 };
	w.s = session_new(&facts, &ops, &w);
	if (data[0] & 128)
		session_secured(w.s, &(struct session_tls){ "TLSv1.3", "TLS_AES_128_GCM_SHA256", 128 });
	buf_reset(session_out(w.s));
	run(&w, view_make(data + 2, size - 2), (size_t)data[1] * 16 + 1);
	session_free(w.s);
	return 0;
}
