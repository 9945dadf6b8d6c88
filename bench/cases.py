# SPDX-License-Identifier: ISC
"""Rows of bench/run that are no plain load: each is a function of a server that has not been started, and gives figures by name."""
import os
import re
import signal
import socket
import subprocess
import time

IDLE, DEFERRED, MANY = 1000, 50000, 1000


class Client:
    """A connection on which commands are said and replies read."""

    def __init__(self, port, timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.lines = self.sock.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.lines.readline()
            if line[3:4] != b"-":
                if line[:1] not in (b"2", b"3"):
                    raise OSError(line.decode("latin1").strip() or "the connection was closed")
                return

    def say(self, *commands):
        self.sock.sendall("".join(c + "\r\n" for c in commands).encode())
        for _ in commands:
            self.reply()


def wait(what, seconds=120, pause=0.005):
    end = time.time() + seconds
    while not what():
        if time.time() > end:
            raise SystemExit("bench: waited in vain")
        time.sleep(pause)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def load(build, port, *arguments):
    return [build + "/bench/smtp_load", *arguments, "127.0.0.1", str(port)]


def idle(server, build, tools):
    """Memory that 1,000 connections take that have said EHLO and wait."""
    server.start("local")
    Client(server.port).say("EHLO load.test")
    time.sleep(1)
    before, clients = tools.pss_mib(server.pid()), []
    try:
        for _ in range(IDLE):
            clients.append(Client(server.port))
            clients[-1].say("EHLO load.test")
    except OSError as e:
        print(f"  {server.name}: after {len(clients)} connections: {e}")
    time.sleep(1)
    grown = tools.pss_mib(server.pid()) - before
    return {"connections": len(clients), "grown_mib": grown}


def many(server, build, tools):
    """One message to 1,000 mailboxes, from the end of its data to the last delivery: the first makes the homes, the second finds them."""
    server.start("local", accounts=MANY)
    c, figures = Client(server.port), {}
    c.say("EHLO load.test")
    for turn, name in enumerate(["first", "second"], 1):
        c.say("MAIL FROM:<load@load.test>", *[f"RCPT TO:<user{i}@example.test>" for i in range(1, MANY + 1)], "DATA")
        before, began = tools.cpu_seconds(server.pid()), time.time()
        c.say("Subject: many\r\n\r\n" + "x" * 70 + "\r\n.")
        wait(lambda: server.delivered() >= turn * MANY)
        figures[name + "_s"] = time.time() - began
        figures[name + "_cpu_s"] = tools.cpu_seconds(server.pid()) - before
    return figures


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("RssAnon:")) / 1024


def deferred(server, build, tools):
    """50,000 messages that wait: from the start of the suite to the first delivery of a new one, the list of all, and the queue manager's memory."""
    port = free_port()
    server.start("local", settings=[f"listen.relay=127.0.0.1:{port}", "relay_networks=127.0.0.0/8"])
    subprocess.run(load(build, port, "-s", "50", "-m", str(DEFERRED), "-l", "1024", "-t", "u%u@far.test", "-u", str(DEFERRED)), check=True, stdout=subprocess.DEVNULL)
    time.sleep(1)
    server.command("stop")
    began = time.time()
    starting = subprocess.Popen(server.program("start"), stdout=subprocess.DEVNULL)
    wait(lambda: tools.answers(server.port), pause=0.002)
    c = Client(server.port)
    c.say("EHLO load.test", "MAIL FROM:<load@load.test>", "RCPT TO:<user1@example.test>", "DATA", "Subject: first\r\n\r\nx\r\n.")
    wait(lambda: server.delivered() > 0)
    first = time.time() - began
    starting.wait()
    began = time.time()
    listed = server.command("queue", "list").count(b"next try")
    took = time.time() - began
    return {"first_delivery_s": first, "list_s": took, "listed": listed, "qmgr_mib": rss_mib(server.process("qmgr"))}


def stored(server):
    """How often each message of the load stands in the mailboxes."""
    counts = {}
    for where, _, files in os.walk(server.dir + "/mail"):
        for name in files if where.endswith("/incoming") else []:
            with open(os.path.join(where, name), "rb") as f:
                for ident in re.findall(rb"Message-ID: <([^@>]*)@load\.test>", f.read()):
                    counts[ident] = counts.get(ident, 0) + 1
    return counts


def recovery(server, build, tools):
    """SIGKILL of all processes under load; from the start until all that was acknowledged stands in its mailbox."""
    ids = server.dir + ".ids"
    subprocess.run(["rm", "-f", ids], check=True)
    server.start("local")
    loader = subprocess.Popen(load(build, server.port, "-s", "20", "-m", "1000000", "-i", ids), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    for p in tools.tree(server.pid()):
        os.kill(p, signal.SIGKILL)
    loader.wait(timeout=60)
    with open(ids, "rb") as f:
        acknowledged = set(f.read().split())
    began = time.time()
    server.command("start")
    wait(lambda: acknowledged <= stored(server).keys(), pause=0.05)
    took = time.time() - began
    time.sleep(2)
    counts = stored(server)
    return {"acknowledged": len(acknowledged), "all_there_s": took, "lost": len(acknowledged - counts.keys()),
            "doubled": sum(n > 1 for n in counts.values())}


# name, what, function, peers
CASES = [
    ("idle-1000", "memory of 1,000 idle SMTP connections", idle, ["postfix", "exim", "opensmtpd"]),
    ("many-1000", "one message to 1,000 mailboxes", many, []),
    ("deferred-50000", "50,000 deferred messages", deferred, []),
    ("recovery", "SIGKILL of everything under load", recovery, []),
]
