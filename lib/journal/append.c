/* SPDX-License-Identifier: ISC */
/* Writing: frames are built in one staging area and go out in one system call; a roll is an append to the next segment. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "journal/internal.h"

#define PART_COPIED 512u /* smaller parts are copied: cheaper than an iovec of their own */

void stage_fini(struct stage *s)
{
	free(s->octets);
	free(s->iov);
}

int writer_lock(struct journal *j)
{
	int r;

	if (!journal_writes(j))
		return ERR_DENIED;
	if (j->o.role == JOURNAL_OWNER)
		return ERR_OK;
	r = j->backend->ops->lock(j->backend, BACKEND_LOCK_APPEND, true, true);
	if (r != ERR_OK)
		return r;
	r = refresh_locked(j);
	if (r != ERR_OK)
		j->backend->ops->unlock(j->backend, BACKEND_LOCK_APPEND);
	return r;
}

void writer_unlock(struct journal *j)
{
	if (j->o.role == JOURNAL_SHARED_WRITER)
		j->backend->ops->unlock(j->backend, BACKEND_LOCK_APPEND);
}

/* What is being built: octets copied so far, iovecs used, the last one possibly open for more copied octets. */
struct build {
	struct stage *stage;
	size_t octets, iovs;
	bool open;
	uint64_t total;
};

static void build_size(struct stage *s, const struct journal_frame *frames, size_t n)
{
	size_t octets = FRAME_BEGIN_SIZE + n * (FRAME_HEAD + 8), iovs = 1 + n * (JOURNAL_PARTS + 1);

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < JOURNAL_PARTS; k++)
			octets += frames[i].parts[k].n < PART_COPIED ? frames[i].parts[k].n : 0;
	if (s->cap < octets) {
		free(s->octets);
		s->cap = octets * 2;
		s->octets = mem_new(s->cap);
	}
	if (s->iovs < iovs) {
		free(s->iov);
		s->iovs = iovs * 2;
		s->iov = mem_array(s->iovs, sizeof(struct iovec));
	}
}

static void build_refer(struct build *b, const void *p, size_t n)
{
	b->stage->iov[b->iovs++] = (struct iovec){ (void *)(uintptr_t)p, n };
	b->open = false;
	b->total += n;
}

/* n octets of copied room, behind what was copied before where it can be. */
static uint8_t *build_room(struct build *b, size_t n)
{
	uint8_t *p = b->stage->octets + b->octets;

	if (b->open) {
		b->stage->iov[b->iovs - 1].iov_len += n;
		b->total += n;
	} else {
		build_refer(b, p, n);
		b->open = true;
	}
	b->octets += n;
	return p;
}

static void build_part(struct build *b, struct view part)
{
	if (part.n >= PART_COPIED)
		build_refer(b, part.p, part.n);
	else if (part.n > 0)
		memcpy(build_room(b, part.n), part.p, part.n);
}

static uint32_t frame_length(const struct journal_frame *f)
{
	size_t n = 0;

	for (size_t i = 0; i < JOURNAL_PARTS; i++)
		n += f->parts[i].n;
	return (uint32_t)n;
}

static void build_frame(struct build *b, const struct journal *j, uint32_t salt_sum, const struct journal_frame *f)
{
	struct frame_head h = { .kind = f->kind, .length = frame_length(f), .position = f->position, .durable = j->durable };
	uint8_t *head = build_room(b, FRAME_HEAD);
	size_t pad = frame_pad(h.length);

	h.sum = frame_seed(salt_sum, h.position);
	for (size_t i = 0; i < JOURNAL_PARTS; i++) {
		if (f->parts[i].n > 0)
			h.sum = crc32c(h.sum, f->parts[i].p, f->parts[i].n);
		build_part(b, f->parts[i]);
	}
	frame_head_put(head, salt_sum, &h);
	if (pad > 0)
		memset(build_room(b, pad), 0, pad);
}

/* Every payload and the whole within bounds; *total: octets of positions that the frames take. */
static int frames_size(const struct journal *j, const struct journal_frame *frames, size_t n, uint64_t *total)
{
	*total = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t length = 0;

		for (size_t k = 0; k < JOURNAL_PARTS; k++) {
			if (frames[i].parts[k].n > j->o.frame_max)
				return ERR_TOO_BIG;
			length += frames[i].parts[k].n;
		}
		if (length > j->o.frame_max)
			return ERR_TOO_BIG;
		if (frames[i].kind >= FRAME_KIND_OWN)
			return ERR_INVALID;
		*total += frame_size((uint32_t)length);
	}
	return *total + FRAME_BEGIN_SIZE > journal_stride(j) ? ERR_TOO_BIG : ERR_OK;
}

static void appended(struct journal *j, struct segment *s, uint64_t from, uint64_t total)
{
	j->end = from + total;
	s->end = j->end;
	s->dirty = true;
	if (j->pending_from == j->pending_to)
		j->pending_from = from;
	j->pending_to = j->end;
}

