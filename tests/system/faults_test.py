# SPDX-License-Identifier: ISC
"""Faults of the system below, while mail flows: writes and flushes that fail, no room, no descriptors, no memory, a clock that jumps. After each the
service is there again by itself, and every message that was acknowledged is in its mailbox exactly once; what was not durable was answered 4xx.

The clock of a process is moved by writing to its vDSO, where it reads the time."""
import struct
from suite import *

sink = Sink()
SETTINGS = ["queue.retry_min=1", "queue.retry_max=2", "relay_host=" + sink.address()]
FLUSHES = "fdatasync,fsync,syncfs"


def sessions(s):
    """host's children: images and the accounts' processes."""
    return s.children(s.pids("host")[0])


PIDS = {"qmgr": lambda s: s.pids("qmgr"), "local-delivery": lambda s: s.pids("local-delivery"), "sessions": sessions}


def count(s, load):
    """What was refused was refused for now, and what was not is there."""
    same({c for c in load.codes if not 400 <= c < 500}, set(), "refusals that were not 4xx")
    load.count()
    s.alive()


def faults_under_load(s, who, calls, error, when, some=3):
    """Load before, during and after the fault; then all is counted."""
    load = Load(s, threads=6, users=3, pause=0.01)
    try:
        load.more(15)
        with Failing(s, PIDS[who](s), calls, error, when) as fault:
            until(lambda: fault.failed() >= some, 60, "%d calls to fail" % some)
            time.sleep(0.5)
            same(s.status()["state"], "running")
        load.more(20, seconds=60)
    finally:
        load.stop()
    count(s, load)
    # Each try to write on after a failure costs a segment: they are few, however long it lasts.
    assert len(os.listdir(s.info["spool"] + "/journal")) < 100, "segments without number"


def make(who, calls, error, when, some=3):
    def test(s):
        faults_under_load(s, who, calls, error, when, some)
    return needs_root(slow(test))


for who, names in (("qmgr", "the_queue"), ("local-delivery", "delivery"), ("sessions", "the_accounts_processes")):
    globals()["test_%s_cannot_flush" % names] = make(who, FLUSHES, "EIO", "1+")
    globals()["test_some_flushes_of_%s_fail" % names] = make(who, FLUSHES, "EIO", "2+3", 2)
    globals()["test_%s_cannot_write" % names] = make(who, "pwritev,pwrite64", "EIO", "1+")
    globals()["test_some_writes_of_%s_find_no_room" % names] = make(who, "pwritev,pwrite64,fallocate,ftruncate,openat", "ENOSPC", "3+4", 2)


# ---- no descriptors, no memory ----

