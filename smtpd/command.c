/* SPDX-License-Identifier: ISC */
/* The table of commands, and those that are a line or two. */
#include <stdlib.h>

#include "log/log.h"
#include "smtpd/engine.h"

/* What a command needs of the class of the listener. */
enum need { NEED_NOTHING, NEED_SMTP, NEED_LMTP };

struct command {
	const char *name;
	void (*run)(struct session *s, struct view arg);
	unsigned stages; /* where it is legal */
	enum need need;
	size_t line_max;
	bool extended;   /* exists only after EHLO or LHLO (RFC 5321 2.2.1) */
	const struct smtp_reply *early; /* for the wrong stage; NULL: "bad sequence" */
};

static const struct smtp_reply bad_sequence = { 503, "5.5.1", "Bad sequence of commands" };
static const struct smtp_reply no_mail = { 503, "5.5.1", "Need MAIL first" };
static const struct smtp_reply no_hello = { 503, "5.5.1", "Say hello first" };
static const struct smtp_reply nested = { 503, "5.5.1", "Nested MAIL, or no hello before it" };

/* ---- greetings ---- */

static void put_limits(struct session *s)
{
	/* RFC 9422 4: so that a client splits its recipients before it is told to. */
	buf_printf(&s->out, "250-LIMITS RCPTMAX=%u\r\n", s->facts.settings->rcpts_max);
	buf_printf(&s->out, "250-SIZE %llu\r\n", (unsigned long long)s->facts.settings->size_max);
}

static void put_extensions(struct session *s)
{
	struct view mechanisms = login_mechanisms(s);

	smtp_reply_line(&s->out, 250, false, view_of(s->facts.settings->hostname));
	put_limits(s);
	if (s->facts.tls_offered && !s->tls.version)
		smtp_reply_line(&s->out, 250, false, VIEW("STARTTLS"));
	if (mechanisms.n && !s->account.n) {
		buf_adds(&s->out, "250-AUTH ");
		buf_addv(&s->out, mechanisms);
		buf_adds(&s->out, "\r\n");
	}
	buf_adds(&s->out, "250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n"
			  "250 ENHANCEDSTATUSCODES\r\n");
}

static bool greeted(struct session *s, struct view arg, bool extended)
{
	static const struct smtp_reply bad = { 501, "5.5.4", "Syntax: a host name or an address literal" };

	if (!address_is_helo(arg)) {
		session_error(s, &bad);
		return false;
	}
	/* RFC 5321 4.1.4: a greeting in the middle is a RSET too. */
	transaction_end(s);
	free(s->helo);
	s->helo = mem_str(arg);
	s->extended = extended;
	s->stage = STAGE_READY;
	return true;
}

static void command_ehlo(struct session *s, struct view arg)
{
	if (greeted(s, arg, true))
		put_extensions(s);
}

static void command_helo(struct session *s, struct view arg)
{
	if (greeted(s, arg, false))
		smtp_reply_line(&s->out, 250, true, view_of(s->facts.settings->hostname));
}

/* ---- the small ones ---- */

static const struct smtp_reply ok = { 250, "2.0.0", "Ok" };

static void command_rset(struct session *s, struct view arg)
{
	(void)arg;
	transaction_end(s);
	if (s->stage != STAGE_START)
		s->stage = STAGE_READY;
	session_reply(s, &ok);
}

static void command_noop(struct session *s, struct view arg)
{
	(void)arg;
	session_reply(s, &ok);
}

/* RFC 5321 7.3: whether an address exists is told to nobody who does not mail to it. */
static void command_vrfy(struct session *s, struct view arg)
{
	static const struct smtp_reply maybe = { 252, "2.0.0", "Cannot verify, but mail to it and see" };
	static const struct smtp_reply bad = { 501, "5.5.4", "Syntax: VRFY address" };

	if (arg.n)
		session_reply(s, &maybe);
	else
		session_error(s, &bad);
}

