/* SPDX-License-Identifier: ISC */
/* An IMAP client's octets: commands, literals, sets, names, patterns, FETCH items. */
#include <stdint.h>

#include "proto/imap_fetch.h"
#include "proto/imap_name.h"
#include "proto/imap_put.h"
#include "proto/imap_read.h"
#include "proto/imap_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void words(struct imap_text t)
{
	struct view v;
	struct imap_set set;
	struct buf b;
	struct imap_pattern p;
	buf_init(&b, 1 << 16);
	while (!imap_at_end(&t)) {
		if (!imap_astring(&t, &v) && !imap_string(&t, &v) && !imap_word(&t, &v)) {
			t.at++;
			continue;
		}
		if (imap_set_parse(t.arena, v, &set))
			imap_set_resolve(&set, 1000);
		buf_reset(&b);
		if (imap_name_read(&b, v) && imap_name_ok(buf_view(&b)))
			imap_put_mailbox(&b, buf_view(&b));
		if (imap_pattern_make(&p, VIEW_NONE, v))
			imap_pattern_match(&p, VIEW("INBOX/some/name"));
		imap_put_string(&b, v);
	}
	buf_fini(&b);
}

static void command(struct view text)
{
	struct arena *a = arena_new();
	struct imap_text t = { .in = text, .arena = a };
	struct imap_fetch f;
	struct view v;
	words(t);
	imap_tag(&t, &v);
	imap_space(&t);
	imap_atom(&t, &v);
	imap_space(&t);
	imap_atom(&t, &v);
	imap_space(&t);
	if (imap_fetch_parse(&t, &f)) {
		struct buf b;
		buf_init(&b, 1 << 16);
		for (size_t i = 0; i < f.n; i++)
			imap_put_fetch_label(&b, &f.item[i]);
		buf_fini(&b);
	}
	arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_reader r;
	struct view in = view_make(data, size), part;
	unsigned n = 0;
	imap_reader_init(&r, 4096, 8192);
	while (in.n > 0) {
		enum imap_event e = imap_feed(&r, &in, &part);
		INVARIANT(buf_len(&r.command) <= 8192);
		if (e == IMAP_LITERAL) {
			n++;
			if (n % 3 == 0)
				imap_stream(&r);
			else if (n % 3 == 1)
				imap_accept(&r);
			else
				imap_refuse(&r);
		} else if (e == IMAP_COMMAND || e == IMAP_TOO_LONG) {
			command(buf_view(&r.command));
			imap_next(&r);
		}
	}
	imap_reader_fini(&r);
	return 0;
}
