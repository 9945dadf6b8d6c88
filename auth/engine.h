/* SPDX-License-Identifier: ISC */
/*
 * Cyrus SASL, reached through here alone. libsasl asks for passwords and properties by callbacks that must answer at once; so what it may ask is
 * found out before: the caller fills struct engine_facts (who, whether the password is right, the SCRAM keys), then lets the engine take
 * the client's octets, and the callbacks only hand out what stands there.
 */
#ifndef POSTRIDER_AUTH_ENGINE_H
#define POSTRIDER_AUTH_ENGINE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/view.h"

/* What is known of the user. The views live as long as the engine. */
struct engine_facts {
	struct view account;  /* canonical; empty where there is none of the name */
	struct view scram;    /* SCRAM-SHA-256$… ; a made-up one where there is none */
	bool password_right;
};

enum engine_result {
	ENGINE_DONE,      /* the client is who account says */
	ENGINE_CHALLENGE, /* out is for the client, whose response goes to the next step */
	ENGINE_FAILED,    /* wrong credentials */
	ENGINE_REFUSED,   /* the client breaks the mechanism's protocol */
};

/* Loads libsasl with its mechanisms and registers our own property plugin. Once, before the process is confined. */
MUST_CHECK int engine_init(void);

struct engine;
struct engine_binding {
	struct view type, data; /* empty: none */
};
/* service: "smtp", "imap", "pop"; mechanism in upper case. facts are read at each step. NULL when libsasl refuses. */
struct engine *engine_new(const char *service, const char *hostname, const char *mechanism, const struct engine_facts *facts,
	const struct engine_binding *binding);
void engine_free(struct engine *e);
/* The first call starts the mechanism (has: there is a response), later ones go on. *out is valid until the next call. */
enum engine_result engine_step(struct engine *e, bool has, struct view in, struct view *out);

#endif
