# SPDX-License-Identifier: ISC
"""Walks /proc of the running suite: each process is what its row in the table of processes says, and nothing more. On the suite as it is installed:
sanitizers need laxer filters."""
import pwd
from suite import *

PREFIX = "_postrider-"


def rows(s):
    return {r["name"]: r for r in json.loads(s.postrider("--json", "processes"))}


def facts(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def caps(f, name):
    return int(f[name], 16)


def descriptors(pid):
    out = {}
    for fd in os.listdir("/proc/%d/fd" % pid):
        with contextlib.suppress(OSError):
            out[int(fd)] = os.readlink("/proc/%d/fd/%s" % (pid, fd))
    return out


def paths(s, pid):
    """What a process has open that has a name, but for what it was started with."""
    start = s.info["run"] + "/start.err"
    return [p for p in descriptors(pid).values() if p.startswith("/") and not p.startswith(("/dev/null", "/memfd:", start))]


def confined(f, what, wanted=0, bound=None):
    """bound: what the bounding set may hold besides. With no-new-privileges and no execve it gives nothing; only CAP_SETPCAP could make it smaller."""
    for name in ("CapEff", "CapPrm"):
        same(hex(caps(f, name)), hex(wanted), "%s of %s" % (name, what))
    same(caps(f, "CapBnd") & ~(wanted if bound is None else bound), 0, "CapBnd of " + what)
    for name in ("CapInh", "CapAmb"):
        same(caps(f, name) & ~wanted, 0, "%s of %s" % (name, what))
    same(f["NoNewPrivs"], "1", "NoNewPrivs of " + what)
    same(f["Seccomp"], "2", "Seccomp of " + what)


def ids(f, what, uid, gid):
    same(set(f["Uid"].split()), {str(uid)}, "uids of " + what)
    same(set(f["Gid"].split()), {str(gid)}, "gids of " + what)
    same(set(f["Groups"].split()) - {str(gid)}, set(), "supplementary groups of " + what)


def each(s):
    table = rows(s)
    for p in s.status()["processes"]:
        yield p["name"], p["pid"], table[p["name"]]


def test_every_row_runs(s):
    running = {p["name"] for p in s.status()["processes"]}
    wanted = {n for n, r in rows(s).items() if not r["later"] and n not in ("image", "imapd", "pop3d")}
    same(running, wanted)


def test_users(s):
    seen = {}
    for name, pid, row in each(s):
        who = pwd.getpwnam(PREFIX + row["user"])
        ids(facts(pid), name, who.pw_uid, who.pw_gid)
        seen.setdefault(who.pw_uid, set()).add(name)
    assert all(len(n) == 1 for n in seen.values()), "a user of several rows: %r" % seen
    assert 0 not in seen


def test_capabilities_and_filters(s):
    for name, pid, row in each(s):
        confined(facts(pid), name, row["caps"])


def test_master(s):
    f = facts(s.status()["pid"])
    kept = caps(f, "CapEff")
    for number, what in ((21, "SYS_ADMIN"), (19, "SYS_PTRACE"), (12, "NET_ADMIN"), (13, "NET_RAW"), (16, "SYS_MODULE"), (17, "SYS_RAWIO"), (22, "SYS_BOOT"), (27, "MKNOD")):
        assert not kept >> number & 1, "master keeps CAP_" + what
    same([p for p in paths(s, s.status()["pid"]) if not p.startswith((s.info["run"], s.dir + "/"))], [])


def test_open_files(s):
    s.wait_mail(1, s.send(to=1))
    s.submission(1).quit()
    for name, pid, row in each(s):
        mine = [s.dir + "/" + d["name"] for d in row["dirs"]]
        stray = [p for p in paths(s, pid) if not any(p == d or p.startswith(d + "/") for d in mine)]
        # The programs of the sessions, which host opens before it confines itself.
        stray = [p for p in stray if not (name == "host" and re.search(r"/libexec/postrider/(imapd|pop3d)", p))]
        same(stray, [], "files of " + name)
        if not mine:
            same(paths(s, pid), [], "files of %s, which has none" % name)


def listening():
    """inode: port, of all listening TCP sockets."""
    out = {}
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            with open(name) as f:
                for line in f.readlines()[1:]:
                    w = line.split()
                    if w[3] == "0A":
                        out[w[9]] = int(w[1].rpartition(":")[2], 16)
    return out


def test_listeners(s):
    ports = {s.info[d]["port"]: d for d in DOORS}
    inodes = listening()
    for name, pid, row in each(s):
        held = {ports.get(inodes[m.group(1)]) for m in (re.match(r"socket:\[(\d+)\]", p) for p in descriptors(pid).values()) if m and m.group(1) in inodes}
        same(held, {l for l in row["listeners"] if l in DOORS}, "listeners of " + name)


def test_limits(s):
    for name, pid, _ in each(s):
        with open("/proc/%d/limits" % pid) as f:
            text = f.read()
        assert re.search(r"Max core file size\s+0\s+0", text), "%s may dump core" % name


def test_sessions_run_as_their_accounts(s):
    a, b, p = s.imap(1), s.imap(2), s.pop3(3)
    a.select("INBOX")
    host = s.pids("host")[0]
    uids = {}
    listed = json.loads(s.postrider("--json", "account", "list"))
    accounts = {x["address"]: x["uid"] for x in listed}
    image_uid = pwd.getpwnam(PREFIX + "host").pw_uid
    for pid in s.children(host):
        f = facts(pid)
        uid = int(f["Uid"].split()[0])
        if uid == image_uid:
            same(caps(f, "CapEff") & ~rows(s)["image"]["caps"], 0, "capabilities of an image")
            continue
        uids[uid] = pid
        ids(f, "a session of %d" % uid, uid, uid)
        confined(f, "a session of %d" % uid, bound=rows(s)["host"]["caps"])
        home = "%s/%02x/%d" % (s.info["mail"], uid & 0xff, uid)
        same([x for x in paths(s, pid) if x != home and not x.startswith(home + "/")], [], "files of a session")
    same(set(uids), {accounts[s.name(n)] for n in (1, 2, 3)}, "uids of sessions")
    a.logout()
    b.logout()
    p.quit()


def test_a_new_home_has_its_stream(s):
    """Made with the home, before any delivery, and local-delivery's own: nobody else may write it, and the account may read it."""
    s.postrider("account", "add", s.name(4), "--password-stdin", stdin=PASSWORD + "\n")
    home = s.home(4)
    uid = int(os.path.basename(home))
    until(lambda: os.path.isdir(home), 60, "host to make the home of an account that was added")
    mail = pwd.getpwnam(PREFIX + "mail")
    incoming = home + "/incoming"
    for path, owners in ((home, (uid, mail.pw_gid, 0o710)), (incoming, (mail.pw_uid, uid, 0o2770))):
        st = os.stat(path)
        same((st.st_uid, st.st_gid, st.st_mode & 0o7777), owners, path)
    names = os.listdir(incoming)
    same(len([n for n in names if n != "lock"]), 1, "segments of a new stream")
    for n in names:
        st = os.stat(incoming + "/" + n)
        same((st.st_uid, st.st_gid, st.st_mode & 0o777), (mail.pw_uid, uid, 0o640), n)
    s.wait_mail(4, s.send(to=4))


def test_no_key_of_another_survives_in_a_session(s):
    """A session inherits no channel but its own: the sockets that it holds are few."""
    c = s.imap(1)
    c.select("INBOX")
    image_uid = pwd.getpwnam(PREFIX + "host").pw_uid
    for pid in s.children(s.pids("host")[0]):
        if int(facts(pid)["Uid"].split()[0]) != image_uid:
            sockets = [p for p in descriptors(pid).values() if p.startswith("socket:")]
            assert len(sockets) <= 6, "%d sockets" % len(sockets)
    c.logout()


def test_directories(s):
    for name in ("spool", "keys", "tables", "mail"):
        mode = os.stat(s.dir + "/" + name).st_mode & 0o7777
        assert not mode & (0o007 if name != "mail" else 0o006), "%s is %o" % (name, mode)
    for top, _, files in os.walk(s.dir):
        for f in files:
            path = os.path.join(top, f)
            if "/keys/" in path or "/spool/" in path or "/tables/" in path or "/mail/" in path:
                assert not os.lstat(path).st_mode & 0o007, "%s is %o" % (path, os.lstat(path).st_mode)


def test_no_set_uid_program(s):
    for top, _, files in os.walk(os.path.dirname(os.path.dirname(s.program))):
        for f in files:
            assert not os.lstat(os.path.join(top, f)).st_mode & 0o6000, os.path.join(top, f)


def test_control_is_not_for_everybody(s):
    """What an ordinary user may not ask: the kernel says who is calling."""
    program = shutil.copy(s.program, s.base + "/postrider")  # the tree may lie where nobody gets in
    for args in (["queue", "list"], ["domain", "list"], ["account", "list"], ["account", "add", "--no-password", "evil@" + s.domain]):
        p = subprocess.run([program, "-c", s.info["config"], *args], user="nobody", group="nogroup", extra_groups=[], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=20)
        assert p.returncode != 0 and s.name(1).encode() not in p.stdout, (args, p.returncode, p.stdout)
    assert "evil@" not in s.postrider("account", "list")


main(globals(), needs=True, build="release", accounts=3)
