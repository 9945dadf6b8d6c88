/* SPDX-License-Identifier: ISC */
/* Whole exchanges through libsasl, with a look-up made of one account and a client written here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/engine.h"
#include "auth/exchange.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "tls/digest.h"
#include "tls/scram.h"

struct world {
	struct exchange_env env;
	struct loop *loop;
	struct exchange *x;
	struct timer *limit;
	/* what the look-up knows */
	char hash[512];
	struct buf scram;
	bool disabled, silent, fails;
	int asked, forgotten, answers;
	struct later reply;
	char name[400];
	/* the last answer */
	enum exchange_verdict verdict;
	struct buf challenge;
	char account[400];
	uint32_t uid;
};

static void too_long(void *arg)
{
	(void)arg;
	fail_msg("no answer within ten seconds");
}

static void reply(void *arg)
{
	struct world *w = arg;
	struct exchange_found f = { 0 };

	if (!w->x)
		return;
	if (w->fails) {
		exchange_account_later(w->x);
		return;
	}
	if (strcmp(w->name, "alice@example.test") == 0 || strcmp(w->name, "Alice@example.test") == 0)
		f = (struct exchange_found){ .found = true, .disabled = w->disabled, .uid = 4711, .account = VIEW("alice@example.test"),
			.password = view_of(w->hash), .scram = buf_view(&w->scram) };
	exchange_account(w->x, &f);
}

static bool ask(struct exchange *x, struct view name)
{
	struct world *w = exchange_owner(x);

	w->asked++;
	assert_true(name.n < sizeof(w->name));
	memcpy(w->name, name.p, name.n);
	w->name[name.n] = 0;
	w->reply = (struct later){ .fn = reply, .arg = w };
	if (!w->silent)
		loop_later(w->loop, &w->reply);
	return true;
}

static void forget(struct exchange *x) { ((struct world *)exchange_owner(x))->forgotten++; }

static void answer(struct exchange *x, enum exchange_verdict verdict, struct view challenge, struct view account, uint32_t uid)
{
	struct world *w = exchange_owner(x);

	w->answers++;
	w->verdict = verdict;
	buf_reset(&w->challenge);
	buf_addv(&w->challenge, challenge);
	(void)snprintf(w->account, sizeof(w->account), "%.*s", (int)(account.n < 399 ? account.n : 399), account.n ? account.p : "");
	w->uid = uid;
	loop_stop(w->loop);
}

static void ended(struct exchange *x) { ((struct world *)exchange_owner(x))->x = NULL; }

static int world_make(void **state)
{
	struct world *w = mem_new(sizeof(*w));
	struct crypt_data *data = mem_new(sizeof(*data));

	w->loop = loop_new();
	w->limit = timer_new(w->loop, too_long, w);
	timer_set(w->limit, 10000);
	buf_init(&w->scram, 512);
	buf_init(&w->challenge, 20000);
	scram_put(&w->scram, VIEW("geheim"));
	(void)snprintf(w->hash, sizeof(w->hash), "%s", crypt_r("geheim", "$2b$04$abcdefghijklmnopqrstuu", data));
	free(data);
	w->env = (struct exchange_env){ .loop = w->loop, .pool = pool_new(w->loop, 2), .verifier = verifier_new(), .hostname = "host.example.test",
		.mechanisms = VIEW("PLAIN LOGIN, SCRAM-SHA-256"), .ask = ask, .forget = forget, .answer = answer, .ended = ended };
	*state = w;
	return 0;
}

static int world_drop(void **state)
{
	struct world *w = *state;

	if (w->x)
		exchange_abort(w->x);
	pool_free(w->env.pool);
	verifier_free(w->env.verifier);
	timer_free(w->limit);
	loop_free(w->loop);
	buf_fini(&w->scram);
	buf_fini(&w->challenge);
	free(w);
	return 0;
}

