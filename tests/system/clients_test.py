# SPDX-License-Identifier: ISC
"""Programs that this project did not write."""
from suite import *


def write(s, name, text, mode=0o600):
    path = s.base + "/" + name
    with open(path, "w", newline="") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def port(s, door):
    return str(s.info[door]["port"])


def home(s):
    path = s.base + "/home"
    os.makedirs(path, exist_ok=True)
    return {"HOME": path, "XDG_CONFIG_HOME": path}


def test_curl(s):
    need("curl")
    for scheme, door in (("smtp", "submission"), ("smtps", "submissions")):
        text, ident = message(sender=s.name(1), to=s.name(2))
        path = write(s, "curl.eml", text.decode())
        run("curl", "-sS", "--fail", "--cacert", s.info["ca"], "--ssl-reqd", "--user", s.name(1) + ":" + PASSWORD, "--mail-from", s.name(1),
            "--mail-rcpt", s.name(2), "--upload-file", path, "%s://localhost:%s" % (scheme, port(s, door)))
        s.wait_mail(2, ident)
        for url in ("imap://localhost:%s/INBOX;MAILINDEX=*" % port(s, "imap"), "imaps://localhost:%s/INBOX;MAILINDEX=*" % port(s, "imaps")):
            assert ident in run("curl", "-sS", "--fail", "--cacert", s.info["ca"], "--ssl-reqd", "--user", s.name(2) + ":" + PASSWORD, url), url
        for url in ("pop3://localhost:%s/" % port(s, "pop3"), "pop3s://localhost:%s/" % port(s, "pop3s")):
            args = ["curl", "-sS", "--fail", "--cacert", s.info["ca"], "--ssl-reqd", "--user", s.name(2) + ":" + PASSWORD]
            n = len(run(*args, url).split("\n")) - 1
            assert ident in run(*args, url + str(n)), url


def test_curl_sasl_mechanisms(s):
    need("curl")
    text, _ = message(sender=s.name(1), to=s.name(2))
    path = write(s, "curl.eml", text.decode())
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256"):
        if mechanism.startswith("SCRAM") and "gsasl" not in run("curl", "--version").lower():
            continue
        run("curl", "-sS", "--fail", "--cacert", s.info["ca"], "--ssl-reqd", "--login-options", "AUTH=" + mechanism, "--user", s.name(1) + ":" + PASSWORD,
            "--mail-from", s.name(1), "--mail-rcpt", s.name(2), "--upload-file", path, "smtp://localhost:" + port(s, "submission"))


def swaks(s, *args, code=0):
    return run("swaks", "--server", "127.0.0.1", "--ehlo", "swaks.test", "--h-From", "<%s>" % s.name(1), *args, code=code)


def test_swaks(s):
    need("swaks")
    for how in ([], ["--pipeline"], ["--tls"], ["--pipeline", "--tls"]):
        out = swaks(s, "--port", port(s, "smtp"), "--from", "a@elsewhere.test", "--to", "%s,%s" % (s.name(2), s.name(3)), *how)
        assert "250 " in out, out
        ident = re.search(r"Message-Id: (<[^>]+>)", out, re.I).group(1)
        s.wait_mail(2, ident)
        s.wait_mail(3, ident)
    swaks(s, "--port", port(s, "smtp"), "--from", "a@elsewhere.test", "--to", "nobody@" + s.domain, code=24)
    for how in (["--auth", "PLAIN"], ["--auth", "LOGIN"], ["--auth", "PLAIN", "--pipeline"]):
        swaks(s, "--port", port(s, "submission"), "--tls", "--from", s.name(1), "--to", s.name(2), "--auth-user", s.name(1), "--auth-password", PASSWORD, *how)
    swaks(s, "--port", port(s, "submissions"), "--tls-on-connect", "--from", s.name(1), "--to", s.name(2), "--auth", "PLAIN", "--auth-user", s.name(1),
          "--auth-password", PASSWORD)
    swaks(s, "--port", port(s, "submission"), "--tls", "--from", s.name(1), "--to", s.name(2), "--auth", "PLAIN", "--auth-user", s.name(1),
          "--auth-password", "wrong", code=28)
    swaks(s, "--port", port(s, "lmtp"), "--protocol", "LMTP", "--from", "a@elsewhere.test", "--to", s.name(2))


def test_msmtp(s):
    need("msmtp")
    for door, starttls in (("submission", "on"), ("submissions", "off")):
        conf = write(s, "msmtprc", "account default\nhost localhost\nport %s\ntls on\ntls_starttls %s\ntls_trust_file %s\nauth on\nuser %s\npassword %s\nfrom %s\n"
                     % (port(s, door), starttls, s.info["ca"], s.name(1), PASSWORD, s.name(1)))
        text, ident = message(sender=s.name(1), to=s.name(2))
        run("msmtp", "-C", conf, s.name(2), stdin=text, env=home(s))
        s.wait_mail(2, ident)


