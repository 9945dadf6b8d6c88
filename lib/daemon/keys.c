/* SPDX-License-Identifier: ISC */
#include "daemon/keys.h"

#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"

enum { RENEW_MIN = 1, RENEW_MAX = 86400 }; /* seconds */

struct keys {
	struct daemon *d;
	struct tls_server *tls;
	struct ipc_channel *keyd;
	struct timer *renew;
	bool had_tickets;
};

/* ---- what the context asks ---- */

static uint64_t ask_certificate(void *arg, struct view name)
{
	struct keys *k = arg;
	struct ipc_certificate m = { .id = ipc_next_id(k->keyd), .name = name };
	return ipc_request(k->keyd, IPC_CERTIFICATE, &m, NULL, 0) == ERR_OK ? m.id : 0;
}

static uint64_t ask_signature(void *arg, struct view key, uint16_t scheme, struct view text)
{
	struct keys *k = arg;
	struct ipc_sign_tls m = { .id = ipc_next_id(k->keyd), .key = key, .scheme = scheme, .text = text };
	return ipc_request(k->keyd, IPC_SIGN_TLS, &m, NULL, 0) == ERR_OK ? m.id : 0;
}

static void forget(void *arg, uint64_t id)
{
	struct keys *k = arg;
	ipc_forget(k->keyd, id);
}

static void ask_ticket_keys(void *arg)
{
	struct keys *k = arg;
	struct ipc_ticket_keys m = { .id = ipc_next_id(k->keyd) };
	if (ipc_request(k->keyd, IPC_TICKET_KEYS, &m, NULL, 0) != ERR_OK)
		timer_set(k->renew, RENEW_MIN * 1000);
}

/* ---- the answers ---- */

/* An answer gives credit back, for what could not be asked without. */
void keys_on_signed(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	const struct ipc_signed_tls *m = msg;
	(void)from, (void)fds, (void)nfds;
	if (!d->keys)
		return;
	if (m->outcome != IPC_DONE)
		log_warn("signature_refused", LU("outcome", m->outcome));
	tls_server_signed(d->keys->tls, m->id, m->outcome == IPC_DONE, m->signature);
	tls_server_ask_again(d->keys->tls);
}

void keys_on_certificate(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	const struct ipc_certificate_is *m = msg;
	struct tls_chain chains[TLS_CHAINS_MAX];
	struct view rest = m->chains.bytes;
	struct ipc_chain c;
	size_t n = 0;
	(void)from, (void)fds, (void)nfds;
	if (!d->keys)
		return;
	while (n < TLS_CHAINS_MAX && ipc_chain_next(&rest, &c))
		chains[n++] = (struct tls_chain){ .key = c.key, .pem = c.pem };
	if (m->outcome != IPC_DONE && m->name.n == 0)
		log_warn("no_default_certificate", LS("hint", "clients that name no host of ours get no TLS"));
	tls_server_certificate(d->keys->tls, m->id, m->outcome == IPC_DONE, chains, n);
	tls_server_ask_again(d->keys->tls);
}

/* With the keys of each hour the certificates are asked anew: a renewed one is noticed without a reload. */
void keys_on_ticket_keys(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	const struct ipc_ticket_keys_are *m = msg;
	struct keys *k = d->keys;
	uint32_t wait = m->renew_in < RENEW_MIN ? RENEW_MIN : m->renew_in > RENEW_MAX ? RENEW_MAX : m->renew_in;
	(void)from, (void)fds, (void)nfds;
	if (!k)
		return;
	if (tls_server_ticket_keys(k->tls, m->current, m->previous) != ERR_OK)
		log_error("ticket_keys_malformed", LU("octets", m->current.n));
	timer_set(k->renew, (uint64_t)wait * 1000);
	if (k->had_tickets)
		tls_server_reload(k->tls);
	k->had_tickets = true;
}

/* ---- the daemon's hooks ---- */

struct tls_server *keys_init(struct daemon *d)
{
	struct ipc_channel *keyd = daemon_channel(d, ROLE_KEYD, 0);
	if (!keyd)
		return NULL;
	struct keys *k = mem_new(sizeof *k);
	struct tls_server_callbacks cb = { .certificate = ask_certificate, .sign = ask_signature, .forget = forget, .arg = k };
	tls_init();
	k->d = d;
	k->keyd = keyd;
	k->renew = timer_new(d->loop, ask_ticket_keys, k);
	k->tls = tls_server_new(view_of(d->name), &cb, 0);
	tls_server_await_ticket_keys(k->tls);
	d->keys = k;
	return k->tls;
}

void keys_fini(struct daemon *d)
{
	if (!d->keys)
		return;
	timer_free(d->keys->renew);
	tls_server_free(d->keys->tls);
	free(d->keys);
	d->keys = NULL;
}

struct tls_server *keys_server(const struct daemon *d)
{
	return d->keys ? d->keys->tls : NULL;
}

void keys_on_lost(struct daemon *d, struct ipc_channel *c, enum ipc_kind kind, uint64_t id)
{
	if (d->keys && c == d->keys->keyd && kind == IPC_SIGN_TLS)
		tls_server_lost(d->keys->tls, id);
}

/* A new keyd has new ticket keys; ours of till now still open the tickets that are out. */
void keys_on_up(struct daemon *d, struct ipc_channel *c)
{
	if (!d->keys || c != d->keys->keyd)
		return;
	ask_ticket_keys(d->keys);
	tls_server_ask_again(d->keys->tls);
}

void keys_on_reload(struct daemon *d)
{
	if (d->keys)
		tls_server_reload(d->keys->tls);
}
