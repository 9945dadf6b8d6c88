# SPDX-License-Identifier: ISC
"""What is stored of an account's mail: checked, written to a Maildir, taken in by another account; kept over the loss of what is derived."""
from suite import *


def home_of(s, n):
    uid = [row["uid"] for row in json.loads(s.postrider("--json", "account", "list")) if row["address"] == s.name(n)][0]
    return "%s/%02x/%d" % (s.info["mail"], uid & 255, uid)


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
    assert "first delivery" in s.postrider("mailbox", "import", s.name(2), target, code=65)
    s.imap(2).logout()
    same(json.loads(s.postrider("--json", "mailbox", "import", s.name(2), target))["messages"], 3)
    same(state(s, 2), state(s, 1))
    if ROOT:
        s.postrider("mailbox", "export", s.name(1), s.base, code=65)  # somebody else's directory


def test_what_is_derived_may_go(s):
    before, home = state(s, 1), home_of(s, 1)
    s.stop()
    shutil.rmtree(home + "/index", ignore_errors=True)
    os.mkdir(home + "/index")
    with open(home + "/index/checkpoint", "w") as f:
        f.write("12345678")
    if ROOT:
        shutil.chown(home + "/index", os.stat(home).st_uid)
    s.start()
    same(state(s, 1), before)


main(globals())
