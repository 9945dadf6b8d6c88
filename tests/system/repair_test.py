# SPDX-License-Identifier: ISC
"""An account whose files are damaged, by a bad disk: repaired, and read over IMAP by what is left; mail goes on to arrive."""
from suite import *


def text(i):
    return b"Subject: number %d\r\n\r\n" % i + b"%d\r\n" % i * 200


def fill(s, n):
    """Messages 0 to 29 in INBOX, every third of them in work as well, in several segments; five deliveries behind them."""
    c = s.imap(n)
    c.create("work")
    for part in range(3):
        for i in range(part * 10, part * 10 + 10):
            same(c.append("INBOX", r"(\Seen)" if i % 2 else None, None, text(i))[0], "OK")
            if i % 3 == 0:
                same(c.append("work", r"(\Flagged)", None, text(i))[0], "OK")
        s.postrider("mailbox", "compact", s.name(n))
    for i in range(30, 34):
        same(c.append("INBOX", None, None, text(i))[0], "OK")
    c.logout()
    idents = [s.send(n, subject="delivered %d" % i) for i in range(5)]
    s.wait_mail(n, idents[-1])
    for ident in idents:
        s.wait_mail(n, ident)
    return idents


def everything(s, n):
    """Mailbox → (UIDVALIDITY, {UID: (text, flags)})."""
    c, out = s.imap(n), {}
    for line in c.list()[1]:
        box = re.search(rb'"/" "?([^"]*)"?$', line).group(1).decode()
        c.select('"%s"' % box, readonly=True)
        valid = int(c.response("UIDVALIDITY")[1][0])
        messages = {}
        for part in c.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")[1] or []:
            if isinstance(part, tuple):
                uid = int(re.search(rb"UID (\d+)", part[0]).group(1))
                flags = set(re.search(rb"FLAGS \(([^)]*)\)", part[0]).group(1).split()) - {rb"\Recent"}
                messages[uid] = (part[1], flags)
        out[box] = (valid, messages)
    c.logout()
    return out


def texts(state):
    return {m[0] for valid, box in state.values() for m in box.values()}


def repair(s, n, code=0, *options):
    """What it tells; what is damaged is said on standard error."""
    out = s.postrider("--json", "mailbox", "repair", s.name(n), *options, code=code)
    return json.loads([line for line in out.split("\n") if line.startswith("{")][-1])


def is_clean(s, n):
    same(json.loads(s.postrider("--json", "mailbox", "check", s.name(n)))["bad"], 0)


def still_takes_mail(s, n):
    ident = s.send(n, subject="afterwards")
    s.wait_mail(n, ident)
    is_clean(s, n)


def agree(before, after):
    """No UID names another message under a UIDVALIDITY that was known."""
    for box, (valid, messages) in before.items():
        if box in after and after[box][0] == valid:
            for uid, (body, flags) in messages.items():
                if uid in after[box][1]:
                    same(after[box][1][uid][0], body, (box, uid))


def segments(home, stream="journal"):
    return sorted(f for f in glob.glob(home + "/%s/*" % stream) if re.fullmatch(r"[0-9a-f]{16}(-.*)?", os.path.basename(f)))


def overwrite(path, at, what):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(what)


def find(home, needle, stream="journal"):
    for path in segments(home, stream):
        with open(path, "rb") as f:
            at = f.read().find(needle)
        if at >= 0:
            return path, at
    raise AssertionError("%r is nowhere in %s" % (needle, stream))


def damaged(s, n, harm):
    """Stops, damages, starts, repairs while nobody is logged in. What there was, what there is, what repair told."""
    fill(s, n)
    before, home = everything(s, n), s.home(n)
    s.stop()
    harm(home)
    s.start()
    repair(s, n, None, "--dry-run")
    told = repair(s, n)
    is_clean(s, n)
    after = everything(s, n)
    agree(before, after)
    still_takes_mail(s, n)
    return before, after, told, home


def test_octets_flipped_in_a_record(s):
    def harm(home):
        path, at = find(home, b"Subject: number 33")
        overwrite(path, at + len(text(33)) + 60, b"\xff\xff\xff")  # in the record that names it, or its head

    before, after, told, home = damaged(s, 1, harm)
    same(told["damaged"], 1)
    same(told["aside"], 1)
    same(texts(before) - texts(after), set())
    same(len(glob.glob(home + "/damaged/*/*")) >= 1, True)
    for uid, message in before["INBOX"][1].items():
        if uid in after["INBOX"][1] and message[0] != text(33):
            same(after["INBOX"][1][uid][1], message[1])


