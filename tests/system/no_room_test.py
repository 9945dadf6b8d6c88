# SPDX-License-Identifier: ISC
"""A full disk: new mail is refused for now, nothing that was acknowledged is lost, and service returns by itself."""
from suite import *


def fill(s, name):
    """Takes all that is left of a file system."""
    with open("%s/%s/filler" % (s.dir, name), "wb", buffering=0) as f:
        with contextlib.suppress(OSError):
            while True:
                f.write(bytes(1 << 16))
        with contextlib.suppress(OSError):
            while True:
                f.write(b"x")


def free(s, name):
    os.unlink("%s/%s/filler" % (s.dir, name))


def attempt(s, size=20000):
    """The reply to a message of some octets: at MAIL, or after its content."""
    text, ident = message(to=s.name(1), body=("x" * 70 + "\r\n") * (size // 72))
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        for say in ("MAIL FROM:<a@elsewhere.test>", "RCPT TO:<%s>" % s.name(1), "DATA"):
            got = c.say(say)
            if not got.startswith(("250", "354")):
                return got, ident
        c.send(text + b".\r\n")
        return c.reply(), ident


def test_spool(s):
    load = Load(s, threads=4, users=2)
    load.more(30)
    fill(s, "spool")
    taken, got = [], ""
    for _ in range(3000):
        got, ident = attempt(s)
        if not got.startswith("250"):
            break
        taken.append(ident)
    assert got.startswith(("452", "451 4.3", "431")), got
    s.alive()
    for size in (300, 2000000):
        got, ident = attempt(s, size)
        if got.startswith("250"):
            taken.append(ident)
        else:
            assert got[0] == "4", got
    free(s, "spool")
    load.more(10, seconds=30)
    load.stop()
    got, ident = until(lambda: (lambda a: a[0].startswith("250") and a)(attempt(s)), 10, "service to return", pause=0.2)
    s.wait_empty_queue(60)
    load.count()
    have = s.mailbox(1)
    same([have.count(i) for i in taken + [ident]], [1] * (len(taken) + 1))


def test_mail(s):
    s.wait_mail(1, s.send(to=1))
    fill(s, "mail")
    idents = [attempt(s, 50000) for _ in range(40)]
    same({got[:3] for got, _ in idents} - {"250", "452"}, set())
    taken = [i for got, i in idents if got.startswith("250")]
    c = s.imap(1)
    c.select("INBOX")
    text, _ = message(body="x" * 900 + "\r\n" + ("y" * 70 + "\r\n") * 5000)
    kind, data = c.append("INBOX", None, None, text)
    assert kind == "NO", (kind, data)
    same(c.noop()[0], "OK")
    c.logout()
    free(s, "mail")
    s.wait_empty_queue(60)
    until(lambda: set(taken) <= set(s.mailbox(1)), 20, pause=0.3)
    have = s.mailbox(1)
    same([have.count(i) for i in taken], [1] * len(taken))
    c = s.imap(1)
    same(c.append("INBOX", None, None, text)[0], "OK")
    c.logout()


def test_restart_on_a_full_disk(s):
    ident = s.send(to=2)
    s.wait_mail(2, ident)
    fill(s, "spool")
    s.kill_all()
    s.start()
    got, _ = attempt(s)
    assert got.startswith(("250", "4")), got
    assert ident in s.mailbox(2)
    free(s, "spool")
    until(lambda: attempt(s)[0].startswith("250"), 20, "service to return", pause=0.2)
    s.wait_empty_queue()


main(globals(), needs=True, late=True, accounts=2, tmpfs={"spool": "40m", "mail": "60m"}, settings=["queue.retry_min=1", "queue.retry_max=2"])
