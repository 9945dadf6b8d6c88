/* SPDX-License-Identifier: ISC */
#include "accounts/change.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

#define KEY_MAX 400
#define CHANGES_MAX 6

/* The changes of one record, with the memory that they stand in. */
struct record {
	struct arena *arena;
	struct delta_change changes[CHANGES_MAX];
	size_t n;
};

/* Says "NAMEtext" and gives err back. */
static int refuse(struct change *c, int err, struct view name, const char *text)
{
	buf_reset(c->why);
	buf_addv(c->why, name);
	buf_adds(c->why, text);
	return err;
}

/* ---- reading ---- */

static int get(struct change *c, const char *kind, struct view name, struct buf *value)
{
	struct buf key;
	int err;

	buf_init(&key, KEY_MAX);
	entry_key(&key, kind, name);
	buf_reset(value);
	err = table_refresh(table_writer_table(c->w));
	if (!err)
		err = buf_ok(&key) ? table_get(table_writer_table(c->w), buf_view(&key), value) : ERR_NOT_FOUND;
	buf_fini(&key);
	if (err && err != ERR_NOT_FOUND)
		return refuse(c, err, VIEW_NONE, "the tables cannot be read; see the log, and postrider-tables(5)");
	return err;
}

static int exists(struct change *c, const char *kind, struct view name)
{
	struct buf value;
	int err;

	buf_init(&value, BASE_VALUE_MAX);
	err = get(c, kind, name, &value);
	buf_fini(&value);
	return err;
}

static int address_take(struct change *c, struct view text, struct address *a)
{
	if (!entry_address(text, a))
		return refuse(c, ERR_INVALID, text, ": not an address; expected name@domain");
	entry_fold(a);
	if (address_local(a).p[0] == '"')
		return refuse(c, ERR_INVALID, text, ": an address that needs quotes is not offered");
	return ERR_OK;
}

static int domain_hosted(struct change *c, const struct address *a)
{
	int err = exists(c, "domain", address_domain(a));

	if (err == ERR_NOT_FOUND)
		return refuse(c, err, address_domain(a), " is not a domain of this host; add it first: postrider domain add");
	return err;
}

/* ---- writing ---- */

static void record_init(struct record *r) { *r = (struct record){ .arena = arena_new() }; }

static struct view record_key(struct record *r, const char *kind, struct view name)
{
	struct buf b;
	struct view v;

	buf_init(&b, KEY_MAX);
	entry_key(&b, kind, name);
	INVARIANT(buf_ok(&b));
	v = arena_view(r->arena, buf_view(&b));
	buf_fini(&b);
	return v;
}

static void record_put(struct record *r, struct view key, struct view value)
{
	INVARIANT(r->n < CHANGES_MAX);
	r->changes[r->n++] = (struct delta_change){ .key = key, .value = arena_view(r->arena, value) };
}

static void record_del(struct record *r, struct view key)
{
	INVARIANT(r->n < CHANGES_MAX);
	r->changes[r->n++] = (struct delta_change){ .del = true, .key = key };
}

static int record_end(struct change *c, struct record *r)
{
	int err = table_append(c->w, r->changes, r->n);

	arena_free(r->arena);
	if (err)
		(void)refuse(c, err, VIEW_NONE, err == ERR_FULL ? "the disk of the tables is full" : "the tables cannot be written; see the log");
	return err;
}

/* ---- domains ---- */

static int domain_take(struct change *c, struct view text, struct view *out, char room[256])
{
	if (!address_is_domain(text, false) || text.n > 255)
		return refuse(c, ERR_INVALID, text, ": not a domain; expected a name such as example.test (in its xn-- form where it is international)");
	for (size_t i = 0; i < text.n; i++)
		room[i] = ascii_lower(text.p[i]);
	*out = view_make(room, text.n);
	return ERR_OK;
}

