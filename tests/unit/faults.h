/* SPDX-License-Identifier: ISC */
/* The long form of a fault test (`make check-faults`): whether it is wanted, and how far it has come. */
#ifndef TESTS_UNIT_FAULTS_H
#define TESTS_UNIT_FAULTS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline bool faults_wanted(void) { return getenv("POSTRIDER_CHECK_FAULTS") != NULL; }

struct progress {
	const char *what;
	unsigned long total, told;
};

/* A line for each tenth of the total that is done. */
static inline void progress_tell(struct progress *p, unsigned long done)
{
	unsigned long tenth = p->total ? done * 10 / p->total : 10;
	if (!faults_wanted() || tenth <= p->told)
		return;
	p->told = tenth;
	(void)printf("%lu of %lu %s\n", done < p->total ? done : p->total, p->total, p->what);
	(void)fflush(stdout);
}

#endif
