# SPDX-License-Identifier: ISC
"""What a hostile account, a hostile local user and a process that does not read can do to the others: nothing that these notice."""
from suite import *

os.environ["POSTRIDER_MARK"] = "of whom master was started by"
PLACES = 1000


def limits(pid):
    with open("/proc/%d/limits" % pid) as f:
        return {line[:25].strip(): line[25:].split()[:2] for line in f}


def test_the_environment_ends_at_master(s):
    if not ROOT:
        raise Skip("needs root")
    for pid in s.everything()[1:]:
        with open("/proc/%d/environ" % pid, "rb") as f:
            names = {one.split(b"=")[0] for one in f.read().split(b"\0") if one}
        same({n for n in names if not n.endswith(b"SAN_OPTIONS")}, {b"PATH", b"TZ", b"LC_ALL"}, "the environment")


def test_limits(s):
    if not ROOT:
        raise Skip("needs root")
    for p in s.status()["processes"]:
        have = limits(p["pid"])
        same(have["Max core file size"], ["0", "0"])
        same(have["Max open files"][0], have["Max open files"][1], "open files of " + p["name"])
        if p["name"] != "host":
            same(have["Max processes"][1], "256", "processes of " + p["name"])


def incoming_of(s, n):
    """The directory and the uid of an account's incoming stream."""
    ident = s.send(to=n)
    s.wait_mail(n, ident)
    for home in glob.glob(s.dir + "/mail/??/*"):
        for path in glob.glob(home + "/incoming/*"):
            with contextlib.suppress(OSError), open(path, "rb") as f:
                if ident.encode() in f.read():
                    return home + "/incoming", os.stat(home).st_uid
    raise AssertionError("no home of user%d" % n)


def test_an_account_sets_traps_in_its_incoming(s):
    if not ROOT:
        raise Skip("needs accounts with uids of their own")
    path, uid = incoming_of(s, 1)

    def account(text):
        subprocess.run(["/bin/sh", "-c", text], cwd=path, user=uid, group=uid, extra_groups=[], check=True)
    # As after a restart, so that the stream is opened anew.
    account("mkdir ../kept && mv * ../kept && mkfifo lock 0000000000000000 && mkdir 0000000000010000")
    s.kill("local-delivery")
    s.wait_ready()
    waits = s.send(to=1)
    begun = time.monotonic()
    s.wait_mail(2, s.send(to=2), 5)
    assert time.monotonic() - begun < 5
    assert "not_delivered" in s.log()
    same([e["held"] for e in s.queue()], [False], "what waits")
    account("rm -r * && mv ../kept/* . && rmdir ../kept")
    s.postrider("queue", "retry", "ALL")
    s.wait_mail(1, waits)
    s.wait_empty_queue()


def test_an_account_whose_process_does_not_read(s):
    host = s.pids("host")
    before = set(s.children(host[0]))
    with s.session("imaps", timeout=5) as c:
        assert c.tagged('LOGIN "%s" "%s"' % (s.name(3), PASSWORD))[1].startswith("OK")
        deaf = [p for p in s.children(host[0]) if p not in before]
        same(len(deaf), 1, "new processes")
        os.kill(deaf[0], signal.SIGSTOP)
    try:
        open_ones = []
        for i in range(600):
            c = s.session("imaps", timeout=10)
            c.send('a LOGIN "%s" "%s"\r\n' % (s.name(3), PASSWORD))
            open_ones.append(c)
            if i % 20 == 19:
                time.sleep(0.05)
        until(lambda: "session_process_deaf" in s.log(), 10)
        for c in open_ones:
            c.close()
        s.imap(2).logout()
        s.imap(3).logout()
        same(s.pids("host"), host, "host")
    finally:
        os.kill(deaf[0], signal.SIGCONT)
    until(lambda: not alive(deaf[0]), 10, "the deaf process to hear its end")


def greeted(path):
    c = socket.socket(socket.AF_UNIX)
    c.settimeout(10)
    c.connect(path)
    return c, c.recv(100)[:3]


def test_a_local_user_takes_no_more_than_a_share(s):
    path = s.info["run"] + "/submit"
    crowd, answers = [], []
    try:
        if ROOT:
            os.seteuid(65534)
        for _ in range(PLACES // 4 + 5):
            c, code = greeted(path)
            crowd.append(c)
            answers.append(code)
        same((answers.count(b"220"), answers.count(b"421")), (PLACES // 4 + 1, 4))
        if ROOT:
            os.seteuid(0)
            os.seteuid(1)
            c, code = greeted(path)
            crowd.append(c)
            same(code, b"220", "another user")
    finally:
        if ROOT:
            os.seteuid(0)
        for c in crowd:
            c.close()


main(globals(), accounts=3, build="release", settings=["clients_per_process=%d" % PLACES])
