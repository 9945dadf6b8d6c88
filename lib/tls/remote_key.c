/* SPDX-License-Identifier: ISC */
#include "tls/remote_key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tls/context.h"
#include "tls/scheme.h"

#define PROVIDER "postrider"
#define PROPERTY "provider=" PROVIDER
/* The parameter by which remote_key hands a source to the key manager: the address of a struct source. */
#define PARAM_SOURCE "postrider-source"

struct remote_keys {
	OSSL_LIB_CTX *libctx;
	OSSL_PROVIDER *standard, *ours;
	remote_sign_fn *sign;
	void *arg;
};

struct source {
	struct remote_keys *keys;
	struct view name;
	EVP_PKEY *pub;
};

/* What OpenSSL calls key data: ours, or (to compare with ours) only a public key that another provider exported. */
struct key {
	const char *type;
	struct remote_keys *keys; /* NULL: a public key alone */
	char *name;
	EVP_PKEY *pub;
	int refs;
};

/* ---- the key manager ---- */

static struct key *key_new(const char *type)
{
	struct key *k = mem_new(sizeof *k);
	k->type = type;
	k->refs = 1;
	return k;
}

static void *rsa_new(void *provider)
{
	(void)provider;
	return key_new("RSA");
}

static void *ec_new(void *provider)
{
	(void)provider;
	return key_new("EC");
}

static void *ed25519_new(void *provider)
{
	(void)provider;
	return key_new("ED25519");
}

static void key_free(void *keydata)
{
	struct key *k = keydata;
	if (!k || --k->refs > 0)
		return;
	EVP_PKEY_free(k->pub);
	free(k->name);
	free(k);
}

static int key_has(const void *keydata, int selection)
{
	const struct key *k = keydata;
	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) && !k->keys)
		return 0;
	return k->pub != NULL;
}

static int key_match(const void *a, const void *b, int selection)
{
	const struct key *x = a, *y = b;
	(void)selection;
	return x->pub && y->pub && EVP_PKEY_eq(x->pub, y->pub) == 1;
}

static int import_source(struct key *k, const OSSL_PARAM *p)
{
	struct source *s = NULL;
	if (p->data_size != sizeof(struct source *))
		return 0;
	memcpy(&s, p->data, sizeof s);
	k->keys = s->keys;
	k->name = mem_str(s->name);
	k->pub = s->pub;
	return EVP_PKEY_up_ref(k->pub);
}

/* A public key of another provider: made anew in the default one, where it can be compared. */
static int import_public(struct key *k, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, k->type, NULL);
	int ok = c && EVP_PKEY_fromdata_init(c) == 1 && EVP_PKEY_fromdata(c, &k->pub, EVP_PKEY_PUBLIC_KEY, (OSSL_PARAM *)params) == 1;
	EVP_PKEY_CTX_free(c);
	return ok;
}

static int key_import(void *keydata, int selection, const OSSL_PARAM params[])
{
	struct key *k = keydata;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PARAM_SOURCE);
	(void)selection;
	if (k->pub)
		return 0;
	return p ? import_source(k, p) : import_public(k, params);
}

static const OSSL_PARAM *key_import_types(int selection)
{
	static const OSSL_PARAM types[] = { OSSL_PARAM_octet_string(PARAM_SOURCE, NULL, 0), OSSL_PARAM_END };
	(void)selection;
	return types;
}

/* Only the public half leaves. Who asks for the private one is refused, and comes back to sign with this provider. */
static int key_export(void *keydata, int selection, OSSL_CALLBACK *out, void *arg)
{
	const struct key *k = keydata;
	if (!k->pub || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY))
		return 0;
	return EVP_PKEY_export(k->pub, EVP_PKEY_PUBLIC_KEY, out, arg);
}

static const OSSL_PARAM *key_export_types(int selection)
{
	static const OSSL_PARAM none[] = { OSSL_PARAM_END };
	(void)selection;
	return none;
}

static int key_get_params(void *keydata, OSSL_PARAM params[])
{
	const struct key *k = keydata;
	return k->pub && EVP_PKEY_get_params(k->pub, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM what[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_END,
	};
	(void)provider;
	return what;
}

static const char *ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

typedef void (*generic_fn)(void);
#define FN(id, f) { id, (generic_fn)(f) }
#define KEY_COMMON                                                                                                   \
	FN(OSSL_FUNC_KEYMGMT_FREE, key_free), FN(OSSL_FUNC_KEYMGMT_HAS, key_has), FN(OSSL_FUNC_KEYMGMT_MATCH, key_match),   \
		FN(OSSL_FUNC_KEYMGMT_IMPORT, key_import), FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_import_types),             \
		FN(OSSL_FUNC_KEYMGMT_EXPORT, key_export), FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_export_types),             \
		FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params), FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable), { 0, NULL }

static const OSSL_DISPATCH rsa_keys[] = { FN(OSSL_FUNC_KEYMGMT_NEW, rsa_new), KEY_COMMON };
static const OSSL_DISPATCH ec_keys[] = {
	FN(OSSL_FUNC_KEYMGMT_NEW, ec_new), FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation), KEY_COMMON,
};
static const OSSL_DISPATCH ed25519_keys[] = { FN(OSSL_FUNC_KEYMGMT_NEW, ed25519_new), KEY_COMMON };

/* ---- signatures ---- */

struct signature {
	struct key *key;
	char digest[32];
	bool pss;
};

static void *signature_new(void *provider, const char *properties)
{
	(void)provider, (void)properties;
	return mem_new(sizeof(struct signature));
}

