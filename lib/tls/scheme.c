/* SPDX-License-Identifier: ISC */
#include "tls/scheme.h"

#include <string.h>
#include <strings.h>

static const struct scheme schemes[] = {
	{ 0x0403, "EC", "SHA256", false, true, "prime256v1", "ECDSA+SHA256" },
	{ 0x0503, "EC", "SHA384", false, true, "secp384r1", "ECDSA+SHA384" },
	{ 0x0603, "EC", "SHA512", false, false, NULL, "ECDSA+SHA512" },
	{ 0x0807, "ED25519", NULL, false, true, NULL, "ed25519" },
	{ 0x0804, "RSA", "SHA256", true, true, NULL, "RSA-PSS+SHA256" },
	{ 0x0805, "RSA", "SHA384", true, true, NULL, "RSA-PSS+SHA384" },
	{ 0x0806, "RSA", "SHA512", true, true, NULL, "RSA-PSS+SHA512" },
	{ 0x0401, "RSA", "SHA256", false, false, NULL, "RSA+SHA256" },
	{ 0x0501, "RSA", "SHA384", false, false, NULL, "RSA+SHA384" },
	{ 0x0601, "RSA", "SHA512", false, false, NULL, "RSA+SHA512" },
};

const struct scheme *scheme_at(size_t i)
{
	return i < sizeof schemes / sizeof *schemes ? &schemes[i] : NULL;
}

const struct scheme *scheme_by_number(uint16_t number)
{
	for (size_t i = 0; scheme_at(i); i++)
		if (schemes[i].number == number)
			return &schemes[i];
	return NULL;
}

/* OpenSSL says "SHA256" or "SHA2-256". */
static bool digest_is(const char *given, const char *ours)
{
	if (!given || !*given)
		return ours == NULL;
	if (!ours)
		return false;
	if (strncasecmp(given, "SHA2-", 5) == 0)
		return strcmp(given + 5, ours + 3) == 0;
	return strcasecmp(given, ours) == 0;
}

const struct scheme *scheme_find(const char *key, const char *digest, bool pss)
{
	for (size_t i = 0; scheme_at(i); i++)
		if (strcmp(schemes[i].key, key) == 0 && schemes[i].pss == pss && digest_is(digest, schemes[i].digest))
			return &schemes[i];
	return NULL;
}
