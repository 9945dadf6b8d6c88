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


def test_one_account(s):
    had = s.mailbox(1)
    same(json.loads(s.postrider("--json", "snapshot", s.base + "/one", "--account", s.name(1)))["homes"], 1)
    empty(s, 1)
    late = s.send(to=[1, 2])
    s.wait_mail(2, late)
    other = s.mailbox(2)
    s.stop()
    s.postrider("restore", s.base + "/one", code=65)
    s.postrider("restore", s.base + "/one", "--account", s.name(2), code=65)
    s.postrider("restore", s.base + "/one", "--account", s.name(1))
    s.postrider("start")
    s.wait_ready()
    same(s.mailbox(1), had)
    same(s.mailbox(2), other)
    ident = s.send(to=1)
    s.wait_mail(1, ident)


def test_a_snapshot_that_was_not_finished_is_none(s):
    s.postrider("snapshot", s.base + "/whole", code=65)
    os.unlink(s.base + "/whole/snapshot")
    s.stop()
    s.postrider("restore", s.base + "/whole", code=65)
    s.postrider("start")
    s.wait_ready()


main(globals(), build="release", settings=["relay_host=" + SINK.address()])
