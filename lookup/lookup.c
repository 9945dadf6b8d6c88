/* SPDX-License-Identifier: ISC */
/*
 * lookup: says what an address is, where it goes, and who an account is. It holds the tables open for reading, takes in what accounts
 * changed before each answer, and answers at once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "log/log.h"
#include "lookup/resolve.h"
#include "sys/clock.h"
#include "table/entry.h"

/* A route that was given out holds for a long message on a slow line, not for ever. */
#define ROUTE_SECONDS (4 * 3600)

enum { MAY_RELAY = 1 };

struct lookup {
	struct daemon *d;
	struct table *table; /* NULL until accounts has made it */
	struct resolved *resolved;
	const struct seal_key *seal;
	int last_err; /* of the table, so that a lasting fault is one line in the log */
	struct buf targets, body, sealed, value;
};

/* ---- the table ---- */

static void note_fault(struct lookup *l, int err)
{
	if (err == l->last_err)
		return;
	l->last_err = err;
	/* At the very first start accounts makes them in this moment. */
	if (err == ERR_NOT_FOUND)
		log_info("tables_not_made_yet");
	else if (err)
		log_error("tables_unusable", LS("table", ENTRY_TABLE), LERR("error", err),
			LS("what_to_do", "see postrider-tables(5); until then senders are asked to try later"));
	else
		log_info("tables_usable", LU("generation", table_generation(l->table)));
}

/* Opened by a relative name: the skeleton's working directory is the tables' directory. */
static int table_ready(struct lookup *l)
{
	int err = ERR_AGAIN;

	if (!l->d->stopping)
		err = l->table ? table_refresh(l->table) : table_open(".", ENTRY_TABLE, &l->table);
	note_fault(l, err);
	return err;
}

static struct resolver resolver_of(const struct lookup *l)
{
	return (struct resolver){
		.table = l->table,
		.delimiter = conf_text(l->d->conf, PARAM_RECIPIENT_DELIMITER),
		.postmaster = conf_text(l->d->conf, PARAM_POSTMASTER),
	};
}

/* ---- recipient ---- */

/* Which doors may ask for a route to a foreign domain: by the channel, whatever the message says. */
static bool relay_allowed(struct ipc_channel *from, uint8_t flags)
{
	enum ipc_role role = ipc_channel_peer(from);

	return (flags & MAY_RELAY) && (role == ROLE_SMTPD_SUBMISSION || role == ROLE_SMTPD_LOCAL || role == ROLE_SMTPD_RELAY ||
		role == ROLE_QMGR);
}

static void targets_put(struct lookup *l)
{
	const struct resolved *r = l->resolved;

	buf_reset(&l->targets);
	for (size_t i = 0; i < r->count; i++) {
		struct ipc_target t = { .kind = (uint8_t)r->targets[i].kind, .uid = r->targets[i].uid, .address = resolved_address(r, i) };

		INVARIANT(ipc_target_put(&l->targets, &t) == ERR_OK);
	}
}

static void route_seal(struct lookup *l, struct view address)
{
	struct ipc_route route = {
		.address = address,
		.ours = l->resolved->ours,
		.expires = (uint64_t)clock_wall(NULL) + ROUTE_SECONDS,
	};

	targets_put(l);
	route.targets = (struct ipc_list){ .bytes = buf_view(&l->targets), .count = (uint32_t)l->resolved->count };
	buf_reset(&l->body);
	buf_reset(&l->sealed);
	INVARIANT(ipc_route_put(&l->body, &route) == ERR_OK);
	seal_make(l->seal, "route", buf_view(&l->body), &l->sealed);
}

static enum ipc_outcome recipient_outcome(const struct resolved *r, bool relay)
{
	switch (r->outcome) {
	case RESOLVE_FOUND:
		return IPC_DONE;
	case RESOLVE_LATER:
		return IPC_LATER;
	case RESOLVE_NONE:
		return IPC_NEVER;
	case RESOLVE_FOREIGN:
		return relay ? IPC_DONE : IPC_REFUSED;
	}
	return IPC_LATER;
}

/* RFC 5321 4.5.1: "postmaster" without a domain is the postmaster of this host. */
static bool address_take(struct lookup *l, struct view text, struct address *out)
{
	struct buf b;
	bool ok;

	if (!view_ieqs(text, "postmaster"))
		return entry_address(text, out);
	buf_init(&b, ADDRESS_MAX);
	buf_adds(&b, "postmaster@");
	buf_addv(&b, conf_text(l->d->conf, PARAM_HOSTNAME));
	ok = entry_address(buf_view(&b), out);
	buf_fini(&b);
	return ok;
}

/* The host's own name need not be a hosted domain: its postmaster is then whoever reads for all. */
static void postmaster_of_host(const struct resolver *r, struct resolved *out)
{
	struct address a;
	struct buf b;

	buf_init(&b, ADDRESS_MAX);
	if (r->postmaster.n)
		buf_addv(&b, r->postmaster);
	else
		(void)!table_get(r->table, VIEW("first-account"), &b);
	out->outcome = RESOLVE_LATER;
	out->err = ERR_AGAIN;
	if (entry_address(buf_view(&b), &a))
		resolve(r, &a, out);
	if (out->outcome == RESOLVE_FOREIGN)
		out->outcome = RESOLVE_FOUND;
	out->ours = true;
	buf_fini(&b);
}

static enum ipc_outcome recipient_find(struct lookup *l, struct view text, bool relay)
{
	struct resolver r;
	struct address a;

