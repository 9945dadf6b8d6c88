# SPDX-License-Identifier: ISC
"""TLS: versions, both kinds of key, resumption, and what is pipelined across STARTTLS."""
from suite import *

STARTTLS = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3", "lmtp": "lmtp"}


def s_client(s, door, *args, code=0, stdin=""):
    a = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.info[door]["port"], "-servername", "mail.example.test", "-CAfile", s.info["ca"]]
    if door in STARTTLS:
        a += ["-starttls", STARTTLS[door]]
    return run(*a, *args, code=code, stdin=stdin, timeout=20)


def test_versions_and_keys(s):
    for door in DOORS:
        for version in ("-tls1_2", "-tls1_3"):
            out = s_client(s, door, version, "-brief")
            assert "Verification: OK" in out, (door, version, out)
    for door in ("submissions", "imaps"):
        for version, sigalgs, kind in (("-tls1_3", "rsa_pss_rsae_sha256", "RSA"), ("-tls1_3", "ecdsa_secp256r1_sha256", "ECDSA"),
                                       ("-tls1_2", "RSA+SHA256:RSA-PSS+SHA256", "RSA"), ("-tls1_2", "ECDSA+SHA256", "ECDSA")):
            out = s_client(s, door, version, "-sigalgs", sigalgs)
            got = re.search(r"Peer signature type: (\S+)", out)
            assert got and got.group(1).startswith(kind), (door, version, sigalgs, got and got.group(1))


def test_old_versions_are_refused(s):
    for door in ("smtp", "submissions", "imaps", "pop3s", "imap"):
        for version in ("-tls1", "-tls1_1"):
            out = s_client(s, door, version, "-cipher", "ALL:@SECLEVEL=0", code=1)
            assert "alert" in out or "unsupported protocol" in out or "no protocols" in out, (door, version, out)
    for cipher in ("NULL", "aNULL", "RC4", "EXPORT"):
        with contextlib.suppress(AssertionError):
            out = s_client(s, "imaps", "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0", code=0)
            raise Exception("taken: " + cipher + out)
    assert "Compression: NONE" in s_client(s, "imaps", "-tls1_2")
    s.alive()


def resumes(s, door, version):
    path = s.base + "/session"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    quit_line = "a LOGOUT\r\n" if door.startswith("imap") else "QUIT\r\n"
    # -ign_eof reads to the end of the session, so that the tickets that come after the handshake are seen.
    out = s_client(s, door, version, "-sess_out", path, "-ign_eof", stdin=quit_line)
    assert "\nNew, " in out, out
    out = s_client(s, door, version, "-sess_in", path, "-ign_eof", stdin=quit_line)
    return "\nReused, " in out


def test_resumption(s):
    for door in ("submissions", "imaps", "pop3s", "smtp", "imap", "pop3"):
        for version in ("-tls1_2", "-tls1_3"):
            assert resumes(s, door, version), (door, version)


def test_resumption_outlives_the_door(s):
    path = s.base + "/session"
    s_client(s, "imaps", "-tls1_3", "-sess_out", path, "-ign_eof", stdin="a LOGOUT\r\n")
    old = s.kill("login")
    # The first to come, who stands in the queue before the new door is ready, is no worse off than those behind it.
    out = s_client(s, "imaps", "-tls1_3", "-sess_in", path, "-ign_eof", stdin="a LOGOUT\r\n")
    assert "\nReused, " in out, out
    until(lambda: s.pids("login") not in ([], [old]), 5)


def test_names(s):
    """T13: a server name is looked up, never a path; what is unknown gets the default."""
    for name in ("unknown.test", "../../x", "A" * 200 + ".test", "x" * 60 + "." + "y" * 60, "MAIL.EXAMPLE.TEST"):
        out = run("openssl", "s_client", "-connect", "127.0.0.1:%d" % s.info["imaps"]["port"], "-servername", name, "-brief", code=None, stdin="")
        assert "CN = mail.example.test" in out or "alert" in out, (name, out)
    for n in range(30):
        run("openssl", "s_client", "-connect", "127.0.0.1:%d" % s.info["imaps"]["port"], "-servername", "n%d.test" % n, "-brief", code=None, stdin="")
    s.alive()


