/* SPDX-License-Identifier: ISC */
/* postrider(1): one table of commands, and how a command line finds its row. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "sys/boot.h"

const struct command commands[] = {
	{ "start", NULL, "", 0, 0, OPT_FOREGROUND, false, "starts the suite and waits until all of it is ready", cmd_start },
	{ "stop", NULL, "", 0, 0, 0, false, "stops the suite: sessions end first, then what they need", cmd_stop },
	{ "reload", NULL, "", 0, 0, 0, false, "takes the configuration anew, without dropping a connection", cmd_reload },
	{ "status", NULL, "", 0, 0, 0, false, "says what runs", cmd_status },
	{ "check", NULL, "", 0, 0, 0, true, "says what is wrong with the configuration, and where", cmd_check },
	{ "config", NULL, "[NAME]", 0, 1, OPT_DEFAULTS | OPT_CHANGED, true, "prints the parameters that are in force", cmd_config },
	{ "processes", NULL, "", 0, 0, OPT_USERS, true, "prints the table of processes: users, rights, channels", cmd_processes },
	{ "users", "create", "", 0, 0, 0, false, "makes the system users that the processes run as", cmd_users_create },
	{ "version", NULL, "", 0, 0, 0, true, "prints the version", cmd_version },
	{ "domain", "add", "DOMAIN", 1, 1, 0, false, "hosts a domain", cmd_domain_add },
	{ "domain", "list", "", 0, 0, 0, false, "lists the domains", cmd_domain_list },
	{ "domain", "delete", "DOMAIN", 1, 1, 0, false, "deletes a domain without accounts and aliases", cmd_domain_delete },
	{ "account", "add", "[ADDRESS]", 0, 1, OPT_STDIN | OPT_GENERATE | OPT_NO_PASSWORD | OPT_BATCH, false, "adds an account",
		cmd_account_add },
	{ "account", "passwd", "ADDRESS", 1, 1, OPT_STDIN | OPT_GENERATE, false, "sets an account's password", cmd_account_passwd },
	{ "account", "disable", "ADDRESS", 1, 1, 0, false, "lets nobody log in to an account; its mail still arrives", cmd_account_disable },
	{ "account", "enable", "ADDRESS", 1, 1, 0, false, "lets its user log in again", cmd_account_enable },
	{ "account", "delete", "ADDRESS", 1, 1, 0, false, "deletes an account; what is stored of its mail stays", cmd_account_delete },
	{ "account", "list", "[DOMAIN]", 0, 1, 0, false, "lists accounts", cmd_account_list },
	{ "alias", "add", "ADDRESS TARGET...", 2, 1001, 0, false, "sets where mail to an address goes", cmd_alias_add },
	{ "alias", "list", "[DOMAIN]", 0, 1, 0, false, "lists aliases", cmd_alias_list },
	{ "alias", "delete", "ADDRESS", 1, 1, 0, false, "deletes an alias", cmd_alias_delete },
	{ "queue", "list", "[PATTERN]", 0, 1, 0, false, "lists the messages that wait", cmd_queue_list },
	{ "queue", "show", "ID", 1, 1, 0, false, "prints a message that waits", cmd_queue_show },
	{ "queue", "hold", "PATTERN", 1, 1, 0, false, "keeps messages from being tried", cmd_queue_hold },
	{ "queue", "release", "PATTERN", 1, 1, 0, false, "lets held messages be tried again", cmd_queue_release },
	{ "queue", "retry", "PATTERN", 1, 1, 0, false, "tries messages now", cmd_queue_retry },
	{ "queue", "delete", "PATTERN", 1, 1, 0, false, "deletes messages; nobody is told", cmd_queue_delete },
	{ "mailbox", "check", "ADDRESS|HOME", 1, 1, 0, false, "reads all that is stored of an account's mail, and says what is damaged", cmd_mailbox_check },
	{ "mailbox", "repair", "ADDRESS|HOME", 1, 1, OPT_DRY_RUN, false, "saves all that can be read of an account's mail where some of it is damaged", cmd_mailbox_repair },
	{ "mailbox", "compact", "ADDRESS", 1, 1, 0, false, "gives the room of deleted mail back at once", cmd_mailbox_compact },
	{ "mailbox", "export", "ADDRESS DIRECTORY", 2, 2, OPT_FORMAT, false, "writes an account's mail into a Maildir, or mbox files", cmd_mailbox_export },
	{ "mailbox", "import", "ADDRESS DIRECTORY|FILE", 2, 2, 0, false, "adds the mail of a Maildir, or of mbox files, to an account's", cmd_mailbox_import },
	{ "snapshot", NULL, "DIRECTORY", 1, 1, OPT_ACCOUNT, false, "copies the tables, the queue and the mail of a running suite", cmd_snapshot },
	{ "restore", NULL, "DIRECTORY", 1, 1, OPT_ACCOUNT, false, "puts a snapshot in the place of what a stopped suite has; one account's mail also beside a running one", cmd_restore },
	{ "journal", "dump", "DIRECTORY", 1, 1, 0, true, "prints every frame of a journal, and what is damaged", cmd_journal_dump },
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static const struct {
	const char *name;
	unsigned bit;
	const char *text;
} options[] = {
	{ "--json", OPT_JSON, "print JSON" },
	{ "-F", OPT_FOREGROUND, "stay in the foreground, for a supervisor such as systemd" },
	{ "-d", OPT_DEFAULTS, "the defaults" },
	{ "-n", OPT_CHANGED, "only what differs from the defaults" },
	{ "--password-stdin", OPT_STDIN, "read the password from the first line of standard input" },
	{ "--generate", OPT_GENERATE, "make a password, and print it" },
	{ "--no-password", OPT_NO_PASSWORD, "an account that nobody can log in to" },
	{ "--batch", OPT_BATCH, "read lines of `address password` from standard input" },
	{ "--account", OPT_ACCOUNT, "only the mail of the account that is named next" },
	{ "--format", OPT_FORMAT, "maildir (the default) or mbox, which is named next" },
	{ "--dry-run", OPT_DRY_RUN, "only say what would be done" },
	{ "--users", OPT_USERS, "only the names of the system users, without their prefix" },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static void print_name(FILE *f, const struct command *c)
{
	fprintf(f, "%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "", *c->args ? " " : "", c->args);
}

static int usage(FILE *f, const char *noun)
{
	fprintf(f, "usage: postrider [-c FILE] [--json] COMMAND [OPTIONS] [ARGUMENTS]\n\n");
	for (size_t i = 0; i < command_count; i++) {
		char name[80];

		if (noun && strcmp(noun, commands[i].noun) != 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s%s%s%s%s", commands[i].noun, commands[i].verb ? " " : "",
			commands[i].verb ? commands[i].verb : "", *commands[i].args ? " " : "", commands[i].args);
		fprintf(f, "  %-32s %s\n", name, commands[i].text);
	}
	fprintf(f, "\n  -c FILE   the configuration (default: " POSTRIDER_SYSCONFDIR "/postrider.conf)\n"
		"  -l DIR    where the programs are (default: " POSTRIDER_LIBEXECDIR ")\n"
		"`postrider COMMAND --help` says more; so does postrider(1).\n");
	return f == stderr ? EXIT_USAGE : EXIT_OK;
}

static int help(const struct command *c)
{
	printf("usage: postrider ");
	print_name(stdout, c);
	printf("\n%s\n\n", c->text);
	for (size_t i = 0; i < OPTIONS; i++)
		if ((c->options | OPT_JSON) & options[i].bit)
			printf("  %-18s %s\n", options[i].name, options[i].text);
	return EXIT_OK;
}

static const struct command *find(const char *noun, const char *verb)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].noun, noun) == 0 && (!commands[i].verb || (verb && strcmp(commands[i].verb, verb) == 0)))
			return &commands[i];
	return NULL;
}

static bool noun_exists(const char *noun)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].noun, noun) == 0)
			return true;
	return false;
}

static unsigned option_of(const char *arg)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (strcmp(arg, options[i].name) == 0)
			return options[i].bit;
	return 0;
}

struct line {
	struct cli cli;
	const char *noun, *verb;
	bool help;
};

/* Where the value of this option goes; NULL: it takes none. */
static const char **value_of(struct line *l, const char *arg)
{
	if (strcmp(arg, "-c") == 0 || strcmp(arg, "--config") == 0)
		return &l->cli.file;
	if (strcmp(arg, "-l") == 0)
		return &l->cli.libexec;
	if (strcmp(arg, "--account") == 0)
		return &l->cli.account;
	return strcmp(arg, "--format") == 0 ? &l->cli.format : NULL;
}

