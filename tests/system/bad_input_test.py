# SPDX-License-Identifier: ISC
"""What is past its bound or malformed gets the protocol's own refusal, and the server lives on."""
from suite import *


def mail(s, c, to=1):
    """Up to DATA's 354."""
    c.expect("EHLO x.test", "250")
    c.expect("MAIL FROM:<a@elsewhere.test>", "250")
    c.expect("RCPT TO:<%s>" % s.name(to), "250")
    c.expect("DATA", "354")


def outcome(s, c, content):
    """After 354: the reply to this content (its end included). None: the connection ended instead."""
    try:
        c.send(content)
        return c.reply()
    except (ConnectionError, BrokenPipeError):
        return None


def arrivals(s, n=1):
    s.wait_empty_queue()
    return len(s.mailbox(n))


# ---- what would be two messages: one at most ----

SMUGGLED = b"MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<user2@example.test>\r\nDATA\r\nMessage-ID: <smuggled@test>\r\n\r\nevil\r\n.\r\n"
HEAD = b"From: <a@elsewhere.test>\r\nMessage-ID: %s\r\n\r\n"
ENDS = {
    "lf_dot_lf": b"\n.\n", "lf_dot_crlf": b"\n.\r\n", "cr_dot_cr": b"\r.\r", "crlf_dot_cr": b"\r\n.\r", "cr_dot_crlf": b"\r.\r\n",
    "crlf_dot_lf": b"\r\n.\n", "nul": b"\r\n\0.\r\n", "crcrlf_dot_crcrlf": b"\r\r\n.\r\r\n",
}


def make_smuggle(end):
    def test(s):
        ident = b"<%s@test>" % uuid.uuid4().hex.encode()
        for segments in (1, 2):
            with s.session("smtp") as c:
                mail(s, c)
                if segments == 1:
                    got = outcome(s, c, HEAD % ident + b"hello" + end + SMUGGLED + b"\r\n.\r\n")
                else:
                    c.send(HEAD % ident + b"hello" + end[:-1])
                    got = outcome(s, c, end[-1:] + SMUGGLED + b"\r\n.\r\n")
                assert got is None or got[:3] in ("250", "550", "554", "521"), got
        s.wait_empty_queue()
        assert "<smuggled@test>" not in s.mailbox(2), "a second message was taken"
        for text in raw(s, 1):
            assert b"\n" not in text.replace(b"\r\n", b"") and b"\r" not in text.replace(b"\r\n", b""), "a line end that stands alone was passed on"
    return test


def raw(s, n):
    c = s.imap(n)
    try:
        c.select("INBOX", readonly=True)
        return [p[1] for p in c.uid("FETCH", "1:*", "BODY.PEEK[]")[1] if isinstance(p, tuple)]
    finally:
        c.logout()


for name, end in ENDS.items():
    globals()["test_smuggling_" + name] = make_smuggle(end)


def test_bare_newline_in_a_body(s):
    for body in (b"bare\nlf\r\n", b"bare\rcr\r\n"):
        before = arrivals(s)
        with s.session("smtp") as c:
            mail(s, c)
            got = outcome(s, c, b"Subject: x\r\n\r\n" + body + b".\r\n")
            assert got is None or got.startswith("550 5."), got
        same(arrivals(s), before)


def test_nul_in_a_body(s):
    before = arrivals(s)
    with s.session("smtp") as c:
        mail(s, c)
        got = outcome(s, c, b"Subject: x\r\n\r\nnul \0 byte\r\n.\r\n")
        assert got.startswith("55"), got
        c.expect("NOOP", "250")
    same(arrivals(s), before)


# ---- SMTP commands ----

def test_commands_need_crlf(s):
    with s.session("smtp") as c:
        c.send("EHLO x\nMAIL FROM:<a@x.test>\n")
        got = c.reply()
        assert got is None or got.startswith("5"), got


def test_long_commands(s):
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("NOOP " + "x" * 600, "500")
        c.expect("NOOP", "250")
        c.expect("X" * 100000, "500")
        c.expect("NOOP", "250")
        got = c.say("MAIL FROM:<%s@elsewhere.test>" % ("a" * 65))
        assert got[:3] in ("501", "250", "553"), got
        c.expect("RSET", "250")


