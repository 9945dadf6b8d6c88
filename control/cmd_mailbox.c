/* SPDX-License-Identifier: ISC */
/* mailbox: an account's mail checked, repaired, compacted, written out as a Maildir, and taken in from one. All of it is done as the account's user. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "cli.h"
#include "log/log.h"
#include "mailbox/incoming.h"
#include "mailbox/maildir.h"
#include "mailbox/repair.h"
#include "sys/file.h"
#include "sys/priv.h"

/* A home that is named by its directory: whose it is. */
static int find_owner(const char *path, uint32_t *uid, int *home)
{
	struct stat st;
	int err = file_open_dir(AT_FDCWD, path, home);
	if (err == ERR_OK && fstat(*home, &st) != 0)
		err = ERR_IO;
	if (err != ERR_OK)
		return cli_fail(EXIT_DATA, "%s: %s", path, err_text(err));
	*uid = st.st_uid;
	return EXIT_OK;
}

/* *place: the inode of the directory that it stands in. */
static int open_home(const struct cli *c, const char *address, uint32_t uid, int *home, uint64_t *place)
{
	struct stat st = { 0 };
	char name[INCOMING_HOME_MAX], *slash;
	int mail, shard, err = file_open_dir(AT_FDCWD, conf_str(c->conf, PARAM_DIRECTORY_MAIL), &mail);
	incoming_home(uid, name);
	slash = strchr(name, '/');
	*slash = '\0';
	if (err == ERR_OK) {
		err = file_open_dir(mail, name, &shard);
		fd_close(&mail);
	}
	if (err == ERR_OK) {
		err = fstat(shard, &st) == 0 ? file_open_dir(shard, slash + 1, home) : ERR_IO;
		*place = st.st_ino;
		fd_close(&shard);
	}
	if (err == ERR_NOT_FOUND)
		return cli_fail(EXIT_DATA, "%s: its home is made by the first delivery or log-in, and there was none", address);
	return err == ERR_OK ? EXIT_OK : cli_fail(EXIT_PERMISSION, "%s: the mail cannot be opened: %s", address, err_text(err));
}

/* From here on as the account, with its home and the directory alone; an import may read what the account may not. */
static int become(uint32_t uid, int home, int dirfd, bool read_all)
{
	struct priv_path paths[] = { { .fd = home, .rights = PRIV_READ | PRIV_WRITE }, { .fd = dirfd, .rights = PRIV_READ | (read_all ? 0 : PRIV_WRITE) } };
	int abi, err = ERR_OK;
	if (geteuid() == 0)
		err = priv_become(uid, uid, NULL, 0, read_all ? PRIV_CAP(CAP_DAC_READ_SEARCH) : 0);
	if (err == ERR_OK)
		err = priv_no_new_privs(false);
	if (err == ERR_OK)
		err = priv_landlock(paths, dirfd >= 0 ? 2 : 1, true, &abi);
	return err == ERR_OK ? EXIT_OK : cli_fail(EXIT_PERMISSION, "cannot become the account's user: %s", err_text(err));
}

static void show_progress(void *arg, const struct tool_result *r)
{
	(void)arg;
	fprintf(stderr, "\r%llu messages, %llu MiB", (unsigned long long)r->messages, (unsigned long long)(r->octets >> 20));
}

static void show_mailbox(void *arg, const char *name, uint64_t messages, uint64_t octets)
{
	(void)arg;
	printf("%10llu messages %15llu octets  ", (unsigned long long)messages, (unsigned long long)octets);
	text_print(stdout, view_of(name));
	putchar('\n');
}

static void show_bad(void *arg, const char *what, int err)
{
	(void)arg;
	fprintf(stderr, "postrider: ");
	text_print(stderr, view_of(what));
	fprintf(stderr, ": %s\n", err_text(err));
}

typedef int tool_fn(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r);

static int check(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r)
{
	(void)dirfd;
	return tool_check(s, report, r);
}

static int compact(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r)
{
	(void)dirfd;
	return tool_compact(s, report, r);
}

/* What a repair wants to know and tells, beside what all tools do. */
struct repair {
	bool dry;
	struct repair_result what;
};

static int repair(struct store *s, int dirfd, const struct tool_report *report, struct tool_result *r)
{
	struct repair *p = report->arg;
	char aside[40];
	(void)dirfd;
	(void)snprintf(aside, sizeof(aside), "%lld", (long long)time(NULL));
	return tool_repair(s, p->dry, aside, report, r, &p->what);
}

static int repair_end(const struct cli *c, int err, const struct repair *p, const struct tool_result *r)
{
	const struct repair_result *w = &p->what;
	if (cli_json(c))
		printf("{\"messages\":%llu,\"damaged\":%llu,\"records_lost\":%s,\"gone\":%llu,\"recovered\":%llu,\"adopted\":%llu,\"renewed\":%llu,"
			"\"aside\":%llu}\n", (unsigned long long)r->messages, (unsigned long long)w->damaged, w->records_lost ? "true" : "false",
			(unsigned long long)w->gone, (unsigned long long)w->recovered, (unsigned long long)w->adopted, (unsigned long long)w->renewed,
			(unsigned long long)w->aside);
	else
		printf("%s%llu messages; %llu damaged ranges%s; %llu messages are gone, %llu are in " REPAIR_MAILBOX ", %llu were adopted again; "
			"%llu mailboxes get a new UIDVALIDITY; %llu files set aside\n", p->dry ? "it would be: " : "", (unsigned long long)r->messages,
			(unsigned long long)w->damaged, w->records_lost ? ", changes may be lost" : "", (unsigned long long)w->gone,
			(unsigned long long)w->recovered, (unsigned long long)w->adopted, (unsigned long long)w->renewed, (unsigned long long)w->aside);
	if (err == ERR_BUSY)
		return cli_fail(EXIT_UNAVAILABLE, "%s: nothing was done: sessions of this account know what the damage took; end them, or stop the suite", c->args[0]);
	if (err != ERR_OK)
		return cli_fail(EXIT_LATER, "ended before its end: %s", err_text(err));
	return p->dry && r->bad ? EXIT_DATA : EXIT_OK;
}

