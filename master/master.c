/* SPDX-License-Identifier: ISC */
/* The supervisor: master [-c FILE] [-l LIBEXECDIR]. It stays in the foreground; postrider(1) puts it in the background. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "log/log.h"
#include "master.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/priv.h"

#define CONF_MAX (1u << 20)
#define GRACE 2000 /* ms beyond stop_timeout before what is left is killed */

/* What children need to become what their rows say; master itself needs no more. */
#define KEPT_CAPS                                                                                                      \
	(PRIV_CAP(CAP_SETUID) | PRIV_CAP(CAP_SETGID) | PRIV_CAP(CAP_SETPCAP) | PRIV_CAP(CAP_CHOWN) | PRIV_CAP(CAP_FOWNER) | \
		PRIV_CAP(CAP_KILL) | PRIV_CAP(CAP_DAC_OVERRIDE) | PRIV_CAP(CAP_DAC_READ_SEARCH) | PRIV_CAP(CAP_NET_BIND_SERVICE))

static int read_conf(const char *file, struct conf **out, struct buf *why)
{
	struct buf text;
	struct conf *c = conf_new();
	buf_init(&text, CONF_MAX);
	int err = file_slurp(AT_FDCWD, file, &text);
	if (err != ERR_OK)
		buf_printf(why, "%s: cannot be read: %s\n", file, err_text(err));
	else
		err = conf_read(c, file, buf_view(&text), why);
	if (err == ERR_OK)
		err = conf_check(c, why);
	buf_fini(&text);
	if (err != ERR_OK) {
		conf_free(c);
		c = NULL;
	}
	*out = c;
	return err;
}

/* ---- reload ---- */

static void warn_of_late_changes(const struct conf *before, const struct conf *now)
{
	for (unsigned i = 0; i < PARAM_COUNT; i++) {
		enum param_id p = (enum param_id)i;
		if (!conf_parameter(p)->live && !view_eq(conf_text(before, p), conf_text(now, p)))
			log_warn("takes_effect_at_restart", LS("parameter", conf_parameter(p)->name));
	}
}

static void tell_reload(struct child *c)
{
	struct buf text;
	buf_init(&text, 262144);
	users_send(c);
	conf_subset(c->m->conf, ipc_role_name(c->row->role), &text);
	struct ipc_reload r = { .conf = buf_view(&text) };
	child_tell(c, IPC_RELOAD, &r, NULL, 0);
	buf_fini(&text);
}

static void on_reload(void *arg, int signo)
{
	struct master *m = arg;
	struct conf *now;
	struct buf why;
	(void)signo;
	notify_tell(m, "RELOADING=1\n");
	buf_init(&why, sizeof m->error - 1);
	m->reloads++;
	m->error[0] = '\0';
	if (read_conf(m->file, &now, &why) != ERR_OK) {
		snprintf(m->error, sizeof m->error, "%s", buf_str(&why));
		log_error("reload_refused", LV("why", buf_view(&why)), LS("hint", "the old configuration stays in force"));
	} else {
		warn_of_late_changes(m->conf, now);
		conf_free(m->conf);
		m->conf = now;
		for (size_t i = 0; i < m->nchildren; i++)
			tell_reload(&m->children[i]);
		log_info("reloaded", LS("file", m->file));
	}
	buf_fini(&why);
	status_changed(m);
	notify_tell(m, "READY=1\n");
}

/* ---- stopping: doors first, then those that they need, log at last ---- */

static unsigned stop_phase(const struct child *c)
{
	if (c->row->role == ROLE_LOG)
		return 3;
	/* With host, whose accounts' processes say goodbye through it. */
	if (c->row->role == ROLE_LOGIN)
		return 2;
	return c->row->listeners[0] != NULL && c->row->role != ROLE_QMGR && c->row->role != ROLE_ACCOUNTS ? 1 : 2;
}

static bool phase_done(const struct master *m)
{
	for (size_t i = 0; i < m->nchildren; i++)
		if (stop_phase(&m->children[i]) <= m->phase && m->children[i].state != CHILD_DOWN)
			return false;
	return true;
}

static void go_on_stopping(struct master *m)
{
	while (m->phase > 0 && m->phase <= 3 && phase_done(m)) {
		if (++m->phase > 3)
			break;
		for (size_t i = 0; i < m->nchildren; i++)
			if (stop_phase(&m->children[i]) == m->phase)
				child_stop(&m->children[i], false);
		timer_set(m->phase_timer, conf_num(m->conf, PARAM_STOP_TIMEOUT) * 1000 + GRACE);
	}
	if (m->phase > 3)
		loop_stop(m->loop);
}

static void phase_is_over(void *arg)
{
	struct master *m = arg;
	for (size_t i = 0; i < m->nchildren; i++) {
		struct child *c = &m->children[i];
		if (stop_phase(c) <= m->phase && c->pid > 0) {
			log_warn("killed", LS("process", c->row->name), LS("why", "it did not stop in time"));
			kill(c->pid, SIGKILL);
		}
	}
	timer_set(m->phase_timer, GRACE);
}

