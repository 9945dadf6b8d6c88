/* SPDX-License-Identifier: ISC */
/*
 * snapshot: the tables, the spool and the homes of a running suite, in that order, so that a message that is delivered meanwhile is in the spool, in its
 * home, or in both, and never in neither. Sealed segments are shared by hard links; so nothing ever writes into a snapshot.
 * The layout is that of the suite's own directories: tables/, spool/, mail/SS/UID/; `accounts` says whose the homes are; `snapshot` is
 * written last, and without it there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "cli.h"
#include "journal/journal.h"
#include "mailbox/incoming.h"
#include "mailbox/repair.h"
#include "suite.h"
#include "sys/file.h"
#include "tree.h"

#define TRIES 50
#define ACCOUNTS_MAX (UINT32_C(512) << 20)

struct snapshot {
	const struct cli *c;
	int to;          /* the snapshot's directory */
	int mail, mail_to, shard_to;
	const char *shard;
	uint64_t homes;
	bool progress;
};

/* ---- a stream ---- */

struct own {
	int dir;
	struct stat like;
};

/* What was copied, not shared, is still ours. */
static int own_one(const char *name, void *arg)
{
	const struct own *o = arg;
	struct stat st;

	if (fstatat(o->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return err_of_errno(errno);
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return ERR_OK;
	if (fchownat(o->dir, name, o->like.st_uid, o->like.st_gid, AT_SYMLINK_NOFOLLOW) != 0 || fchmodat(o->dir, name, o->like.st_mode & 0777, 0) != 0)
		return err_of_errno(errno);
	return ERR_OK;
}

/* ERR_NOT_FOUND: there is no such stream (yet). An incoming stream is copied: who delivers takes no file that has a second name. */
static int copy_stream(int from, int to, const char *name)
{
	bool share = strcmp(name, "incoming") != 0;
	struct own own;
	int in, err = file_open_dir(from, name, &in);

	if (err != ERR_OK)
		return err;
	err = tree_make_like(in, to, name, &own.dir);
	if (err == ERR_OK) {
		err = journal_copy(in, own.dir, share);
		if (err == ERR_OK && fstatat(in, "lock", &own.like, AT_SYMLINK_NOFOLLOW) == 0)
			err = file_list(own.dir, own_one, &own);
		fd_close(&own.dir);
	}
	fd_close(&in);
	return err;
}

static int unlink_one(const char *name, void *arg) { return unlinkat(*(int *)arg, name, 0) == 0 ? ERR_OK : err_of_errno(errno); }

/* ---- a home ---- */

static int lowest_one(const char *name, void *arg)
{
	char *lowest = arg;

	uint64_t first;

	if (strlen(name) >= 16 && num_hex64(view_make(name, 16), &first) && (!*lowest || strncmp(name, lowest, 16) < 0))
		(void)snprintf(lowest, 17, "%s", name);
	return ERR_OK;
}

/* Where incoming begins: it moves when what was copied into the journal is dropped there. */
static int incoming_start(int home, char lowest[17])
{
	int fd, err = file_open_dir(home, "incoming", &fd);

	*lowest = '\0';
	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = file_list(fd, lowest_one, lowest);
	fd_close(&fd);
	return err;
}

/* The journal first: it may name deliveries only that are in incoming; those that it does not know yet are adopted later. */
static int copy_streams(int from, int to)
{
	char before[17], after[17];
	int err = incoming_start(from, before);

	if (err == ERR_OK)
		err = copy_stream(from, to, "journal");
	if (err == ERR_OK || err == ERR_NOT_FOUND)
		err = copy_stream(from, to, "incoming");
	if (err == ERR_OK || err == ERR_NOT_FOUND)
		err = incoming_start(from, after);
	return err == ERR_OK && strcmp(before, after) != 0 ? ERR_CONFLICT : err;
}

/* A copy is as damaged as what it was made of, and what a repair has dealt with there is dealt with in the copy. */
static int copy_known(int from, int to)
{
	int in, out, err = file_open_dir(from, REPAIR_DIR, &in);

	if (err != ERR_OK)
		return ERR_OK; /* there is none, or none that a repair made */
	err = tree_make_like(in, to, REPAIR_DIR, &out);
	if (err == ERR_OK) {
		err = tree_copy_file(in, REPAIR_KNOWN, out);
		fd_close(&out);
	}
	fd_close(&in);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int copy_home(int shard, const char *name, int shard_to)
{
	int from, to, err = file_open_dir(shard, name, &from);

	if (err != ERR_OK)
		return err;
	err = tree_make_like(from, shard_to, name, &to);
	if (err == ERR_OK) {
		err = ERR_CONFLICT;
		for (int i = 0; i < TRIES && err == ERR_CONFLICT; i++) {
			err = tree_remove(to, "journal");
			if (err == ERR_OK)
				err = tree_remove(to, "incoming");
			if (err == ERR_OK)
				err = copy_streams(from, to);
		}
		if (err == ERR_OK)
			err = copy_known(from, to);
		fd_close(&to);
	}
	fd_close(&from);
	return err;
}

static void show_progress(struct snapshot *s)
{
	if (s->progress && (s->homes % 64 == 0))
		fprintf(stderr, "\r%llu homes", (unsigned long long)s->homes);
}

static int home_one(const char *name, void *arg)
{
	struct snapshot *s = arg;
	uint32_t uid;
	int shard, err;

	if (!num_u32(view_of(name), UINT32_MAX, &uid))
		return ERR_OK;
	err = file_open_dir(s->mail, s->shard, &shard);
	if (err == ERR_OK) {
		err = copy_home(shard, name, s->shard_to);
		fd_close(&shard);
	}
	if (err != ERR_OK) {
		(void)cli_fail(EXIT_FAILED, "the home %s/%s: %s", s->shard, name, err_text(err));
		return err;
	}
	s->homes++;
	show_progress(s);
	return ERR_OK;
}

static int shard_one(const char *name, void *arg)
{
	struct snapshot *s = arg;
	uint64_t octet;
	int shard, err;

	if (strlen(name) != 2 || !num_hex64(view_of(name), &octet))
		return ERR_OK;
	err = file_open_dir(s->mail, name, &shard);
	if (err == ERR_OK)
		err = tree_make_like(shard, s->mail_to, name, &s->shard_to);
	if (err == ERR_OK) {
		s->shard = name;
		err = file_list(shard, home_one, s);
		fd_close(&s->shard_to);
	}
	fd_close(&shard);
	return err;
}

/* ---- the spool ---- */

static int link_or_copy(int from, const char *name, int to)
{
	if (linkat(from, name, to, name, 0) == 0 || errno == EEXIST || errno == ENOENT)
		return ERR_OK;
	return tree_copy_file(from, name, to);
}

/* Contents before the journal, which names them, and once more behind it: they come before their record, and go after it. */
static int copy_spool(int from, int to)
{
	int in, out = -1, err = file_open_dir(from, "content", &in);

	if (err == ERR_OK)
		err = tree_make_like(in, to, "content", &out);
	if (err == ERR_OK)
		err = tree_each(in, out, link_or_copy);
	if (err == ERR_OK)
		err = tree_copy_file(from, "checkpoint", to);
	if (err == ERR_OK || err == ERR_NOT_FOUND)
		err = copy_stream(from, to, "journal");
	if (err == ERR_OK)
		err = tree_each(in, out, link_or_copy);
	fd_close(&in);
	fd_close(&out);
	return err;
}

/* ---- the tables ---- */

static int tables_once(int from, int to)
{
	struct stat before, after;
	int err;

	if (fstat(from, &before) != 0)
		return ERR_IO;
	err = tree_each(from, to, tree_copy_file);
	if (err == ERR_OK && (fstat(from, &after) != 0 || before.st_mtim.tv_sec != after.st_mtim.tv_sec || before.st_mtim.tv_nsec != after.st_mtim.tv_nsec))
		err = ERR_CONFLICT;
	return err;
}

/* A base or delta that is replaced changes the directory. */
static int copy_tables(int from, int to)
{
	int err = ERR_CONFLICT;

	for (int i = 0; i < TRIES && err == ERR_CONFLICT; i++) {
		if (i)
			suite_nap();
		err = file_list(to, unlink_one, &to);
		if (err == ERR_OK)
			err = tables_once(from, to);
	}
	return err;
}

/* ---- all of it ---- */

static int part(struct snapshot *s, enum param_id path, const char *name, int (*fn)(int from, int to))
{
	int from, to = -1, err = file_open_dir(AT_FDCWD, conf_str(s->c->conf, path), &from);

	if (err == ERR_OK)
		err = tree_make_like(from, s->to, name, &to);
	if (err == ERR_OK)
		err = fn(from, to);
	fd_close(&from);
	fd_close(&to);
	return err == ERR_OK ? EXIT_OK : cli_fail(EXIT_FAILED, "%s: %s", conf_str(s->c->conf, path), err_text(err));
}

static int open_mail(struct snapshot *s)
{
	int err = file_open_dir(AT_FDCWD, conf_str(s->c->conf, PARAM_DIRECTORY_MAIL), &s->mail);

	if (err == ERR_OK)
		err = tree_make_like(s->mail, s->to, "mail", &s->mail_to);
	return err == ERR_OK ? EXIT_OK : cli_fail(EXIT_FAILED, "%s: %s", conf_str(s->c->conf, PARAM_DIRECTORY_MAIL), err_text(err));
}

static int all_homes(struct snapshot *s)
{
	int err = file_list(s->mail, shard_one, s);

	return err == ERR_OK ? EXIT_OK : cli_fail(EXIT_FAILED, "%s: not all could be copied: %s", conf_str(s->c->conf, PARAM_DIRECTORY_MAIL), err_text(err));
}

static int one_home(struct snapshot *s, uint32_t uid)
{
	char name[INCOMING_HOME_MAX], *slash;
	int shard, err;

	incoming_home(uid, name);
	slash = strchr(name, '/');
	*slash = '\0';
	s->shard = name;
	err = file_open_dir(s->mail, name, &shard);
	if (err == ERR_OK)
		err = tree_make_like(shard, s->mail_to, name, &s->shard_to);
	if (err != ERR_OK)
		return cli_fail(EXIT_DATA, "%s: there is no mail: %s", s->c->account, err_text(err));
	fd_close(&shard);
	err = home_one(slash + 1, s);
	fd_close(&s->shard_to);
	return err == ERR_OK ? EXIT_OK : EXIT_FAILED;
}

static void add_account(void *arg, const struct ipc_row *row)
{
	buf_addv(arg, row->name);
	buf_printf(arg, " %u\n", (unsigned)row->uid);
}

static int write_accounts(struct snapshot *s)
{
	struct buf b;
	int code;

	buf_init(&b, ACCOUNTS_MAX);
	code = cli_accounts(s->c, VIEW_NONE, add_account, &b);
	if (!code && file_replace(s->to, "accounts", buf_view(&b), 0600) != ERR_OK)
		code = cli_fail(EXIT_FAILED, "the list of accounts cannot be written");
	buf_fini(&b);
	return code;
}

static int write_end(struct snapshot *s)
{
	struct buf b;
	int err = syncfs(s->to) == 0 ? ERR_OK : err_of_errno(errno);

	buf_init(&b, 4096);
	buf_printf(&b, "{\"version\":1,\"made\":%lld,\"whole\":%s,\"homes\":%llu}\n", (long long)time(NULL), s->c->account ? "false" : "true",
		(unsigned long long)s->homes);
	if (err == ERR_OK)
		err = file_replace(s->to, "snapshot", buf_view(&b), 0600);
	if (err == ERR_OK && cli_json(s->c))
		(void)fwrite(buf_view(&b).p, 1, buf_len(&b), stdout);
	else if (err == ERR_OK)
		printf("%llu homes%s\n", (unsigned long long)s->homes, s->c->account ? "" : ", the spool and the tables");
	buf_fini(&b);
	return err == ERR_OK ? EXIT_OK : cli_fail(EXIT_FAILED, "%s: %s", s->c->args[0], err_text(err));
}

static int take(struct snapshot *s)
{
	uint32_t uid = 0;
	int code = s->c->account ? cli_find_account(s->c, s->c->account, &uid) : EXIT_OK;

	if (!code && (s->c->account || suite_pid(s->c)))
		code = write_accounts(s);
	if (!code && !s->c->account)
		code = part(s, PARAM_DIRECTORY_TABLES, "tables", copy_tables);
	if (!code && !s->c->account)
		code = part(s, PARAM_DIRECTORY_SPOOL, "spool", copy_spool);
	if (!code)
		code = open_mail(s);
	if (!code)
		code = s->c->account ? one_home(s, uid) : all_homes(s);
	if (s->progress && s->homes >= 64)
		fputc('\n', stderr);
	return code ? code : write_end(s);
}

int cmd_snapshot(struct cli *c)
{
	struct snapshot s = { .c = c, .to = -1, .mail = -1, .mail_to = -1, .shard_to = -1, .progress = isatty(STDERR_FILENO) };
	int err, code;

	if (mkdir(c->args[0], 0700) != 0)
		return cli_fail(EXIT_DATA, "%s: %s; name a directory that does not exist yet", c->args[0], strerror(errno));
	err = file_open_dir(AT_FDCWD, c->args[0], &s.to);
	code = err == ERR_OK ? take(&s) : cli_fail(EXIT_FAILED, "%s: %s", c->args[0], err_text(err));
	fd_close(&s.to);
	fd_close(&s.mail);
	fd_close(&s.mail_to);
	return code;
}
