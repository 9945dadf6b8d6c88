# SPDX-License-Identifier: ISC
# The parts that tests link, and the daemon.
noinst_LIBRARIES += liblocaldelivery.a
liblocaldelivery_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
liblocaldelivery_a_SOURCES = \
	local-delivery/seen.c local-delivery/seen.h \
	local-delivery/streams.c local-delivery/streams.h

pkglibexec_PROGRAMS += local-delivery/local-delivery
local_delivery_local_delivery_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
local_delivery_local_delivery_SOURCES = local-delivery/main.c
local_delivery_local_delivery_LDADD = liblocaldelivery.a libmailbox.a libjournal.a libproto.a $(L_DAEMON)
