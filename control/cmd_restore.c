/* SPDX-License-Identifier: ISC */
/*
 * restore: what a snapshot holds takes the place of what a stopped suite has, which is set aside beside it, not deleted. The queue is held: what
 * it holds may have been delivered since. The mailboxes get new UIDVALIDITYs: UIDs may have been given again since. One account's home is exchanged
 * beside a running suite as well.
 */
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "cli.h"
#include "exchange.h"
#include "home.h"
#include "mailbox/incoming.h"
#include "suite.h"
#include "sys/file.h"
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

static int home_into(struct restore *r, int shard_from, int shard, const char *name, uint32_t uid)
{
	int from, home, err = file_open_dir(shard_from, name, &from);

	if (err != ERR_OK)
		return err;
	err = tree_make_like(from, shard, name, &home);
	if (err == ERR_OK) {
		err = home_fill(from, home, uid, &r->mail_owner);
		if (err == ERR_OK)
			err = home_renew(home, uid, 0);
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

static int open_mail(struct restore *r)
{
	int code = open_both(r, PARAM_DIRECTORY_MAIL, "mail", &r->mail, &r->mail_from);

	return code ? code : mail_owner(r);
}

static int restore_homes(struct restore *r)
{
	int err, code = open_mail(r);

	if (code)
		return code;
	err = all_homes(r);
	if (err == ERR_OK && syncfs(r->mail) != 0)
		err = ERR_IO;
	return err == ERR_OK ? EXIT_OK : failed("the mail", err);
}

/* ---- one account ---- */

/* Of a running suite: the account of this name is the one that the snapshot has. */
static int is_same_account(const struct restore *r, uint32_t uid)
{
	uint32_t now = 0;
	int code = cli_find_account(r->c, r->c->account, &now);

	if (!code && now != uid)
		code = cli_fail(EXIT_DATA, "%s: the snapshot's account of this name has the uid %lu, that of now %lu: it was deleted and added again",
			r->c->account, (unsigned long)uid, (unsigned long)now);
	return code;
}

/* A word for this snapshot, so that a command that is repeated knows itself. */
static int name_snapshot(const struct restore *r, char *word, size_t size)
{
	struct stat st;

	if (fstatat(r->from, "snapshot", &st, AT_SYMLINK_NOFOLLOW) != 0)
		return ERR_IO;
	(void)snprintf(word, size, "%llx-%llx-%llx.%lx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		(unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
	return ERR_OK;
}

static int tell_json(const struct exchange *x)
{
	printf("{\"homes\":1,\"aside\":\"%s\",\"home\":\"%lu\",\"earlier\":%s,\"unread\":%s,\"carried\":%llu,\"damaged\":%llu}\n", x->aside,
		(unsigned long)x->uid, x->earlier ? "true" : "false", x->unread ? "true" : "false", (unsigned long long)x->carried.carried,
		(unsigned long long)x->carried.damaged);
	return EXIT_OK;
}

static int tell(const struct exchange *x)
{
	if (cli_json(x->c))
		return tell_json(x);
	if (x->earlier)
		printf("1 home, by a restore of this snapshot that had not come to its end; to restore it once more, do this again\n");
	else
		printf("1 home; %llu deliveries that were in no mailbox yet were carried over\n", (unsigned long long)x->carried.carried);
	if (x->unread)
		printf("some of what was there could not be read: deliveries may be left in it; postrider mailbox repair saves what can be read\n");
	if (x->carried.damaged)
		printf("%llu damaged ranges of its incoming stream could not be carried over\n", (unsigned long long)x->carried.damaged);
	if (*x->aside)
		printf("what was there before is %s/%s/%lu; postrider mailbox export takes it\n", conf_str(x->c->conf, PARAM_DIRECTORY_MAIL), x->aside,
			(unsigned long)x->uid);
	return EXIT_OK;
}

/* What came to the account meanwhile and could not wait is tried now, and not in some minutes. */
static void retry_deliveries(const struct cli *c)
{
	uint64_t count;

	if (cli_queue_retry(c, c->account, &count) != EXIT_OK)
		fprintf(stderr, "postrider: deliveries that were put off meanwhile are tried at their next turn\n");
}

static int exchange_in(struct restore *r, uint32_t uid, int shard_from, int shard)
{
	char name[INCOMING_HOME_MAX], word[80];
	struct exchange x = { .c = r->c, .uid = uid, .mail = r->mail, .shard = shard, .delivery = r->mail_owner, .snapshot = word,
		.running = suite_pid(r->c) != 0 };
	int err, code = x.running ? is_same_account(r, uid) : EXIT_OK;

	if (code)
		return code;
	incoming_home(uid, name);
	err = file_open_dir(shard_from, strchr(name, '/') + 1, &x.from);
	if (err == ERR_NOT_FOUND)
		return cli_fail(EXIT_DATA, "%s: the snapshot holds no mail of this account", r->c->account);
	if (err == ERR_OK)
		err = name_snapshot(r, word, sizeof(word));
	if (err != ERR_OK)
		return failed("the snapshot", err);
	code = exchange_home(&x);
	fd_close(&x.from);
	if (!code && x.running)
		retry_deliveries(r->c);
	return code ? code : tell(&x);
}

static int restore_account(struct restore *r)
{
	char shard[8];
	uint32_t uid = 0;
	int from = -1, to = -1, err, code = open_mail(r);

	if (!code)
		code = find(r, &uid);
	if (code)
		return code;
	(void)snprintf(shard, sizeof(shard), "%02x", (unsigned)(uid & 0xff));
	r->shard = shard;
	err = open_shards(r, &from, &to);
	if (err == ERR_NOT_FOUND)
		code = cli_fail(EXIT_DATA, "%s: the snapshot holds no mail of this account", r->c->account);
	else
		code = err == ERR_OK ? exchange_in(r, uid, from, to) : failed("the mail", err);
	fd_close(&from);
	fd_close(&to);
	return code;
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
	int code;

	if (faccessat(r->from, "snapshot", F_OK, 0) != 0)
		return cli_fail(EXIT_DATA, "%s: this is no snapshot, or one that was not finished", r->c->args[0]);
	if (r->c->account)
		return restore_account(r);
	if (!is_whole(r->from))
		return cli_fail(EXIT_DATA, "%s: this is a snapshot of one account; name it with --account", r->c->args[0]);
	code = restore_part(r, PARAM_DIRECTORY_TABLES, "tables", NULL);
	if (!code)
		code = restore_part(r, PARAM_DIRECTORY_SPOOL, "spool", "restored");
	if (!code)
		code = restore_homes(r);
	if (!code && cli_json(r->c))
		printf("{\"homes\":%llu,\"aside\":\"%s\"}\n", (unsigned long long)r->homes, r->aside);
	else if (!code)
		printf("%llu homes, the tables, and the queue, which is held; what was there before is in %s of each directory\n",
			(unsigned long long)r->homes, r->aside);
	return code;
}

int cmd_restore(struct cli *c)
{
	struct restore r = { .c = c, .from = -1, .mail = -1, .mail_from = -1 };
	int err, code;

	if (suite_pid(c) && !c->account)
		return cli_fail(EXIT_UNAVAILABLE, "the suite is running; stop it first: postrider -c %s stop (one account is restored beside it: --account)", c->file);
	(void)snprintf(r.aside, sizeof(r.aside), "replaced-%lld", (long long)time(NULL));
	err = file_open_dir(AT_FDCWD, c->args[0], &r.from);
	code = err == ERR_OK ? put_back(&r) : cli_fail(EXIT_DATA, "%s: %s", c->args[0], err_text(err));
	fd_close(&r.from);
	fd_close(&r.mail);
	fd_close(&r.mail_from);
	return code;
}
