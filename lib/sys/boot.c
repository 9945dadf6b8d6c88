/* SPDX-License-Identifier: ISC */
#include "sys/boot.h"

#include <fcntl.h>
#include <string.h>

#include "base/num.h"
#include "sys/file.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define TEXT 36 /* of a UUID */

static uint64_t boot;

void boot_learn(void)
{
	char text[TEXT];
	int fd;

	if (file_open_read(AT_FDCWD, BOOT_ID, &fd) != ERR_OK)
		return;
	if (file_pread(fd, text, sizeof(text), 0) == ERR_OK)
		boot = (uint64_t)crc32c(0, text, TEXT / 2) << 32 | crc32c(0, text + TEXT / 2, TEXT / 2);
	fd_close(&fd);
}

uint64_t boot_id(void) { return boot; }

void boot_pretend(uint64_t id) { boot = id; }