def test_malformed_commands(s):
    with s.session("smtp") as c:
        for command, codes in (("EHLO", "501"), ("HELO ", "501"), ("EHLO [127.0.0.1", "501"), ("EHLO a\x01b", "501"), ("EHLO " + "x" * 400, "501 500")):
            got = c.say(command)
            assert got[:3] in codes, (command, got)
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        for command, codes in (
                ("RCPT TO:<a@x.test>", "503"), ("DATA", "503"), ("MAIL FROM:<;sleep 66;>", "501 553"), ("MAIL FROM:<a@x>\0", "501 500"),
                ("MAIL FROM:<a\r@x.test>", "501 500"), ("MAIL FROM:<a@x.test> SIZE=99999999999999999999", "552 501"), ("MAIL FROM:<a@x.test> SIZE=-1", "501"),
                ("MAIL FROM:<a@x.test> BODY=FOO", "501"), ("MAIL FROM:<a@x.test> NOSUCH=1", "555 501"), ("MAIL FROM:a@x.test", "501 250"),
                ("XCLIENT NAME=x", "500 550 502"), ("XFORWARD NAME=x", "500 550 502")):
            got = c.say(command)
            assert got and got[:3] in codes, (command, got)
            if got.startswith("250"):
                c.expect("RSET", "250")
    with s.session("smtp") as c:
        c.expect("MAIL FROM:<a@x.test>", "503")


def test_recipients_that_are_commands(s):
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<a@elsewhere.test>", "250")
        for rcpt in ("|/bin/sh -c id", "/etc/passwd", ":include:/etc/passwd", '"|/bin/id"@example.test', '"a b"@example.test', '"a@b"@example.test',
                     "u@evil@example.test", "u%evil@example.test", "evil!u@example.test", "user1@example.test@evil.test"):
            got = c.say("RCPT TO:<%s>" % rcpt)
            assert got[:3] in ("550", "501", "553", "554", "551"), (rcpt, got)
            if got.startswith("421"):
                break


def test_junk_is_limited(s):
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        got = []
        for n in range(30):
            try:
                c.sock.settimeout(60)
                answer = c.say("JUNK %d" % n)
            except OSError:
                answer = None
            got.append((answer or "closed")[:3])
            if got[-1] in ("421", "clo"):
                break
        assert got[-1] == "421" or got[-1] == "clo", got
        assert 5 < len(got) <= 25, got
        assert c.at_end()


def test_another_protocol(s):
    with s.session("smtp") as c:
        c.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x.test\r\nMAIL FROM:<a@x.test>\r\n")
        replies = []
        while (got := c.reply()) is not None:
            replies.append(got[:3])
        assert "250" not in replies, replies


def test_header_and_line_bounds(s):
    for content, codes in ((b"X-Long: " + b"x" * 200000 + b"\r\n\r\nx\r\n", ("552", "554", "500", "550")),
                           (b"".join(b"X-%d: y\r\n" % n for n in range(30000)) + b"\r\nx\r\n", ("552", "554")),
                           (b"Subject: x\r\n\r\n" + b"y" * 70000 + b"\r\n", ("500", "552", "554", "550"))):
        with s.session("smtp") as c:
            mail(s, c)
            got = outcome(s, c, content + b".\r\n")
            assert got and got[:3] in codes, got
            c.expect("NOOP", "250")
            mail_again = c.say("MAIL FROM:<a@elsewhere.test>")
            assert mail_again.startswith("250"), "the session does not go on: %r" % mail_again


