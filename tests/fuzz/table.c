/* SPDX-License-Identifier: ISC */
/* A delta's octets, as a file and as the body of a record, and the values that stand in a table. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "table/base.h"
#include "table/delta.h"
#include "table/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The reader of a whole file, by a directory that is made once and holds one name at a time. */
static void as_file(struct view v)
{
	static char dir[] = "/tmp/postrider-fuzz-XXXXXX";
	static bool made;
	struct delta *d;
	int dirfd, fd;

	if (!made && !mkdtemp(dir))
		abort();
	made = true;
	if (access(dir, F_OK) != 0 && mkdir(dir, 0700) != 0)
		abort();
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(dirfd, "delta", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, v.p, v.n) != (ssize_t)v.n)
		abort();
	close(fd);
	if (delta_open(dirfd, "delta", false, &d) == ERR_OK)
		delta_close(d);
	(void)unlinkat(dirfd, "delta", 0);
	close(dirfd);
	/* Gone after each input, so that nothing is left behind wherever the run ends. */
	(void)rmdir(dir);
}

static void as_body(struct view v)
{
	struct delta_change c;
	bool bad;

	while (delta_change_next(&v, &c, &bad))
		if (c.key.n == 0 || c.key.n > BASE_KEY_MAX || c.value.n > BASE_VALUE_MAX || (c.del && c.value.n))
			abort();
	if (!bad && v.n)
		abort();
}

static void as_values(struct view v)
{
	struct entry_account account;
	struct entry_domain domain;
	struct address address;
	struct buf b;

	buf_init(&b, 1 << 20);
	if (entry_account_get(v, &account) == ERR_OK) {
		struct entry_account again;

		entry_account_put(&b, &account);
		if (entry_account_get(buf_view(&b), &again) != ERR_OK || again.uid != account.uid)
			abort();
	}
	(void)!entry_domain_get(v, &domain);
	if (entry_address(v, &address))
		entry_fold(&address);
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_make(data, size);

	as_file(v);
	as_body(v);
	as_values(v);
	return 0;
}
