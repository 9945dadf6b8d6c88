/* SPDX-License-Identifier: ISC */
#include "qmgr/routes.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "qmgr/state.h"

enum { DOMAIN_MAX = 320 };

struct hop {
	unsigned number;
	char host[];
};

struct routes {
	struct map *domains;  /* folded, to the struct hop */
	struct map *hosts;    /* the same, by host: the owners */
	struct map64 *dests;  /* destinations' numbers of the domains */
	const struct hop **hops; /* by number - 1 */
	unsigned n;
};

static struct view fold(struct buf *b, struct view domain)
{
	buf_reset(b);
	for (size_t i = 0; i < domain.n; i++)
		buf_addc(b, ascii_lower(domain.p[i]));
	return buf_view(b);
}

static struct hop *hop_of(struct routes *r, struct view host)
{
	struct hop *h = map_get(r->hosts, host);
	if (h)
		return h;
	h = mem_new(sizeof *h + host.n + 1);
	memcpy(h->host, host.p, host.n);
	h->number = ++r->n;
	(void)map_set(r->hosts, host, h);
	return h;
}

static void list_hops(struct routes *r)
{
	size_t it = 0;
	struct view key;
	void *v;
	r->hops = mem_array(r->n + 1, sizeof *r->hops);
	while (map_next(r->hosts, &it, &key, &v)) {
		struct hop *h = v;
		r->hops[h->number - 1] = h;
	}
}

struct routes *routes_new(const struct conf *c)
{
	struct routes *r = mem_new(sizeof *r);
	struct view item, domain;
	struct buf b;
	r->domains = map_new();
	r->hosts = map_new();
	r->dests = map64_new();
	buf_init(&b, DOMAIN_MAX);
	for (size_t i = 0; conf_item(c, PARAM_RELAY_ROUTES, i, &item); i++) {
		if (!view_cut(&item, '=', &domain) || domain.n == 0 || domain.n > DOMAIN_MAX || item.n == 0)
			continue;
		(void)map_set(r->domains, fold(&b, domain), hop_of(r, item));
		(void)map64_set(r->dests, state_remote(domain), r);
	}
	buf_fini(&b);
	list_hops(r);
	return r;
}

void routes_free(struct routes *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->n; i++)
		free(map_get(r->hosts, view_of(r->hops[i]->host)));
	map_free(r->domains);
	map_free(r->hosts);
	map64_free(r->dests);
	free(r->hops);
	free(r);
}

unsigned routes_hops(const struct routes *r)
{
	return r->n + 1;
}

unsigned routes_hop(const struct routes *r, struct view address)
{
	size_t at = view_rfind(address, '@');
	struct view domain = at == SIZE_MAX ? address : view_skip(address, at + 1);
	struct buf b;
	if (r->n == 0 || domain.n == 0 || domain.n > DOMAIN_MAX)
		return 0;
	buf_init(&b, DOMAIN_MAX);
	const struct hop *h = map_get(r->domains, fold(&b, domain));
	buf_fini(&b);
	return h ? h->number : 0;
}

bool routes_may_have(const struct routes *r, uint32_t dest)
{
	return map64_get(r->dests, dest) != NULL;
}

struct view routes_host(const struct routes *r, const struct conf *c, unsigned hop)
{
	return hop == 0 ? conf_text(c, PARAM_RELAY_HOST) : view_of(r->hops[hop - 1]->host);
}
