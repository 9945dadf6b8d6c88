# SPDX-License-Identifier: ISC
"""This host's users, as the local door of the mail system knows them: those that came after its start too."""
from suite import *

UID = 61234
NAMESPACES = subprocess.call(["unshare", "-m", "true"], stderr=subprocess.DEVNULL) == 0


class OwnEtc(Suite):
    """A suite whose /etc is a copy that the test may write."""

    def begin(self):
        self.etc = self.base + "/etc"
        run("cp", "-a", "/etc", self.etc)
        if NAMESPACES:
            self.before = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc && shift && exec "$@"', "-", self.etc]
        return super().begin()


def put_passwd(s, lines):
    """As useradd(8) does it: a new file in the place of the old one."""
    with open(s.etc + "/passwd+", "w") as f:
        f.writelines(lines)
    os.rename(s.etc + "/passwd+", s.etc + "/passwd")


def ask(path, sender):
    """The answer to MAIL, asked by this process."""
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(60)
        c.connect(path)
        f = c.makefile("rwb")
        f.readline()
        for line in ("HELO here", "MAIL FROM:<%s>" % sender):
            f.write(line.encode() + b"\r\n")
            f.flush()
            reply = f.readline()
    return reply


def may_send_as(s, name):
    """Whether the door takes this user's own address from UID: a process of that uid asks, without a program, which it might not be let to."""
    pid = os.fork()
    if pid == 0:
        code = 2
        with contextlib.suppress(BaseException):
            os.setgroups([])
            os.setgid(UID)
            os.setuid(UID)
            reply = ask(s.info["run"] + "/submit", "%s@mail.%s" % (name, s.domain))
            code = 0 if reply.startswith(b"250") else 1 if reply.startswith(b"5") else 2
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 1), "the door was not reached, or gave another answer"
    return code == 0


def test_users_that_come_and_go(s):
    if not NAMESPACES:
        raise Skip("no mount namespace can be had here (a chroot?)")
    with open(s.etc + "/passwd") as f:
        old = f.readlines()
    assert not any(":%d:" % UID in line for line in old)
    pids = s.pids("smtpd-local")
    assert not may_send_as(s, "late"), "a user that nobody knows was taken"
    put_passwd(s, old + ["late:x:%d:%d::/nonexistent:/bin/sh\n" % (UID, UID)])
    until(lambda: may_send_as(s, "late"), 60, "the new user to be known")
    put_passwd(s, old + ["later:x:%d:%d::/nonexistent:/bin/sh\n" % (UID, UID)])
    until(lambda: may_send_as(s, "later"), 60, "the new name to be known")
    assert not may_send_as(s, "late"), "the old name was taken"
    with open(s.etc + "/passwd", "w") as f:
        f.writelines(old)
    until(lambda: not may_send_as(s, "later"), 60, "the user to be gone")
    same(s.pids("smtpd-local"), pids)


main(globals(), fixture=OwnEtc, needs=True, accounts=1)
