# SPDX-License-Identifier: ISC
"""Rows of bench/run that are no plain load: each is a function of a server that has not been started, and gives figures by name."""
import json
import os
import re
import socket
import subprocess
import time

from servers import answers, read, remove_tree

DOMAIN = "example.test"


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
        """One after the other, as all servers take it."""
        for c in commands:
            self.sock.sendall((c + "\r\n").encode())
            self.reply()

    def close(self):
        self.lines.close()
        self.sock.close()


def wait(what, seconds=180, pause=0.005):
    end = time.time() + seconds
    while not what():
        if time.time() > end:
            return False
        time.sleep(pause)
    return True


def must(what, name="it", **kw):
    if not wait(what, **kw):
        raise RuntimeError(f"waited in vain for {name}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def loader(build, port, *arguments):
    return [build + "/bench/smtp_load", *map(str, arguments), "127.0.0.1", str(port)]


def run_load(build, port, *arguments, timeout=600):
    out = subprocess.run(loader(build, port, *arguments), check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout)
    if not out.stdout:
        raise RuntimeError("smtp_load: " + out.stderr.strip())
    return json.loads(out.stdout)


def say_many(port, n):
    """n connections that said EHLO; a server that leaves one without a banner for 3 s is dialled again."""
    clients, tries = [], 0
    while len(clients) < n and tries < n + 200:
        tries += 1
        try:
            c = Client(port, 3)
            c.say("EHLO load.test")
            clients.append(c)
        except TimeoutError:
            pass
        except OSError as e:
            print(f"  after {len(clients)} connections: {e}")
            break
    return clients


def idle(server, build, scale):
    """Memory that 1,000 connections take that have said EHLO and wait."""
    server.start("local")
    warm = say_many(server.port, 1)
    time.sleep(1)
    before = server.group.pss_mib()
    clients = say_many(server.port, max(10, round(1000 * scale)))
    time.sleep(1)
    after = server.group.pss_mib()
    for c in clients + warm:
        c.close()
    return {"connections": len(clients), "grown_mib": after - before, "total_mib": after}


def many(server, build, scale):
    """One message to 1,000 mailboxes, from dialling to the last delivery: the first makes the homes, the second finds them."""
    n, figures = max(10, round(1000 * scale)), {}
    server.start("local", accounts=n)
    for turn, name in enumerate(["first", "second"], 1):
        before, began = server.group.cpu_seconds(), time.time()
        load = run_load(build, server.port, "-s", 1, "-m", 1, "-r", n, "-u", n, *(["-p"] if server.pipelining else []))
        if load["acknowledged"] != 1:
            raise RuntimeError(f"the message to {n} was not taken: {load}")
        must(lambda want=turn * n: server.delivered() >= want, "all deliveries", seconds=60)
        figures[name + "_s"] = server.delivered_at() - began
        figures[name + "_ack_s"] = load["seconds"]
        figures[name + "_cpu_s"] = server.group.cpu_seconds() - before
    return figures


def rss_mib(pid):
    return int(re.search(r"^RssAnon:\s*(\d+)", read(f"/proc/{pid}/status"), re.M).group(1)) / 1024


def send_one(port):
    c = Client(port)
    c.say("EHLO load.test", "MAIL FROM:<load@load.test>", f"RCPT TO:<user1@{DOMAIN}>", "DATA", "Subject: first\r\n\r\nx\r\n.")
    c.close()


def fill(server, build, n):
    """Leaves n messages in the queue that cannot be delivered, and the server stopped."""
    arguments = ["-s", 50, "-m", n, "-l", 1024, "-t", "u%u@far.test", "-u", n]
    if server.name == "postrider":
        port = free_port()
        server.start("local", settings=[f"listen.relay=127.0.0.1:{port}", "relay_networks=127.0.0.0/8"])
    else:
        # Exim would execute itself for each; OpenSMTPD would try a hop that is not there.
        port = server.port
        server.start("local" if server.name == "postfix" else "held")
        time.sleep(1)
    load = run_load(build, port, *arguments)
    if load["acknowledged"] < n * 0.99:
        raise RuntimeError(f"only {load['acknowledged']} of {n} were taken")
    # What Postfix has not put off yet it would try first when it starts again.
    must(lambda: server.name != "postfix" or server.undecided() == 0, "all to be put off", pause=0.5)
    time.sleep(2)
    if server.name == "postrider":
        server.command("stop")
    else:
        server.stop()
    server.waiting = n


def deferred_n(server, build, n):
    # The messages of the first turn still wait in the next.
    if server.waiting != n:
        fill(server, build, n)
    had = server.delivered()
    if server.name == "postrider":
        began = time.time()
        starting = server.spawn(server.program("start"), stdout=subprocess.DEVNULL)
    else:
        server.start("local", again="again norunner", wait=False)
    must(lambda: answers(server.port), "an answer", pause=0.002, seconds=60)
    send_one(server.port)
    must(lambda: server.delivered() > had, "the first delivery", seconds=60)
    if server.name == "postrider":
        first = time.time() - began
        starting.wait(timeout=60)
    else:
        first = server.delivered_at() - server.began()
    # What a server reads on behind the first delivery is not of the list's time.
    time.sleep(5)
    began = time.time()
    listed = server.list_queue()
    took = time.time() - began
    figures = {"first_delivery_s": first, "list_s": took, "listed": listed, "pss_mib": server.group.pss_mib()}
    figures["queue_mib"] = rss_mib(server.processes("qmgr")[0]) if server.name == "postrider" else figures["pss_mib"]
    return figures


def deferred(server, build, scale):
    """50,000 messages that wait: from the execution of the server to the first delivery of a new one, the list of all, memory."""
    return deferred_n(server, build, max(100, round(50000 * scale)))


def deferred_million(server, build, scale):
    return deferred_n(server, build, max(100, round(1000000 * scale)))


def idents(octets):
    return re.findall(rb"Message-ID: <([^@>]*)@load\.test>", octets)


def recovery(server, build, scale):
    """SIGKILL of all processes under load, when delivery has stood still for a second; from the start until all that was acknowledged stands in
    its mailbox."""
    ids = os.path.join(build, f"bench-{os.getpid()}.ids")
    try:
        server.start("local")
        time.sleep(1)
        load = subprocess.Popen(loader(build, server.port, "-s", 20, "-m", 10000000, "-i", ids), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(max(0.5, 2 * scale))
            server.hold()
            time.sleep(1)
            server.kill()
            load.wait(timeout=60)
        finally:
            load.kill()
            load.wait()
        acknowledged = set(read(ids).encode("latin1").split())
    finally:
        if os.path.exists(ids):
            os.unlink(ids)
    seen = {}
    left = acknowledged - {i for octets in server.news(seen) for i in idents(octets)}
    missing = len(left)
    if server.name == "postrider":
        began = time.time()
        server.command("start")
    else:
        server.start("local", again="again")
        began = server.began()

    def come():
        for octets in server.news(seen):
            left.difference_update(idents(octets))
        return not left
    there = wait(come, pause=0.02, seconds=120)
    took = time.time() - began
    time.sleep(2)
    counts = {}
    for octets in server.news({}):
        for i in idents(octets):
            counts[i] = counts.get(i, 0) + 1
    return {"acknowledged": len(acknowledged), "not_there_at_kill": missing, "all_there_s": took, "in_time": int(there),
            "lost": len(acknowledged - counts.keys()), "doubled": sum(n > 1 for n in counts.values())}


def fill_mailbox(server, build, n):
    """n messages in user1's mailbox."""
    if server.name == "postrider":
        server.start("lmtp")
        run_load(build, server.lmtp_port(), "-s", 50, "-m", n, "-l", 1024, "-u", 1, "-L", "-p")
        must(lambda: server.delivered() >= n, "the mailbox to be full", pause=0.1)
        open_inbox(server)
        return
    source = server.base + "/disk/var-mail/source"
    target = source if server.name == "dovecot-mdbox" else server.mailboxes + "/user1"
    remove_tree(server.mailboxes)
    remove_tree(source)
    for d in ("cur", "new", "tmp"):
        os.makedirs(f"{target}/{d}")
    body = b"From: <a@load.test>\r\nSubject: fill\r\nMessage-ID: <%d@fill.test>\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * 800 + b"\r\n"
    for i in range(n):
        with open(f"{target}/cur/{1600000000 + i}.M{i}P1.bench:2,S", "wb") as f:
            f.write(body % i)
    os.makedirs(server.mailboxes, exist_ok=True)
    subprocess.run(["chown", "-R", "5000:5000", os.path.dirname(source)], check=True)
    server.start("lmtp", again="again")
    if server.name == "dovecot-mdbox":
        server.command("import")
        remove_tree(source)


def open_inbox(server):
    """A session adopts what came, so that the mailbox holds it; how many there are."""
    address = server.info["accounts"][0]
    url = f"imap://127.0.0.1:{server.info['imap']['port']}/"
    out = subprocess.run(["curl", "-sS", "-k", "--ssl-reqd", "--max-time", "120", "--user", f"{address['address']}:{address['password']}", url, "-X", "STATUS INBOX (MESSAGES)"],
                         check=True, stdout=subprocess.PIPE, timeout=150).stdout
    return int(re.search(rb"MESSAGES (\d+)", out).group(1))


def big_mailbox(server, build, scale):
    """LMTP on one connection into an empty mailbox and into one that holds 100,000 messages."""
    n = max(200, round(100000 * scale))
    messages = max(20, round({"postrider": 3000, "dovecot": 150, "dovecot-mdbox": 600}[server.name] * min(1, scale * 4)))
    figures = {}

    def rate(name):
        run_load(build, server.lmtp_port(), "-s", 1, "-m", 10, "-u", 1, "-L")
        time.sleep(1)
        had, before, began = server.delivered() if server.name == "postrider" else 0, server.group.cpu_seconds(), time.time()
        load = run_load(build, server.lmtp_port(), "-s", 1, "-m", messages, "-u", 1, "-L")
        seconds = load["seconds"]
        if server.name == "postrider":
            must(lambda: server.delivered() >= had + messages, "all deliveries")
            seconds = time.time() - began
        figures[name + "_per_s"] = load["acknowledged"] / seconds
        figures[name + "_cpu_ms"] = (server.group.cpu_seconds() - before) * 1000 / load["acknowledged"]

    server.start("lmtp")
    if server.name == "postrider":
        # In either state a session was there a moment ago, and the account's process still adopts what comes.
        run_load(build, server.lmtp_port(), "-s", 1, "-m", 10, "-u", 1, "-L")
        must(lambda: server.delivered() >= 10, "the first deliveries")
        open_inbox(server)
    rate("empty")
    server.stop()
    fill_mailbox(server, build, n)
    rate("full")
    figures["holds"] = n
    if server.name == "postrider":
        figures["holds"] = open_inbox(server) - messages - 10
    figures["full_to_empty"] = figures["full_per_s"] / figures["empty_per_s"]
    return figures


# name, what, function, peers, aims (figure, kind, value), most runs, in the default set
CASES = [
    ("lmtp-100k", "LMTP, one connection, into a mailbox of 100,000 messages and into an empty one", big_mailbox, ["dovecot", "dovecot-mdbox"],
     [("full_to_empty", ">=", 0.9)], 1, True),
    ("many-1000", "one message to 1,000 local recipients", many, ["postfix", "exim", "opensmtpd"], [("first_s", "<=", 0.1), ("second_s", "<=", 0.1)], 3, True),
    ("idle-1000", "memory of 1,000 idle SMTP connections", idle, ["postfix", "exim", "opensmtpd"], [("grown_mib", "<=", 12)], 3, True),
    ("deferred-50000", "50,000 messages in the queue", deferred, ["postfix", "exim", "opensmtpd"],
     [("first_delivery_s", "<=", 0.14), ("list_s", "<=", 0.3), ("queue_mib", "<=", 20)], 3, True),
    ("deferred-1000000", "1,000,000 messages in the queue", deferred_million, [], [("queue_mib", "<=", 128)], 3, False),
    ("recovery", "SIGKILL of everything under load, until all acknowledged mail is in its mailbox", recovery, ["postfix", "exim", "opensmtpd"],
     [("all_there_s", "<=", 2), ("lost", "<=", 0), ("doubled", "<=", 0)], 3, True),
]
