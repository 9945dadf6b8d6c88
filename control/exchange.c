/* SPDX-License-Identifier: ISC */
#include "exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "home.h"
#include "sys/file.h"

#define NAME_SIZE 32
#define STAGED "staged" /* beside the copy: its inode, and which snapshot it is of */
#define ASIDE_TRIES 100

/* What is under way. */
struct work {
	struct exchange *x;
	char name[NAME_SIZE];    /* of the home in its directories: its uid */
	char staging[NAME_SIZE]; /* the directory in the mail directory where the copy is made, and what was there before ends up */
	int dir;                 /* this */
	int old, fresh;          /* the two homes; old -1: there is none */
	struct keeper journal, incoming;
	struct ipc_client *hold;
};

static int failed(const struct work *w, const char *what, int err)
{
	return cli_fail(err_class(err) == ERR_CLASS_TEMPORARY ? EXIT_LATER : EXIT_FAILED, "%s: nothing was changed: %s: %s", w->x->c->account, what,
		err_text(err));
}

static void step(const char *what)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "%s\n", what);
}

/* ---- what an earlier call left ---- */

/* The first thing to go is the note, without which the rest is an unfinished copy. */
static int remove_staging(const struct work *w)
{
	int dir, err = file_open_dir(w->x->mail, w->staging, &dir);

	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	if (unlinkat(dir, STAGED, 0) != 0 && errno != ENOENT)
		err = err_of_errno(errno);
	if (err == ERR_OK)
		err = file_flush(dir);
	fd_close(&dir);
	return err == ERR_OK ? tree_remove(w->x->mail, w->staging) : err;
}

/* The staging directory gets its last name, and only then loses the note that says what it holds. */
static int set_aside(const struct work *w)
{
	char note[sizeof(w->x->aside) + 16];
	time_t t = time(NULL);
	int err = ERR_EXISTS;

	for (int i = 0; i < ASIDE_TRIES && err == ERR_EXISTS; i++) {
		(void)snprintf(w->x->aside, sizeof(w->x->aside), "replaced-%lld", (long long)t + i);
		err = renameat2(w->x->mail, w->staging, w->x->mail, w->x->aside, RENAME_NOREPLACE) == 0 ? ERR_OK : err_of_errno(errno);
	}
	if (err == ERR_OK)
		err = file_flush(w->x->mail);
	if (err != ERR_OK)
		return err;
	(void)snprintf(note, sizeof(note), "%s/" STAGED, w->x->aside);
	(void)unlinkat(w->x->mail, note, 0);
	return ERR_OK;
}

