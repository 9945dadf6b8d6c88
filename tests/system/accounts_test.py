# SPDX-License-Identifier: ISC
"""postrider(1) and the tables: what it says is done counts at once, and survives."""
from suite import *


def rcpt(s, address, sender="a@elsewhere.test"):
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<%s>" % sender, "250")
        return c.say("RCPT TO:<%s>" % address)[:3]


def gone(s, address):
    """Refused; the doors forget what they remembered as soon as they hear of the change, which is within a moment."""
    until(lambda: rcpt(s, address) == "550", 2, "%s to be refused" % address)


def can_log_in(s, user, password=PASSWORD):
    c = imaplib.IMAP4_SSL("localhost", s.info["imaps"]["port"], ssl_context=s.tls(), timeout=20)
    try:
        c.login(user, password)
        return True
    except imaplib.IMAP4.error:
        return False
    finally:
        c.shutdown()


def test_a_domain_comes_and_goes(s):
    same(rcpt(s, "postmaster@second.test"), "550")
    s.postrider("domain", "add", "Second.TEST")
    s.postrider("domain", "add", "second.test", code=1)
    same(rcpt(s, "postmaster@second.test"), "250")
    same(rcpt(s, "nobody@second.test"), "550")
    names = [d["domain"] for d in json.loads(s.postrider("--json", "domain", "list"))]
    same(names, ["example.test", "second.test"])
    s.postrider("domain", "delete", "second.test")
    gone(s, "postmaster@second.test")
    assert "accounts and aliases first" in s.postrider("domain", "delete", "example.test", code=1)
    s.postrider("domain", "add", "not a domain", code=1)


def test_an_account_lives(s):
    who = "eve@example.test"
    same(rcpt(s, who), "550")
    s.postrider("account", "add", "Eve@Example.test", "--password-stdin", stdin="first\n")
    same(rcpt(s, who), "250")
    assert can_log_in(s, who, "first")
    s.postrider("account", "passwd", who, "--password-stdin", stdin="second\n")
    assert not can_log_in(s, who, "first")
    assert can_log_in(s, who, "second")
    s.postrider("account", "disable", who)
    assert not can_log_in(s, who, "second")
    same(rcpt(s, who), "250")
    s.postrider("account", "enable", who)
    assert can_log_in(s, who, "second")
    uid = {a["address"]: a["uid"] for a in json.loads(s.postrider("--json", "account", "list"))}[who]
    s.postrider("account", "delete", who)
    gone(s, who)
    assert not can_log_in(s, who, "second")
    made = s.postrider("account", "add", who, "--generate")
    password = re.search(r"password: (\S+)", made).group(1)
    assert can_log_in(s, who, password)
    made = json.loads(s.postrider("--json", "account", "passwd", who, "--generate"))
    same(sorted(made), ["name", "password", "uid"])
    assert can_log_in(s, who, made["password"]) and not can_log_in(s, who, password)
    again = {a["address"]: a["uid"] for a in json.loads(s.postrider("--json", "account", "list"))}[who]
    assert again > uid, "a uid was given again"
    s.postrider("account", "delete", who)


def test_refusals_say_why(s):
    for args, word in (
        (("account", "add", "user1@example.test"), "exists already"),
        (("account", "add", "x@elsewhere.test"), "domain add"),
        (("account", "add", "no-address"), "not an address"),
        (("account", "add", '"a b"@example.test'), "quotes"),
        (("account", "passwd", "nobody@example.test"), "no such account"),
    ):
        out = s.postrider(*args, "--password-stdin", code=1, stdin="x\n")
        assert word in out, (args, out)
    assert "empty" in s.postrider("account", "passwd", s.name(1), "--password-stdin", code=65, stdin="\n")
    assert "control" in s.postrider("account", "passwd", s.name(1), "--password-stdin", code=1, stdin="a\tb\n")
    assert "usage" in s.postrider("account", code=64)
    assert "no command" in s.postrider("nonsense", code=64)
    assert "no option" in s.postrider("status", "--nonsense", code=64)
    assert can_log_in(s, s.name(1))


def test_nothing_can_be_read_back(s):
    secret = "a very secret word"
    s.postrider("account", "add", "secret@example.test", "--password-stdin", stdin=secret + "\n")
    time.sleep(6)  # long enough for a new base
    for path in glob.glob(s.dir + "/tables/*"):
        with open(path, "rb") as f:
            assert secret.encode() not in f.read(), path
    assert secret not in s.log()
    assert os.path.exists(s.dir + "/tables/main.db") or os.path.exists(s.dir + "/tables/main.lmdb"), "no base was made"
    assert can_log_in(s, "secret@example.test", secret)


def test_aliases(s):
    s.postrider("alias", "add", "team@example.test", s.name(1), s.name(2), "Someone@elsewhere.test")
    rows = json.loads(s.postrider("--json", "alias", "list"))
    same(rows, [{"address": "team@example.test", "targets": [s.name(1), s.name(2), "Someone@elsewhere.test"]}])
    s.postrider("alias", "add", "team@example.test", s.name(1), s.name(2), s.name(1))
    same(rcpt(s, "TEAM+x@example.test"), "250")
    text, ident = message(to="team@example.test")
    with s.smtp() as c:
        c.sendmail("a@elsewhere.test", ["team@example.test"], text)
    for n in (1, 2):
        s.wait_mail(n, ident)
        same(s.mailbox(n).count(ident), 1)
    s.postrider("alias", "add", "loop1@example.test", "loop2@example.test")
    s.postrider("alias", "add", "loop2@example.test", "loop1@example.test")
    same(rcpt(s, "loop1@example.test"), "550")
    s.postrider("alias", "add", "evil@example.test", "|/bin/sh", code=1)
    for name in ("team", "loop1", "loop2"):
        s.postrider("alias", "delete", name + "@example.test")
    gone(s, "team@example.test")


