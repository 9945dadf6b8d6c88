/* SPDX-License-Identifier: ISC */
#include "tls/context.h"
#include "tls/sign.h"

enum { LABEL_MAX = 63 };

static bool label_legal(struct view l)
{
	if (l.n == 0 || l.n > LABEL_MAX || l.p[0] == '-' || l.p[l.n - 1] == '-')
		return false;
	for (size_t i = 0; i < l.n; i++)
		if (!ascii_isdigit(l.p[i]) && !(l.p[i] >= 'a' && l.p[i] <= 'z') && l.p[i] != '-')
			return false;
	return true;
}

static bool all_digits(struct view l)
{
	for (size_t i = 0; i < l.n; i++)
		if (!ascii_isdigit(l.p[i]))
			return false;
	return true;
}

bool sign_name_legal(struct view name)
{
	struct view label = VIEW_NONE;
	if (name.n == 0 || name.n > TLS_NAME_MAX || name.p[name.n - 1] == '.')
		return false;
	while (view_cut(&name, '.', &label))
		if (!label_legal(label))
			return false;
	return !all_digits(label); /* else it is an IPv4 address */
}
