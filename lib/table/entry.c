/* SPDX-License-Identifier: ISC */
#include "table/entry.h"

#include "base/num.h"

bool entry_address(struct view v, struct address *out)
{
	return address_mailbox(v, ADDRESS_UTF8, out) && out->domain < out->n;
}

void entry_fold(struct address *a)
{
	for (size_t i = 0; i < a->n; i++)
		a->text[i] = ascii_lower(a->text[i]);
}

bool entry_field(struct view value, const char *name, struct view *out)
{
	struct view line, key;

	while (view_cut(&value, '\n', &line))
		if (view_cut(&line, '=', &key) && line.p && view_eqs(key, name)) {
			*out = line;
			return true;
		}
	return false;
}

static bool field_number(struct view value, const char *name, uint64_t max, uint64_t *out)
{
	struct view v;

	return entry_field(value, name, &v) && num_u64(v, max, out);
}

static void put_text(struct buf *b, const char *name, struct view v)
{
	buf_adds(b, name);
	buf_addc(b, '=');
	buf_addv(b, v);
	buf_addc(b, '\n');
}

static void put_number(struct buf *b, const char *name, uint64_t u)
{
	buf_adds(b, name);
	buf_addc(b, '=');
	buf_addu(b, u);
	buf_addc(b, '\n');
}

int entry_account_get(struct view value, struct entry_account *out)
{
	uint64_t uid, created, disabled;

	*out = (struct entry_account){ 0 };
	if (!field_number(value, "uid", UINT32_MAX - 1, &uid) || !field_number(value, "created", UINT64_MAX, &created) ||
		!field_number(value, "disabled", 1, &disabled))
		return ERR_DAMAGED;
	out->uid = (uint32_t)uid;
	out->created = created;
	out->disabled = disabled;
	/* An account without a password exists; nobody can log in to it. */
	(void)entry_field(value, "password", &out->password);
	(void)entry_field(value, "scram", &out->scram);
	return ERR_OK;
}

void entry_account_put(struct buf *b, const struct entry_account *a)
{
	put_number(b, "uid", a->uid);
	put_number(b, "created", a->created);
	put_number(b, "disabled", a->disabled);
	put_text(b, "password", a->password);
	put_text(b, "scram", a->scram);
}

int entry_domain_get(struct view value, struct entry_domain *out)
{
	*out = (struct entry_domain){ 0 };
	if (!field_number(value, "created", UINT64_MAX, &out->created))
		return ERR_DAMAGED;
	(void)entry_field(value, "postmaster", &out->postmaster);
	return ERR_OK;
}

void entry_domain_put(struct buf *b, const struct entry_domain *d)
{
	put_number(b, "created", d->created);
	put_text(b, "postmaster", d->postmaster);
}

void entry_key(struct buf *b, const char *kind, struct view name)
{
	buf_adds(b, kind);
	buf_addc(b, ':');
	buf_addv(b, name);
}

void entry_key_uid(struct buf *b, uint32_t uid)
{
	buf_adds(b, "uid:");
	buf_addu(b, uid);
}
