/* SPDX-License-Identifier: ISC */
#include "tests/fuzz/home.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"

static char path[] = "/tmp/postrider_fuzz_XXXXXX";
static int home = -1;
static const char *inner_dir, *inner_file;

static void home_free(void)
{
	(void)unlinkat(home, inner_file, 0);
	(void)unlinkat(home, inner_dir, AT_REMOVEDIR);
	INVARIANT(rmdir(path) == 0);
	fd_close(&home);
}

int fuzz_home(const char *dir, const char *file)
{
	inner_dir = dir;
	inner_file = file;
	INVARIANT(home < 0 && mkdtemp(path) && file_open_dir(AT_FDCWD, path, &home) == ERR_OK && atexit(home_free) == 0);
	return home;
}