/* Starts and runs until there is an answer. */
static enum exchange_verdict start(struct world *w, const char *mechanism, bool tls, const struct view *initial)
{
	struct exchange_start s = { .env = &w->env, .owner = w, .id = 1, .door = 2, .tls = tls, .has_initial = initial != NULL,
		.mechanism = view_of(mechanism) };
	int before = w->answers;

	if (initial)
		s.initial = *initial;
	w->x = exchange_new(&s);
	exchange_begin(w->x, &s);
	while (w->answers == before)
		loop_run(w->loop);
	return w->verdict;
}
#define START(w, mechanism, initial) start(w, mechanism, true, &VIEW(initial))

static enum exchange_verdict respond(struct world *w, struct view v)
{
	int before = w->answers;

	assert_non_null(w->x);
	exchange_response(w->x, v);
	while (w->answers == before)
		loop_run(w->loop);
	return w->verdict;
}

/* ---- PLAIN and LOGIN ---- */

static void plain(void **state)
{
	struct world *w = *state;

	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim"), EXCHANGE_IN);
	assert_string_equal(w->account, "alice@example.test");
	assert_int_equal(w->uid, 4711);
	assert_null(w->x);
	assert_int_equal(START(w, "plain", "\0Alice@example.test\0geheim"), EXCHANGE_IN);
	assert_string_equal(w->account, "alice@example.test");
	assert_int_equal(START(w, "PLAIN", "Alice@example.test\0alice@example.test\0geheim"), EXCHANGE_IN);
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0Geheim"), EXCHANGE_WRONG);
	assert_int_equal(w->uid, 0);
	assert_int_equal(START(w, "PLAIN", "\0nobody@example.test\0geheim"), EXCHANGE_WRONG);
	assert_string_equal(w->account, "nobody@example.test");
}

static void plain_without_initial_response(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w, "PLAIN", true, NULL), EXCHANGE_GO_ON);
	assert_int_equal(buf_len(&w->challenge), 0);
	assert_int_equal(respond(w, VIEW("\0alice@example.test\0geheim")), EXCHANGE_IN);
	assert_int_equal(start(w, "PLAIN", true, NULL), EXCHANGE_GO_ON);
	assert_int_equal(respond(w, VIEW("")), EXCHANGE_REFUSED);
}

static void malformed_plain_is_refused_unasked(void **state)
{
	struct world *w = *state;
	char big[EXCHANGE_INPUT_MAX];
	struct view v = view_make(big, sizeof(big));

	assert_int_equal(START(w, "PLAIN", ""), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "PLAIN", "alice@example.test"), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "PLAIN", "alice@example.test\0geheim"), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "PLAIN", "\0\0geheim"), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0"), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim\0"), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim\0more"), EXCHANGE_REFUSED);
	memset(big, '=', sizeof(big));
	assert_int_equal(start(w, "PLAIN", true, &v), EXCHANGE_REFUSED);
	assert_int_equal(w->asked, 0);
	/* Names that no account can have cost the same as others, but nobody is asked for them. */
	big[0] = 0;
	big[5000] = 0;
	assert_int_equal(start(w, "PLAIN", true, &v), EXCHANGE_WRONG);
	assert_int_equal(w->asked, 0);
}

static void nobody_acts_for_another(void **state)
{
	struct world *w = *state;

	assert_int_equal(START(w, "PLAIN", "bob@example.test\0alice@example.test\0geheim"), EXCHANGE_WRONG);
}

