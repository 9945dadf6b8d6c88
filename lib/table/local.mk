# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libtable.a
libtable_a_SOURCES = lib/table/base.h lib/table/base.c lib/table/engines.h lib/table/delta.h lib/table/delta.c \
	lib/table/table.h lib/table/table.c lib/table/writer.h lib/table/writer.c lib/table/entry.h lib/table/entry.c lib/table/whole.h lib/table/whole.c
if HAVE_BDB
libtable_a_SOURCES += lib/table/bdb.c
endif
if HAVE_LMDB
libtable_a_SOURCES += lib/table/lmdb.c
endif