static void signature_free(void *ctx)
{
	struct signature *s = ctx;
	if (s)
		key_free(s->key);
	free(s);
}

/* The padding comes as a number or as a name. */
static int set_padding(struct signature *s, const OSSL_PARAM *p)
{
	int mode = 0;
	const char *name = NULL;
	if (OSSL_PARAM_get_utf8_string_ptr(p, &name))
		mode = strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0     ? RSA_PKCS1_PSS_PADDING
		       : strcmp(name, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
		                                                           : 0;
	else if (!OSSL_PARAM_get_int(p, &mode))
		return 0;
	s->pss = mode == RSA_PKCS1_PSS_PADDING;
	return s->pss || mode == RSA_PKCS1_PADDING;
}

/* The salt's length is not asked: TLS has it as long as the digest, always. */
static int signature_set(void *ctx, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = params ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE) : NULL;
	return p ? set_padding(ctx, p) : 1;
}

static const OSSL_PARAM *signature_settable(void *ctx, void *provider)
{
	static const OSSL_PARAM what[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END,
	};
	(void)ctx, (void)provider;
	return what;
}

static int signature_init(void *ctx, const char *digest, void *keydata, const OSSL_PARAM params[])
{
	struct signature *s = ctx;
	struct key *k = keydata;
	if (!k || !k->keys || (digest && strlen(digest) >= sizeof s->digest))
		return 0;
	k->refs++;
	key_free(s->key);
	s->key = k;
	s->pss = false;
	memset(s->digest, 0, sizeof s->digest);
	if (digest)
		memcpy(s->digest, digest, strlen(digest));
	return signature_set(s, params);
}

static int signature_make(void *ctx, unsigned char *out, size_t *n, size_t max, const unsigned char *text, size_t text_n)
{
	const struct signature *s = ctx;
	const struct key *k = s->key;
	size_t room = k ? (size_t)EVP_PKEY_get_size(k->pub) : 0;
	const struct scheme *scheme = k ? scheme_find(k->type, s->digest, s->pss) : NULL;
	if (!scheme || text_n > TLS_TEXT_MAX)
		return 0;
	if (!out) {
		*n = room;
		return 1;
	}
	return k->keys->sign(k->keys->arg, view_of(k->name), scheme->number, view_make(text, text_n), out, max < room ? max : room, n);
}

static const OSSL_DISPATCH signatures[] = {
	FN(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),
	FN(OSSL_FUNC_SIGNATURE_FREECTX, signature_free),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signature_init),
	FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signature_make),
	FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set),
	FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable),
	{ 0, NULL },
};

/* ---- the provider ---- */

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM keys[] = {
		{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTY, rsa_keys, NULL },
		{ "EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTY, ec_keys, NULL },
		{ "ED25519:1.3.101.112", PROPERTY, ed25519_keys, NULL },
		{ NULL, NULL, NULL, NULL },
	};
	static const OSSL_ALGORITHM signers[] = {
		{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTY, signatures, NULL },
		{ "ECDSA", PROPERTY, signatures, NULL },
		{ "ED25519:1.3.101.112", PROPERTY, signatures, NULL },
		{ NULL, NULL, NULL, NULL },
	};
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT ? keys : operation == OSSL_OP_SIGNATURE ? signers : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx)
{
	static const OSSL_DISPATCH functions[] = { FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query), { 0, NULL } };
	(void)handle, (void)in;
	*out = functions;
	*ctx = (void *)(uintptr_t)functions; /* any address: a provider without state */
	return 1;
}

struct remote_keys *remote_keys_new(remote_sign_fn *sign, void *arg)
{
	struct remote_keys *r = mem_new(sizeof *r);
	r->sign = sign;
	r->arg = arg;
	r->libctx = OSSL_LIB_CTX_new();
	INVARIANT(r->libctx != NULL && OSSL_PROVIDER_add_builtin(r->libctx, PROVIDER, provider_init) == 1);
	r->standard = OSSL_PROVIDER_load(r->libctx, "default");
	r->ours = OSSL_PROVIDER_load(r->libctx, PROVIDER);
	INVARIANT(r->standard != NULL && r->ours != NULL);
	INVARIANT(EVP_set_default_properties(r->libctx, "?provider=default") == 1);
	return r;
}

void remote_keys_free(struct remote_keys *r)
{
	OSSL_PROVIDER_unload(r->ours);
	OSSL_PROVIDER_unload(r->standard);
	OSSL_LIB_CTX_free(r->libctx);
	free(r);
}

OSSL_LIB_CTX *remote_keys_context(const struct remote_keys *r)
{
	return r->libctx;
}

static const char *type_of(EVP_PKEY *pub)
{
	static const char *const types[] = { "RSA", "EC", "ED25519" };
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (EVP_PKEY_is_a(pub, types[i]))
			return types[i];
	return NULL;
}

EVP_PKEY *remote_key(struct remote_keys *r, struct view name, EVP_PKEY *pub)
{
	struct source s = { r, name, pub };
	struct source *at = &s;
	const char *type = type_of(pub);
	EVP_PKEY *out = NULL;
	OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(PARAM_SOURCE, &at, sizeof at), OSSL_PARAM_construct_end() };
	EVP_PKEY_CTX *c = type ? EVP_PKEY_CTX_new_from_name(r->libctx, type, PROPERTY) : NULL;
	if (c && EVP_PKEY_fromdata_init(c) == 1)
		(void)!EVP_PKEY_fromdata(c, &out, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(c);
	return out;
}
