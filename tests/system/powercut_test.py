# SPDX-License-Identifier: ISC
"""The power goes under load: what the file system had given to its device by then is all that is left. The spool and the mail lie on a real ext4 over a
loop device whose file lies on xfs, so that one `cp --reflink` is an image of the device at one moment. Each image is mounted (ext4 replays its
journal), the real suite is started on it, and every message that was acknowledged before the image was begun must be there exactly once. And over a
restore of one account beside the running suite: an image behind each call that changes or flushes something.

POSTRIDER_IMAGES=N: that many images of each kind of file system; from 100 up, all images of a restore."""
import random
from suite import *

IMAGES = int(os.environ.get("POSTRIDER_IMAGES", "10"))


class Disk:
    """A mounted ext4 of which images can be taken, and mounted in its place."""

    def __init__(self, base, options):
        self.outer, self.at, self.undo, self.options = base + "/images", base + "/disk", [], options
        os.mkdir(self.outer)
        os.mkdir(self.at)
        try:
            self.make(base + "/outer")
        except BaseException:
            self.close()
            raise

    def make(self, file):
        self.sparse(file, 3 << 30)
        run("mkfs.xfs", "-q", "-m", "reflink=1", file)
        run("mount", "-o", "loop", file, self.outer)
        self.undo.append(self.outer)
        self.sparse(self.outer + "/live", 384 << 20)
        run("mkfs.ext4", "-q", "-F", self.outer + "/live")
        self.mount("live")

    @staticmethod
    def sparse(path, size):
        with open(path, "wb") as f:
            f.truncate(size)

    def mount(self, name):
        run("mount", "-o", "loop" + self.options, self.outer + "/" + name, self.at)
        self.undo.append(self.at)

    def umount(self):
        for _ in range(50):
            if subprocess.run(["umount", self.at], stderr=subprocess.DEVNULL).returncode == 0:
                self.undo.remove(self.at)
                return
            time.sleep(0.1)
        raise AssertionError("the disk is in use")

    def image(self, name):
        run("cp", "--reflink=always", self.outer + "/live", self.outer + "/" + name)

    def drop(self, name):
        os.unlink(self.outer + "/" + name)

    def close(self):
        for path in reversed(self.undo):
            if subprocess.run(["umount", path], stderr=subprocess.DEVNULL).returncode != 0:
                subprocess.run(["umount", "-l", path], check=False)
        self.undo = []


def take_images(s, disk):
    """Pairs of an image's name and what was acknowledged before it was begun."""
    load = Load(s, threads=6, users=3, pause=0.005, body="x" * random.randrange(100, 20000) + "\r\n")
    taken = []
    try:
        load.more(20)
        for i in range(IMAGES):
            time.sleep(random.random() * 0.6)
            with load.lock:
                sure = dict(load.sure)
            disk.image("cut%d" % i)
            taken.append(("cut%d" % i, sure))
    finally:
        load.stop()
    return taken


def there(s, box):
    out = {}
    for n in (1, 2, 3):
        for ident in s.mailbox(n, box):
            out.setdefault(ident, []).append(s.name(n))
    return out


def compare(s, sure, name):
    s.wait_empty_queue(60)
    boxes = {}

    def settled():
        boxes.update({box: there(s, box) for box in ("INBOX", "Appended")})
        return all(i in boxes[where[2]] for i, where in sure.items())
    with contextlib.suppress(AssertionError):
        until(settled, 5, pause=0.3)
    lost = [i for i, where in sure.items() if where[0] not in boxes[where[2]].get(i, ())]
    doubled = [(i, at) for box in boxes.values() for i, at in box.items() if len(at) > 1]
    assert not lost and not doubled, "%s: of %d acknowledged lost %d %r, doubled %d %r" % (name, len(sure), len(lost), lost[:3], len(doubled), doubled[:3])


@contextlib.contextmanager
def suite_on_disk(options, accounts):
    """A suite, not begun, whose spool and mail are on a disk of which images can be taken."""
    need("mkfs.ext4", "mkfs.xfs", "losetup")
    s, disk = Suite("release", accounts=accounts), None
    try:
        disk = Disk(s.base, options)
        s.settings = ["directory.spool=%s/spool" % disk.at, "directory.mail=%s/mail" % disk.at]
        s.begin()
        yield s, disk
        same(s.reports(), [])
    finally:
        s.end()
        if disk:
            disk.close()
        s.remove()


@contextlib.contextmanager
def started_on(s, disk, name):
    """The suite, on what the image holds."""
    disk.mount(name)
    s.postrider("start")
    s.wait_ready(60)
    yield
    s.stop()
    disk.umount()


