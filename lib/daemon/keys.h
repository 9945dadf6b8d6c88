/* SPDX-License-Identifier: ISC */
/*
 * The TLS server context of a door (smtpd, login): its certificates, signatures and ticket keys come from keyd, over the channel. Survives keyd's
 * death: what was asked for certificates is asked again, a lost signature too.
 */
#ifndef POSTRIDER_DAEMON_KEYS_H
#define POSTRIDER_DAEMON_KEYS_H

#include "daemon/daemon.h"
#include "tls/context.h"

/*
 * Call in init (it calls tls_init). The context is in d->keys until the process ends. A role without a channel to keyd gets NULL: it offers no TLS.
 */
struct tls_server *keys_init(struct daemon *d);
/* Frees it, when no stream of it is left. */
void keys_fini(struct daemon *d);
struct tls_server *keys_server(const struct daemon *d);

/* To be put into the daemon's table of handlers, and called from its hooks of the same name (all kinds and channels may be passed: others are ignored). */
ipc_handler_fn keys_on_signed, keys_on_certificate, keys_on_ticket_keys;
#define KEYS_HANDLERS                                      \
	{ IPC_SIGNED_TLS, keys_on_signed },                \
	{ IPC_CERTIFICATE_IS, keys_on_certificate },       \
	{ IPC_TICKET_KEYS_ARE, keys_on_ticket_keys }
void keys_on_lost(struct daemon *d, struct ipc_channel *c, enum ipc_kind kind, uint64_t id);
void keys_on_up(struct daemon *d, struct ipc_channel *c);
/* Certificates may have changed (reload). */
void keys_on_reload(struct daemon *d);

#endif
