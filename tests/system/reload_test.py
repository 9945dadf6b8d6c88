# SPDX-License-Identifier: ISC
"""A broken configuration is told with file, line and what was expected, and the running suite goes on with the old one; a good one drops nobody."""
from suite import *


def conf(s):
    with open(s.info["config"]) as f:
        return f.read()


def put(s, text):
    with open(s.info["config"], "w") as f:
        f.write(text)


def test_broken_configurations(s):
    good = conf(s)
    before = s.pids()
    line = good.count("\n") + 1
    for broken, words in (("nosuch = 1\n", ["nosuch"]), ("recipient_limit = many\n", ["recipient_limit", "number"]), ("recipient_limit = 5\n", ["100"]),
                          ("log_level = loud\n", ["debug", "info"]), ("just words\n", []), ("queue.lifetime = 5x\n", ["queue.lifetime"])):
        put(s, good + broken)
        out = s.postrider("check", code=None)
        assert "%s:%d:" % (s.info["config"], line) in out and all(w in out for w in words), (broken, out)
        out = s.postrider("reload", code=78)
        assert "%s:%d:" % (s.info["config"], line) in out, (broken, out)
        n = s.status()["reloads"]
        os.kill(s.status()["pid"], signal.SIGHUP)
        until(lambda: s.status().get("reloads", 0) > n, 5, "master to read it")
        assert "%s:%d:" % (s.info["config"], line) in s.status()["error"], s.status()["error"]
        same(s.pids(), before, "processes after a refused reload")
        s.alive()
    put(s, good)
    s.postrider("reload")
    same(s.status()["error"], "")
    assert "reload_refused" in s.log()
    s.wait_mail(2, s.send(to=2))


def test_a_good_reload_drops_no_connection(s):
    sessions = {"smtp": s.session("smtp"), "imap": s.imap(1), "pop3": s.pop3(2)}
    sessions["smtp"].expect("EHLO x.test", "250")
    sessions["smtp"].expect("MAIL FROM:<a@elsewhere.test>", "250")
    sessions["imap"].select("INBOX")
    before = s.pids()
    put(s, conf(s) + "message_size_limit = 100000\n")
    s.postrider("reload")
    same(s.pids(), before, "processes after a reload")
    sessions["smtp"].expect("RCPT TO:<%s>" % s.name(1), "250")
    same(sessions["imap"].noop()[0], "OK")
    assert sessions["pop3"].stat()[0] >= 0
    sessions["smtp"].expect("RSET", "250")
    until(lambda: "SIZE 100000" in fresh_ehlo(s), 5, "the new limit to be announced")
    for c in (sessions["imap"].logout, sessions["pop3"].quit, sessions["smtp"].close):
        c()


def fresh_ehlo(s):
    with s.session("smtp") as c:
        return c.expect("EHLO x.test", "250")


def test_reloads_under_load(s):
    load = Load(s, threads=6, users=2)
    try:
        for _ in range(10):
            load.more(5)
            s.postrider("reload")
    finally:
        load.stop()
    same(len(load.open), 0, "messages without an answer")
    load.count()


def test_what_needs_a_restart_is_told(s):
    put(s, conf(s).replace("hostname = mail.", "hostname = other."))
    s.postrider("reload")
    until(lambda: "takes_effect_at_restart" in s.log(), 5)


def test_config_tells_what_is_in_force(s):
    out = s.postrider("config", "message_size_limit")
    assert "100000" in out or "97" in out, out
    assert "message_size_limit" in s.postrider("config", "-n") and "queue.lifetime" not in s.postrider("config", "-n")
    assert "queue.lifetime" in s.postrider("config", "-d")


main(globals(), accounts=2)
