/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "journal/journal.h"
#include "log/log.h"
#include "mailbox/incoming.h"
#include "sys/clock.h"
#include "sys/file.h"

#define NAME_SIZE sizeof(((struct home *)0)->temporary)

static void home_names(uint32_t uid, char shard[8], char name[NAME_SIZE])
{
	snprintf(shard, 8, "%02x", uid & (SHARDS - 1));
	snprintf(name, NAME_SIZE, "%u", uid);
}

/* Others cross it, and may at once: its mode must not wait for a second call, before which a delivery would be denied or we could die. */
static int make_shard(struct host *h, const char *shard)
{
	mode_t mask = umask(0);
	int made = mkdirat(h->mail, shard, 0711);
	int err = made == 0 || errno == EEXIST ? ERR_OK : err_of_errno(errno);
	(void)umask(mask);
	return err;
}

static int open_shard(struct host *h, const char *shard, bool make, int *fd)
{
	int err = make ? make_shard(h, shard) : ERR_OK;
	return err == ERR_OK ? file_open_dir(h->mail, shard, fd) : err;
}

struct owners {
	int dir;
	uid_t uid;
	gid_t gid;
};

static int give_file(const char *name, void *arg)
{
	const struct owners *o = arg;
	return fchownat(o->dir, name, o->uid, o->gid, AT_SYMLINK_NOFOLLOW) == 0 ? ERR_OK : err_of_errno(errno);
}

/* local-delivery would flush each new stream by itself; here one flush of the file system covers those of many homes. */
static int make_stream(struct host *h, int incoming, uint32_t uid)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .segment_size = INCOMING_SEGMENT, .mode = 0640, .create = true, .unflushed = true };
	struct owners owners = { incoming, h->mail_uid, uid };
	struct journal *j = NULL;
	int err = journal_open(incoming, &o, &j);
	journal_close(j);
	return err != ERR_OK || daemon_single_user(h->d) ? err : file_list(incoming, give_file, &owners);
}

/* Fills the new home, which is still host's own and has a name that nobody looks for. */
static int fill(struct host *h, int home, uint32_t uid)
{
	int incoming = -1;
	bool alone = daemon_single_user(h->d);
	int err = file_mkdir(home, "incoming", 0770);
	if (err == ERR_OK)
		err = file_open_dir(home, "incoming", &incoming);
	if (err == ERR_OK)
		err = make_stream(h, incoming, uid);
	/* Its files belong to local-delivery and, by the directory's set-gid bit, to the account's group, which reads them. */
	if (err == ERR_OK && fchmod(incoming, alone ? 0700 : 02770) != 0)
		err = err_of_errno(errno);
	if (err == ERR_OK && !alone && fchown(incoming, h->mail_uid, uid) != 0)
		err = err_of_errno(errno);
	fd_close(&incoming);
	if (err != ERR_OK)
		return err;
	if (fchmod(home, alone ? 0700 : 0710) != 0 || (!alone && fchown(home, uid, h->mail_gid) != 0))
		return err_of_errno(errno);
	return ERR_OK;
}

static int remove_file(const char *name, void *arg)
{
	const int *dir = arg;
	(void)unlinkat(*dir, name, 0);
	return 0;
}

/* What was begun and will not be a home: no number begins with a dot, so that nobody would ever find it. */
static void give_up(int shard, const char *temporary)
{
	char inner[NAME_SIZE * 2];
	int incoming = -1;
	snprintf(inner, sizeof inner, "%s/incoming", temporary);
	if (file_open_dir(shard, inner, &incoming) == ERR_OK)
		(void)!file_list(incoming, remove_file, &incoming);
	fd_close(&incoming);
	(void)unlinkat(shard, inner, AT_REMOVEDIR);
	(void)unlinkat(shard, temporary, AT_REMOVEDIR);
}

