/* SPDX-License-Identifier: ISC */
/* start, stop, reload, status: by master's pid file, signals and status file. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "suite.h"
#include "sys/clock.h"
#include "sys/file.h"

#define STATUS_MAX (1u << 20)
#define START_MS 60000
#define RELOAD_MS 20000

/* ---- start ---- */

static void exec_master(const struct cli *c)
{
	struct buf path;
	char *args[6];

	buf_init(&path, 4200);
	buf_printf(&path, "%s/master", c->libexec);
	args[0] = (char *)(uintptr_t) "master";
	args[1] = (char *)(uintptr_t) "-c";
	args[2] = (char *)(uintptr_t)c->file;
	args[3] = (char *)(uintptr_t) "-l";
	args[4] = (char *)(uintptr_t)c->libexec;
	args[5] = NULL;
	(void)execv(buf_str(&path), args);
	(void)cli_fail(EXIT_UNAVAILABLE, "%s cannot be run: %s; name the programs' directory with -l", buf_str(&path), strerror(errno));
	_exit(EXIT_UNAVAILABLE);
}

/* Where a master in the background says what it cannot log yet. */
static int start_log_open(const struct cli *c)
{
	char *path = cli_run_path(c, "start.err");
	int fd;

	(void)mkdir(conf_str(c->conf, PARAM_DIRECTORY_RUN), 0755);
	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	free(path);
	return fd;
}

static pid_t spawn_master(const struct cli *c, int log)
{
	pid_t pid = fork();
	int null;

	if (pid != 0)
		return pid;
	(void)setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(log, STDOUT_FILENO);
	(void)dup2(log, STDERR_FILENO);
	if (chdir("/") != 0)
		_exit(EXIT_FAILED);
	exec_master(c);
	return 0;
}

static void show_log(int log)
{
	char text[4096];
	off_t at = lseek(log, 0, SEEK_END) > (off_t)sizeof(text) ? lseek(log, 0, SEEK_END) - (off_t)sizeof(text) : 0;
	ssize_t n = pread(log, text, sizeof(text), at);

	if (n > 0)
		(void)fwrite(text, 1, (size_t)n, stderr);
}

static void show_unready(struct view status)
{
	struct view line;

	while (suite_process(&status, &line))
		if (!view_eqs(suite_field(line, "state"), "ready")) {
			fprintf(stderr, "  ");
			text_print(stderr, suite_field(line, "name"));
			fprintf(stderr, ": ");
			text_print(stderr, suite_field(line, "state"));
			fprintf(stderr, ", started again ");
			text_print(stderr, suite_field(line, "restarts"));
			fprintf(stderr, " times\n");
		}
}

static bool is_running(struct view status, pid_t pid)
{
	uint32_t told;

	return num_u32(suite_field(status, "pid"), INT32_MAX, &told) && (pid_t)told == pid && view_eqs(suite_field(status, "state"), "running");
}

/* master runs in another directory than we do. */
static char *absolute(const char *path)
{
	char *full = realpath(path, NULL);

	return full ? full : mem_str(view_of(path));
}

static int await_ready(const struct cli *c, pid_t pid, int log)
{
	uint64_t deadline = clock_mono_ms() + START_MS;
	struct buf status;
	int code = -1, wstatus;

	buf_init(&status, STATUS_MAX);
	while (code < 0) {
		suite_status(c, &status);
		if (is_running(buf_view(&status), pid)) {
			code = EXIT_OK;
		} else if (waitpid(pid, &wstatus, WNOHANG) == pid) {
			show_log(log);
			code = cli_fail(EXIT_UNAVAILABLE, "the suite did not start; what it said stands above, and in the log below %s",
				conf_str(c->conf, PARAM_DIRECTORY_LOG));
		} else if (clock_mono_ms() > deadline) {
			show_log(log);
			show_unready(buf_view(&status));
			(void)kill(pid, SIGTERM);
			(void)waitpid(pid, &wstatus, 0);
			code = cli_fail(EXIT_UNAVAILABLE, "not all processes became ready within a minute; the suite was stopped; see the log below %s",
				conf_str(c->conf, PARAM_DIRECTORY_LOG));
		} else {
			suite_nap();
		}
	}
	buf_fini(&status);
	return code;
}

static int say(const struct cli *c, const char *state, pid_t pid)
{
	if (cli_json(c))
		printf("{\"state\":\"%s\",\"pid\":%d}\n", state, (int)pid);
	else if (pid)
		printf("%s (process %d)\n", state, (int)pid);
	else
		printf("%s\n", state);
	return EXIT_OK;
}

