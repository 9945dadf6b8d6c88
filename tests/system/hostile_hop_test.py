# SPDX-License-Identifier: ISC
"""A next hop that lies, stalls and breaks off, and what is on the wire octet by octet (relay_test has the ordinary)."""
import struct
from suite import *

MARK = b"\r\n\r\n"


def submit(s, sink, body=b"Hello.\r\n", to="a@far.test", extra=""):
    text, ident = message(to=to, sender=s.name(1), body="", extra=extra)
    with s.submission(1) as c:
        options = ["BODY=8BITMIME"] if any(b > 127 for b in body) else []
        same(c.sendmail(s.name(1), [to], text + body, options), {})
    return ident


def arrived(sink, ident):
    return [m for m in sink.messages if ident.encode() in m[2]]


def delivered(s, sink, ident):
    m = until(lambda: arrived(sink, ident), 15, ident)[0]
    s.wait_empty_queue()
    return m


def waits(s, status=""):
    """The message is deferred; returns its entry."""
    return until(lambda: [e for e in s.queue() if e["next_try"] and status in e["status"]], 15, "a deferred entry", pause=0.1)[0]


def drop(s):
    s.postrider("queue", "delete", "ALL", code=None)
    s.wait_empty_queue()


def test_octets_are_what_was_sent(s):
    for body in (b".\x2e\r\n.\x20\r\n..\r\n...x\r\n", b"x" * 990 + b"\r\n." + b"y" * 990 + b"\r\n", b"." * 60000 + b"\r\n." + b"z" * 60000 + b"\r\n",
                 bytes(b for b in range(1, 256) if b not in (10, 13)) * 3 + b"\r\n", b"\r\n\r\n.\r".replace(b"\r\n.\r", b"\r\n\r\n"), b"end without a line end"):
        ident = "<%s@test>" % uuid.uuid4().hex
        head = ("From: <%s>\r\nTo: <a@far.test>\r\nMessage-ID: %s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n" % (s.name(1), ident)).encode()
        with s.session("submission").starttls() as c:
            c.expect("EHLO x.test", "250")
            c.expect("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (s.name(1), PASSWORD)).encode()).decode(), "235")
            c.expect("MAIL FROM:<%s> BODY=8BITMIME" % s.name(1), "250")
            c.expect("RCPT TO:<a@far.test>", "250")
            c.send(b"BDAT %d LAST\r\n" % len(head + body) + head + body)
            got = c.reply()
            assert got.startswith("250"), (body[:40], got)
        m = delivered(s, sink, ident)
        wire = body if body.endswith(b"\r\n") else body + b"\r\n"
        wire = b"\r\n".join((b"." + line if line.startswith(b".") else line) for line in wire.split(b"\r\n"))
        same(m[2].split(MARK, 1)[1], wire, "the body")
        same("BODY=8BITMIME" in m[0], True, m[0])


def test_250_and_then_reset_is_delivered_once(s):
    """C04: the reply to the content stands, whatever becomes of the connection."""
    count = [0]

    def serve(h):
        f = h.makefile("rwb", 0)
        f.write(b"220 rst.test\r\n")
        for line in iter(f.readline, b""):
            verb = line[:4].upper()
            if verb == b"DATA":
                f.write(b"354 go\r\n")
                while f.readline() not in (b".\r\n", b""):
                    pass
                count[0] += 1
                f.write(b"250 2.0.0 taken\r\n")
                h.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                break
            f.write(b"250 ok\r\n")
        f.close()
        h.close()
    with Hop(serve) as hop:
        aim(s, hop)
        for n in range(5):
            submit(s, None)
            until(lambda: count[0] == n + 1, 15, "delivery %d" % n)
        s.wait_empty_queue()
        time.sleep(1)
        same(count[0], 5)
    aim(s, sink)


def test_no_content_without_354(s):
    """C05: 250 to DATA, and 5xx to MAIL with 250 to RCPT."""
    ident = submit_with(s, {"DATA": "250 2.0.0 thank you"})
    waits(s)
    assert not arrived(sink, ident)
    assert not [c for c in sink.commands if ident in c], "content was sent as commands"
    drop(s)
    ident = submit_with(s, {"MAIL": "550 5.7.1 not you", "DATA": "354 go on all the same"})
    until(lambda: any("not you" in m for m in notices(s)), 15, "the notification", pause=0.1)
    same([m for m in sink.messages if ident.encode() in m[2]], [])
    s.wait_empty_queue()


def test_greetings_without_end(s):
    """C01, C02: each defers; none of them holds memory, or local mail, up."""
    def forever(piece):
        def serve(h):
            h.settimeout(5)
            with contextlib.suppress(OSError):
                for _ in range(2000):
                    h.sendall(piece)
                    if len(piece) < 10:
                        time.sleep(0.05)
            h.close()
        return serve
    for piece in (b"x" * 65536, b"220-more\r\n" * 6000, b"\0" * 65536, b"250 wrong\r\n", b"220-a\r\n550 b\r\n"):
        with Hop(forever(piece)) as hop:
            aim(s, hop)
            submit(s, None)
            s.wait_mail(2, s.send(to=2))
            e = waits(s)
            assert e["status"].isprintable(), e
            drop(s)
    for pid in s.pids("smtp-client"):
        with open("/proc/%d/status" % pid) as f:
            same([n for n in re.findall(r"VmRSS:\s+(\d+) kB", f.read()) if int(n) > (400000 if s.sanitized else 60000)], [], "memory of smtp-client in KiB")
    aim(s, sink)


def test_a_hop_that_says_nothing_holds_nobody_up(s):
    """C01: twenty messages wait for a greeting, which does not come before the test is over: local mail goes on, and so does the suite's stop,
    though it would have minutes."""
    over = threading.Event()
    with Hop(lambda h: over.wait(300)) as hop:
        try:
            aim(s, hop)
            sent = [submit(s, None) for _ in range(20)]
            # One destination gets half of what a next hop is given that was not there lately.
            until(lambda: len(hop.taken) >= 2, 60, "connections")
            s.wait_mail(2, s.send(to=2), 60)
            same(len(s.queue()), 20)
            stop = threading.Thread(target=s.stop, daemon=True)
            stop.start()
            until(lambda: not stop.is_alive(), 100, "a stop that does not wait for the next hop", pause=0.1)
            same(s.everything(), [])
        finally:
            over.set()
    aim(s, sink, start=True)
    s.postrider("queue", "retry", "ALL", code=None)
    s.wait_empty_queue(60)
    same([len(arrived(sink, ident)) for ident in sent], [1] * 20, "how often each arrived, when it could")


def test_what_ehlo_says(s):
    """C08."""
    for words in (("SIZE 1",), ("8BITMIME", "SIZE 100")):
        with contextlib.closing(Sink(ehlo=words)) as hop:
            aim(s, hop)
            seen = len(notices(s))
            ident = submit(s, hop)
            until(lambda: len(notices(s)) > seen, 15, "the notification", pause=0.1)
            assert "Status: 5.3.4" in notices(s)[-1] and not arrived(hop, ident), (words, notices(s)[-1])
    for words in (("SIZE abc",), ("SIZE -1",), ("SIZE",), ("SIZE 99999999999999999999999",), (), ("",), ("PIPELINING SIZE", "x" * 1000), ("CHUNKING", "BINARYMIME")):
        with contextlib.closing(Sink(ehlo=words)) as hop:
            aim(s, hop)
            delivered(s, hop, submit(s, hop))
    aim(s, sink)


def test_tls_with_a_certificate_of_its_own(s):
    need("openssl")
    pem = s.base + "/hop"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=whoever.test", "-keyout", pem + ".key", "-out", pem + ".crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem + ".crt", pem + ".key")
    with contextlib.closing(Sink(tls=context)) as secure:
        aim(s, secure)
        body = b".x\r\n" * 30000
        m = delivered(s, secure, submit(s, secure, body=body))
        assert m[3], "in the clear though STARTTLS was offered"
        same(m[2].split(MARK, 1)[1], body.replace(b".x", b"..x"), "the body")
        same([c for c in secure.commands if c.startswith("EHLO")][:2], ["EHLO mail." + s.domain] * 2, "EHLO again after TLS (RFC 3207 4.2)")
    aim(s, sink)


