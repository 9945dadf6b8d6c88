/* SPDX-License-Identifier: ISC */
/*
 * restore: what a snapshot holds takes the place of what a stopped suite has, which is set aside beside it, not deleted. The queue is held: what
 * it holds may have been delivered since. The mailboxes get new UIDVALIDITYs: UIDs may have been given again since.
 */
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "cli.h"
#include "log/log.h"
#include "mailbox/incoming.h"
#include "mailbox/mailbox.h"
#include "suite.h"
#include "sys/file.h"
#include "sys/priv.h"
#include "tree.h"

struct restore {
	const struct cli *c;
	int from;        /* the snapshot's directory */
	int mail, mail_from;
	const char *shard;
	char aside[40];
	struct tree_owner mail_owner;
	uint64_t homes;
};

static int failed(const char *what, int err) { return cli_fail(EXIT_FAILED, "%s: %s", what, err_text(err)); }

/* Who owns what is restored into a directory: its owner, and its group. */
static int owner_of(int dirfd, struct tree_owner *owner)
{
	struct stat st;

	if (fstat(dirfd, &st) != 0)
		return ERR_IO;
	*owner = (struct tree_owner){ .uid = st.st_uid, .gid = st.st_gid };
	return ERR_OK;
}

static int set_aside_one(const char *name, void *arg)
{
	const struct restore *r = arg;

	return strncmp(name, "replaced-", 9) == 0 ? ERR_OK : tree_set_aside(r->mail, name, r->aside);
}

/* ---- the tables and the spool ---- */

static int open_both(struct restore *r, enum param_id path, const char *name, int *to, int *from)
{
	int err = file_open_dir(AT_FDCWD, conf_str(r->c->conf, path), to);

	if (err != ERR_OK)
		return cli_fail(EXIT_FAILED, "%s: %s; start the suite once, which makes its directories, and stop it", conf_str(r->c->conf, path), err_text(err));
	err = file_open_dir(r->from, name, from);
	return err == ERR_OK ? EXIT_OK : failed(name, err);
}

static int restore_part(struct restore *r, enum param_id path, const char *name, const char *mark)
{
	struct restore part = *r;
	struct tree_owner owner;
	int from = -1, to = -1, code = open_both(r, path, name, &to, &from), err = ERR_OK;

	if (!code) {
		part.mail = to;
		err = owner_of(to, &owner);
		/* Before anything else, so that no end of this leaves a restored queue that is not held. */
		if (err == ERR_OK)
			err = file_list(to, set_aside_one, &part);
		if (err == ERR_OK && mark)
			err = file_replace(to, mark, VIEW_NONE, 0600);
		if (err == ERR_OK)
			err = tree_copy(from, to, &owner);
		if (err == ERR_OK && syncfs(to) != 0)
			err = ERR_IO;
	}
	fd_close(&from);
	fd_close(&to);
	return code || err == ERR_OK ? code : failed(name, err);
}

/* ---- homes ---- */

/* As the account: its mailboxes are not what its programs know. */
static int renew(int home, uint32_t uid)
{
	struct priv_path path = { .fd = home, .rights = PRIV_READ | PRIV_WRITE };
	struct store_options o = { 0 };
	struct store *s;
	int abi, err = geteuid() == 0 ? priv_become(uid, uid, NULL, 0, 0) : ERR_OK;

	log_to(-1, LOG_LEVEL_WARN);
	if (err == ERR_OK)
		err = priv_no_new_privs(false);
	if (err == ERR_OK)
		err = priv_landlock(&path, 1, true, &abi);
	if (err == ERR_OK)
		err = store_open(NULL, home, &o, &s);
	if (err != ERR_OK)
		return err;
	err = store_renew(s);
	if (err == ERR_OK)
		err = store_flush_now(s);
	store_close(s);
	return err;
}

static int renew_in_child(int home, uint32_t uid)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(renew(home, uid));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return ERR_LIMIT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ERR_DAMAGED;
}

