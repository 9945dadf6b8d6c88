/* SPDX-License-Identifier: ISC */
/* check, config, processes, users, version: what stands in tables. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "daemon/processes.h"

/* ---- check ---- */

static void user_name(const struct cli *c, const struct process_row *row, char out[128])
{
	(void)snprintf(out, 128, "%s%s", conf_str(c->conf, PARAM_SYSTEM_USER_PREFIX), row->user);
}

static bool user_first(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (process_table[k].user && strcmp(process_table[k].user, process_table[i].user) == 0)
			return false;
	return true;
}

/* As root each process needs its own user. */
static int check_users(const struct cli *c)
{
	int missing = 0;

	if (geteuid() != 0)
		return 0;
	for (size_t i = 0; i < process_count; i++) {
		char name[128];

		if (!process_table[i].user || process_table[i].later || !user_first(i))
			continue;
		user_name(c, &process_table[i], name);
		if (!getpwnam(name)) {
			(void)cli_fail(EXIT_CONFIG, "there is no system user %s", name);
			missing++;
		}
	}
	if (missing)
		(void)cli_fail(EXIT_CONFIG, "make them with: postrider -c %s users create", c->file);
	return missing;
}

int cmd_check(struct cli *c)
{
	int code = cli_conf(c);

	if (!code && check_users(c))
		code = EXIT_CONFIG;
	if (cli_json(c))
		printf("{\"file\":\"%s\",\"ok\":%s}\n", c->file, code ? "false" : "true");
	else if (!code)
		printf("%s: nothing is wrong\n", c->file);
	return code;
}

/* ---- config ---- */

static void print_parameter(const struct cli *c, enum param_id p, bool *first)
{
	const struct conf_parameter *row = conf_parameter(p);
	struct view value = (c->options & OPT_DEFAULTS) ? view_of(row->fallback) : conf_text(c->conf, p);

	if ((c->options & OPT_CHANGED) && conf_is_default(c->conf, p))
		return;
	if (cli_json(c)) {
		printf("%s\n", *first ? "" : ",");
		json_string(stdout, view_of(row->name));
		putchar(':');
		json_string(stdout, value);
	} else {
		printf("%s = %.*s\n", row->name, (int)value.n, value.n ? value.p : "");
	}
	*first = false;
}

int cmd_config(struct cli *c)
{
	enum param_id only = PARAM_COUNT;
	bool first = true;
	int code;

	if (c->nargs) {
		only = conf_find(view_of(c->args[0]));
		if (only == PARAM_COUNT)
			return cli_fail(EXIT_DATA, "there is no parameter %s; `postrider config -d` lists all", c->args[0]);
	}
	/* The defaults do not depend on a file: they are asked for when there is none yet. */
	code = (c->options & OPT_CHANGED) || !(c->options & OPT_DEFAULTS) ? cli_conf(c) : EXIT_OK;
	if (code)
		return code;
	if (cli_json(c))
		putchar('{');
	for (unsigned p = 0; p < PARAM_COUNT; p++)
		if (only == PARAM_COUNT || only == (enum param_id)p)
			print_parameter(c, (enum param_id)p, &first);
	if (cli_json(c))
		printf("\n}\n");
	return EXIT_OK;
}

/* ---- processes ---- */

static void print_strings(const char *const *v, size_t n)
{
	putchar('[');
	for (size_t i = 0; i < n && v[i]; i++)
		printf("%s\"%s\"", i ? "," : "", v[i]);
	putchar(']');
}

static void print_dirs(const struct process_row *row)
{
	putchar('[');
	for (size_t i = 0; i < sizeof(row->dirs) / sizeof(row->dirs[0]) && row->dirs[i].name; i++)
		printf("%s{\"name\":\"%s\",\"parameter\":\"%s\",\"rights\":%u}", i ? "," : "", row->dirs[i].name,
			conf_parameter(row->dirs[i].path)->name, row->dirs[i].rights);
	putchar(']');
}

static void print_channels(const struct process_row *row)
{
	bool first = true;

	putchar('[');
	for (size_t i = 0; i < process_channel_count; i++) {
		const struct process_row *to = process_row(process_channels[i].to);

		if (process_channels[i].from != row->role || !to)
			continue;
		printf("%s\"%s\"", first ? "" : ",", to->name);
		first = false;
	}
	putchar(']');
}

static void print_row_json(const struct process_row *row, bool first)
{
	printf("%s\n{\"name\":\"%s\",\"program\":", first ? "" : ",", row->name);
	json_string(stdout, view_of(row->program));
	printf(",\"user\":");
	json_string(stdout, view_of(row->user));
	printf(",\"count\":\"%s\",\"caps\":%llu,\"syscalls\":%u,\"files\":%llu,\"later\":%s,\"dirs\":",
		row->count == PARAM_COUNT ? "1" : conf_parameter(row->count)->name, (unsigned long long)row->caps, row->sys,
		(unsigned long long)row->files, row->later ? "true" : "false");
	print_dirs(row);
	printf(",\"listeners\":");
	print_strings(row->listeners, sizeof(row->listeners) / sizeof(row->listeners[0]));
	printf(",\"asks\":");
	print_channels(row);
	printf(",\"text\":");
	json_string(stdout, view_of(row->text));
	putchar('}');
}

static int print_users(void)
{
	for (size_t i = 0; i < process_count; i++)
		if (process_table[i].user && !process_table[i].later && user_first(i))
			printf("%s\n", process_table[i].user);
	return EXIT_OK;
}

int cmd_processes(struct cli *c)
{
	if (c->options & OPT_USERS)
		return print_users();
	if (cli_json(c))
		putchar('[');
	for (size_t i = 0; i < process_count; i++) {
		const struct process_row *row = &process_table[i];

		if (cli_json(c))
			print_row_json(row, i == 0);
		else
			printf("%-18s %-18s %s%s\n", row->name, row->user ? row->user : "-", row->text, row->later ? " (not built yet)" : "");
	}
	if (cli_json(c))
		printf("\n]\n");
	return EXIT_OK;
}

/* ---- users ---- */

static int make_user(const struct cli *c, const char *name, bool first)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("useradd", "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell",
			"/usr/sbin/nologin", name, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return cli_fail(EXIT_FAILED, "useradd(8) did not make %s; make it by hand: a system user with a group of its name", name);
	if (cli_json(c))
		printf("%s\"%s\"", first ? "" : ",", name);
	else
		printf("made the system user %s\n", name);
	fflush(stdout);
	return EXIT_OK;
}

int cmd_users_create(struct cli *c)
{
	int code = EXIT_OK;
	unsigned made = 0;

	if (geteuid() != 0)
		return cli_fail(EXIT_PERMISSION, "only root makes system users; an ordinary user's suite needs none");
	if (cli_json(c))
		printf("{\"made\":[");
	fflush(stdout);
	for (size_t i = 0; !code && i < process_count; i++) {
		char name[128];

		if (!process_table[i].user || process_table[i].later || !user_first(i))
			continue;
		user_name(c, &process_table[i], name);
		if (getpwnam(name))
			continue;
		code = make_user(c, name, made == 0);
		made += !code;
	}
	if (cli_json(c))
		printf("]}\n");
	else if (!code && made == 0)
		printf("all the system users are there\n");
	return code;
}

int cmd_version(struct cli *c)
{
	if (cli_json(c))
		printf("{\"name\":\"postrider\",\"version\":\"%s\"}\n", PACKAGE_VERSION);
	else
		printf("postrider %s\n", PACKAGE_VERSION);
	return EXIT_OK;
}
