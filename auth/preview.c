/* SPDX-License-Identifier: ISC */
#include "auth/preview.h"

bool preview_plain(struct view v, struct view *authzid, struct view *authcid, struct view *password)
{
	return view_cut(&v, '\0', authzid) && view_cut(&v, '\0', authcid) && v.p && (*password = v, true) && authcid->n > 0 &&
		password->n > 0 && view_find(*password, '\0') == SIZE_MAX;
}

/* RFC 5802 5.1: ',' and '=' stand as =2C and =3D; nothing else may follow a '='. */
static bool name_decode(struct view v, struct buf *out)
{
	for (size_t i = 0; i < v.n; i++) {
		struct view code = view_head(view_skip(v, i), 3);

		if (v.p[i] == '\0')
			return false;
		if (v.p[i] != '=') {
			buf_addc(out, v.p[i]);
			continue;
		}
		if (view_eqs(code, "=2C"))
			buf_addc(out, ',');
		else if (view_eqs(code, "=3D"))
			buf_addc(out, '=');
		else
			return false;
		i += 2;
	}
	return buf_ok(out) && v.n > 0;
}

static bool attribute(struct view part, char letter, struct view *value)
{
	if (part.n < 2 || part.p[0] != letter || part.p[1] != '=')
		return false;
	*value = view_skip(part, 2);
	return true;
}

bool preview_scram(struct view v, struct buf *authzid, struct buf *authcid)
{
	struct view flag, zid, part, value;

	if (!view_cut(&v, ',', &flag) || !view_cut(&v, ',', &zid) || !view_cut(&v, ',', &part))
		return false;
	if (!view_eqs(flag, "n") && !view_eqs(flag, "y") && !view_starts(flag, VIEW("p=")))
		return false;
	if (zid.n && !(attribute(zid, 'a', &value) && name_decode(value, authzid)))
		return false;
	/* RFC 5802 5.1: a nonce must follow, and extensions that begin with "m=" must be refused. */
	return attribute(part, 'n', &value) && name_decode(value, authcid) && view_cut(&v, ',', &part) && attribute(part, 'r', &value) &&
		value.n > 0;
}
