/* SPDX-License-Identifier: ISC */
#include "auth/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "auth/engine.h"
#include "auth/preview.h"
#include "base/buf.h"
#include "base/mem.h"
#include "log/log.h"

enum state { STATE_FIRST, STATE_NAME, STATE_PASSWORD, STATE_ASKING, STATE_HASHING, STATE_PROOF, STATE_DELAYED, STATE_ENDED };

struct exchange {
	struct exchange_env *env;
	void *owner, *peer;
	uint64_t id, question;
	unsigned door;
	enum state state;
	const struct mechanism *mechanism;
	struct engine *engine;
	struct engine_facts facts;
	struct engine_binding binding;
	struct buf input;     /* the response that waits to be given to libsasl */
	struct buf name;      /* whom the client says it is */
	struct buf password, hash, scram, account, bound;
	bool deny;            /* whatever libsasl says: disabled, or another's name wanted */
	bool cached;
	const char *why;      /* for the log */
	uint32_t uid;
	struct timer *timer;
};

struct mechanism {
	const char *name;
	bool plaintext;
	/* Takes what the client sent at the start of the mechanism. */
	void (*first)(struct exchange *x);
};

static void plain_first(struct exchange *x);
static void login_first(struct exchange *x);
static void scram_first(struct exchange *x);

static const struct mechanism mechanisms[] = {
	{ "PLAIN", true, plain_first },
	{ "LOGIN", true, login_first },
	{ "SCRAM-SHA-256", false, scram_first },
	{ "SCRAM-SHA-256-PLUS", false, scram_first },
};

/* ---- life ---- */

static void secret_fini(struct buf *b)
{
	if (b->mem)
		mem_wipe(b->mem, b->cap);
	buf_fini(b);
}

static void exchange_free(struct exchange *x)
{
	timer_free(x->timer);
	engine_free(x->engine);
	secret_fini(&x->input);
	secret_fini(&x->password);
	secret_fini(&x->hash);
	secret_fini(&x->scram);
	buf_fini(&x->name);
	buf_fini(&x->account);
	buf_fini(&x->bound);
	free(x);
}

/* While a thread hashes, its input must stay: hash_done frees. */
static void end(struct exchange *x)
{
	bool hashing = x->state == STATE_HASHING;

	if (x->state == STATE_ASKING)
		x->env->forget(x);
	if (x->state == STATE_DELAYED)
		x->env->delayed--;
	x->state = STATE_ENDED;
	timer_stop(x->timer);
	x->env->ended(x);
	if (!hashing)
		exchange_free(x);
}

static void finish(struct exchange *x, enum exchange_verdict verdict, struct view challenge)
{
	struct view who = verdict == EXCHANGE_IN ? buf_view(&x->account) : buf_view(&x->name);

	if (verdict != EXCHANGE_IN)
		log_debug("auth_failed", LV("user", who), LS("mechanism", x->mechanism ? x->mechanism->name : "unknown"),
			LS("why", x->why ? x->why : "protocol"), LU("verdict", verdict));
	x->env->answer(x, verdict, challenge, who, verdict == EXCHANGE_IN ? x->uid : 0);
	end(x);
}

static void refuse(struct exchange *x, const char *why)
{
	x->why = why;
	finish(x, EXCHANGE_REFUSED, VIEW_NONE);
}

static void later(struct exchange *x, const char *why)
{
	x->why = why;
	finish(x, EXCHANGE_LATER, VIEW_NONE);
}

/* Wrong credentials are told late, so that guessing is slow; nobody else waits. */
static void wrong(struct exchange *x)
{
	struct exchange_env *env = x->env;

	if (!x->why)
		x->why = "credentials";
	if (env->delay_ms == 0 || env->delayed >= EXCHANGE_DELAYED) {
		finish(x, EXCHANGE_WRONG, VIEW_NONE);
		return;
	}
	env->delayed++;
	x->state = STATE_DELAYED;
	timer_set(x->timer, env->delay_ms);
}

static void on_timer(void *arg)
{
	struct exchange *x = arg;

	switch (x->state) {
	case STATE_DELAYED:
		finish(x, EXCHANGE_WRONG, VIEW_NONE);
		return;
	case STATE_ASKING:
		later(x, "lookup is silent");
		return;
	case STATE_FIRST:
	case STATE_NAME:
	case STATE_PASSWORD:
	case STATE_PROOF:
		end(x);
		return;
	case STATE_HASHING:
	case STATE_ENDED:
		return;
	}
}

/* The client's turn. */
static void go_on(struct exchange *x, enum state next, struct view challenge)
{
	x->state = next;
	timer_set(x->timer, EXCHANGE_IDLE);
	x->env->answer(x, EXCHANGE_GO_ON, challenge, VIEW_NONE, 0);
}

/* ---- libsasl ---- */

static const char *service_of(unsigned door)
{
	static const char *const names[] = { [IPC_DOOR_SMTP] = "smtp", [IPC_DOOR_IMAP] = "imap", [IPC_DOOR_POP3] = "pop",
		[IPC_DOOR_MANAGESIEVE] = "sieve" };

	return door >= IPC_DOOR_SMTP && door <= IPC_DOOR_MANAGESIEVE ? names[door] : "smtp";
}

