#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What IMAP costs in a big mailbox: bench/imap_bench.py [--messages N] [--runs N] [--json].

Starts an instance of its own on loopback, fills an account's INBOX by MULTIAPPEND, and times what clients do when they open it: by a fresh
process (the account's imapd is killed before), and by one that runs. Figures are milliseconds from the command's first octet to the tagged
answer, over TLS, medians of the runs; "first" is a fresh process without what is derived (index/ removed)."""
import argparse
import os
import shutil
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "system"))
from suite import PASSWORD, Suite, Session, json  # noqa: E402

ROWS = [
    ("SELECT", "SELECT INBOX"),
    ("FETCH flags", "FETCH 1:* (UID FLAGS)"),
    ("FETCH envelope", "FETCH 1:* (UID FLAGS ENVELOPE)"),
    ("FETCH bodystructure", "FETCH 1:* (UID BODYSTRUCTURE)"),
    ("FETCH all of a list", "FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"),
    ("FETCH header fields", "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])"),
    ("SEARCH unseen", "SEARCH UNSEEN"),
    ("SEARCH subject", "SEARCH SUBJECT 77777"),
]


def text(i):
    body = "".join("Line %d of message %d, as long as lines of mail are used to be.\r\n" % (k, i) for k in range(16))
    return ("Return-Path: <sender%d@elsewhere.test>\r\nReceived: from a.elsewhere.test (a.elsewhere.test [192.0.2.%d])\r\n\tby mx.example.test with ESMTPS"
            " id %08x\r\n\tfor <user1@example.test>; Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: \"Sender Number %d\" <sender%d@elsewhere.test>\r\n"
            "To: Somebody <user1@example.test>, <other%d@elsewhere.test>\r\nCc: \"A List\" <list@lists.test>\r\nSubject: =?utf-8?q?Message_number?= %d about this"
            " and that\r\nMessage-ID: <%d.1234567890@elsewhere.test>\r\nIn-Reply-To: <%d.1234567890@elsewhere.test>\r\nDate: Sun, 22 Nov 2026 10:00:00"
            " +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"b%d\"\r\n\r\n--b%d\r\nContent-Type: text/plain;"
            " charset=utf-8\r\n\r\n%s\r\n--b%d\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>%d</p>\r\n--b%d--\r\n"
            % (i % 97, i % 250, i, i % 97, i % 97, i % 31, i, i, i - 1, i, i, body, i, i, i)).encode()


def command(session, what):
    """The seconds that it takes, and the octets of the answer."""
    session.send("t " + what + "\r\n")
    begun, octets, tail = time.monotonic(), 0, b""
    while True:
        got = session.sock.recv(1 << 18)
        octets += len(got)
        tail = (tail + got)[-200:]
        at = tail.rfind(b"\r\nt ")
        if not got or (at >= 0 and tail.endswith(b"\r\n")) or (octets < 200 and tail.startswith(b"t ")):
            assert got and b"t OK" in tail[max(at, 0):], tail
            return time.monotonic() - begun, octets


def fill(session, count):
    for first in range(0, count, 200):
        parts = [text(i) for i in range(first, min(first + 200, count))]
        session.send(b"f APPEND INBOX" + b"".join(b" {%d+}\r\n" % len(p) + p for p in parts) + b"\r\n")
        answer = session.line()
        while not answer.startswith("f "):
            answer = session.line()
        assert answer.startswith("f OK"), answer


def client(suite):
    c = Session(suite, "imaps", timeout=600)
    c.tagged('LOGIN %s "%s"' % (suite.name(1), PASSWORD))
    return c


def home(suite):
    row = json.loads(suite.postrider("--json", "account", "list"))[0]
    return "%s/%02x/%d" % (suite.info["mail"], row["uid"] & 255, row["uid"]), row["uid"]


def end_sessions(suite, uid):
    """SIGKILL to the account's own processes, and the time until they are gone."""
    for pid in suite.everything():
        if os.path.exists("/proc/%d" % pid) and os.stat("/proc/%d" % pid).st_uid == uid:
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.3)


def cpu_ms(suite, uid):
    """Of the account's own processes."""
    ticks = 0
    for pid in suite.everything():
        if os.path.exists("/proc/%d" % pid) and os.stat("/proc/%d" % pid).st_uid == uid:
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def measure(suite, bare):
    """One fresh process: its opening, then all rows twice. bare: without what is derived."""
    path, uid = home(suite)
    end_sessions(suite, uid)
    if bare:
        shutil.rmtree(path + "/index", ignore_errors=True)
    begun = time.monotonic()
    c = client(suite)
    out = {"open": {"wall": (time.monotonic() - begun) * 1000}}
    for name, what in ROWS:
        for way in ("fresh", "again"):
            cpu = cpu_ms(suite, uid)
            wall, octets = command(c, what)
            out["%s, %s" % (name, way)] = {"wall": wall * 1000, "cpu": cpu_ms(suite, uid) - cpu, "octets": octets}
    c.tagged("LOGOUT")
    c.close()
    time.sleep(1)  # for the housekeeping of an idle process
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--messages", type=int, default=100000)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    s = Suite("release", accounts=1)
    result = {}
    try:
        s.begin()
        s.may_die = True
        c = client(s)
        begun = time.monotonic()
        fill(c, o.messages)
        result["fill"] = time.monotonic() - begun
        c.tagged("LOGOUT")
        c.close()
        time.sleep(2)  # the checkpoint of an idle process
        for kind, bare in (("first", True), ("kept", False)):
            runs = [measure(s, bare) for _ in range(o.runs)]
            result[kind] = {name: {k: statistics.median(r[name][k] for r in runs) for k in runs[0][name]} for name in runs[0]}
        path = home(s)[0] + "/index"
        result["derived"] = {name: os.stat(path + "/" + name).st_size for name in os.listdir(path)} if os.path.isdir(path) else {}
    finally:
        s.end()
        s.remove()
    if o.json:
        print(json.dumps(result))
        return
    print("%d messages, filled in %.1f s; derived: %s" % (o.messages, result["fill"], result["derived"]))
    print("%-34s %12s %12s" % ("ms: wall (CPU of imapd)", "first", "kept"))
    for name in result["first"]:
        print("%-34s" % name, *("%6.0f (%4.0f)" % (r["wall"], r.get("cpu", 0)) for r in (result["first"][name], result["kept"][name])))


if __name__ == "__main__":
    main()