static void login(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w, "LOGIN", true, NULL), EXCHANGE_GO_ON);
	assert_true(view_istarts(buf_view(&w->challenge), VIEW("User")));
	assert_int_equal(respond(w, VIEW("alice@example.test")), EXCHANGE_GO_ON);
	assert_true(view_istarts(buf_view(&w->challenge), VIEW("Password")));
	assert_int_equal(w->asked, 0);
	assert_int_equal(respond(w, VIEW("geheim")), EXCHANGE_IN);
	assert_string_equal(w->account, "alice@example.test");
	/* The name as the initial response, as some programs do it. */
	assert_int_equal(START(w, "LOGIN", "alice@example.test"), EXCHANGE_GO_ON);
	assert_int_equal(respond(w, VIEW("geheim")), EXCHANGE_IN);
	assert_int_equal(START(w, "LOGIN", "alice@example.test"), EXCHANGE_GO_ON);
	assert_int_equal(respond(w, VIEW("falsch")), EXCHANGE_WRONG);
	assert_int_equal(START(w, "LOGIN", "alice@example.test"), EXCHANGE_GO_ON);
	assert_int_equal(respond(w, VIEW("")), EXCHANGE_WRONG);
	assert_int_equal(START(w, "LOGIN", ""), EXCHANGE_GO_ON);
	assert_int_equal(respond(w, VIEW("")), EXCHANGE_REFUSED);
}

static void no_plaintext_without_tls(void **state)
{
	struct world *w = *state;
	struct view v = VIEW("\0alice@example.test\0geheim");

	assert_int_equal(start(w, "PLAIN", false, &v), EXCHANGE_REFUSED);
	assert_int_equal(start(w, "LOGIN", false, NULL), EXCHANGE_REFUSED);
	assert_int_equal(w->asked, 0);
	w->env.plaintext = true;
	assert_int_equal(start(w, "PLAIN", false, &v), EXCHANGE_IN);
}

static void only_offered_mechanisms(void **state)
{
	struct world *w = *state;

	assert_int_equal(START(w, "CRAM-MD5", ""), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "ANONYMOUS", "x"), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "EXTERNAL", ""), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "", ""), EXCHANGE_REFUSED);
	assert_int_equal(START(w, "PLAI", "\0alice@example.test\0geheim"), EXCHANGE_REFUSED);
	w->env.mechanisms = VIEW("SCRAM-SHA-256");
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim"), EXCHANGE_REFUSED);
	assert_int_equal(w->asked, 0);
}

static void disabled_accounts_are_nobody(void **state)
{
	struct world *w = *state;

	w->disabled = true;
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim"), EXCHANGE_WRONG);
	w->disabled = false;
	w->hash[0] = 0;
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim"), EXCHANGE_WRONG);
}

static void what_cannot_be_asked_is_for_later(void **state)
{
	struct world *w = *state;

	w->fails = true;
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim"), EXCHANGE_LATER);
	assert_int_equal(w->forgotten, 0);
}

static void failures_are_held_back(void **state)
{
	struct world *w = *state;
	uint64_t before;

	w->env.delay_ms = 300;
	before = loop_now(w->loop);
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0falsch"), EXCHANGE_WRONG);
	assert_true(loop_now(w->loop) - before >= 290);
	assert_int_equal(w->env.delayed, 0);
	w->env.delayed = EXCHANGE_DELAYED;
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0falsch"), EXCHANGE_WRONG);
	w->env.delayed = 0;
	/* One that was held back and whose client leaves is no longer counted. */
	w->env.delay_ms = 60000;
	struct exchange_start s = { .env = &w->env, .owner = w, .id = 1, .tls = true, .has_initial = true, .mechanism = VIEW("PLAIN"),
		.initial = VIEW("\0nobody\0falsch") };
	w->x = exchange_new(&s);
	exchange_begin(w->x, &s);
	while (w->env.delayed == 0) {
		struct timer *t = timer_new(w->loop, (timer_fn *)(void (*)(void))loop_stop, w->loop);

		timer_set(t, 20);
		loop_run(w->loop);
		timer_free(t);
	}
	exchange_abort(w->x);
	assert_int_equal(w->env.delayed, 0);
}

