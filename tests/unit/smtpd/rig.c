/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "rig.h"

bool buf_has(const struct buf *b, const char *text)
{
	struct view v = buf_view(b);

	return v.n && memmem(v.p, v.n, text, strlen(text)) != NULL;
}

/* ---- the other processes ---- */

static bool known(struct view a)
{
	return view_ieqs(a, "alice@example.test") || view_ieqs(a, "bob@example.test") || view_ieqs(a, "postmaster@example.test") ||
		view_ieqs(a, "postmaster");
}

static unsigned verdict(struct view a, bool relay)
{
	bool ours = view_ieqs(a, "postmaster") || (a.n > 12 && view_ieqs(view_skip(a, a.n - 13), "@example.test"));

	if (!ours)
		return relay ? IPC_DONE : IPC_REFUSED;
	return known(a) ? IPC_DONE : IPC_NEVER;
}

static void give(struct rig *r, unsigned i)
{
	struct answer *a;
	struct ipc_committed done = { .outcome = (uint8_t)r->commit_outcome, .queue_id = VIEW("Q1"),
		.status = r->commit_outcome ? VIEW("4.3.1") : VIEW_NONE };

	switch (r->held[i].kind) {
	case Q_RCPT:
		a = answer_new(VIEW("route"));
		session_recipient(r->s, r->held[i].index, r->held[i].outcome, r->held[i].outcome ? NULL : a);
		answer_unref(a);
		break;
	case Q_OWNS:
		session_owns(r->s, r->held[i].outcome);
		break;
	case Q_COMMIT:
		session_committed(r->s, &done);
		break;
	case Q_FILE:
		session_content_opened(r->s, r->no_file ? IPC_LATER : IPC_DONE, 7, VIEW("full"));
		break;
	case Q_AUTH:
		session_auth(r->s, &r->held[i].step);
		break;
	case Q_NONE:
		break;
	}
}

static bool question(struct rig *r, unsigned kind, unsigned index, unsigned outcome)
{
	if (r->dry)
		return false;
	r->questions++;
	assert_in_range(r->nheld, 0, 127);
	r->held[r->nheld].kind = kind;
	r->held[r->nheld].index = index;
	r->held[r->nheld].outcome = outcome;
	if (r->hold)
		r->nheld++;
	else if (kind == Q_RCPT || kind == Q_OWNS)
		give(r, r->nheld);
	else
		r->nheld++;
	return true;
}

static bool ask_recipient(void *arg, unsigned index, struct view address, bool relay)
{
	return question(arg, Q_RCPT, index, verdict(address, relay));
}

static bool ask_owns(void *arg, struct view account, struct view address)
{
	return question(arg, Q_OWNS, 0, view_ieq(account, address) ? IPC_DONE : IPC_NEVER);
}

static bool ask_commit(void *arg, struct ipc_commit *m)
{
	struct rig *r = arg;
	struct view rest = m->rcpts.bytes;
	struct ipc_rcpt one;

	if (!question(r, Q_COMMIT, 0, 0))
		return false;
	r->commits++;
	r->last = *m;
	snprintf(r->sender, sizeof r->sender, "%.*s", (int)m->sender.n, m->sender.p);
	buf_addv(&r->content, m->content_file ? buf_view(&r->file) : m->content);
	assert_int_equal(m->size, m->content_file ? buf_len(&r->file) : m->content.n);
	buf_addv(&r->headers, m->headers);
	while (ipc_rcpt_next(&rest, &one)) {
		buf_addv(&r->rcpts, one.address);
		buf_addc(&r->rcpts, ',');
	}
	buf_addc(&r->rcpts, ';');
	return true;
}

static bool ask_file(void *arg, uint64_t size)
{
	struct rig *r = arg;

	(void)size;
	buf_reset(&r->file);
	r->files++;
	return question(r, Q_FILE, 0, 0);
}

static int write_file(void *arg, struct view v)
{
	struct rig *r = arg;

	buf_addv(&r->file, v);
	return r->no_space ? ERR_FULL : ERR_OK;
}

static void close_file(void *arg)
{
	(void)arg;
}

static void drop_file(void *arg, uint64_t content)
{
	struct rig *r = arg;

	assert_int_equal(content, 7);
	r->drops++;
}

static bool auth_answer(struct rig *r, unsigned step, struct view challenge)
{
	r->held[r->nheld].step = (struct ipc_auth_step){ .step = (uint8_t)step, .challenge = challenge,
		.account = VIEW("alice@example.test"), .login = VIEW("sealed") };
	return question(r, Q_AUTH, 0, 0);
}

