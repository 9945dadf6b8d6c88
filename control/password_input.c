/* SPDX-License-Identifier: ISC */
#include "password_input.h"

#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "sys/clock.h"

#define IN_FLIGHT 64
#define GENERATED_OCTETS 12 /* 96 bits: 16 letters and digits */

/* One line of f without its end; false at the end of the file. */
static bool read_line(FILE *f, struct buf *out)
{
	int ch, n = 0;

	while ((ch = getc(f)) != EOF && ch != '\n') {
		buf_addc(out, (char)ch);
		n++;
	}
	if (buf_len(out) && buf_view(out).p[buf_len(out) - 1] == '\r')
		buf_cut(out, buf_len(out) - 1);
	return ch != EOF || n > 0;
}

static void generate(struct buf *out)
{
	uint8_t octets[GENERATED_OCTETS];
	size_t from = buf_len(out);

	random_bytes(octets, sizeof(octets));
	base64_put(out, view_make(octets, sizeof(octets)));
	/* Letters that no shell and no form minds. */
	for (size_t i = from; i < buf_len(out); i++) {
		char *p = out->mem + out->off + i;

		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	}
	mem_wipe(octets, sizeof(octets));
}

static void echo(bool on)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t) != 0)
		return;
	t.c_lflag = on ? t.c_lflag | ECHO : t.c_lflag & ~(tcflag_t)ECHO;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &t);
}

static void prompt(const char *text, struct buf *out)
{
	fputs(text, stderr);
	fflush(stderr);
	echo(false);
	(void)read_line(stdin, out);
	echo(true);
	fputc('\n', stderr);
}

static int from_terminal(struct buf *out)
{
	struct buf again;
	bool same;

	buf_init(&again, 1024);
	prompt("New password: ", out);
	prompt("Again: ", &again);
	same = view_eq(buf_view(out), buf_view(&again));
	if (again.mem)
		mem_wipe(again.mem, again.cap);
	buf_fini(&again);
	return same ? EXIT_OK : cli_fail(EXIT_DATA, "the two passwords differ; nothing was changed");
}

int password_input(const struct cli *c, struct buf *out)
{
	int code = EXIT_OK;

	if (c->options & OPT_GENERATE)
		generate(out);
	else if ((c->options & OPT_STDIN) || !isatty(STDIN_FILENO))
		(void)read_line(stdin, out);
	else
		code = from_terminal(out);
	if (!code && !buf_ok(out))
		return cli_fail(EXIT_DATA, "the password is too long");
	if (!code && buf_len(out) == 0)
		return cli_fail(EXIT_DATA, "the password is empty");
	return code;
}

/* ---- many at once ---- */

struct batch {
	struct cli *c;
	struct ipc_client *client;
	uint64_t line; /* of the input; also the request's id */
	unsigned flight;
	uint64_t added, failed;
};

static int receive_one(struct batch *b)
{
	enum ipc_kind kind;
	const void *m;
	char what[40];
	int code = cli_receive(b->client, &kind, &m);

	if (code || kind != IPC_CONTROL_DONE)
		return code;
	b->flight--;
	(void)snprintf(what, sizeof(what), "line %llu", (unsigned long long)((const struct ipc_control_done *)m)->id);
	if (cli_done(m, what) == EXIT_OK)
		b->added++;
	else
		b->failed++;
	return EXIT_OK;
}

static int send_line(struct batch *b, struct view line)
{
	struct ipc_account_set m = { .id = b->line, .action = 1 };

	if (!view_word(&line, &m.address))
		return EXIT_OK;
	m.password = view_trim(line);
	b->flight++;
	return cli_send(b->client, IPC_ACCOUNT_SET, &m);
}

static int batch_run(struct batch *b)
{
	struct buf line;
	int code = EXIT_OK;

	buf_init(&line, 4096);
	while (!code && read_line(stdin, &line)) {
		b->line++;
		if (!buf_ok(&line))
			code = cli_fail(EXIT_DATA, "line %llu is too long", (unsigned long long)b->line);
		else
			code = send_line(b, buf_view(&line));
		while (!code && b->flight >= IN_FLIGHT)
			code = receive_one(b);
		buf_reset(&line);
	}
	while (!code && b->flight)
		code = receive_one(b);
	if (line.mem)
		mem_wipe(line.mem, line.cap);
	buf_fini(&line);
	return code;
}

int batch_add(struct cli *c)
{
	struct batch b = { .c = c, .client = cli_connect(c, "accounts.sock", ROLE_ACCOUNTS) };
	int code;

	if (!b.client)
		return EXIT_UNAVAILABLE;
	code = batch_run(&b);
	ipc_client_close(b.client);
	if (code)
		return code;
	if (cli_json(c))
		printf("{\"added\":%llu,\"failed\":%llu}\n", (unsigned long long)b.added, (unsigned long long)b.failed);
	else
		printf("%llu accounts added, %llu failed\n", (unsigned long long)b.added, (unsigned long long)b.failed);
	return b.failed ? EXIT_FAILED : EXIT_OK;
}