/* A write to the next segment failed half-way: it has begun if its begin is whole, and the rest is to be cut away. */
static void look_again(struct journal *j, uint64_t first)
{
	uint64_t end = j->end;
	int r = chain_reload_raw(j);
	bool begun = r == ERR_OK && j->head != NULL && j->head->head.first == first;

	if (begun)
		j->cut_back = false;
	if (r == ERR_OK)
		chain_clip(j, begun ? first + FRAME_BEGIN_SIZE : end);
	j->torn = true;
}

/* Writes the frames to s at the position `at`, behind a begin with this cut when it is not NO_CUT. */
static int write_frames(struct journal *j, struct segment *s, uint64_t at, uint64_t cut, struct journal_frame *frames, size_t n,
	size_t *done)
{
	struct build b = { .stage = &j->stage };
	uint64_t position = at;
	uint8_t begin[FRAME_BEGIN_PAYLOAD];
	int r = segment_open(j, s, true);

	*done = 0;
	if (r == ERR_OK)
		r = segment_cover(j, s);
	if (r != ERR_OK)
		return r;
	build_size(&j->stage, frames, n);
	if (cut != NO_CUT) {
		struct journal_frame f = { .kind = FRAME_KIND_BEGIN, .parts = { view_make(begin, sizeof(begin)) }, .position = position };

		le64_put(begin, cut);
		build_frame(&b, j, s->salt_sum, &f);
		position += FRAME_BEGIN_SIZE;
	}
	for (size_t i = 0; i < n; i++) {
		frames[i].position = position;
		build_frame(&b, j, s->salt_sum, &frames[i]);
		position += frame_size(frame_length(&frames[i]));
	}
	INVARIANT(b.total == position - at);
	return s->object->backend->ops->append(s->object, segment_offset(s, at), j->stage.iov, (int)b.iovs, done);
}

/* The frames (may be none) become the first ones of the next segment. */
static int roll_with(struct journal *j, struct journal_frame *frames, size_t n, uint64_t total)
{
	uint64_t cut = j->cut_back ? journal_kept(j) : j->end, first;
	size_t done;
	int r = chain_prepare(j);

	if (r != ERR_OK)
		return r;
	first = j->next->head.first;
	if (total + FRAME_BEGIN_SIZE > j->next->head.limit - first)
		return ERR_TOO_BIG; /* made by a process with smaller bounds */
	r = write_frames(j, j->next, first, cut, frames, n, &done);
	if (r != ERR_OK) {
		if (done > 0)
			look_again(j, first);
		return r;
	}
	chain_begin(j, cut);
	j->torn = j->cut_back = false;
	appended(j, j->head, first, FRAME_BEGIN_SIZE + total);
	return ERR_OK;
}

int roll_locked(struct journal *j) { return roll_with(j, NULL, 0, 0); }

static int append_here(struct journal *j, struct journal_frame *frames, size_t n, uint64_t total)
{
	size_t done;
	int r = write_frames(j, j->head, j->end, NO_CUT, frames, n, &done);

	if (r == ERR_OK)
		appended(j, j->head, j->end, total);
	else if (done > 0 || r != ERR_FULL)
		j->torn = true;
	return r;
}

/* A thread writes zeros there. */
static bool meets_zeros(const struct journal *j, uint64_t total)
{
	return j->ahead.busy && j->ahead.first == j->head->head.first && segment_offset(j->head, j->end) + total > j->ahead.from;
}

static bool must_roll(const struct journal *j, uint64_t total)
{
	const struct segment *h = j->head;

	return h == NULL || j->torn || j->cut_back || j->end - h->head.first >= h->head.size || total > h->head.limit - j->end || meets_zeros(j, total);
}

static int append_locked(struct journal *j, struct journal_frame *frames, size_t n, uint64_t total)
{
	bool was_torn = j->torn;
	int r = must_roll(j, total) ? roll_with(j, frames, n, total) : append_here(j, frames, n, total);

	/* Of several frames the first may have been written whole. A roll cuts them off, now or, for an owner, at the next append. */
	if (r != ERR_OK && j->torn && !was_torn && roll_locked(j) != ERR_OK)
		j->torn = true;
	return r;
}

int journal_append(struct journal *j, uint64_t expected_end, struct journal_frame *frames, size_t n)
{
	uint64_t total;
	int r = frames_size(j, frames, n, &total);

	if (r == ERR_OK)
		r = writer_lock(j);
	if (r != ERR_OK)
		return r;
	if (expected_end != j->end)
		r = ERR_CONFLICT;
	else if (n > 0)
		r = append_locked(j, frames, n, total);
	writer_unlock(j);
	return r;
}

int journal_roll(struct journal *j)
{
	int r = writer_lock(j);

	if (r != ERR_OK)
		return r;
	r = roll_locked(j);
	writer_unlock(j);
	return r;
}
