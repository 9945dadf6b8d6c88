/* SPDX-License-Identifier: ISC */
/* Each command as a client sees it. */
#include "tests/unit/imapd/imapd_test.h"

static const char hello[] = "From: Alice <a@x.test>\r\nTo: b@x.test\r\nSubject: hello\r\nDate: Sun, 22 Nov 2026 02:12:44 +0000\r\n\r\nbody one\r\n";
static const char other[] = "From: c@x.test\r\nSubject: other\r\n\r\nbody two\r\n";

static struct client *begin(void **state, const char *select)
{
	struct client *c = client_new(*state);
	if (select)
		command(c, select, "OK");
	return c;
}

static void any_state(void **state)
{
	struct client *c = begin(state, NULL);
	assert_has(command(c, "capability", "OK"), "* CAPABILITY IMAP4rev1 LITERAL+");
	assert_has(command(c, "ID (\"name\" \"test\" \"os\" NIL)", "OK"), "* ID (\"name\" \"Postrider\"");
	command(c, "ID NIL", "OK");
	assert_has(command(c, "ENABLE CONDSTORE X", "OK"), "* ENABLED CONDSTORE");
	assert_has(command(c, "NAMESPACE", "OK"), "* NAMESPACE ((\"\" \"/\")) NIL NIL");
	command(c, "NOOP", "OK");
	command(c, "NOOP x", "BAD");
	command(c, "FROBNICATE", "BAD");
	command(c, "UID NOOP", "BAD");
	command(c, "UID", "BAD");
	command(c, "FETCH 1 FLAGS", "BAD");
	assert_has(talk(c, "\r\n", "* BAD"), "* BAD");
	assert_has(talk(c, "y NOOP\n", "y "), "y OK");
	const char *got = command(c, "LOGOUT", "OK");
	assert_has(got, "* BYE");
	client_read(c, "never");
	assert_true(c->closed);
	client_free(c);
}

static void mailboxes(void **state)
{
	struct client *c = begin(state, NULL);
	assert_has(command(c, "LIST \"\" *", "OK"), "\"/\" \"INBOX\"");
	assert_has(command(c, "LIST \"\" \"\"", "OK"), "* LIST (\\Noselect) \"/\" \"\"");
	command(c, "CREATE work/2026/", "OK");
	command(c, "CREATE work/2026", "NO [ALREADYEXISTS]");
	command(c, "CREATE inbox", "NO [ALREADYEXISTS]");
	command(c, "CREATE \"../../etc\"", "NO [CANNOT]");
	command(c, "CREATE \"a//b\"", "NO [CANNOT]");
	command(c, "CREATE &Jjo-!", "OK");
	assert_has(command(c, "LIST \"\" *", "OK"), "\"&Jjo-!\"");
	assert_has(command(c, "LIST \"\" %", "OK"), "* LIST (\\HasChildren) \"/\" \"work\"");
	assert_has(command(c, "LIST work/ %", "OK"), "* LIST (\\HasNoChildren) \"/\" \"work/2026\"");
	assert_lacks(command(c, "LIST \"\" %", "OK"), "work/2026");
	assert_has(command(c, "LIST (SPECIAL-USE) \"\" *", "OK"), "\\Sent) \"/\" \"Sent\"");
	assert_lacks(command(c, "LIST (SPECIAL-USE) \"\" *", "OK"), "\"work\"");
	assert_has(command(c, "LIST \"\" (INBOX work) RETURN (CHILDREN STATUS (MESSAGES UIDNEXT))", "OK"), "* STATUS \"INBOX\" (MESSAGES 0 UIDNEXT 1)");
	command(c, "DELETE work", "OK");
	assert_has(command(c, "LIST \"\" %", "OK"), "* LIST (\\NonExistent \\Noselect \\HasChildren) \"/\" \"work\"");
	command(c, "DELETE INBOX", "NO [CANNOT]");
	command(c, "DELETE nothere", "NO [NONEXISTENT]");
	command(c, "RENAME work/2026 work/2026/x", "NO [CANNOT]");
	command(c, "RENAME work/2026 done/old", "OK");
	assert_has(command(c, "LIST \"\" done/*", "OK"), "\"done/old\"");
	command(c, "CREATE mem (USE (\\Archive))", "OK");
	command(c, "CREATE mem2 (USE (\\Nonsense))", "NO [USEATTR]");
	command(c, "LIST \"\"", "BAD");
	command(c, "LIST (FOO) \"\" *", "BAD");
	client_free(c);
}

