# SPDX-License-Identifier: ISC
"""The power goes under load: what the file system had given to its device by then is all that is left. The spool and the mail lie on a real ext4 over a
loop device whose file lies on xfs, so that one `cp --reflink` is an image of the device at one moment. Each image is mounted (ext4 replays its
journal), the real suite is started on it, and every message that was acknowledged before the image was begun must be there exactly once.

POSTRIDER_IMAGES=N: that many images of each kind of file system."""
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


def power_cuts(options):
    need("mkfs.ext4", "mkfs.xfs", "losetup")
    s = Suite("release", accounts=3)
    disk = None
    try:
        disk = Disk(s.base, options)
        s.settings = ["directory.spool=%s/spool" % disk.at, "directory.mail=%s/mail" % disk.at]
        s.begin()
        taken = take_images(s, disk)
        s.stop()
        disk.umount()
        done = 0
        for name, sure in taken:
            disk.mount(name)
            s.postrider("start")
            s.wait_ready()
            compare(s, sure, name)
            for n in (1, 2, 3):
                same(json.loads(s.postrider("--json", "mailbox", "check", s.name(n)))["bad"], 0, "bad messages after " + name)
            s.stop()
            disk.umount()
            disk.drop(name)
            done += 1
            if done % max(10, IMAGES // 10) == 0:
                print("    %d of %d images" % (done, IMAGES), flush=True)
        print("    %d images, the last with %d acknowledged messages" % (len(taken), len(taken[-1][1])))
        same(s.reports(), [])
    finally:
        s.end()
        if disk:
            disk.close()
        s.remove()


@needs_root
@slow
def test_ordered_data():
    power_cuts("")


@needs_root
@slow
def test_written_back_data():
    power_cuts(",data=writeback")


main(globals(), fixture=False)
