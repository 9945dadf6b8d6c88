# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += host/host
host_host_SOURCES = host/holds.c host/homes.c host/host.c host/host.h host/images.c host/sessions.c host/upkeep.c
host_host_LDADD = libjournal.a $(L_DAEMON)