int change_domain_add(struct change *c, struct view text)
{
	struct entry_domain d = { .created = c->now };
	struct record r;
	struct view name;
	struct buf value;
	char room[256];
	int err = domain_take(c, text, &name, room);

	if (!err)
		err = exists(c, "domain", name);
	if (err == ERR_OK)
		return refuse(c, ERR_EXISTS, name, " is a domain of this host already");
	if (err != ERR_NOT_FOUND)
		return err;
	buf_init(&value, BASE_VALUE_MAX);
	entry_domain_put(&value, &d);
	record_init(&r);
	record_put(&r, record_key(&r, "domain", name), buf_view(&value));
	buf_fini(&value);
	return record_end(c, &r);
}

/* The first key of this kind in this domain, other than `but`: ERR_NOT_FOUND when there is none. *found gets the address. */
static int find_in_domain(struct change *c, const char *prefix, struct view domain, struct view but, struct buf *found)
{
	struct table_walk *w;
	struct view key, value;
	int err = table_walk_new(c->dir, ENTRY_TABLE, view_of(prefix), &w);

	if (err)
		return refuse(c, err, VIEW_NONE, "the tables cannot be read; see the log");
	while ((err = table_walk_next(w, &key, &value)) == ERR_OK) {
		struct view name = view_skip(key, strlen(prefix));
		size_t at = view_rfind(name, '@');

		if (at == SIZE_MAX || view_eq(name, but) || (domain.n && !view_eq(view_skip(name, at + 1), domain)))
			continue;
		buf_reset(found);
		buf_addv(found, name);
		break;
	}
	table_walk_free(w);
	return err == ERR_END ? ERR_NOT_FOUND : err;
}

int change_domain_delete(struct change *c, struct view text)
{
	struct record r;
	struct view name;
	struct buf found;
	char room[256];
	int err = domain_take(c, text, &name, room);

	if (!err)
		err = exists(c, "domain", name);
	if (err == ERR_NOT_FOUND)
		return refuse(c, err, name, " is not a domain of this host");
	if (err)
		return err;
	buf_init(&found, ADDRESS_MAX);
	err = find_in_domain(c, "account:", name, VIEW_NONE, &found);
	if (err == ERR_NOT_FOUND)
		err = find_in_domain(c, "alias:", name, VIEW_NONE, &found);
	if (err == ERR_OK)
		err = refuse(c, ERR_EXISTS, buf_view(&found), " is in this domain; delete its accounts and aliases first");
	buf_fini(&found);
	if (err != ERR_NOT_FOUND)
		return err;
	record_init(&r);
	record_del(&r, record_key(&r, "domain", name));
	return record_end(c, &r);
}

/* ---- accounts ---- */

