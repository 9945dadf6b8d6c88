/* SPDX-License-Identifier: ISC */
/*
 * auth: speaks SASL for the doors and answers with a sealed log-in. Its channels and its seals are here; what an exchange does is in
 * auth/exchange.h, what libsasl does in auth/engine.h.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/engine.h"
#include "auth/exchange.h"
#include "base/map.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "log/log.h"
#include "sys/clock.h"

#define HASHERS 2
#define EXCHANGES_MAX 16384 /* of one channel */
#define LOGIN_SECONDS 30

struct auth {
	struct daemon *d;
	struct exchange_env env;
	const struct seal_key *to_qmgr, *to_host;
	struct buf body, sealed;
};

/* ---- what exchanges ask for ---- */

static struct ipc_channel *lookup_of(const struct exchange *x)
{
	struct auth *a = exchange_owner(x);

	return daemon_channel(a->d, ROLE_LOOKUP, exchange_id(x));
}

static bool ask(struct exchange *x, struct view name)
{
	struct ipc_channel *c = lookup_of(x);
	struct ipc_account m = { .name = name };

	if (!c)
		return false;
	m.id = ipc_next_id(c);
	if (ipc_request(c, IPC_ACCOUNT, &m, NULL, 0) != ERR_OK)
		return false;
	(void)map64_set(ipc_channel_data(c), m.id, x);
	exchange_set_question(x, m.id);
	return true;
}

static void forget(struct exchange *x)
{
	struct ipc_channel *c = lookup_of(x);

	if (!c || exchange_question(x) == 0)
		return;
	(void)map64_del(ipc_channel_data(c), exchange_question(x));
	ipc_forget(c, exchange_question(x));
}

/* Whoever consumes the seal takes the door from it: a log-in for mail that goes out opens no mailbox. */
static struct view login_seal(struct auth *a, const struct exchange *x, struct view account, uint32_t uid)
{
	struct ipc_login login = {
		.account = account,
		.uid = uid,
		.door = (uint8_t)exchange_door(x),
		.expires = (uint64_t)clock_wall(NULL) + LOGIN_SECONDS,
		.nonce = random_u64(),
	};

	buf_reset(&a->body);
	buf_reset(&a->sealed);
	INVARIANT(ipc_login_put(&a->body, &login) == ERR_OK);
	seal_make(login.door == IPC_DOOR_SMTP ? a->to_qmgr : a->to_host, "login", buf_view(&a->body), &a->sealed);
	return buf_view(&a->sealed);
}

static void answer(struct exchange *x, enum exchange_verdict verdict, struct view challenge, struct view account, uint32_t uid)
{
	struct auth *a = exchange_owner(x);
	struct ipc_auth_step m = { .id = exchange_id(x), .step = (uint8_t)verdict, .challenge = challenge, .uid = uid };

	m.account = view_head(account, EXCHANGE_NAME_MAX);
	if (verdict == EXCHANGE_IN)
		m.login = login_seal(a, x, account, uid);
	if (exchange_peer(x))
		(void)!ipc_send(exchange_peer(x), IPC_AUTH_STEP, &m, NULL, 0);
}

static void ended(struct exchange *x) { (void)map64_del(ipc_channel_data(exchange_peer(x)), exchange_id(x)); }

/* ---- messages ---- */

static void refuse_start(struct ipc_channel *from, uint64_t id, enum exchange_verdict verdict)
{
	struct ipc_auth_step m = { .id = id, .step = (uint8_t)verdict };

	(void)!ipc_send(from, IPC_AUTH_STEP, &m, NULL, 0);
}

static void on_start(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct auth *a = ((struct daemon *)arg)->user;
	const struct ipc_auth_start *m = message;
	struct map64 *open = ipc_channel_data(from);
	struct exchange *x;
	struct exchange_start s = {
		.env = &a->env, .owner = a, .peer = from, .id = m->id, .door = m->door, .tls = m->tls != 0, .has_initial = m->has_initial != 0,
		.mechanism = m->mechanism, .initial = m->initial, .binding_type = m->binding_type, .binding = m->binding,
	};

	(void)fds;
	(void)nfds;
	/* A door's number is its word; that submission is door 1 and nothing else is, the channel says. */
	if (map64_get(open, m->id) || (m->door == IPC_DOOR_SMTP) != (ipc_channel_peer(from) == ROLE_SMTPD_SUBMISSION)) {
		refuse_start(from, m->id, EXCHANGE_REFUSED);
		return;
	}
	if (map64_count(open) >= EXCHANGES_MAX) {
		refuse_start(from, m->id, EXCHANGE_LATER);
		return;
	}
	x = exchange_new(&s);
	(void)map64_set(open, m->id, x);
	exchange_begin(x, &s);
}

