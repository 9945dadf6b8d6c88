/* SPDX-License-Identifier: ISC */
#include "mailbox/records.h"

#include "mailbox/varint.h"

static void put_num(struct buf *b, uint64_t v) { varint_put(b, v); }
static void put_snum(struct buf *b, int64_t v) { varint_put_signed(b, v); }
static void put_text(struct buf *b, struct view v)
{
	varint_put(b, v.n);
	buf_addv(b, v);
}

/* At the end of the payload a field is zero: the record was written by a version that did not have it. */
static bool get_num(struct view *v, uint64_t *out) { return v->n == 0 || varint_get(v, out); }
static bool get_snum(struct view *v, int64_t *out) { return v->n == 0 || varint_get_signed(v, out); }
static bool get_text(struct view *v, struct view *out)
{
	uint64_t n;
	if (v->n == 0)
		return true;
	if (!varint_get(v, &n) || n > v->n)
		return false;
	*out = view_head(*v, (size_t)n);
	*v = view_skip(*v, (size_t)n);
	return true;
}

#define PUT_FIELD(type, name) put_##type(b, r->name);
#define GET_FIELD(type, name) &&get_##type(&v, &r->name)
#define DEFINE(number, name)                                            \
	void record_put_##name(struct buf *b, const struct record_##name *r) \
	{                                                                    \
		RECORD_FIELDS_##name(PUT_FIELD)                                   \
	}                                                                    \
	bool record_get_##name(struct view v, struct record_##name *r)       \
	{                                                                    \
		*r = (struct record_##name){ 0 };                                 \
		return true RECORD_FIELDS_##name(GET_FIELD);                      \
	}
RECORD_TABLE(DEFINE)
RECORD_ITEM_TABLE(DEFINE)

void record_add_item(struct buf *list, struct buf *item)
{
	put_text(list, buf_view(item));
	buf_reset(item);
}

bool record_next_item(struct view *rest, struct view *item)
{
	if (rest->n == 0)
		return false;
	if (get_text(rest, item))
		return true;
	*rest = VIEW_NONE;
	return false;
}

const char *record_name(unsigned kind)
{
	switch (kind) {
	case RECORD_content:
		return "content";
#define X(number, name)   \
	case RECORD_##name: \
		return #name;
		RECORD_TABLE(X)
#undef X
	default:
		return NULL;
	}
}

static void dump_num(struct buf *b, const char *name, uint64_t v) { buf_printf(b, " %s=%llu", name, (unsigned long long)v); }
static void dump_text(struct buf *b, const char *name, struct view v)
{
	bool plain = true;
	for (size_t i = 0; i < v.n && plain; i++)
		plain = ascii_isprint(v.p[i]) && v.p[i] != '"';
	buf_printf(b, " %s=", name);
	if (plain) {
		buf_addc(b, '"');
		buf_addv(b, v);
		buf_addc(b, '"');
	} else {
		buf_addhex(b, v.p, v.n);
	}
}

#define DUMP_FIELD(type, name) dump_##type(b, #name, r.name);
#define DUMP(number, name)                                            \
	static void dump_##name##_record(struct buf *b, struct view v)     \
	{                                                                  \
		struct record_##name r;                                         \
		if (record_get_##name(v, &r)) {                                 \
			RECORD_FIELDS_##name(DUMP_FIELD)                             \
		} else {                                                        \
			buf_adds(b, " malformed");                                   \
		}                                                               \
	}
RECORD_TABLE(DUMP)

void record_dump(struct buf *b, unsigned kind, struct view payload)
{
	const char *name = record_name(kind);
	if (!name) {
		buf_printf(b, "kind-%u octets=%zu", kind, payload.n);
		return;
	}
	buf_adds(b, name);
	switch (kind) {
#define X(number, record)                   \
	case RECORD_##record:                    \
		dump_##record##_record(b, payload);   \
		break;
		RECORD_TABLE(X)
#undef X
	default:
		buf_printf(b, " octets=%zu", payload.n);
	}
}
