/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "log/log.h"
#include "login.h"

#define SASL_MAX 12288     /* octets of one response, decoded */
#define LINE_MAX_CODED 16640

static void refuse(struct client *c, unsigned step, const char *why)
{
	c->state = CLIENT_COMMAND;
	client_protocol(c)->refused(c, step, why);
}

void sasl_abort(struct client *c)
{
	if (c->asked == 0)
		return;
	map64_del(c->l->asked, c->asked);
	if (c->asked_of != NULL) {
		ipc_forget(c->asked_of, c->asked);
		struct ipc_auth_abort m = { .id = c->asked };
		if (ipc_channel_peer(c->asked_of) == ROLE_AUTH && ipc_channel_is_up(c->asked_of))
			(void)!ipc_send(c->asked_of, IPC_AUTH_ABORT, &m, NULL, 0);
	}
	c->asked = 0;
}

/* The channel binding that this connection has, if any (RFC 9266, RFC 5929). */
static struct view binding(struct client *c, struct buf *out)
{
	static const struct {
		enum tls_binding kind;
		const char *name;
	} kinds[] = { { TLS_BINDING_EXPORTER, "tls-exporter" }, { TLS_BINDING_UNIQUE, "tls-unique" } };
	for (size_t i = 0; client_secure(c) && i < 2; i++)
		if (stream_channel_binding(c->stream, kinds[i].kind, out) == ERR_OK)
			return view_of(kinds[i].name);
	return VIEW_NONE;
}

static void await(struct client *c, struct ipc_channel *of, uint64_t id, int err)
{
	if (err != ERR_OK) {
		c->asked = 0;
		refuse(c, IPC_STEP_LATER, "Authentication cannot be had right now");
		return;
	}
	c->asked = id;
	c->asked_of = of;
	c->state = CLIENT_WAITING;
	map64_set(c->l->asked, id, c);
}

void sasl_start(struct client *c, struct view mechanism, bool has_initial, struct view initial)
{
	struct ipc_channel *auth = daemon_channel(c->l->d, ROLE_AUTH, (uintptr_t)c >> 6);
	struct buf bound;
	buf_init(&bound, 256);
	if (!conf_has(c->l->d->conf, PARAM_AUTH_MECHANISMS, mechanism) || mechanism.n > 32) {
		buf_fini(&bound);
		refuse(c, LOGIN_NO_MECHANISM, "Unknown mechanism");
		return;
	}
	struct ipc_auth_start m = { .id = ipc_next_id(auth), .door = (uint8_t)c->door, .tls = client_secure(c), .has_initial = has_initial,
		.mechanism = mechanism, .initial = initial, .peer = view_of(c->peer) };
	m.binding_type = binding(c, &bound);
	m.binding = buf_view(&bound);
	await(c, auth, m.id, ipc_request(auth, IPC_AUTH_START, &m, NULL, 0));
	buf_fini(&bound);
}

void sasl_start_coded(struct client *c, struct view mechanism, bool has_initial, struct view coded)
{
	struct buf b;
	buf_init(&b, SASL_MAX);
	if (has_initial && !view_eqs(coded, "=") && !base64_get(&b, coded))
		refuse(c, IPC_STEP_ILLEGAL, "Not base64, or too long");
	else
		sasl_start(c, mechanism, has_initial, buf_view(&b));
	mem_wipe(b.mem, b.cap);
	buf_fini(&b);
}

void sasl_plain(struct client *c, struct view user, struct view password)
{
	struct buf b;
	buf_init(&b, SASL_MAX);
	buf_addc(&b, '\0');
	buf_addv(&b, user);
	buf_addc(&b, '\0');
	buf_addv(&b, password);
	bool legal = buf_ok(&b) && view_find(user, '\0') == SIZE_MAX && view_find(password, '\0') == SIZE_MAX;
	if (legal)
		sasl_start(c, VIEW("PLAIN"), true, buf_view(&b));
	else
		refuse(c, IPC_STEP_ILLEGAL, "Not legal");
	mem_wipe(b.mem, b.cap);
	buf_fini(&b);
}