static int home_into(struct restore *r, int shard_from, int shard, const char *name, uint32_t uid)
{
	struct tree_owner owner = r->mail_owner;
	int from, home, err = file_open_dir(shard_from, name, &from);

	owner.account = uid;
	if (err != ERR_OK)
		return err;
	err = tree_make_like(from, shard, name, &home);
	if (err == ERR_OK) {
		err = tree_copy(from, home, &owner);
		if (err == ERR_OK && geteuid() == 0 && fchown(home, uid, owner.gid) != 0)
			err = ERR_DENIED;
		if (err == ERR_OK)
			err = renew_in_child(home, uid);
		fd_close(&home);
	}
	fd_close(&from);
	return err;
}

static int open_shards(struct restore *r, int *from, int *to)
{
	int err = file_open_dir(r->mail_from, r->shard, from);

	if (err != ERR_OK)
		return err;
	err = file_open_dir(r->mail, r->shard, to);
	if (err == ERR_NOT_FOUND)
		err = tree_make_like(*from, r->mail, r->shard, to);
	if (err == ERR_OK && geteuid() == 0) {
		struct tree_owner owner;

		err = owner_of(r->mail, &owner);
		if (err == ERR_OK && fchown(*to, owner.uid, owner.gid) != 0)
			err = ERR_DENIED;
	}
	return err;
}

static int home_one(const char *name, void *arg)
{
	struct restore *r = arg;
	uint32_t uid;
	int from = -1, to = -1, err;

	if (!num_u32(view_of(name), UINT32_MAX, &uid) || uid == 0)
		return ERR_OK;
	err = open_shards(r, &from, &to);
	if (err == ERR_OK)
		err = home_into(r, from, to, name, uid);
	fd_close(&from);
	fd_close(&to);
	if (err != ERR_OK)
		(void)cli_fail(EXIT_FAILED, "the home %s/%s: %s", r->shard, name, err_text(err));
	r->homes += err == ERR_OK;
	return err;
}

static int shard_one(const char *name, void *arg)
{
	struct restore *r = arg;
	int fd, err = file_open_dir(r->mail_from, name, &fd);

	if (err != ERR_OK)
		return err;
	r->shard = name;
	err = file_list(fd, home_one, r);
	fd_close(&fd);
	return err;
}

static int all_homes(struct restore *r)
{
	int err = file_list(r->mail, set_aside_one, r);

	return err == ERR_OK ? file_list(r->mail_from, shard_one, r) : err;
}

