/* SPDX-License-Identifier: ISC */
/* POP3 before log-in (RFC 1939 4, 7; RFC 2449; RFC 2595 4; RFC 5034). */
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"
#include "login.h"

#define LINE_MAX_POP3 16384 /* an AUTH command with its initial response */

static void greet(struct client *c)
{
	stream_printf(c->stream, "+OK %s Postrider ready\r\n", conf_str(c->l->d->conf, PARAM_HOSTNAME));
}

static void farewell(struct client *c, const char *why)
{
	stream_printf(c->stream, "-ERR %s\r\n", why);
}

static void refused(struct client *c, unsigned step, const char *why)
{
	if (step == IPC_STEP_LATER)
		stream_puts(c->stream, "-ERR [SYS/TEMP] Temporary failure, try again\r\n");
	else if (step == IPC_STEP_WRONG)
		stream_puts(c->stream, "-ERR [AUTH] Authentication failed\r\n");
	else
		farewell(c, why != NULL ? why : "The exchange is not legal");
}

static void do_capa(struct client *c, struct view args)
{
	struct buf *out = stream_output(c->stream);
	(void)args;
	buf_adds(out, "+OK Capabilities follow\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n");
	if (client_secure(c)) {
		buf_adds(out, "USER\r\nSASL");
		sasl_put_mechanisms(c, " ", out);
		buf_adds(out, "\r\n");
	} else if (keys_server(c->l->d) != NULL) {
		buf_adds(out, "STLS\r\n");
	}
	buf_adds(out, "IMPLEMENTATION Postrider\r\n.\r\n");
	stream_write(c->stream, VIEW_NONE);
}

static void do_quit(struct client *c, struct view args)
{
	(void)args;
	stream_puts(c->stream, "+OK Good bye\r\n");
	client_close(c);
}

static void do_stls(struct client *c, struct view args)
{
	(void)args;
	if (stream_is_tls(c->stream) || keys_server(c->l->d) == NULL) {
		farewell(c, "TLS is there already, or cannot be had");
		return;
	}
	c->starttls_told = true;
	if (buf_len(stream_input(c->stream)) == 0)
		stream_puts(c->stream, "+OK Begin TLS now\r\n");
	client_start_tls(c);
}

static bool must_be_secure(struct client *c)
{
	if (client_secure(c))
		return true;
	farewell(c, "Use STLS first");
	return false;
}

static void do_user(struct client *c, struct view args)
{
	if (!must_be_secure(c))
		return;
	buf_reset(&c->user);
	buf_addv(&c->user, args);
	if (args.n > 0 && buf_ok(&c->user))
		stream_puts(c->stream, "+OK Go on with PASS\r\n");
	else
		farewell(c, "USER needs a name");
}

/* The password is all behind the blank, blanks included (RFC 1939 7). */
static void do_pass(struct client *c, struct view args)
{
	if (!must_be_secure(c))
		return;
	if (buf_len(&c->user) == 0) {
		farewell(c, "USER comes first");
		return;
	}
	char *user = mem_str(buf_view(&c->user));
	struct view name = view_make(user, buf_len(&c->user));
	buf_reset(&c->user);
	sasl_plain(c, name, args);
	free(user);
}

static void do_auth(struct client *c, struct view args)
{
	struct view mechanism, rest = args;
	if (!view_word(&rest, &mechanism)) {
		farewell(c, "AUTH needs a mechanism");
		return;
	}
	rest = view_trim(rest);
	if (must_be_secure(c))
		sasl_start_coded(c, mechanism, rest.n > 0, rest);
}

static const struct command {
	const char *name;
	void (*run)(struct client *c, struct view args);
} commands[] = {
	{ "CAPA", do_capa }, { "USER", do_user }, { "PASS", do_pass }, { "AUTH", do_auth }, { "STLS", do_stls }, { "QUIT", do_quit },
};

static void run(struct client *c, struct view line)
{
	size_t blank = view_find(line, ' ');
	struct view name = blank == SIZE_MAX ? line : view_head(line, blank);
	struct view args = blank == SIZE_MAX ? VIEW_NONE : view_skip(line, blank + 1);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (view_ieqs(name, commands[i].name) && view_find(line, '\0') == SIZE_MAX) {
			commands[i].run(c, args);
			return;
		}
	if (client_bad(c))
		farewell(c, "No such command before log-in");
}

static bool take_line(struct client *c, struct buf *in)
{
	struct view v = buf_view(in);
	size_t end = view_find(v, '\n');
	struct login *l = c->l;
	size_t clients = l->count;
	if (end == SIZE_MAX && v.n < LINE_MAX_POP3)
		return false;
	if (end == SIZE_MAX) {
		farewell(c, "The line is too long");
		client_close(c);
		return false;
	}
	char *line = mem_str(view_head(v, end));
	size_t n = end > 0 && line[end - 1] == '\r' ? end - 1 : end;
	buf_consume(in, end + 1);
	run(c, view_make(line, n));
	mem_wipe(line, n);
	free(line);
	return l->count == clients;
}

static void take(struct client *c, struct buf *in)
{
	while (take_line(c, in))
		if (c->state != CLIENT_COMMAND || buf_len(in) == 0)
			return;
}

const struct protocol pop3_protocol = { greet, take, refused, farewell };
