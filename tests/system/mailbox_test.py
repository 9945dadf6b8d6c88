# SPDX-License-Identifier: ISC
"""What is stored of an account's mail: checked, written to a Maildir, taken in by another account; kept over the loss of what is derived."""
from suite import *


def fill(s, n):
    c = s.imap(n)
    c.create("deep/er.dot")
    same(c.append("INBOX", r"(\Seen \Flagged)", '"01-Feb-2020 03:04:05 +0000"', b"Subject: one\r\n\r\ntext\r\n")[0], "OK")
    same(c.append("deep/er.dot", r"(\Draft work)", '"02-Feb-2020 03:04:05 +0000"', b"Subject: two\r\n\r\ntext\r\n")[0], "OK")
    c.logout()
    return s.send(n, subject="three")


def state(s, n):
    """Every mailbox' messages with flags and dates, without what sessions change (\\Recent)."""
    c, out = s.imap(n), {}
    for box in ("INBOX", "deep/er.dot", "Sent"):
        c.select('"%s"' % box, readonly=True)
        kind, data = c.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
        same(kind, "OK")
        parts = [d for d in data if isinstance(d, tuple)]
        out[box] = [(sorted(set(re.search(rb"FLAGS \(([^)]*)\)", p[0]).group(1).split()) - {rb"\Recent"}), re.search(rb'INTERNALDATE "([^"]+)"', p[0]).group(1),
                     p[1]) for p in parts]
    c.logout()
    return out


def test_check(s):
    ident = fill(s, 1)
    s.wait_mail(1, ident)
    same(json.loads(s.postrider("--json", "mailbox", "check", s.name(1)))["messages"], 3)
    s.postrider("mailbox", "check", "nobody@" + s.domain, code=65)


def test_export_and_import(s):
    target = s.base + "/maildir"
    s.postrider("mailbox", "export", s.name(1), target)
    same(len(os.listdir(target + "/cur")), 2)
    same(len(os.listdir(target + "/.deep.er&AC4-dot/cur")), 1)
    where = s.home(2)
    until(lambda: os.path.isdir(where), 30, "the home that comes with the account")
    shutil.rmtree(where)
    assert "first delivery" in s.postrider("mailbox", "import", s.name(2), target, code=65)
    s.imap(2).logout()
    same(json.loads(s.postrider("--json", "mailbox", "import", s.name(2), target))["messages"], 3)
    same(state(s, 2), state(s, 1))
    if ROOT:
        s.postrider("mailbox", "export", s.name(1), s.base, code=65)  # somebody else's directory


def test_mbox_and_back(s):
    target, tricky = s.base + "/mbox", b"Status: mine\r\nSubject: from\r\n\r\nFrom here\r\n>From there\r\n\r\nFrom nobody Sun Nov 22 10:00:00 2026\r\nend\r\n\r\n"
    c = s.imap(1)
    same(c.append("Sent", r"(\Answered \Deleted work)", '"03-Feb-2020 03:04:05 +0000"', tricky)[0], "OK")
    c.logout()
    s.postrider("mailbox", "export", s.name(1), target, "--format", "mbox")
    same(sorted(f for f in os.listdir(target) if os.path.getsize(target + "/" + f)), ["INBOX.mbox", "Sent.mbox", "deep.er&AC4-dot.mbox"])
    with open(target + "/Sent.mbox", "rb") as f:
        text = f.read()
    assert text.startswith(b"From MAILER-DAEMON Mon Feb  3 03:04:05 2020\nStatus: O\nX-Status: AD\nX-Keywords: work\nSubject: from\n\n>From here\n>>From there\n\n>From nobody"), text
    s.imap(3).logout()
    same(json.loads(s.postrider("--json", "mailbox", "import", s.name(3), target))["messages"], 4)
    wanted = state(s, 1)
    flags, date, body = wanted["Sent"][0]
    wanted["Sent"] = [(flags, date, body.replace(b"Status: mine\r\n", b""))]
    same(state(s, 3), wanted)
    same(json.loads(s.postrider("--json", "mailbox", "import", s.name(3), target + "/INBOX.mbox"))["messages"], 2)
    same(len(state(s, 3)["INBOX"]), 4)
    s.postrider("mailbox", "import", s.name(3), "/etc/passwd", code=75)
    s.postrider("mailbox", "export", s.name(1), s.base + "/other", "--format", "tar", code=64)
    c = s.imap(3)
    for box in ("INBOX", "Sent", '"deep/er.dot"'):
        c.select(box)
        c.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
        c.expunge()
    c.logout()