static void on_stop(void *arg, int signo)
{
	struct master *m = arg;
	if (m->phase > 0)
		return;
	log_info("stopping", LI("signal", signo));
	notify_tell(m, "STOPPING=1\n");
	m->phase = 1;
	for (size_t i = 0; i < m->nchildren; i++) {
		timer_stop(m->children[i].timer);
		if (stop_phase(&m->children[i]) == 1)
			child_stop(&m->children[i], false);
	}
	timer_set(m->phase_timer, conf_num(m->conf, PARAM_STOP_TIMEOUT) * 1000 + GRACE);
	status_changed(m);
	go_on_stopping(m);
}

static void on_child(void *arg, int signo)
{
	struct master *m = arg;
	pid_t pid;
	int status;
	(void)signo;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_of_pid(m, pid);
		if (c != NULL)
			child_exited(c, status);
	}
	if (m->phase > 0)
		go_on_stopping(m);
}

/* ---- start ---- */

/* One master a run directory: the lock on the pid file is held for life. */
static int take_run_dir(struct master *m)
{
	const char *path = conf_str(m->conf, PARAM_DIRECTORY_RUN);
	char text[32];
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		fprintf(stderr, "postrider: %s: %s\n", path, strerror(errno));
		return err_of_errno(errno);
	}
	int err = file_open_dir(AT_FDCWD, path, &m->run_dir);
	if (err != ERR_OK)
		return err;
	m->pid_file = openat(m->run_dir, "master.pid", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (m->pid_file < 0)
		return err_of_errno(errno);
	err = file_lock(m->pid_file, true, false);
	if (err != ERR_OK) {
		fprintf(stderr, "postrider: %s: another master is running on this directory (see master.pid there)\n", path);
		return err;
	}
	int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(m->pid_file, 0) != 0)
		return err_of_errno(errno);
	return file_pwrite(m->pid_file, text, (size_t)n, 0);
}

static int open_all(struct master *m)
{
	random_bytes(m->seals, sizeof m->seals);
	m->control_gid = layout_control_group(m);
	children_make(m);
	int err = layout_users(m);
	if (err == ERR_OK)
		err = layout_directories(m);
	if (err == ERR_OK)
		err = listeners_open(m);
	if (err == ERR_OK && !m->single_user)
		err = priv_keep_caps(KEPT_CAPS, false);
	return err;
}

/* master's own lines: to standard error until the log process is ready, then by a pipe to it like everybody's. */
static void own_log(struct master *m)
{
	int fds[2];
	INVARIANT(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	m->log_read = fds[0];
	m->log_write = fds[1];
	log_role("master");
}

static int run(struct master *m)
{
	m->loop = loop_new();
	map_seed(random_u64(), random_u64());
	m->status = (struct later){ .fn = status_write, .arg = m };
	m->phase_timer = timer_new(m->loop, phase_is_over, m);
	own_log(m);
	int err = open_all(m);
	if (err != ERR_OK)
		return err;
	loop_signal(m->loop, SIGCHLD, on_child, m);
	loop_signal(m->loop, SIGTERM, on_stop, m);
	loop_signal(m->loop, SIGINT, on_stop, m);
	loop_signal(m->loop, SIGHUP, on_reload, m);
	users_watch(m);
	for (size_t i = 0; i < m->nchildren; i++)
		child_start(&m->children[i]);
	loop_run(m->loop);
	listeners_remove(m);
	(void)unlinkat(m->run_dir, "status", 0);
	(void)unlinkat(m->run_dir, "master.pid", 0);
	return ERR_OK;
}

static int usage(void)
{
	fprintf(stderr, "usage: master [-c configuration] [-l directory of programs]\n(start the suite with `postrider start`)\n");
	return 64;
}

int main(int argc, char **argv)
{
	/* Not on the heap: who looks for leaks at the end must find what belongs to it. */
	static struct master context;
	struct master *m = &context;
	struct buf why;
	int opt;
	m->file = POSTRIDER_SYSCONFDIR "/postrider.conf";
	m->libexec = POSTRIDER_LIBEXECDIR;
	while ((opt = getopt(argc, argv, "c:l:")) != -1) {
		if (opt == 'c')
			m->file = optarg;
		else if (opt == 'l')
			m->libexec = optarg;
		else
			return usage();
	}
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	/* Whoever started us may have left descriptors open: they are not our children's. */
	(void)close_range(3, ~0u, 0);
	m->single_user = geteuid() != 0;
	buf_init(&why, 65536);
	int err = read_conf(m->file, &m->conf, &why);
	if (err != ERR_OK)
		fprintf(stderr, "%s", buf_str(&why));
	buf_fini(&why);
	if (err == ERR_OK)
		err = take_run_dir(m);
	notify_open(m);
	if (err == ERR_OK)
		err = run(m);
	if (err != ERR_OK)
		log_error("master_ends", LERR("error", err));
	log_flush();
	return err == ERR_OK ? 0 : 1;
}
