# SPDX-License-Identifier: ISC
"""Housekeeping for accounts that nobody is logged in to: what arrives is adopted, and what was deleted is released, without a log-in."""
import random

from suite import *

BODY = ("x" * 70 + "\r\n") * 15000  # more than a MiB: four fill a segment of incoming


def imapd_of(s, directory):
    """The account's imapd, if one runs: by its uid, as images have another."""
    uid = int(os.path.basename(directory))
    return [p for host in s.pids("host") for image in s.children(host) for p in s.children(image) if uid_of(p) == uid]


def uid_of(pid):
    with contextlib.suppress(OSError):
        return os.stat("/proc/%d" % pid).st_uid


def test_mail_is_adopted_without_a_log_in(s):
    where = s.home(3)
    for k in range(3):
        s.send(to=3)
        until(lambda: os.path.isdir(where + "/journal"), 60, "the account's journal", pause=0.1)
        # It stays no longer than its work takes, and so the next news makes the next one.
        until(lambda: not imapd_of(s, where), 60, "the end of the account's process", pause=0.1)


def test_what_a_killed_session_left_is_released(s):
    where = s.home(2)
    for k in range(10):
        s.send(to=2, body=BODY)
    until(lambda: len(s.mailbox(2)) == 10, 60, "ten messages", pause=0.2)
    before = sorted(os.listdir(where + "/incoming"))
    assert len(before) >= 3, before
    c = s.imap(2)
    c.select("INBOX")
    c.store("1:*", "+FLAGS", r"(\Deleted)")
    same(c.expunge()[0], "OK")
    s.may_die = True
    running = imapd_of(s, where)
    assert running, "the session's process was not found"
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(Exception):
        c.shutdown()

    def released():
        s.send(to=2)  # so that the account learns that delivery is done with what came before
        return before[0] not in os.listdir(where + "/incoming")
    until(released, 120, "the release of what nobody refers to", pause=1)


def test_a_log_in_that_meets_a_process_on_its_way_out(s):
    """The process asks host before it ends, so that a session given to it meanwhile is served, and not lost with it."""
    where = s.home(1)
    met = 0
    for k in range(10):
        s.send(to=1)
        end = time.monotonic() + 3
        while not imapd_of(s, where) and time.monotonic() < end:
            time.sleep(0.01)
        met += bool(imapd_of(s, where))
        time.sleep(random.random() * 0.3)
        c = s.imap(1)
        same(c.noop()[0], "OK")
        c.logout()
        for pid in imapd_of(s, where):  # which would linger now, as it has had a session
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until(lambda: not imapd_of(s, where), 30, "the end of the account's process")
    assert met > 0, "no process was there to be met"


main(globals(), settings=["upkeep_interval=1"], needs=True)
