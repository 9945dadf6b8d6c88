/* SPDX-License-Identifier: ISC */
/* IMAP before log-in (RFC 3501 6.1, 6.2). */
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"
#include "login.h"
#include "proto/imap_parse.h"

#define LITERAL_MAX 4096 /* octets of a literal before log-in */

static void put_capabilities(struct client *c, struct buf *out)
{
	buf_adds(out, "CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE");
	if (client_secure(c))
		sasl_put_mechanisms(c, " AUTH=", out);
	else
		buf_adds(out, keys_server(c->l->d) != NULL ? " STARTTLS LOGINDISABLED" : " LOGINDISABLED");
}

static void greet(struct client *c)
{
	struct buf *out = stream_output(c->stream);
	buf_adds(out, "* OK [");
	put_capabilities(c, out);
	buf_printf(out, "] %s Postrider ready\r\n", conf_str(c->l->d->conf, PARAM_HOSTNAME));
	stream_write(c->stream, VIEW_NONE);
}

static void tagged(struct client *c, const char *text)
{
	stream_write(c->stream, buf_view(&c->tag));
	stream_printf(c->stream, " %s\r\n", text);
}

static void farewell(struct client *c, const char *why)
{
	stream_printf(c->stream, "* BYE %s\r\n", why);
}

static void refused(struct client *c, unsigned step, const char *why)
{
	if (step == IPC_STEP_LATER)
		tagged(c, "NO [UNAVAILABLE] Temporary failure, try again");
	else if (step == IPC_STEP_WRONG)
		tagged(c, "NO [AUTHENTICATIONFAILED] Authentication failed");
	else if (step == LOGIN_NO_MECHANISM) /* RFC 9051 6.2.2 */
		tagged(c, "NO Mechanism not offered");
	else {
		stream_write(c->stream, buf_view(&c->tag));
		stream_printf(c->stream, " BAD %s\r\n", why != NULL ? why : "The exchange is not legal");
	}
}

/* ---- commands ---- */

static void do_capability(struct client *c, struct imap_text *t)
{
	struct buf *out = stream_output(c->stream);
	(void)t;
	buf_adds(out, "* ");
	put_capabilities(c, out);
	buf_adds(out, "\r\n");
	tagged(c, "OK Capabilities listed");
}

static void do_noop(struct client *c, struct imap_text *t)
{
	(void)t;
	tagged(c, "OK Nothing done");
}

static void do_id(struct client *c, struct imap_text *t)
{
	t->at = t->in.n;
	stream_puts(c->stream, "* ID (\"name\" \"Postrider\")\r\n");
	tagged(c, "OK Identified");
}

static void do_logout(struct client *c, struct imap_text *t)
{
	(void)t;
	farewell(c, "Good bye");
	tagged(c, "OK Logged out");
	client_close(c);
}

static void do_starttls(struct client *c, struct imap_text *t)
{
	(void)t;
	if (stream_is_tls(c->stream) || keys_server(c->l->d) == NULL) {
		tagged(c, "BAD TLS is there already, or cannot be had");
		return;
	}
	c->starttls_told = true;
	if (buf_len(stream_input(c->stream)) == 0)
		tagged(c, "OK Begin TLS now");
	client_start_tls(c);
}

static bool must_be_secure(struct client *c)
{
	if (client_secure(c))
		return true;
	tagged(c, "NO [PRIVACYREQUIRED] Use STARTTLS first");
	return false;
}

static void do_login(struct client *c, struct imap_text *t)
{
	struct view user, password;
	if (!imap_space(t) || !imap_astring(t, &user) || !imap_space(t) || !imap_astring(t, &password) || !imap_at_end(t))
		tagged(c, "BAD LOGIN needs a user and a password");
	else if (must_be_secure(c))
		sasl_plain(c, user, password);
}

