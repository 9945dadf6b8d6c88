/* SPDX-License-Identifier: ISC */
/*
 * Files, always below a directory descriptor. Results are 0 or an ERR_ code (errno is left as the kernel set it). No
 * call follows a symbolic link in the last component.
 */
#ifndef POSTRIDER_SYS_FILE_H
#define POSTRIDER_SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

/* Opens a directory (O_DIRECTORY|O_CLOEXEC|O_NOFOLLOW) below dirfd (AT_FDCWD is allowed); *fd is the caller's. */
MUST_CHECK int file_open_dir(int dirfd, const char *name, int *fd);
/* Opens a regular file for reading; refuses anything else (FIFO, device, directory) with ERR_INVALID. */
MUST_CHECK int file_open_read(int dirfd, const char *name, int *fd);
/* The same for reading and writing. */
MUST_CHECK int file_open_edit(int dirfd, const char *name, int *fd);
/* Creates (O_CREAT|O_EXCL) for reading and writing. */
MUST_CHECK int file_create(int dirfd, const char *name, mode_t mode, int *fd);
/* Makes a directory, and says ERR_OK when it exists already as a directory. */
MUST_CHECK int file_mkdir(int dirfd, const char *name, mode_t mode);

/* All n octets or an error; EINTR and short counts are dealt with. pwrite's short count on a full disk is ERR_FULL. */
MUST_CHECK int file_write(int fd, const void *p, size_t n);
MUST_CHECK int file_pwrite(int fd, const void *p, size_t n, off_t at);
/* Exactly n octets; ERR_END when the file ends before. */
MUST_CHECK int file_pread(int fd, void *p, size_t n, off_t at);
/* The whole file into b, bounded by b's maximum (ERR_TOO_BIG). */
MUST_CHECK int file_slurp(int dirfd, const char *name, struct buf *b);
/* Replaces name by content so that a crash leaves the old or the new: temporary file, flush, rename, flush the directory. */
MUST_CHECK int file_replace(int dirfd, const char *name, struct view content, mode_t mode);
MUST_CHECK int file_size(int fd, uint64_t *size);

/* Flush data (fdatasync), everything (fsync), a directory. EINTR is dealt with; a failure is final (never retried). */
MUST_CHECK int file_flush_data(int fd);
MUST_CHECK int file_flush(int fd);

/*
 * An open-file-description lock on the whole file (F_OFD_SETLK). ERR_BUSY when another holds it. It goes with the last
 * copy of the descriptor.
 */
MUST_CHECK int file_lock(int fd, bool exclusive, bool wait);
MUST_CHECK int file_unlock(int fd);
/* The same, exclusive and without waiting, of a directory (flock(2)): the two kinds know nothing of each other. */
MUST_CHECK int file_lock_dir(int fd);
/* True when nobody has the file open for writing (a read lease could be had and was given back). */
bool file_no_writers(int fd);

/*
 * Names in a directory, without "." and "..", one call a name; stops when fn gives not 0 and gives that back. By a description of its own, so that the
 * caller's offset stays.
 */
MUST_CHECK int file_list(int dirfd, int (*fn)(const char *name, void *arg), void *arg);
/* The same by the descriptor itself, opened for reading: two system calls fewer, but nobody else may list by its description meanwhile. */
MUST_CHECK int file_list_here(int fd, int (*fn)(const char *name, void *arg), void *arg);

/* Whether the directory (O_PATH will do) stands, now, in the one that has this inode number. */
bool file_stands_in(int dirfd, uint64_t inode);

/* Descriptor habits. */
void fd_close(int *fd); /* closes and sets -1; -1 is ignored */
MUST_CHECK int fd_nonblock(int fd);
/*
 * Makes room in the process' table for n descriptors, at once: where several threads share the table, each time that the kernel makes it bigger it waits
 * for all processors, some milliseconds. Costs the kernel 8 octets for each. Best effort: as many as the limit allows, or what there is.
 */
void fd_expect(size_t n);
MUST_CHECK int fd_cloexec(int fd, bool on);
/* A sealed memfd with this content, for handing constant data to another process. */
MUST_CHECK int fd_memfd(const char *name, struct view content, int *fd);

#endif
