/* SPDX-License-Identifier: ISC */
#include "journal/journal.h"

#include <stdlib.h>

#include "base/mem.h"
#include "journal/internal.h"

#define SEGMENT_SIZE (UINT64_C(16) << 20)
#define SEGMENT_SIZE_LEAST 4096u
#define FRAME_MAX (UINT32_C(64) << 20)

static void options_default(struct journal_options *o)
{
	if (o->segment_size == 0)
		o->segment_size = SEGMENT_SIZE;
	if (o->segment_size < SEGMENT_SIZE_LEAST)
		o->segment_size = SEGMENT_SIZE_LEAST;
	if (o->frame_max == 0)
		o->frame_max = FRAME_MAX;
	if (o->frame_max > FRAME_PAYLOAD_MAX)
		o->frame_max = FRAME_PAYLOAD_MAX;
	if (o->mode == 0)
		o->mode = 0600;
}

/* An owner keeps everybody else who writes away; shared writers keep an owner away. */
static int take_role(struct journal *j)
{
	int r;

	if (!journal_writes(j))
		return ERR_OK;
	r = j->backend->ops->lock(j->backend, BACKEND_LOCK_SHARED, j->o.role == JOURNAL_OWNER, false);
	j->role_taken = r == ERR_OK;
	return r;
}

static int create_stream(struct journal *j)
{
	int r;

	if (!j->o.create || !journal_writes(j))
		return ERR_NOT_FOUND;
	r = roll_locked(j);
	if (r != ERR_OK)
		return r;
	j->pending_from = j->pending_to = 0;
	j->floor = j->end;
	return ERR_OK;
}

static int flush_creation(struct journal *j)
{
	int r = segment_open(j, j->head, true);

	if (r == ERR_OK)
		r = object_flush(j->head->object);
	return r == ERR_OK ? j->backend->ops->flush_names(j->backend) : r;
}

/* A new stream becomes durable at once, so that a missing first file always means that it was dropped. */
static int finish_creation(struct journal *j)
{
	int r = j->o.unflushed ? ERR_OK : flush_creation(j);

	if (r != ERR_OK)
		return r;
	j->durable = j->end;
	j->head->entry_durable = true;
	j->head->dirty = false;
	return j->backend->ops->mark_put(j->backend, j->durable);
}

/* Finds the end, and makes what is above the mark fit to be flushed. */
static int load_tail(struct journal *j)
{
	int r;

	for (size_t i = 0; i < j->n; i++)
		if (j->segments[i]->begin_mark > j->durable)
			j->durable = j->segments[i]->begin_mark;
	r = recover_tail(j, j->durable);

	if (r == ERR_OK && (j->durable > j->end || j->settled))
		j->durable = j->end;
	j->floor = j->end;
	j->looked = r == ERR_OK;
	return r == ERR_OK && journal_writes(j) ? recover_rewrite(j) : r;
}

static int load_chain_and_tail(struct journal *j)
{
	int r = ERR_NOT_FOUND;

	/* A file may go between the two: another process compacts or drops. */
	for (int i = 0; i < 16 && r == ERR_NOT_FOUND; i++) {
		r = chain_load(j, NULL, NULL);
		if (r == ERR_OK && j->n > 0)
			r = load_tail(j);
	}
	return r;
}

/* Every file has its place, and what was learnt of the mark meanwhile can change none: there is nothing to remove, and nothing to load again. */
static bool is_tidy(const struct journal *j)
{
	if (j->torn || j->listed != j->n + (j->next != NULL))
		return false;
	for (size_t i = 0; i < j->n; i++)
		if (j->segments[i]->damaged || !j->segments[i]->entry_durable)
			return false;
	return true;
}

