/* SPDX-License-Identifier: ISC */
#include "base/num.h"

bool num_u64(struct view v, uint64_t max, uint64_t *out)
{
	uint64_t u = 0;

	if (v.n == 0)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (!ascii_isdigit(v.p[i]))
			return false;
		unsigned digit = (unsigned)(v.p[i] - '0');
		if (digit > max || u > (max - digit) / 10)
			return false;
		u = u * 10 + digit;
	}
	*out = u;
	return true;
}

bool num_u32(struct view v, uint32_t max, uint32_t *out)
{
	uint64_t u;

	if (!num_u64(v, max, &u))
		return false;
	*out = (uint32_t)u;
	return true;
}

bool num_hex64(struct view v, uint64_t *out)
{
	uint64_t u = 0;

	if (v.n == 0)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		int digit = ascii_hex(v.p[i]);
		if (digit < 0 || u >> 60)
			return false;
		u = u << 4 | (unsigned)digit;
	}
	*out = u;
	return true;
}

struct unit {
	char suffix; /* lower case; the table ends with 0 */
	uint64_t factor;
};

static bool with_unit(struct view v, const struct unit *units, uint64_t *out)
{
	uint64_t factor = 1, u;

	if (v.n && !ascii_isdigit(v.p[v.n - 1])) {
		char suffix = ascii_lower(v.p[v.n - 1]);
		while (units->suffix && units->suffix != suffix)
			units++;
		if (!units->suffix)
			return false;
		factor = units->factor;
		v.n--;
	}
	if (!num_u64(v, UINT64_MAX / factor, &u))
		return false;
	*out = u * factor;
	return true;
}

bool num_size(struct view v, uint64_t *out)
{
	static const struct unit units[] = { { 'k', 1 << 10 }, { 'm', 1 << 20 }, { 'g', 1 << 30 }, { 0, 0 } };

	return with_unit(v, units, out);
}

bool num_duration(struct view v, uint64_t *seconds)
{
	static const struct unit units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 0, 0 } };

	return with_unit(v, units, seconds);
}

bool hex_get(struct buf *b, struct view v)
{
	if (v.n % 2)
		return false;
	char *to = buf_room(b, v.n / 2);
	if (!to)
		return false;
	for (size_t i = 0; i < v.n; i += 2) {
		int high = ascii_hex(v.p[i]), low = ascii_hex(v.p[i + 1]);
		if (high < 0 || low < 0)
			return false;
		to[i / 2] = (char)(high << 4 | low);
	}
	buf_commit(b, v.n / 2);
	return true;
}