static void an_aborted_question_is_forgotten(void **state)
{
	struct world *w = *state;
	struct exchange_start s = { .env = &w->env, .owner = w, .id = 1, .tls = true, .has_initial = true, .mechanism = VIEW("PLAIN"),
		.initial = VIEW("\0alice@example.test\0geheim") };

	w->silent = true;
	w->x = exchange_new(&s);
	exchange_begin(w->x, &s);
	exchange_abort(w->x);
	assert_null(w->x);
	assert_int_equal(w->forgotten, 1);
	assert_int_equal(w->answers, 0);
}

static void a_known_password_needs_no_hash(void **state)
{
	struct world *w = *state;

	w->env.cache_ms = 60000;
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim"), EXCHANGE_IN);
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim"), EXCHANGE_IN);
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim2"), EXCHANGE_WRONG);
	/* A new password counts at once. */
	strcpy(w->hash, "$2b$04$abcdefghijklmnopqrstuuKdLIKjEBaGz0WHc5pmKAAU4Wvd3ZQy6");
	assert_int_equal(START(w, "PLAIN", "\0alice@example.test\0geheim"), EXCHANGE_WRONG);
}

/* ---- SCRAM: RFC 5802, RFC 7677 ---- */

struct scram_client {
	char bare[500], first[600], server_first[600], final[1200];
	struct scram_keys keys;
	uint8_t server_signature[32];
};

static void scram_begin(struct scram_client *c, const char *header, const char *user, const char *nonce)
{
	(void)snprintf(c->bare, sizeof(c->bare), "n=%s,r=%s", user, nonce);
	(void)snprintf(c->first, sizeof(c->first), "%s%s", header, c->bare);
}

static void scram_finish(struct scram_client *c, struct view challenge, const char *password, const char *binding64)
{
	struct buf salt, proof64;
	struct view rest = challenge, r, s, i, digits;
	char without[700], auth[2000];
	uint8_t client_key[32], salted[32], signature[32], block[32];
	uint32_t rounds;
	char one[4] = { 0, 0, 0, 1 };

	(void)snprintf(c->server_first, sizeof(c->server_first), "%.*s", (int)challenge.n, challenge.p);
	assert_true(view_cut(&rest, ',', &r));
	assert_true(view_cut(&rest, ',', &s));
	assert_true(view_cut(&rest, ',', &i));
	buf_init(&salt, 200);
	assert_true(base64_get(&salt, view_skip(s, 2)));
	digits = view_skip(i, 2);
	assert_true(num_u32(digits, 1000000, &rounds));
	(void)snprintf(without, sizeof(without), "c=%s,%.*s", binding64, (int)r.n, r.p);
	(void)snprintf(auth, sizeof(auth), "%s,%s,%s", c->bare, c->server_first, without);
	/* Hi() of RFC 5802 2.2, written out so that the test shares nothing with what it tests. */
	buf_add(&salt, one, 4);
	hmac_sha256(view_of(password), buf_view(&salt), block);
	memcpy(salted, block, 32);
	for (uint32_t k = 1; k < rounds; k++) {
		hmac_sha256(view_of(password), view_make(block, 32), block);
		for (int b = 0; b < 32; b++)
			salted[b] ^= block[b];
	}
	hmac_sha256(view_make(salted, 32), VIEW("Client Key"), client_key);
	sha256(view_make(client_key, 32), c->keys.stored);
	hmac_sha256(view_make(salted, 32), VIEW("Server Key"), c->keys.server);
	hmac_sha256(view_make(c->keys.stored, 32), view_of(auth), signature);
	hmac_sha256(view_make(c->keys.server, 32), view_of(auth), c->server_signature);
	for (int b = 0; b < 32; b++)
		client_key[b] ^= signature[b];
	buf_init(&proof64, 100);
	base64_put(&proof64, view_make(client_key, 32));
	(void)snprintf(c->final, sizeof(c->final), "%s,p=%s", without, buf_str(&proof64));
	buf_fini(&salt);
	buf_fini(&proof64);
}

static enum exchange_verdict scram(struct world *w, const char *user, const char *password)
{
	struct scram_client c;
	struct view first;
	enum exchange_verdict v;

