/* SPDX-License-Identifier: ISC */
/* journal: for people who must look inside. */
#include <fcntl.h>

#include "cli.h"
#include "journal/journal.h"
#include "sys/file.h"

static void print_line(void *arg, struct view text)
{
	const struct cli *c = arg;

	if (cli_json(c))
		json_string(stdout, text);
	else
		(void)fwrite(text.p, 1, text.n, stdout);
	putchar('\n');
}

int cmd_journal_dump(struct cli *c)
{
	struct journal_options options = { .role = JOURNAL_READER };
	struct journal *j = NULL;
	int dirfd = -1;
	int err = file_open_dir(AT_FDCWD, c->args[0], &dirfd);

	if (!err)
		err = journal_open(dirfd, &options, &j);
	if (!err)
		err = journal_dump(j, journal_start(j), print_line, c);
	journal_close(j);
	fd_close(&dirfd);
	return err ? cli_fail(EXIT_DATA, "%s: no journal can be read there: %s", c->args[0], err_text(err)) : EXIT_OK;
}
