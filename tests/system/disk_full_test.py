# SPDX-License-Identifier: ISC
"""A spool without room: 452 to whoever hands in mail, nothing that was acknowledged is lost, and service returns by itself."""
from suite import *

ROOM = 48 << 20


class Small(Suite):
    """A suite whose spool is on a small file system of its own."""

    def begin(self):
        self.mounted = self.base + "/small"
        os.mkdir(self.mounted)
        run("mount", "-t", "tmpfs", "-o", "mode=755,size=%d" % ROOM, "tmpfs", self.mounted)
        self.settings.append("directory.spool=%s/spool" % self.mounted)
        return super().begin()

    def fill(self):
        """Takes all the room that is left."""
        with open(self.mounted + "/ballast", "wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(b"x" * 4096)


def refused(s, octets):
    """What DATA of so many octets is answered."""
    text, ident = message(to=s.name(2), sender="a@elsewhere.test", body=("x" * 70 + "\r\n") * (octets // 72 + 1))
    with s.smtp() as c:
        try:
            c.sendmail("a@elsewhere.test", [s.name(2)], text)
        except smtplib.SMTPResponseException as e:
            return e.smtp_code, ident
        except smtplib.SMTPRecipientsRefused as e:
            return next(iter(e.recipients.values()))[0], ident
    return 250, ident


def test_full(s):
    s.acknowledged = [s.send(to=2) for _ in range(5)]
    s.fill()
    codes = set()
    for _ in range(400):
        code, ident = refused(s, 100000)
        codes.add(code)
        if code == 250:
            s.acknowledged.append(ident)
        elif code == 452:
            break
    assert 452 in codes and codes <= {250, 452}, codes
    s.alive()


def test_goes_on(s):
    """Doors, log-in and stored mail do not need the spool's room."""
    s.wait_mail(2, s.acknowledged[0])
    same({p["state"] for p in s.status()["processes"]}, {"ready"})


def test_returns(s):
    os.unlink(s.mounted + "/ballast")
    until(lambda: refused(s, 100)[0] == 250, 30, "room to be found again", pause=0.2)
    s.acknowledged.append(s.send(to=2))
    s.wait_empty_queue()
    got = s.mailbox(2)
    for ident in s.acknowledged:
        same(got.count(ident), 1, "copies of %s" % ident)


if not ROOT:
    print("skip system/disk_full (mounting needs root)")
    sys.exit(0)
main(globals(), fixture=Small, build="release", accounts=2)