	scram_begin(&c, "n,,", user, "fyko+d2lbbFgONRv9qkxdawL");
	first = view_of(c.first);
	v = start(w, "SCRAM-SHA-256", true, &first);
	if (v != EXCHANGE_GO_ON)
		return v;
	assert_true(view_starts(buf_view(&w->challenge), VIEW("r=fyko+d2lbbFgONRv9qkxdawL")));
	scram_finish(&c, buf_view(&w->challenge), password, "biws");
	v = respond(w, view_of(c.final));
	if (v == EXCHANGE_IN) {
		struct buf want;

		buf_init(&want, 100);
		buf_adds(&want, "v=");
		base64_put(&want, view_make(c.server_signature, 32));
		/* The server proves itself too. */
		assert_true(view_eq(buf_view(&w->challenge), buf_view(&want)));
		buf_fini(&want);
	}
	return v;
}

static void scram_sha_256(void **state)
{
	struct world *w = *state;

	assert_int_equal(scram(w, "alice@example.test", "geheim"), EXCHANGE_IN);
	assert_string_equal(w->account, "alice@example.test");
	assert_int_equal(w->uid, 4711);
	assert_int_equal(scram(w, "alice@example.test", "falsch"), EXCHANGE_WRONG);
	w->disabled = true;
	assert_int_equal(scram(w, "alice@example.test", "geheim"), EXCHANGE_WRONG);
}

/* One who does not exist is led on like one who does, always with the same salt, and fails at the end. */
static void scram_of_nobody(void **state)
{
	struct world *w = *state;
	char salt[2][100];

	for (int i = 0; i < 2; i++) {
		struct view first = VIEW("n,,n=nobody@example.test,r=abcdefgh"), rest, part;

		assert_int_equal(start(w, "SCRAM-SHA-256", true, &first), EXCHANGE_GO_ON);
		rest = buf_view(&w->challenge);
		assert_true(view_cut(&rest, ',', &part) && view_cut(&rest, ',', &part));
		(void)snprintf(salt[i], sizeof(salt[i]), "%.*s", (int)part.n, part.p);
		assert_true(view_starts(rest, VIEW("i=4096")));
		exchange_abort(w->x);
	}
	assert_string_equal(salt[0], salt[1]);
	assert_int_equal(scram(w, "nobody@example.test", "geheim"), EXCHANGE_WRONG);
}

static void scram_nonces_are_fresh(void **state)
{
	struct world *w = *state;
	char nonce[2][200];

	for (int i = 0; i < 2; i++) {
		struct view first = VIEW("n,,n=alice@example.test,r=abcdefgh");

		assert_int_equal(start(w, "SCRAM-SHA-256", true, &first), EXCHANGE_GO_ON);
		(void)snprintf(nonce[i], sizeof(nonce[i]), "%.*s", (int)view_find(buf_view(&w->challenge), ','), buf_str(&w->challenge));
		assert_true(strlen(nonce[i]) > strlen("r=abcdefgh") + 16);
		exchange_abort(w->x);
	}
	assert_string_not_equal(nonce[0], nonce[1]);
}

static void malformed_scram_is_refused(void **state)
{
	static const char *const firsts[] = { "", ",", "n", "n,,", "n,,n=", "n,,r=x", "n,,n=alice", "n,,n=alice,", "n,,n=alice,r=", "x,,n=a,r=b",
		"n,b=x,n=a,r=b", "n,,m=1,n=a,r=b", "n,,n=a=b,r=c", "n,,n=a=2,r=c", "n,,n=a=2D,r=c", "n,a=,n=a,r=c" };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		struct view v = view_of(firsts[i]);

		assert_int_equal(start(w, "SCRAM-SHA-256", true, &v), EXCHANGE_REFUSED);
	}
	assert_int_equal(w->asked, 0);
	/* A wrong nonce, a proof that is no proof, a lie about the binding. */
	static const char *const finals[] = { "", "c=biws,r=abc,p=AAAA", "p=", "c=biws", "c=eSws,r=x,p=AAAA", "i=2147483647" };
	for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		struct view first = VIEW("n,,n=alice@example.test,r=abcdefgh");
		enum exchange_verdict v;

		assert_int_equal(start(w, "SCRAM-SHA-256", true, &first), EXCHANGE_GO_ON);
		v = respond(w, view_of(finals[i]));
		assert_true(v == EXCHANGE_REFUSED || v == EXCHANGE_WRONG);
	}
}

