# SPDX-License-Identifier: ISC
"""Delivery to the relay host: what is on the wire, and what replies of all kinds lead to."""
from suite import *

sink = Sink()


def submit(s, to, n=1, text=None, **parts):
    made, ident = message(to=to if isinstance(to, str) else to[0], sender=s.name(n), **parts)
    with s.submission(n) as c:
        same(c.sendmail(s.name(n), [to] if isinstance(to, str) else to, text or made), {})
    return ident


def arrived(ident):
    return [m for m in sink.messages if ident.encode() in m[2]]


def test_dots_and_lines(s):
    body = ".one\r\n..two\r\n.\r\nlast line without an end".replace("\r\n.\r\n", "\r\n. \r\n") + "\r\n"
    ident = submit(s, "a@far.test", body=body)
    m = until(lambda: arrived(ident), 10)[0]
    same(m[0].split(">")[0], "MAIL FROM:<%s" % s.name(1))
    same(m[1][0].split(">")[0], "RCPT TO:<a@far.test")
    assert m[2].endswith(b"\r\n\r\n" + body.replace("\r\n.", "\r\n..").encode().replace(b".one", b"..one", 1)), m[2]
    assert b"Return-Path" not in m[2], "Return-Path belongs to the last delivery"
    assert m[2].startswith(b"Received: "), m[2][:80]
    assert b"\n" not in m[2].replace(b"\r\n", b"")


def test_several_recipients(s):
    sink.answers["RCPT"] = lambda text: "550 5.1.1 no" if "bad@" in text else "451 4.2.1 later" if "slow@" in text else "250 ok"
    ident = submit(s, ["a@far.test", "bad@far.test", "slow@far.test", "b@other.test", s.name(2)])
    until(lambda: {"a@far.test", "b@other.test"} <= {r.split("<")[1].split(">")[0] for m in arrived(ident) for r in m[1]}, 10, "both that were taken")
    s.wait_mail(2, ident)
    until(lambda: [e["recipient"] for e in s.queue()] == ["slow@far.test"], 10, "one that waits", pause=0.1)
    sink.answers.pop("RCPT")
    for e in s.queue():
        s.postrider("queue", "retry", e["queue_id"])
    s.wait_empty_queue()
    taken = [r.split("<")[1].split(">")[0] for m in arrived(ident) for r in m[1]]
    same(sorted(taken), ["a@far.test", "b@other.test", "slow@far.test"], "each exactly once")


def test_refusals_at_each_step(s):
    for verb, reply, comes_back in (("MAIL", "450 4.1.8 later", False), ("DATA", "451 4.3.0 later", False),
                                    (".", "452 4.3.1 full", False), ("MAIL", "550 5.7.1 no", True), (".", "554 5.6.0 no", True), ("DATA", "554 5.5.1 no", True)):
        sink.answers[verb] = reply
        before = len(s.mailbox(1))
        ident = submit(s, "x@far.test")
        if comes_back:
            until(lambda: len(s.mailbox(1)) > before, 15, "the notification of %s %s" % (verb, reply), pause=0.1)
        else:
            until(lambda: [e for e in s.queue() if e["next_try"]], 10, "%s %s to defer it" % (verb, reply), pause=0.1)
        sink.answers.pop(verb)
        for e in s.queue():
            s.postrider("queue", "retry", e["queue_id"])
        s.wait_empty_queue()
        same(len(arrived(ident)), 0 if comes_back else 1, "%s %s" % (verb, reply))


def test_hostile_replies(s):
    for verb, reply in (("MAIL", "999 what"), ("RCPT", "25"), ("MAIL", "250-never ending\r\n" * 5000 + "250 ok"),
                        ("DATA", "250 ok"), ("MAIL", "250 \x1b[31m\0 ok")):
        sink.answers[verb] = reply
        ident = submit(s, "x@far.test")
        time.sleep(0.3)
        sink.answers.pop(verb)
        for e in s.queue():
            s.postrider("queue", "retry", e["queue_id"], code=None)
        s.wait_empty_queue(30)
        assert len(arrived(ident)) <= 1, (verb, reply[:40])
    assert "\x1b" not in s.log(), "a control character in the log"


