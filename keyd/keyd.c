/* SPDX-License-Identifier: ISC */
/*
 * The key daemon: holds every private key and makes the two signatures of a TLS server with them, after it has checked that the text is
 * one of these; gives out certificates by host name, and session-ticket keys. It speaks only over the channels that master made.
 */
#include "answers.h"
#include "tls/context.h"

static int init(struct daemon *d)
{
	tls_init();
	d->user = keyd_new(daemon_dir(d, "keys"));
	return ERR_OK;
}

static void reload(struct daemon *d)
{
	keyd_reload(d->user);
}

int main(int argc, char **argv)
{
	static const struct daemon_hooks hooks = {
		.role = ROLE_KEYD,
		.init = init,
		.reload = reload,
		.handlers = keyd_handlers,
	};
	return daemon_main(argc, argv, &hooks);
}
