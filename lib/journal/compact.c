/* SPDX-License-Identifier: ISC */
/* Compaction and dropping: postrider-journal(5), Compaction, Drop. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/internal.h"
#include "sys/clock.h"

#define OUT_SIZE (1u << 20)
#define TABLE_STEP 65536u

/* Runs of positions whose frames stay. */
struct run {
	uint64_t from, to;
};

/* A group of neighbouring files that one compacted file will replace. */
struct group {
	struct journal *j;
	size_t first, n; /* in j->segments */
	journal_live_fn *live;
	void *live_arg;
	struct run *runs;
	size_t nruns, cap;
	uint64_t kept, dead; /* octets */
	/* The copy. */
	struct object *out;
	uint32_t salt_sum;
	struct buf octets; /* not written yet */
	uint64_t at;       /* where they go */
	struct buf table;
	uint64_t table_last;
	size_t run; /* the current one */
};

static int count_frame(void *arg, const struct frame_at *f)
{
	struct group *g = arg;
	struct journal_record r = { f->head.position, f->head.position + f->size, f->head.kind,
		view_make(f->payload, f->head.length) };

	if (!g->live(g->live_arg, &r)) {
		g->dead += f->size;
		return ERR_OK;
	}
	g->kept += f->size;
	if (g->nruns > 0 && g->runs[g->nruns - 1].to == r.position) {
		g->runs[g->nruns - 1].to = r.next;
		return ERR_OK;
	}
	if (g->nruns == g->cap) {
		g->cap = g->cap == 0 ? 64 : g->cap * 2;
		g->runs = mem_resize(g->runs, g->cap * sizeof(*g->runs));
	}
	g->runs[g->nruns++] = (struct run){ r.position, r.next };
	return ERR_OK;
}

static int out_write(struct group *g)
{
	struct view v = buf_view(&g->octets);
	struct iovec iov = { (void *)(uintptr_t)v.p, v.n };
	size_t done;
	int r = g->out->backend->ops->append(g->out, g->at, &iov, 1, &done);

	g->at += v.n;
	buf_reset(&g->octets);
	return r;
}

static int copy_frame(void *arg, const struct frame_at *f)
{
	struct group *g = arg;
	uint64_t at = g->at + buf_len(&g->octets);
	struct frame_head h = f->head;
	uint8_t head[FRAME_HEAD];
	static const char zeros[8];

	while (g->run < g->nruns && g->runs[g->run].to <= h.position)
		g->run++;
	if (g->run == g->nruns || h.position < g->runs[g->run].from)
		return ERR_OK;
	if (buf_len(&g->table) == 0 || at - g->table_last >= TABLE_STEP) {
		buf_put64(&g->table, h.position);
		buf_put64(&g->table, at);
		g->table_last = at;
	}
	h.sum = crc32c(frame_seed(g->salt_sum, h.position), f->payload, h.length);
	frame_head_put(head, g->salt_sum, &h);
	buf_add(&g->octets, head, sizeof(head));
	buf_add(&g->octets, f->payload, h.length);
	buf_add(&g->octets, zeros, frame_pad(h.length));
	return buf_len(&g->octets) >= OUT_SIZE ? out_write(g) : ERR_OK;
}

static bool may_compact(const struct journal *j, const struct segment *s)
{
	return s != j->head && !s->damaged && s->end_stated && s->end <= j->durable;
}

/* Counts what lives in segment i and takes it into the group. */
static int group_add(struct group *g, size_t i)
{
	struct segment *s = g->j->segments[i];
	uint64_t next;
	int r;

	if (s->end == s->head.first) {
		g->dead += FRAME_BEGIN_SIZE; /* cut away as a whole: the file goes */
		r = ERR_OK;
	} else {
		r = segment_walk(g->j, s, 0, count_frame, g, &next);
	}
	g->n++;
	return r;
}

/* Takes neighbours as long as the result stays about one segment's size. */
static int group_gather(struct group *g, size_t i)
{
	struct journal *j = g->j;
	int r = ERR_OK;

	g->first = i;
	for (; i < j->n && may_compact(j, j->segments[i]) && r == ERR_OK; i++) {
		if (g->n > 0 && (g->kept >= j->o.segment_size / 2 ||
				 j->segments[i]->head.first != j->segments[i - 1]->head.limit))
			break;
		r = group_add(g, i);
	}
	return r;
}

