/* SPDX-License-Identifier: ISC */
/* The engines that this build has, for base.c alone. */
#ifndef POSTRIDER_TABLE_ENGINES_H
#define POSTRIDER_TABLE_ENGINES_H

#include "table/base.h"

extern const struct base_engine base_engine_btree;
extern const struct base_engine base_engine_hash;
extern const struct base_engine base_engine_lmdb;

#endif
