/* SPDX-License-Identifier: ISC */
#include "table/base.h"

#include "table/engines.h"

/* In the order of preference; those that share a file suffix read each other's files. */
static const struct base_engine *const engines[] = {
#ifdef HAVE_BDB
	&base_engine_btree,
	&base_engine_hash,
#endif
#ifdef HAVE_LMDB
	&base_engine_lmdb,
#endif
};

const struct base_engine *base_engine_of(struct view prefix)
{
	if (prefix.n == 0 || view_eqs(prefix, "default"))
		return engines[0];
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++)
		if (view_eqs(prefix, engines[i]->prefix))
			return engines[i];
	return NULL;
}

static bool suffix_seen(size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (view_eqs(view_of(engines[k]->suffix), engines[i]->suffix))
			return true;
	return false;
}

const struct base_engine *base_engine_at(size_t i, bool distinct)
{
	for (size_t k = 0; k < sizeof(engines) / sizeof(engines[0]); k++) {
		if (distinct && suffix_seen(k))
			continue;
		if (i-- == 0)
			return engines[k];
	}
	return NULL;
}
