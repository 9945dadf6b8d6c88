# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libsys.a
libsys_a_SOURCES = \
	lib/sys/addr.c \
	lib/sys/boot.c lib/sys/boot.h \
	lib/sys/clock.c lib/sys/clock.h \
	lib/sys/file.c lib/sys/file.h \
	lib/sys/landlock.c \
	lib/sys/priv.c lib/sys/priv.h \
	lib/sys/seccomp.c \
	lib/sys/sock.c lib/sys/sock.h