static int report_end(const struct cli *c, int err, const struct tool_result *r)
{
	if (cli_json(c))
		printf("{\"messages\":%llu,\"octets\":%llu,\"bad\":%llu}\n", (unsigned long long)r->messages, (unsigned long long)r->octets,
			(unsigned long long)r->bad);
	else
		printf("%llu messages, %llu octets, %llu bad\n", (unsigned long long)r->messages, (unsigned long long)r->octets,
			(unsigned long long)r->bad);
	if (err != ERR_OK)
		return cli_fail(EXIT_LATER, "ended before its end: %s", err_text(err));
	return r->bad ? EXIT_DATA : EXIT_OK;
}

/* place: where the home of an account's name must stand still when the account's lock is had; a restore may have come between. 0: anywhere. */
static int run(const struct cli *c, int home, uint64_t place, int dirfd, tool_fn *fn)
{
	struct tool_report report = { .progress = isatty(STDERR_FILENO) ? show_progress : NULL, .bad = show_bad,
		.mailbox = cli_json(c) ? NULL : show_mailbox };
	struct repair call = { .dry = (c->options & OPT_DRY_RUN) != 0 };
	struct store_options o = { 0 };
	struct tool_result r = { 0 };
	struct store *s;
	log_to(-1, LOG_LEVEL_WARN);
	int err = store_open(NULL, home, &o, &s);
	if (err != ERR_OK)
		return cli_fail(EXIT_DATA, "%s: the mail cannot be read: %s", c->args[0], err_text(err));
	if (place && !file_stands_in(home, place)) {
		store_close(s);
		return cli_fail(EXIT_LATER, "%s: nothing was done: its mail has just been restored", c->args[0]);
	}
	report.arg = &call;
	err = fn(s, dirfd, &report, &r);
	store_close(s);
	if (report.progress && r.messages)
		fputc('\n', stderr);
	return fn == repair ? repair_end(c, err, &call, &r) : report_end(c, err, &r);
}

/* An export makes its directory, which becomes the account's; one that was there already must be the account's own. */
static int open_target(const char *path, bool make, uint32_t uid, int *fd)
{
	struct stat st;
	bool made = make && mkdir(path, 0700) == 0;
	int err = file_open_dir(AT_FDCWD, path, fd);
	if (err == ERR_OK && made && geteuid() == 0 && fchown(*fd, uid, uid) != 0)
		err = ERR_DENIED;
	if (err == ERR_OK && make && !made && geteuid() == 0 && (fstat(*fd, &st) != 0 || st.st_uid != uid))
		return cli_fail(EXIT_DATA, "%s: this directory is somebody else's; name one that does not exist yet", path);
	return err == ERR_OK ? EXIT_OK : cli_fail(EXIT_DATA, "%s: %s", path, err_text(err));
}

static bool is_file(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int mailbox_tool(struct cli *c, tool_fn *fn, bool make)
{
	uint32_t uid = 0;
	uint64_t place = 0;
	int home = -1, dirfd = -1;
	bool path = strchr(c->args[0], '/') != NULL;
	int code = path ? find_owner(c->args[0], &uid, &home) : cli_find_account(c, c->args[0], &uid);
	if (!code && !path)
		code = open_home(c, c->args[0], uid, &home, &place);
	if (!code && fn == tool_import_mbox && file_open_read(AT_FDCWD, c->args[1], &dirfd) != ERR_OK)
		code = cli_fail(EXIT_DATA, "%s: cannot be read", c->args[1]);
	else if (!code && fn != tool_import_mbox && c->nargs > 1)
		code = open_target(c->args[1], make, uid, &dirfd);
	if (!code) /* an open file needs no more rights */
		code = become(uid, home, fn == tool_import_mbox ? -1 : dirfd, fn == tool_import);
	if (!code)
		code = run(c, home, place, dirfd, fn);
	fd_close(&home);
	fd_close(&dirfd);
	return code;
}

int cmd_mailbox_check(struct cli *c) { return mailbox_tool(c, check, false); }
int cmd_mailbox_repair(struct cli *c) { return mailbox_tool(c, repair, false); }
int cmd_mailbox_compact(struct cli *c) { return mailbox_tool(c, compact, false); }

int cmd_mailbox_export(struct cli *c)
{
	if (c->format && strcmp(c->format, "maildir") != 0 && strcmp(c->format, "mbox") != 0)
		return cli_fail(EXIT_USAGE, "--format %s: there are maildir and mbox", c->format);
	return mailbox_tool(c, c->format && strcmp(c->format, "mbox") == 0 ? tool_export_mbox : tool_export, true);
}

int cmd_mailbox_import(struct cli *c) { return mailbox_tool(c, is_file(c->args[1]) ? tool_import_mbox : tool_import, false); }
