/* SPDX-License-Identifier: ISC */
#include "smtpd/settings.h"

#include <stdio.h>

#include "conf/conf.h"

/* A list may stand with commas in the file; on the wire it has blanks. */
static void read_mechanisms(struct settings *s, const struct conf *c)
{
	struct view one;
	size_t n = 0;

	for (size_t i = 0; conf_item(c, PARAM_AUTH_MECHANISMS, i, &one); i++)
		if (n + one.n + 2 < sizeof s->mechanisms)
			n += (size_t)snprintf(s->mechanisms + n, sizeof s->mechanisms - n, "%s%.*s", n ? " " : "", (int)one.n, one.p);
}

void settings_read(struct settings *s, const struct conf *c)
{
	*s = (struct settings){
		.size_max = conf_num(c, PARAM_MESSAGE_SIZE_LIMIT),
		.rcpts_max = (unsigned)conf_num(c, PARAM_RECIPIENT_LIMIT),
		.errors_max = (unsigned)conf_num(c, PARAM_SMTPD_ERROR_LIMIT),
		.line_max = (size_t)conf_num(c, PARAM_SMTPD_LINE_LIMIT),
		.header_max = (size_t)conf_num(c, PARAM_SMTPD_HEADER_LIMIT),
		.normalize = conf_num(c, PARAM_SMTPD_BARE_NEWLINE) == 1,
		.idle = conf_num(c, PARAM_SMTPD_IDLE_TIMEOUT) * 1000,
		.data_rate = conf_num(c, PARAM_SMTPD_DATA_RATE),
		.greeting_pause = conf_num(c, PARAM_SMTPD_GREETING_PAUSE) * 1000,
		.per_address = (unsigned)conf_num(c, PARAM_SMTPD_CLIENTS_PER_ADDRESS),
	};
	snprintf(s->hostname, sizeof s->hostname, "%s", conf_str(c, PARAM_HOSTNAME));
	read_mechanisms(s, c);
}
