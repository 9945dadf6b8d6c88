# SPDX-License-Identifier: ISC
"""A message goes in by every door and comes out by IMAP and POP3."""
import email
import email.policy
from suite import *


def parsed(text):
    return email.message_from_bytes(text, policy=email.policy.SMTP)


def test_submission_to_imap_and_pop3(s):
    for door in ("submission", "submissions"):
        text, ident = message(to=s.name(2), sender=s.name(1), body="Gr\u00fc\u00dfe.\r\n.a line with a dot\r\n..two\r\n")
        with s.submission(1, door) as c:
            same(c.sendmail(s.name(1), [s.name(2)], text), {})
        got = s.fetch(2, ident)
        assert got.endswith(b"Gr\xc3\xbc\xc3\x9fe.\r\n.a line with a dot\r\n..two\r\n"), got
        for kind in ("pop3", "pop3s"):
            p = s.pop3(2, kind)
            n = p.stat()[0]
            lines = p.retr(n)[1]
            same(b"\r\n".join(lines) + b"\r\n", got, "the message by POP3")
            p.quit()


def test_from_outside(s):
    ident = s.send(to=2, subject="from outside", body="Hello.\r\n")
    m = parsed(s.fetch(2, ident))
    same(m["Return-Path"], "<someone@elsewhere.test>")
    same(m["Subject"], "from outside")
    assert "from client.test" in m["Received"] and "[127.0.0.1]" in m["Received"] and "ESMTP" in m["Received"], m["Received"]
    assert "mail.example.test" in m["Received"], m["Received"]


def test_lmtp(s):
    text, ident = message(to=s.name(1))
    with s.session("lmtp") as c:
        c.expect("LHLO x.test", "250")
        c.expect("MAIL FROM:<a@elsewhere.test>", "250")
        c.expect("RCPT TO:<%s>" % s.name(1), "250")
        c.expect("RCPT TO:<%s>" % s.name(2), "250")
        c.expect("RCPT TO:<nobody@%s>" % s.domain, "550")
        c.expect("DATA", "354")
        c.send(text + b".\r\n")
        for _ in (1, 2):  # RFC 2033 4.2: a reply for each recipient
            got = c.reply()
            assert got.startswith("250"), got
        c.expect("QUIT", "221")
    s.wait_mail(1, ident)
    s.wait_mail(2, ident)


def test_unknown_recipient_and_relay(s):
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<a@elsewhere.test>", "250")
        c.expect("RCPT TO:<nobody@%s>" % s.domain, "550")
        got = c.say("RCPT TO:<someone@elsewhere.test>")
        assert got[:3] in ("550", "554", "551"), got
        got = c.say("DATA")
        assert got[:3] in ("503", "554"), got  # RFC 5321 3.3
    same(s.queue(), [], "the queue")


def test_postmaster(s):
    """RFC 5321 4.5.1: it exists in each hosted domain, and for a bare <Postmaster>."""
    text, ident = message(to="postmaster@" + s.domain)
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<>", "250")
        c.expect("RCPT TO:<PostMaster@%s>" % s.domain, "250")
        c.expect("RCPT TO:<Postmaster>", "250")
        c.expect("DATA", "354")
        c.send(text + b".\r\n")
        assert c.reply().startswith("250")
    s.wait_mail(1, ident)


def test_tags_and_case(s):
    text, ident = message(to="User2+news@Example.Test")
    with s.smtp() as c:
        same(c.sendmail("a@elsewhere.test", ["User2+news@Example.Test"], text), {})
    s.wait_mail(2, ident)


def test_headers_of_submission(s):
    with s.submission(1) as c:
        same(c.sendmail(s.name(1), [s.name(2)], b"From: <%s>\r\nTo: <%s>\r\nSubject: bare\r\n\r\nx\r\n" % (s.name(1).encode(), s.name(2).encode())), {})
    m = until(lambda: [m for m in (parsed(t) for t in all_of(s, 2)) if m["Subject"] == "bare"], 15)[0]
    assert re.fullmatch(r"<[^<>@]+@[^<>@]+>", m["Message-ID"] or ""), m["Message-ID"]
    assert m["Date"], "no Date"
    same(m["Return-Path"], "<%s>" % s.name(1))
    assert "ESMTPSA" in m["Received"], m["Received"]
    outside = s.fetch(2, s.send(to=2, subject="x"))
    same(len(parsed(outside).get_all("Date")), 1)


def all_of(s, n):
    c = s.imap(n)
    try:
        c.select("INBOX", readonly=True)
        return [part[1] for part in c.uid("FETCH", "1:*", "BODY.PEEK[]")[1] if isinstance(part, tuple)]
    finally:
        c.logout()


def refused(s, sender, text):
    with s.submission(1) as c:
        try:
            c.sendmail(sender, [s.name(2)], text)
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused) as e:
            return e.smtp_code if hasattr(e, "smtp_code") else list(e.recipients.values())[0][0]
    return 250


