# SPDX-License-Identifier: ISC
"""Log-ins by hand: each mechanism at each door, right and wrong."""
import hashlib
import hmac
from suite import *

DOORS_WITH_LOGIN = ("submission", "imap", "pop3")


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def door(s, name, tls=True):
    c = s.session(name)
    if name == "submission":
        c.expect("EHLO x.test", "250")
    if tls:
        c.starttls()
        if name == "submission":
            c.expect("EHLO x.test", "250")
    return c


GO_ON = {"submission": "334 ", "imap": "+ ", "pop3": "+ "}


def begin(c, mechanism, initial=None):
    word = {"submission": "AUTH", "imap": "a AUTHENTICATE", "pop3": "AUTH"}[c.door]
    return c.say("%s %s%s" % (word, mechanism, "" if initial is None else " " + (initial or "=")))


def challenge(c, got):
    assert got is not None and got.startswith(GO_ON[c.door].strip()), got
    return base64.b64decode(got[len(GO_ON[c.door]):])


def verdict(c, got):
    """True: in; False: refused. IMAP may say things before its tagged answer."""
    while c.door == "imap" and got is not None and not got.startswith("a "):
        got = c.reply()
    if got is None:
        raise AssertionError("the connection ended")
    return got.startswith({"submission": "235", "imap": "a OK", "pop3": "+OK"}[c.door])


def plain(c, user, password, initial=True, authzid=""):
    token = b64("%s\0%s\0%s" % (authzid, user, password))
    if initial:
        return verdict(c, begin(c, "PLAIN", token))
    challenge(c, begin(c, "PLAIN"))
    return verdict(c, c.say(token))


def login(c, user, password):
    challenge(c, begin(c, "LOGIN"))
    challenge(c, c.say(b64(user)))
    return verdict(c, c.say(b64(password)))


def scram(c, user, password, initial=True, cheat=None):
    """RFC 7677. `cheat` spoils one step."""
    nonce = b64(os.urandom(18))
    bare = "n=%s,r=%s" % (user.replace("=", "=3D").replace(",", "=2C"), nonce)
    first = b64("n,," + bare)
    if initial:
        got = begin(c, "SCRAM-SHA-256", first)
    else:
        same(challenge(c, begin(c, "SCRAM-SHA-256")), b"")
        got = c.say(first)
    server_first = challenge(c, got).decode()
    fields = dict(f.split("=", 1) for f in server_first.split(","))
    assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce) and int(fields["i"]) >= 4096, server_first
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    mac = lambda key, text: hmac.new(key, text, hashlib.sha256).digest()
    client_key = mac(salted, b"Client Key")
    bound = "c=%s,r=%s" % (b64("n,,") if cheat != "binding" else b64("y,,"), fields["r"] if cheat != "nonce" else nonce)
    auth = (bare + "," + server_first + "," + bound).encode()
    proof = bytes(a ^ b for a, b in zip(client_key, mac(hashlib.sha256(client_key).digest(), auth)))
    if cheat == "proof":
        proof = bytes(32)
    got = c.say(b64(bound + ",p=" + b64(proof)))
    if got is not None and got.startswith(GO_ON[c.door]):
        last = challenge(c, got).decode()
        if last.startswith("e="):
            return verdict(c, c.say(""))
        same(last, "v=" + b64(mac(mac(salted, b"Server Key"), auth)), "the server's signature")
        got = c.say("")
    return verdict(c, got)


def each(s, attempt, wanted):
    for name in DOORS_WITH_LOGIN:
        with door(s, name) as c:
            same(attempt(c), wanted, name)
            assert not wanted or works(s, c), name


def works(s, c):
    if c.door == "submission":
        return c.say("MAIL FROM:<%s>" % s.name(1)).startswith("250")
    if c.door == "imap":
        return c.tagged("SELECT INBOX", "b")[1].startswith("OK")
    return c.say("STAT").startswith("+OK")


def test_plain(s):
    each(s, lambda c: plain(c, s.name(1), PASSWORD), True)
    each(s, lambda c: plain(c, s.name(1), PASSWORD, initial=False), True)
    each(s, lambda c: plain(c, s.name(1).upper(), PASSWORD), True)


def test_login(s):
    each(s, lambda c: login(c, s.name(1), PASSWORD), True)


def test_scram(s):
    each(s, lambda c: scram(c, s.name(1), PASSWORD), True)
    each(s, lambda c: scram(c, s.name(1), PASSWORD, initial=False), True)


def test_wrong_passwords(s):
    for attempt in (lambda c: plain(c, s.name(1), "wrong"), lambda c: login(c, s.name(1), "wrong"), lambda c: scram(c, s.name(1), "wrong"),
                    lambda c: plain(c, "nobody@" + s.domain, PASSWORD), lambda c: scram(c, "nobody@" + s.domain, PASSWORD),
                    lambda c: plain(c, s.name(1), ""), lambda c: plain(c, s.name(1), PASSWORD + "\0"),
                    lambda c: plain(c, s.name(1), PASSWORD, authzid=s.name(2))):
        each(s, attempt, False)