def power_cuts(options):
    with suite_on_disk(options, 3) as (s, disk):
        taken = take_images(s, disk)
        s.stop()
        disk.umount()
        for done, (name, sure) in enumerate(taken, 1):
            with started_on(s, disk, name):
                compare(s, sure, name)
                for n in (1, 2, 3):
                    same(json.loads(s.postrider("--json", "mailbox", "check", s.name(n)))["bad"], 0, "bad messages after " + name)
            disk.drop(name)
            if done % max(10, IMAGES // 10) == 0:
                print("    %d of %d images" % (done, IMAGES), flush=True)
        print("    %d images, the last with %d acknowledged messages" % (len(taken), len(taken[-1][1])))


@needs_root
@slow
def test_ordered_data():
    power_cuts("")


@needs_root
@slow
def test_written_back_data():
    power_cuts(",data=writeback")


# ---- over the exchange of a restore ----

class Recorded:
    """A restore of user1, its helpers included, that stands still after each of its calls that change or flush something, for an image to be taken."""
    CALLS = "mkdirat,linkat,fchown,fchownat,pwritev,pwrite64,fallocate,fsync,fdatasync,syncfs,rename,renameat,renameat2,unlink,unlinkat"

    def __init__(self, s, snapshot):
        self.told, self.seen = s.base + "/calls", 0
        self.p = subprocess.Popen(["strace", "-f", "-qq", "-o", self.told, "-e", "trace=" + self.CALLS, "-e", "inject=%s:signal=STOP:when=1+" % self.CALLS,
                                   s.program, "-c", s.info["config"], "--json", "restore", snapshot, "--account", s.name(1)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))

    def lines(self):
        with contextlib.suppress(OSError):
            with open(self.told) as f:
                return f.read().splitlines()
        return []

    def stops(self):
        """Of each stop the process and the call that came before it."""
        last, out = {}, []
        for line in self.lines():
            pid, what = line.split(None, 1)
            if "stopped by SIGSTOP" in what:
                out.append((int(pid), last.get(pid, "")))
            elif re.match(r"\w+\(", what):
                last[pid] = what
        return out

    def next(self):
        """The call behind which something stands still now, or None at the end."""
        until(lambda: len(self.stops()) > self.seen or self.p.poll() is not None, 120, "the next call of the restore", pause=0.01)
        stops = self.stops()
        if len(stops) == self.seen:
            return None
        self.pid, call = stops[self.seen]
        self.seen += 1
        return call

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def end(self):
        if self.p.poll() is None:
            for pid in {pid for pid, _ in self.stops()}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        out, err = self.p.communicate(timeout=120)
        return self.p.returncode, out.decode(), err.decode()


def record(s, disk, snapshot):
    """The images, each with the call behind which it was taken; the last is of the time when the command had said that it was done."""
    r, calls = Recorded(s, snapshot), []
    try:
        while (call := r.next()) is not None:
            disk.image("step%d" % len(calls))
            calls.append(call)
            r.go_on()
    finally:
        code, out, err = r.end()
    same(code, 0, out + err)
    disk.image("step%d" % len(calls))
    same(json.loads(out)["carried"], 3)
    return calls + ["the end"]


def chosen(calls):
    """All of the long form; else those around the exchange, the last, and some of the rest."""
    at, = [k for k, c in enumerate(calls) if "RENAME_EXCHANGE" in c]
    return [k for k in range(len(calls)) if IMAGES >= 100 or k == len(calls) - 1 or abs(k - at) <= 3 or k % (len(calls) // 5) == 0]


def set_aside(s):
    """The Message-IDs in what restores have put aside of user1."""
    found, to = set(), s.base + "/kept"
    for home in glob.glob("%s/replaced-*/%s" % (s.info["mail"], os.path.basename(s.home(1)))):
        s.postrider("mailbox", "export", home, to, "--format", "mbox")
        for path in glob.glob(to + "/*.mbox"):
            with open(path, "rb") as f:
                found |= {m.decode() for m in re.findall(rb"(?mi)^message-id: *(<[^>]*>)", f.read())}
        shutil.rmtree(to)
    return found


def look_at(s, what, old, new, late, snapshot):
    """One of the two homes, whole; the same command again brings the snapshot's, and loses nothing; mail comes. True: the exchange was made."""
    now = s.mailbox(1)
    assert sorted(now) in (sorted(old), sorted(new)), "%s: neither home: %r" % (what, [(i, now.count(i)) for i in sorted(set(now + old + new))])
    same(json.loads(s.postrider("--json", "mailbox", "check", s.name(1)))["bad"], 0, "bad messages after " + what)
    told = json.loads(s.postrider("--json", "restore", snapshot, "--account", s.name(1)))
    again = s.mailbox(1)
    same(sorted(again), sorted(new if told["earlier"] else set(new) - set(late)), "what a repeat restores after " + what)
    same(set(old) - set(again) - set_aside(s), set(), "in neither home after " + what)
    same(glob.glob(s.info["mail"] + "/restoring-*"), [], "after " + what)
    ident = s.send(to=1)
    s.wait_mail(1, ident, 60)
    return sorted(now) == sorted(new)


def over_a_restore(options):
    need("strace")
    with suite_on_disk(options, 2) as (s, disk):
        fill = lambda n: [s.send(to=1) for _ in range(n)]
        old = fill(2)
        s.wait_mail(1, old[-1], 60)
        s.postrider("snapshot", s.base + "/less", "--account", s.name(1))
        new = old + fill(4)
        s.wait_mail(1, new[-1], 60)
        s.postrider("snapshot", s.base + "/more", "--account", s.name(1))
        # No process of the account runs after a restore: what comes now is in no mailbox, and is to be carried over.
        s.postrider("restore", s.base + "/less", "--account", s.name(1))
        late = fill(3)
        s.wait_empty_queue(60)
        calls = record(s, disk, s.base + "/more")
        s.stop()
        disk.umount()
        made = {}
        for k in chosen(calls):
            with started_on(s, disk, "step%d" % k):
                made[k] = look_at(s, "call %d, %s" % (k, calls[k][:60]), old + late, new + late, late, s.base + "/more")
        same(made[len(calls) - 1], True, "what was said to be restored is there")
        assert not all(made.values()), "no image is of the time before the exchange"
        print("    %d of %d images, %d with the new home" % (len(made), len(calls), sum(made.values())))


@needs_root
@slow
def test_over_a_restore():
    over_a_restore("")


@needs_root
@slow
def test_over_a_restore_with_written_back_data():
    if IMAGES < 100:
        raise Skip("of the long form")
    over_a_restore(",data=writeback")


main(globals(), fixture=False)
