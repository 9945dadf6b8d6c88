/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "log/log.h"
#include "master.h"
#include "sys/file.h"
#include "sys/priv.h"

static int find_user(struct master *m, struct child *c)
{
	char name[128];
	struct buf b;
	c->uid = c->gid = CONFINE_SAME;
	if (m->single_user || c->row->user == NULL)
		return ERR_OK;
	buf_init(&b, sizeof name - 1);
	buf_printf(&b, "%s%s", conf_str(m->conf, PARAM_SYSTEM_USER_PREFIX), c->row->user);
	const struct passwd *pw = getpwnam(buf_str(&b));
	if (pw == NULL)
		log_error("no_such_user", LV("user", buf_view(&b)), LS("hint", "create the system users with: postrider users create"));
	buf_fini(&b);
	if (pw == NULL)
		return ERR_NOT_FOUND;
	c->uid = pw->pw_uid;
	c->gid = pw->pw_gid;
	return ERR_OK;
}

int layout_users(struct master *m)
{
	int result = ERR_OK;
	for (size_t i = 0; i < m->nchildren; i++) {
		int err = find_user(m, &m->children[i]);
		result = err == ERR_OK ? result : err;
	}
	return result;
}

uint32_t layout_control_group(const struct master *m)
{
	const char *name = conf_str(m->conf, PARAM_CONTROL_GROUP);
	const struct group *g = name[0] != '\0' ? getgrnam(name) : NULL;
	if (name[0] != '\0' && g == NULL)
		log_warn("no_such_group", LS("group", name), LS("parameter", "control_group"));
	return g == NULL ? CONFINE_SAME : g->gr_gid;
}

/* All components, as `mkdir -p`. */
static int make_path(const char *path)
{
	char part[4096];
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof part)
		return ERR_INVALID;
	memcpy(part, path, n + 1);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return err_of_errno(errno);
		*slash = '/';
	}
	return mkdir(path, 0700) != 0 && errno != EEXIST ? err_of_errno(errno) : ERR_OK;
}

/* Who else reads a directory that `owner` writes: gets it through the group. */
static uint32_t reader_gid(struct master *m, const struct child *owner, enum param_id path)
{
	for (size_t i = 0; i < m->nchildren; i++)
		for (size_t k = 0; m->children[i].row->dirs[k].name != NULL; k++)
			if (m->children[i].row != owner->row && m->children[i].row->dirs[k].path == path)
				return m->children[i].gid;
	return owner->gid;
}

static int make_directory(struct master *m, const struct child *c, const struct process_dir *d)
{
	const char *path = conf_str(m->conf, d->path);
	int fd = -1;
	int err = make_path(path);
	if (err == ERR_OK)
		err = file_open_dir(AT_FDCWD, path, &fd);
	/* The mail root is crossed by accounts; other directories are their owner's, and their reader's through the group. */
	bool mail = d->path == PARAM_DIRECTORY_MAIL;
	if (err == ERR_OK && c->uid != CONFINE_SAME && fchown(fd, c->uid, reader_gid(m, c, d->path)) != 0)
		err = err_of_errno(errno);
	if (err == ERR_OK && fchmod(fd, mail ? 0711 : m->single_user ? 0700 : 02750) != 0)
		err = err_of_errno(errno);
	if (err != ERR_OK)
		log_error("directory_not_made", LS("path", path), LERR("error", err));
	fd_close(&fd);
	return err;
}

/* The owner of a directory is the first row that may write it, or else the first that reads it; of the mail root it is host. */
static bool owns(const struct master *m, const struct child *c, const struct process_dir *d)
{
	if (d->path == PARAM_DIRECTORY_MAIL)
		return c->row->role == ROLE_HOST;
	if (d->rights & PRIV_WRITE)
		return true;
	for (size_t i = 0; i < m->nchildren; i++)
		for (size_t k = 0; m->children[i].row->dirs[k].name != NULL; k++)
			if (m->children[i].row->dirs[k].path == d->path && (m->children[i].row->dirs[k].rights & PRIV_WRITE))
				return false;
	return true;
}

int layout_directories(struct master *m)
{
	int err = ERR_OK;
	for (size_t i = 0; err == ERR_OK && i < m->nchildren; i++) {
		const struct child *c = &m->children[i];
		for (size_t k = 0; err == ERR_OK && c->instance == 0 && c->row->dirs[k].name != NULL; k++)
			if (owns(m, c, &c->row->dirs[k]))
				err = make_directory(m, c, &c->row->dirs[k]);
	}
	return err;
}
