/* SPDX-License-Identifier: ISC */
/*
 * What the commands of postrider(1) share: one row each in the table of control/postrider.c, options that are bits, output for people or as JSON,
 * and errors that say what, where, and what to do.
 */
#ifndef POSTRIDER_CONTROL_CLI_H
#define POSTRIDER_CONTROL_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/view.h"
#include "conf/conf.h"
#include "ipc/channel.h"

/* Exit codes: sysexits(3), and LSB's 3 for a status of "not running". */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_STOPPED = 3,
	EXIT_USAGE = 64,
	EXIT_DATA = 65,
	EXIT_UNAVAILABLE = 69,
	EXIT_LATER = 75,
	EXIT_PERMISSION = 77,
	EXIT_CONFIG = 78,
};

enum {
	OPT_JSON = 1 << 0,
	OPT_FOREGROUND = 1 << 1,
	OPT_DEFAULTS = 1 << 2,
	OPT_CHANGED = 1 << 3,
	OPT_STDIN = 1 << 4,
	OPT_GENERATE = 1 << 5,
	OPT_BATCH = 1 << 6,
	OPT_NO_PASSWORD = 1 << 7,
	OPT_USERS = 1 << 8,
	OPT_ACCOUNT = 1 << 9,
	OPT_FORMAT = 1 << 10,
	OPT_DRY_RUN = 1 << 11,
};

struct cli {
	const char *file;    /* the configuration's */
	const char *libexec; /* where the programs are */
	struct conf *conf;   /* read before the command runs, unless its row says no_conf */
	unsigned options;
	const char *account; /* of --account, or NULL */
	const char *format;  /* of --format, or NULL */
	char **args;
	int nargs;
};

struct command {
	const char *noun, *verb; /* "account", "add"; verb NULL: one word */
	const char *args;        /* "ADDRESS" */
	int least, most;         /* number of arguments; most -1: any */
	unsigned options;        /* that it takes, besides OPT_JSON */
	bool no_conf;
	const char *text;        /* one sentence */
	int (*run)(struct cli *c);
};

/* From now on errors are told as JSON: an object with "error" (the text) and "exit" (the code) a line, on standard error all the same. */
void cli_errors_as_json(void);
/* "postrider: …" on standard error; gives code back. */
__attribute__((format(printf, 2, 3))) int cli_fail(int code, const char *fmt, ...);
/* Reads the configuration; prints what is wrong with it. */
MUST_CHECK int cli_conf(struct cli *c);
/* "DIRECTORY.RUN/name"; freed with free(). */
char *cli_run_path(const struct cli *c, const char *name);
static inline bool cli_json(const struct cli *c) { return (c->options & OPT_JSON) != 0; }

/* Connects to accounts.sock or queue.sock; prints why it cannot. */
struct ipc_client *cli_connect(const struct cli *c, const char *sock, enum ipc_role peer);
/* The next message for this client; not 0: the exit code, printed. */
MUST_CHECK int cli_receive(struct ipc_client *client, enum ipc_kind *kind, const void **m);
MUST_CHECK int cli_send(struct ipc_client *client, enum ipc_kind kind, const void *m);
/* The exit code of a control_done; prints its text where it is a refusal. what: what was asked for, for that text. */
int cli_done(const struct ipc_control_done *done, const char *what);

/* Asks the accounts process for the accounts of a domain (none: all), by fn. The exit code. */
MUST_CHECK int cli_accounts(const struct cli *c, struct view domain, void (*fn)(void *arg, const struct ipc_row *row), void *arg);
/* An account's uid. */
MUST_CHECK int cli_find_account(const struct cli *c, const char *address, uint32_t *uid);

/* Has the messages of this pattern tried now; *count: how many. */
MUST_CHECK int cli_queue_retry(const struct cli *c, const char *pattern, uint64_t *count);

/* JSON: a string with its quotes. */
void json_string(FILE *f, struct view v);
/* For people: controls are shown as \xHH. */
void text_print(FILE *f, struct view v);

/* Rows gathered, sorted by name and printed at once: as an array of objects, or as lines. */
struct row {
	char *name, *detail;
	uint32_t uid;
	bool disabled;
};
struct rows {
	struct row *v;
	size_t n, room;
};
void rows_add(struct rows *r, struct view name, struct view detail, uint32_t uid, bool disabled);
void rows_sort(struct rows *r);
void rows_free(struct rows *r);

extern const struct command commands[];
extern const size_t command_count;

int cmd_start(struct cli *c);
int cmd_stop(struct cli *c);
int cmd_reload(struct cli *c);
int cmd_status(struct cli *c);
int cmd_check(struct cli *c);
int cmd_config(struct cli *c);
int cmd_processes(struct cli *c);
int cmd_users_create(struct cli *c);
int cmd_version(struct cli *c);
int cmd_domain_add(struct cli *c);
int cmd_domain_list(struct cli *c);
int cmd_domain_delete(struct cli *c);
int cmd_account_add(struct cli *c);
int cmd_account_passwd(struct cli *c);
int cmd_account_disable(struct cli *c);
int cmd_account_enable(struct cli *c);
int cmd_account_delete(struct cli *c);
int cmd_account_list(struct cli *c);
int cmd_alias_add(struct cli *c);
int cmd_alias_list(struct cli *c);
int cmd_alias_delete(struct cli *c);
int cmd_queue_list(struct cli *c);
int cmd_queue_show(struct cli *c);
int cmd_queue_hold(struct cli *c);
int cmd_queue_release(struct cli *c);
int cmd_queue_retry(struct cli *c);
int cmd_queue_delete(struct cli *c);
int cmd_mailbox_check(struct cli *c);
int cmd_mailbox_repair(struct cli *c);
int cmd_mailbox_compact(struct cli *c);
int cmd_mailbox_export(struct cli *c);
int cmd_mailbox_import(struct cli *c);
int cmd_snapshot(struct cli *c);
int cmd_restore(struct cli *c);
int cmd_journal_dump(struct cli *c);

#endif