def octets_of(path):
    return sum(os.stat(f).st_blocks * 512 for f in glob.glob(path + "/*/*") if os.path.isfile(f))


def test_compact_gives_room_back_beside_a_session(s):
    c = s.imap(3)
    c.create("deep/er.dot")
    for i in range(40):
        same(c.append("INBOX", r"(\Deleted)" if i % 4 else None, None, b"Subject: %d\r\n\r\n" % i + b"x" * 98 * 1000 + b"\r\n")[0], "OK")
    c.select("INBOX")
    same(c.expunge()[0], "OK")
    before, home = state(s, 3), s.home(3)
    room = octets_of(home)
    assert json.loads(s.postrider("--json", "mailbox", "compact", s.name(3)))["octets"] > 2000000
    assert octets_of(home) < room - 2000000, (octets_of(home), room)
    same(len(before["INBOX"]), 10)
    same(c.fetch("1:*", "BODY.PEEK[]")[0], "OK")
    same(c.append("INBOX", None, None, b"Subject: more\r\n\r\n")[0], "OK")
    c.logout()
    same(state(s, 3)["INBOX"][:10], before["INBOX"])
    same(json.loads(s.postrider("--json", "mailbox", "check", s.name(3)))["messages"], 11)


def test_check_names_what_is_damaged(s):
    home, copy = s.home(3), s.base + "/copy"
    shutil.copytree(home, copy)
    for path, names, files in os.walk(copy):
        for name in [""] + files:
            os.chown(os.path.join(path, name), os.stat(home).st_uid, os.stat(home).st_gid)
    assert " 11 messages" in s.postrider("mailbox", "check", copy)
    largest = max(glob.glob(copy + "/journal/0*"), key=os.path.getsize)
    with open(largest, "r+b") as f:
        f.seek(150000)
        f.write(b"?")
    out = s.postrider("mailbox", "check", copy, code=65)
    assert "journal, positions" in out and "INBOX UID" in out, out


def test_what_is_derived_may_go(s):
    before, home = state(s, 1), s.home(1)
    s.stop()
    shutil.rmtree(home + "/index", ignore_errors=True)
    os.mkdir(home + "/index")
    with open(home + "/index/checkpoint", "w") as f:
        f.write("12345678")
    if ROOT:
        shutil.chown(home + "/index", os.stat(home).st_uid)
    s.start()
    same(state(s, 1), before)


def test_an_index_of_much_mail(s):
    columns, c = s.home(1) + "/index/columns", s.imap(1)
    for i in range(4):
        same(c.append("Sent", None, '"04-Feb-2020 03:04:05 +0000"', b"Subject: long\r\n\r\n" + b"0123456789abcdef\r\n" * 6000)[0], "OK")
    c.logout()
    before = state(s, 1)
    until(lambda: os.path.exists(columns), 60, "housekeeping to write an index")
    s.stop()
    s.start()
    same(state(s, 1), before)  # by the index
    c = s.imap(1)
    with open(columns, "r+b") as f:
        f.truncate(100)
    same(state(s, 1), before)
    c.logout()
    s.stop()
    s.start()
    same(state(s, 1), before)  # by the records
    until(lambda: os.path.exists(columns) and os.path.getsize(columns) > 100, 60, "another index")
    assert "columns_discarded" in s.log() and "columns_were_wrong" not in s.log() and "columns_not_written" not in s.log()


main(globals())