def test_octets_flipped_in_a_message(s):
    def harm(home):
        path, at = find(home, b"Subject: number 5\r")
        overwrite(path, at, b"?")
        path, at = find(home, b"delivered 2", "incoming")
        overwrite(path, at, b"?")

    before, after, told, home = damaged(s, 2, harm)
    same(told["gone"], 2)
    same(told["records_lost"], False)
    same(told["aside"], 2)
    for stream, octets in (("journal", b"?ubject: number 5\r"), ("incoming", b"?elivered 2")):
        path, = glob.glob(home + "/damaged/%s-*/*[!k]" % stream) # not its lock
        with open(path, "rb") as f:
            assert octets in f.read(), "the damaged file of " + stream
    same(repair(s, 2)["aside"], 0)
    same(len(glob.glob(home + "/damaged/*-*")), 2, "directories: what was dealt with is not copied again")
    same({t for t in texts(before) - texts(after) if t == text(5) or b"delivered 2" in t}, texts(before) - texts(after))
    same(len(texts(before) - texts(after)), 2)
    for box in ("INBOX", "work"):
        same(after[box][0], before[box][0])


def test_a_snapshot_knows_what_was_repaired(s):
    """Incoming is as damaged in the copy as it is here, and has been dealt with there, too."""
    s.postrider("snapshot", s.base + "/copy", "--account", s.name(2))
    home, = glob.glob(s.base + "/copy/mail/*/*")
    find(home, b"?elivered 2", "incoming")
    same(json.loads(s.postrider("--json", "mailbox", "check", home))["bad"], 0)
    os.unlink(home + "/damaged/incoming")
    assert '"bad":1' in s.postrider("--json", "mailbox", "check", home, code=None), "what the file is for"


def test_head_of_a_segment_wrecked(s):
    before, after, told, home = damaged(s, 3, lambda home: overwrite(segments(home)[0], 0, b"\xaa" * 1024))
    assert told["damaged"] >= 1 and told["aside"] >= 1, told
    assert len(texts(after)) >= len(texts(before)) - 30, (len(texts(after)), len(texts(before)))
    assert all(any(b"delivered %d" % i in t for t in texts(after)) for i in range(5))


def test_segment_in_the_middle_removed(s):
    before, after, told, home = damaged(s, 4, lambda home: os.unlink(segments(home)[len(segments(home)) // 2]))
    assert told["damaged"] >= 1, told
    assert all(any(b"delivered %d" % i in t for t in texts(after)) for i in range(5))


def test_garbage_in_the_index(s):
    def harm(home):
        for name in ("checkpoint", "summary", "columns"):
            with open(home + "/index/" + name, "wb") as f:
                f.write(os.urandom(3000))
        with open(home + "/index/checkpoint", "w") as f:
            f.write("4096")

    before, after, told, home = damaged(s, 5, harm)
    same(after, before)
    same((told["damaged"], told["gone"], told["renewed"], told["recovered"]), (0, 0, 0, 0))


def test_beside_a_session(s):
    before, c = everything(s, 5), s.imap(5)
    c.select("INBOX")
    repair(s, 5)
    same(c.append("INBOX", None, None, b"Subject: beside\r\n\r\n")[0], "OK")
    c.noop()
    same(c.uid("FETCH", "1:*", "BODY.PEEK[]")[0], "OK")
    c.logout()
    after = everything(s, 5)
    agree(before, after)
    same(len(after["INBOX"][1]), len(before["INBOX"][1]) + 1)


def test_refused_where_a_session_knows_better(s):
    c, home = s.imap(5), s.home(5)
    same(c.append("INBOX", None, None, b"Subject: known\r\n\r\n")[0], "OK")
    same(c.append("INBOX", None, None, b"Subject: and more\r\n\r\n")[0], "OK")
    path, at = find(home, b"Subject: known")
    overwrite(path, at + len(b"Subject: known\r\n\r\n") + 40, b"\xff" * 4)
    s.postrider("mailbox", "repair", s.name(5), code=69)
    c.logout()
    s.stop()
    s.postrider("mailbox", "repair", home)  # needs nothing that runs
    s.start()
    is_clean(s, 5)
    still_takes_mail(s, 5)


def test_a_progress_bar_on_a_terminal(s):
    if not ROOT:
        raise Skip("an account's mail is for root")
    c = s.imap(4)
    for i in range(210):
        same(c.append("INBOX", None, None, b"Subject: %d\r\n\r\n" % i)[0], "OK")
    c.logout()
    for words in (["repair", s.name(4)], ["check", s.name(4)], ["export", s.name(4), s.base + "/out"], ["import", s.name(4), s.base + "/out"]):
        master, slave = os.openpty()
        p = subprocess.run([s.program, "-c", s.info["config"], "mailbox"] + words, stdout=subprocess.DEVNULL, stderr=slave, timeout=60)
        os.close(slave)
        try:
            shown = os.read(master, 65536)
        except OSError:
            shown = b""
        os.close(master)
        same(p.returncode, 0, words)
        assert b"\r" in shown and b"messages" in shown, (words, shown)


main(globals(), accounts=5)
