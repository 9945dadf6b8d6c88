# SPDX-License-Identifier: ISC

sbin_PROGRAMS += control/sendmail
control_sendmail_SOURCES = control/sendmail.c control/sendmail.h control/sendmail_client.c control/sendmail_message.c
control_sendmail_LDADD = $(L_PROTO) $(L_CONF)
if SENDMAIL_COMPAT
install-exec-hook: install-sendmail-names
install-sendmail-names:
	$(MKDIR_P) $(DESTDIR)$(bindir)
	$(LN_S) -f $(sbindir)/sendmail $(DESTDIR)$(bindir)/mailq
	$(LN_S) -f $(sbindir)/sendmail $(DESTDIR)$(bindir)/newaliases
uninstall-hook: uninstall-sendmail-names
uninstall-sendmail-names:
	rm -f $(DESTDIR)$(bindir)/mailq $(DESTDIR)$(bindir)/newaliases
.PHONY: install-sendmail-names uninstall-sendmail-names
endif

sbin_PROGRAMS += control/postrider
control_postrider_SOURCES = control/postrider.c control/cli.c control/cli.h control/cmd_conf.c control/cmd_directory.c control/cmd_journal.c control/cmd_mailbox.c \
	control/cmd_queue.c control/cmd_restore.c control/cmd_snapshot.c control/cmd_suite.c control/exchange.c control/exchange.h \
	control/home.c control/home.h control/password_input.c control/password_input.h control/suite.c control/suite.h \
	control/tree.c control/tree.h
control_postrider_LDADD = libmailbox.a libjournal.a libproto.a $(L_DAEMON)
