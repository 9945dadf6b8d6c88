# SPDX-License-Identifier: ISC
"""Big contents are files beside the journal: what no record names is swept at a start, what one names stays until it is delivered."""
from suite import *

BIG = "".join("%06d %s\r\n" % (n, "x" * 70) for n in range(8000))  # more than goes into a record
LATER = "451 4.2.1 later"


def contents(s):
    return {name for name in os.listdir(s.info["spool"] + "/content") if not name.startswith(".")}


def path(s, name):
    return "%s/content/%s" % (s.info["spool"], name)


def submit(s, to, **parts):
    text, ident = message(to=to, sender=s.name(1), body=BIG, **parts)
    with s.submission(1) as c:
        same(c.sendmail(s.name(1), [to], text), {})
    return ident, text


def deferred(s, to):
    """A big message that waits: its text and its file."""
    there = contents(s)
    sink.answers["RCPT"] = LATER
    ident, text = submit(s, to)
    until(lambda: [e for e in s.queue() if e["recipient"] == to and e["next_try"]], 60, "it to be deferred", pause=0.1)
    name, = contents(s) - there
    return ident, text, name


def put(s, name):
    """A file that no record names, owned as the others are."""
    owner = os.stat(s.info["spool"] + "/content")
    with open(path(s, name), "w") as f:
        f.write("nobody's\r\n")
    os.chown(path(s, name), owner.st_uid, owner.st_gid)
    return name


def arrives(s, ident, text):
    sink.answers.pop("RCPT", None)
    s.postrider("queue", "retry", "ALL")
    s.wait_empty_queue(60)
    got = [m[2] for m in sink.messages if ident.encode() in m[2]]
    same(len(got), 1, "how often it arrived")
    same(got[0].split(b"\r\n\r\n", 1)[1], text.split(b"\r\n\r\n", 1)[1], "the content")


def swept(s):
    return re.findall(r"event=content_swept .*?files=(\d+)", s.log())


def half_a_message(s):
    """A client that has sent much of a message, and waits with the rest: its file is there, and no record."""
    there = contents(s)
    c = s.session("smtp")
    c.expect("EHLO x.test", "250")
    c.expect("MAIL FROM:<a@elsewhere.test>", "250")
    c.expect("RCPT TO:<%s>" % s.name(2), "250")
    c.expect("DATA", "354")
    c.send("Subject: half\r\n\r\n" + BIG)
    return c, until(lambda: contents(s) - there, 60, "the file of what was sent").pop()


def test_what_no_record_names_goes_and_what_one_names_stays(s):
    """The restart after a kill, and an ordinary one."""
    ident, text, wanted = deferred(s, "waits@far.test")
    client, half = half_a_message(s)
    s.kill_all()
    client.close()
    orphan = put(s, "00000000000000aa")
    same(contents(s), {wanted, half, orphan})
    begun = len(swept(s))
    s.start()
    same(contents(s), {wanted})
    same(swept(s)[begun:], ["2"], "files that were swept")
    s.stop()
    put(s, orphan)
    s.start()
    same(contents(s), {wanted})
    arrives(s, ident, text)
    same(contents(s), set(), "files when nothing waits")


def test_what_was_delivered_and_stayed_goes(s):
    """As after a crash between the result and the removal of the file."""
    ident, text, wanted = deferred(s, "done@far.test")
    os.link(path(s, wanted), s.info["spool"] + "/kept")
    arrives(s, ident, text)
    same(contents(s), set())
    s.stop()
    os.rename(s.info["spool"] + "/kept", path(s, wanted))
    s.start()
    same(contents(s), set())
    same(s.queue(), [])


def test_nothing_goes_while_a_record_cannot_be_read(s):
    """Whose file it is cannot be told then. When the record can be read again, as after a read error that passed, all is as before."""
    ident, text, wanted = deferred(s, "damaged@far.test")
    s.stop()
    orphan = put(s, "00000000000000bb")
    at, octets = find_record(s, b"damaged@far.test")
    poke(at, b"DAMAGED")
    s.start()
    same(contents(s), {wanted, orphan})
    assert "event=content_not_swept" in s.log(), "not said"
    s.stop()
    poke(at, octets[:7])
    s.start()
    same(contents(s), {wanted})
    arrives(s, ident, text)


def find_record(s, octets):
    """Where in the spool's journal these octets stand last: (file, offset), and they."""
    for name in sorted(glob.glob(s.info["spool"] + "/journal/*"), reverse=True):
        with open(name, "rb") as f:
            at = f.read().rfind(octets)
        if at >= 0 and not name.endswith("/lock"):
            return (name, at), octets
    raise AssertionError("%r is in no segment" % octets)


def poke(at, octets):
    with open(at[0], "r+b") as f:
        f.seek(at[1])
        f.write(octets)


sink = Sink()
main(globals(), accounts=2, settings=["relay_host=" + sink.address(), "queue.retry_min=3000", "queue.retry_max=6000"])
