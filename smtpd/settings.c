/* SPDX-License-Identifier: ISC */
#include "smtpd/settings.h"

#include <stdio.h>

#include "conf/conf.h"

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
}
