# SPDX-License-Identifier: ISC
"""A log-in is good, and then the session cannot be handed to the account's process: at each place where that may fail the client is told, or its connection
is closed; nothing stays open in host or login; the next session is served, and the account's process can end."""
from suite import *

NEW, RUNNING = "new", "running"  # is the account's process there already?


def open_files(s):
    """Of host and login. Twice the same, so that what is on its way is not counted."""
    def now():
        return [len(os.listdir("/proc/%d/fd" % pid)) for name in ("host", "login") for pid in s.pids(name)]

    def steady():
        first = now()
        time.sleep(0.2)
        return first == now() and first
    return until(steady, 30, "descriptors that do not change")


def image(s, program):
    return [pid for pid in s.children(s.pids("host")[0]) if os.readlink("/proc/%d/exe" % pid).endswith("/" + program)][0]


def processes(s):
    """The accounts' processes: what host has beside its two images."""
    return len(s.children(s.pids("host")[0])) - 2


def end_processes(s):
    images = [image(s, "imapd"), image(s, "pop3d")]
    s.may_die = True
    for pid in s.children(s.pids("host")[0]):
        if pid not in images:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    until(lambda: processes(s) == 0, 30, "the accounts' processes to end")


def imap(s):
    c = s.imap(1)
    same(c.select("INBOX")[0], "OK")
    c.logout()


def pop3(s):
    c = s.pop3(1)
    c.stat()
    c.quit()


def refused(session, s):
    """What a client that is not served hears, which must come soon enough for it to wait for it."""
    try:
        session(s)
    except (imaplib.IMAP4.error, poplib.error_proto, OSError, EOFError) as e:
        assert not isinstance(e, TimeoutError), "the client was left waiting"
        return str(e)
    raise AssertionError("it was served")


def fails(s, who, calls, error, state, when):
    for session, program in ((imap, "imapd"), (pop3, "pop3d")):
        session(s)
        if state == NEW:
            end_processes(s)
        session(s)
        before = open_files(s)
        if state == NEW:
            end_processes(s)
        pid = s.pids("host")[0] if who == "host" else image(s, program)
        with Failing(s, [pid], calls, error, when) as fault:
            told = refused(session, s)
            assert fault.failed() >= 1, "nothing failed"
        print("    %s: %s" % (program, told or "closed"))
        same([p for p in (s.pids("host")[0], image(s, program)) if p == pid], [pid], "the process whose call failed")
        for _ in range(3):
            session(s)
        same(open_files(s), before, "descriptors of host and login")


def test_no_pair_of_sockets(s):
    fails(s, "host", "socketpair", "EMFILE", NEW, "1+")


def test_no_home(s):
    fails(s, "host", "openat", "EMFILE", NEW, "1+")


def test_the_image_is_not_told(s):
    """As when too many descriptors are under way."""
    fails(s, "host", "sendmsg", "ETOOMANYREFS", NEW, "1")


def test_the_image_cannot_fork(s):
    fails(s, "image", "clone,clone3,fork,vfork", "EAGAIN", NEW, "1+")


def test_the_fork_cannot_become_the_account(s):
    fails(s, "image", "setresuid,setresgid", "EAGAIN", NEW, "1+")


def test_the_account_s_process_is_not_told(s):
    """It runs, and the message with the connection cannot be sent to it."""
    fails(s, "host", "sendmsg", "ETOOMANYREFS", RUNNING, "1")


def test_processes_end_when_nobody_is_there(s):
    """None of them counts a session that it was not given."""
    until(lambda: processes(s) == 0, 120, "the accounts' processes to end", pause=0.5)


main(globals(), needs=True, late=True, build="release", accounts=1)
