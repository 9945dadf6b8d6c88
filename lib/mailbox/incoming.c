/* SPDX-License-Identifier: ISC */
#include "mailbox/incoming.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/num.h"

enum { LAYOUT = 1, FIXED = 56 };

static void put_counted(struct buf *b, struct view v)
{
	buf_put16(b, (uint16_t)v.n);
	buf_addv(b, v);
}

void incoming_encode(struct buf *b, const struct incoming *in, const struct incoming_target *targets, size_t n)
{
	INVARIANT(n <= INCOMING_TARGETS_MAX);
	size_t head = FIXED;
	for (size_t i = 0; i < n; i++) {
		INVARIANT(targets[i].mailbox.n <= INCOMING_NAME_MAX && targets[i].flags.n <= INCOMING_FLAGS_MAX);
		head += 4 + targets[i].mailbox.n + targets[i].flags.n;
	}
	buf_put8(b, LAYOUT);
	buf_put8(b, 0);
	buf_put16(b, (uint16_t)n);
	buf_put32(b, (uint32_t)head);
	buf_put64(b, in->id.spool);
	buf_put64(b, in->id.message);
	buf_put32(b, in->id.index);
	buf_put32(b, 0);
	buf_put64(b, in->floor);
	buf_put64(b, in->back);
	buf_put64(b, (uint64_t)in->date);
	for (size_t i = 0; i < n; i++) {
		put_counted(b, targets[i].mailbox);
		put_counted(b, targets[i].flags);
	}
}

static bool get_counted(struct view *rest, size_t max, struct view *out)
{
	if (rest->n < 2)
		return false;
	size_t n = le16_get(rest->p);
	if (n > max || n > rest->n - 2)
		return false;
	*out = view_head(view_skip(*rest, 2), n);
	*rest = view_skip(*rest, 2 + n);
	return true;
}

bool incoming_next_target(struct view *rest, struct incoming_target *out)
{
	return get_counted(rest, INCOMING_NAME_MAX, &out->mailbox) && get_counted(rest, INCOMING_FLAGS_MAX, &out->flags);
}

static bool targets_hold(const struct incoming *in)
{
	struct view rest = in->targets;
	struct incoming_target t;
	for (unsigned i = 0; i < in->ntargets; i++)
		if (!incoming_next_target(&rest, &t))
			return false;
	return rest.n == 0;
}

int incoming_decode(struct view v, struct incoming *out)
{
	if (v.n < FIXED || v.p[0] != LAYOUT || v.p[1] != 0 || le32_get(v.p + 28) != 0)
		return ERR_DAMAGED;
	struct incoming in = {
		.ntargets = le16_get(v.p + 2),
		.head = le32_get(v.p + 4),
		.id = { le64_get(v.p + 8), le64_get(v.p + 16), le32_get(v.p + 24) },
		.floor = le64_get(v.p + 32),
		.back = le64_get(v.p + 40),
		.date = (int64_t)le64_get(v.p + 48),
	};
	if (in.ntargets > INCOMING_TARGETS_MAX || in.head < FIXED || in.head > v.n)
		return ERR_DAMAGED;
	in.targets = view_make(v.p + FIXED, in.head - FIXED);
	if (!targets_hold(&in))
		return ERR_DAMAGED;
	*out = in;
	return ERR_OK;
}

void incoming_home(uint32_t uid, char out[INCOMING_HOME_MAX])
{
	(void)snprintf(out, INCOMING_HOME_MAX, "%02x/%u", (unsigned)(uid & 0xff), (unsigned)uid);
}
