# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libjournal.a
libjournal_a_SOURCES = \
	lib/journal/ahead.c \
	lib/journal/append.c \
	lib/journal/backend.h \
	lib/journal/backend_file.c \
	lib/journal/chain.c \
	lib/journal/compact.c \
	lib/journal/copy.c \
	lib/journal/dump.c \
	lib/journal/flush.c \
	lib/journal/frame.c lib/journal/frame.h \
	lib/journal/internal.h \
	lib/journal/journal.c lib/journal/journal.h \
	lib/journal/read.c \
	lib/journal/recover.c \
	lib/journal/seam.h