# ---- next hops ----

class Hop:
    """A listener whose connections serve(socket) has, each in a thread."""

    def __init__(self, serve):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.taken, self.serve = [], serve
        threading.Thread(target=self.forever, daemon=True).start()

    def forever(self):
        with contextlib.suppress(OSError):
            while True:
                h = self.sock.accept()[0]
                self.taken.append(h)
                threading.Thread(target=self.one, args=(h,), daemon=True).start()

    def one(self, h):
        with contextlib.suppress(OSError):
            self.serve(h)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for h in self.taken:
            h.close()

    def address(self):
        return "127.0.0.1:%d" % self.sock.getsockname()[1]


def aim(s, hop, start=False):
    """From now on hop is the relay host."""
    with open(s.info["config"]) as f:
        text = f.read()
    with open(s.info["config"], "w") as f:
        f.write(re.sub(r"(?m)^relay_host = .*$", "relay_host = " + hop.address(), text))
    if start:
        s.start()
    else:
        s.postrider("reload")


def submit_with(s, answers):
    sink.answers.update(answers)
    ident = submit(s, sink)
    try:
        until(lambda: [1 for e in s.queue() if e["next_try"]] or not s.queue(), 15, pause=0.1)
    finally:
        for verb in answers:
            sink.answers.pop(verb)
    return ident


def notices(s):
    c = s.imap(1)
    try:
        c.select("INBOX", readonly=True)
        return [p[1].decode(errors="replace") for p in c.uid("FETCH", "1:*", "BODY.PEEK[]")[1] if isinstance(p, tuple)]
    finally:
        c.logout()


sink = Sink()
main(globals(), accounts=2, settings=["relay_host=" + sink.address(), "queue.retry_min=100", "queue.retry_max=200", "stop_timeout=150"])