static void subscriptions(void **state)
{
	struct client *c = begin(state, NULL);
	command(c, "CREATE a/b", "OK");
	command(c, "SUBSCRIBE a/b", "OK");
	command(c, "SUBSCRIBE gone", "OK");
	assert_has(command(c, "LSUB \"\" *", "OK"), "* LSUB () \"/\" \"a/b\"");
	assert_lacks(command(c, "LSUB \"\" *", "OK"), "\"a\"");
	assert_has(command(c, "LSUB \"\" %", "OK"), "* LSUB (\\Noselect) \"/\" \"a\"");
	const char *got = command(c, "LIST (SUBSCRIBED) \"\" *", "OK");
	assert_has(got, "* LIST (\\HasNoChildren \\Subscribed) \"/\" \"a/b\"");
	assert_has(got, "* LIST (\\NonExistent \\Noselect \\HasNoChildren \\Subscribed) \"/\" \"gone\"");
	assert_has(command(c, "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %", "OK"), "\"a\" (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	command(c, "LIST (RECURSIVEMATCH) \"\" %", "BAD");
	command(c, "LIST (RECURSIVEMATCH REMOTE) \"\" %", "BAD");
	command(c, "LIST (REMOTE) \"\" %", "OK");
	assert_has(command(c, "LIST \"\" a/b RETURN (SUBSCRIBED)", "OK"), "\\Subscribed");
	command(c, "UNSUBSCRIBE a/b", "OK");
	assert_lacks(command(c, "LSUB \"\" *", "OK"), "a/b");
	client_free(c);
}

static void appends(void **state)
{
	struct client *c = begin(state, NULL);
	assert_has(talk(c, "x APPEND INBOX (\\Seen $work) \"22-Nov-2026 02:12:44 +0000\" {11}\r\n", "+ "), "+ ");
	assert_has(talk(c, "A: b\r\n\r\nhi\n\r\n", "x "), "x OK [APPENDUID ");
	assert_has(command(c, "STATUS INBOX (MESSAGES UNSEEN SIZE HIGHESTMODSEQ)", "OK"), "MESSAGES 1 UNSEEN 0 SIZE 11 ");
	/* The day that SEARCH compares is the one that INTERNALDATE shows. */
	assert_has(talk(c, "z APPEND Drafts \" 1-Jan-2026 23:30:00 -0800\" {3+}\r\nA:b\r\n", "z "), "z OK");
	command(c, "EXAMINE Drafts", "OK");
	assert_has(command(c, "FETCH 1 INTERNALDATE", "OK"), "\" 2-Jan-2026 07:30:00 +0000\"");
	assert_has(command(c, "SEARCH ON 2-Jan-2026", "OK"), "* SEARCH 1\r\n");
	assert_lacks(command(c, "SEARCH BEFORE 2-Jan-2026", "OK"), "* SEARCH 1");
	command(c, "UNSELECT", "OK");
	command(c, "APPEND nothere {3}", "NO [TRYCREATE]");
	command(c, "APPEND INBOX {99999999}", "NO [TOOBIG]");
	command(c, "APPEND INBOX {0}", "BAD");
	command(c, "APPEND INBOX \"junk\" {3}", "BAD");
	command(c, "APPEND INBOX (\\Seen {3}", "BAD");
	command(c, "APPEND INBOX", "BAD");
	/* Sent unasked: thrown away, and the next command is a command. */
	assert_has(talk(c, "x APPEND nothere {7+}\r\ny NOOP\n\r\nz NOOP\r\n", "z "), "x NO [TRYCREATE]");
	assert_lacks(buf_str(&c->got), "y OK");
	/* All or nothing. */
	assert_has(talk(c, "x APPEND INBOX {3+}\r\nabc {3+}\r\ndef (\\Flagged) {3+}\r\nghi\r\n", "x "), "x OK [APPENDUID ");
	assert_has(command(c, "STATUS INBOX (MESSAGES UIDNEXT)", "OK"), "MESSAGES 4 UIDNEXT 5");
	/* More is promised than comes. */
	client_send(c, "x APPEND INBOX {3+}\r\nabc {100+}\r\nshort", 38);
	client_free(c);
	c = begin(state, "EXAMINE INBOX");
	assert_has(command(c, "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)", "OK"),
		"* 1 FETCH (FLAGS (\\Seen $work \\Recent) INTERNALDATE \"22-Nov-2026 02:12:44 +0000\" RFC822.SIZE 11)");
	assert_has(command(c, "NOOP", "OK"), "OK");
	assert_has(command(c, "STATUS INBOX (MESSAGES)", "OK"), "MESSAGES 4");
	client_free(c);
}

