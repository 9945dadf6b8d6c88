/* SPDX-License-Identifier: ISC */
/* Every message's decoder: the first octet chooses the kind. What is taken encodes to the same octets again. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "ipc/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union ipc_any m;
	struct ipc_frame f;
	struct buf b;
	struct view in = view_make(data, size);
	(void)!ipc_frame_get(in, &f);
	if (size == 0)
		return 0;
	unsigned kind = 1 + data[0] % (IPC_KIND_COUNT - 1);
	in = view_skip(in, 1);
	if (ipc_kinds[kind].get(in, &m) != ERR_OK)
		return 0;
	buf_init(&b, size + 16);
	INVARIANT(ipc_kinds[kind].put(&b, &m) == ERR_OK);
	INVARIANT(view_eq(buf_view(&b), in));
	buf_fini(&b);
	return 0;
}
