/* SPDX-License-Identifier: ISC */
#include "accounts/password.h"

#include <crypt.h>
#include <stdlib.h>

#include "base/mem.h"
#include "proto/address.h"
#include "tls/scram.h"

const char *password_fault(struct view v)
{
	if (v.n == 0)
		return "the password is empty";
	if (v.n > PASSWORD_MAX)
		return "the password is longer than 511 octets";
	/* A control (RFC 4616 2 forbids NUL; a line end is a slip of the one who typed it) could not be sent in every protocol. */
	if (!address_utf8_ok(v))
		return "the password holds a control character, or is not UTF-8";
	return NULL;
}

static int hash_make(const char *password, struct buf *hash)
{
	struct crypt_data *data = mem_new(sizeof(*data));
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char *s = crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof(setting));
	const char *h = s ? crypt_rn(password, setting, data, (int)sizeof(*data)) : NULL;

	bool made = h && h[0] != '*';

	if (made)
		buf_adds(hash, h);
	mem_wipe(data, sizeof(*data));
	free(data);
	return made ? ERR_OK : ERR_UNSUPPORTED;
}

int password_store(struct view password, struct buf *hash, struct buf *scram)
{
	char *s = mem_str(password);
	int err = hash_make(s, hash);

	if (!err)
		scram_put(scram, password);
	mem_wipe(s, password.n);
	free(s);
	return err;
}
