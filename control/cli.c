/* SPDX-License-Identifier: ISC */
#include "cli.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sys/file.h"

#define CONF_MAX (1u << 20)
#define ANSWER_MS 60000

/* How errors are told: of the whole process, since they come from everywhere in it. */
static bool errors_as_json;

void cli_errors_as_json(void)
{
	errors_as_json = true;
}

/* The one place where an error is told. Its text may have several lines, and octets from elsewhere. */
static int tell_error(int code, struct view text)
{
	fflush(stdout);
	if (errors_as_json) {
		fputs("{\"error\":", stderr);
		json_string(stderr, text);
		fprintf(stderr, ",\"exit\":%d}\n", code);
	} else {
		fputs("postrider: ", stderr);
		text_print(stderr, text);
		fputc('\n', stderr);
	}
	return code;
}

int cli_fail(int code, const char *fmt, ...)
{
	va_list ap;
	char text[16384];

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return tell_error(code, view_of(text));
}

int cli_conf(struct cli *c)
{
	struct buf text, why;
	int code = EXIT_OK, err;

	buf_init(&text, CONF_MAX);
	buf_init(&why, CONF_MAX);
	c->conf = conf_new();
	err = file_slurp(AT_FDCWD, c->file, &text);
	if (err) {
		code = cli_fail(EXIT_CONFIG, "%s: cannot be read: %s; name another with -c", c->file, err_text(err));
	} else if (conf_read(c->conf, c->file, buf_view(&text), &why) != ERR_OK || conf_check(c->conf, &why) != ERR_OK) {
		code = EXIT_CONFIG;
		if (errors_as_json)
			tell_error(code, view_trim(buf_view(&why)));
		else
			fputs(buf_str(&why), stderr);
	}
	buf_fini(&text);
	buf_fini(&why);
	return code;
}

char *cli_run_path(const struct cli *c, const char *name)
{
	struct buf b;
	char *s;

	buf_init(&b, 4200);
	buf_printf(&b, "%s/%s", conf_str(c->conf, PARAM_DIRECTORY_RUN), name);
	s = mem_str(buf_view(&b));
	buf_fini(&b);
	return s;
}

/* ---- the control sockets ---- */

static void explain_connect(const struct cli *c, const char *path, int err)
{
	if (err == ERR_NOT_FOUND || err == ERR_LOST)
		(void)cli_fail(EXIT_UNAVAILABLE, "nobody answers at %s: the suite is not running; start it with: postrider -c %s start", path, c->file);
	else if (err == ERR_DENIED)
		(void)cli_fail(EXIT_UNAVAILABLE, "%s: not permitted; be root, or in the group that control_group names", path);
	else
		(void)cli_fail(EXIT_UNAVAILABLE, "%s: %s; is the suite running (postrider -c %s status)?", path, err_text(err), c->file);
}

struct ipc_client *cli_connect(const struct cli *c, const char *sock, enum ipc_role peer)
{
	struct ipc_client *client = NULL;
	char *path = cli_run_path(c, sock);
	int err = ipc_client_open(path, peer, &client);

	if (err)
		explain_connect(c, path, err);
	free(path);
	return err ? NULL : client;
}

static int talk_failed(int err)
{
	switch (err) {
	case ERR_TIMEOUT:
		return cli_fail(EXIT_LATER, "no answer within a minute; see the log");
	case ERR_PROTOCOL:
		return cli_fail(EXIT_UNAVAILABLE, "the running suite is of another version, or refuses you; restart it after an upgrade");
	case ERR_TOO_BIG:
		return cli_fail(EXIT_DATA, "what you gave is longer than can be");
	case ERR_LOST:
	case ERR_END:
		return cli_fail(EXIT_UNAVAILABLE, "the connection was closed: you may not (be root, or in control_group), or the process ended (see the log)");
	default:
		return cli_fail(EXIT_UNAVAILABLE, "the connection failed: %s", err_text(err));
	}
}

int cli_receive(struct ipc_client *client, enum ipc_kind *kind, const void **m)
{
	int err = ipc_client_receive(client, kind, m, ANSWER_MS);

	return err ? talk_failed(err) : EXIT_OK;
}

int cli_send(struct ipc_client *client, enum ipc_kind kind, const void *m)
{
	int err = ipc_client_send(client, kind, m);

	return err ? talk_failed(err) : EXIT_OK;
}

int cli_done(const struct ipc_control_done *done, const char *what)
{
	if (done->outcome == IPC_DONE)
		return EXIT_OK;
	return cli_fail(done->outcome == IPC_LATER ? EXIT_LATER : EXIT_FAILED, "%s%s%.*s", what, *what ? ": " : "", (int)done->text.n, done->text.p);
}

/* ---- accounts ---- */

int cli_accounts(const struct cli *c, struct view domain, void (*fn)(void *arg, const struct ipc_row *row), void *arg)
{
	struct ipc_account_list m = { .id = 1, .domain = domain };
	struct ipc_client *client = cli_connect(c, "accounts.sock", ROLE_ACCOUNTS);
	enum ipc_kind got = IPC_NONE;
	const void *answer = NULL;
	int code;

	if (!client)
		return EXIT_UNAVAILABLE;
	code = cli_send(client, IPC_ACCOUNT_LIST, &m);
	while (!code && got != IPC_CONTROL_DONE) {
		code = cli_receive(client, &got, &answer);
		if (!code && got == IPC_ROW)
			fn(arg, answer);
	}
	ipc_client_close(client);
	return code;
}

struct wanted {
	const char *address;
	uint32_t uid;
	bool found;
};

static void is_wanted(void *arg, const struct ipc_row *row)
{
	struct wanted *w = arg;

	if (view_ieqs(row->name, w->address)) {
		w->uid = row->uid;
		w->found = true;
	}
}

int cli_find_account(const struct cli *c, const char *address, uint32_t *uid)
{
	struct wanted w = { .address = address };
	struct view domain = view_of(address);
	size_t at = view_rfind(domain, '@');
	int code = cli_accounts(c, at == SIZE_MAX ? VIEW_NONE : view_skip(domain, at + 1), is_wanted, &w);

	*uid = w.uid;
	return code || w.found ? code : cli_fail(EXIT_DATA, "%s: there is no such account", address);
}

/* ---- output ---- */

void json_string(FILE *f, struct view v)
{
	struct buf b;

	buf_init(&b, v.n * 6 + 2);
	buf_addjson(&b, v);
	(void)fwrite(buf_view(&b).p, 1, buf_len(&b), f);
	buf_fini(&b);
}

void text_print(FILE *f, struct view v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char ch = (unsigned char)v.p[i];

		if (ch < 0x20 || ch == 0x7f)
			fprintf(f, "\\x%02x", ch);
		else
			fputc(ch, f);
	}
}

void rows_add(struct rows *r, struct view name, struct view detail, uint32_t uid, bool disabled)
{
	if (r->n == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		r->v = mem_resize(r->v, r->room * sizeof(*r->v));
	}
	r->v[r->n++] = (struct row){ .name = mem_str(name), .detail = mem_str(detail), .uid = uid, .disabled = disabled };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

void rows_sort(struct rows *r)
{
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_name);
}

void rows_free(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].name);
		free(r->v[i].detail);
	}
	free(r->v);
	*r = (struct rows){ 0 };
}
