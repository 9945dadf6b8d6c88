/* SPDX-License-Identifier: ISC */
#include "daemon/processes.h"

#include <linux/capability.h>

#include "sys/priv.h"

#define NO_DIRS { { NULL, PARAM_COUNT, 0, false } }
#define ONE PARAM_COUNT
#define DOOR(role_, name_, user_, count_, text_, ...)                                                              \
	{ .role = role_, .name = name_, .program = "smtpd", .user = user_, .count = count_, .sys = PRIV_SYS_ACCEPT, \
	  .listeners = { __VA_ARGS__ }, .text = text_ }
#define LATER(role_, name_, user_, text_) \
	{ .role = role_, .name = name_, .program = name_, .user = user_, .count = ONE, .text = text_, .later = true }

const struct process_row process_table[] = {
	{ .role = ROLE_LOG, .name = "log", .program = "log", .user = "log", .count = ONE, .sys = PRIV_SYS_FILES | PRIV_SYS_FLUSH,
	  .dirs = { { "log", PARAM_DIRECTORY_LOG, PRIV_READ | PRIV_WRITE, false } },
	  .text = "writes the log; stamps each line with the role and process id of its sender" },
	{ .role = ROLE_KEYD, .name = "keyd", .program = "keyd", .user = "key", .count = ONE, .sys = PRIV_SYS_FILES,
	  .dirs = { { "keys", PARAM_DIRECTORY_KEYS, PRIV_READ, false } },
	  .text = "holds every private key and signs with it; gives certificates and session-ticket keys" },
	{ .role = ROLE_LOOKUP, .name = "lookup", .program = "lookup", .user = "lookup", .count = ONE, .sys = PRIV_SYS_FILES,
	  .dirs = { { "tables", PARAM_DIRECTORY_TABLES, PRIV_READ, false } },
	  .text = "says what an address is, where it goes, and who an account is" },
	{ .role = ROLE_ACCOUNTS, .name = "accounts", .program = "accounts", .user = "accounts", .count = ONE,
	  .sys = PRIV_SYS_FILES | PRIV_SYS_FLUSH | PRIV_SYS_THREADS | PRIV_SYS_ACCEPT,
	  .dirs = { { "tables", PARAM_DIRECTORY_TABLES, PRIV_READ | PRIV_WRITE, false } }, .listeners = { "control" },
	  .text = "the one writer of the tables of domains, accounts and aliases" },
	{ .role = ROLE_AUTH, .name = "auth", .program = "auth", .user = "auth", .count = ONE, .sys = PRIV_SYS_THREADS,
	  .text = "speaks SASL, checks passwords, answers with a sealed log-in" },
	{ .role = ROLE_QMGR, .name = "qmgr", .program = "qmgr", .user = "queue", .count = ONE,
	  .sys = PRIV_SYS_FILES | PRIV_SYS_FLUSH | PRIV_SYS_THREADS | PRIV_SYS_ACCEPT,
	  .dirs = { { "spool", PARAM_DIRECTORY_SPOOL, PRIV_READ | PRIV_WRITE, false } }, .listeners = { "control" },
	  .text = "the one owner of the spool: commits, schedules, retries, bounces" },
	DOOR(ROLE_SMTPD_MX, "smtpd-mx", "smtpd-mx", PARAM_SMTPD_PROCESSES, "receives mail from other hosts, for our addresses only", "smtp"),
	DOOR(ROLE_SMTPD_SUBMISSION, "smtpd-submission", "smtpd-submission", ONE, "receives mail from users who log in", "submission",
		"submissions"),
	DOOR(ROLE_SMTPD_LOCAL, "smtpd-local", "smtpd-local", ONE, "receives mail from this host's users, whom the kernel names",
		"submit"),
	DOOR(ROLE_SMTPD_LMTP, "smtpd-lmtp", "smtpd-lmtp", ONE, "receives mail by LMTP, for our addresses only", "lmtp"),
	DOOR(ROLE_SMTPD_RELAY, "smtpd-relay", "smtpd-relay", ONE, "receives mail from the networks that may relay", "relay"),
	{ .role = ROLE_SMTP_CLIENT, .name = "smtp-client", .program = "smtp-client", .user = "smtp", .count = ONE,
	  .sys = PRIV_SYS_CONNECT, .text = "delivers to other hosts by SMTP" },
	{ .role = ROLE_LOCAL_DELIVERY, .name = "local-delivery", .program = "local-delivery", .user = "mail", .count = ONE,
	  .sys = PRIV_SYS_FILES | PRIV_SYS_FLUSH | PRIV_SYS_THREADS,
	  .dirs = { { "mail", PARAM_DIRECTORY_MAIL, PRIV_READ | PRIV_WRITE, false } },
	  .text = "appends messages to the incoming streams of the accounts" },
	{ .role = ROLE_LOGIN, .name = "login", .program = "login", .user = "login", .count = ONE,
	  .sys = PRIV_SYS_ACCEPT | PRIV_SYS_SOCKET, .listeners = { "imap", "imaps", "pop3", "pop3s" },
	  .text = "the door of IMAP and POP3: TLS and what comes before log-in; carries the TLS octets after it" },
	{ .role = ROLE_HOST, .name = "host", .program = "host", .user = "host", .count = ONE,
	  .caps = PRIV_CAP(CAP_SETUID) | PRIV_CAP(CAP_SETGID) | PRIV_CAP(CAP_CHOWN),
	  .sys = PRIV_SYS_FILES | PRIV_SYS_CHOWN | PRIV_SYS_SOCKET | PRIV_SYS_FORK,
	  .dirs = { { "mail", PARAM_DIRECTORY_MAIL, PRIV_READ | PRIV_WRITE, false } },
	  .text = "makes homes, and has an account's process forked for a sealed log-in" },
	{ .role = ROLE_IMAGE, .name = "image", .program = NULL, .user = "host", .count = ONE,
	  .caps = PRIV_CAP(CAP_SETUID) | PRIV_CAP(CAP_SETGID),
	  .sys = PRIV_SYS_FILES | PRIV_SYS_FLUSH | PRIV_SYS_THREADS | PRIV_SYS_FORK | PRIV_SYS_SETID | PRIV_SYS_CONFINE,
	  .text = "imapd or pop3d, initialised, from which host has the accounts' processes forked; reads host's channel only" },
	{ .role = ROLE_IMAPD, .name = "imapd", .program = "imapd", .user = NULL, .count = ONE,
	  .sys = PRIV_SYS_FILES | PRIV_SYS_FLUSH | PRIV_SYS_THREADS,
	  .text = "IMAP for all sessions of one account, as that account's uid, in its home" },
	{ .role = ROLE_POP3D, .name = "pop3d", .program = "pop3d", .user = NULL, .count = ONE,
	  .sys = PRIV_SYS_FILES | PRIV_SYS_FLUSH | PRIV_SYS_THREADS,
	  .text = "POP3 for the sessions of one account, as that account's uid, in its home" },
	LATER(ROLE_POLICY_IN, "policy-in", "policy-in", "SPF, DKIM, DMARC, rates and milters for mail from outside: a sealed verdict"),
	LATER(ROLE_POLICY_OUT, "policy-out", "policy-out", "checks and signing for mail from users: a sealed verdict"),
	LATER(ROLE_RESOLVER, "resolver", "dns", "asks the DNS: validated answers, one cache"),
	LATER(ROLE_FETCH, "fetch", "fetch", "asks HTTPS: MTA-STS policies, reports"),
	LATER(ROLE_DELIVER_USER, "deliver-user", NULL, "Sieve and .forward as the account's uid; executes nothing itself"),
};
const size_t process_count = sizeof process_table / sizeof *process_table;