static void selects(void **state)
{
	struct client *c = begin(state, NULL);
	append(c, "INBOX", "", hello);
	const char *got = command(c, "SELECT inbox", "OK [READ-WRITE]");
	assert_has(got, "* FLAGS (");
	assert_has(got, "\\*)]");
	assert_has(got, "* 1 EXISTS");
	assert_has(got, "* OK [UNSEEN 1]");
	assert_has(got, "* OK [UIDVALIDITY ");
	assert_has(got, "* OK [UIDNEXT 2]");
	assert_has(got, "* OK [HIGHESTMODSEQ ");
	assert_has(command(c, "EXAMINE INBOX", "OK [READ-ONLY]"), "* OK [PERMANENTFLAGS ()]");
	command(c, "STORE 1 FLAGS (\\Seen)", "NO [READ-ONLY]");
	command(c, "EXPUNGE", "NO [READ-ONLY]");
	command(c, "SELECT nothere", "NO [NONEXISTENT]");
	command(c, "FETCH 1 FLAGS", "BAD");
	command(c, "SELECT INBOX (CONDSTORE)", "OK");
	command(c, "UNSELECT", "OK");
	command(c, "CLOSE", "BAD");
	command(c, "SELECT \"IN\" BOX", "BAD");
	client_send(c, "x SELECT \"IN\0BOX\"\r\n", 19);
	buf_reset(&c->got);
	assert_has(client_read(c, "x "), "x BAD");
	client_free(c);
}