static void scram_names_are_decoded(void **state)
{
	struct world *w = *state;
	struct view v = VIEW("n,a=al=2Cice=3D,n=al=2Cice=3D,r=abcdefgh");

	assert_int_equal(start(w, "SCRAM-SHA-256", true, &v), EXCHANGE_GO_ON);
	assert_string_equal(w->name, "al,ice=");
}

/* RFC 5802 6: bound to the TLS channel; a binding to another one fails, and so does a "y" where we offer to bind. */
static void scram_plus(void **state)
{
	struct world *w = *state;
	const char *const data[] = { "0123456789abcdef", "0123456789abcdeX" };

	w->env.mechanisms = VIEW("SCRAM-SHA-256 SCRAM-SHA-256-PLUS");
	for (int i = 0; i < 2; i++) {
		struct scram_client c;
		struct buf b, b64;
		struct exchange_start s = { .env = &w->env, .owner = w, .id = 1, .door = 2, .tls = true, .has_initial = true,
			.mechanism = VIEW("SCRAM-SHA-256-PLUS"), .binding_type = VIEW("tls-exporter"), .binding = VIEW("0123456789abcdef") };

		scram_begin(&c, "p=tls-exporter,,", "alice@example.test", "abcdefgh");
		s.initial = view_of(c.first);
		w->answers = 0;
		w->x = exchange_new(&s);
		exchange_begin(w->x, &s);
		while (w->answers == 0)
			loop_run(w->loop);
		assert_int_equal(w->verdict, EXCHANGE_GO_ON);
		buf_init(&b, 100);
		buf_init(&b64, 200);
		buf_adds(&b, "p=tls-exporter,,");
		buf_adds(&b, data[i]);
		base64_put(&b64, buf_view(&b));
		scram_finish(&c, buf_view(&w->challenge), "geheim", buf_str(&b64));
		if (i == 0)
			assert_int_equal(respond(w, view_of(c.final)), EXCHANGE_IN);
		else
			assert_int_not_equal(respond(w, view_of(c.final)), EXCHANGE_IN);
		buf_fini(&b);
		buf_fini(&b64);
	}
	struct exchange_start s = { .env = &w->env, .owner = w, .id = 1, .door = 2, .tls = true, .has_initial = true,
		.mechanism = VIEW("SCRAM-SHA-256"), .binding_type = VIEW("tls-exporter"), .binding = VIEW("0123456789abcdef"),
		.initial = VIEW("y,,n=alice@example.test,r=abcdefgh") };
	w->answers = 0;
	w->x = exchange_new(&s);
	exchange_begin(w->x, &s);
	while (w->answers == 0)
		loop_run(w->loop);
	assert_true(w->verdict == EXCHANGE_REFUSED || w->verdict == EXCHANGE_WRONG);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_make, world_drop)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(plain), T(plain_without_initial_response), T(malformed_plain_is_refused_unasked), T(nobody_acts_for_another), T(login),
		T(no_plaintext_without_tls), T(only_offered_mechanisms), T(disabled_accounts_are_nobody), T(what_cannot_be_asked_is_for_later),
		T(failures_are_held_back), T(an_aborted_question_is_forgotten), T(a_known_password_needs_no_hash), T(scram_sha_256),
		T(scram_of_nobody), T(scram_nonces_are_fresh), T(malformed_scram_is_refused), T(scram_names_are_decoded), T(scram_plus),
	};

	if (engine_init() != ERR_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