def test_an_alias_bomb_is_for_later(s):
    for level in range(4):
        for i in range(12):
            targets = ["b%d-%d@example.test" % (level + 1, k) for k in range(12)] if level < 3 else ["x%d-%d@elsewhere.test" % (i, k) for k in range(100)]
            s.postrider("alias", "add", "b%d-%d@example.test" % (level, i), *targets)
    same(rcpt(s, "b0-0@example.test"), "451")
    same(rcpt(s, s.name(1)), "250")


def test_odd_local_parts(s):
    same(rcpt(s, "alice%elsewhere.test@example.test"), "550")
    same(rcpt(s, "elsewhere.test!user1@example.test"), "550")
    same(rcpt(s, '"user1"@example.test'), "250")
    same(rcpt(s, '"us er1"@example.test'), "550")
    same(rcpt(s, "USER1+tag@example.test"), "250")
    with s.session("smtp") as c:
        c.expect("EHLO x.test", "250")
        c.expect("MAIL FROM:<>", "250")
        c.expect("RCPT TO:<Postmaster>", "250")


def test_batch(s):
    lines = "".join("b%d@example.test pass word %d\n" % (i, i) for i in range(40)) + "\nuser1@example.test x\n"
    out = s.postrider("account", "add", "--batch", stdin=lines, code=1)
    assert "40 accounts added, 1 failed" in out and "line 42" in out, out
    assert can_log_in(s, "b39@example.test", "pass word 39")


def test_what_was_done_survives_a_kill(s):
    s.postrider("account", "add", "durable@example.test", "--password-stdin", stdin="x\n")
    pid = s.kill("accounts")
    s.kill("lookup")
    s.kill("auth")
    until(lambda: pid not in s.pids("accounts") and s.status()["state"] == "running", 10, "the killed to be back")
    same(rcpt(s, "durable@example.test"), "250")
    assert can_log_in(s, "durable@example.test", "x")
    s.stop()
    assert "not running" in s.postrider("status", code=3)
    assert "start it with" in s.postrider("account", "list", code=69)
    s.start()
    assert can_log_in(s, "durable@example.test", "x")


def add(s, n):
    s.postrider("account", "add", s.name(n), "--password-stdin", stdin=PASSWORD + "\n")
    return s.home(n)


def test_a_home_is_there_before_any_mail(s):
    home = add(s, 11)
    until(lambda: os.path.isdir(home + "/incoming"), 60, "the home of an account that was added")
    s.wait_mail(11, s.send(to=11))


def test_many_homes(s):
    """More than are asked for at once."""
    lines = "".join("many%d@example.test\n" % i for i in range(600))
    assert "600 accounts added" in s.postrider("account", "add", "--batch", stdin=lines)
    uids = [a["uid"] for a in json.loads(s.postrider("--json", "account", "list")) if a["address"].startswith("many")]
    same(len(uids), 600)
    missing = ["%s/%02x/%d" % (s.info["mail"], u & 0xff, u) for u in uids]
    until(lambda: all(os.path.isdir(h) for h in missing), 120, "600 homes")


def test_an_account_is_added_without_its_home(s):
    """host stands still when it is asked, and dies: its successor is asked again."""
    os.kill(s.pids("host")[0], signal.SIGSTOP)
    home = add(s, 12)
    assert not os.path.exists(home)
    s.kill("host")
    until(lambda: os.path.isdir(home), 60, "the home, by another host")
    s.wait_mail(12, s.send(to=12))


def test_a_home_that_nobody_made_is_made_by_the_delivery(s):
    """Who asked and who was asked die both, before anything was done."""
    os.kill(s.pids("host")[0], signal.SIGSTOP)
    home = add(s, 13)
    dead = [s.kill("accounts"), s.kill("host")]
    until(lambda: not set(dead) & set(s.pids()) and s.status()["state"] == "running", 60, "the killed to be back")
    assert not os.path.exists(home), "nobody remembers that it was wanted"
    ident = s.send(to=13)
    until(lambda: os.path.isdir(home), 60, "the home, made by the first delivery")
    s.wait_mail(13, ident)


def test_only_the_permitted_may_ask(s):
    if not ROOT:
        raise Skip("needs root, to be another user")
    # The tree may lie where nobody gets in: the program is tried from a place that all can reach.
    program = shutil.copy(s.program, s.base + "/postrider")
    out = run(program, "-c", s.info["config"], "account", "list", code=69, user="nobody")
    assert "not permitted" in out, out


def test_reload_refuses_nonsense(s):
    with open(s.info["config"]) as f:
        before = f.read()
    s.configure("nonsense = 1\n")
    assert "nonsense" in s.postrider("check", code=78)
    s.postrider("reload", code=78)
    with open(s.info["config"], "w") as f:
        f.write(before)
    s.postrider("reload")
    assert "nothing is wrong" in s.postrider("check")


main(globals(), accounts=2, settings=["auth.failure_delay=0"])
