/* SPDX-License-Identifier: ISC */
/* The head of a record of an incoming stream: what is read is what incoming_encode would have written. */
#include <stdlib.h>

#include "mailbox/incoming.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct incoming in;
	struct incoming_target targets[INCOMING_TARGETS_MAX];
	struct view rest, v = view_make(data, size);
	struct buf b;
	size_t n = 0;
	if (incoming_decode(v, &in) != ERR_OK)
		return 0;
	for (rest = in.targets; n < in.ntargets && incoming_next_target(&rest, &targets[n]); n++)
		;
	if (n != in.ntargets || rest.n != 0)
		abort();
	buf_init(&b, INCOMING_HEAD_MAX);
	incoming_encode(&b, &in, targets, n);
	if (!view_eq(buf_view(&b), view_head(v, in.head)))
		abort();
	buf_fini(&b);
	return 0;
}