def test_fetchmail(s):
    need("fetchmail")
    idents = {s.send(to=3) for _ in range(3)}
    for i in idents:
        s.wait_mail(3, i)
    for proto, door in (("imap", "imaps"), ("pop3", "pop3s")):
        got = s.base + "/fetched." + proto
        user = "root" if ROOT else "whoever"
        rc = write(s, "fetchmailrc", "poll localhost protocol %s port %s username \"%s\" password \"%s\" ssl sslcertck sslcertfile \"%s\" keep fetchall mda \"cat >>%s\"\n"
                   % (proto, port(s, door), s.name(3), PASSWORD, s.info["ca"], got))
        run("fetchmail", "-f", rc, "--nodetach", "--nosyslog", "-i", s.base + "/ids." + proto, "--pidfile", s.base + "/fetchmail.pid", env=home(s))
        with open(got) as f:
            text = f.read()
        assert all(i in text for i in idents), (proto, user)


def test_mbsync_both_ways(s):
    need("mbsync")
    c = s.imap(2)
    c.create("Archive/2026")
    c.select("INBOX")
    c.store("1:*", "+FLAGS", r"(\Deleted)")
    c.expunge()
    c.logout()
    before = {s.send(to=2) for _ in range(5)}
    for ident in before:
        s.wait_mail(2, ident)
    os.makedirs(s.base + "/maildir", exist_ok=True)
    rc = write(s, "mbsyncrc", """IMAPAccount a
Host localhost
Port %s
User %s
Pass "%s"
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account a

MaildirStore near
SubFolders Verbatim
Path %s/maildir/
Inbox %s/maildir/INBOX

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""" % (port(s, "imaps"), s.name(2), PASSWORD, s.info["ca"], s.base, s.base))
    sync = lambda: run("mbsync", "-c", rc, "all", env=home(s))
    sync()

    def files():
        return [f for f in glob.glob(s.base + "/maildir/INBOX/[cn][ue][rw]/*")]
    texts = [open(f, errors="replace").read() for f in files()]
    same(len(texts), len(before), "messages that came")
    assert os.path.isdir(s.base + "/maildir/Archive/2026/cur")
    # A flag set near, a message made near, a message deleted near, and one that arrives far: all in one round.
    one, two = sorted(files())[:2]
    gone = re.search(r"(?im)^Message-ID: *(\S+)", open(two).read()).group(1)
    flagged = re.search(r"(?im)^Message-ID: *(\S+)", open(one).read()).group(1)
    base = os.path.basename(one).split(":")[0]
    os.rename(one, s.base + "/maildir/INBOX/cur/" + base + ":2,FS")
    os.unlink(two)
    text, made = message(sender=s.name(2), to=s.name(2))
    write(s, "maildir/Archive/2026/cur/1.2.test:2,S", text.decode().replace("\r\n", "\n"))
    come = s.send(to=2)
    s.wait_mail(2, come)
    sync()
    same(set(s.mailbox(2)), before - {gone} | {come}, "what stands in INBOX")
    same(s.mailbox(2, "Archive/2026"), [made])
    assert any(come in open(f, errors="replace").read() for f in files()), "the message that arrived was not fetched"
    c = s.imap(2)
    c.select("INBOX", readonly=True)
    uid = c.uid("SEARCH", "FLAGGED", "SEEN")[1][0].split()
    data = c.uid("FETCH", uid[0].decode(), "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1][0][1]
    assert flagged.encode() in data, data
    c.logout()
    counts = len(files())
    sync()
    same(len(files()), counts, "a second round changes nothing")


def test_mutt(s):
    need("mutt")
    rc = write(s, "muttrc", 'set ssl_starttls=yes ssl_force_tls=yes certificate_file="%s" ssl_usesystemcerts=no ssl_verify_host=no\nset smtp_pass="%s" imap_pass="%s"\n'
               'set smtp_url="smtp://%s@localhost:%s/" from="%s" realname=""\nset use_envelope_from=yes copy=no\nset record="" header_cache=""\n'
               % (s.info["ca"], PASSWORD, PASSWORD, s.name(1).replace("@", "%40"), port(s, "submission"), s.name(1)))
    subject = "mutt %d" % os.getpid()
    env = dict(home(s), TERM="dumb")
    run("mutt", "-F", rc, "-s", subject, "--", s.name(2), stdin="From mutt.\n", env=env)

    def arrived():
        c = s.imap(2)
        c.select("INBOX", readonly=True)
        got = c.uid("SEARCH", "SUBJECT", '"%s"' % subject)[1][0].split()
        c.logout()
        return got
    until(arrived, 15, "mutt's message", pause=0.1)


def test_imaplib(s):
    c = s.imap(1)
    same(c.create("Work")[0], "OK")
    same(c.create("Work/Deep")[0], "OK")
    same(c.subscribe("Work")[0], "OK")
    names = b"\n".join(c.list()[1])
    assert b"INBOX" in names and b"Work/Deep" in names, names
    assert any(b"Work" in l for l in c.lsub()[1])
    text, ident = message(body="needle in a haystack\r\n")
    kind, data = c.append("Work", r"(\Seen custom)", '"01-Jan-2020 12:00:00 +0100"', text)
    assert kind == "OK" and b"APPENDUID" in data[0], data
    same(c.select("Work"), ("OK", [b"1"]))
    kind, data = c.fetch("1", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
    answer = data[0] if isinstance(data[0], bytes) else b" ".join(data[0])
    for part in (b"\\Seen", b"custom", b'-Jan-2020 11:00:00 +0000"', b"RFC822.SIZE %d" % len(text), ident.encode(), b'"TEXT" "PLAIN"'):
        assert part.lower() in answer.lower(), (part, answer)
    same(c.search(None, "BODY", "needle")[1], [b"1"])
    same(c.search(None, "NOT", "BODY", "needle")[1], [b""])
    same(c.search(None, "KEYWORD", "custom", "SINCE", "01-Jan-2019")[1], [b"1"])
    same(c.store("1", "+FLAGS", r"(\Flagged)")[0], "OK")
    same(c.copy("1", "Work/Deep")[0], "OK")
    same(c.uid("MOVE", "1", "INBOX")[0], "OK")
    same(c.select("Work"), ("OK", [b"0"]))
    same(c.select("Work/Deep"), ("OK", [b"1"]))
    same(c.store("1", "+FLAGS", r"(\Deleted)")[0], "OK")
    same(c.expunge(), ("OK", [b"1"]))
    assert b"MESSAGES 0" in c.status("Work", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")[1][0]
    same(c.rename("Work", "Play")[0], "OK")
    assert any(b"Play/Deep" in l for l in c.list()[1])
    same(c.delete("Play/Deep")[0], "OK")
    same(c.delete("Play")[0], "OK")
    c.logout()
    assert ident in s.mailbox(1)


def test_idle_tells_of_arrivals(s):
    c = s.imap(3)
    c.select("INBOX")
    n = int(c.response("EXISTS")[1][0] or 0) if c.untagged_responses.get("EXISTS") else None
    c.send(b"x IDLE\r\n")
    assert c.readline().startswith(b"+")
    ident = s.send(to=3)
    begun = time.monotonic()
    while b"EXISTS" not in (line := c.readline()):
        assert line, "the connection ended"
    assert time.monotonic() - begun < 5, "late"
    c.send(b"DONE\r\n")
    while not c.readline().startswith(b"x OK"):
        pass
    c.logout()
    assert ident in s.mailbox(3) and n is None or n >= 0


def test_poplib(s):
    idents = [s.send(to=1) for _ in range(2)]
    for i in idents:
        s.wait_mail(1, i)
    p = s.pop3(1)
    n, size = p.stat()
    same(len(p.list()[1]), n)
    uidl = [u.decode().split() for u in p.uidl()[1]]
    same(len({u[1] for u in uidl}), n)
    assert all(len(u[1]) <= 70 for u in uidl)
    assert "UIDL" in p.capa() and "TOP" in p.capa(), p.capa()
    assert idents[-1].encode() in b"\n".join(p.top(n, 0)[1])
    p.dele(n)
    p.rset()
    p.dele(n)
    p.quit()
    p = s.pop3(1)
    same(p.stat()[0], n - 1)
    same([u.decode().split()[1] for u in p.uidl()[1]], [u[1] for u in uidl[:-1]])
    p.dele(1)
    p.close()  # no QUIT: RFC 1939 3: nothing is deleted
    p = s.pop3(1)
    same(p.stat()[0], n - 1)
    p.quit()


def test_two_sessions_see_each_other(s):
    a, b = s.imap(2), s.imap(2)
    a.select("INBOX")
    b.select("INBOX")
    a.store("1", "+FLAGS", "(shared)")
    until(lambda: (b.noop(), b.fetch("1", "(FLAGS)"))[1][1][0].find(b"shared") > 0, 5)
    a.logout()
    b.logout()


main(globals())
