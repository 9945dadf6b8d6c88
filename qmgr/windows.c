/* SPDX-License-Identifier: ISC */
#include "qmgr/windows.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

struct window {
	unsigned out, most;
};

struct windows {
	struct window hop;
	struct map64 *dests; /* those that have something out, or a window that became smaller than that of a new one */
};

struct windows *windows_new(void)
{
	struct windows *w = mem_new(sizeof *w);
	w->hop.most = WINDOW_HOP;
	w->dests = map64_new();
	return w;
}

static void forget_idle(struct windows *w, bool all)
{
	size_t it = 0;
	uint64_t key;
	void *v;
	while (map64_next(w->dests, &it, &key, &v)) {
		struct window *d = v;
		if (all || d->out == 0)
			free(map64_del(w->dests, key));
	}
}

void windows_free(struct windows *w)
{
	if (!w)
		return;
	forget_idle(w, true);
	map64_free(w->dests);
	free(w);
}

/* So many more the next hop may have. */
static unsigned room(const struct windows *w, unsigned most)
{
	unsigned may = w->hop.most < most ? w->hop.most : most;
	return w->hop.out < may ? may - w->hop.out : 0;
}

bool windows_any(const struct windows *w, unsigned most)
{
	return room(w, most) > 0;
}

bool windows_go(const struct windows *w, unsigned most, uint32_t dest)
{
	const struct window *d = map64_get(w->dests, dest);
	unsigned left = room(w, most);
	return d ? d->out < d->most && d->out < left : left > 0;
}

void windows_out(struct windows *w, uint32_t dest)
{
	struct window *d = map64_get(w->dests, dest);
	if (!d) {
		d = mem_new(sizeof *d);
		d->most = WINDOW_DEST;
		(void)map64_set(w->dests, dest, d);
	}
	d->out++;
	w->hop.out++;
}

static void grow(struct window *w, unsigned most)
{
	if (w->most < most)
		w->most++;
}

static void halve(struct window *w, unsigned most, unsigned least)
{
	unsigned half = (w->most < most ? w->most : most) / 2;
	w->most = half > least ? half : least;
}

void windows_in(struct windows *w, unsigned most, uint32_t dest, enum ipc_heard heard)
{
	struct window *d = map64_get(w->dests, dest);
	d->out--;
	w->hop.out--;
	switch (heard) {
	case IPC_HEARD_NOTHING:
		break;
	case IPC_HEARD_ALL:
		grow(d, most);
		grow(&w->hop, most);
		break;
	case IPC_HEARD_STALL: /* the next hop's own window stays: it may be waiting for this destination alone */
		halve(d, most, 1);
		break;
	case IPC_HEARD_NOBODY:
		halve(&w->hop, most, WINDOW_LEAST);
		break;
	}
	if (d->out == 0 && d->most >= WINDOW_DEST)
		free(map64_del(w->dests, dest));
	else if (map64_count(w->dests) > WINDOWS_KEPT)
		forget_idle(w, false);
}

unsigned windows_count(const struct windows *w)
{
	return w->hop.out;
}

size_t windows_known(const struct windows *w)
{
	return map64_count(w->dests);
}