def test_users_send_as_themselves_alone(s):
    text, _ = message(sender=s.name(1), to=s.name(2))
    other, _ = message(sender=s.name(2), to=s.name(2))
    assert refused(s, s.name(2), text) in (550, 553), "another's envelope address"
    assert refused(s, "x@elsewhere.test", text) in (550, 553), "a foreign envelope address"
    assert refused(s, s.name(1), other) in (550, 553, 554), "another's header From"
    two = text.replace(b"From: ", b"From: <%s>, " % s.name(2).encode())
    assert refused(s, s.name(1), two) in (550, 553, 554), "another's beside one's own"
    twice = b"From: <%s>\r\n" % s.name(2).encode() + text
    assert refused(s, s.name(1), twice) in (550, 553, 554), "two From fields"
    same(refused(s, s.name(1), text), 250, "one's own")


def test_submission_needs_a_login(s):
    with s.session("submission") as c:
        c.expect("EHLO x.test", "250")
        got = c.say("MAIL FROM:<%s>" % s.name(1))
        assert got[:3] in ("530", "538"), got
        assert "AUTH" not in c.say("EHLO x.test"), "AUTH is offered before TLS"
        c.starttls()
        assert "AUTH " in c.say("EHLO x.test"), "AUTH is not offered after TLS"
        c.expect("MAIL FROM:<%s>" % s.name(1), "530")


def test_sendmail(s):
    sendmail = os.path.dirname(s.program) + "/sendmail"
    ident = "<%s@test>" % uuid.uuid4().hex
    # root is trusted with any sender; others have the one that the kernel's word gives them.
    sender = "root@" + s.domain if ROOT else "%s@mail.%s" % (pwd.getpwuid(os.geteuid()).pw_name, s.domain)
    run(sendmail, "-C", s.info["config"], "-f", sender, "-i", "--", s.name(2),
        stdin="To: %s\nSubject: local\nMessage-ID: %s\n\nA line.\n.\nAnother.\n" % (s.name(2), ident))
    got = s.fetch(2, ident)
    assert got.endswith(b"\r\n\r\nA line.\r\n.\r\nAnother.\r\n"), got
    ident = "<%s@test>" % uuid.uuid4().hex
    run(sendmail, "-C", s.info["config"], "-t", stdin="To: %s\nBcc: %s\nSubject: t\nMessage-ID: %s\n\nx\n" % (s.name(2), s.name(3), ident))
    assert b"\nbcc:" not in s.fetch(2, ident).lower()  # ids, which are hexadecimal, may hold those letters
    s.wait_mail(3, ident)
    run(sendmail, "-C", s.info["config"], "nobody@" + s.domain, stdin="Subject: x\n\nx\n", code=None)


def test_sendmail_keeps_what_was_refused(s):
    kept = s.base + "/dead.letter"
    assert not os.path.exists(kept)
    out = run(os.path.dirname(s.program) + "/sendmail", "-C", s.info["config"], "-f", "a b@far.test", s.name(2), stdin="Subject: kept\n\nx\n", code=None)
    assert kept in out, out
    with open(kept) as f:
        assert "Subject: kept" in f.read()


def test_big_and_binary(s):
    body = ("0123456789" * 7 + "\r\n") * 50000
    begun = time.monotonic()
    ident = s.send(to=2, body=body)
    assert s.fetch(2, ident).endswith(body.encode())
    assert time.monotonic() - begun < 20
    raw = bytes(range(256)) * 4000
    text, ident = message(extra="Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n")
    with s.session("smtp") as c:
        assert "BINARYMIME" in c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<a@elsewhere.test> BODY=BINARYMIME", "250")
        c.expect("RCPT TO:<%s>" % s.name(3), "250")
        c.send(b"BDAT %d\r\n" % len(text) + text)
        assert c.reply().startswith("250")
        c.send(b"BDAT %d LAST\r\n" % len(raw) + raw)
        assert c.reply().startswith("250")
    assert s.fetch(3, ident).endswith(raw)


def test_many_recipients(s):
    with s.smtp() as c:
        text, ident = message()
        same(c.sendmail("a@elsewhere.test", [s.name(1), s.name(2), s.name(3), s.name(3)], text), {})
    for n in (1, 2, 3):
        s.wait_mail(n, ident)
        same(s.mailbox(n).count(ident), 1, "copies")


def test_one_id_from_connection_to_delivery(s):
    def queued():
        return re.findall(r"role=smtpd-mx .*event=queued session=(\S+) queue_id=(\S+)", s.log())

    before = len(queued())
    s.wait_mail(3, s.send(to=3))
    session, queue_id = until(lambda: queued()[before:], why="the message to be logged")[-1]
    until(lambda: re.search(r"role=local-delivery .*event=delivered queue_id=" + queue_id, s.log()), why="its delivery to be logged")
    assert "event=connect session=" + session in s.log()


def test_queue_is_empty_at_the_end(s):
    s.wait_empty_queue()
    same([p["restarts"] for p in s.status()["processes"] if p["restarts"]], [])


main(globals())
