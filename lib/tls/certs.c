/* SPDX-License-Identifier: ISC */
/*
 * The server context's certificates, by name. Names that have certificates and names that have none are kept apart, each kind bounded, so that
 * a peer who asks for invented names drives out nothing but other invented names.
 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tls/server.h"
#include "tls/sign.h"

static void pair_free(struct cert_pair *p)
{
	X509_free(p->leaf);
	sk_X509_pop_free(p->rest, X509_free);
	EVP_PKEY_free(p->key);
	memset(p, 0, sizeof *p);
}

static void cert_free(struct tls_server *t, struct cert *c)
{
	if (c->state == CERT_FOUND)
		t->found_n--;
	if (c->state == CERT_NONE)
		t->none_n--;
	question_drop(t, &c->q);
	list_remove(&c->used);
	map_del(t->certs, view_of(c->name));
	for (size_t i = 0; i < c->n; i++)
		pair_free(&c->pairs[i]);
	free(c->name);
	free(c);
}

static void drop_all(struct tls_server *t, struct list *l)
{
	LIST_EACH(it, tmp, l)
		cert_free(t, LIST_OF(it, struct cert, used));
}

void tls_server_reload(struct tls_server *t)
{
	drop_all(t, &t->found);
	drop_all(t, &t->none);
}

void certs_free_all(struct tls_server *t)
{
	size_t it = 0;
	struct view key;
	void *c;
	while (map_next(t->certs, &it, &key, &c))
		cert_free(t, c);
}

static struct cert *cert_new(struct tls_server *t, struct view name)
{
	struct cert *c = mem_new(sizeof *c);
	question_init(&c->q, QUESTION_CERTIFICATE);
	list_init(&c->used);
	list_init(&c->waiters);
	c->state = CERT_ASKED;
	c->name = mem_str(name);
	map_set(t->certs, name, c);
	return c;
}

/* Finds the name, or begins to look for it; NULL when too many are being looked for already. */
static struct cert *cert_get(struct tls_server *t, struct view name)
{
	struct cert *c = map_get(t->certs, name);
	if (!c && map_count(t->certs) - t->found_n - t->none_n >= t->names_max && name.n > 0)
		return NULL;
	if (!c)
		return cert_new(t, name);
	if (c->state != CERT_ASKED) {
		list_remove(&c->used);
		list_push(c->state == CERT_FOUND ? &t->found : &t->none, &c->used);
	}
	return c;
}

/* The name the client asked for, in lower case and without a last dot; empty when it is none that could be known. */
static struct view asked_name(const SSL *ssl, char out[TLS_NAME_MAX])
{
	struct view v = view_of(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	if (view_ends(v, VIEW(".")))
		v.n--;
	if (v.n > TLS_NAME_MAX)
		return VIEW("");
	for (size_t i = 0; i < v.n; i++)
		out[i] = ascii_lower(v.p[i]);
	v = view_make(out, v.n);
	return sign_name_legal(v) ? v : VIEW("");
}

static int use(SSL *ssl, const struct cert *c)
{
	int used = 0;
	for (size_t i = 0; i < c->n; i++)
		used |= SSL_use_cert_and_key(ssl, c->pairs[i].leaf, c->pairs[i].key, c->pairs[i].rest, 1) == 1;
	ERR_clear_error();
	return used;
}

int cert_choose(SSL *ssl, void *arg)
{
	struct tls_server *t = arg;
	char name[TLS_NAME_MAX];
	struct cert *c = cert_get(t, asked_name(ssl, name));
	if (!c || c->state == CERT_NONE)
		c = cert_get(t, VIEW(""));
	if (c->state != CERT_ASKED)
		return use(ssl, c);
	if (!t->current)
		return 0;
	t->current->cert = c;
	return -1;
}

static bool read_rest(BIO *b, STACK_OF(X509) *rest)
{
	X509 *x;
	while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(rest, x) == 0) {
			X509_free(x);
			return false;
		}
	return true;
}

static bool pair_read(struct tls_server *t, const struct tls_chain *chain, struct cert_pair *p)
{
	BIO *b = BIO_new_mem_buf(chain->pem.p, (int)chain->pem.n);
	INVARIANT(b != NULL);
	p->leaf = PEM_read_bio_X509(b, NULL, NULL, NULL);
	p->rest = sk_X509_new_null();
	EVP_PKEY *pub = p->leaf ? X509_get0_pubkey(p->leaf) : NULL;
	bool ok = pub && p->rest && read_rest(b, p->rest);
	if (ok)
		p->key = remote_key(t->keys, chain->key, pub);
	BIO_free(b);
	ERR_clear_error();
	if (p->key)
		return true;
	pair_free(p);
	return false;
}

static void trim(struct tls_server *t, struct list *l, const size_t *n, size_t max)
{
	while (*n > max)
		cert_free(t, LIST_OF(l->prev, struct cert, used));
}

static void settle(struct tls_server *t, struct cert *c)
{
	if (c->n > 0) {
		c->state = CERT_FOUND;
		t->found_n++;
		list_push(&t->found, &c->used);
	} else {
		c->state = CERT_NONE;
		t->none_n++;
		list_push(&t->none, &c->used);
	}
}

static void wake_waiters(struct cert *c)
{
	LIST_EACH(it, tmp, &c->waiters) {
		struct handshake *h = LIST_OF(it, struct handshake, waits);
		list_remove(it);
		h->wake(h->arg);
	}
}

void tls_server_certificate(struct tls_server *t, uint64_t id, bool found, const struct tls_chain *chains, size_t n)
{
	struct question *q = map64_get(t->asked, id);
	if (!q || q->kind != QUESTION_CERTIFICATE)
		return;
	struct cert *c = LIST_OF(q, struct cert, q);
	map64_del(t->asked, id);
	q->id = 0;
	for (size_t i = 0; found && i < n && c->n < TLS_CHAINS_MAX; i++)
		if (chains[i].pem.n > 0 && chains[i].pem.n <= TLS_CHAIN_MAX && pair_read(t, &chains[i], &c->pairs[c->n]))
			c->n++;
	settle(t, c);
	wake_waiters(c);
	trim(t, &t->found, &t->found_n, t->names_max);
	trim(t, &t->none, &t->none_n, t->names_max);
}
