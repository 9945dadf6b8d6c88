/* SPDX-License-Identifier: ISC */
/* Dates in the forms that mail uses. Pure: no clock, no time zone but UTC and what the text states. */
#ifndef POSTRIDER_BASE_DATE_H
#define POSTRIDER_BASE_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/view.h"

struct date {
	int year, month, day; /* 1970…9999, 1…12, 1…31 */
	int hour, minute, second;
	int zone; /* minutes east of UTC */
};

/* Seconds since 1970 (UTC) to fields in UTC, and back (heeding the zone). */
void date_of(int64_t t, struct date *d);
int64_t date_seconds(const struct date *d);

/* "Sun, 22 Nov 2026 02:12:44 +0000" (RFC 5322 3.3). */
void date_put_rfc5322(struct buf *b, int64_t t);
/* "22-Nov-2026 02:12:44 +0000", day padded with a space (RFC 3501 9, date-time), without quotes. */
void date_put_imap(struct buf *b, int64_t t);
/* "2026-11-22T02:12:44.123Z"; ns is nanoseconds within the second. */
void date_put_iso(struct buf *b, int64_t t, uint32_t ns);

/* RFC 5322 3.3 with 4.3's obsolete forms and comments; false, *t untouched, where no date can be read. */
bool date_get_rfc5322(struct view v, struct date *d);
/* RFC 3501 9: date-time with its zone, and date ("22-Nov-2026", as the day's 00:00). */
bool date_get_imap(struct view v, struct date *d);
bool date_get_imap_day(struct view v, struct date *d);

#endif