	if (table_ready(l))
		return IPC_LATER;
	r = resolver_of(l);
	if (!address_take(l, text, &a))
		return IPC_NEVER;
	resolve(&r, &a, l->resolved);
	if (l->resolved->outcome == RESOLVE_FOREIGN && view_ieqs(text, "postmaster"))
		postmaster_of_host(&r, l->resolved);
	if (l->resolved->outcome == RESOLVE_LATER)
		log_warn("recipient_later", LV("address", address_view(&a)), LERR("error", l->resolved->err),
			LS("why", l->resolved->err == ERR_LIMIT ? "its aliases go too deep or too wide" : "the tables could not say"));
	/* The seal is made for unknown addresses too: known and unknown cost the same. */
	route_seal(l, text);
	return recipient_outcome(l->resolved, relay);
}

static void on_recipient(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct lookup *l = ((struct daemon *)arg)->user;
	const struct ipc_recipient *m = message;
	struct ipc_recipient_is is = { .id = m->id };

	(void)fds;
	(void)nfds;
	is.outcome = (uint8_t)recipient_find(l, m->address, relay_allowed(from, m->flags));
	if (is.outcome == IPC_DONE)
		is.sealed = buf_view(&l->sealed);
	(void)!ipc_send(from, IPC_RECIPIENT_IS, &is, NULL, 0);
}

/* ---- owns ---- */

static enum ipc_outcome owns_find(struct lookup *l, const struct ipc_owns *m)
{
	struct resolver r;
	struct address a;
	bool owns = false;

	if (table_ready(l))
		return IPC_LATER;
	r = resolver_of(l);
	if (!entry_address(m->address, &a))
		return IPC_NEVER;
	if (resolve_owns(&r, m->account, &a, &owns))
		return IPC_LATER;
	return owns ? IPC_DONE : IPC_NEVER;
}

static void on_owns(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct lookup *l = ((struct daemon *)arg)->user;
	const struct ipc_owns *m = message;
	struct ipc_owns_is is = { .id = m->id, .outcome = (uint8_t)owns_find(l, m) };

	(void)fds;
	(void)nfds;
	(void)!ipc_send(from, IPC_OWNS_IS, &is, NULL, 0);
}

/* ---- account ---- */

static enum ipc_outcome account_find(struct lookup *l, struct view text, struct address *name, struct ipc_account_is *is)
{
	struct entry_account account;
	struct resolver r;
	struct address a;
	int err;

	if (table_ready(l))
		return IPC_LATER;
	r = resolver_of(l);
	if (!entry_address(text, &a))
		return IPC_NEVER;
	err = resolve_account(&r, &a, name, &l->value);
	if (!err)
		err = entry_account_get(buf_view(&l->value), &account);
	if (err)
		return err == ERR_NOT_FOUND ? IPC_NEVER : IPC_LATER;
	is->uid = account.uid;
	is->disabled = account.disabled;
	is->account = address_view(name);
	is->password = account.password;
	is->scram = account.scram;
	return IPC_DONE;
}

static void on_account(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct lookup *l = ((struct daemon *)arg)->user;
	const struct ipc_account *m = message;
	struct ipc_account_is is = { .id = m->id };
	struct address name;

	(void)fds;
	(void)nfds;
	is.outcome = (uint8_t)account_find(l, m->name, &name, &is);
	(void)!ipc_send(from, IPC_ACCOUNT_IS, &is, NULL, 0);
	mem_wipe(l->value.mem, l->value.mem ? l->value.cap : 0);
}

/* Every question asks the files anyway; but the doors remember answers for some seconds. */
static void on_tables_changed(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	static const enum ipc_role doors[] = { ROLE_SMTPD_MX, ROLE_SMTPD_SUBMISSION, ROLE_SMTPD_LOCAL, ROLE_SMTPD_LMTP, ROLE_SMTPD_RELAY };
	struct daemon *d = arg;

	(void)from;
	(void)fds;
	(void)nfds;
	(void)table_ready(d->user);
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++)
		for (unsigned k = 0; k < daemon_channels(d, doors[i]); k++) {
			struct ipc_channel *c = daemon_channel_at(d, doors[i], k);

			if (ipc_channel_is_up(c))
				(void)!ipc_send(c, IPC_TABLES_CHANGED, message, NULL, 0);
		}
}

/* ---- life ---- */

static int start(struct daemon *d)
{
	struct lookup *l = mem_new(sizeof(*l));

	l->d = d;
	d->user = l;
	l->resolved = resolved_new();
	l->seal = daemon_seal_key(d, ROLE_LOOKUP, ROLE_QMGR);
	if (!l->seal) {
		log_error("no_seal_key", LS("for", "qmgr"));
		return ERR_INVALID;
	}
	buf_init(&l->targets, 400000);
	buf_init(&l->body, 400000);
	buf_init(&l->sealed, 400000 + SEAL_TAG);
	buf_init(&l->value, BASE_VALUE_MAX);
	(void)table_ready(l);
	return ERR_OK;
}

static const struct ipc_handler handlers[] = {
	{ IPC_RECIPIENT, on_recipient },
	{ IPC_OWNS, on_owns },
	{ IPC_ACCOUNT, on_account },
	{ IPC_TABLES_CHANGED, on_tables_changed },
	{ 0 },
};

/* Nobody asks any more: the doors stopped before. */
static void stop(struct daemon *d)
{
	struct lookup *l = d->user;

	table_close(l->table);
	l->table = NULL;
	daemon_exit(d);
}

/* New parameters are read where they are used. */
static void reload(struct daemon *d) { (void)d; }

static const struct daemon_hooks hooks = {
	.role = ROLE_LOOKUP,
	.start = start,
	.reload = reload,
	.stop = stop,
	.handlers = handlers,
};

int main(int argc, char **argv) { return daemon_main(argc, argv, &hooks); }
