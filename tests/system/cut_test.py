# SPDX-License-Identifier: ISC
"""The files of an account are cut while a session has them open: it serves what is left, says what is gone, and lives on; nothing is served in another's place."""
from suite import *

SIZES = (300, 300, 90000, 300, 70000, 300)  # above 64 KiB a message is handed out in parts


def body(k, size, age="old"):
    line = "%s %d " % (age, k)
    return ("Subject: %s %d\r\n\r\n" % (age, k) + (line * 8 + "\r\n") * (size // len(line) // 8 + 1)).encode()


def files(where):
    return sorted(f for f in glob.glob(where + "/0*"))


def fetch(c, uids, section=""):
    """The tagged answer, and the messages that came before it (of which imaplib keeps those of a NO to itself)."""
    kind, data = c.uid("FETCH", uids, "(UID BODY.PEEK[%s])" % section)
    answer = data[-1] if kind != "OK" else b""
    return kind, answer, [d[1] for d in (data if kind == "OK" else c.response("FETCH")[1]) if isinstance(d, tuple)]


def get(c, uid):
    """The message, or None where the server says that it cannot be read."""
    kind, answer, texts = fetch(c, str(uid))
    if kind == "OK":
        same(len(texts), 1, "texts of UID %d" % uid)
        return texts[0]
    same((kind, len(texts)), ("NO", 0), "what is answered for a message that is gone")
    assert b"[CORRUPTION]" in answer, answer
    return None


def cut(path, at):
    with open(path, "r+b") as f:
        f.truncate(at)


def cut_down(c, path, wanted):
    """Cuts from the end to the front, and has a look at all messages after each. wanted: UID to octets; what lies below the cut must be served."""
    with open(path, "rb") as f:
        whole = f.read()
    ends = {u: (whole.index(t) + len(t) + 7) & ~7 for u, t in wanted.items()}  # of its frame
    marks, gone = sorted(ends.values(), reverse=True), 0
    for at in [m - back for m in marks for back in (0, 1, 100)] + [1024, 700, 0]:
        cut(path, at)
        fetch(c, "1", "TEXT")  # so that what was read ahead is of this one alone
        for u, text in wanted.items():
            got = get(c, u)
            assert got == text or (got is None and ends[u] > at), "UID %d, which ends at %d of %d: %r" % (u, ends[u], at, got and got[:80])
            gone += got is None
        same(c.noop()[0], "OK")
    assert gone >= len(wanted), gone


def test_the_journal_of_a_session(s):
    c = s.imap(1)
    wanted = {}
    for k, size in enumerate(SIZES):
        same(c.append("INBOX", None, None, body(k, size))[0], "OK")
        wanted[k + 1] = body(k, size)
    same(c.select("INBOX"), ("OK", [b"%d" % len(SIZES)]))
    path = files(s.home(1) + "/journal")[-1]
    # The one before the last is cut into: what is appended now goes behind the hole, and the hole is no message.
    with open(path, "rb") as f:
        cut(path, f.read().index(wanted[5]) + 1000)
    same(c.append("INBOX", None, None, body(9, 300, "new"))[0], "OK")
    same(c.noop()[0], "OK")
    same([get(c, u) == wanted[u] for u in wanted], [True] * 4 + [False] * 2)
    same([get(c, u) is None for u in (5, 6)], [True, True])
    same(get(c, 7), body(9, 300, "new"))
    kind, answer, texts = fetch(c, "1:*")
    assert kind == "NO" and b"[CORRUPTION]" in answer, answer
    assert texts == [wanted[1], wanted[2], wanted[3], wanted[4], body(9, 300, "new")], [len(t) for t in texts]  # the rest of one command
    for u in (5, 6):
        del wanted[u]
    cut_down(c, path, wanted)
    c.logout()
    assert "imap_read_failed" in s.log()


def test_what_pop3_sends(s):
    c = s.imap(3)
    for k, size in enumerate(SIZES):
        same(c.append("INBOX", None, None, body(k, size))[0], "OK")
    path = files(s.home(3) + "/journal")[-1]
    p = s.pop3(3)
    with open(path, "r+b") as f:
        f.seek(f.read().index(body(2, SIZES[2])) + 80000)
        f.write(b"?")
    same(b"\r\n".join(p.retr(5)[1]) + b"\r\n", body(4, SIZES[4]))
    with open(path, "rb") as f:
        cut(path, f.read().index(body(4, SIZES[4])) + 69000)
    for n in (3, 5, 6):
        try:
            p.retr(n)
        except poplib.error_proto as e:
            assert b"-ERR" in e.args[0], e
        else:
            raise AssertionError("message %d was sent, and is damaged" % n)
    for n in (1, 2, 4):
        same(b"\r\n".join(p.retr(n)[1]) + b"\r\n", body(n - 1, SIZES[n - 1]))
    p.quit()
    c.logout()


def test_what_was_delivered(s):
    wanted = {}
    c = s.imap(2)
    for k in range(5):
        s.send(to=2, body=body(k, 20000 if k else 600000).decode())
        until(lambda: c.select("INBOX")[1] == [b"%d" % (k + 1)], 30, "message %d" % k)
        wanted[k + 1] = get(c, k + 1)
    path = files(s.home(2) + "/incoming")[-1]
    with open(path, "rb") as f:
        cut(path, f.read().index(wanted[4]) - 10)
    same([get(c, u) == wanted[u] for u in wanted], [True] * 3 + [False] * 2)
    for k in range(3):  # of the same size as those that are gone
        s.send(to=2, body=body(k, 20000, "new").decode())
        until(lambda: c.select("INBOX")[1] == [b"%d" % (k + 6)], 30, "new message %d" % k)
        assert b"new %d" % k in get(c, k + 6)
    same([get(c, u) for u in (4, 5)], [None, None])
    s.stop()  # another owner of the stream, and another session
    s.start()
    c = s.imap(2)
    c.select("INBOX")
    s.send(to=2, body=body(7, 300, "new").decode())
    until(lambda: c.select("INBOX")[1] == [b"9"], 30, "the last message")
    same([get(c, u) for u in range(1, 6)], [wanted[1], wanted[2], wanted[3], None, None])
    del wanted[4], wanted[5]
    cut_down(c, path, wanted)
    c.logout()


main(globals())
