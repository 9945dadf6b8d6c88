# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libipc.a
libipc_a_SOURCES = lib/ipc/channel.c lib/ipc/channel.h lib/ipc/client.c lib/ipc/coding.h lib/ipc/frame.c lib/ipc/frame.h lib/ipc/values.h
nodist_libipc_a_SOURCES = lib/ipc/messages.c lib/ipc/messages.h
BUILT_SOURCES += lib/ipc/messages.h lib/ipc/messages.c
CLEANFILES += lib/ipc/messages.h lib/ipc/messages.c
EXTRA_DIST += lib/ipc/messages.tbl build-aux/messages.awk
lib/ipc/messages.h: $(srcdir)/lib/ipc/messages.tbl $(srcdir)/build-aux/messages.awk
	$(AM_V_GEN)$(MKDIR_P) lib/ipc && $(AWK) -v mode=h -f $(srcdir)/build-aux/messages.awk $(srcdir)/lib/ipc/messages.tbl >$@.tmp && mv $@.tmp $@
lib/ipc/messages.c: $(srcdir)/lib/ipc/messages.tbl $(srcdir)/build-aux/messages.awk
	$(AM_V_GEN)$(MKDIR_P) lib/ipc && $(AWK) -v mode=c -f $(srcdir)/build-aux/messages.awk $(srcdir)/lib/ipc/messages.tbl >$@.tmp && mv $@.tmp $@