static bool plus_offered(const struct exchange *x)
{
	return x->binding.data.n && view_isearch(x->env->mechanisms, VIEW("SCRAM-SHA-256-PLUS")) != SIZE_MAX;
}

static bool engine_ready(struct exchange *x)
{
	static const struct engine_binding none;

	if (!x->engine)
		x->engine = engine_new(service_of(x->door), x->env->hostname, x->mechanism->name, &x->facts,
			plus_offered(x) ? &x->binding : &none);
	return x->engine != NULL;
}

static void let_in(struct exchange *x, struct view challenge)
{
	if (x->deny || x->facts.account.n == 0) {
		wrong(x);
		return;
	}
	if (x->mechanism->plaintext && !x->cached)
		verify_remember(x->env->verifier, buf_view(&x->account), buf_view(&x->hash), buf_view(&x->password), loop_now(x->env->loop),
			x->env->cache_ms);
	finish(x, EXCHANGE_IN, challenge);
}

/* Gives libsasl the client's octets; next is the state when it wants more. */
static void engine_go(struct exchange *x, bool has, enum state next)
{
	struct view out;

	if (!engine_ready(x)) {
		later(x, "libsasl refuses");
		return;
	}
	switch (engine_step(x->engine, has, buf_view(&x->input), &out)) {
	case ENGINE_DONE:
		let_in(x, out);
		return;
	case ENGINE_CHALLENGE:
		go_on(x, next, out);
		return;
	case ENGINE_FAILED:
		wrong(x);
		return;
	case ENGINE_REFUSED:
		refuse(x, "protocol");
		return;
	}
}

/* ---- who is it? ---- */

static void known(struct exchange *x);

static void ask(struct exchange *x)
{
	x->state = STATE_ASKING;
	timer_set(x->timer, EXCHANGE_ASK);
	/* A name that no account can have is not asked for, and goes the same way as one that is not found. */
	if (buf_len(&x->name) == 0 || buf_len(&x->name) > EXCHANGE_NAME_MAX || !buf_ok(&x->name)) {
		x->why = "no such account";
		known(x);
		return;
	}
	if (!x->env->ask(x, buf_view(&x->name))) {
		x->state = STATE_FIRST; /* nothing to forget */
		later(x, "lookup cannot be asked");
	}
}

static void name_set(struct exchange *x, struct view authzid, struct view authcid)
{
	buf_reset(&x->name);
	buf_addv(&x->name, authcid);
	if (authzid.n && !view_ieq(authzid, authcid)) {
		x->deny = true;
		x->why = "acting for another";
	}
}

static void plain_first(struct exchange *x)
{
	struct view authzid, authcid, password;

	if (!preview_plain(buf_view(&x->input), &authzid, &authcid, &password)) {
		refuse(x, "malformed");
		return;
	}
	name_set(x, authzid, authcid);
	buf_addv(&x->password, password);
	ask(x);
}

/* The first response, where there is one, is the user name. */
static void login_first(struct exchange *x)
{
	if (buf_len(&x->input) == 0) {
		refuse(x, "malformed");
		return;
	}
	name_set(x, VIEW_NONE, buf_view(&x->input));
	engine_go(x, true, STATE_PASSWORD);
}

static void login_password(struct exchange *x)
{
	buf_addv(&x->password, buf_view(&x->input));
	ask(x);
}

static void scram_first(struct exchange *x)
{
	struct buf authzid, authcid;
	bool ok;

	buf_init(&authzid, EXCHANGE_INPUT_MAX);
	buf_init(&authcid, EXCHANGE_INPUT_MAX);
	ok = preview_scram(buf_view(&x->input), &authzid, &authcid);
	if (ok)
		name_set(x, buf_view(&authzid), buf_view(&authcid));
	buf_fini(&authzid);
	buf_fini(&authcid);
	/* RFC 5802 6: a client that believes that we cannot bind to the channel, while we offered to, has been lied to. */
	if (ok && plus_offered(x) && buf_view(&x->input).p[0] == 'y')
		refuse(x, "downgraded");
	else if (ok)
		ask(x);
	else
		refuse(x, "malformed");
}

/* ---- what is known ---- */

static void hash_run(void *arg)
{
	struct exchange *x = arg;

	x->facts.password_right = verify_password(x->env->verifier, buf_view(&x->hash), buf_view(&x->password));
}

static void hash_done(void *arg)
{
	struct exchange *x = arg;

	if (x->state == STATE_ENDED) {
		exchange_free(x);
		return;
	}
	x->state = STATE_FIRST; /* no thread has it any more */
	if (!x->facts.password_right && !x->why)
		x->why = "password";
	engine_go(x, true, STATE_FIRST);
}

