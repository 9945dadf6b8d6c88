/* SPDX-License-Identifier: ISC */
#include "qmgr/admit.h"

#include "base/map.h"
#include "ipc/channel.h"
#include "proto/dsn.h"
#include "qmgr/state.h"

/* An envelope's text goes into headers and logs: no control may be in it, whatever the receiver let through. */
static bool clean(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return false;
	return true;
}

static int deny(struct admit_refusal *why, uint8_t outcome, const char *status, const char *reason)
{
	*why = (struct admit_refusal){ outcome, status, reason };
	return ERR_DENIED;
}

static int check_login(const struct admit_keys *keys, const struct ipc_commit *c, uint64_t now, struct view *account, struct admit_refusal *why)
{
	struct view body;
	struct ipc_login login;
	if (!keys->login || !seal_open(keys->login, "login", c->login, &body) || ipc_login_get(body, &login) != ERR_OK)
		return deny(why, IPC_NEVER, "5.7.1", "the log-in is not sealed");
	if (login.door != IPC_DOOR_SMTP)
		return deny(why, IPC_NEVER, "5.7.1", "the log-in is for another service");
	if (login.expires + ADMIT_GRACE < now)
		return deny(why, IPC_LATER, "4.7.0", "the session has lasted too long: log in again");
	*account = login.account;
	return ERR_OK;
}

int admit_route(const struct admit_keys *keys, struct view sealed, struct view address, uint64_t now, struct ipc_route *out)
{
	struct view body;
	if (!keys->route || !seal_open(keys->route, "route", sealed, &body) || ipc_route_get(body, out) != ERR_OK)
		return ERR_DENIED;
	if (!view_eq(out->address, address) || out->targets.count == 0)
		return ERR_DENIED;
	return out->expires + ADMIT_GRACE < now ? ERR_TIMEOUT : ERR_OK;
}

/* Recipients as they are gathered: one place is delivered to once, however many addresses lead there (RFC 5321 3.9 leaves it to us). */
struct gather {
	struct buf *out;
	struct map *seen;
	uint32_t count;
};

static bool seen_before(struct gather *g, const struct spool_recipient *r)
{
	struct buf key;
	buf_init(&key, 512);
	buf_put8(&key, r->kind);
	if (r->kind == 1)
		buf_put32(&key, r->uid);
	else
		buf_addv(&key, r->address);
	bool seen = map_set(g->seen, buf_view(&key), g) != NULL;
	buf_fini(&key);
	return seen;
}

static int add_targets(struct gather *g, const struct ipc_rcpt *rcpt, const struct ipc_route *route)
{
	struct view rest = route->targets.bytes;
	struct ipc_target t;
	bool several = route->targets.count > 1, first = true;
	while (ipc_target_next(&rest, &t)) {
		struct spool_recipient r = {
			.kind = t.kind,
			.notify = several ? dsn_of_alias(rcpt->notify & DSN_NOTIFY, first) : rcpt->notify & DSN_NOTIFY,
			.uid = t.uid,
			.address = t.address,
			.original = rcpt->address,
			.orcpt = rcpt->orcpt,
		};
		if ((r.kind != 1 && r.kind != 2) || !clean(r.address))
			return ERR_INVALID;
		if (seen_before(g, &r))
			continue;
		if (g->count == ADMIT_TARGETS_MAX || spool_recipient_put(g->out, &r) != ERR_OK)
			return ERR_TOO_BIG;
		g->count++;
		first = false;
	}
	return ERR_OK;
}

static int add_rcpt(const struct admit_keys *keys, enum admit_class class, const struct ipc_rcpt *r, uint64_t now, struct gather *g,
	struct admit_refusal *why)
{
	struct ipc_route route;
	if (!clean(r->address) || !clean(r->orcpt))
		return deny(why, IPC_NEVER, "5.1.3", "an address holds control characters");
	int err = admit_route(keys, r->route, r->address, now, &route);
	if (err == ERR_TIMEOUT)
		return deny(why, IPC_LATER, "4.4.7", "the transaction has lasted too long");
	if (err != ERR_OK)
		return deny(why, IPC_NEVER, "5.7.1", "the recipient's route is not sealed");
	if ((class == CLASS_MX || class == CLASS_LMTP) && !route.ours)
		return deny(why, IPC_NEVER, "5.7.1", "relaying is not permitted");
	err = add_targets(g, r, &route);
	if (err == ERR_TOO_BIG)
		return deny(why, IPC_NEVER, "5.5.3", "too many recipients");
	if (err != ERR_OK)
		return deny(why, IPC_NEVER, "5.1.3", "the recipient's route makes no sense");
	return ERR_OK;
}

static int add_rcpts(const struct admit_keys *keys, enum admit_class class, const struct ipc_commit *c, uint64_t now, struct gather *g,
	struct admit_refusal *why)
{
	struct view rest = c->rcpts.bytes;
	struct ipc_rcpt r;
	g->seen = map_new();
	int err = ERR_OK;
	while (err == ERR_OK && ipc_rcpt_next(&rest, &r))
		err = add_rcpt(keys, class, &r, now, g, why);
	map_free(g->seen);
	return err;
}

int admit(const struct admit_keys *keys, enum admit_class class, const struct ipc_commit *c, uint64_t now, struct buf *rcpts,
	struct spool_message *out, struct admit_refusal *why)
{
	struct view account = VIEW_NONE;
	struct gather g = { .out = rcpts };
	if (c->commit_id.n != 16 || c->rcpts.count == 0)
		return deny(why, IPC_NEVER, "5.5.0", "the commit is not complete");
	if (!clean(c->sender) || !clean(c->envid) || !clean(c->session) || !clean(c->peer))
		return deny(why, IPC_NEVER, "5.1.7", "the envelope holds control characters");
	int err = class == CLASS_SUBMISSION ? check_login(keys, c, now, &account, why) : ERR_OK;
	if (err == ERR_OK)
		err = add_rcpts(keys, class, c, now, &g, why);
	if (err != ERR_OK)
		return err;
	*out = (struct spool_message){
		.arrived = now,
		.flags = c->flags,
		.class = (uint8_t)class,
		.tenant = state_tenant(account, c->sender),
		.commit_id = c->commit_id,
		.session = c->session,
		.sender = c->sender,
		.envid = c->envid,
		.account = account,
		.peer = c->peer,
		.content_file = c->content_file,
		.size = c->headers.n + (c->content_file ? c->size : c->content.n),
		.sum = c->sum,
		.rcpts = { buf_view(rcpts), g.count },
		.headers = c->headers,
		.content = c->content_file ? VIEW_NONE : c->content,
	};
	return ERR_OK;
}