/* Makes the home under a name of its own, where there is none yet. */
static int begin(struct host *h, struct home *m)
{
	char shard_name[8], name[NAME_SIZE];
	struct stat st;
	int shard = -1, home = -1;
	if (m->uid < h->uid_first || m->uid > h->uid_last)
		return ERR_DENIED;
	if (map64_get(h->held, m->uid) != NULL)
		return ERR_BUSY;
	home_names(m->uid, shard_name, name);
	int err = open_shard(h, shard_name, true, &shard);
	if (err == ERR_OK && fstatat(shard, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		m->fresh = errno == ENOENT;
	if (m->fresh) {
		snprintf(m->temporary, sizeof m->temporary, ".new-%016llx", (unsigned long long)random_u64());
		err = file_mkdir(shard, m->temporary, 0700);
		if (err == ERR_OK)
			err = file_open_dir(shard, m->temporary, &home);
		if (err == ERR_OK)
			err = fill(h, home, m->uid);
		if (err != ERR_OK)
			give_up(shard, m->temporary);
	}
	fd_close(&home);
	fd_close(&shard);
	return err;
}

/* Gives it its name. Another may have been first: then that one is the home. */
static int finish(struct host *h, struct home *m)
{
	char shard_name[8], name[NAME_SIZE];
	int shard = -1;
	home_names(m->uid, shard_name, name);
	int err = open_shard(h, shard_name, false, &shard);
	if (err == ERR_OK && renameat2(shard, m->temporary, shard, name, RENAME_NOREPLACE) != 0) {
		err = errno == EEXIST ? ERR_OK : err_of_errno(errno);
		give_up(shard, m->temporary);
	}
	fd_close(&shard);
	return err;
}

static int sync_mail(struct host *h)
{
	return syncfs(h->mail) == 0 ? ERR_OK : ERR_IO;
}

/*
 * A home is whole on stable storage before it has its name, and has its name before it is told: two flushes of the file system, however many
 * homes there are. One that has its name because the second flush failed, or its maker died before it, is told after another.
 */
void homes_make(struct host *h, struct home *homes, size_t n)
{
	bool any = h->unsynced;
	for (size_t i = 0; i < n; i++) {
		homes[i].err = begin(h, &homes[i]);
		any = any || homes[i].fresh;
	}
	int flushed = any ? sync_mail(h) : ERR_OK;
	h->unsynced = any;
	for (size_t i = 0; i < n; i++)
		if (homes[i].fresh && homes[i].err == ERR_OK)
			homes[i].err = flushed == ERR_OK ? finish(h, &homes[i]) : flushed;
	if (any && flushed == ERR_OK)
		flushed = sync_mail(h);
	h->unsynced = flushed != ERR_OK;
	for (size_t i = 0; i < n; i++) {
		if (homes[i].err == ERR_OK)
			homes[i].err = flushed;
		if (homes[i].err != ERR_OK)
			log_error("home_not_made", LU("uid", homes[i].uid), LERR("error", homes[i].err));
	}
}

static int open_existing(struct host *h, uint32_t uid, int *fd, uint64_t *inode)
{
	char shard_name[8], name[NAME_SIZE];
	struct stat st = { 0 };
	int shard = -1;
	home_names(uid, shard_name, name);
	int err = open_shard(h, shard_name, false, &shard);
	if (err != ERR_OK)
		return err;
	*fd = openat(shard, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	err = *fd < 0 || fstat(shard, &st) != 0 ? err_of_errno(errno) : ERR_OK;
	*inode = st.st_ino;
	fd_close(&shard);
	if (err == ERR_OK && fstat(*fd, &st) != 0)
		err = err_of_errno(errno);
	if (err == ERR_OK && !daemon_single_user(h->d) && st.st_uid != uid)
		err = ERR_DENIED;
	if (err != ERR_OK)
		fd_close(fd);
	return err;
}

int home_open(struct host *h, uint32_t uid, int *fd, uint64_t *shard)
{
	*fd = -1;
	if (uid < h->uid_first || uid > h->uid_last)
		return ERR_DENIED;
	if (map64_get(h->held, uid) != NULL)
		return ERR_BUSY;
	int err = open_existing(h, uid, fd, shard);
	if (err == ERR_OK && h->unsynced) {
		err = sync_mail(h);
		h->unsynced = err != ERR_OK;
		if (err != ERR_OK)
			fd_close(fd);
	}
	if (err != ERR_NOT_FOUND)
		return err;
	struct home m = { .uid = uid };
	homes_make(h, &m, 1);
	err = m.err;
	return err == ERR_OK ? open_existing(h, uid, fd, shard) : err;
}

int homes_list(struct host *h, unsigned shard, int (*fn)(const char *name, void *arg), void *arg)
{
	char shard_name[8], name[NAME_SIZE];
	int fd = -1;
	home_names(shard, shard_name, name);
	int err = open_shard(h, shard_name, false, &fd);
	if (err == ERR_OK)
		err = file_list(fd, fn, arg);
	fd_close(&fd);
	return err;
}
