# SPDX-License-Identifier: ISC
"""What an operator and a service manager rely on: readiness, a stop and reloads that lose nobody, logs that tell a message's whole way, JSON that parses."""
from suite import *


class Manager:
    """The service manager's end of sd_notify(3)'s protocol."""

    def __init__(self, s, name):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(20)
        self.sock.bind("\0" + name[1:] if name[0] == "@" else name)
        self.s, self.name = s, name

    def __enter__(self):
        os.environ["NOTIFY_SOCKET"] = self.name
        try:
            self.s.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        return self

    def __exit__(self, *a):
        self.sock.close()

    def told(self):
        """The next message, as its assignments."""
        return dict(line.split("=", 1) for line in self.sock.recv(4096).decode().splitlines() if line)


def test_the_service_manager_is_told(s):
    for name in (s.base + "/notify", "@postrider-test-" + uuid.uuid4().hex):
        s.stop()
        with Manager(s, name) as m:
            same(m.told().get("READY"), "1", name)
            s.postrider("reload")
            same(m.told().get("RELOADING"), "1", name)
            same(m.told().get("READY"), "1", name)
            with open("/proc/%d/environ" % s.pids("qmgr")[0], "rb") as f:
                assert b"NOTIFY_SOCKET" not in f.read(), "the socket's name goes on to the processes"
            s.stop()
            same(m.told().get("STOPPING"), "1", name)
        s.start()


def test_a_service_manager_that_is_gone_hurts_nobody(s):
    s.stop()
    with Manager(s, s.base + "/gone") as m:
        m.sock.close()
        os.unlink(s.base + "/gone")
        s.postrider("reload")
        s.alive()


def test_a_start_that_fails_says_so(s):
    """A second suite on the same listeners: the command does not end as if all were well, and the first goes on."""
    other = s.base + "/other"
    with open(s.info["config"]) as f:
        text = f.read().replace(s.dir + "/", other + "/")
    os.mkdir(other)
    path = s.base + "/other.conf"
    with open(path, "w") as f:
        f.write(text)
    out = run(s.program, "-c", path, "start", code=69)
    assert "did not start" in out and "event=cannot_listen parameter=listen.smtp" in out and "error=busy" in out, out
    s.alive()
    assert run(s.program, "-c", path, "status", code=3).startswith("not running")


# ---- stop ----

def heard(c):
    """All that a session still says until its end."""
    c.sock.settimeout(15)
    with contextlib.suppress(TimeoutError):
        while c._more():
            pass
    return c.buffer.decode(errors="replace")


def sessions(s):
    """One of each kind: not logged in, logged in, in the middle of something."""
    c = {"smtp": s.session("smtp"), "smtp in a transaction": s.session("smtp"), "submission": s.session("submission").starttls(),
         "lmtp": s.session("lmtp"), "imap": s.session("imap"), "imap with TLS": s.session("imaps"), "imap in IDLE": s.session("imaps")}
    c["smtp in a transaction"].expect("EHLO x.test", "250")
    c["smtp in a transaction"].expect("MAIL FROM:<a@elsewhere.test>", "250")
    for name in ("imap with TLS", "imap in IDLE"):
        assert c[name].tagged('LOGIN %s "%s"' % (s.name(1), PASSWORD))[1].startswith("OK")
        assert c[name].tagged("SELECT INBOX")[1].startswith("OK")
    c["imap in IDLE"].send("b IDLE\r\n")
    until(lambda: c["imap in IDLE"].line().startswith("+"), 5)
    return c


def test_a_stop_under_load_says_goodbye_and_loses_nothing(s):
    load = Load(s, threads=6, users=3)
    try:
        load.more(30)
        c = sessions(s)
        listeners = {name: threading.Thread(target=lambda n=name: said.update({n: heard(c[n])})) for name in c}
        said = {}
        for t in listeners.values():
            t.start()
        s.stop()
        for t in listeners.values():
            t.join(20)
    finally:
        load.done.set()
    s.start()
    load.stop()
    for name, text in said.items():
        wanted = "* BYE" if name.startswith("imap") else "421"
        assert any(line.startswith(wanted) for line in text.split("\r\n")), (name, text)
        c[name].close()
    load.count()


# ---- reload ----

def test_twenty_reloads_drop_none_of_fifty(s):
    smtp = [s.session("smtp") for _ in range(20)]
    imap = [s.imap(n % 3 + 1) for n in range(20)]
    pop3 = [s.session("pop3") for _ in range(10)]
    for c in smtp:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<a@elsewhere.test>", "250")
        c.expect("RCPT TO:<%s>" % s.name(2), "250")
    for c in imap:
        same(c.select("INBOX")[0], "OK")
    before = s.pids()
    for _ in range(20):
        s.postrider("reload")
    same(s.pids(), before, "the processes")
    idents = []
    for c in smtp:
        text, ident = message()
        c.expect("DATA", "354")
        c.send(text + b".\r\n")
        assert c.reply().startswith("250")
        c.expect("QUIT", "221")
        idents.append(ident)
    for c in imap:
        same(c.noop()[0], "OK")
        c.logout()
    for c in pop3:
        c.expect("QUIT", "+OK")
    until(lambda: set(idents) <= set(s.mailbox(2)), 20, "20 messages of the sessions", pause=0.2)


# ---- the log ----