static void group_head(const struct group *g, struct segment_head *h)
{
	struct journal *j = g->j;
	struct segment *last = j->segments[g->first + g->n - 1];

	*h = (struct segment_head){ .type = SEGMENT_COMPACTED, .salt = random_u64(), .first = j->segments[g->first]->head.first,
		.limit = last->head.limit, .cut = NO_CUT, .end = last->end, .size = 0 };
	for (size_t i = g->first; i < g->first + g->n; i++) {
		const struct segment *s = j->segments[i];

		if (s->name.generation >= h->generation)
			h->generation = s->name.generation;
		if (s->cut < h->cut)
			h->cut = s->cut;
	}
	h->generation++;
}

static int copy_all(struct group *g)
{
	int r = ERR_OK;

	for (size_t i = g->first; i < g->first + g->n && r == ERR_OK; i++) {
		struct segment *s = g->j->segments[i];
		uint64_t next;

		if (s->end > s->head.first)
			r = segment_walk(g->j, s, 0, copy_frame, g, &next);
	}
	if (r == ERR_OK)
		r = out_write(g);
	return r;
}

static int finish_head(struct group *g, struct segment_head *h)
{
	uint8_t head[SEGMENT_DATA];
	struct view table = buf_view(&g->table);
	struct iovec iov = { (void *)(uintptr_t)table.p, table.n };
	size_t done;
	int r;

	h->table_at = g->at;
	h->entries = (uint32_t)(table.n / SEGMENT_TABLE_ENTRY);
	h->table_sum = crc32c(0, table.p, table.n);
	r = g->out->backend->ops->append(g->out, g->at, &iov, 1, &done);
	if (r != ERR_OK)
		return r;
	segment_head_put(head, h);
	iov = (struct iovec){ head, sizeof(head) };
	return g->out->backend->ops->append(g->out, 0, &iov, 1, &done);
}

/* Writes the group's compacted file, flushed and named; the name is not. */
static int group_write(struct group *g)
{
	struct backend *b = g->j->backend;
	struct segment_head h;
	struct object_name name;
	int r;

	group_head(g, &h);
	g->salt_sum = frame_salt_sum(h.salt);
	g->at = SEGMENT_DATA;
	buf_init(&g->octets, OUT_SIZE + FRAME_PAYLOAD_MAX + 4096);
	buf_init(&g->table, SIZE_MAX);
	r = b->ops->create_new(b, &g->out);
	if (r == ERR_OK) {
		name = (struct object_name){ h.first, h.limit, h.generation };
		r = copy_all(g);
		if (r == ERR_OK)
			r = finish_head(g, &h);
		if (r == ERR_OK)
			r = object_flush(g->out);
		if (r == ERR_OK)
			r = b->ops->publish(g->out, &name);
		if (r != ERR_OK)
			(void)b->ops->discard(b, g->out); /* or it is state S14 */
		object_unref(g->out);
	}
	buf_fini(&g->octets);
	buf_fini(&g->table);
	return r;
}

/* Neighbours are joined where both are small, so that old streams do not stay in many small files. */
static bool worth_it(const struct group *g)
{
	return g->dead > 0 || (g->n > 1 && g->kept < g->j->o.segment_size / 2);
}

int remove_losers(struct journal *j)
{
	struct object_name *losers;
	size_t n;
	int r = chain_load(j, &losers, &n);

	/* The winner's name first: it may have been given by a process that died before it flushed the directory. */
	if (r == ERR_OK && n > 0)
		r = j->backend->ops->flush_names(j->backend);
	for (size_t i = 0; i < n && r == ERR_OK; i++) {
		r = j->backend->ops->drop(j->backend, &losers[i]);
		if (r == ERR_NOT_FOUND)
			r = ERR_OK;
	}
	free(losers);
	if (chain_reload(j) != ERR_OK && r == ERR_OK)
		r = ERR_IO;
	return r;
}

static int compact_group(struct journal *j, size_t i, journal_live_fn *live, void *arg, uint64_t *work)
{
	struct group g = { .j = j, .live = live, .live_arg = arg };
	int r = group_gather(&g, i);

	*work += g.kept + g.dead;
	j->compact_at = g.n > 0 ? j->segments[i + g.n - 1]->head.limit : NO_CUT;
	if (r == ERR_OK && g.n > 0 && worth_it(&g)) {
		r = group_write(&g);
		*work += g.kept;
		if (r == ERR_OK)
			r = remove_losers(j);
	}
	free(g.runs);
	return r;
}