/* One word of the command line; a word that no option is becomes the noun, its verb, or an argument. */
static int take_word(struct line *l, char *arg, bool plain)
{
	unsigned bit = plain ? 0 : option_of(arg);

	if (bit)
		l->cli.options |= bit;
	else if (!plain && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0))
		l->help = true;
	else if (!plain && strcmp(arg, "--version") == 0)
		l->noun = "version";
	else if (!plain && arg[0] == '-' && arg[1])
		return cli_fail(EXIT_USAGE, "there is no option %s; see postrider --help", arg);
	else if (!l->noun)
		l->noun = arg;
	else if (!l->verb && !find(l->noun, NULL))
		l->verb = arg;
	else
		l->cli.args[l->cli.nargs++] = arg;
	return 0;
}

static int take_words(struct line *l, int argc, char **argv)
{
	bool plain = false;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (option_of(argv[i]) & OPT_JSON)
			cli_errors_as_json(); /* those of the command line too, wherever the option stands */
	for (int i = 1; i < argc; i++) {
		int code;

		if (!plain && strcmp(argv[i], "--") == 0) {
			plain = true;
			continue;
		}
		if (!plain && value_of(l, argv[i])) {
			if (i + 1 == argc)
				return cli_fail(EXIT_USAGE, "%s needs a value", argv[i]);
			*value_of(l, argv[i]) = argv[i + 1];
			l->cli.options |= option_of(argv[i]);
			i++;
			continue;
		}
		code = take_word(l, argv[i], plain);
		if (code)
			return code;
	}
	return 0;
}