def fields(line):
    return dict(re.findall(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)', line))


def events(s, key, value):
    return [fields(line) for line in s.log().split("\n") if re.search(r"\b%s=%s(\s|$)" % (key, re.escape(value)), line)]


def test_rotation_by_reload(s):
    """The file is renamed while mail flows, then reload: no line is lost, and none is written to the old one any more."""
    load = Load(s, threads=4, users=3)
    try:
        load.more(20)
        os.rename(s.info["log"], s.info["log"] + ".1")
        load.more(20)
        s.postrider("reload")
        until(lambda: os.path.exists(s.info["log"]), 5)
        time.sleep(0.5)  # what was on its way
        size = os.path.getsize(s.info["log"] + ".1")
        load.more(20)
        same(os.path.getsize(s.info["log"] + ".1"), size, "the old file")
    finally:
        load.stop()
    same(os.stat(s.info["log"]).st_mode & 0o777, os.stat(s.info["log"] + ".1").st_mode & 0o777, "the new file's mode")
    load.count()
    queued = {i for i, w in load.sure.items() if w[2] == "INBOX"}
    with open(s.info["log"] + ".1") as f:
        both = f.read() + s.log()
    ids = set(re.findall(r"event=queued .*queue_id=(\S+)", both))
    gone = set(re.findall(r"event=removed .*queue_id=(\S+)", both))
    assert len(ids) >= len(queued), "%d messages, %d lines" % (len(queued), len(ids))
    same(ids - gone, set(), "messages whose end is not told")


def test_one_id_from_connection_to_every_delivery(s):
    text, ident = message()
    with s.session("smtp") as c:
        c.expect("EHLO trace.test", "250")
        c.expect("MAIL FROM:<trace@elsewhere.test>", "250")
        for n in (1, 2, 3):
            c.expect("RCPT TO:<%s>" % s.name(n), "250")
        c.expect("DATA", "354")
        c.send(text + b".\r\n")
        answer = c.reply()
    assert answer.startswith("250"), answer
    queue_id = until(lambda: [w for w in answer.split() if events(s, "queue_id", w)], 5, "the reply's id in the log: " + answer)[0]
    until(lambda: [e for e in events(s, "queue_id", queue_id) if e["event"] == "removed"], 15, "the end of " + queue_id)
    way = events(s, "queue_id", queue_id)
    same(sorted(e["role"] for e in way if e["event"] == "queued"), ["qmgr", "smtpd-mx"])
    same(sorted(e["recipient"] for e in way if e["event"] == "delivered"), [s.name(n) for n in (1, 2, 3)])
    connection = way[[e["event"] for e in way].index("queued")]["session"]
    assert "connect" in [e["event"] for e in events(s, "session", connection)], "the session's begin"
    received = s.fetch(3, ident).split(b"\r\n\r\n")[0].decode()
    assert re.search(r"\sid %s[\s;]" % connection, received), (connection, received)


# ---- JSON ----

def parsed(s, *args, code=0):
    out = s.postrider("--json", *args, code=code)
    try:
        return json.loads(out)
    except ValueError:
        raise AssertionError("%s: no JSON: %s" % (" ".join(args), out[:500])) from None


def test_json(s):
    status = parsed(s, "status")
    same(status["state"], "running")
    same({p["state"] for p in status["processes"]}, {"ready"})
    same(parsed(s, "check"), {"file": s.info["config"], "ok": True})
    conf = parsed(s, "config")
    same(conf["hostname"], "mail." + s.domain)
    assert set(parsed(s, "config", "-n")) < set(conf) == set(parsed(s, "config", "-d"))
    same(parsed(s, "config", "hostname"), {"hostname": "mail." + s.domain})
    table = {p["name"]: p for p in parsed(s, "processes")}
    assert {p["name"] for p in status["processes"]} <= set(table) | {"imapd", "pop3d"}, (status, table)
    assert re.fullmatch(r"\d+\.\d+.*", parsed(s, "version")["version"])
    same(parsed(s, "queue", "list"), [])
    same(parsed(s, "queue", "delete", "ALL", code=1), {"count": 0})
    assert s.domain in json.dumps(parsed(s, "domain", "list"))
    same(len(parsed(s, "account", "list")), 3)
    same(parsed(s, "alias", "list"), [])
    same(parsed(s, "reload")["state"], "reloaded")


def test_errors_as_json(s):
    """Without the option they are text; with it an object, from the command line's mistakes to the refusals of the suite."""
    assert s.postrider("queue", "show", "nosuch", code=1) == "postrider: nosuch: there is no such message\n"
    for code, error, args in ((1, "nosuch: there is no such message", ("queue", "show", "nosuch")), (64, "there is no option --none", ("queue", "list", "--none")),
                              (64, "there is no command fly", ("fly",)), (64, "usage: postrider queue show", ("queue", "show")), (64, "no command", ("queue",)),
                              (65, "no.one@", ("mailbox", "compact", "no.one@" + s.domain))):
        got = parsed(s, *args, code=code)
        same(sorted(got), ["error", "exit"])
        same(got["exit"], code)
        assert error in got["error"], got
    bad = s.base + "/bad.conf"
    with open(bad, "w") as f:
        f.write("none = 1\n")
    got = json.loads(run(s.program, "-c", bad, "--json", "queue", "list", code=78))
    assert bad in got["error"] and got["exit"] == 78, got
    if ROOT:
        same(parsed(s, "users", "create"), {"made": []})
        same(s.postrider("users", "create"), "all the system users are there\n")


def test_json_of_a_suite_that_does_not_run(s):
    s.stop()
    same(parsed(s, "status", code=3)["state"], "not running")
    same(parsed(s, "stop")["state"], "not running")
    s.postrider("queue", "list", code=69)
    same(parsed(s, "queue", "list", code=69)["exit"], 69)
    s.postrider("reload", code=69)
    s.start()
    same(parsed(s, "start")["state"], "running")


main(globals(), accounts=3, settings=["stop_timeout=3"])
