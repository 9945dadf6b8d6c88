/* SPDX-License-Identifier: ISC */
#include "smtpd/class.h"

#include <stddef.h>
#include <string.h>

static const struct class classes[] = {
	{ .listener = "smtp", .stranger = true },
	{ .listener = "submission", .login = true, .relay = true, .complete = true, .stranger = true },
	{ .listener = "submissions", .tls_at_once = true, .login = true, .relay = true, .complete = true, .stranger = true },
	{ .listener = "submit", .kernel = true, .relay = true, .complete = true },
	{ .listener = "lmtp", .lmtp = true },
	{ .listener = "relay", .relay = true, .networks = true },
};

const struct class *class_find(const char *listener)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strcmp(classes[i].listener, listener) == 0)
			return &classes[i];
	return NULL;
}