static void fetches(void **state)
{
	struct client *c = begin(state, NULL);
	append(c, "INBOX", "", hello);
	append(c, "INBOX", "", other);
	command(c, "SELECT INBOX", "OK");
	assert_has(command(c, "FETCH 1 (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "OK"),
		"* 1 FETCH (UID 1 BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: hello\r\n\r\n)\r\n");
	assert_has(command(c, "FETCH 2 BODY.PEEK[TEXT]", "OK"), "* 2 FETCH (BODY[TEXT] {10}\r\nbody two\r\n)\r\n");
	assert_has(command(c, "FETCH 1 FLAGS", "OK"), "* 1 FETCH (FLAGS (");
	assert_lacks(buf_str(&c->got), "\\Seen");
	assert_has(command(c, "UID FETCH 1:* BODY[TEXT]<5.3>", "OK"), "UID 1)\r\n");
	assert_has(buf_str(&c->got), "\\Seen");
	assert_has(buf_str(&c->got), "BODY[TEXT]<5> {3}\r\none");
	assert_has(command(c, "FETCH 1:2 FLAGS", "OK"), "* 2 FETCH (FLAGS (\\Seen");
	assert_has(command(c, "FETCH 1 ENVELOPE", "OK"), "ENVELOPE (\"Sun, 22 Nov 2026 02:12:44 +0000\" \"hello\" ((\"Alice\" NIL \"a\" \"x.test\"))");
	assert_has(command(c, "FETCH 1 (BODY BODYSTRUCTURE)", "OK"), "BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 1)");
	assert_has(command(c, "FETCH 1 FULL", "OK"), "RFC822.SIZE ");
	assert_has(command(c, "FETCH * (UID)", "OK"), "* 2 FETCH (UID 2)");
	assert_has(command(c, "FETCH 1 BODY[3]", "OK"), "BODY[3] NIL");
	assert_has(command(c, "FETCH 1 (MODSEQ)", "OK"), "MODSEQ (");
	assert_lacks(command(c, "FETCH 1:* (FLAGS) (CHANGEDSINCE 9999999999)", "OK"), "FETCH (");
	command(c, "FETCH 9 FLAGS", "OK");
	command(c, "FETCH 0 FLAGS", "BAD");
	command(c, "FETCH 1 (FLAGS", "BAD");
	command(c, "FETCH 1 FLAGS x", "BAD");
	client_free(c);
}

static void stores(void **state)
{
	struct client *c = begin(state, NULL), *d;
	append(c, "INBOX", "", hello);
	append(c, "INBOX", "", other);
	command(c, "SELECT INBOX", "OK");
	d = begin(state, "SELECT INBOX");
	assert_has(command(c, "STORE 1 +FLAGS (\\Deleted $new)", "OK"), "* 1 FETCH (FLAGS (\\Deleted $new");
	assert_has(buf_str(&c->got), "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $new)");
	assert_lacks(command(c, "STORE 1 -FLAGS.SILENT (\\Deleted)", "OK"), "FETCH");
	assert_has(command(c, "UID STORE 2 FLAGS \\Seen", "OK"), "* 2 FETCH (UID 2 FLAGS (\\Seen");
	assert_has(command(d, "NOOP", "OK"), "* 1 FETCH (UID 1 FLAGS ($new");
	assert_has(buf_str(&d->got), "* 2 FETCH (UID 2 FLAGS (\\Seen");
	command(c, "STORE 1 +FLAGS (\\Recent)", "BAD");
	command(c, "STORE 1 *FLAGS (\\Seen)", "BAD");
	command(c, "STORE 1 +FLAGS", "BAD");
	assert_has(command(c, "STORE 1 (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Draft)", "OK [MODIFIED 1]"), "MODIFIED");
	assert_has(command(c, "STORE 1 (UNCHANGEDSINCE 99999999) +FLAGS.SILENT (\\Draft)", "OK"), "* 1 FETCH (MODSEQ (");
	assert_lacks(command(c, "STORE 1 -FLAGS.SILENT (\\Draft)", "OK"), "FLAGS (");
	assert_has(buf_str(&c->got), "* 1 FETCH (MODSEQ (");
	assert_lacks(command(c, "UID STORE 2 +FLAGS.SILENT (\\Draft)", "OK"), "FLAGS (");
	assert_has(buf_str(&c->got), "* 2 FETCH (UID 2 MODSEQ (");
	assert_has(command(c, "STORE 1 +FLAGS (\\Draft)", "OK"), "* 1 FETCH (FLAGS (");
	client_free(c);
	client_free(d);
}

static void copies_and_expunges(void **state)
{
	struct client *c = begin(state, NULL), *d;
	append(c, "INBOX", "\\Flagged", hello);
	append(c, "INBOX", "", other);
	append(c, "INBOX", "", other);
	command(c, "SELECT INBOX", "OK");
	d = begin(state, "SELECT INBOX");
	assert_has(command(c, "COPY 1:2 Archive", "OK [COPYUID "), " 1:2 1:2]");
	command(c, "COPY 1 nothere", "NO [TRYCREATE]");
	assert_has(command(c, "UID MOVE 1 Archive", "OK"), "* 1 EXPUNGE");
	assert_has(buf_str(&c->got), "* OK [COPYUID ");
	/* A session that has not been told keeps its numbers, and is not told during FETCH. */
	assert_lacks(command(d, "FETCH 2 UID", "OK"), "EXPUNGE");
	assert_has(buf_str(&d->got), "* 2 FETCH (UID 2)");
	command(d, "FETCH 1 FLAGS", "NO [EXPUNGEISSUED]");
	assert_has(command(d, "NOOP", "OK"), "* 1 EXPUNGE");
	command(c, "STORE 1:2 +FLAGS.SILENT (\\Deleted)", "OK");
	assert_has(command(c, "UID EXPUNGE 3", "OK"), "* 2 EXPUNGE");
	assert_has(command(c, "EXPUNGE", "OK"), "* 1 EXPUNGE");
	assert_has(command(d, "UID SEARCH ALL", "OK"), "EXPUNGE");
	command(c, "SELECT Archive", "OK");
	assert_has(command(c, "FETCH 1:* FLAGS", "OK"), "* 3 FETCH (FLAGS (\\Flagged");
	command(c, "STORE 1 +FLAGS (\\Deleted)", "OK");
	assert_lacks(command(c, "CLOSE", "OK"), "EXPUNGE");
	assert_has(command(c, "STATUS Archive (MESSAGES)", "OK"), "MESSAGES 2");
	client_free(c);
	client_free(d);
}

static void searches(void **state)
{
	struct client *c = begin(state, NULL);
	append(c, "INBOX", "\\Seen $k", hello);
	append(c, "INBOX", "", other);
	command(c, "SELECT INBOX", "OK");
	assert_has(command(c, "SEARCH ALL", "OK"), "* SEARCH 1 2\r\n");
	assert_has(command(c, "SEARCH UNSEEN", "OK"), "* SEARCH 2\r\n");
	assert_has(command(c, "UID SEARCH KEYWORD $K", "OK"), "* SEARCH 1\r\n");
	assert_has(command(c, "SEARCH KEYWORD none", "OK"), "* SEARCH\r\n");
	assert_has(command(c, "SEARCH UNKEYWORD none BODY TWO", "OK"), "* SEARCH 2\r\n");
	assert_has(command(c, "SEARCH RETURN (COUNT MAX) TEXT body", "OK"), "* ESEARCH (TAG \"x\") MAX 2 COUNT 2\r\n");
	assert_has(command(c, "UID SEARCH RETURN () ALL", "OK"), "* ESEARCH (TAG \"x\") UID ALL 1:2\r\n");
	assert_has(command(c, "SEARCH MODSEQ 1", "OK"), "(MODSEQ ");
	command(c, "SEARCH CHARSET KOI8-R ALL", "NO [BADCHARSET (US-ASCII UTF-8)]");
	command(c, "SEARCH ((ALL)", "BAD");
	client_free(c);
}

static void idles(void **state)
{
	struct client *c = begin(state, "SELECT INBOX"), *d = begin(state, NULL);
	assert_has(talk(c, "x IDLE\r\n", "+ "), "+ ");
	append(d, "INBOX", "", hello);
	assert_has(client_read(c, "* 1 EXISTS"), "* 1 EXISTS");
	command(d, "SELECT INBOX", "OK");
	command(d, "STORE 1 +FLAGS (\\Deleted)", "OK");
	assert_has(client_read(c, "* 1 FETCH"), "FLAGS (\\Deleted");
	command(d, "EXPUNGE", "OK");
	assert_has(client_read(c, "* 1 EXPUNGE"), "* 1 EXPUNGE");
	assert_has(talk(c, "DONE\r\ny NOOP\r\n", "y "), "x OK");
	assert_has(talk(c, "x IDLE\r\n", "+ "), "+ ");
	assert_has(talk(c, "junk\r\n", "x "), "x BAD");
	client_free(c);
	client_free(d);
}

static void deleted_while_selected(void **state)
{
	struct client *c = begin(state, NULL), *d = begin(state, NULL);
	command(c, "CREATE box", "OK");
	append(c, "box", "", hello);
	command(c, "SELECT box", "OK");
	command(d, "DELETE box", "OK");
	command(c, "FETCH 1 BODY[]", "NO [EXPUNGEISSUED]");
	command(c, "STORE 1 +FLAGS (\\Seen)", "");
	command(c, "SEARCH ALL", "OK");
	command(c, "NOOP", "OK");
	command(c, "CLOSE", "OK");
	client_free(c);
	client_free(d);
}

static void renames_inbox(void **state)
{
	struct client *c = begin(state, NULL);
	append(c, "INBOX", "", hello);
	command(c, "RENAME INBOX old", "OK");
	assert_has(command(c, "STATUS old (MESSAGES)", "OK"), "MESSAGES 1");
	assert_has(command(c, "STATUS INBOX (MESSAGES)", "OK"), "MESSAGES 0");
	client_free(c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_state),
		T(mailboxes),
		T(subscriptions),
		T(appends),
		T(selects),
		T(fetches),
		T(stores),
		T(copies_and_expunges),
		T(searches),
		T(idles),
		T(deleted_while_selected),
		T(renames_inbox),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
