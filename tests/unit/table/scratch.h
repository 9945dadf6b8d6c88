/* SPDX-License-Identifier: ISC */
/* A directory for one test, removed with what is in it. */
#ifndef TESTS_UNIT_TABLE_SCRATCH_H
#define TESTS_UNIT_TABLE_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch {
	char dir[PATH_MAX];
};

static inline int scratch_make(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(s->dir, sizeof(s->dir), "%s/postrider-table-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(s->dir))
		return -1;
	*state = s;
	return 0;
}

static inline int scratch_remove(void **state)
{
	struct scratch *s = *state;
	DIR *d = opendir(s->dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	(void)rmdir(s->dir);
	free(s);
	return 0;
}

static inline char *scratch_path(const struct scratch *s, const char *name, char out[PATH_MAX + 64])
{
	(void)snprintf(out, PATH_MAX + 64, "%s/%s", s->dir, name);
	return out;
}

/* The whole file; *n its size. */
static inline unsigned char *scratch_read(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	unsigned char *p;

	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	*n = (size_t)ftell(f);
	rewind(f);
	p = malloc(*n + 1);
	assert_int_equal(fread(p, 1, *n, f), *n);
	fclose(f);
	return p;
}

static inline void scratch_write(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

#endif
