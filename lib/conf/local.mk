# SPDX-License-Identifier: ISC
# Each parameter is one file; a new one is named here, and nowhere else.
PARAMETERS = \
	lib/conf/parameters/auth.cache \
	lib/conf/parameters/auth.failure_delay \
	lib/conf/parameters/auth.mechanisms \
	lib/conf/parameters/auth.plaintext \
	lib/conf/parameters/clients_per_process \
	lib/conf/parameters/control_group \
	lib/conf/parameters/directory.keys \
	lib/conf/parameters/directory.log \
	lib/conf/parameters/directory.mail \
	lib/conf/parameters/directory.run \
	lib/conf/parameters/directory.spool \
	lib/conf/parameters/directory.tables \
	lib/conf/parameters/hostname \
	lib/conf/parameters/listen.imap \
	lib/conf/parameters/listen.imaps \
	lib/conf/parameters/listen.lmtp \
	lib/conf/parameters/listen.pop3 \
	lib/conf/parameters/listen.pop3s \
	lib/conf/parameters/listen.relay \
	lib/conf/parameters/listen.smtp \
	lib/conf/parameters/listen.submission \
	lib/conf/parameters/listen.submissions \
	lib/conf/parameters/log_level \
	lib/conf/parameters/message_size_limit \
	lib/conf/parameters/postmaster \
	lib/conf/parameters/queue.lifetime \
	lib/conf/parameters/queue.retry_max \
	lib/conf/parameters/queue.retry_min \
	lib/conf/parameters/queue.warn \
	lib/conf/parameters/recipient_delimiter \
	lib/conf/parameters/recipient_limit \
	lib/conf/parameters/relay_connections \
	lib/conf/parameters/relay_host \
	lib/conf/parameters/relay_networks \
	lib/conf/parameters/relay_routes \
	lib/conf/parameters/smtpd.bare_newline \
	lib/conf/parameters/smtpd.clients_per_address \
	lib/conf/parameters/smtpd.data_rate \
	lib/conf/parameters/smtpd.error_limit \
	lib/conf/parameters/smtpd.greeting_pause \
	lib/conf/parameters/smtpd.header_limit \
	lib/conf/parameters/smtpd.idle_timeout \
	lib/conf/parameters/smtpd.line_limit \
	lib/conf/parameters/smtpd.local_trusted \
	lib/conf/parameters/smtpd.processes \
	lib/conf/parameters/stop_timeout \
	lib/conf/parameters/system_user_prefix \
	lib/conf/parameters/table_type \
	lib/conf/parameters/uid_count \
	lib/conf/parameters/uid_first \
	lib/conf/parameters/upkeep_interval

noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = lib/conf/conf.c lib/conf/conf.h lib/conf/table.h
nodist_libconf_a_SOURCES = lib/conf/parameters.c lib/conf/parameters.h
BUILT_SOURCES += lib/conf/parameters.h lib/conf/parameters.c
CLEANFILES += lib/conf/parameters.h lib/conf/parameters.c
EXTRA_DIST += $(PARAMETERS) build-aux/parameters.awk
lib/conf/parameters.h: $(PARAMETERS) $(srcdir)/build-aux/parameters.awk $(srcdir)/lib/conf/local.mk
	$(AM_V_GEN)$(MKDIR_P) lib/conf && (cd $(srcdir) && $(AWK) -v mode=h -f build-aux/parameters.awk $(PARAMETERS)) >$@.tmp && mv $@.tmp $@
lib/conf/parameters.c: $(PARAMETERS) $(srcdir)/build-aux/parameters.awk $(srcdir)/lib/conf/local.mk
	$(AM_V_GEN)$(MKDIR_P) lib/conf && (cd $(srcdir) && $(AWK) -v mode=c -f build-aux/parameters.awk $(PARAMETERS)) >$@.tmp && mv $@.tmp $@
