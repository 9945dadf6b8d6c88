/* SPDX-License-Identifier: ISC */
/*
 * One SASL exchange, from the door's first octets to the verdict: preview (who is it?) → ask lookup → hash in the pool → libsasl → answer. Knows no channel:
 * what it wants goes through struct exchange_env, so that it is tested without processes.
 *
 *   state     | waits for                 | then
 *   ----------+---------------------------+----------------------------------------------------------
 *   FIRST     | the client's first octets | as at the start with an initial response
 *   NAME      | LOGIN's user name         | PASSWORD
 *   PASSWORD  | LOGIN's password          | ASKING
 *   ASKING    | exchange_account          | HASHING (PLAIN, LOGIN), or libsasl at once (SCRAM)
 *   HASHING   | the pool                  | libsasl: done or failed
 *   PROOF     | SCRAM's client-final      | libsasl: done or failed
 *   DELAYED   | the timer                 | "failed" goes out
 * The client's silence for EXCHANGE_IDLE ends an exchange without a word: the door has its own time-out.
 */
#ifndef POSTRIDER_AUTH_EXCHANGE_H
#define POSTRIDER_AUTH_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/verify.h"
#include "base/view.h"
#include "event/loop.h"
#include "ipc/values.h"

enum {
	EXCHANGE_INPUT_MAX = 12288, /* octets of one response */
	EXCHANGE_NAME_MAX = 320,
	EXCHANGE_IDLE = 180 * 1000, /* ms */
	EXCHANGE_ASK = 30 * 1000,   /* ms that lookup may take */
	EXCHANGE_HASHES = 512,      /* waiting for the pool; beyond, clients are asked to try later */
	EXCHANGE_DELAYED = 256,     /* failures held back at a time; beyond, they go out at once */
};

/* The steps of the message auth_step. */
enum exchange_verdict {
	EXCHANGE_IN = IPC_STEP_IN,
	EXCHANGE_LATER = IPC_STEP_LATER,
	EXCHANGE_WRONG = IPC_STEP_WRONG,
	EXCHANGE_REFUSED = IPC_STEP_ILLEGAL,
	EXCHANGE_GO_ON = IPC_STEP_GO_ON,
};

struct exchange;

struct exchange_env {
	struct loop *loop;
	struct pool *pool;
	struct verifier *verifier;
	const char *hostname;
	struct view mechanisms; /* that are offered, separated by blanks or commas */
	bool plaintext;         /* PLAIN and LOGIN without TLS */
	uint64_t delay_ms, cache_ms;
	size_t delayed;         /* exchanges held back now */
	/* Asks who name is; exchange_account brings the answer. False: cannot ask now. */
	bool (*ask)(struct exchange *x, struct view name);
	/* The question's answer is not wanted any more. */
	void (*forget)(struct exchange *x);
	/* For the client. account: who logged in, or the name that was tried. After anything but EXCHANGE_GO_ON the exchange is gone. */
	void (*answer)(struct exchange *x, enum exchange_verdict verdict, struct view challenge, struct view account, uint32_t uid);
	/* It ends: the owner forgets its pointer. */
	void (*ended)(struct exchange *x);
};

struct exchange_start {
	struct exchange_env *env;
	void *owner, *peer;        /* the caller's own */
	uint64_t id;
	unsigned door;             /* enum ipc_door */
	bool tls, has_initial;
	struct view mechanism, initial;
	struct view binding_type, binding;
};

/* Made, and then begun with the same s: its answer may come, and the exchange may be gone, before exchange_begin returns. */
struct exchange *exchange_new(const struct exchange_start *s);
void exchange_begin(struct exchange *x, const struct exchange_start *s);
/* The client's next response. */
void exchange_response(struct exchange *x, struct view response);
/* What lookup says. found false: there is no such account. The views are copied. */
struct exchange_found {
	bool found, disabled;
	uint32_t uid;
	struct view account, password, scram;
};
void exchange_account(struct exchange *x, const struct exchange_found *f);
/* lookup could not say. */
void exchange_account_later(struct exchange *x);
/* The client went away; no answer. */
void exchange_abort(struct exchange *x);

void *exchange_owner(const struct exchange *x);
void *exchange_peer(const struct exchange *x);
uint64_t exchange_id(const struct exchange *x);
unsigned exchange_door(const struct exchange *x);
/* The number of the question to lookup, kept here for its asker. */
uint64_t exchange_question(const struct exchange *x);
void exchange_set_question(struct exchange *x, uint64_t id);

#endif