static int compact_locked(struct journal *j, journal_live_fn *live, void *arg, uint64_t budget, bool *more)
{
	uint64_t work = 0;
	int r = j->compact_at == 0 ? j->backend->ops->discard(j->backend, NULL) : ERR_OK;

	while (r == ERR_OK) {
		size_t i = 0;

		while (i < j->n && (j->segments[i]->head.first < j->compact_at || !may_compact(j, j->segments[i])))
			i++;
		if (i == j->n || j->compact_at == NO_CUT) {
			*more = false;
			j->compact_at = 0;
			return ERR_OK;
		}
		if (budget > 0 && work >= budget) {
			*more = true;
			return ERR_OK;
		}
		r = compact_group(j, i, live, arg, &work);
	}
	return r;
}

int journal_compact(struct journal *j, journal_live_fn *live, void *arg, uint64_t budget, bool *more)
{
	int r;

	*more = false;
	if (j->o.role == JOURNAL_READER)
		return ERR_DENIED;
	r = j->backend->ops->lock(j->backend, BACKEND_LOCK_COMPACT, true, false);
	if (r != ERR_OK)
		return r;
	r = journal_refresh(j);
	if (r == ERR_OK)
		r = compact_locked(j, live, arg, budget, more);
	j->backend->ops->unlock(j->backend, BACKEND_LOCK_COMPACT);
	return r;
}

/* Removes a name when all that was removed before it is gone for good, so that never a lower file outlives a higher one. */
static int drop_name(struct journal *j, const struct object_name *name)
{
	int r = j->backend->ops->flush_names(j->backend);

	if (r == ERR_OK)
		r = j->backend->ops->drop(j->backend, name);
	return r == ERR_NOT_FOUND ? ERR_OK : r;
}

static bool may_drop(const struct journal *j, size_t i, uint64_t position)
{
	const struct segment *s = j->segments[i];

	return i + 1 < j->n && s->head.limit <= position && s->end <= j->durable;
}

int journal_drop(struct journal *j, uint64_t position)
{
	struct object_name *losers;
	size_t n;
	int r = chain_load(j, &losers, &n);

	for (size_t i = 0; i < n && r == ERR_OK; i++)
		r = drop_name(j, &losers[i]);
	free(losers);
	for (n = 0; r == ERR_OK && may_drop(j, n, position); n++)
		r = drop_name(j, &j->segments[n]->name);
	if (r == ERR_OK && n > 0)
		r = j->backend->ops->flush_names(j->backend);
	if (chain_reload(j) != ERR_OK && r == ERR_OK)
		r = ERR_IO;
	return r;
}

struct aside {
	struct backend *to;
	journal_damaged_fn *damaged;
	void *arg;
	bool share;
	uint64_t n;
};

static int set_aside(struct journal *j, const struct segment *s, struct aside *a)
{
	struct object *o;
	int r;

	if (!s->damaged && !a->damaged(a->arg, s->head.first, s->head.limit))
		return ERR_OK;
	r = object_take(j->backend, &s->name, a->to, a->share);
	if (r == ERR_OK)
		r = a->to->ops->open(a->to, &s->name, true, &o);
	if (r == ERR_OK) {
		r = object_flush(o);
		object_unref(o);
	}
	if (r == ERR_OK)
		r = a->to->ops->flush_names(a->to);
	a->n += r == ERR_OK;
	return r;
}

int journal_drop_aside(struct journal *j, uint64_t position, int aside, journal_damaged_fn *damaged, void *arg, uint64_t *n)
{
	struct aside a = { .damaged = damaged, .arg = arg, .share = true };
	int r = backend_file_open(aside, true, false, j->o.mode, NULL, &a.to);

	if (r != ERR_OK)
		return r;
	r = j->backend->ops->lock(j->backend, BACKEND_LOCK_COMPACT, true, true);
	if (r == ERR_OK) {
		r = chain_reload(j);
		for (size_t i = 0; r == ERR_OK && may_drop(j, i, position); i++)
			r = set_aside(j, j->segments[i], &a);
		if (r == ERR_OK)
			r = journal_drop(j, position);
		j->backend->ops->unlock(j->backend, BACKEND_LOCK_COMPACT);
	}
	backend_unref(a.to);
	*n = a.n;
	return r;
}

int journal_copy_aside(struct journal *j, int aside, journal_damaged_fn *damaged, void *arg, uint64_t *n)
{
	struct aside a = { .damaged = damaged, .arg = arg };
	int r = backend_file_open(aside, true, false, j->o.mode, NULL, &a.to);

	if (r != ERR_OK)
		return r;
	for (size_t i = 0; r == ERR_OK && i < j->n; i++) {
		r = set_aside(j, j->segments[i], &a);
		if (r == ERR_NOT_FOUND) /* dropped meanwhile */
			r = ERR_OK;
	}
	backend_unref(a.to);
	*n = a.n;
	return r;
}
