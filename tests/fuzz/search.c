/* SPDX-License-Identifier: ISC */
/* A SEARCH program up to the first line end, and behind it the message that is searched. */
#include <stdint.h>

#include "proto/imap_search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool content(void *arg, bool whole, struct view *v)
{
	(void)whole;
	*v = *(const struct view *)arg;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view message = view_make(data, size), program = message;
	view_cut(&message, '\n', &program);
	struct arena *a = arena_new();
	struct imap_text t = { .in = program, .arena = a };
	struct imap_search s;
	struct imap_search_message m = { .seq = 1, .uid = 1, .system = 1, .date = 1, .now = 2, .size = size, .modseq = 3, .content = content, .arg = &message };
	if (imap_search_parse(&t, &s) == IMAP_SEARCH_OK) {
		imap_search_resolve(&s, 10, 100);
		imap_search_match(&s, &m);
	}
	imap_search_fini(&s);
	arena_free(a);
	return 0;
}