/* Under the append lock, for a shared writer. */
static int load_locked(struct journal *j)
{
	enum backend_mark when;
	bool fresh, tidy;
	int r;

	j->durable = j->backend->ops->mark_get(j->backend, &when);
	j->settled = when == BACKEND_MARK_EARLIER && j->o.role == JOURNAL_OWNER;
	fresh = j->durable == 0 && journal_writes(j);
	r = load_chain_and_tail(j);
	tidy = is_tidy(j);
	if (r == ERR_OK && j->n == 0)
		r = create_stream(j);
	if (r == ERR_OK && fresh && j->head != NULL && j->n == 1)
		r = finish_creation(j);
	else if (r == ERR_OK && when != BACKEND_MARK_NOW && j->o.role == JOURNAL_OWNER)
		j->unpublished = j->backend->ops->mark_put(j->backend, j->durable) != ERR_OK;
	/* Tidying up may fail: what is left over does no harm. */
	if (r == ERR_OK && j->o.role == JOURNAL_OWNER && !tidy && remove_losers(j) != ERR_OK)
		r = chain_reload(j);
	return r;
}

static int load(struct journal *j)
{
	bool lock = j->o.role == JOURNAL_SHARED_WRITER;
	int r = lock ? j->backend->ops->lock(j->backend, BACKEND_LOCK_APPEND, true, true) : ERR_OK;

	if (r != ERR_OK)
		return r;
	r = load_locked(j);
	if (lock)
		j->backend->ops->unlock(j->backend, BACKEND_LOCK_APPEND);
	/* Of thousands of streams that one process writes to, most are never read again. */
	window_free(j);
	return r;
}

int journal_open(int dirfd, const struct journal_options *o, struct journal **out)
{
	struct journal *j = mem_new(sizeof(*j));
	int r;

	j->o = *o;
	options_default(&j->o);
	r = backend_file_open(dirfd, j->o.role != JOURNAL_READER, j->o.own, j->o.mode, j->o.seam, &j->backend);
	if (r == ERR_OK)
		r = take_role(j);
	if (r == ERR_OK)
		r = load(j);
	if (r != ERR_OK) {
		journal_close(j);
		return r;
	}
	*out = j;
	return ERR_OK;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	chain_free(j);
	window_free(j);
	stage_fini(&j->stage);
	/* A flush that is still under way keeps the backend, but not the stream. */
	if (j->role_taken)
		j->backend->ops->unlock(j->backend, BACKEND_LOCK_SHARED);
	backend_unref(j->backend);
	free(j);
}

uint64_t journal_start(const struct journal *j) { return j->n > 0 ? j->segments[0]->head.first : 0; }
uint64_t journal_end(const struct journal *j) { return j->end; }
uint64_t journal_durable(const struct journal *j) { return j->durable; }

void journal_on_damage(struct journal *j, void (*fn)(void *arg, uint64_t from, uint64_t to), void *arg)
{
	j->on_damage = fn;
	j->damage_arg = arg;
}

/* Nobody but a compactor changes anything beside an owner. */
static int owner_refresh(struct journal *j)
{
	uint64_t serial;
	int r = j->backend->ops->watch(j->backend, &serial);

	return r == ERR_OK && serial != j->serial ? chain_reload(j) : r;
}

int journal_refresh(struct journal *j)
{
	int r;

	if (j->o.role == JOURNAL_OWNER)
		return owner_refresh(j);
	if (!journal_writes(j))
		return refresh_locked(j);
	r = writer_lock(j);
	if (r == ERR_OK)
		writer_unlock(j);
	return r;
}

int journal_alone(struct journal *j)
{
	/* The lock that this writer shares becomes its own. */
	return j->o.role == JOURNAL_SHARED_WRITER ? j->backend->ops->lock(j->backend, BACKEND_LOCK_SHARED, true, false) : ERR_DENIED;
}

void journal_info(const struct journal *j, struct journal_info *info)
{
	*info = (struct journal_info){ .start = journal_start(j), .end = j->end, .durable = j->durable, .segments = (unsigned)j->n };
	for (size_t i = 0; i < j->n; i++) {
		uint64_t size, allocated;
		struct object *o = NULL;

		if (j->backend->ops->open(j->backend, &j->segments[i]->name, false, &o) != ERR_OK)
			continue;
		if (o->backend->ops->size(o, &size, &allocated) == ERR_OK)
			info->octets += allocated;
		object_unref(o);
	}
}
