/* SPDX-License-Identifier: ISC */
#include "answers.h"

#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"
#include "store.h"
#include "sys/clock.h"
#include "tickets.h"
#include "tls/sign.h"

enum { HOSTS_MAX = 4096, COMPLAINTS = 5 /* a second */ };

struct keyd {
	struct store *store;
	struct tickets tickets[ROLE_COUNT];
	uint64_t second; /* what a captured door makes us log is bounded */
	unsigned complaints;
};

static bool may_complain(struct keyd *k, const struct daemon *d)
{
	uint64_t second = loop_now(d->loop) / 1000;
	if (second != k->second) {
		k->second = second;
		k->complaints = 0;
	}
	return k->complaints++ < COMPLAINTS;
}

static uint8_t outcome_of(int err)
{
	return err == ERR_OK ? IPC_DONE : err == ERR_NOT_FOUND ? IPC_NEVER : IPC_REFUSED;
}

static void answer(struct daemon *d, struct ipc_channel *to, enum ipc_kind kind, const void *m)
{
	int err = ipc_send(to, kind, m, NULL, 0);
	if (err != ERR_OK && may_complain(d->user, d))
		log_warn("answer_not_sent", LS("message", ipc_kinds[kind].name), LERR("error", err));
}

static void on_sign(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct keyd *k = d->user;
	const struct ipc_sign_tls *m = msg;
	struct buf sig;
	(void)fds, (void)nfds;
	buf_init(&sig, TLS_SIGNATURE_MAX);
	const struct sign_key *key = store_key(k->store, m->key);
	int err = key ? sign_tls(key, m->scheme, m->text, &sig) : ERR_NOT_FOUND;
	if (err != ERR_OK && may_complain(k, d))
		log_warn("signature_refused", LS("asker", ipc_role_name(ipc_channel_peer(from))), LV("key", m->key), LU("scheme", m->scheme),
		         LU("octets", m->text.n), LERR("error", err));
	struct ipc_signed_tls a = { .id = m->id, .outcome = outcome_of(err), .signature = buf_view(&sig) };
	answer(d, from, IPC_SIGNED_TLS, &a);
	buf_fini(&sig);
}

static uint32_t put_chains(struct keyd *k, struct view name, struct buf *out)
{
	struct store_key keys[STORE_KINDS];
	size_t n = store_host(k->store, name, keys);
	for (size_t i = 0; i < n; i++) {
		struct ipc_chain c = { .key = view_of(keys[i].name), .pem = sign_key_chain(keys[i].key) };
		INVARIANT(ipc_chain_put(out, &c) == ERR_OK);
	}
	return (uint32_t)n;
}

static void on_certificate(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	const struct ipc_certificate *m = msg;
	struct buf chains;
	(void)fds, (void)nfds;
	buf_init(&chains, STORE_KINDS * (TLS_CHAIN_MAX + TLS_KEY_NAME_MAX + 64));
	struct ipc_certificate_is a = { .id = m->id, .name = m->name };
	a.chains.count = put_chains(d->user, m->name, &chains);
	a.chains.bytes = buf_view(&chains);
	a.outcome = a.chains.count > 0 ? IPC_DONE : IPC_NEVER;
	answer(d, from, IPC_CERTIFICATE_IS, &a);
	buf_fini(&chains);
}

/* The class is the channel's, never a field's. */
static void on_ticket_keys(void *arg, struct ipc_channel *from, const void *msg, int *fds, size_t nfds)
{
	struct daemon *d = arg;
	struct keyd *k = d->user;
	const struct ipc_ticket_keys *m = msg;
	struct tickets *t = &k->tickets[ipc_channel_peer(from)];
	(void)fds, (void)nfds;
	uint64_t before = t->since;
	struct ipc_ticket_keys_are a = { .id = m->id, .renew_in = tickets_renew(t, clock_mono_ms()) };
	a.current = view_make(t->current, sizeof t->current);
	a.previous = t->has_previous ? view_make(t->previous, sizeof t->previous) : VIEW_NONE;
	answer(d, from, IPC_TICKET_KEYS_ARE, &a);
	if (t->since != before)
		store_reload(k->store); /* once an hour: renewed certificates are noticed without being told */
}

struct keyd *keyd_new(int dirfd)
{
	struct keyd *k = mem_new(sizeof *k);
	struct store_key keys[STORE_KINDS];
	k->store = store_new(dirfd, HOSTS_MAX);
	if (store_host(k->store, VIEW(""), keys) == 0)
		log_warn("no_default_certificate", LS("hint", "put default.ecdsa.pem or default.rsa.pem into the key directory"));
	return k;
}

void keyd_free(struct keyd *k)
{
	store_free(k->store);
	mem_wipe(k->tickets, sizeof k->tickets);
	free(k);
}

void keyd_reload(struct keyd *k)
{
	store_reload(k->store);
}

const struct ipc_handler keyd_handlers[] = {
	{ IPC_SIGN_TLS, on_sign },
	{ IPC_CERTIFICATE, on_certificate },
	{ IPC_TICKET_KEYS, on_ticket_keys },
	{ 0 },
};
