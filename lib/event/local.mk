# SPDX-License-Identifier: ISC
noinst_LIBRARIES += libevent.a
libevent_a_SOURCES = lib/event/loop.c lib/event/loop.h lib/event/pool.c