/* Set aside in the mail's directory too: a home among its neighbours is only ever one that is in use. */
static int move_home(struct restore *r, const char *name)
{
	int shard, aside, err = file_mkdir(r->mail, r->aside, 0700);

	if (err == ERR_OK)
		err = file_open_dir(r->mail, r->aside, &aside);
	if (err != ERR_OK)
		return err;
	err = file_open_dir(r->mail, r->shard, &shard);
	if (err == ERR_OK) {
		if (faccessat(shard, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && renameat(shard, name, aside, name) != 0)
			err = ERR_DENIED;
		fd_close(&shard);
	}
	fd_close(&aside);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int one_home(struct restore *r, uint32_t uid)
{
	char name[INCOMING_HOME_MAX], *slash;
	int err;

	incoming_home(uid, name);
	if (faccessat(r->mail_from, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_NOT_FOUND;
	slash = strchr(name, '/');
	*slash = '\0';
	r->shard = name;
	err = move_home(r, slash + 1);
	return err == ERR_OK ? home_one(slash + 1, r) : err;
}

/* The account's uid, as the snapshot tells it. */
static int find(struct restore *r, uint32_t *uid)
{
	struct view rest, line, name;
	struct buf b;
	bool found = false;

	buf_init(&b, UINT32_C(512) << 20);
	if (file_slurp(r->from, "accounts", &b) == ERR_OK)
		for (rest = buf_view(&b); !found && view_cut(&rest, '\n', &line);)
			found = view_cut(&line, ' ', &name) && view_ieqs(name, r->c->account) && num_u32(line, UINT32_MAX, uid);
	buf_fini(&b);
	return found ? EXIT_OK : cli_fail(EXIT_DATA, "%s: the snapshot does not name this account", r->c->account);
}

/* Whose incoming streams are. */
static int mail_owner(struct restore *r)
{
	char name[128];
	const struct passwd *p;

	if (geteuid() != 0)
		return owner_of(r->mail, &r->mail_owner) == ERR_OK ? EXIT_OK : EXIT_FAILED;
	(void)snprintf(name, sizeof(name), "%smail", conf_str(r->c->conf, PARAM_SYSTEM_USER_PREFIX));
	p = getpwnam(name);
	if (!p)
		return cli_fail(EXIT_CONFIG, "there is no user %s; make the system users: postrider -c %s users create", name, r->c->file);
	r->mail_owner = (struct tree_owner){ .uid = p->pw_uid, .gid = p->pw_gid };
	return EXIT_OK;
}

static int restore_homes(struct restore *r)
{
	uint32_t uid = 0;
	int err, code = open_both(r, PARAM_DIRECTORY_MAIL, "mail", &r->mail, &r->mail_from);

	if (!code)
		code = mail_owner(r);
	if (!code && r->c->account)
		code = find(r, &uid);
	if (code)
		return code;
	err = r->c->account ? one_home(r, uid) : all_homes(r);
	if (err == ERR_OK && syncfs(r->mail) != 0)
		err = ERR_IO;
	if (err == ERR_NOT_FOUND && r->c->account)
		return cli_fail(EXIT_DATA, "%s: the snapshot holds no mail of this account", r->c->account);
	return err == ERR_OK ? EXIT_OK : failed("the mail", err);
}

/* ---- all of it ---- */

static bool is_whole(int from)
{
	struct buf b;
	bool whole;

	buf_init(&b, 4096);
	whole = file_slurp(from, "snapshot", &b) == ERR_OK && view_search(buf_view(&b), VIEW("\"whole\":true")) != SIZE_MAX;
	buf_fini(&b);
	return whole;
}

static int put_back(struct restore *r)
{
	int code = EXIT_OK;

	if (faccessat(r->from, "snapshot", F_OK, 0) != 0)
		return cli_fail(EXIT_DATA, "%s: this is no snapshot, or one that was not finished", r->c->args[0]);
	if (!r->c->account && !is_whole(r->from))
		return cli_fail(EXIT_DATA, "%s: this is a snapshot of one account; name it with --account", r->c->args[0]);
	if (!r->c->account)
		code = restore_part(r, PARAM_DIRECTORY_TABLES, "tables", NULL);
	if (!code && !r->c->account)
		code = restore_part(r, PARAM_DIRECTORY_SPOOL, "spool", "restored");
	if (!code)
		code = restore_homes(r);
	if (!code && cli_json(r->c))
		printf("{\"homes\":%llu,\"aside\":\"%s\"}\n", (unsigned long long)r->homes, r->aside);
	else if (!code)
		printf("%llu homes%s; what was there before is in %s of each directory\n", (unsigned long long)r->homes,
			r->c->account ? "" : ", the tables, and the queue, which is held", r->aside);
	return code;
}

int cmd_restore(struct cli *c)
{
	struct restore r = { .c = c, .from = -1, .mail = -1, .mail_from = -1 };
	int err, code;

	if (suite_pid(c))
		return cli_fail(EXIT_UNAVAILABLE, "the suite is running; stop it first: postrider -c %s stop", c->file);
	(void)snprintf(r.aside, sizeof(r.aside), "replaced-%lld", (long long)time(NULL));
	err = file_open_dir(AT_FDCWD, c->args[0], &r.from);
	code = err == ERR_OK ? put_back(&r) : cli_fail(EXIT_DATA, "%s: %s", c->args[0], err_text(err));
	fd_close(&r.from);
	fd_close(&r.mail);
	fd_close(&r.mail_from);
	return code;
}
