# SPDX-License-Identifier: ISC
"""POP3 in raw octets: numbers, long lines, deletion at QUIT alone, sessions beside each other, clients that do not read (hostile cases P01 to P08)."""
from suite import *

USER = 1


def log_in(s, n=USER):
    c = s.session("pop3s")
    c.expect("USER " + s.name(n), "+OK")
    c.expect("PASS " + PASSWORD, "+OK")
    return c


def lines(c, command):
    """The lines of a long answer, dots unstuffed; the first reply is not among them."""
    c.expect(command, "+OK")
    got = []
    while (line := c.line()) != ".":
        assert line is not None, "the connection ended within the answer to " + command
        got.append(line[1:] if line.startswith(".") else line)
    return got


def append(s, n, octets):
    c = s.imap(n)
    same(c.append("INBOX", "", "", octets)[0], "OK")
    c.logout()


def account_processes(s, program):
    """The accounts' own processes: below an image of this program."""
    def named(pid):
        with contextlib.suppress(OSError):
            return os.path.basename(os.readlink("/proc/%d/exe" % pid)) == program
    images = [p for host in s.pids("host") for p in s.children(host) if named(p)]
    return [p for image in images for p in s.children(image) if named(p) and p not in s.pids("host")]


def test_numbers(s):
    for k in range(3):
        append(s, USER, b"Subject: %d\r\n\r\nbody\r\n" % k)
    with log_in(s) as c:
        for bad in ("RETR 0", "RETR -1", "RETR 4294967297", "RETR 1 1", "TOP 1 -1", "TOP 1", "DELE 4", "LIST 99999999999999999999"):
            c.expect(bad, "-ERR")
        same(lines(c, "TOP 1 99999999999"), ["Subject: 0", "", "body"])
        same(lines(c, "TOP 1 0"), ["Subject: 0", ""])
        c.expect("LAST", "-ERR")
        c.expect("STLS", "-ERR")
        c.expect("QUIT", "+OK")


def test_a_long_line(s):
    with log_in(s) as c:
        c.expect("NOOP " + "x" * 5000, "-ERR")
        c.expect("NOOP", "+OK")


def test_pipelining(s):
    with log_in(s) as c:
        c.send("NOOP\r\n" * 5000)
        for _ in range(5000):
            assert c.line().startswith("+OK")


def test_nonsense_ends(s):
    with log_in(s) as c:
        c.send("FOO\r\n" * 100)
        assert c.at_end(), "no end of bad commands"


def test_deletion_is_at_quit(s):
    with log_in(s) as c:
        before = lines(c, "UIDL")
        c.expect("DELE 1", "+OK")
        c.expect("RETR 1", "-ERR")
    with log_in(s) as c:
        same(lines(c, "UIDL"), before, "after a session without QUIT")
        c.expect("DELE 1", "+OK")
        c.expect("RSET", "+OK")
        c.expect("QUIT", "+OK")
    with log_in(s) as c:
        same(lines(c, "UIDL"), before, "after RSET")
        c.expect("DELE 1", "+OK")
        c.expect("QUIT", "+OK")
    with log_in(s) as c:
        same([line.split()[1] for line in lines(c, "UIDL")], [line.split()[1] for line in before[1:]])


def test_two_sessions(s):
    a, b = log_in(s), log_in(s)
    count = len(lines(a, "LIST"))
    a.expect("DELE 1", "+OK")
    a.expect("QUIT", "+OK")
    b.expect("RETR 1", "-ERR")
    same(len(lines(b, "UIDL")), count)
    b.expect("DELE 1", "+OK")
    b.expect("QUIT", "+OK")
    with log_in(s) as c:
        same(len(lines(c, "LIST")), count - 1)


def test_line_ends_and_dots(s):
    append(s, 2, b"Subject: x\r\n\r\n.\r\n..\r\n.dot\r\nlast line without an end")
    with log_in(s, 2) as c:
        same(lines(c, "RETR 1"), ["Subject: x", "", ".", "..", ".dot", "last line without an end"])
        c.expect("NOOP", "+OK")


def test_uids_stay_over_a_restart(s):
    with log_in(s, 2) as c:
        before = lines(c, "UIDL")
    assert before and all(len(line.split()[1]) <= 70 for line in before)
    s.stop()
    s.start()
    with log_in(s, 2) as c:
        same(lines(c, "UIDL"), before)


def test_a_client_that_does_not_read(s):
    append(s, 3, b"Subject: big\r\n\r\n" + b"x" * 70 * 20000 + b"\r\n")
    with log_in(s, 3) as c:
        c.send("RETR 1\r\n" * 200)
        time.sleep(1)
        for pid in account_processes(s, "pop3d"):
            with open("/proc/%d/status" % pid) as f:
                kib = int(re.search(r"RssAnon:\s*(\d+)", f.read()).group(1))
            assert s.sanitized or kib < 8192, "%d KiB" % kib
        with log_in(s, 3) as other:
            other.expect("NOOP", "+OK")


def test_killed_sessions_delete_nothing(s):
    """Fetch and delete while deliveries come and the account's process is killed again and again: each message is fetched for good once."""
    wanted, got, ended = set(), [], threading.Event()

    def feed():
        for _ in range(60):
            wanted.add(s.send(3, door="lmtp", subject="kill"))
            time.sleep(0.02)
        ended.set()

    def fetch():
        p = s.pop3(3)
        n, mine = p.stat()[0], []
        for k in range(1, n + 1):
            found = re.search(rb"Message-ID: (<[^>]+>)", b"\n".join(p.top(k, 0)[1]))
            if found:
                mine.append(found.group(1).decode())
                p.dele(k)
        p.quit()
        return n, mine

    unsure, rounds = set(), 0
    feeder = threading.Thread(target=feed)
    feeder.start()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        rounds += 1
        if rounds % 3 == 0:
            s.may_die = True
            p = s.pop3(3)
            n = p.stat()[0]
            for k in range(1, n + 1):
                p.dele(k)
            for pid in account_processes(s, "pop3d"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(Exception):
                p.close()
            continue
        try:
            n, mine = fetch()
            got += mine
        except (OSError, poplib.error_proto, EOFError):
            continue
        if ended.is_set() and wanted <= set(got):
            break
    feeder.join()
    same(sorted(got), sorted(wanted))


main(globals())
