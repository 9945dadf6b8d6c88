/* SPDX-License-Identifier: ISC */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "log/log.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "tls/digest.h"

enum { FILE_OCTETS_MAX = 131072, ID_HEX = 16 };
#define DEFAULT "default"

static const char *const kinds[STORE_KINDS] = { "ecdsa", "rsa", "ed25519" };

/* A key and the text by which its holder tells it from its successor. */
struct held {
	struct sign_key *key;
	char id[ID_HEX + 1];
};

struct host {
	struct list used; /* in store.used, the latest first */
	char *name;
	unsigned generation;
	struct held now[STORE_KINDS], before[STORE_KINDS];
};

struct store {
	int dirfd;
	struct map *hosts;
	struct list used;
	size_t max;
	unsigned generation; /* of the files, as far as we were told */
};

struct store *store_new(int dirfd, size_t hosts_max)
{
	struct store *s = mem_new(sizeof *s);
	s->dirfd = dirfd;
	s->max = hosts_max;
	s->hosts = map_new();
	list_init(&s->used);
	return s;
}

static void held_drop(struct held *h)
{
	sign_key_free(h->key);
	memset(h, 0, sizeof *h);
}

static void host_free(struct store *s, struct host *h)
{
	map_del(s->hosts, view_of(h->name));
	list_remove(&h->used);
	for (size_t i = 0; i < STORE_KINDS; i++) {
		held_drop(&h->now[i]);
		held_drop(&h->before[i]);
	}
	free(h->name);
	free(h);
}

void store_free(struct store *s)
{
	LIST_EACH(it, tmp, &s->used)
		host_free(s, LIST_OF(it, struct host, used));
	map_free(s->hosts);
	free(s);
}

void store_reload(struct store *s)
{
	s->generation++;
}

static void put_id(const struct sign_key *k, char id[ID_HEX + 1])
{
	uint8_t sum[SHA256_OCTETS];
	sha256(sign_key_chain(k), sum);
	for (size_t i = 0; i < ID_HEX / 2; i++)
		(void)snprintf(id + 2 * i, 3, "%02x", sum[i]);
}

static void complain(const char *file, const char *why)
{
	log_error("key_file_refused", LS("file", file), LS("why", why));
}

static struct sign_key *parse(const char *file, const char *kind, struct view pem)
{
	struct sign_key *k = NULL;
	const char *why = NULL;
	if (sign_key_read(pem, &k, &why) != ERR_OK) {
		complain(file, why);
		return NULL;
	}
	if (strcmp(sign_key_kind(k), kind) != 0) {
		complain(file, "the key is of another kind than the file's name says");
		sign_key_free(k);
		return NULL;
	}
	if (sign_key_expires(k) < clock_wall(NULL))
		log_warn("certificate_expired", LS("file", file), LI("expired", sign_key_expires(k)));
	return k;
}

/* The bytes are wiped before their memory goes back. */
static void wipe(struct buf *b)
{
	struct view v = buf_view(b);
	if (v.n > 0)
		mem_wipe((void *)(uintptr_t)v.p, v.n);
	buf_fini(b);
}

/* *gone: there is no such file, which is no mistake. */
static struct sign_key *load(struct store *s, const char *name, const char *kind, bool *gone)
{
	char file[STORE_NAME_MAX + 16];
	struct sign_key *k = NULL;
	struct buf pem;
	(void)snprintf(file, sizeof file, "%s.%s.pem", name, kind);
	buf_init(&pem, FILE_OCTETS_MAX);
	(void)buf_room(&pem, FILE_OCTETS_MAX); /* at once: no copy is left behind by growing */
	int err = file_slurp(s->dirfd, file, &pem);
	*gone = err == ERR_NOT_FOUND;
	if (err == ERR_OK)
		k = parse(file, kind, buf_view(&pem));
	else if (!*gone)
		complain(file, err_text(err));
	wipe(&pem);
	return k;
}

static void look(struct store *s, struct host *h, size_t i)
{
	bool gone;
	struct held fresh = { .key = load(s, h->name, kinds[i], &gone) };
	if (fresh.key)
		put_id(fresh.key, fresh.id);
	if (!fresh.key && !gone)
		return;
	if (fresh.key && strcmp(fresh.id, h->now[i].id) == 0) {
		held_drop(&fresh);
		return;
	}
	held_drop(&h->before[i]);
	h->before[i] = h->now[i];
	h->now[i] = fresh;
}

static void look_all(struct store *s, struct host *h)
{
	for (size_t i = 0; i < STORE_KINDS; i++)
		look(s, h, i);
	h->generation = s->generation;
}

static bool host_empty(const struct host *h)
{
	for (size_t i = 0; i < STORE_KINDS; i++)
		if (h->now[i].key || h->before[i].key)
			return false;
	return true;
}

static struct host *host_new(struct store *s, struct view name)
{
	struct host *h = mem_new(sizeof *h);
	h->name = mem_str(name);
	list_push(&s->used, &h->used);
	map_set(s->hosts, name, h);
	if (map_count(s->hosts) > s->max)
		host_free(s, LIST_OF(s->used.prev, struct host, used));
	return h;
}

/* The name has passed sign_name_legal, or is "default": only now may it be part of a path. */
static struct host *host_get(struct store *s, struct view name)
{
	struct host *h = map_get(s->hosts, name);
	bool fresh = !h;
	if (fresh)
		h = host_new(s, name);
	if (fresh || h->generation != s->generation)
		look_all(s, h);
	if (host_empty(h)) {
		host_free(s, h);
		return NULL;
	}
	list_remove(&h->used);
	list_push(&s->used, &h->used);
	return h;
}

size_t store_host(struct store *s, struct view name, struct store_key out[STORE_KINDS])
{
	size_t n = 0;
	if (name.n > 0 && (!sign_name_legal(name) || view_eq(name, VIEW(DEFAULT))))
		return 0;
	struct host *h = host_get(s, name.n > 0 ? name : VIEW(DEFAULT));
	for (size_t i = 0; h && i < STORE_KINDS; i++) {
		if (!h->now[i].key)
			continue;
		int len = snprintf(out[n].name, sizeof out[n].name, "%s.%s.%s", h->name, kinds[i], h->now[i].id);
		if (len < 0 || (size_t)len >= sizeof out[n].name)
			continue;
		out[n++].key = h->now[i].key;
	}
	return n;
}

static bool cut_last(struct view *v, struct view *tail)
{
	size_t at = view_rfind(*v, '.');
	if (at == SIZE_MAX)
		return false;
	*tail = view_skip(*v, at + 1);
	*v = view_head(*v, at);
	return true;
}

static const struct sign_key *pick(const struct held *h, struct view id)
{
	return h->key && view_eqs(id, h->id) ? h->key : NULL;
}

const struct sign_key *store_key(struct store *s, struct view name)
{
	struct view id, kind;
	if (!cut_last(&name, &id) || !cut_last(&name, &kind) || !sign_name_legal(name))
		return NULL;
	struct host *h = host_get(s, name);
	for (size_t i = 0; h && i < STORE_KINDS; i++) {
		if (!view_eqs(kind, kinds[i]))
			continue;
		const struct sign_key *k = pick(&h->now[i], id);
		return k ? k : pick(&h->before[i], id);
	}
	return NULL;
}
