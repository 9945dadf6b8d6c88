# SPDX-License-Identifier: ISC
"""The whole of it as an ordinary user, from the tree to the mailbox: built, started, used, stopped."""
from suite import *


def test_it_runs_as_that_user_alone(s):
    uid = pwd.getpwnam(s.user).pw_uid
    pids = s.everything()
    assert len(pids) > 12
    for pid in pids:
        with open("/proc/%d/status" % pid) as f:
            text = f.read()
        same(set(re.search(r"Uid:\s+(.*)", text).group(1).split()), {str(uid)})
        same(re.search(r"CapEff:\s+(\S+)", text).group(1), "0" * 16)


def test_what_needs_no_root_is_on(s):
    for pid in s.pids():
        with open("/proc/%d/status" % pid) as f:
            text = f.read()
        assert "NoNewPrivs:\t1" in text and "Seccomp:\t2" in text, text


def test_mail_flows(s):
    text, ident = message(sender=s.name(1), to=s.name(2))
    with s.submission(1) as c:
        same(c.sendmail(s.name(1), [s.name(2)], text), {})
    got = s.fetch(2, ident)
    p = s.pop3(2)
    same(b"\r\n".join(p.retr(1)[1]) + b"\r\n", got)
    p.quit()
    s.wait_mail(1, s.send(to=1))


def test_mailboxes_are_apart(s):
    ident = s.send(to=1)
    s.wait_mail(1, ident)
    assert ident not in s.mailbox(2)


def test_stop_and_start(s):
    before = s.mailbox(1)
    s.stop()
    s.start()
    same(s.mailbox(1), before)
    s.postrider("account", "add", "--no-password", "more@" + s.domain)
    assert "more@" in s.postrider("account", "list")


main(globals(), needs=True, late=True, build="release", user="nobody", accounts=2)
