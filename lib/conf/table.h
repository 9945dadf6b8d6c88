/* SPDX-License-Identifier: ISC */
/* The generated table of parameters, for conf.c alone. */
#ifndef POSTRIDER_CONF_TABLE_H
#define POSTRIDER_CONF_TABLE_H

#include "conf/conf.h"

extern const struct conf_parameter conf_table[PARAM_COUNT];

#endif
