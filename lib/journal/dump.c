/* SPDX-License-Identifier: ISC */
/* The stream as lines of text. */
#include "base/buf.h"
#include "journal/internal.h"

#define LINE_MAX_OCTETS 256u

struct dump {
	struct journal *j;
	void (*line)(void *arg, struct view text);
	void *arg;
	struct buf b;
};

static void dump_line(struct dump *d)
{
	d->line(d->arg, buf_view(&d->b));
	buf_reset(&d->b);
}

static void dump_file(struct dump *d, const struct segment *s)
{
	buf_printf(&d->b, "file first=%llu limit=%llu end=%llu generation=%u", (unsigned long long)s->head.first,
		(unsigned long long)s->head.limit, (unsigned long long)s->end, (unsigned)s->name.generation);
	if (s->cut != NO_CUT)
		buf_printf(&d->b, " cut=%llu", (unsigned long long)s->cut);
	if (s->damaged)
		buf_adds(&d->b, " head=damaged");
	dump_line(d);
}

static void dump_frame(struct dump *d, const struct frame_at *f)
{
	buf_printf(&d->b, "frame position=%llu kind=%u size=%lu sum=%08lx durable=%llu%s", (unsigned long long)f->head.position,
		(unsigned)f->head.kind, (unsigned long)f->head.length, (unsigned long)f->head.sum,
		(unsigned long long)f->head.durable, f->state == FRAME_GOOD ? "" : " payload=damaged");
	dump_line(d);
}

static int dump_segment(struct dump *d, struct segment *s, uint64_t from)
{
	uint64_t offset, stop = segment_stop(s);
	int r = segment_seek(d->j, s, from, &offset);

	while (r == ERR_OK && offset < stop) {
		struct frame_at f;

		r = frame_look(d->j, s, offset, stop, true, &f);
		if (r == ERR_OK && f.state == FRAME_BAD) {
			buf_printf(&d->b, "damage offset=%llu", (unsigned long long)offset);
			dump_line(d);
			r = frame_resync(d->j, s, offset, stop, 0, true, &offset);
			continue;
		}
		if (r != ERR_OK)
			break;
		dump_frame(d, &f);
		offset += f.size;
	}
	return r;
}

int journal_dump(struct journal *j, uint64_t from, void (*line)(void *arg, struct view text), void *arg)
{
	struct dump d = { .j = j, .line = line, .arg = arg };
	int r = ERR_OK;

	buf_init(&d.b, LINE_MAX_OCTETS);
	for (size_t i = 0; i < j->n && r == ERR_OK; i++) {
		struct segment *s = j->segments[i];

		if (s->end <= from && s->end > s->head.first)
			continue;
		dump_file(&d, s);
		if (!s->damaged && s->end > s->head.first)
			r = dump_segment(&d, s, from);
	}
	buf_printf(&d.b, "end=%llu durable=%llu", (unsigned long long)j->end, (unsigned long long)j->durable);
	dump_line(&d);
	buf_fini(&d.b);
	return r;
}
