/* SPDX-License-Identifier: ISC */
/* A message of any octets: structure, envelope, parameters, words. */
#include <stdint.h>

#include "proto/charset.h"
#include "proto/header.h"
#include "proto/imap_body.h"
#include "proto/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fields(struct view message)
{
	struct header_iter it;
	struct header_field f;
	struct buf b;
	buf_init(&b, 1 << 20);
	header_begin(&it, message);
	while (header_next(&it, &f)) {
		struct arena *a = arena_new();
		struct mime_value v;
		buf_reset(&b);
		words_decode(&b, f.raw);
		INVARIANT(utf8_ok(buf_view(&b)));
		if (mime_value_parse(a, f.raw, true, &v))
			mime_param_text(&v, "name", &b);
		arena_free(a);
	}
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view message = view_make(data, size);
	struct mime_tree t;
	struct buf b;
	buf_init(&b, 1 << 24);
	mime_parse(&t, message);
	for (uint32_t i = 0; i < t.n; i++) {
		const struct mime_part *p = &t.part[i];
		INVARIANT(p->header_at + p->header_n <= size && p->body_at + p->body_n <= size);
		INVARIANT(p->depth <= MIME_DEPTH_MAX);
	}
	imap_put_structure(&b, &t, true);
	imap_put_structure(&b, &t, false);
	imap_put_envelope(&b, message);
	fields(message);
	mime_free(&t);
	buf_fini(&b);
	return 0;
}