static void hash(struct exchange *x)
{
	x->state = STATE_HASHING;
	timer_stop(x->timer);
	x->cached = verify_cached(x->env->verifier, buf_view(&x->account), buf_view(&x->hash), buf_view(&x->password),
		loop_now(x->env->loop));
	if (x->cached) {
		x->facts.password_right = true;
		hash_done(x);
	} else if (pool_pending(x->env->pool) >= EXCHANGE_HASHES) {
		x->state = STATE_FIRST;
		later(x, "too many log-ins at once");
	} else {
		pool_submit(x->env->pool, hash_run, hash_done, x);
	}
}

static void known(struct exchange *x)
{
	if (buf_len(&x->scram) == 0 || x->deny) {
		buf_reset(&x->scram);
		verify_scram_of_nobody(x->env->verifier, buf_view(&x->name), &x->scram);
	}
	x->facts.account = buf_view(&x->account);
	x->facts.scram = buf_view(&x->scram);
	if (x->mechanism->plaintext)
		hash(x);
	else
		engine_go(x, true, STATE_PROOF);
}

void exchange_account(struct exchange *x, const struct exchange_found *f)
{
	if (x->state != STATE_ASKING)
		return;
	x->state = STATE_FIRST;
	if (!f->found) {
		x->why = "no such account";
	} else {
		buf_addv(&x->account, f->account);
		buf_addv(&x->hash, f->password);
		buf_addv(&x->scram, f->scram);
		x->uid = f->uid;
		x->deny = x->deny || f->disabled;
		if (f->disabled)
			x->why = "disabled";
	}
	known(x);
}

void exchange_account_later(struct exchange *x)
{
	if (x->state != STATE_ASKING)
		return;
	x->state = STATE_FIRST;
	later(x, "the tables could not say");
}

/* ---- the client's octets ---- */

void exchange_response(struct exchange *x, struct view response)
{
	buf_reset(&x->input);
	buf_addv(&x->input, response);
	switch (x->state) {
	case STATE_FIRST:
	case STATE_NAME:
		x->mechanism->first(x);
		return;
	case STATE_PASSWORD:
		login_password(x);
		return;
	case STATE_PROOF:
		engine_go(x, true, STATE_PROOF);
		return;
	case STATE_ASKING:
	case STATE_HASHING:
	case STATE_DELAYED:
		/* The door sends nothing while it waits for an answer. */
		refuse(x, "out of turn");
		return;
	case STATE_ENDED:
		return;
	}
}

static bool offered(const struct exchange_env *env, const char *name)
{
	struct view rest = env->mechanisms, word;

	while (view_word(&rest, &word)) {
		struct view item;

		while (view_cut(&word, ',', &item))
			if (view_ieqs(item, name))
				return true;
	}
	return false;
}

static const struct mechanism *mechanism_of(const struct exchange_start *s)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (view_ieqs(s->mechanism, mechanisms[i].name) && offered(s->env, mechanisms[i].name))
			return &mechanisms[i];
	return NULL;
}

static void binding_copy(struct exchange *x, const struct exchange_start *s)
{
	buf_addv(&x->bound, s->binding_type);
	buf_addv(&x->bound, s->binding);
	x->binding.type = view_head(buf_view(&x->bound), s->binding_type.n);
	x->binding.data = view_skip(buf_view(&x->bound), s->binding_type.n);
}

struct exchange *exchange_new(const struct exchange_start *s)
{
	struct exchange *x = mem_new(sizeof(*x));

	*x = (struct exchange){ .env = s->env, .owner = s->owner, .peer = s->peer, .id = s->id, .door = s->door };
	x->timer = timer_new(s->env->loop, on_timer, x);
	buf_init(&x->input, EXCHANGE_INPUT_MAX);
	buf_init(&x->name, EXCHANGE_INPUT_MAX);
	buf_init(&x->password, EXCHANGE_INPUT_MAX);
	buf_init(&x->hash, 512);
	buf_init(&x->scram, 512);
	buf_init(&x->account, EXCHANGE_NAME_MAX);
	buf_init(&x->bound, 512);
	binding_copy(x, s);
	return x;
}

void exchange_begin(struct exchange *x, const struct exchange_start *s)
{
	bool server_first;

	x->mechanism = mechanism_of(s);
	if (!x->mechanism) {
		refuse(x, "no such mechanism");
		return;
	}
	server_first = x->mechanism->first == login_first;
	if (x->mechanism->plaintext && !s->tls && !x->env->plaintext)
		refuse(x, "no TLS");
	else if (s->has_initial && !(server_first && s->initial.n == 0))
		exchange_response(x, s->initial);
	else if (server_first)
		engine_go(x, false, STATE_NAME);
	else
		go_on(x, STATE_FIRST, VIEW_NONE);
}

void exchange_abort(struct exchange *x) { end(x); }

void *exchange_owner(const struct exchange *x) { return x->owner; }
void *exchange_peer(const struct exchange *x) { return x->peer; }
uint64_t exchange_id(const struct exchange *x) { return x->id; }
unsigned exchange_door(const struct exchange *x) { return x->door; }
uint64_t exchange_question(const struct exchange *x) { return x->question; }
void exchange_set_question(struct exchange *x, uint64_t id) { x->question = id; }
