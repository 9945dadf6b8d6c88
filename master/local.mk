# SPDX-License-Identifier: ISC
pkglibexec_PROGRAMS += master/master
master_master_SOURCES = master/channels.c master/child.c master/layout.c master/listeners.c master/master.c master/master.h \
	master/notify.c master/status.c master/users.c
master_master_LDADD = $(L_DAEMON)