static void on_continue(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	const struct ipc_auth_continue *m = message;
	struct exchange *x = map64_get(ipc_channel_data(from), m->id);

	(void)arg;
	(void)fds;
	(void)nfds;
	/* It may have ended by its own time-out. */
	if (x)
		exchange_response(x, m->response);
	else
		refuse_start(from, m->id, EXCHANGE_LATER);
}

static void on_abort(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	const struct ipc_auth_abort *m = message;
	struct exchange *x = map64_get(ipc_channel_data(from), m->id);

	(void)arg;
	(void)fds;
	(void)nfds;
	if (x)
		exchange_abort(x);
}

static void on_account_is(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	const struct ipc_account_is *m = message;
	struct exchange *x = map64_del(ipc_channel_data(from), m->id);
	struct exchange_found f = {
		.found = m->outcome == IPC_DONE, .disabled = m->disabled != 0, .uid = m->uid,
		.account = m->account, .password = m->password, .scram = m->scram,
	};

	(void)arg;
	(void)fds;
	(void)nfds;
	if (!x)
		return;
	exchange_set_question(x, 0);
	if (m->outcome == IPC_DONE || m->outcome == IPC_NEVER)
		exchange_account(x, &f);
	else
		exchange_account_later(x);
}

static void on_down(void *dp, struct ipc_channel *c)
{
	struct map64 *open = ipc_channel_data(c);
	void *x;
	uint64_t id;
	size_t it = 0;

	(void)dp;
	/* Questions to lookup wait in their channel until it is back; clients' exchanges have nobody to answer. */
	if (!open || ipc_channel_peer(c) == ROLE_LOOKUP)
		return;
	while (map64_next(open, &it, &id, &x))
		exchange_abort(x);
}

/* ---- life ---- */

static void settings_take(struct auth *a)
{
	const struct conf *c = a->d->conf;

	a->env.mechanisms = conf_text(c, PARAM_AUTH_MECHANISMS);
	a->env.plaintext = conf_bool(c, PARAM_AUTH_PLAINTEXT);
	a->env.delay_ms = conf_num(c, PARAM_AUTH_FAILURE_DELAY) * 1000;
	a->env.cache_ms = conf_num(c, PARAM_AUTH_CACHE) * 1000;
	a->env.hostname = conf_str(c, PARAM_HOSTNAME);
}

static int init(struct daemon *d)
{
	(void)d;
	return engine_init();
}

static void channels_prepare(struct daemon *d)
{
	static const enum ipc_role peers[] = { ROLE_LOOKUP, ROLE_LOGIN, ROLE_SMTPD_SUBMISSION };

	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
		for (unsigned k = 0; k < daemon_channels(d, peers[i]); k++)
			ipc_channel_set_data(daemon_channel_at(d, peers[i], k), map64_new());
}

static int start(struct daemon *d)
{
	struct auth *a = mem_new(sizeof(*a));

	a->d = d;
	d->user = a;
	a->to_qmgr = daemon_seal_key(d, ROLE_AUTH, ROLE_QMGR);
	a->to_host = daemon_seal_key(d, ROLE_AUTH, ROLE_HOST);
	if (!a->to_qmgr || !a->to_host) {
		log_error("no_seal_key", LS("for", "qmgr or host"));
		return ERR_INVALID;
	}
	buf_init(&a->body, 1024);
	buf_init(&a->sealed, 1024);
	a->env = (struct exchange_env){ .loop = d->loop, .pool = pool_new(d->loop, HASHERS), .verifier = verifier_new(),
		.ask = ask, .forget = forget, .answer = answer, .ended = ended };
	verifier_set_secret(a->env.verifier, view_make(a->to_host->octets, sizeof(a->to_host->octets)));
	settings_take(a);
	channels_prepare(d);
	return ERR_OK;
}

static void reload(struct daemon *d) { settings_take(d->user); }

static const struct ipc_handler handlers[] = {
	{ IPC_AUTH_START, on_start },
	{ IPC_AUTH_CONTINUE, on_continue },
	{ IPC_AUTH_ABORT, on_abort },
	{ IPC_ACCOUNT_IS, on_account_is },
	{ 0 },
};

static const struct daemon_hooks hooks = {
	.role = ROLE_AUTH,
	.init = init,
	.start = start,
	.reload = reload,
	.handlers = handlers,
	.on_down = on_down,
};

int main(int argc, char **argv) { return daemon_main(argc, argv, &hooks); }
