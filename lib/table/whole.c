/* SPDX-License-Identifier: ISC */
#include "table/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "sys/file.h"

#define TRAILER 24
#define MAGIC "PRWHOLE1"

static void trailer_make(char out[TRAILER], uint64_t length, uint32_t sum)
{
	memcpy(out, MAGIC, 8);
	le64_put(out + 8, length);
	le32_put(out + 16, sum);
	le32_put(out + 20, crc32c(0, out, 20));
}

/* No writer exists once a base has its name, and it is never cut: mapping it is safe. */
static int file_sum(int fd, uint64_t length, uint32_t *sum)
{
	void *p;

	if (length == 0)
		return ERR_DAMAGED;
	p = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_of_errno(errno);
	*sum = crc32c(0, p, length);
	(void)munmap(p, length);
	return ERR_OK;
}

static int trailer_write(int fd, uint64_t length)
{
	char trailer[TRAILER];
	uint32_t sum = 0;
	int err = file_sum(fd, length, &sum);

	if (err)
		return err;
	trailer_make(trailer, length, sum);
	return file_pwrite(fd, trailer, sizeof(trailer), (off_t)length);
}

static int pad(int fd, uint64_t size, uint64_t to)
{
	return to == size || ftruncate(fd, (off_t)to) == 0 ? ERR_OK : err_of_errno(errno);
}

int whole_seal(const char *path, size_t align)
{
	uint64_t size = 0, length;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int err;

	if (fd < 0)
		return err_of_errno(errno);
	err = fchmod(fd, 0640) == 0 ? file_size(fd, &size) : err_of_errno(errno);
	length = (size + TRAILER + align - 1) / align * align - TRAILER;
	if (!err)
		err = pad(fd, size, length);
	if (!err)
		err = trailer_write(fd, length);
	if (!err)
		err = file_flush(fd);
	fd_close(&fd);
	return err;
}

static int check(int fd, struct stat *st)
{
	char have[TRAILER], want[TRAILER];
	uint64_t length;
	uint32_t sum = 0;
	int err;

	if (fstat(fd, st) != 0)
		return err_of_errno(errno);
	if (!S_ISREG(st->st_mode) || st->st_size <= TRAILER)
		return ERR_DAMAGED;
	length = (uint64_t)st->st_size - TRAILER;
	err = file_pread(fd, have, sizeof(have), (off_t)length);
	if (err)
		return err == ERR_END ? ERR_DAMAGED : err;
	/* A file that was cut short is not worth summing up. */
	if (memcmp(have, MAGIC, 8) != 0 || le64_get(have + 8) != length)
		return ERR_DAMAGED;
	err = file_sum(fd, length, &sum);
	if (err)
		return err;
	trailer_make(want, length, sum);
	return memcmp(have, want, TRAILER) == 0 ? ERR_OK : ERR_DAMAGED;
}

int whole_check(const char *path, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int err;

	if (fd < 0)
		return err_of_errno(errno);
	err = check(fd, st);
	fd_close(&fd);
	return err;
}

bool whole_same(int fd, const struct stat *st)
{
	struct stat now;

	return fstat(fd, &now) == 0 && now.st_ino == st->st_ino && now.st_dev == st->st_dev;
}
