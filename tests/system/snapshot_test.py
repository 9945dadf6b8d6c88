# SPDX-License-Identifier: ISC
"""The restore drill: a snapshot of the running suite under load, mischief, a restore, and a count. On the suite as it is installed."""
from suite import *

SINK = Sink(answers={"DATA": "451 4.3.0 not now"})


def uidvalidity(s, n):
    c = s.imap(n)
    try:
        return int(re.search(rb"UIDVALIDITY (\d+)", c.status("INBOX", "(UIDVALIDITY)")[1][0]).group(1))
    finally:
        c.logout()


def outward(s, subject, size):
    with s.submission(1) as c:
        text, ident = message(to="far@away.test", sender=s.name(1), subject=subject, body=("%s\r\n" % ("y" * 898)) * (size // 900 + 1))
        c.sendmail(s.name(1), ["far@away.test"], text)
    return ident


def everywhere(s):
    out = {}
    for box in ("INBOX", "Appended"):
        for n in (1, 2, 3):
            for ident in s.mailbox(n, box):
                out.setdefault(ident, []).append((n, box))
    return out


def empty(s, n):
    c = s.imap(n)
    for box in ("INBOX", "Appended"):
        if c.select(box)[0] == "OK":
            c.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
            c.expunge()
    c.logout()


def sizes(path):
    return {f: os.path.getsize(f) for f in glob.glob(path + "/**", recursive=True) if os.path.isfile(f)}


def test_drill(s):
    far = [outward(s, "small", 500), outward(s, "big", 1 << 20)]
    until(lambda: sum("451" in row["status"] for row in s.queue()) == 2, 20, "both to be put off", pause=0.1)
    load = Load(s, threads=6, users=3, body="x" * 3000 + "\r\n")
    try:
        load.more(200)
        with load.lock:
            sure = dict(load.sure)
        told = json.loads(s.postrider("--json", "snapshot", s.base + "/whole"))
        load.more(50)
    finally:
        load.stop()
    same((told["whole"], told["homes"]), (True, 3))
    before = sizes(s.base + "/whole")
    valid = [uidvalidity(s, n) for n in (1, 2, 3)]
    for n in (1, 2, 3):
        empty(s, n)
    s.postrider("queue", "delete", "ALL", code=None)
    s.postrider("account", "delete", s.name(2))
    s.postrider("restore", s.base + "/whole", code=69)
    s.stop()
    s.postrider("restore", s.base + "/whole")
    same(sizes(s.base + "/whole"), before, "a snapshot is never written to")
    s.postrider("start")
    s.wait_ready()
    queue = s.queue()
    assert queue and all(row["held"] for row in queue), queue[:3]
    same(sorted(row["recipient"] for row in queue if row["recipient"].startswith("far")), ["far@away.test"] * 2)
    now = [uidvalidity(s, n) for n in (1, 2, 3)]
    assert all(a > b for a, b in zip(now, valid)), (now, valid)
    waiting = sum(1 for row in queue if not row["recipient"].startswith("far"))
    SINK.answers.clear()
    s.postrider("queue", "release", "ALL")
    s.postrider("queue", "retry", "ALL", code=None)
    s.wait_empty_queue(30)
    have = everywhere(s)
    lost = [i for i in sure if i not in have]
    same(lost[:3], [], "of %d acknowledged %d are lost" % (len(sure), len(lost)))
    doubled = [i for i, at in have.items() if len(at) > 1]
    assert len(doubled) <= waiting, (len(doubled), waiting)
    for ident in far:
        until(lambda: any(ident.encode() in m[2] for m in SINK.messages), 10, "the message to be sent on", pause=0.1)
    assert max(len(m[2]) for m in SINK.messages) > 1 << 20
    for n in (1, 2, 3):
        same(json.loads(s.postrider("--json", "mailbox", "check", s.name(n)))["bad"], 0)
    print("    %d acknowledged before the snapshot, %d of them waited then, %d of these in both" % (len(sure), waiting, len(doubled)))


def test_new_mail_comes_after_a_restore(s):
    idents = [s.send(to=[1, 2, 3]) for _ in range(30)]
    for n in (1, 2, 3):
        s.wait_mail(n, idents[-1])
        same([i for i in idents if i not in s.mailbox(n)], [])


def test_what_was_there_is_set_aside(s):
    for path in (s.info["mail"], s.info["spool"], s.dir + "/tables"):
        same(len(glob.glob(path + "/replaced-*")), 1, path)


def kept(s):
    """What restores of one account have set aside of user1: the Message-IDs."""
    found, uid = set(), os.path.basename(s.home(1))
    for k, home in enumerate(glob.glob("%s/replaced-*/%s" % (s.info["mail"], uid))):
        to = "%s/kept-%s" % (s.base, os.path.basename(os.path.dirname(home)))
        if not os.path.exists(to):
            s.postrider("mailbox", "export", home, to)
        for path in glob.glob(to + "/**", recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    found |= {m.decode() for m in re.findall(rb"(?mi)^message-id: *(<[^>]*>)", f.read())}
    return found


def restore(s, *args, code=0):
    return s.postrider("restore", s.base + "/one", "--account", s.name(1), *args, code=code)


def staging(s):
    return glob.glob(s.info["mail"] + "/restoring-*")


def test_one_account_of_a_stopped_suite(s):
    had = s.mailbox(1)
    same(json.loads(s.postrider("--json", "snapshot", s.base + "/one", "--account", s.name(1)))["homes"], 1)
    empty(s, 1)
    late = s.send(to=[1, 2])
    s.wait_mail(2, late)
    s.wait_empty_queue()
    other = s.mailbox(2)
    s.stop()
    s.postrider("restore", s.base + "/one", code=65)
    s.postrider("restore", s.base + "/one", "--account", s.name(2), code=65)
    told = json.loads(s.postrider("--json", "restore", s.base + "/one", "--account", s.name(1)))
    assert os.path.isdir("%s/%s/%s" % (s.info["mail"], told["aside"], told["home"])), told
    s.postrider("start")
    s.wait_ready()
    now = s.mailbox(1)
    same(now[:len(had)], had)
    # What no session had taken was carried over; what one had taken is where all else of before is.
    same(now[len(had):], [late] if told["carried"] else [])
    assert late in now or late in kept(s), told
    same(s.mailbox(2), other)
    ident = s.send(to=1)
    s.wait_mail(1, ident)


class Idle:
    """A session that waits in IDLE for what comes."""

    def __init__(self, s, n):
        self.c = s.session("imaps", timeout=60)
        self.c.tagged('LOGIN %s "%s"' % (s.name(n), PASSWORD))
        self.c.tagged("SELECT INBOX")
        self.c.send("i IDLE\r\n")
        line = self.c.line()
        while line.startswith("* "):
            line = self.c.line()
        assert line.startswith("+"), line

    def last(self):
        """The last line before the end of the connection."""
        line = last = ""
        while line is not None:
            last, line = line, self.c.line()
        self.c.close()
        return last

    def done(self):
        self.c.send("DONE\r\n")
        line = self.c.line()
        while line and line.startswith("* "):
            assert not line.startswith("* BYE"), line
            line = self.c.line()
        self.c.close()
        return line


class LogIns:
    """Log-ins to an account, one after the other: how each ended."""

    def __init__(self, s, n):
        self.s, self.n, self.ends, self.over = s, n, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            try:
                c = self.s.imap(self.n)
                self.ends.append("OK")
                c.shutdown()
            except (imaplib.IMAP4.error, OSError) as e:
                # A process that is on its way out may take what came last with it.
                self.ends.append("lost: %s" % e if isinstance(e, OSError) or "EOF" in str(e) else str(e))
            self.over.wait(0.02)

    def stop(self):
        self.over.set()
        self.thread.join(30)
        return self.ends


def read(path):
    with contextlib.suppress(OSError):
        with open(path) as f:
            return f.read()
    return ""


class Traced:
    """A restore of user1 that gets a signal at the when-th of its system calls of this name, or (None) whose calls are written down."""
    CALLS = "mkdirat,fchown,fsync,fdatasync,syncfs,rename,renameat,renameat2,unlink,unlinkat,wait4,connect"

    def __init__(self, s, call=None, when=1, signal="KILL"):
        need("strace")
        self.told = s.base + "/calls"
        what = ["-e", "trace=" + self.CALLS] if call is None else ["-e", "trace=" + call, "-e", "inject=%s:signal=%s:when=%d" % (call, signal, when)]
        self.s = s
        self.p = subprocess.Popen(["strace", "-qq", "-o", self.told] + what + [s.program, "-c", s.info["config"], "--json", "restore",
                                  s.base + "/one", "--account", s.name(1)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))

    def program(self):
        return [p for p in self.s.children(self.p.pid) if b"restore" in open("/proc/%d/cmdline" % p, "rb").read()][0]

    def stopped(self):
        until(lambda: "stopped by SIGSTOP" in read(self.told), 60, "the restore to stand still", pause=0.1)

    def go_on(self):
        with contextlib.suppress(OSError, IndexError):
            os.kill(self.program(), signal.SIGCONT)

    def end(self):
        out, err = self.p.communicate(timeout=120)
        return self.p.returncode, out.decode(), err.decode()

    def calls(self):
        """The calls in their order, each with how many of its name it makes; and the number of the exchange among them."""
        out, count = [], {}
        with open(self.told) as f:
            for line in f:
                name = re.match(r"(\w+)\(", line)
                if name:
                    count[name[1]] = count.get(name[1], 0) + 1
                    out.append((name[1], count[name[1]], "RENAME_EXCHANGE" in line))
        return out


def check_load(s, load, had):
    """All that was acknowledged is there: of user1 in the mailboxes, once, or in what was set aside; of the others exactly once."""
    s.wait_empty_queue(60)
    aside = kept(s)

    def boxes():
        return {(n, box): s.mailbox(n, box) for n in (1, 2, 3) for box in ("INBOX", "Appended")}

    def missing(all_of):
        return [i for i, w in load.sure.items() if i not in all_of[w[1], w[2]] and not (w[1] == 1 and i in aside)]
    with contextlib.suppress(AssertionError):
        until(lambda: not missing(boxes()), 30, pause=0.5)
    now = boxes()
    same(missing(now)[:3], [], "lost of %d" % len(load.sure))
    # The drill above may have left messages that are in a mailbox twice.
    doubled = [i for where in now.values() for i in set(where) if where.count(i) > 1 and (i in load.sure or i in load.open)]
    same(doubled[:3], [], "doubled")
    same([i for i in had if i not in now[1, "INBOX"]][:3], [], "of the snapshot's, not there")
    return now


def test_one_account_beside_its_mail_and_sessions(s):
    had, valid = s.mailbox(1), uidvalidity(s, 1)
    shutil.rmtree(s.base + "/one")
    s.postrider("snapshot", s.base + "/one", "--account", s.name(1))
    gone = s.send(to=1)
    s.wait_mail(1, gone)
    other = s.imap(2)
    load = Load(s, threads=6, users=3)
    try:
        load.more(60, 60)
        for _ in range(3):
            idle, idle_of_other, pop, log_ins = Idle(s, 1), Idle(s, 2), s.pop3(1), LogIns(s, 1)
            told = json.loads(s.postrider("--json", "restore", s.base + "/one", "--account", s.name(1)))
            ends = log_ins.stop()
            last = idle.last()
            assert last.startswith("* BYE"), "no BYE but %r" % last
            assert idle_of_other.done().startswith("i OK"), "another's session has ended"
            same([e for e in ends if e != "OK" and "UNAVAILABLE" not in e and "lost" not in e], [])
            try:
                pop.stat()
                raise AssertionError("the POP3 session goes on")
            except (poplib.error_proto, OSError, EOFError):
                pass
            same((told["earlier"], told["unread"], told["damaged"]), (False, False, 0))
            with load.lock:
                before = set(load.sure)
            load.more(60, 60)
            same(other.noop()[0], "OK")
            now = uidvalidity(s, 1)
            assert now > valid, (now, valid)
            valid = now
    finally:
        load.stop()
    now = check_load(s, load, had)
    assert gone in kept(s) and gone not in now[1, "INBOX"]
    # What was acknowledged when the last restore was over is where it belongs, not aside.
    late = [i for i, w in load.sure.items() if i not in before]
    same([i for i in late if i not in now[load.sure[i][1], load.sure[i][2]]][:3], [], "of %d later ones" % len(late))
    same(json.loads(s.postrider("--json", "mailbox", "check", s.name(1)))["bad"], 0)
    same(staging(s), [])


def test_what_nobody_has_seen_yet_is_carried_over(s):
    """No process of the account runs after a restore, so that what comes then is in no mailbox at the next."""
    before = s.mailbox(1)
    restore(s)
    some = [s.send(to=[1, 2]) for _ in range(3)]
    s.wait_mail(2, some[-1])
    s.wait_empty_queue()
    for _ in range(2):
        told = json.loads(s.postrider("--json", "restore", s.base + "/one", "--account", s.name(1)))
        same((told["carried"], told["unread"], told["damaged"]), (3, False, 0))
    some.append(s.send(to=1))
    s.wait_mail(1, some[-1])
    now = s.mailbox(1)
    same(now[-4:], some)
    same([i for i in some if now.count(i) != 1], [])
    same([i for i in now[:-4] if i not in before], [])


def test_while_a_home_is_held(s):
    """The restore stands still before the exchange: log-ins are put off and deliveries wait, for this account alone, whatever is killed meanwhile."""
    had = s.mailbox(2)
    t = Traced(s, "wait4", 1, "STOP")
    try:
        t.stopped()
        first = s.send(to=[1, 2])
        s.wait_mail(2, first, 60)
        for door in ("imap", "pop3"):
            try:
                getattr(s, door)(1)
                raise AssertionError("a log-in to a held home")
            except (imaplib.IMAP4.error, poplib.error_proto) as e:
                assert "UNAVAILABLE" in str(e) or "SYS/TEMP" in str(e), e
        assert "another restore" in restore(s, code=75)
        for name in ("host", "local-delivery", "accounts"):
            old = s.kill(name)
            until(lambda: s.status()["state"] == "running" and s.pids(name)[:1] not in ([], [old]), 60, "another " + name)
        # More than may wait in one process: the others are put off by the queue, and the restore has them tried.
        many = []
        with s.smtp() as c:
            for _ in range(300):
                text, ident = message(to=s.name(1))
                c.sendmail("someone@elsewhere.test", [s.name(1)], text)
                many.append(ident)
        second = s.send(to=2)
        s.wait_mail(2, second, 60)
    finally:
        t.go_on()
    code, out, err = t.end()
    same(code, 0, out + err)
    for ident in [first] + many:
        s.wait_mail(1, ident, 60)
    now = s.mailbox(1)
    same([i for i in [first] + many if now.count(i) != 1], [])
    same(s.mailbox(2), had + [first, second])
    s.wait_empty_queue()


class Late:
    """What it traces is stopped at a call, until it is let go on."""

    def __init__(self, s, call, *what):
        need("strace")
        self.told = s.base + "/late"
        self.p = subprocess.Popen(["strace", "-f", "-qq", "-o", self.told, "-e", "trace=" + call, "-e", "inject=%s:signal=STOP:when=1" % call] + list(what),
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def stopped(self):
        self.pid = int(until(lambda: re.search(r"(?m)^(\d+) +--- stopped by SIGSTOP", read(self.told)), 60, "it to stand still", pause=0.1)[1])

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        self.p.send_signal(signal.SIGINT)
        self.p.wait(60)


def test_a_tool_that_comes_too_late(s):
    """It has opened the home and not yet locked it when that is exchanged: what it would write there would be lost."""
    s.postrider("mailbox", "export", s.name(2), s.base + "/some")
    before = s.mailbox(1)
    t = Late(s, "prctl", s.program, "-c", s.info["config"], "mailbox", "import", s.name(1), s.base + "/some")
    t.stopped()
    restore(s)
    t.go_on()
    out, _ = t.p.communicate(timeout=60)
    same(t.p.returncode, 75, out)
    assert b"just been restored" in out, out
    same([i for i in s.mailbox(1) if i not in before], [])


@needs_root
def test_an_account_process_that_comes_too_late(s):
    """The same of a process that host had forked for a log-in."""
    restore(s)  # no process of the account runs
    imapds = [p for p in s.children(s.pids("host")[0]) if "imapd" in read("/proc/%d/cmdline" % p)]
    image = [p for p in imapds if not [q for q in imapds if p in s.children(q)]][0]
    t = Late(s, "seccomp", "-p", str(image))
    try:
        until(lambda: "TracerPid:\t%d\n" % t.p.pid in read("/proc/%d/status" % image), 60, "strace to be attached")
        c = s.session("imaps", timeout=60)
        c.send('a LOGIN %s "%s"\r\n' % (s.name(1), PASSWORD))
        t.stopped()
        restore(s)
        t.go_on()
        until(lambda: re.search(r"child=%d .*event=session_not_started .*error=lost" % t.pid, s.log()), 60, "the process to see it", pause=0.1)
        assert c.at_end(60), "the session goes on"
    finally:
        t.end()
    until(lambda: can_log_in(s, 1), 60, "a log-in", pause=0.2)


def can_log_in(s, n):
    try:
        s.imap(n).logout()
        return True
    except (imaplib.IMAP4.error, OSError):
        return False


def points(calls):
    """All around the exchange, and some of the rest."""
    at = [k for k, c in enumerate(calls) if c[2]][0]
    return [c for k, c in enumerate(calls) if abs(k - at) <= 4 or k % 5 == 0]


@slow
def test_a_restore_that_is_killed_is_done_by_the_next(s):
    t = Traced(s)
    code, out, err = t.end()
    same(code, 0, out + err)
    some = points(t.calls())
    shutil.rmtree(s.base + "/one")
    s.postrider("snapshot", s.base + "/one", "--account", s.name(1))
    had = s.mailbox(1)
    load = Load(s, threads=3, users=3)
    ends = {"earlier": 0, "again": 0}
    try:
        load.more(20, 60)
        for name, when, _ in some:
            code, out, err = Traced(s, name, when).end()
            assert code != 0, (name, when, out)
            load.more(5, 60)
            until(lambda: can_log_in(s, 1), 60, "a log-in after the restore was killed", pause=0.2)
            told = json.loads(s.postrider("--json", "restore", s.base + "/one", "--account", s.name(1)))
            ends["earlier" if told["earlier"] else "again"] += 1
            same(staging(s), [], "after %s %d" % (name, when))
    finally:
        load.stop()
    check_load(s, load, had)
    same(json.loads(s.postrider("--json", "mailbox", "check", s.name(1)))["bad"], 0)
    assert ends["earlier"] and ends["again"], ends
    print("    killed at %d calls: %d had made the exchange" % (len(some), ends["earlier"]))


def test_what_a_restore_of_one_account_refuses(s):
    assert "does not name" in s.postrider("restore", s.base + "/one", "--account", "nobody@" + s.domain, code=65)
    assert "no mail of this account" in s.postrider("restore", s.base + "/one", "--account", s.name(2), code=65)
    s.postrider("account", "delete", s.name(3))
    assert "no such account" in s.postrider("restore", s.base + "/whole", "--account", s.name(3), code=65)
    now = s.mailbox(1)
    for path in glob.glob("%s/one/mail/*/*/incoming" % s.base):
        os.rename(path, path + ".gone")
    assert "nothing was changed" in restore(s, code=1)
    same(staging(s), [])
    same(s.mailbox(1), now)


def test_a_snapshot_that_was_not_finished_is_none(s):
    s.postrider("snapshot", s.base + "/whole", code=65)
    os.unlink(s.base + "/whole/snapshot")
    s.stop()
    s.postrider("restore", s.base + "/whole", code=65)
    s.postrider("start")
    s.wait_ready()


main(globals(), build="release", settings=["relay_host=" + SINK.address()])
