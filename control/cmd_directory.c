/* SPDX-License-Identifier: ISC */
/* domain, account and alias: asked of the accounts process. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli.h"
#include "password_input.h"

static void say_done(const struct cli *c, const char *what, const char *did, uint64_t uid, const char *password)
{
	if (!cli_json(c)) {
		printf("%s %s\n", what, did);
		if (password)
			printf("password: %s\n", password);
		return;
	}
	printf("{\"name\":");
	json_string(stdout, view_of(what));
	printf(",\"uid\":%llu", (unsigned long long)uid);
	if (password) {
		printf(",\"password\":");
		json_string(stdout, view_of(password));
	}
	printf("}\n");
}

/* Sends one request and waits for its end; says `did` for people when it is done, and the password that was made, if any. */
static int ask(struct cli *c, enum ipc_kind kind, const void *m, const char *what, const char *did, const char *password)
{
	struct ipc_client *client = cli_connect(c, "accounts.sock", ROLE_ACCOUNTS);
	enum ipc_kind got = IPC_NONE;
	const void *answer = NULL;
	int code;

	if (!client)
		return EXIT_UNAVAILABLE;
	code = cli_send(client, kind, m);
	while (!code && got != IPC_CONTROL_DONE)
		code = cli_receive(client, &got, &answer);
	if (!code) {
		const struct ipc_control_done *done = answer;

		code = cli_done(done, "");
		if (!code)
			say_done(c, what, did, done->count, password);
	}
	ipc_client_close(client);
	return code;
}

static int list(struct cli *c, enum ipc_kind kind, const void *m, struct rows *rows)
{
	struct ipc_client *client = cli_connect(c, "accounts.sock", ROLE_ACCOUNTS);
	enum ipc_kind got = IPC_NONE;
	const void *answer = NULL;
	int code;

	if (!client)
		return EXIT_UNAVAILABLE;
	code = cli_send(client, kind, m);
	while (!code && got != IPC_CONTROL_DONE) {
		code = cli_receive(client, &got, &answer);
		if (!code && got == IPC_ROW) {
			const struct ipc_row *row = answer;

			rows_add(rows, row->name, row->detail, row->uid, row->disabled != 0);
		}
	}
	if (!code)
		code = cli_done(answer, "");
	ipc_client_close(client);
	rows_sort(rows);
	return code;
}

/* ---- domains ---- */

int cmd_domain_add(struct cli *c)
{
	struct ipc_domain_add m = { .id = 1, .domain = view_of(c->args[0]) };

	return ask(c, IPC_DOMAIN_ADD, &m, c->args[0], "is hosted here now", NULL);
}

int cmd_domain_delete(struct cli *c)
{
	struct ipc_domain_delete m = { .id = 1, .domain = view_of(c->args[0]) };

	return ask(c, IPC_DOMAIN_DELETE, &m, c->args[0], "is not hosted here any more", NULL);
}

int cmd_domain_list(struct cli *c)
{
	struct ipc_domain_list m = { .id = 1 };
	struct rows rows = { 0 };
	int code = list(c, IPC_DOMAIN_LIST, &m, &rows);

	if (!code && cli_json(c))
		putchar('[');
	for (size_t i = 0; !code && i < rows.n; i++) {
		if (!cli_json(c)) {
			printf("%s\n", rows.v[i].name);
			continue;
		}
		printf("%s\n{\"domain\":", i ? "," : "");
		json_string(stdout, view_of(rows.v[i].name));
		printf(",\"postmaster\":");
		json_string(stdout, view_of(rows.v[i].detail));
		putchar('}');
	}
	if (!code && cli_json(c))
		printf("\n]\n");
	rows_free(&rows);
	return code;
}

/* ---- accounts ---- */

enum { ADD = 1, PASSWORD = 2, DISABLE = 3, ENABLE = 4, DELETE = 5 };

static int set(struct cli *c, uint8_t action, const char *did)
{
	struct ipc_account_set m = { .id = 1, .action = action, .address = view_of(c->args[0]) };

	return ask(c, IPC_ACCOUNT_SET, &m, c->args[0], did, NULL);
}

static int set_password(struct cli *c, uint8_t action, const char *did)
{
	struct ipc_account_set m = { .id = 1, .action = action, .address = view_of(c->args[0]) };
	struct buf password;
	int code = EXIT_OK;

	buf_init(&password, 1024);
	if (!(c->options & OPT_NO_PASSWORD))
		code = password_input(c, &password);
	m.password = buf_view(&password);
	if (!code)
		code = ask(c, IPC_ACCOUNT_SET, &m, c->args[0], did, (c->options & OPT_GENERATE) ? buf_str(&password) : NULL);
	if (password.mem)
		mem_wipe(password.mem, password.cap);
	buf_fini(&password);
	return code;
}

