/* SPDX-License-Identifier: ISC */
#include "mailbox/salvage.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mailbox/records.h"

static void map_clear(struct map64 **m)
{
	if (*m)
		map64_free(*m);
	*m = map64_new();
}

/* All that was before is known: a checkpoint speaks for it. */
static void begin_anew(struct salvage *v)
{
	v->lost = false;
	v->nloose = 0;
	v->adopted_from = v->st->incoming;
	map_clear(&v->adopted);
	map_clear(&v->uidnext);
	map_clear(&v->given);
	map_clear(&v->doubt);
}

void salvage_init(struct salvage *v)
{
	*v = (struct salvage){ .st = state_new() };
	begin_anew(v);
}

void salvage_fini(struct salvage *v)
{
	state_free(v->st);
	free(v->loose);
	map64_free(v->adopted);
	map64_free(v->uidnext);
	map64_free(v->given);
	map64_free(v->doubt);
}

/* ---- UIDs ---- */
static void set(struct map64 *m, uint64_t key, uint64_t value) { (void)map64_set(m, key, (void *)(uintptr_t)value); }
static uint64_t get(const struct map64 *m, uint64_t key) { return (uint64_t)(uintptr_t)map64_get(m, key); }

static void give(struct salvage *v, uint64_t mailbox, uint64_t uid)
{
	if (uid && !get(v->given, mailbox))
		set(v->given, mailbox, uid);
}

/*
 * Who gave a UID above the one that was next when the damage came knew the records that are missing. Who gave that one may have been a process
 * that could not read them either, and gave it a second time. Where none was given (end), the next would be.
 */
static void judge(struct salvage *v, bool end)
{
	size_t it = 0;
	uint64_t id;
	void *next;
	while (map64_next(v->uidnext, &it, &id, &next)) {
		uint64_t first = get(v->given, id);
		if (first ? first <= (uintptr_t)next : end)
			set(v->doubt, id, 1);
	}
}

void salvage_damage(struct salvage *v, uint64_t from)
{
	judge(v, false);
	map_clear(&v->uidnext);
	map_clear(&v->given);
	for (size_t i = 0; i < v->st->n; i++)
		set(v->uidnext, v->st->mailboxes[i]->id, v->st->mailboxes[i]->uidnext);
	v->lost = true;
	/* It may have been a content: then the record behind it still tells of all the others of its group. */
	salvage_record(v, RECORD_content, from, VIEW_NONE);
}

void salvage_end(struct salvage *v) { judge(v, true); }

/* ---- what records name ---- */
static void add_loose(struct salvage *v, uint64_t position)
{
	if (v->nloose == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 64;
		v->loose = mem_resize(v->loose, v->cap * sizeof *v->loose);
	}
	v->loose[v->nloose++] = position;
}

static void note_append(struct salvage *v, struct view payload)
{
	struct record_append r;
	struct view item;
	if (!record_get_append(payload, &r))
		return;
	give(v, r.mailbox, r.uid);
	while (record_next_item(&r.list, &item) && v->nloose)
		v->nloose--;
}

static void note_adopt(struct salvage *v, struct view payload)
{
	struct record_adopt r;
	struct record_adopted a;
	struct view item;
	if (!record_get_adopt(payload, &r))
		return;
	while (record_next_item(&r.list, &item)) {
		if (!record_get_adopted(item, &a))
			continue;
		give(v, a.mailbox, a.uid);
		set(v->adopted, a.position, 1);
	}
}

static void note_copy(struct salvage *v, struct view payload)
{
	struct record_copy r;
	if (record_get_copy(payload, &r))
		give(v, r.to, r.uid);
}

/* The content stays loose until it is seen that a message refers to it; the delivery is not to be adopted as well. */
static void note_relocate(struct salvage *v, struct view payload)
{
	struct record_relocate r;
	struct record_relocation one;
	struct view item;
	if (!record_get_relocate(payload, &r))
		return;
	while (record_next_item(&r.list, &item))
		if (record_get_relocation(item, &one))
			set(v->adopted, one.from, 1);
}

/*
 * A checkpoint that is made of more records than were read is by a process that knew those that are missing: nothing is lost. One that is
 * made of as many may be by one that could not read them either.
 */
static void note_checkpoint(struct salvage *v, struct view payload, uint64_t had)
{
	struct record_checkpoint r;
	if (record_get_checkpoint(payload, &r) && r.last && (!v->lost || r.records > had))
		begin_anew(v);
}

void salvage_record(struct salvage *v, unsigned kind, uint64_t position, struct view payload)
{
	uint64_t had = v->st->records;
	bool applied = state_apply(v->st, kind, position, payload, true);
	if (kind == RECORD_content)
		add_loose(v, position);
	else if (!applied)
		return;
	else if (kind == RECORD_append)
		note_append(v, payload);
	else if (kind == RECORD_adopt)
		note_adopt(v, payload);
	else if (kind == RECORD_copy)
		note_copy(v, payload);
	else if (kind == RECORD_relocate)
		note_relocate(v, payload);
	else if (kind == RECORD_checkpoint)
		note_checkpoint(v, payload, had);
}