/* Behind the exchange: both directories say so on stable storage before the old home is called aside. */
static int finish(const struct work *w)
{
	int dir, err = file_open_dir(w->x->mail, w->staging, &dir);

	if (err != ERR_OK)
		return err;
	err = file_flush(w->x->shard);
	if (err == ERR_OK)
		err = file_flush(dir);
	bool any = faccessat(dir, w->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	fd_close(&dir);
	if (err != ERR_OK)
		return err;
	return any ? set_aside(w) : remove_staging(w);
}

/* Whether the note in the staging directory says that the home beside it is another than the copy: the exchange was made. */
static bool was_exchanged(const struct work *w, int dir, bool *same)
{
	struct view rest, inode;
	struct stat st;
	struct buf b;
	uint64_t n;
	bool yes = false;

	buf_init(&b, 4096);
	if (file_slurp(dir, STAGED, &b) == ERR_OK) {
		rest = view_trim(buf_view(&b));
		if (view_cut(&rest, ' ', &inode) && num_u64(inode, UINT64_MAX, &n))
			yes = fstatat(dir, w->name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_ino != n;
		*same = yes && view_eq(rest, view_of(w->x->snapshot));
	}
	buf_fini(&b);
	return yes;
}

/* Finishes or removes it. x->earlier: it was this exchange, and it is done. */
static int clean_up(struct work *w)
{
	bool same = false, exchanged;
	int dir, err = file_open_dir(w->x->mail, w->staging, &dir);

	if (err != ERR_OK)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	exchanged = was_exchanged(w, dir, &same);
	fd_close(&dir);
	if (!exchanged)
		return remove_staging(w);
	err = finish(w);
	if (err == ERR_OK && !same && *w->x->aside)
		fprintf(stderr, "postrider: an earlier restore had not come to its end; what was there before it is in %s\n", w->x->aside);
	w->x->earlier = same;
	return err;
}

/* ---- the copy ---- */

static int write_note(const struct work *w)
{
	struct stat st;
	struct buf b;
	int err;

	if (fstat(w->fresh, &st) != 0)
		return err_of_errno(errno);
	buf_init(&b, 4096);
	buf_printf(&b, "%llu %s\n", (unsigned long long)st.st_ino, w->x->snapshot);
	err = file_replace(w->dir, STAGED, buf_view(&b), 0600);
	buf_fini(&b);
	return err;
}

/* All of it is on stable storage when it returns. */
static int stage(struct work *w)
{
	int err = file_mkdir(w->x->mail, w->staging, 0700);

	if (err == ERR_OK)
		err = file_open_dir(w->x->mail, w->staging, &w->dir);
	if (err == ERR_OK)
		err = tree_make_like(w->x->from, w->dir, w->name, &w->fresh);
	if (err == ERR_OK)
		err = write_note(w);
	if (err == ERR_OK)
		err = home_fill(w->x->from, w->fresh, w->x->uid, &w->x->delivery);
	return err == ERR_OK && syncfs(w->x->mail) != 0 ? ERR_IO : err;
}

/* ---- the exchange ---- */

/* For as long as the connection lasts. */
static int hold(struct work *w)
{
	struct ipc_account_hold m = { .id = 1, .uid = w->x->uid };
	enum ipc_kind kind = IPC_NONE;
	const void *answer = NULL;
	int code;

	if (!w->x->running)
		return EXIT_OK;
	w->hold = cli_connect(w->x->c, "accounts.sock", ROLE_ACCOUNTS);
	if (!w->hold)
		return EXIT_UNAVAILABLE;
	code = cli_send(w->hold, IPC_ACCOUNT_HOLD, &m);
	while (!code && kind != IPC_CONTROL_DONE)
		code = cli_receive(w->hold, &kind, &answer);
	return code ? code : cli_done(answer, w->x->c->account);
}

/* What cannot be opened, and never will be, nobody works on. */
static bool is_lost(int err) { return err != ERR_OK && err_class(err) == ERR_CLASS_PERMANENT; }

/* Nobody works on the home that is there, what it owes is carried over, and the copy knows its UIDVALIDITYs. */
static int prepare(struct work *w)
{
	struct home_heritage h = { 0 };
	bool unread = false;
	int err = file_open_dir(w->x->shard, w->name, &w->old);

	if (err == ERR_NOT_FOUND)
		return home_renew(w->fresh, w->x->uid, 0);
	if (err == ERR_OK)
		err = home_keep_journal(w->old, w->x->uid, &w->journal, &h);
	w->x->unread = is_lost(err);
	if (w->x->unread)
		err = ERR_OK;
	if (err == ERR_OK)
		err = home_keep_incoming(w->old, w->fresh, &w->x->delivery, h.adopted, &w->journal, &w->incoming, &w->x->carried, &unread);
	if (unread && is_lost(err)) {
		w->x->unread = true;
		err = ERR_OK;
	}
	return err == ERR_OK ? home_renew(w->fresh, w->x->uid, h.uidvalidity) : err;
}

static int exchange(const struct work *w)
{
	unsigned how = w->old >= 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE;

	if (renameat2(w->dir, w->name, w->x->shard, w->name, how) == 0)
		return ERR_OK;
	return errno == EINVAL || errno == ENOSYS ? ERR_UNSUPPORTED : err_of_errno(errno);
}

static int swap(struct work *w)
{
	int err;

	step("waiting for sessions and deliveries to let go");
	err = prepare(w);
	if (err == ERR_BUSY)
		return cli_fail(EXIT_LATER, "%s: nothing was changed: its mail is still in use, by a session that does not end or another program", w->x->c->account);
	if (err != ERR_OK)
		return failed(w, "the mail", err);
	err = exchange(w);
	if (err == ERR_UNSUPPORTED)
		return cli_fail(EXIT_FAILED, "%s: nothing was changed: this file system cannot exchange two directories by one rename", w->x->c->account);
	if (err != ERR_OK)
		return failed(w, "the exchange", err);
	err = finish(w);
	return err == ERR_OK ? EXIT_OK : cli_fail(EXIT_FAILED, "%s: the exchange is done, but not its end: %s; do the same once more", w->x->c->account,
		err_text(err));
}

static int begin(struct work *w)
{
	int err;

	/* The lock goes with the process, and with those that it has forked. */
	if (file_lock_dir(w->x->shard) != ERR_OK)
		return cli_fail(EXIT_LATER, "%s: another restore is under way", w->x->c->account);
	err = clean_up(w);
	if (err != ERR_OK)
		return failed(w, w->staging, err);
	if (w->x->earlier)
		return EXIT_OK;
	step("copying the home out of the snapshot");
	err = stage(w);
	return err == ERR_OK ? EXIT_OK : failed(w, "the copy", err);
}

static void end(struct work *w)
{
	keeper_let_go(&w->incoming);
	keeper_let_go(&w->journal);
	if (w->hold)
		ipc_client_close(w->hold);
	fd_close(&w->old);
	fd_close(&w->fresh);
	fd_close(&w->dir);
}

int exchange_home(struct exchange *x)
{
	struct work w = { .x = x, .dir = -1, .old = -1, .fresh = -1, .journal = { .fd = -1 }, .incoming = { .fd = -1 } };
	bool same = false;
	int code;

	(void)snprintf(w.name, sizeof(w.name), "%lu", (unsigned long)x->uid);
	(void)snprintf(w.staging, sizeof(w.staging), "restoring-%lu", (unsigned long)x->uid);
	code = begin(&w);
	if (!code && !x->earlier)
		code = hold(&w);
	if (!code && !x->earlier)
		code = swap(&w);
	if (code && w.dir >= 0 && !was_exchanged(&w, w.dir, &same) && remove_staging(&w) != ERR_OK)
		fprintf(stderr, "postrider: %s could not be removed; the next restore does it\n", w.staging);
	end(&w);
	return code;
}