@slow
def test_a_host_that_does_not_greet(s):
    """It is left alone for a while, then tried again."""
    sink.answers["greeting"] = "421 4.3.2 not now"
    sink.hang_up()
    ident = submit(s, "x@far.test")
    until(lambda: [e for e in s.queue() if e["status"]], 10, "it to be deferred", pause=0.1)
    sink.answers.pop("greeting")
    s.wait_empty_queue(60)
    same(len(arrived(ident)), 1)


def test_the_connection_dies(s):
    """Nothing is lost, whatever the next hop does; it may come twice only when its reply to the content was lost."""
    count = [0]

    def die(text):
        count[0] += 1
        if count[0] == 1:
            raise OSError
        return "250 ok"
    for verb in ("MAIL", "RCPT", "DATA"):
        count[0] = 0
        sink.answers[verb] = lambda text, v=verb: die(text) if v != "DATA" else (die(text) and "354 go on")
        ident = submit(s, "x@far.test")
        until(lambda: count[0] >= 1, 10)
        until(lambda: arrived(ident) or [s.postrider("queue", "retry", e["queue_id"], code=None) for e in s.queue() if e["next_try"]] and False, 20, verb, pause=0.2)
        sink.answers.pop(verb)
        s.wait_empty_queue()
        same(len(arrived(ident)), 1)


def test_big_messages(s):
    body = ("0123456789" * 7 + "\r\n") * 40000
    ident = submit(s, "big@far.test", body=body)
    m = until(lambda: arrived(ident), 20)[0]
    assert m[2].endswith(body.encode())


def test_many_at_once(s):
    begun = len(sink.messages)
    with s.submission(1) as c:
        idents = []
        for n in range(100):
            text, ident = message(to="r%d@far.test" % n, sender=s.name(1))
            c.sendmail(s.name(1), ["r%d@far.test" % n], text)
            idents.append(ident)
    until(lambda: len(sink.messages) - begun >= 100, 30, "100 messages")
    s.wait_empty_queue()
    same([len(arrived(i)) for i in idents], [1] * 100)


def test_starttls(s):
    pems = glob.glob(s.dir + "/keys/*.pem")
    if not ROOT or not pems:
        raise Skip("needs the instance's key")
    path = s.base + "/sink.pem"
    shutil.copy(pems[0], path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    sink.context = context
    sink.hang_up()
    ident = submit(s, "tls@far.test")
    m = until(lambda: arrived(ident), 15)[0]
    sink.context = None
    assert m[3], "sent in the clear though STARTTLS was offered"


def test_no_relay_for_strangers(s):
    before = len(sink.messages)
    for door in ("smtp", "lmtp"):
        with s.session(door) as c:
            c.expect("LHLO x" if door == "lmtp" else "EHLO x.test", "250")
            c.expect("MAIL FROM:<%s>" % s.name(1), "250")
            for rcpt in ("x@far.test", "x%far.test@" + s.domain, "@%s:x@far.test" % s.domain, '"x@far.test"@' + s.domain, "x@far.test@" + s.domain):
                got = c.say("RCPT TO:<%s>" % rcpt)
                assert got[:1] == "5", (door, rcpt, got)
    same(len(sink.messages), before)


def test_relay_networks(s):
    port = until(lambda: free_port(), 1)
    s.configure("listen.relay = 127.0.0.1:%d\nrelay_networks = 127.0.0.0/8\n" % port)
    s.stop()
    s.start()
    s.info["smtp"] = dict(s.info["smtp"], port=port)
    text, ident = message(to="r@far.test")
    with s.smtp() as c:
        same(c.sendmail("printer@inside.test", ["r@far.test"], text), {})
    until(lambda: arrived(ident), 10)


def free_port():
    with socket.socket() as c:
        c.bind(("127.0.0.1", 0))
        return c.getsockname()[1]


main(globals(), accounts=2, settings=["relay_host=" + sink.address(), "queue.retry_min=2", "queue.retry_max=3"])
