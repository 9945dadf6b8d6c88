/* SPDX-License-Identifier: ISC */
#include "lookup/resolve.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "table/entry.h"

#define KEY_MAX 400

/* One expansion under way: addresses yet to be looked at, and those already seen. */
struct node {
	struct node *next;
	unsigned depth;
	bool account_only; /* an alias named itself */
	struct address address;
};

struct expansion {
	const struct resolver *r;
	struct resolved *out;
	struct arena *arena;
	struct node *first, **last;
	struct map *seen;    /* addresses that were queued */
	struct map *targets; /* addresses that are targets */
	size_t visits;
	struct buf key, value;
};

struct resolved *resolved_new(void)
{
	struct resolved *r = mem_new(sizeof(*r));

	buf_init(&r->text, (size_t)RESOLVE_TARGETS * ADDRESS_MAX);
	return r;
}

void resolved_free(struct resolved *r)
{
	if (!r)
		return;
	buf_fini(&r->text);
	free(r);
}

struct view resolved_address(const struct resolved *r, size_t i)
{
	return view_head(view_skip(buf_view(&r->text), r->targets[i].at), r->targets[i].n);
}

/* ---- asking ---- */

static int get(struct expansion *x, const char *kind, struct view name)
{
	buf_reset(&x->key);
	buf_reset(&x->value);
	entry_key(&x->key, kind, name);
	return buf_ok(&x->key) ? table_get(x->r->table, buf_view(&x->key), &x->value) : ERR_NOT_FOUND;
}

/* The address without its tag; false where it has none. Quoted local parts are taken as they are. */
static bool untagged(const struct resolver *r, const struct address *a, struct address *out)
{
	struct view local = address_local(a), domain = address_domain(a);
	size_t at = 0;

	if (r->delimiter.n == 0 || local.n == 0 || local.p[0] == '"')
		return false;
	while (at < local.n && !memchr(r->delimiter.p, local.p[at], r->delimiter.n))
		at++;
	if (at == 0 || at == local.n)
		return false;
	*out = (struct address){ .n = at + 1 + domain.n, .domain = at + 1, .utf8 = a->utf8 };
	memcpy(out->text, local.p, at);
	out->text[at] = '@';
	memcpy(out->text + at + 1, domain.p, domain.n);
	return true;
}

/* ---- results ---- */

static int target_add(struct expansion *x, enum resolve_kind kind, uint32_t uid, struct view address)
{
	struct resolved *out = x->out;

	if (map_get(x->targets, address))
		return ERR_OK;
	if (out->count == RESOLVE_TARGETS)
		return ERR_LIMIT;
	(void)map_set(x->targets, address, out);
	out->targets[out->count++] = (struct resolve_target){ .kind = kind, .uid = uid, .at = buf_len(&out->text), .n = address.n };
	buf_addv(&out->text, address);
	return ERR_OK;
}

static int enqueue(struct expansion *x, const struct address *a, unsigned depth, bool account_only)
{
	struct node *n;

	if (!account_only && map_set(x->seen, address_view(a), x))
		return ERR_OK;
	if (depth > RESOLVE_DEPTH || ++x->visits > RESOLVE_VISITS)
		return ERR_LIMIT;
	n = arena_alloc(x->arena, sizeof(*n));
	n->depth = depth;
	n->account_only = account_only;
	n->address = *a;
	*x->last = n;
	x->last = &n->next;
	return ERR_OK;
}

/* ---- one address ---- */

static int expand_alias(struct expansion *x, const struct node *n, const struct address *name)
{
	struct buf targets;
	struct view rest, line;
	int err = ERR_OK;

	buf_init(&targets, BASE_VALUE_MAX);
	buf_addv(&targets, buf_view(&x->value));
	rest = buf_view(&targets);
	while (!err && view_cut(&rest, '\n', &line)) {
		struct address a;

		if (line.n == 0)
			continue;
		if (!entry_address(line, &a))
			err = ERR_DAMAGED;
		else
			err = enqueue(x, &a, n->depth + 1, view_ieq(address_view(&a), address_view(name)));
	}
	buf_fini(&targets);
	return err;
}

static int take_account(struct expansion *x, const struct address *name)
{
	struct entry_account account;
	int err = entry_account_get(buf_view(&x->value), &account);

	return err ? err : target_add(x, RESOLVE_LOCAL, account.uid, address_view(name));
}

/* ERR_NOT_FOUND where there is neither alias nor account of this name. */
static int visit_name(struct expansion *x, const struct node *n, const struct address *name)
{
	int err = ERR_NOT_FOUND;

	if (!n->account_only)
		err = get(x, "alias", address_view(name));
	if (!err)
		return expand_alias(x, n, name);
	if (err != ERR_NOT_FOUND)
		return err;
	err = get(x, "account", address_view(name));
	return err ? err : take_account(x, name);
}

static int is_hosted(struct expansion *x, const struct address *a) { return get(x, "domain", address_domain(a)); }

/* Exists as far as a postmaster's substitute must: an alias or account here, or an address elsewhere. */
static int usable(struct expansion *x, const struct address *a)
{
	struct address folded = *a;
	int err = is_hosted(x, a);

	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	entry_fold(&folded);
	if (!err)
		err = get(x, "alias", address_view(&folded));
	if (err == ERR_NOT_FOUND)
		err = get(x, "account", address_view(&folded));
	return err;
}

