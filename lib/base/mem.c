/* SPDX-License-Identifier: ISC */
#include "base/mem.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is small comes faster from malloc, which alone has the C library's cache of what was freed last. */
void *mem_new(size_t n)
{
	enum { SMALL = 1024 };
	void *p = n > SMALL ? calloc(1, n) : malloc(n ? n : 1);

	if (!p)
		DIE("out of memory (%zu octets)", n);
	return n > SMALL ? p : memset(p, 0, n);
}

void *mem_array(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		DIE("out of memory (%zu times %zu octets)", count, size);
	return mem_new(count * size);
}

void *mem_resize(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		DIE("out of memory (%zu octets)", n);
	return q;
}

char *mem_str(struct view v)
{
	INVARIANT(v.n < SIZE_MAX);
	char *s = mem_resize(NULL, v.n + 1);
	if (v.n)
		memcpy(s, v.p, v.n);
	s[v.n] = '\0';
	return s;
}

void mem_wipe(void *p, size_t n)
{
	if (n)
		explicit_bzero(p, n);
}

/* Blocks are doubled up to a limit; what is bigger than that gets a block of its own. */
enum { FIRST_BLOCK = 1024, LAST_BLOCK = 64 * 1024 };

struct block {
	struct block *next;
	size_t size; /* of data */
	size_t used;
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct block *blocks; /* the one that is being filled comes first */
	size_t next_size;
	size_t used;
};

struct arena *arena_new(void)
{
	struct arena *a = mem_new(sizeof *a);

	a->next_size = FIRST_BLOCK;
	return a;
}

static void free_blocks(struct block *b)
{
	while (b) {
		struct block *next = b->next;
		free(b);
		b = next;
	}
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	free_blocks(a->blocks);
	free(a);
}

/* The first block is kept, if it is of the common sizes: a transaction that comes again and again allocates nothing. */
void arena_reset(struct arena *a)
{
	struct block *keep = a->blocks;

	a->used = 0;
	if (!keep)
		return;
	free_blocks(keep->next);
	keep->next = NULL;
	keep->used = 0;
	if (keep->size > LAST_BLOCK) {
		free(keep);
		a->blocks = NULL;
	}
}

static struct block *block_new(size_t size)
{
	if (size > SIZE_MAX - sizeof(struct block))
		DIE("out of memory (%zu octets)", size);
	struct block *b = mem_resize(NULL, sizeof *b + size);
	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

/* A block with room for n octets, which becomes the one that is filled, unless it serves this one request only. */
static struct block *add_block(struct arena *a, size_t n)
{
	bool own = n > a->next_size / 2 && a->blocks;
	struct block *b = block_new(own || n > a->next_size ? n : a->next_size);

	if (own) {
		b->next = a->blocks->next;
		a->blocks->next = b;
		return b;
	}
	if (a->next_size < LAST_BLOCK)
		a->next_size *= 2;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	const size_t unit = alignof(max_align_t);

	if (n > SIZE_MAX - unit)
		DIE("out of memory (%zu octets)", n);
	size_t need = (n + unit - 1) / unit * unit;
	struct block *b = a->blocks;
	if (!b || need > b->size - b->used)
		b = add_block(a, need);
	void *p = b->data + b->used;
	b->used += need;
	a->used += need;
	if (n)
		memset(p, 0, n);
	return p;
}

struct view arena_view(struct arena *a, struct view v)
{
	char *p = arena_alloc(a, v.n);

	if (v.n)
		memcpy(p, v.p, v.n);
	return view_make(p, v.n);
}

char *arena_str(struct arena *a, struct view v)
{
	INVARIANT(v.n < SIZE_MAX);
	char *p = arena_alloc(a, v.n + 1);
	if (v.n)
		memcpy(p, v.p, v.n);
	return p;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

void die_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "postrider: %s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
