/* SPDX-License-Identifier: ISC */
#include "home.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"
#include "mailbox/mailbox.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/priv.h"

#define PATIENCE_MS 60000 /* for sessions to say goodbye, and for a copy or a compaction to end */
#define NAP_MS 10

int home_fill(int from, int home, uint32_t uid, const struct tree_owner *delivery)
{
	struct tree_owner owner = *delivery;
	int err;

	owner.account = uid;
	err = tree_copy(from, home, &owner);
	return err == ERR_OK && geteuid() == 0 && fchown(home, uid, owner.gid) != 0 ? ERR_DENIED : err;
}

/* ---- in processes of their own ---- */

static int become(uid_t uid, gid_t gid, const int *dirs, size_t n)
{
	struct priv_path paths[2];
	int abi, err = geteuid() == 0 ? priv_become(uid, gid, NULL, 0, 0) : ERR_OK;

	log_to(-1, LOG_LEVEL_WARN);
	for (size_t i = 0; i < n; i++)
		paths[i] = (struct priv_path){ .fd = dirs[i], .rights = PRIV_READ | PRIV_WRITE };
	if (err == ERR_OK)
		err = priv_no_new_privs(false);
	return err == ERR_OK ? priv_landlock(paths, n, true, &abi) : err;
}

static int renew(int home, uint32_t uid, uint32_t above)
{
	/* What is carried over stays in no mailbox, should this home be exchanged in its turn before anybody sees it. */
	struct store_options o = { .alone = true };
	struct store *s;
	int err = become(uid, uid, &home, 1);

	if (err == ERR_OK)
		err = store_open(NULL, home, &o, &s);
	if (err != ERR_OK)
		return err;
	err = store_renew(s, above);
	if (err == ERR_OK)
		err = store_flush_now(s);
	store_close(s);
	return err;
}

int home_renew(int home, uint32_t uid, uint32_t above)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(renew(home, uid, above));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return ERR_LIMIT;
	return WIFEXITED(status) ? WEXITSTATUS(status) : ERR_DAMAGED;
}

/* ---- keepers ---- */

struct answer {
	int err;
	bool unread;
	struct home_heritage heritage;
	struct carry_result carried;
};
typedef void keep_fn(const void *arg, struct answer *a);

/* What it opened stays open, and locked, until the other end of fd is closed. */
static void run_keeper(int fd, keep_fn *fn, const void *arg)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct answer a = { 0 };
	char end;

	/* It ends with its parent and not before, which renames on the strength of its locks. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		(void)signal(ends[i], SIG_IGN);
	fn(arg, &a);
	if (file_write(fd, &a, sizeof(a)) == ERR_OK)
		while (read(fd, &end, 1) < 0 && errno == EINTR)
			;
	_exit(0);
}

static int start_keeper(struct keeper *k, const struct keeper *other, keep_fn *fn, const void *arg, struct answer *a)
{
	int pair[2], err;
	size_t got = 0;
	ssize_t n = 1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return err_of_errno(errno);
	fflush(NULL);
	k->pid = fork();
	if (k->pid == 0) {
		/* The other would never see the end of this process' parent. */
		if (other && other->pid > 0)
			close(other->fd);
		close(pair[0]);
		run_keeper(pair[1], fn, arg);
	}
	close(pair[1]);
	k->fd = pair[0];
	if (k->pid < 0)
		k->pid = 0;
	for (; n > 0 && got < sizeof(*a); got += n > 0 ? (size_t)n : 0)
		n = read(k->fd, (char *)a + got, sizeof(*a) - got);
	err = got == sizeof(*a) ? a->err : ERR_LOST;
	if (err != ERR_OK)
		keeper_let_go(k);
	return err;
}

void keeper_let_go(struct keeper *k)
{
	fd_close(&k->fd);
	if (k->pid > 0)
		(void)waitpid(k->pid, NULL, 0);
	*k = (struct keeper){ .fd = -1 };
}

/* ---- the journal, as the account ---- */

struct journal_call {
	int home;
	uint32_t uid;
};

static void keep_journal(const void *arg, struct answer *a)
{
	const struct journal_call *call = arg;
	struct store_options o = { .alone = true };
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	struct store *s;

	a->err = become(call->uid, call->uid, &call->home, 1);
	if (a->err != ERR_OK)
		return;
	while ((a->err = store_open(NULL, call->home, &o, &s)) == ERR_BUSY && clock_mono_ms() < end)
		clock_sleep_ms(NAP_MS);
	if (a->err == ERR_OK)
		store_heritage(s, &a->heritage.adopted, &a->heritage.uidvalidity);
}

int home_keep_journal(int home, uint32_t uid, struct keeper *k, struct home_heritage *h)
{
	struct journal_call call = { .home = home, .uid = uid };
	struct answer a = { 0 };
	int err = start_keeper(k, NULL, keep_journal, &call, &a);

	*h = a.heritage;
	return err;
}

/* ---- the incoming stream, as who delivers ---- */

struct incoming_call {
	int dirs[2]; /* the old stream's, and the new one's */
	const struct tree_owner *delivery;
	uint64_t adopted;
};

static int open_patiently(int dirfd, struct journal **j)
{
	uint64_t end = clock_mono_ms() + PATIENCE_MS;
	int err;

	while ((err = carry_open(dirfd, j)) == ERR_BUSY && clock_mono_ms() < end)
		clock_sleep_ms(NAP_MS);
	return err;
}

static void keep_incoming(const void *arg, struct answer *a)
{
	const struct incoming_call *call = arg;
	struct journal *from, *to;

	a->err = become(call->delivery->uid, call->delivery->gid, call->dirs, 2);
	if (a->err != ERR_OK)
		return;
	a->err = open_patiently(call->dirs[0], &from);
	a->unread = a->err != ERR_OK && err_class(a->err) == ERR_CLASS_PERMANENT;
	if (a->err == ERR_OK)
		a->err = carry_open(call->dirs[1], &to);
	if (a->err != ERR_OK)
		return;
	a->err = carry_over(from, call->adopted, to, &a->carried);
	journal_close(to);
}

int home_keep_incoming(int home, int to, const struct tree_owner *delivery, uint64_t adopted, const struct keeper *other,
	struct keeper *k, struct carry_result *r, bool *unread)
{
	struct incoming_call call = { .dirs = { -1, -1 }, .delivery = delivery, .adopted = adopted };
	struct answer a = { 0 };
	int err = file_open_dir(home, "incoming", &call.dirs[0]);

	*unread = err != ERR_OK;
	if (err == ERR_OK)
		err = file_open_dir(to, "incoming", &call.dirs[1]);
	if (err == ERR_OK) {
		err = start_keeper(k, other, keep_incoming, &call, &a);
		*unread = a.unread;
		*r = a.carried;
	}
	fd_close(&call.dirs[0]);
	fd_close(&call.dirs[1]);
	return err;
}
