/* SPDX-License-Identifier: ISC */
/*
 * Is a file whole? The last 24 octets of a base are a trailer: magic, the length of what stands before it, the CRC-32C of that, and
 * the CRC-32C of the trailer itself. It is checked before a database library is shown the file, since both libraries believe what they
 * read (Berkeley DB sums its pages, but takes a page of zeros as it is). Costs one pass over the file at each replacement.
 */
#ifndef POSTRIDER_TABLE_WHOLE_H
#define POSTRIDER_TABLE_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

/* Pads with zeros and adds the trailer so that the size becomes a multiple of align; sets the mode (readers belong to the directory's group) and flushes. */
MUST_CHECK int whole_seal(const char *path, size_t align);
/* ERR_NOT_FOUND, ERR_DAMAGED … ; *st says which file was looked at. */
MUST_CHECK int whole_check(const char *path, struct stat *st);
/* True when the file that fd has open is the one that was looked at. */
bool whole_same(int fd, const struct stat *st);

#endif
