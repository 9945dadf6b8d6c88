/* SPDX-License-Identifier: ISC */
#include "mailbox/carry.h"

#include "base/map.h"
#include "base/num.h"
#include "mailbox/incoming.h"

enum { KEY = 20, FRAME_MOST = 1 << 30 };

struct carry {
	struct journal *to;
	struct map *known; /* the ids that `to` has */
	bool any;          /* `to` has a delivery */
	uint64_t back;     /* of its last one */
	struct carry_result *r;
};

int carry_open(int dirfd, struct journal **out)
{
	struct journal_options o = { .role = JOURNAL_OWNER, .segment_size = INCOMING_SEGMENT, .frame_max = FRAME_MOST, .mode = 0640, .create = true,
		.own = true };
	return journal_open(dirfd, &o, out);
}

static struct view key_of(const struct incoming_id *id, char key[KEY])
{
	le64_put(key, id->spool);
	le64_put(key + 8, id->message);
	le32_put(key + 16, id->index);
	return view_make(key, KEY);
}

static void know(struct carry *c, const struct incoming *in)
{
	char key[KEY];
	(void)map_set(c->known, key_of(&in->id, key), c);
	c->back = in->back;
	c->any = true;
}

static int know_one(void *arg, const struct journal_record *r)
{
	struct incoming in;
	if (r->kind == INCOMING_MESSAGE && incoming_decode(r->payload, &in) == ERR_OK)
		know(arg, &in);
	return ERR_OK;
}

/*
 * The floor is the spool's, whatever stream it stands in. Those of this stream that may be offered again stand where its last delivery says; all that are
 * carried stand behind that.
 */
static void encode(struct carry *c, struct incoming *in, struct buf *b)
{
	struct incoming_target targets[INCOMING_TARGETS_MAX];
	struct view rest = in->targets;
	size_t n = 0;
	in->back = c->any ? c->back : journal_end(c->to);
	while (n < in->ntargets && incoming_next_target(&rest, &targets[n]))
		n++;
	incoming_encode(b, in, targets, n);
}

static int append(struct carry *c, struct incoming *in, struct view message)
{
	struct buf b;
	buf_init(&b, INCOMING_HEAD_MAX);
	encode(c, in, &b);
	struct journal_frame f = { .kind = INCOMING_MESSAGE, .parts = { buf_view(&b), message } };
	int err = journal_append(c->to, journal_end(c->to), &f, 1);
	buf_fini(&b);
	if (err == ERR_OK) {
		know(c, in);
		c->r->carried++;
	}
	return err;
}

static int carry_one(void *arg, const struct journal_record *r)
{
	struct carry *c = arg;
	struct incoming in;
	char key[KEY];
	if (r->kind != INCOMING_MESSAGE || incoming_decode(r->payload, &in) != ERR_OK || map_get(c->known, key_of(&in.id, key)))
		return ERR_OK;
	return append(c, &in, view_skip(r->payload, in.head));
}

static void damaged(void *arg, uint64_t from, uint64_t to)
{
	struct carry_result *r = arg;
	(void)from;
	(void)to;
	r->damaged++;
}

int carry_over(struct journal *from, uint64_t position, struct journal *to, struct carry_result *r)
{
	struct carry c = { .to = to, .known = map_new(), .r = r };
	uint64_t next;
	*r = (struct carry_result){ 0 };
	journal_on_damage(from, damaged, r);
	int err = journal_scan(to, journal_start(to), know_one, &c, &next);
	if (err == ERR_OK)
		err = journal_scan(from, position, carry_one, &c, &next);
	if (err == ERR_OK)
		err = journal_flush(to);
	map_free(c.known);
	return err;
}
