/* SPDX-License-Identifier: ISC */
#include "base/date.h"

#include <stddef.h>

#include "base/num.h"

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

enum { DAY = 86400, FIRST_YEAR = 1970, LAST_YEAR = 9999 };
static const int64_t LAST_SECOND = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */

static bool leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
	static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && leap(year));
}

/* Days from 1970-01-01 to the first of January. */
static int64_t year_start(int year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

/* Times before 1970 and after 9999 are shown as the nearest that can be. */
void date_of(int64_t t, struct date *d)
{
	t = t < 0 ? 0 : t > LAST_SECOND ? LAST_SECOND : t;
	int64_t day = t / DAY;
	int second = (int)(t % DAY);
	int year = FIRST_YEAR + (int)(day / 366), month = 1;

	while (year_start(year + 1) <= day)
		year++;
	day -= year_start(year);
	for (; day >= month_days(year, month); month++)
		day -= month_days(year, month);
	*d = (struct date){ year, month, (int)day + 1, second / 3600, second / 60 % 60, second % 60, 0 };
}

int64_t date_seconds(const struct date *d)
{
	int64_t days = year_start(d->year) + d->day - 1;

	for (int month = 1; month < d->month; month++)
		days += month_days(d->year, month);
	return days * DAY + ((int64_t)d->hour * 60 + d->minute - d->zone) * 60 + d->second;
}

/* Without printf: each log line and each message has a date. */
static void put_digits(struct buf *b, int value, size_t digits)
{
	char text[4];

	for (size_t i = digits; i; i--) {
		text[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	buf_add(b, text, digits);
}

static void put_time(struct buf *b, const struct date *d)
{
	put_digits(b, d->hour, 2);
	buf_addc(b, ':');
	put_digits(b, d->minute, 2);
	buf_addc(b, ':');
	put_digits(b, d->second, 2);
}

void date_put_rfc5322(struct buf *b, int64_t t)
{
	struct date d;

	date_of(t, &d);
	int64_t days = date_seconds(&d) / DAY;
	buf_adds(b, weekdays[(days + 4) % 7]);
	buf_adds(b, ", ");
	buf_addu(b, (uint64_t)d.day);
	buf_addc(b, ' ');
	buf_adds(b, months[d.month - 1]);
	buf_addc(b, ' ');
	put_digits(b, d.year, 4);
	buf_addc(b, ' ');
	put_time(b, &d);
	buf_adds(b, " +0000");
}

void date_put_imap(struct buf *b, int64_t t)
{
	struct date d;

	date_of(t, &d);
	buf_printf(b, "%2d-%s-%04d %02d:%02d:%02d +0000", d.day, months[d.month - 1], d.year, d.hour, d.minute, d.second);
}

void date_put_iso(struct buf *b, int64_t t, uint32_t ns)
{
	struct date d;

	date_of(t, &d);
	put_digits(b, d.year, 4);
	buf_addc(b, '-');
	put_digits(b, d.month, 2);
	buf_addc(b, '-');
	put_digits(b, d.day, 2);
	buf_addc(b, 'T');
	put_time(b, &d);
	buf_addc(b, '.');
	put_digits(b, (int)(ns / 1000000 % 1000), 3);
	buf_addc(b, 'Z');
}

/* Reading. Each function takes what it knows off *v, or leaves *v and gives false. */

/* From least to most digits. */
static bool take_number(struct view *v, size_t least, size_t most, int *out)
{
	size_t n = 0;
	uint64_t u;

	while (n < v->n && ascii_isdigit(v->p[n]))
		n++;
	if (n < least || n > most || !num_u64(view_head(*v, n), 9999, &u))
		return false;
	*out = (int)u;
	*v = view_skip(*v, n);
	return true;
}

static bool take_char(struct view *v, char c)
{
	if (v->n == 0 || v->p[0] != c)
		return false;
	*v = view_skip(*v, 1);
	return true;
}

/* A run of letters. */
static bool take_letters(struct view *v, struct view *out)
{
	size_t n = 0;

	while (n < v->n && ascii_isalpha(v->p[n]))
		n++;
	*out = view_head(*v, n);
	*v = view_skip(*v, n);
	return n > 0;
}

static bool take_month(struct view *v, int *out)
{
	struct view rest = *v, word;

	if (!take_letters(&rest, &word))
		return false;
	for (int i = 0; i < 12; i++) {
		if (view_ieqs(word, months[i])) {
			*out = i + 1;
			*v = rest;
			return true;
		}
	}
	return false;
}

/* "+hhmm" or "-hhmm" as minutes (RFC 5322 3.3: from -9959 to +9959). */
static bool take_offset(struct view *v, int *out)
{
	struct view rest = *v;
	bool west = take_char(&rest, '-');
	int n;

	if (!west && !take_char(&rest, '+'))
		return false;
	if (!take_number(&rest, 4, 4, &n) || n % 100 > 59)
		return false;
	*out = (n / 100 * 60 + n % 100) * (west ? -1 : 1);
	*v = rest;
	return true;
}

/* A leap second (60) is let through: it counts as the next minute's first. */
static bool valid(const struct date *d)
{
	return d->year >= FIRST_YEAR && d->year <= LAST_YEAR && d->day >= 1 && d->day <= month_days(d->year, d->month) &&
	       d->hour <= 23 && d->minute <= 59 && d->second <= 60;
}

/* Comments nest (RFC 5322 3.2.2); an open one swallows the rest. */
static void skip_comment(struct view *v)
{
	size_t depth = 0, i = 0;

	for (; i < v->n; i++) {
		if (v->p[i] == '\\')
			i++;
		else if (v->p[i] == '(')
			depth++;
		else if (v->p[i] == ')' && --depth == 0)
			break;
	}
	*v = view_skip(*v, i < v->n ? i + 1 : v->n);
}

static void skip_cfws(struct view *v)
{
	while (v->n) {
		if (ascii_isspace(v->p[0]))
			*v = view_skip(*v, 1);
		else if (v->p[0] == '(')
			skip_comment(v);
		else
			return;
	}
}

/* The day of the week is not believed, and so not compared. */
static void skip_weekday(struct view *v)
{
	struct view word;

	skip_cfws(v);
	if (!take_letters(v, &word))
		return;
	skip_cfws(v);
	take_char(v, ',');
	skip_cfws(v);
}

/* RFC 5322 4.3: two digits below 50 are of this century, other two and three digits count from 1900. */
static bool take_year(struct view *v, int *year)
{
	size_t before = v->n;

	if (!take_number(v, 2, 4, year))
		return false;
	size_t digits = before - v->n;
	if (digits == 2)
		*year += *year < 50 ? 2000 : 1900;
	else if (digits == 3)
		*year += 1900;
	return true;
}

/* RFC 5322 4.3: other names, and the military letters, say nothing that could be relied upon: +0000. */
static int named_zone(struct view name)
{
	static const struct {
		char name[4];
		int hours;
	} zones[] = { { "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 }, { "MST", -7 }, { "MDT", -6 }, { "PST", -8 },
		{ "PDT", -7 } };

	for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++)
		if (view_ieqs(name, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

/* Zones are forgotten often enough to be read as UTC; a malformed one is an error. */
static bool take_zone(struct view *v, int *zone)
{
	struct view name;

	*zone = 0;
	if (v->n == 0 || take_offset(v, zone))
		return true;
	if (!take_letters(v, &name))
		return false;
	*zone = named_zone(name);
	return true;
}

/* hour ":" minute [ ":" second ], with comments between in the obsolete form. */
static bool take_time(struct view *v, struct date *d)
{
	if (!take_number(v, 1, 2, &d->hour))
		return false;
	skip_cfws(v);
	if (!take_char(v, ':'))
		return false;
	skip_cfws(v);
	if (!take_number(v, 1, 2, &d->minute))
		return false;
	skip_cfws(v);
	d->second = 0;
	if (!take_char(v, ':'))
		return true;
	skip_cfws(v);
	bool ok = take_number(v, 1, 2, &d->second);
	skip_cfws(v);
	return ok;
}

bool date_get_rfc5322(struct view v, struct date *out)
{
	struct date d;

	skip_weekday(&v);
	if (!take_number(&v, 1, 2, &d.day))
		return false;
	skip_cfws(&v);
	if (!take_month(&v, &d.month))
		return false;
	skip_cfws(&v);
	if (!take_year(&v, &d.year))
		return false;
	skip_cfws(&v);
	if (!take_time(&v, &d) || !take_zone(&v, &d.zone))
		return false;
	if (!valid(&d))
		return false;
	*out = d;
	return true;
}

/* "22-Nov-2026" with the day already taken. */
static bool take_month_year(struct view *v, struct date *d)
{
	return take_char(v, '-') && take_month(v, &d->month) && take_char(v, '-') && take_number(v, 4, 4, &d->year);
}

bool date_get_imap(struct view v, struct date *out)
{
	struct date d;
	bool padded = take_char(&v, ' ');

	if (!take_number(&v, padded ? 1 : 2, padded ? 1 : 2, &d.day) || !take_month_year(&v, &d))
		return false;
	if (!take_char(&v, ' ') || !take_number(&v, 2, 2, &d.hour) || !take_char(&v, ':') || !take_number(&v, 2, 2, &d.minute) ||
		!take_char(&v, ':') || !take_number(&v, 2, 2, &d.second))
		return false;
	if (!take_char(&v, ' ') || !take_offset(&v, &d.zone) || v.n || !valid(&d))
		return false;
	*out = d;
	return true;
}

bool date_get_imap_day(struct view v, struct date *out)
{
	struct date d = { 0 };

	if (!take_number(&v, 1, 2, &d.day) || !take_month_year(&v, &d) || v.n || !valid(&d))
		return false;
	*out = d;
	return true;
}