def injected(s, door, text, secure_says, forbidden):
    """`text` in one segment, STARTTLS in it: what follows it must never be answered."""
    with s.session(door) as c:
        c.send(text)
        got = c.reply() if door != "imap" else c.line()
        lines = [got]
        try:
            if got is not None and (got.startswith(("220", "+OK")) or " OK" in got):
                c.secure()
                c.send(secure_says)
                c.sock.settimeout(3)
                lines.append(c.reply())
        except (OSError, ssl.SSLError):
            return
        answers = "\n".join(l for l in lines[1:] if l)
        assert forbidden not in answers, (door, lines)
        for line in lines[1:]:
            assert line is None or not line.startswith("b "), lines


def test_injection_before_the_handshake(s):
    """T01, T02: CVE-2011-0411."""
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.send("STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n")
        got = c.reply()
        if got is not None and got.startswith("220"):
            try:
                c.secure()
                got = c.say("RCPT TO:<%s>" % s.name(1))
                assert got is None or got.startswith("503"), got
            except (OSError, ssl.SSLError):
                pass
        else:
            assert got is None or got.startswith(("5", "4")), got
    injected(s, "imap", "a STARTTLS\r\nb NOOP\r\n", "c NOOP\r\n", "b OK")
    injected(s, "pop3", "STLS\r\nCAPA\r\n", "NOSUCH\r\n", "+OK")


def test_what_was_said_before_is_forgotten(s):
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<a@x.test>", "250")
        got = c.say("STARTTLS")
        if got.startswith("220"):
            c.secure()
            c.expect("RCPT TO:<%s>" % s.name(1), "503")
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.starttls()
        c.expect("MAIL FROM:<a@x.test>", "503")
        assert "STARTTLS" not in c.expect("EHLO x.test", "250")
        got = c.say("STARTTLS")
        assert got[:3] in ("503", "554", "502"), got
    with s.session("imap") as c:
        c.starttls()
        assert c.tagged("STARTTLS")[1].startswith("BAD")
    with s.session("pop3") as c:
        c.starttls()
        c.expect("STLS", "-ERR")


def test_truncation(s):
    """T19: an end without close_notify within DATA is a broken session: nothing is queued."""
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.starttls()
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<a@x.test>", "250")
        c.expect("RCPT TO:<%s>" % s.name(1), "250")
        c.expect("DATA", "354")
        c.send("Subject: cut\r\n\r\nhalf of it\r\n")
        raw = socket.socket(fileno=c.sock.detach())
        raw.shutdown(socket.SHUT_RDWR)
        raw.close()
    same(s.queue(), [])
    same(s.mailbox(1), [])


def test_half_handshakes_hold_nobody_up(s):
    open_ones = [s.session("imaps", greet=False) if False else socket.create_connection(("127.0.0.1", s.info["imaps"]["port"])) for _ in range(100)]
    for c in open_ones:
        c.sendall(b"\x16\x03\x01\x02\x00\x01")
    begun = time.monotonic()
    s.imap(1).logout()
    assert time.monotonic() - begun < 2
    for c in open_ones:
        c.close()
    s.alive()


def test_garbage_in_place_of_a_handshake(s):
    for garbage in (b"\x80\x2e\x01\x00\x02" + bytes(60), b"GET / HTTP/1.0\r\n\r\n", bytes(1000), b"\x16\x03\x01\xff\xff" + b"x" * 70000, os.urandom(3000)):
        for door in ("imaps", "submissions", "pop3s"):
            with socket.create_connection(("127.0.0.1", s.info[door]["port"]), 10) as c:
                with contextlib.suppress(OSError):
                    c.sendall(garbage)
                    c.shutdown(socket.SHUT_WR)
                    while c.recv(4096):
                        pass
    s.alive()
    s.imap(1).logout()


def test_keyd_dies_in_the_middle(s):
    """T17: sessions that have TLS go on, and new ones work again at once."""
    c = s.imap(1)
    s.kill("keyd")
    same(c.noop()[0], "OK")
    until(lambda: not_raising(lambda: s.imap(1).logout()), 5, "a handshake")
    same(c.noop()[0], "OK")
    c.logout()


def not_raising(what):
    try:
        what()
        return True
    except (OSError, ssl.SSLError, imaplib.IMAP4.error):
        return False


main(globals(), accounts=2)