static int postmaster_try(struct expansion *x, const struct node *n, struct view candidate)
{
	struct address a;
	int err;

	if (candidate.n == 0 || !entry_address(candidate, &a) || view_ieq(address_view(&a), address_view(&n->address)))
		return ERR_NOT_FOUND;
	err = usable(x, &a);
	return err ? err : enqueue(x, &a, n->depth + 1, false);
}

static int postmaster_of_domain(struct expansion *x, const struct node *n)
{
	struct entry_domain d;
	char text[ADDRESS_MAX];
	size_t k;
	int err = get(x, "domain", address_domain(&n->address));

	if (!err)
		err = entry_domain_get(buf_view(&x->value), &d);
	if (err)
		return err;
	k = d.postmaster.n < sizeof(text) ? d.postmaster.n : 0;
	if (k)
		memcpy(text, d.postmaster.p, k);
	return postmaster_try(x, n, view_make(text, k));
}

static int postmaster_of_all(struct expansion *x, const struct node *n)
{
	char text[ADDRESS_MAX];
	struct view v;
	int err;

	buf_reset(&x->value);
	err = table_get(x->r->table, VIEW("first-account"), &x->value);
	if (err)
		return err;
	v = view_head(buf_view(&x->value), sizeof(text));
	memcpy(text, v.p, v.n);
	return postmaster_try(x, n, view_make(text, v.n));
}

/*
 * RFC 5321 4.5.1: the postmaster of a hosted domain always exists. Where nobody can be found who reads it, the message waits at
 * its sender's until there is an account.
 */
static int visit_postmaster(struct expansion *x, const struct node *n)
{
	int err = postmaster_try(x, n, x->r->postmaster);

	if (err == ERR_NOT_FOUND)
		err = postmaster_of_domain(x, n);
	if (err == ERR_NOT_FOUND)
		err = postmaster_of_all(x, n);
	return err == ERR_NOT_FOUND ? ERR_AGAIN : err;
}

static int visit_hosted(struct expansion *x, const struct node *n)
{
	struct address name = n->address, bare;
	int err;

	entry_fold(&name);
	err = visit_name(x, n, &name);
	if (err == ERR_NOT_FOUND && !n->account_only && untagged(x->r, &name, &bare))
		err = visit_name(x, n, &bare);
	if (err == ERR_NOT_FOUND && view_eqs(address_local(&name), "postmaster"))
		err = visit_postmaster(x, n);
	/* An alias may point at nobody; the address itself may not exist: no targets in either case. */
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int visit(struct expansion *x, const struct node *n)
{
	int err = is_hosted(x, &n->address);

	if (err == ERR_NOT_FOUND)
		return target_add(x, RESOLVE_REMOTE, 0, address_view(&n->address));
	if (err)
		return err;
	if (n->depth == 0)
		x->out->ours = true;
	return visit_hosted(x, n);
}

/* ---- the whole ---- */

static void expansion_init(struct expansion *x, const struct resolver *r, struct resolved *out)
{
	*x = (struct expansion){ .r = r, .out = out, .arena = arena_new(), .seen = map_new(), .targets = map_new() };
	x->last = &x->first;
	buf_init(&x->key, KEY_MAX);
	buf_init(&x->value, BASE_VALUE_MAX);
	out->count = 0;
	out->ours = false;
	out->err = ERR_OK;
	buf_reset(&out->text);
}

static void expansion_fini(struct expansion *x)
{
	arena_free(x->arena);
	map_free(x->seen);
	map_free(x->targets);
	buf_fini(&x->key);
	buf_fini(&x->value);
}

static enum resolve_outcome outcome_of(const struct resolved *out, int err)
{
	if (err)
		return RESOLVE_LATER;
	if (!out->ours)
		return RESOLVE_FOREIGN;
	return out->count ? RESOLVE_FOUND : RESOLVE_NONE;
}

void resolve(const struct resolver *r, const struct address *address, struct resolved *out)
{
	struct expansion x;
	int err;

	expansion_init(&x, r, out);
	err = enqueue(&x, address, 0, false);
	for (const struct node *n = x.first; n && !err; n = n->next)
		err = visit(&x, n);
	out->err = err;
	out->outcome = outcome_of(out, err);
	expansion_fini(&x);
}

static int account_try(const struct resolver *r, const struct address *name, struct buf *value)
{
	struct buf key;
	int err;

	buf_init(&key, KEY_MAX);
	entry_key(&key, "account", address_view(name));
	buf_reset(value);
	err = buf_ok(&key) ? table_get(r->table, buf_view(&key), value) : ERR_NOT_FOUND;
	buf_fini(&key);
	return err;
}

int resolve_account(const struct resolver *r, const struct address *address, struct address *name, struct buf *value)
{
	struct address bare;
	int err;

	*name = *address;
	entry_fold(name);
	err = account_try(r, name, value);
	if (err != ERR_NOT_FOUND || !untagged(r, name, &bare))
		return err;
	*name = bare;
	return account_try(r, name, value);
}

int resolve_owns(const struct resolver *r, struct view account, const struct address *address, bool *owns)
{
	struct address bare;
	struct resolved *out;
	int err = ERR_OK;

	*owns = view_ieq(address_view(address), account) || (untagged(r, address, &bare) && view_ieq(address_view(&bare), account));
	if (*owns)
		return ERR_OK;
	out = resolved_new();
	resolve(r, address, out);
	if (out->outcome == RESOLVE_LATER)
		err = out->err;
	*owns = out->outcome == RESOLVE_FOUND && out->count == 1 && out->targets[0].kind == RESOLVE_LOCAL &&
		view_eq(resolved_address(out, 0), account);
	resolved_free(out);
	return err;
}