def test_message_size(s):
    with s.session("smtp") as c:
        size = int(re.search(r"SIZE (\d+)", c.expect("EHLO x.test", "250")).group(1))
        same(size, 200000)
        c.expect("MAIL FROM:<a@elsewhere.test> SIZE=%d" % (size + 1), "552")
        c.expect("MAIL FROM:<a@elsewhere.test>", "250")
        c.expect("RCPT TO:<%s>" % s.name(1), "250")
        c.expect("DATA", "354")
        c.send(b"Subject: x\r\n\r\n" + b"0123456789012345678901234567890123456789012345678901234567890123\r\n" * (size // 60) + b".\r\n")
        got = c.reply()
        assert got.startswith("552"), got
        c.expect("MAIL FROM:<a@elsewhere.test>", "250")
        c.expect("RCPT TO:<%s>" % s.name(1), "250")
        c.send(b"BDAT 150000\r\n" + (b"x" * 58 + b"\r\n") * 2500)
        assert c.reply().startswith("250")
        c.send(b"BDAT 150000\r\n" + (b"x" * 58 + b"\r\n") * 2500)
        got = c.reply()
        assert got.startswith("552"), got
        c.expect("RSET", "250")


def test_bdat(s):
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<a@elsewhere.test>", "250")
        c.expect("RCPT TO:<%s>" % s.name(1), "250")
        got = c.say("BDAT 99999999999999999999 LAST")
        assert got is None or got[:3] in ("501", "552", "521"), got
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.send(b"MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<%s>\r\nBDAT 21\r\nSubject: b\r\n\r\nab\r\n.\r\nBDAT 0 LAST\r\n" % s.name(1).encode())
        for wanted in ("250", "250", "250", "250"):
            got = c.reply()
            assert got and got.startswith(wanted), got


def test_recipients_bound(s):
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<a@elsewhere.test>", "250")
        c.send("".join("RCPT TO:<user1+%d@example.test>\r\n" % n for n in range(110)))
        got = [c.reply()[:3] for _ in range(110)]
        same(set(got[:100]), {"250"})
        same(set(got[100:]), {"452"})
        c.expect("RSET", "250")


def test_octet_by_octet(s):
    with s.session("smtp") as c:
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ident = "<%s@test>" % uuid.uuid4().hex
        for b in (b"EHLO x.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<user1@example.test>\r\nDATA\r\n"
                  b"Message-ID: %s\r\n\r\n..dot\r\n.\r\nQUIT\r\n" % ident.encode()):
            c.send(bytes([b]))
        same([c.reply()[:3] for _ in range(6)], ["250", "250", "250", "354", "250", "221"])
    assert s.fetch(1, ident).endswith(b"\r\n\r\n.dot\r\n")


def test_injection_into_trace_fields(s):
    with s.session("smtp") as c:
        got = c.say("EHLO x) by evil (y")
        if got.startswith("250"):
            c.expect("MAIL FROM:<a@elsewhere.test>", "250")
            c.expect("RSET", "250")
        got = c.say('MAIL FROM:<"a\\\r\nBcc: x"@x.test>')
        assert got[:1] == "5", got


def test_a_client_that_leaves(s):
    """At each point of a session, by RST."""
    before = arrivals(s)
    steps = [b"EHLO x.test\r\n", b"MAIL FROM:<a@elsewhere.test>\r\n", b"RCPT TO:<user1@example.test>\r\n", b"DATA\r\n", b"Subject: x\r\n\r\nhalf"]
    for n in range(len(steps) + 1):
        c = s.session("smtp")
        for step in steps[:n]:
            c.send(step)
            if not step.startswith(b"Subject"):
                c.reply()
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.close()
    s.alive()
    same(arrivals(s), before, "what was not finished is nowhere")


# ---- IMAP ----

def logged_in(s, n=1):
    c = s.session("imaps")
    c.greeting
    assert c.tagged('LOGIN "%s" "%s"' % (s.name(n), PASSWORD))[1].startswith("OK")
    return c


def test_imap_before_login(s):
    for command in ("LOGIN {4294967295}", "LOGIN {99999999999999999999}", "LOGIN {-1}", "LOGIN {100000}", "LOGIN {100000+}"):
        with s.session("imaps") as c:
            c.send("a " + command + "\r\n")
            got = c.line()
            assert got is None or got.startswith(("a BAD", "* BAD", "* BYE", "a NO")), (command, got)
    with s.session("imaps") as c:
        got = c.say(b"a " + b"x" * 200000 + b"\r\n")
        assert got is None or got.startswith(("a BAD", "* BAD", "* BYE")), got
    with s.session("imaps") as c:
        for n in range(100):
            got = c.say("a%d JUNK" % n)
            if got is None or got.startswith("* BYE"):
                break
            assert "BAD" in got, got
        else:
            raise AssertionError("junk without a limit")
    s.alive()


def test_imap_bounds(s):
    with logged_in(s) as c:
        assert c.tagged("SELECT INBOX")[1].startswith("OK")
        for command in ("SEARCH " + "(" * 5000 + "ALL" + ")" * 5000, "SEARCH " + "NOT " * 5000 + "ALL", "SEARCH " + "OR ALL " * 2000 + "ALL",
                        "FETCH 0 FLAGS", "FETCH 4294967296 FLAGS", "FETCH 1 BODY[9999999999999.TEXT]", "STORE 1 FLAGS (\\Bogus \\\\)", 'SELECT "IN\0BOX"', "FETCH", "UID", "NOSUCH", ""):
            got = c.tagged(command)[1]
            if got is None:
                c.close()
                c = logged_in(s)
                c.tagged("SELECT INBOX")
                continue
            assert got.startswith(("BAD", "NO")), (command[:60], got)
        assert c.tagged("NOOP")[1].startswith("OK")
        for name in ("../../etc", "/etc/passwd", "..", ".", "a/../b", "a//b", "INBOX/../x", "x" * 3000, "/".join("a" * 1 for _ in range(1000)), "cur\1"):
            got = c.tagged('CREATE "%s"' % name)[1]
            assert got and got.startswith(("NO", "BAD")), (name[:60], got)
        assert c.tagged("NOOP")[1].startswith("OK")


def test_imap_append_bounds(s):
    before = len(s.mailbox(1))
    with logged_in(s) as c:
        c.send("a APPEND INBOX {300000000}\r\n")
        got = c.line()
        assert got.startswith("a NO [TOOBIG]") or got.startswith("a BAD"), got
        c.send("b APPEND INBOX {1000}\r\n")
        assert c.line().startswith("+")
        c.send(b"x" * 500)
    s.alive()
    same(len(s.mailbox(1)), before)


def test_mime_nesting(s):
    """M01: a message nested deep is taken, and its structure is told within bounds."""
    depth = 500
    body = "".join("--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(depth))
    ident = s.send(to=1, extra="MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n", body=body)
    s.wait_mail(1, ident)
    rfc822 = "Content-Type: message/rfc822\r\n\r\n" * depth
    other = s.send(to=1, extra="MIME-Version: 1.0\r\n", body="x\r\n") and s.send(to=1, extra=rfc822[:-2], body="x\r\n")
    s.wait_mail(1, other)
    with logged_in(s) as c:
        c.sock.settimeout(10)
        c.tagged("SELECT INBOX")
        begun = time.monotonic()
        lines, got = c.tagged("FETCH 1:* (ENVELOPE BODYSTRUCTURE)")
        assert got.startswith("OK") and time.monotonic() - begun < 5
        assert max(map(len, lines)) < 1 << 20
        lines, got = c.tagged("SEARCH TEXT nothing")
        assert got.startswith("OK")


def test_many_addresses(s):
    to = ",\r\n ".join("<a%d@elsewhere.test>" % n for n in range(4000))
    begun = time.monotonic()
    text, ident = message(extra="Cc: %s\r\n" % to)
    with s.smtp() as c:
        c.sendmail("a@elsewhere.test", [s.name(1)], text)
    s.wait_mail(1, ident)
    with logged_in(s) as c:
        c.tagged("SELECT INBOX")
        assert c.tagged("FETCH * ENVELOPE")[1].startswith("OK")
    assert time.monotonic() - begun < 10


# ---- POP3 ----

def test_pop3(s):
    s.wait_mail(1, s.send(to=1))
    with s.session("pop3s") as c:
        c.expect("USER " + s.name(1), "+OK")
        c.expect("PASS " + PASSWORD, "+OK")
        for command in ("RETR 0", "RETR -1", "RETR 4294967297", "RETR 999999", "RETR x", "RETR", "TOP 1", "TOP 1 -1", "DELE 0", "LIST 0", "UIDL 99999", "NOSUCH", "X" * 400):
            c.expect(command, "-ERR")
        c.expect("DELE 1", "+OK")
        c.expect("RETR 1", "-ERR")
        c.expect("RSET", "+OK")
        c.expect("QUIT", "+OK")
    with s.session("pop3s") as c:
        got = c.say("X" * 200000)
        assert got is None or got.startswith("-ERR"), got
    s.alive()


def test_nothing_was_hurt(s):
    s.wait_mail(2, s.send(to=2))
    same([p["name"] for p in s.status()["processes"] if p["restarts"]], [])


main(globals(), accounts=2, settings=["message_size_limit=200000", "recipient_limit=100", "smtpd.error_limit=20"])
