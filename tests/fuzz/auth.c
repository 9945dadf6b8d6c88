/* SPDX-License-Identifier: ISC */
/* A client's first SASL octets, and hashes as a table may hold them. */
#include <stdint.h>
#include <stdlib.h>

#include "auth/preview.h"
#include "auth/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view v = view_make(data, size), zid, cid, password;
	struct buf a, b;

	buf_init(&a, 12288);
	buf_init(&b, 12288);
	if (preview_plain(v, &zid, &cid, &password) && (cid.n == 0 || password.n == 0 || zid.n + cid.n + password.n + 2 != v.n))
		abort();
	if (preview_scram(v, &a, &b) && buf_len(&b) == 0)
		abort();
	(void)verify_hash_bearable(v);
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
