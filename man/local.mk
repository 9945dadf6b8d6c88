# SPDX-License-Identifier: ISC
dist_man_MANS += man/postrider-journal.5
dist_man_MANS += man/smtpd.8 man/sendmail.1
dist_man_MANS += man/imapd.8
dist_man_MANS += man/postrider-mailbox.5 man/pop3d.8
dist_man_MANS += man/keyd.8 man/postrider-keys.5