int cmd_start(struct cli *c)
{
	pid_t pid = suite_pid(c);
	char *file, *libexec;
	int log, code;

	if (pid)
		return say(c, "running", pid);
	file = absolute(c->file);
	libexec = absolute(c->libexec);
	c->file = file;
	c->libexec = libexec;
	if (c->options & OPT_FOREGROUND)
		exec_master(c);
	log = start_log_open(c);
	pid = log < 0 ? -1 : spawn_master(c, log);
	code = pid < 0 ? cli_fail(EXIT_UNAVAILABLE, "%s: %s", conf_str(c->conf, PARAM_DIRECTORY_RUN), strerror(errno)) :
			 await_ready(c, pid, log);
	fd_close(&log);
	free(file);
	free(libexec);
	return code ? code : say(c, "running", pid);
}

/* ---- stop ---- */

int cmd_stop(struct cli *c)
{
	pid_t pid = suite_pid(c);
	uint64_t deadline = clock_mono_ms() + conf_num(c->conf, PARAM_STOP_TIMEOUT) * 3000 + 15000;

	if (!pid)
		return say(c, "not running", 0);
	if (kill(pid, SIGTERM) != 0)
		return cli_fail(EXIT_PERMISSION, "process %d cannot be stopped: %s", (int)pid, strerror(errno));
	while (suite_pid(c) == pid) {
		if (clock_mono_ms() > deadline)
			return cli_fail(EXIT_FAILED, "process %d does not end; see the log below %s", (int)pid,
				conf_str(c->conf, PARAM_DIRECTORY_LOG));
		suite_nap();
	}
	return say(c, "stopped", pid);
}

/* ---- reload ---- */

static uint32_t reloads(const struct cli *c, struct buf *status)
{
	uint32_t n = 0;

	suite_status(c, status);
	(void)num_u32(suite_field(buf_view(status), "reloads"), UINT32_MAX, &n);
	return n;
}

static int reload_result(struct view status)
{
	struct view error = suite_field(status, "error");

	if (error.n == 0)
		return EXIT_OK;
	(void)cli_fail(EXIT_CONFIG, "%.*s", (int)error.n, error.p);
	return cli_fail(EXIT_CONFIG, "the configuration was refused; the old one stays in force");
}

int cmd_reload(struct cli *c)
{
	uint64_t deadline = clock_mono_ms() + RELOAD_MS;
	pid_t pid = suite_pid(c);
	struct buf status;
	uint32_t before;
	int code = EXIT_OK;

	if (!pid)
		return cli_fail(EXIT_UNAVAILABLE, "the suite is not running; start it with: postrider -c %s start", c->file);
	buf_init(&status, STATUS_MAX);
	before = reloads(c, &status);
	if (kill(pid, SIGHUP) != 0)
		code = cli_fail(EXIT_PERMISSION, "process %d cannot be told: %s", (int)pid, strerror(errno));
	while (!code && reloads(c, &status) == before) {
		if (clock_mono_ms() > deadline || !suite_pid(c))
			code = cli_fail(EXIT_LATER, "master does not answer; see the log");
		suite_nap();
	}
	if (!code)
		code = reload_result(buf_view(&status));
	buf_fini(&status);
	return code ? code : say(c, "reloaded", pid);
}

/* ---- status ---- */

static void print_process(struct view line)
{
	struct view name = suite_field(line, "name"), restarts = suite_field(line, "restarts");
	struct view instance = suite_field(line, "instance"), pid = suite_field(line, "pid"), state = suite_field(line, "state");

	printf("  %-20.*s %3.*s %8.*s  %.*s", (int)name.n, name.p, (int)instance.n, instance.p, (int)pid.n, pid.p, (int)state.n, state.p);
	if (!view_eqs(restarts, "0"))
		printf(", started again %.*s times", (int)restarts.n, restarts.p);
	putchar('\n');
}

int cmd_status(struct cli *c)
{
	pid_t pid = suite_pid(c);
	struct buf status;
	struct view rest, state, line;

	if (!pid) {
		(void)say(c, "not running", 0);
		return EXIT_STOPPED;
	}
	buf_init(&status, STATUS_MAX);
	suite_status(c, &status);
	rest = buf_view(&status);
	if (cli_json(c)) {
		(void)fwrite(rest.p, 1, rest.n, stdout);
	} else {
		state = suite_field(rest, "state");
		printf("%.*s: master is process %d, configuration %s\n", (int)state.n, state.n ? state.p : "", (int)pid, c->file);
		while (suite_process(&rest, &line))
			print_process(line);
	}
	buf_fini(&status);
	return EXIT_OK;
}
