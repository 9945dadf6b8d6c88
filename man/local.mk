# SPDX-License-Identifier: ISC
dist_man_MANS += man/postrider-journal.5
dist_man_MANS += man/smtpd.8 man/sendmail.1
dist_man_MANS += man/qmgr.8 man/local-delivery.8 man/smtp-client.8 man/postrider-spool.5
dist_man_MANS += man/imapd.8
dist_man_MANS += man/postrider-mailbox.5 man/pop3d.8
dist_man_MANS += man/keyd.8 man/postrider-keys.5
dist_man_MANS += man/postrider.1 man/postrider-tables.5 man/lookup.8 man/accounts.8 man/auth.8
