# SPDX-License-Identifier: ISC
# One page for each program, daemon and format of a file; build-aux/check-manual looks them all through.
dist_man_MANS += man/postrider.1 man/sendmail.1
dist_man_MANS += man/postrider-journal.5 man/postrider-keys.5 man/postrider-mailbox.5 \
	man/postrider-spool.5 man/postrider-tables.5
dist_man_MANS += man/postrider-architecture.7 man/postrider-security.7
dist_man_MANS += man/accounts.8 man/auth.8 man/host.8 man/imapd.8 man/keyd.8 man/local-delivery.8 man/log.8 man/login.8 man/lookup.8 \
	man/master.8 man/pop3d.8 man/qmgr.8 man/smtp-client.8 man/smtpd.8

# The list of parameters in postrider.conf(5) is made of the parameters' files.
nodist_man_MANS = man/postrider.conf.5
CLEANFILES += man/postrider.conf.5
EXTRA_DIST += man/postrider.conf.5.in
man/postrider.conf.5: $(srcdir)/man/postrider.conf.5.in $(PARAMETERS) $(srcdir)/build-aux/parameters.awk $(srcdir)/lib/conf/local.mk
	$(AM_V_GEN)$(MKDIR_P) man && { \
		sed -e '/^@PARAMETERS@$$/,$$d' -e 's|@sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/man/postrider.conf.5.in && \
		(cd $(srcdir) && $(AWK) -v mode=man -f build-aux/parameters.awk $(PARAMETERS)) && \
		sed -e '1,/^@PARAMETERS@$$/d' -e 's|@sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/man/postrider.conf.5.in; } >$@.tmp && mv $@.tmp $@

dist_check_SCRIPTS = build-aux/check-manual
check_SCRIPTS += build-aux/check-manual
EXTRA_DIST += build-aux/processes.awk