static void do_authenticate(struct client *c, struct imap_text *t)
{
	struct view mechanism, coded = VIEW_NONE;
	if (!imap_space(t) || !imap_atom(t, &mechanism)) {
		tagged(c, "BAD AUTHENTICATE needs a mechanism");
		return;
	}
	bool has_initial = imap_space(t);
	if (has_initial) {
		/* Its base64 ends in "=", which no atom holds. */
		coded = view_skip(t->in, t->at);
		t->at = t->in.n;
	}
	if (!imap_at_end(t))
		tagged(c, "BAD AUTHENTICATE takes a mechanism and an initial response");
	else if (must_be_secure(c))
		sasl_start_coded(c, mechanism, has_initial, coded);
}

static const struct command {
	const char *name;
	void (*run)(struct client *c, struct imap_text *t);
	bool bare; /* takes no arguments */
} commands[] = {
	{ "CAPABILITY", do_capability, true },
	{ "NOOP", do_noop, true },
	{ "LOGOUT", do_logout, true },
	{ "ID", do_id, false },
	{ "STARTTLS", do_starttls, true },
	{ "LOGIN", do_login, false },
	{ "AUTHENTICATE", do_authenticate, false },
};

static void no_command(struct client *c, bool has_tag, const char *why)
{
	if (!client_bad(c))
		return;
	if (has_tag)
		stream_write(c->stream, buf_view(&c->tag));
	else
		stream_puts(c->stream, "*");
	stream_printf(c->stream, " BAD %s\r\n", why);
}

static void run(struct client *c, struct imap_text *t)
{
	struct view tag, name;
	buf_reset(&c->tag);
	if (!imap_tag(t, &tag) || tag.n > 64 || !imap_space(t) || !imap_atom(t, &name)) {
		no_command(c, false, "That is no command");
		return;
	}
	buf_addv(&c->tag, tag);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (!view_ieqs(name, commands[i].name))
			continue;
		if (commands[i].bare && !imap_at_end(t))
			no_command(c, true, "This command takes no arguments");
		else
			commands[i].run(c, t);
		return;
	}
	no_command(c, true, "No such command before log-in");
}

/* Takes its command out of the reader first: a command may close the client, or hand it on with what follows. */
static void take_command(struct client *c)
{
	struct arena *a = arena_new();
	struct imap_text t = { .in = arena_view(a, buf_view(&c->reader.command)), .arena = a };
	mem_wipe(c->reader.command.mem, c->reader.command.cap);
	imap_next(&c->reader);
	if (view_find(t.in, '\0') != SIZE_MAX)
		no_command(c, false, "NUL is not legal here");
	else
		run(c, &t);
	arena_free(a);
}

static void take_literal(struct client *c)
{
	if (c->reader.size <= LITERAL_MAX && !c->reader.binary) {
		bool sync = c->reader.sync;
		if (imap_accept(&c->reader) && sync)
			stream_puts(c->stream, "+ Go on\r\n");
		return;
	}
	stream_puts(c->stream, "* BAD The literal is too big before log-in\r\n");
	(void)imap_refuse(&c->reader);
	(void)client_bad(c);
}

/* One event at a time: after a command the state tells whether more may be read. False when the client may be gone. */
static bool take_event(struct client *c, struct buf *in)
{
	struct view v = buf_view(in), data;
	size_t before = v.n;
	struct login *l = c->l;
	size_t clients = l->count;
	enum imap_event e = imap_feed(&c->reader, &v, &data);
	buf_consume(in, before - v.n);
	if (e == IMAP_MORE)
		return false;
	if (e == IMAP_LITERAL) {
		take_literal(c);
	} else if (e == IMAP_COMMAND) {
		take_command(c);
	} else if (e == IMAP_TOO_LONG) {
		imap_next(&c->reader);
		no_command(c, false, "The command is too long");
	}
	return l->count == clients;
}

static void take(struct client *c, struct buf *in)
{
	while (take_event(c, in))
		if (c->state != CLIENT_COMMAND || buf_len(in) == 0)
			return;
}

const struct protocol imap_protocol = { greet, take, refused, farewell };