static bool ask_auth(void *arg, struct view mechanism, const struct view *initial)
{
	if (!view_ieqs(mechanism, "PLAIN"))
		return auth_answer(arg, 4, VIEW("Username:"));
	if (!initial)
		return auth_answer(arg, 4, VIEW_NONE);
	return auth_answer(arg, view_eq(*initial, VIEW("\0alice\0secret")) ? 0 : 2, VIEW_NONE);
}

static bool go_on_auth(void *arg, struct view response)
{
	if (view_eqs(response, "alice"))
		return auth_answer(arg, 4, VIEW("Password:"));
	bool right = view_eqs(response, "secret") || view_eq(response, VIEW("\0alice\0secret"));
	return auth_answer(arg, right ? 0 : view_eqs(response, "scram") ? 0 : 2, view_eqs(response, "scram") ? VIEW("v=proof") : VIEW_NONE);
}

static void abort_auth(void *arg)
{
	((struct rig *)arg)->aborted = true;
}

static int64_t wall(void *arg)
{
	return 1795313564 + ((struct rig *)arg)->later;
}

static void random_octets(void *arg, void *p, size_t n)
{
	(void)arg;
	memset(p, 0x5a, n);
}

static const struct session_ops ops = { ask_recipient, ask_owns, ask_commit, ask_file, write_file, close_file, drop_file, ask_auth, go_on_auth,
	abort_auth, wall, random_octets };

/* ---- the client ---- */

static void take_out(struct rig *r)
{
	struct view v = buf_view(session_out(r->s)), line;

	buf_addv(&r->out, v);
	while (v.n && view_cut(&v, '\n', &line)) {
		if (line.n < 4 || line.p[3] != ' ')
			continue;
		if (buf_len(&r->codes))
			buf_addc(&r->codes, ' ');
		buf_add(&r->codes, line.p, 3);
	}
	buf_reset(session_out(r->s));
	r->waited += session_delay(r->s);
	session_delayed(r->s);
}

static void answer_now(struct rig *r)
{
	while (r->nheld) {
		unsigned n = r->nheld;
		r->nheld = 0;
		for (unsigned i = 0; i < n; i++)
			give(r, i);
	}
}

void rig_answer(struct rig *r)
{
	answer_now(r);
	take_out(r);
}

void rig_send(struct rig *r, struct view in, size_t piece)
{
	size_t have = 0; /* octets that arrived */

	while (in.n && !rig_ended(r)) {
		have = in.n - have > piece ? have + piece : in.n;
		size_t k = session_input(r->s, view_head(in, have));
		take_out(r);
		if (!r->hold)
			rig_answer(r);
		in = view_skip(in, k);
		have -= k;
		if (!k && have == in.n && session_state(r->s) != SESSION_ENDED)
			break;
	}
}

void rig_codes(struct rig *r, const char *file, int line, const char *codes)
{
	if (strcmp(buf_str(&r->codes), codes) != 0)
		fail_msg("%s:%d: expected %s, got %s", file, line, codes, buf_str(&r->codes));
	buf_reset(&r->codes);
}

bool rig_ended(const struct rig *r)
{
	return session_state(r->s) == SESSION_ENDED;
}

bool rig_said(const struct rig *r, const char *text)
{
	return buf_has(&r->out, text);
}

void rig_connect(struct rig *r, const char *listener, bool tls)
{
	struct session_facts facts = { .class = class_find(listener), .settings = &r->settings, .budget = &r->budget, .id = VIEW("0123456789abcdef"),
		.peer = VIEW("192.0.2.1"), .tls_offered = true, .user = VIEW("carol"), .uid = 1000 };
	static const struct session_tls info = { "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256 };

	session_free(r->s);
	r->s = session_new(&facts, &ops, r);
	take_out(r);
	if (tls)
		session_secured(r->s, &info);
	take_out(r);
	buf_reset(&r->codes);
}

void rig_init(struct rig *r, const char *listener)
{
	memset(r, 0, sizeof *r);
	log_to(-1, LOG_LEVEL_ERROR);
	r->settings = (struct settings){ .hostname = "mx.example.test", .mechanisms = "PLAIN LOGIN SCRAM-SHA-256", .size_max = 1000000, .rcpts_max = 100, .errors_max = 20, .line_max = 65536,
		.header_max = 131072 };
	r->budget.max = SIZE_MAX;
	struct buf *all[] = { &r->out, &r->codes, &r->content, &r->headers, &r->rcpts, &r->file };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		buf_init(all[i], 64 * 1024 * 1024);
	rig_connect(r, listener, false);
}

void rig_fini(struct rig *r)
{
	struct buf *all[] = { &r->out, &r->codes, &r->content, &r->headers, &r->rcpts, &r->file };

	session_free(r->s);
	session_budget_fini(&r->budget);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		buf_fini(all[i]);
}
