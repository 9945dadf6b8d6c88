/* SPDX-License-Identifier: ISC */
#include "suite.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "sys/clock.h"
#include "sys/file.h"

static pid_t pid_read(int fd)
{
	char text[32];
	uint32_t pid;
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n <= 0 || !num_u32(view_trim(view_make(text, (size_t)n)), INT32_MAX, &pid))
		return 0;
	return (pid_t)pid;
}

/* Asking for the lock tells whether another holds it, and takes nothing. */
pid_t suite_pid(const struct cli *c)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	char *path = cli_run_path(c, "master.pid");
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	pid_t pid = 0;

	free(path);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		pid = pid_read(fd);
	fd_close(&fd);
	return pid;
}

void suite_status(const struct cli *c, struct buf *out)
{
	char *path = cli_run_path(c, "status");

	buf_reset(out);
	if (file_slurp(AT_FDCWD, path, out) != ERR_OK)
		buf_reset(out);
	free(path);
}

struct view suite_field(struct view status, const char *key)
{
	char mark[40];
	size_t at, end = 0;

	(void)snprintf(mark, sizeof(mark), "\"%s\":", key);
	at = view_search(status, view_of(mark));
	if (at == SIZE_MAX)
		return VIEW_NONE;
	status = view_skip(status, at + strlen(mark));
	if (status.n && status.p[0] == '"') {
		status = view_skip(status, 1);
		while (end < status.n && status.p[end] != '"')
			end += status.p[end] == '\\' ? 2 : 1;
	} else {
		while (end < status.n && ascii_isdigit(status.p[end]))
			end++;
	}
	return view_head(status, end);
}

bool suite_process(struct view *rest, struct view *line)
{
	while (view_cut(rest, '\n', line))
		if (view_starts(*line, VIEW("{\"name\"")))
			return true;
	return false;
}

void suite_nap(void)
{
	clock_sleep_ms(20);
}
