# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = lib/daemon/confine.c lib/daemon/confine.h lib/daemon/daemon.c lib/daemon/daemon.h lib/daemon/keys.c lib/daemon/keys.h lib/daemon/link.c \
	lib/daemon/link.h lib/daemon/processes.c lib/daemon/processes.h lib/daemon/session.c lib/daemon/session.h lib/daemon/state.h