def test_scram_liars(s):
    for cheat in ("proof", "nonce", "binding"):
        each(s, lambda c: scram(c, s.name(1), PASSWORD, cheat=cheat), False)


def test_the_session_goes_on_after_a_refusal(s):
    for name in DOORS_WITH_LOGIN:
        with door(s, name) as c:
            assert not plain(c, s.name(1), "wrong")
            assert plain(c, s.name(1), PASSWORD), name


def test_nothing_secret_without_tls(s):
    with door(s, "submission", tls=False) as c:
        assert "AUTH" not in c.say("EHLO x.test")
        got = c.say("AUTH PLAIN " + b64("\0%s\0%s" % (s.name(1), PASSWORD)))
        assert got[:3] in ("538", "530", "503", "504", "502"), got
    with door(s, "imap", tls=False) as c:
        lines, got = c.tagged("CAPABILITY")
        assert "LOGINDISABLED" in lines[0] and "AUTH=PLAIN" not in lines[0], lines
        assert c.tagged('LOGIN "%s" "%s"' % (s.name(1), PASSWORD))[1].startswith("NO"), "LOGIN without TLS"
        assert c.tagged("AUTHENTICATE PLAIN " + b64("\0%s\0%s" % (s.name(1), PASSWORD)))[1][:2] in ("NO", "BA")
    with door(s, "pop3", tls=False) as c:
        got = c.say("USER " + s.name(1))
        assert got.startswith("-ERR"), got
        assert c.say("PASS " + PASSWORD).startswith("-ERR")


def test_cancelled_and_malformed(s):
    for name in DOORS_WITH_LOGIN:
        with door(s, name) as c:
            challenge(c, begin(c, "LOGIN"))
            got = c.say("*")
            assert got.startswith({"submission": "501", "imap": "a BAD", "pop3": "-ERR"}[name]), got
            got = begin(c, "PLAIN", "!!!not base64!!!")
            assert got.startswith({"submission": "501", "imap": "a BAD", "pop3": "-ERR"}[name]), got
            got = begin(c, "NOSUCH", None)
            assert got.startswith({"submission": "504", "imap": "a NO", "pop3": "-ERR"}[name]), got
            for bad in ("", "\0", "a", "a\0b", "\0a\0b\0c", "\0" * 50, "\0" + s.name(1)):
                assert not verdict(c, begin(c, "PLAIN", b64(bad))), (name, bad)
                if name != "imap":
                    break
        with door(s, name) as c:
            got = begin(c, "PLAIN", "=" * 20000)
            assert got is None or not got.startswith(("235", "a OK", "+OK")), got
    s.alive()


def test_hostile_user_names(s):
    for user in ("../../x", "a/b", "a%b", "$(id)", "' or 1=1--", "*)(uid=*", "x" * 300, "\u202eabc@" + s.domain, "user1 @" + s.domain, "\r\nx", "user1"):
        with door(s, "imap") as c:
            assert not plain(c, user, PASSWORD), user
    assert "event=login session" not in "".join(l for l in s.log().splitlines() if "uid=*" in l)


def test_second_login_and_login_within_a_transaction(s):
    with door(s, "submission") as c:
        assert plain(c, s.name(1), PASSWORD)
        c.expect("AUTH PLAIN " + b64("\0%s\0%s" % (s.name(1), PASSWORD)), "503")
    with door(s, "smtp") as c:
        c.expect("EHLO x.test", "250")
        got = c.say("AUTH PLAIN AAAA")
        assert got[:3] in ("500", "502", "503", "530", "538"), got


def test_passwords_cannot_be_read_back(s):
    s.postrider("account", "add", "--password-stdin", "fresh@" + s.domain, stdin="tr0ub4dor&3\n")
    with door(s, "imap") as c:
        assert plain(c, "fresh@" + s.domain, "tr0ub4dor&3")
    for top, _, files in os.walk(s.dir):
        if "/mail" in top:
            continue
        for f in files:
            if f in ("accounts", "info.json") or not os.path.isfile(os.path.join(top, f)):
                continue  # quickstart's own notes
            with open(os.path.join(top, f), "rb") as data:
                assert b"tr0ub4dor&3" not in data.read(), os.path.join(top, f)
    s.postrider("account", "passwd", "--password-stdin", "fresh@" + s.domain, stdin="another one\n")
    with door(s, "imap") as c:
        assert not plain(c, "fresh@" + s.domain, "tr0ub4dor&3"), "the old password still counts"
        assert plain(c, "fresh@" + s.domain, "another one")
    s.postrider("account", "disable", "fresh@" + s.domain)
    with door(s, "imap") as c:
        assert not plain(c, "fresh@" + s.domain, "another one"), "a disabled account logs in"
    s.send(to=1)


main(globals(), accounts=2, settings=["auth.failure_delay=0"])