int change_account_check(struct change *c, struct view text, struct address *a)
{
	int err = address_take(c, text, a);

	if (!err)
		err = domain_hosted(c, a);
	if (err)
		return err;
	err = exists(c, "account", address_view(a));
	if (err == ERR_OK)
		return refuse(c, ERR_EXISTS, address_view(a), " exists already");
	if (err == ERR_NOT_FOUND)
		err = exists(c, "alias", address_view(a));
	if (err == ERR_OK)
		return refuse(c, ERR_EXISTS, address_view(a), " is an alias, which would take the account's mail; delete the alias first");
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static int uid_next(struct change *c, uint32_t *uid)
{
	struct buf value;
	uint64_t u = c->uid_first;
	int err;

	buf_init(&value, 32);
	err = table_get(table_writer_table(c->w), VIEW("next-uid"), &value);
	if (!err && !num_u64(buf_view(&value), UINT32_MAX, &u))
		err = ERR_DAMAGED;
	buf_fini(&value);
	if (err && err != ERR_NOT_FOUND)
		return refuse(c, err, VIEW_NONE, "the tables cannot be read; see the log");
	if (u < c->uid_first)
		u = c->uid_first;
	if (u > c->uid_last)
		return refuse(c, ERR_LIMIT, VIEW_NONE, "all uids for accounts are used up; raise uid_count");
	*uid = (uint32_t)u;
	return ERR_OK;
}

static void record_uid(struct record *r, uint32_t uid, struct view account)
{
	struct buf b;

	buf_init(&b, KEY_MAX);
	entry_key_uid(&b, uid);
	record_put(r, arena_view(r->arena, buf_view(&b)), account);
	buf_reset(&b);
	buf_addu(&b, (uint64_t)uid + 1);
	record_put(r, VIEW("next-uid"), buf_view(&b));
	buf_fini(&b);
}

static void record_account(struct record *r, struct view name, const struct entry_account *a)
{
	struct buf b;

	buf_init(&b, BASE_VALUE_MAX);
	entry_account_put(&b, a);
	record_put(r, record_key(r, "account", name), buf_view(&b));
	mem_wipe(b.mem, b.cap);
	buf_fini(&b);
}

static void record_postmaster(struct record *r, struct view domain, struct entry_domain d, struct view postmaster)
{
	struct buf b;

	d.postmaster = postmaster;
	buf_init(&b, BASE_VALUE_MAX);
	entry_domain_put(&b, &d);
	record_put(r, record_key(r, "domain", domain), buf_view(&b));
	buf_fini(&b);
}

/* The first account of a domain reads its postmaster's mail; the first of all, that of domains without an account. */
static int record_firsts(struct change *c, struct record *r, const struct address *a)
{
	struct entry_domain d;
	struct buf value;
	int err;

	buf_init(&value, BASE_VALUE_MAX);
	err = get(c, "domain", address_domain(a), &value);
	if (!err)
		err = entry_domain_get(buf_view(&value), &d);
	if (!err && d.postmaster.n == 0)
		record_postmaster(r, address_domain(a), d, address_view(a));
	buf_reset(&value);
	if (!err) {
		err = table_get(table_writer_table(c->w), VIEW("first-account"), &value);
		if (err == ERR_NOT_FOUND) {
			record_put(r, VIEW("first-account"), address_view(a));
			err = ERR_OK;
		}
	}
	buf_fini(&value);
	return err;
}

int change_account_add(struct change *c, struct view text, struct view password, struct view scram, uint32_t *uid)
{
	struct entry_account account = { .created = c->now, .password = password, .scram = scram };
	struct record r;
	struct address a;
	int err = change_account_check(c, text, &a);

	if (!err)
		err = uid_next(c, uid);
	if (err)
		return err;
	account.uid = *uid;
	record_init(&r);
	record_account(&r, address_view(&a), &account);
	record_uid(&r, *uid, address_view(&a));
	err = record_firsts(c, &r, &a);
	if (err) {
		arena_free(r.arena);
		return refuse(c, err, VIEW_NONE, "the tables cannot be read; see the log");
	}
	return record_end(c, &r);
}

/* Reads the account's entry; its views stand in value. */
static int account_read(struct change *c, struct view text, struct address *a, struct buf *value, struct entry_account *account)
{
	int err = address_take(c, text, a);

	if (!err)
		err = get(c, "account", address_view(a), value);
	if (err == ERR_NOT_FOUND)
		return refuse(c, err, address_view(a), ": there is no such account");
	if (!err && entry_account_get(buf_view(value), account) != ERR_OK)
		return refuse(c, ERR_DAMAGED, address_view(a), ": its entry is damaged; see postrider-tables(5)");
	return err;
}

static int account_write(struct change *c, const struct address *a, const struct entry_account *account)
{
	struct record r;

	record_init(&r);
	record_account(&r, address_view(a), account);
	return record_end(c, &r);
}

int change_account_password(struct change *c, struct view text, struct view password, struct view scram)
{
	struct entry_account account;
	struct address a;
	struct buf value;
	int err;

	buf_init(&value, BASE_VALUE_MAX);
	err = account_read(c, text, &a, &value, &account);
	if (!err) {
		account.password = password;
		account.scram = scram;
		err = account_write(c, &a, &account);
	}
	buf_fini(&value);
	return err;
}

int change_account_disable(struct change *c, struct view text, bool disabled)
{
	struct entry_account account;
	struct address a;
	struct buf value;
	int err;

	buf_init(&value, BASE_VALUE_MAX);
	err = account_read(c, text, &a, &value, &account);
	if (!err) {
		account.disabled = disabled;
		err = account_write(c, &a, &account);
	}
	buf_fini(&value);
	return err;
}

/* Another account takes the place of one that was a postmaster's. */
static int record_heirs(struct change *c, struct record *r, const struct address *a)
{
	struct entry_domain d;
	struct buf value, heir;
	int err;

	buf_init(&value, BASE_VALUE_MAX);
	buf_init(&heir, ADDRESS_MAX);
	err = get(c, "domain", address_domain(a), &value);
	if (!err)
		err = entry_domain_get(buf_view(&value), &d);
	if (!err && view_eq(d.postmaster, address_view(a))) {
		err = find_in_domain(c, "account:", address_domain(a), address_view(a), &heir);
		if (!err || err == ERR_NOT_FOUND)
			record_postmaster(r, address_domain(a), d, buf_view(&heir));
	}
	buf_reset(&value);
	if (!err || err == ERR_NOT_FOUND)
		err = table_get(table_writer_table(c->w), VIEW("first-account"), &value);
	if (!err && view_eq(buf_view(&value), address_view(a))) {
		if (buf_len(&heir) == 0)
			err = find_in_domain(c, "account:", VIEW_NONE, address_view(a), &heir);
		if (buf_len(&heir))
			record_put(r, VIEW("first-account"), buf_view(&heir));
		else
			record_del(r, VIEW("first-account"));
	}
	buf_fini(&value);
	buf_fini(&heir);
	return err == ERR_NOT_FOUND ? ERR_OK : err;
}

int change_account_delete(struct change *c, struct view text, uint32_t *uid)
{
	struct entry_account account;
	struct record r;
	struct address a;
	struct buf value;
	int err;

	buf_init(&value, BASE_VALUE_MAX);
	err = account_read(c, text, &a, &value, &account);
	*uid = account.uid;
	buf_fini(&value);
	if (err)
		return err;
	record_init(&r);
	record_del(&r, record_key(&r, "account", address_view(&a)));
	err = record_heirs(c, &r, &a);
	if (err) {
		arena_free(r.arena);
		return refuse(c, err, VIEW_NONE, "the tables cannot be read; see the log");
	}
	return record_end(c, &r);
}

/* ---- aliases ---- */

static int targets_put(struct change *c, struct buf *b, const struct view *targets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct address a;

		if (!entry_address(targets[i], &a))
			return refuse(c, ERR_INVALID, targets[i], ": not an address; expected name@domain");
		if (i)
			buf_addc(b, '\n');
		buf_addv(b, address_view(&a));
	}
	return ERR_OK;
}

int change_alias_set(struct change *c, struct view text, const struct view *targets, size_t n)
{
	struct record r;
	struct address a;
	struct buf value;
	int err = address_take(c, text, &a);

	if (!err)
		err = domain_hosted(c, &a);
	if (!err && (n == 0 || n > ENTRY_TARGETS_MAX))
		err = refuse(c, ERR_INVALID, address_view(&a), ": an alias has 1 to 1000 targets");
	if (err)
		return err;
	buf_init(&value, BASE_VALUE_MAX);
	err = targets_put(c, &value, targets, n);
	if (!err) {
		record_init(&r);
		record_put(&r, record_key(&r, "alias", address_view(&a)), buf_view(&value));
		err = record_end(c, &r);
	}
	buf_fini(&value);
	return err;
}

int change_alias_delete(struct change *c, struct view text)
{
	struct record r;
	struct address a;
	int err = address_take(c, text, &a);

	if (!err)
		err = exists(c, "alias", address_view(&a));
	if (err == ERR_NOT_FOUND)
		return refuse(c, err, address_view(&a), ": there is no such alias");
	if (err)
		return err;
	record_init(&r);
	record_del(&r, record_key(&r, "alias", address_view(&a)));
	return record_end(c, &r);
}
