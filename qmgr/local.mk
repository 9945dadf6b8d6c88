# SPDX-License-Identifier: ISC
# What qmgr is made of but its main(): a library, so that tests link it.
QMGR_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) -I$(top_builddir)
noinst_LIBRARIES += libqmgr.a
libqmgr_a_CPPFLAGS = $(QMGR_CPPFLAGS)
libqmgr_a_SOURCES = \
	qmgr/checkpoint.c \
	qmgr/commits.c qmgr/commits.h \
	qmgr/heap.c \
	qmgr/lanes.c qmgr/lanes.h \
	qmgr/state.c qmgr/state.h qmgr/state_private.h \
	qmgr/table.c
nodist_libqmgr_a_SOURCES = qmgr/records.c qmgr/records.h
BUILT_SOURCES += qmgr/records.h qmgr/records.c
CLEANFILES += qmgr/records.h qmgr/records.c
EXTRA_DIST += qmgr/records.tbl build-aux/records.awk
qmgr/records.h: $(srcdir)/qmgr/records.tbl $(srcdir)/build-aux/records.awk
	$(AM_V_GEN)$(MKDIR_P) qmgr && $(AWK) -v mode=h -f $(srcdir)/build-aux/records.awk $(srcdir)/qmgr/records.tbl >$@.tmp && mv $@.tmp $@
qmgr/records.c: $(srcdir)/qmgr/records.tbl $(srcdir)/build-aux/records.awk
	$(AM_V_GEN)$(MKDIR_P) qmgr && $(AWK) -v mode=c -f $(srcdir)/build-aux/records.awk $(srcdir)/qmgr/records.tbl >$@.tmp && mv $@.tmp $@