static void go_on(struct client *c, struct view line)
{
	struct buf b;
	if (view_eqs(line, "*")) {
		sasl_abort(c);
		refuse(c, IPC_STEP_ILLEGAL, "Cancelled");
		return;
	}
	buf_init(&b, SASL_MAX);
	if (!base64_get(&b, line)) {
		sasl_abort(c);
		refuse(c, IPC_STEP_ILLEGAL, "Not base64, or too long");
	} else if (c->state == CLIENT_FINAL) {
		c->asked = 0;
		carry_start(c);
	} else {
		struct ipc_auth_continue m = { .id = c->asked, .response = buf_view(&b) };
		struct ipc_channel *auth = c->asked_of;
		await(c, auth, m.id, ipc_request(auth, IPC_AUTH_CONTINUE, &m, NULL, 0));
	}
	mem_wipe(b.mem, b.cap);
	buf_fini(&b);
}

void sasl_take_response(struct client *c, struct buf *in)
{
	struct view v = buf_view(in);
	size_t end = view_find(v, '\n');
	if (end == SIZE_MAX && v.n < LINE_MAX_CODED)
		return;
	if (end == SIZE_MAX) {
		client_protocol(c)->farewell(c, "The response is too long");
		client_close(c);
		return;
	}
	char *line = mem_str(view_head(v, end));
	size_t n = end > 0 && line[end - 1] == '\r' ? end - 1 : end;
	buf_consume(in, end + 1);
	go_on(c, view_make(line, n));
	mem_wipe(line, n);
	free(line);
}

static void challenge(struct client *c, struct view v, enum client_state next)
{
	struct buf b;
	buf_init(&b, 2 * SASL_MAX);
	base64_put(&b, v);
	c->state = next;
	/* IMAP (RFC 3501 6.2.2) and POP3 (RFC 5034 4) show it alike. */
	stream_puts(c->stream, "+ ");
	stream_write(c->stream, buf_view(&b));
	stream_puts(c->stream, "\r\n");
	buf_fini(&b);
}

static void logged_in(struct client *c, const struct ipc_auth_step *m)
{
	buf_reset(&c->sealed);
	buf_addv(&c->sealed, m->login);
	log_info("login", LS("session", c->session), LV("user", m->account), LU("uid", m->uid), LS("peer", c->peer),
		LS("door", c->door == IPC_DOOR_IMAP ? "imap" : "pop3"), LU("tls", client_secure(c)));
	if (m->challenge.n > 0) {
		challenge(c, m->challenge, CLIENT_FINAL);
		return;
	}
	c->asked = 0;
	carry_start(c);
}

void sasl_on_step(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct login *l = d->user;
	const struct ipc_auth_step *m = msg;
	struct client *c = map64_del(l->asked, m->id);
	(void)from;
	(void)fds;
	(void)nfds;
	if (c == NULL)
		return;
	if (m->step == IPC_STEP_IN) {
		logged_in(c, m);
	} else if (m->step == IPC_STEP_GO_ON) {
		challenge(c, m->challenge, CLIENT_RESPONSE);
	} else {
		c->asked = 0;
		log_info("login_failed", LS("session", c->session), LV("user", m->account), LS("peer", c->peer), LU("step", m->step));
		refuse(c, m->step, NULL);
	}
	/* In none of these is the client gone: replies only write. */
	if (c->state != CLIENT_WAITING)
		stream_resume(c->stream);
}

void sasl_put_mechanisms(const struct client *c, const char *before, struct buf *out)
{
	struct view v;
	for (size_t i = 0; conf_item(c->l->d->conf, PARAM_AUTH_MECHANISMS, i, &v); i++) {
		buf_adds(out, before);
		buf_addv(out, v);
	}
}
