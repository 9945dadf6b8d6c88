/* SPDX-License-Identifier: ISC */
/* Lists for postrider(1): a million rows go out piece by piece, as fast as the client reads, while changes go on. */
#include <stdlib.h>
#include <string.h>

#include "accounts/accounts.h"
#include "base/mem.h"
#include "log/log.h"
#include "table/entry.h"

#define BACKLOG_MAX (256 * 1024)
#define DETAIL_MAX 4096

struct listing {
	struct list node;
	struct ipc_channel *to;
	uint64_t id;
	enum ipc_kind kind;
	const char *prefix;
	char *domain; /* "" for all */
	struct table_walk *walk;
	uint64_t count;
};

static void listing_free(struct listing *l)
{
	list_remove(&l->node);
	table_walk_free(l->walk);
	free(l->domain);
	free(l);
}

static void finish(struct ipc_channel *to, uint64_t id, uint64_t count, int err)
{
	struct ipc_control_done done = { .id = id, .count = count };

	if (err) {
		done.outcome = err_class(err) == ERR_CLASS_TEMPORARY ? IPC_LATER : IPC_NEVER;
		done.text = view_of(err == ERR_BUSY ? "one list at a time" : err_text(err));
	}
	(void)!ipc_send(to, IPC_CONTROL_DONE, &done, NULL, 0);
}

static int send_row(const struct listing *l, struct ipc_row *row)
{
	row->id = l->id;
	return ipc_send(l->to, IPC_ROW, row, NULL, 0);
}

static int send_domain(const struct listing *l, struct view name, struct view value)
{
	struct ipc_row row = { .name = name };
	struct entry_domain d;
	int err = entry_domain_get(value, &d);

	row.detail = d.postmaster;
	return err ? err : send_row(l, &row);
}

static int send_account(const struct listing *l, struct view name, struct view value)
{
	struct ipc_row row = { .name = name };
	struct entry_account a;
	int err = entry_account_get(value, &a);

	row.uid = a.uid;
	row.disabled = a.disabled;
	row.detail = a.password.n ? VIEW_NONE : VIEW("no password");
	return err ? err : send_row(l, &row);
}

/* Targets that pass a row's bound go on in further rows of the same name. */
static int send_alias(const struct listing *l, struct view name, struct view value)
{
	struct view part = value, line;
	int err = ERR_OK;

	while (!err && value.n) {
		struct ipc_row row = { .name = name };

		part = VIEW_NONE;
		while (value.p && value.n) {
			struct view before = value;

			(void)view_cut(&value, '\n', &line);
			if (part.n + line.n + 1 > DETAIL_MAX) {
				value = before;
				break;
			}
			part = part.p ? view_make(part.p, (size_t)(line.p + line.n - part.p)) : line;
		}
		row.detail = part;
		err = send_row(l, &row);
	}
	return err;
}

static bool in_domain(const struct listing *l, struct view name)
{
	size_t at = view_rfind(name, '@');

	return *l->domain == 0 || (at != SIZE_MAX && view_ieqs(view_skip(name, at + 1), l->domain));
}

static int send_entry(struct listing *l, struct view key, struct view value)
{
	struct view name = view_skip(key, strlen(l->prefix));

	if (l->kind == IPC_DOMAIN_LIST) {
		l->count++;
		return send_domain(l, name, value);
	}
	if (!in_domain(l, name))
		return ERR_OK;
	l->count++;
	return l->kind == IPC_ACCOUNT_LIST ? send_account(l, name, value) : send_alias(l, name, value);
}

static void pump(void *arg, struct ipc_channel *to)
{
	struct listing *l = arg;
	struct view key, value;
	int err = ERR_OK;

	while (!err && ipc_backlog(to) < BACKLOG_MAX) {
		err = table_walk_next(l->walk, &key, &value);
		if (!err)
			err = send_entry(l, key, value);
	}
	if (!err) {
		ipc_on_drained(to, pump, l);
		return;
	}
	ipc_on_drained(to, NULL, NULL);
	finish(to, l->id, l->count, err == ERR_END ? ERR_OK : err);
	listing_free(l);
}

static struct listing *listing_of(struct accounts *a, const struct ipc_channel *c)
{
	LIST_EACH(n, tmp, &a->listings) {
		struct listing *l = LIST_OF(n, struct listing, node);

		if (l->to == c)
			return l;
	}
	return NULL;
}

static void begin(struct accounts *a, struct ipc_channel *to, enum ipc_kind kind, const char *prefix, uint64_t id, struct view domain)
{
	struct table_walk *walk;
	struct listing *l;
	int err = listing_of(a, to) ? ERR_BUSY : table_walk_new(".", ENTRY_TABLE, view_of(prefix), &walk);

	if (err) {
		finish(to, id, 0, err);
		return;
	}
	l = mem_new(sizeof(*l));
	*l = (struct listing){ .to = to, .id = id, .kind = kind, .prefix = prefix, .domain = mem_str(domain), .walk = walk };
	list_append(&a->listings, &l->node);
	pump(l, to);
}

void accounts_on_domain_list(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	const struct ipc_domain_list *m = message;

	(void)fds;
	(void)nfds;
	begin(((struct daemon *)arg)->user, from, IPC_DOMAIN_LIST, "domain:", m->id, VIEW_NONE);
}

void accounts_on_account_list(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	const struct ipc_account_list *m = message;

	(void)fds;
	(void)nfds;
	begin(((struct daemon *)arg)->user, from, IPC_ACCOUNT_LIST, "account:", m->id, m->domain);
}

void accounts_on_alias_list(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	const struct ipc_alias_list *m = message;

	(void)fds;
	(void)nfds;
	begin(((struct daemon *)arg)->user, from, IPC_ALIAS_LIST, "alias:", m->id, m->domain);
}

void accounts_listings_gone(struct accounts *a, struct ipc_channel *c)
{
	struct listing *l = listing_of(a, c);

	if (l)
		listing_free(l);
}
