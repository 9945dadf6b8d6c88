/* SPDX-License-Identifier: ISC */
#include "smtpd/users.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/num.h"
#include "log/log.h"
#include "proto/address.h"
#include "sys/file.h"

enum { PASSWD_MAX = 64 * 1024 * 1024 };

struct users {
	struct map64 *names; /* by uid + 1: 0 is no key to rely on */
};

/* name:password:uid:… The name must be able to stand in an address. */
static void take_line(struct users *u, struct view line)
{
	struct view name, password, number;
	struct address a;
	uint32_t uid;

	if (!view_cut(&line, ':', &name) || !view_cut(&line, ':', &password) || !view_cut(&line, ':', &number))
		return;
	if (!num_u32(number, UINT32_MAX, &uid) || name.n > 63 || !address_mailbox(name, ADDRESS_BARE, &a) || a.domain != a.n)
		return;
	if (!map64_get(u->names, (uint64_t)uid + 1))
		map64_set(u->names, (uint64_t)uid + 1, mem_str(name));
}

struct users *users_parse(struct view text)
{
	struct users *u = mem_new(sizeof *u);
	struct view line;

	u->names = map64_new();
	while (view_cut(&text, '\n', &line))
		take_line(u, line);
	return u;
}

struct users *users_read(int fd, uint64_t size)
{
	struct users *u = NULL;
	struct buf b;
	size_t n = (size_t)size;
	int err = size > PASSWD_MAX ? ERR_TOO_BIG : ERR_OK;

	buf_init(&b, PASSWD_MAX);
	if (err == ERR_OK && n > 0)
		err = file_pread(fd, buf_room(&b, n), n, 0);
	if (err != ERR_OK) {
		log_warn("users_not_read", LERR("error", err));
	} else {
		buf_commit(&b, n);
		u = users_parse(buf_view(&b));
	}
	buf_fini(&b);
	return u;
}

void users_free(struct users *u)
{
	size_t it = 0;
	uint64_t key;
	void *name;

	if (!u)
		return;
	while (map64_next(u->names, &it, &key, &name))
		free(name);
	map64_free(u->names);
	free(u);
}

struct view users_name(const struct users *u, uint32_t uid)
{
	return view_of(map64_get(u->names, (uint64_t)uid + 1));
}