/* RFC 5321 4.2.4: known, and not done here. */
static void command_not_done(struct session *s, struct view arg)
{
	static const struct smtp_reply no = { 502, "5.5.1", "This command is not implemented" };

	(void)arg;
	session_error(s, &no);
}

static void command_help(struct session *s, struct view arg)
{
	static const struct smtp_reply help = { 214, "2.0.0", "This is Postrider; see RFC 5321" };

	(void)arg;
	session_reply(s, &help);
}

static void command_quit(struct session *s, struct view arg)
{
	static const struct smtp_reply bye = { 221, "2.0.0", "Bye" };

	(void)arg;
	session_reply(s, &bye);
	s->quit = true;
	s->ended = true;
}

/* ---- the table ---- */

#define AFTER_HELLO (STAGE_READY | STAGE_MAIL | STAGE_CHUNKS)

static const struct command commands[] = {
	{ "MAIL", command_mail, STAGE_READY, NEED_NOTHING, LINE_ENVELOPE, false, &nested },
	{ "RCPT", command_rcpt, STAGE_MAIL, NEED_NOTHING, LINE_ENVELOPE, false, &no_mail },
	{ "DATA", command_data, STAGE_MAIL, NEED_NOTHING, LINE_PLAIN, false, &no_mail },
	{ "BDAT", command_bdat, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "EHLO", command_ehlo, STAGE_ALL, NEED_SMTP, LINE_PLAIN, false, NULL },
	{ "HELO", command_helo, STAGE_ALL, NEED_SMTP, LINE_PLAIN, false, NULL },
	{ "LHLO", command_ehlo, STAGE_ALL, NEED_LMTP, LINE_PLAIN, false, NULL },
	{ "RSET", command_rset, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "NOOP", command_noop, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "QUIT", command_quit, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "STARTTLS", command_starttls, STAGE_START | STAGE_READY, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "AUTH", command_auth, STAGE_READY, NEED_NOTHING, LINE_AUTH, true, NULL },
	{ "VRFY", command_vrfy, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "EXPN", command_not_done, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "ETRN", command_not_done, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "TURN", command_not_done, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
	{ "HELP", command_help, STAGE_ALL, NEED_NOTHING, LINE_PLAIN, false, NULL },
};

static const struct command *find(struct view verb)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (view_ieqs(verb, commands[i].name))
			return &commands[i];
	return NULL;
}

size_t command_line_max(struct view line)
{
	size_t n = 0;

	while (n < line.n && n < 10 && ascii_isalpha(line.p[n]))
		n++;
	const struct command *c = find(view_head(line, n));
	return c ? c->line_max : LINE_PLAIN;
}

static bool exists(const struct session *s, const struct command *c)
{
	bool lmtp = s->facts.class->lmtp;

	return c->need == NEED_NOTHING || lmtp == (c->need == NEED_LMTP);
}

static void run(struct session *s, const struct command *c, struct view arg)
{
	if (c->stages & s->stage && (!c->extended || s->extended))
		c->run(s, arg);
	else if (s->stage == STAGE_START)
		session_error(s, &no_hello);
	else
		session_error(s, c->early ? c->early : &bad_sequence);
}

void command_line(struct session *s, struct view line)
{
	static const struct smtp_reply unknown = { 500, "5.5.1", "Command not known here" };
	static const struct smtp_reply control = { 501, "5.5.2", "Control character in a command" };
	static const struct smtp_reply foreign = { 554, "5.5.1", "This is a mail server" };
	struct smtp_line l = smtp_line_split(line);
	const struct command *c = find(l.verb);

	if (!c && smtp_line_is_foreign(line))
		session_error_end(s, &foreign);
	else if (smtp_line_has_control(line))
		session_error(s, &control);
	else if (!c || !exists(s, c))
		session_error(s, &unknown);
	else
		run(s, c, l.arg);
}