const struct process_row *process_row(enum ipc_role role)
{
	for (size_t i = 0; i < process_count; i++)
		if (process_table[i].role == role)
			return &process_table[i];
	return NULL;
}

/* Requests go from left to right, and never round in a circle: tests/unit/daemon checks it. host makes its own to imapd, pop3d and image. */
const struct process_channel process_channels[] = {
	{ ROLE_SMTPD_MX, ROLE_KEYD },
	{ ROLE_SMTPD_MX, ROLE_LOOKUP },
	{ ROLE_SMTPD_MX, ROLE_QMGR },
	{ ROLE_SMTPD_SUBMISSION, ROLE_KEYD },
	{ ROLE_SMTPD_SUBMISSION, ROLE_LOOKUP },
	{ ROLE_SMTPD_SUBMISSION, ROLE_AUTH },
	{ ROLE_SMTPD_SUBMISSION, ROLE_QMGR },
	{ ROLE_SMTPD_LOCAL, ROLE_LOOKUP },
	{ ROLE_SMTPD_LOCAL, ROLE_QMGR },
	{ ROLE_SMTPD_LMTP, ROLE_KEYD },
	{ ROLE_SMTPD_LMTP, ROLE_LOOKUP },
	{ ROLE_SMTPD_LMTP, ROLE_QMGR },
	{ ROLE_SMTPD_RELAY, ROLE_KEYD },
	{ ROLE_SMTPD_RELAY, ROLE_LOOKUP },
	{ ROLE_SMTPD_RELAY, ROLE_QMGR },
	{ ROLE_LOGIN, ROLE_KEYD },
	{ ROLE_LOGIN, ROLE_AUTH },
	{ ROLE_LOGIN, ROLE_HOST },
	{ ROLE_AUTH, ROLE_LOOKUP },
	{ ROLE_ACCOUNTS, ROLE_LOOKUP },
	{ ROLE_ACCOUNTS, ROLE_HOST },
	{ ROLE_QMGR, ROLE_LOOKUP },
	{ ROLE_SMTP_CLIENT, ROLE_QMGR },
	{ ROLE_LOCAL_DELIVERY, ROLE_QMGR },
	{ ROLE_LOCAL_DELIVERY, ROLE_HOST },
};
const size_t process_channel_count = sizeof process_channels / sizeof *process_channels;

const struct process_seal process_seals[] = {
	{ ROLE_LOOKUP, ROLE_QMGR }, /* struct route: this address goes there */
	{ ROLE_AUTH, ROLE_QMGR },   /* struct login: this user hands in mail */
	{ ROLE_AUTH, ROLE_HOST },   /* struct login: this user reads mail */
};
const size_t process_seal_count = sizeof process_seals / sizeof *process_seals;