int cmd_account_add(struct cli *c)
{
	if (c->options & OPT_BATCH)
		return c->nargs ? cli_fail(EXIT_USAGE, "with --batch the addresses stand on standard input") : batch_add(c);
	if (!c->nargs)
		return cli_fail(EXIT_USAGE, "whose account? usage: postrider account add ADDRESS");
	return set_password(c, ADD, "is an account now");
}

int cmd_account_passwd(struct cli *c) { return set_password(c, PASSWORD, "has a new password"); }
int cmd_account_disable(struct cli *c) { return set(c, DISABLE, "is disabled: nobody logs in, mail still arrives"); }
int cmd_account_enable(struct cli *c) { return set(c, ENABLE, "is enabled"); }
int cmd_account_delete(struct cli *c) { return set(c, DELETE, "is deleted; what is stored of its mail stays below directory.mail"); }

static void print_account(const struct cli *c, const struct row *r, bool first)
{
	if (!cli_json(c)) {
		printf("%-40s uid %u%s%s%s\n", r->name, r->uid, r->disabled ? ", disabled" : "", *r->detail ? ", " : "", r->detail);
		return;
	}
	printf("%s\n{\"address\":", first ? "" : ",");
	json_string(stdout, view_of(r->name));
	printf(",\"uid\":%u,\"disabled\":%s,\"password\":%s}", r->uid, r->disabled ? "true" : "false", *r->detail ? "false" : "true");
}

int cmd_account_list(struct cli *c)
{
	struct ipc_account_list m = { .id = 1, .domain = view_of(c->nargs ? c->args[0] : "") };
	struct rows rows = { 0 };
	int code = list(c, IPC_ACCOUNT_LIST, &m, &rows);

	if (!code && cli_json(c))
		putchar('[');
	for (size_t i = 0; !code && i < rows.n; i++)
		print_account(c, &rows.v[i], i == 0);
	if (!code && cli_json(c))
		printf("\n]\n");
	rows_free(&rows);
	return code;
}

/* ---- aliases ---- */

int cmd_alias_add(struct cli *c)
{
	struct ipc_alias_set m = { .id = 1, .address = view_of(c->args[0]) };
	struct buf targets;
	int code;

	buf_init(&targets, 400000);
	for (int i = 1; i < c->nargs; i++) {
		struct ipc_target t = { .kind = 0, .address = view_of(c->args[i]) };

		if (ipc_target_put(&targets, &t) != ERR_OK) {
			buf_fini(&targets);
			return cli_fail(EXIT_DATA, "%s: too long for an address", c->args[i]);
		}
	}
	m.targets = (struct ipc_list){ .bytes = buf_view(&targets), .count = (uint32_t)(c->nargs - 1) };
	code = ask(c, IPC_ALIAS_SET, &m, c->args[0], "is an alias now", NULL);
	buf_fini(&targets);
	return code;
}

int cmd_alias_delete(struct cli *c)
{
	struct ipc_alias_set m = { .id = 1, .delete = 1, .address = view_of(c->args[0]) };

	return ask(c, IPC_ALIAS_SET, &m, c->args[0], "is deleted", NULL);
}

static void print_targets(const struct cli *c, const char *detail, bool first)
{
	struct view rest = view_of(detail), target;

	while (view_cut(&rest, '\n', &target)) {
		if (cli_json(c)) {
			fputs(first ? "" : ",", stdout);
			json_string(stdout, target);
		} else {
			putchar(' ');
			text_print(stdout, target);
		}
		first = false;
	}
}

/* A long alias comes in several rows of one name. */
static void print_aliases(const struct cli *c, const struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		bool same = i && strcmp(rows->v[i].name, rows->v[i - 1].name) == 0;

		if (!same && cli_json(c)) {
			printf("%s\n{\"address\":", i ? "]}," : "");
			json_string(stdout, view_of(rows->v[i].name));
			printf(",\"targets\":[");
		} else if (!same) {
			printf("%s%s:", i ? "\n" : "", rows->v[i].name);
		}
		print_targets(c, rows->v[i].detail, !same);
	}
	if (rows->n)
		fputs(cli_json(c) ? "]}" : "\n", stdout);
}

int cmd_alias_list(struct cli *c)
{
	struct ipc_alias_list m = { .id = 1, .domain = view_of(c->nargs ? c->args[0] : "") };
	struct rows rows = { 0 };
	int code = list(c, IPC_ALIAS_LIST, &m, &rows);

	if (!code && cli_json(c))
		putchar('[');
	if (!code)
		print_aliases(c, &rows);
	if (!code && cli_json(c))
		printf("\n]\n");
	rows_free(&rows);
	return code;
}