def try_to_send(s, size):
    """One message; the reply that ended it, "" when there was none."""
    text, _ = message(to=s.name(1), body=("x" * 70 + "\r\n") * (size // 72))
    try:
        with s.session("smtp", timeout=3) as c:
            for say in ("EHLO x.test", "MAIL FROM:<a@elsewhere.test>", "RCPT TO:<%s>" % s.name(1), "DATA"):
                got = c.say(say) or ""
                if got[:3] not in ("250", "354"):
                    return got
            c.send(text + b".\r\n")
            return c.reply() or ""
    except OSError:
        return ""


def knock(s):
    with contextlib.suppress(OSError), s.session("smtp", timeout=0.5):
        pass


def knock_at_imap(s):
    with contextlib.suppress(OSError, imaplib.IMAP4.error, EOFError), s.session("imap", timeout=0.5):
        pass


def send_to_new(s):
    with contextlib.suppress(OSError, smtplib.SMTPException):
        s.send(to=4)


def log_in(s):
    """Of one whose process does not run yet."""
    with contextlib.suppress(OSError, imaplib.IMAP4.error, EOFError):
        s.imap(5).logout()


def without_descriptors(who, provoke):
    def test(s):
        load = Load(s, threads=6, users=3, pause=0.01)
        try:
            load.more(15)
            pid = s.pids(who)[0]
            with Failing(s, [pid], "openat,accept4,socketpair,dup,memfd_create", "EMFILE") as fault:
                for _ in range(100):
                    provoke(s)
                    if fault.failed() >= 3:
                        break
                assert fault.failed() >= 3, "nobody wanted a descriptor"
            same(s.pids(who)[0], pid, "the process that had no descriptors")
            load.more(20, seconds=60)
        finally:
            load.stop()
        count(s, load)
    return needs_root(slow(test))


for who, provoke in (("smtpd-mx", knock), ("qmgr", lambda s: try_to_send(s, 2000000)), ("local-delivery", send_to_new), ("host", log_in),
                     ("login", knock_at_imap)):
    globals()["test_%s_has_no_descriptors" % who.replace("-", "_")] = without_descriptors(who, provoke)


@needs_root
@slow
def test_no_memory():
    """Who finds none ends, as every process does that cannot go on, and is started again. Nothing is lost for it."""
    s = Suite("release", accounts=3, settings=SETTINGS)
    try:
        s.begin()
        s.may_die = True
        load = Load(s, threads=6, users=3, pause=0.01)
        died = 0
        try:
            for name in ("qmgr", "local-delivery", "smtpd-mx", "lookup", "login", "host"):
                load.more(10, seconds=60)
                pid = s.pids(name)[0]
                with Failing(s, [pid], "mmap,brk,mremap", "ENOMEM"):
                    for _ in range(4):
                        try_to_send(s, 3000000)
                        if not alive(pid):
                            break
                died += not alive(pid)
                s.wait_ready(60)
            load.more(20, seconds=60)
        finally:
            load.stop()
        count(s, load)
        assert died, "nobody missed memory"
        for report in s.reports():
            assert "out of memory" in report or "signal=6" in report, report
    finally:
        s.end()
        s.remove()


# ---- the clock ----

class Clocks:
    """The wall clocks of processes, which can be moved: clock_gettime of the vDSO is replaced by the system call and an addition, for CLOCK_REALTIME.
    x86-64 alone. A forked process has its parent's."""
    STUB = (b"\xb8\xe4\x00\x00\x00"  # mov $228, %eax
            b"\x0f\x05"              # syscall
            b"\x85\xff"              # test %edi, %edi
            b"\x75\x09"              # jne to the end
            b"\x66\x90"              # (so that the number stands aligned)
            b"\x48\x81\x06")         # addq $seconds, (%rsi)

    def __init__(self, pids):
        if os.uname().machine != "x86_64":
            raise Skip("the vDSO of this machine is not known here")
        self.at = {pid: self.find(pid) for pid in pids}
        for pid, at in self.at.items():
            self.write(pid, at, self.STUB + struct.pack("<i", 0) + b"\xc3")

    @staticmethod
    def write(pid, at, what):
        with open("/proc/%d/mem" % pid, "r+b", buffering=0) as f:
            f.seek(at)
            f.write(what)

    @staticmethod
    def find(pid):
        """Where the process has clock_gettime."""
        with open("/proc/%d/maps" % pid) as f:
            low, high = [[int(x, 16) for x in line.split()[0].split("-")] for line in f if line.rstrip().endswith("[vdso]")][0]
        with open("/proc/%d/mem" % pid, "rb", buffering=0) as f:
            f.seek(low)
            image = f.read(high - low)
        headers, count = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<H", image, 56)[0]
        kinds = {}
        for i in range(count):
            kind, _, offset, address = struct.unpack_from("<IIQQ", image, headers + 56 * i)
            kinds[kind] = (offset, address)
        base, at, tags = kinds[1][1] - kinds[1][0], kinds[2][0], {}
        while True:
            tag, value = struct.unpack_from("<QQ", image, at)
            if tag == 0:
                break
            tags[tag], at = value, at + 16
        names, at = tags[5] - base, tags[6] - base
        while True:
            name, _, _, _, value, _ = struct.unpack_from("<IBBHQQ", image, at)
            start = names + name
            if image[start:image.index(b"\0", start)] == b"__vdso_clock_gettime":
                return low + value - base
            at += 24

    def set(self, seconds):
        """So far from the true time from now on."""
        for pid, at in self.at.items():
            with contextlib.suppress(OSError):
                self.write(pid, at + len(self.STUB), struct.pack("<i", seconds))


HOUR = 3600


def taken(send):
    """What is under way while processes have different times may be told to come again."""
    def attempt():
        with contextlib.suppress(smtplib.SMTPException):
            return send()
    return until(attempt, 20, "a message to be taken")


def jump(s, clocks, seconds):
    """While a message waits for its next try. It is tried all the same, and log-ins, deliveries, notices go on."""
    sink.answers["RCPT"] = "451 4.2.0 later"
    seen = len(sink.commands)
    text, ident = message(to="far@away.test", sender=s.name(1))

    def submit():
        with contextlib.closing(s.submission(1)) as c:
            return c.sendmail(s.name(1), ["far@away.test"], text) == {}
    taken(submit)
    until(lambda: any(line.startswith("RCPT") for line in sink.commands[seen:]), 30, "the first try")
    until(lambda: [m for m in s.queue() if m["next_try"] > 0], 30, "the message to wait")
    clocks.set(seconds)
    sink.answers.pop("RCPT")
    until(lambda: any(ident.encode() in m[2] for m in sink.messages), 100, "the message to be tried again after a jump of %d s" % seconds)
    for n in (1, 2):
        s.wait_mail(n, taken(lambda: s.send(to=n)), 30)
    same(len([m for m in sink.messages if ident.encode() in m[2]]), 1, "times that it was sent on")


@needs_root
@slow
def test_the_clock_jumps(s):
    clocks = Clocks(s.everything())
    load = Load(s, threads=6, users=3, pause=0.02)
    try:
        load.more(10)
        for seconds in (HOUR, -HOUR, 40 * HOUR, 0, -40 * HOUR, 0):
            jump(s, clocks, seconds)
            load.more(10, seconds=60)
    finally:
        clocks.set(0)
        load.stop()
    load.count()
    s.alive()


main(globals(), needs=True, late=True, build="release", accounts=5, settings=SETTINGS)