static int run(struct line *l, const struct command *c)
{
	unsigned surplus = l->cli.options & ~(c->options | OPT_JSON);
	int code;

	if (l->help)
		return help(c);
	for (size_t i = 0; i < OPTIONS; i++)
		if (surplus & options[i].bit)
			return cli_fail(EXIT_USAGE, "%s %s takes no %s", c->noun, c->verb ? c->verb : "", options[i].name);
	if (l->cli.nargs < c->least || (c->most >= 0 && l->cli.nargs > c->most))
		return cli_fail(EXIT_USAGE, "usage: postrider %s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "", *c->args ? " " : "", c->args);
	code = c->no_conf ? 0 : cli_conf(&l->cli);
	return code ? code : c->run(&l->cli);
}

int main(int argc, char **argv)
{
	struct line l = { .cli = { .file = POSTRIDER_SYSCONFDIR "/postrider.conf", .libexec = POSTRIDER_LIBEXECDIR } };
	const struct command *c;
	int code;

	boot_learn();
	l.cli.args = calloc((size_t)argc + 1, sizeof(char *));
	if (!l.cli.args)
		return EXIT_FAILED;
	code = take_words(&l, argc, argv);
	if (code)
		return code;
	c = l.noun ? find(l.noun, l.verb) : NULL;
	if (!c && cli_json(&l.cli) && !l.help && (!l.noun || noun_exists(l.noun)))
		return cli_fail(EXIT_USAGE, "no command is named; see postrider --help");
	if (!l.noun)
		return usage(l.help ? stdout : stderr, NULL);
	if (!c && noun_exists(l.noun))
		return usage(l.help ? stdout : stderr, l.noun);
	if (!c)
		return cli_fail(EXIT_USAGE, "there is no command %s; see postrider --help", l.noun);
	code = run(&l, c);
	conf_free(l.cli.conf);
	free(l.cli.args);
	if (fflush(stdout) != 0 && !code)
		code = cli_fail(EXIT_FAILED, "standard output cannot be written");
	return code;
}
