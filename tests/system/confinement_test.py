# SPDX-License-Identifier: ISC
"""Each process of the running suite is what the table of processes says: user, capabilities, filters, descriptors, listeners. As installed:
the sanitizers need laxer filters. What the filters and Landlock forbid is tested in tests/unit/sys."""
import pwd
from suite import *

SETID = 1 << 6 | 1 << 7  # CAP_SETGID, CAP_SETUID: what an image keeps


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f)



def descriptors(pid):
    """What its descriptors are: paths, socket:[…], anon_inode:…"""
    out = []
    for path in glob.glob("/proc/%d/fd/*" % pid):
        with contextlib.suppress(FileNotFoundError):
            out.append(os.readlink(path))
    return out


def listening():
    """The inodes of all TCP sockets that listen."""
    found = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(name) as f:
            found |= {line.split()[9] for line in f.readlines()[1:] if line.split()[3] == "0A"}
    return found


def table(s):
    return {row["name"]: row for row in json.loads(s.postrider("--json", "processes")) if not row["later"]}


def running(s):
    """Pairs of a row and a process: those that master started."""
    rows = table(s)
    return [(rows[p["name"]], p["pid"]) for p in s.status()["processes"]]


def sessions(s, image):
    """The images of host (image true), or the forks that serve accounts."""
    host = s.pids("host")[0]
    images = [pid for pid in s.children(host) if status(pid)["PPid"] == str(host)]
    return images if image else [pid for i in images for pid in s.children(i)]


def check_confined(what, pid, caps, bounding=True):
    st = status(pid)
    same(st["NoNewPrivs"], "1", what + ": NoNewPrivs")
    same(st["Seccomp"], "2", what + ": Seccomp")
    for name in ("CapPrm", "CapEff", "CapBnd"):
        # The bounding set of host's children stays host's: it bounds what execve gives, and there is no execve.
        if ROOT and (bounding or name != "CapBnd"):
            same(int(st[name], 16), caps, "%s: %s" % (what, name))
    if not ROOT:
        same(int(st["CapEff"], 16), 0, what + ": CapEff")
    if ROOT:
        same(st["Groups"].split(), [], what + ": supplementary groups")
    with open("/proc/%d/limits" % pid) as f:
        core = next(line for line in f if line.startswith("Max core file size"))
    same(core.split()[4:6], ["0", "0"], what + ": core limit")
    with open("/proc/%d/maps" % pid) as f:
        both = [line for line in f if line.split()[1][1:3] == "wx"]
    same(both, [], what + ": memory that is written and executed")


def check_files(s, what, pid, allowed):
    """Descriptors with a path are /dev/null, standard error, and what is below the allowed directories."""
    allowed = ["/dev/null", s.info["run"] + "/start.err"] + allowed
    for path in descriptors(pid):
        if path.startswith("/") and not path.startswith("/memfd:"):
            assert any(path == a or path.startswith(a + "/") for a in allowed), "%s holds %s" % (what, path)


def test_all_rows_run(s):
    same({row["name"] for row, pid in running(s)}, {n for n in table(s) if n not in ("image", "imapd", "pop3d")})


def test_users(s):
    if not ROOT:
        raise Skip("one user's suite: there is one uid")
    users = {}
    for row, pid in running(s):
        pw = pwd.getpwnam("_postrider-" + row["user"])
        same({int(x) for x in status(pid)["Uid"].split()}, {pw.pw_uid}, row["name"] + ": uid")
        same({int(x) for x in status(pid)["Gid"].split()}, {pw.pw_gid}, row["name"] + ": gid")
        same(users.setdefault(pw.pw_uid, row["name"]), row["name"], "one user for two rows: ")


def test_confinement(s):
    for row, pid in running(s):
        check_confined(row["name"], pid, row["caps"])


def test_files(s):
    for row, pid in running(s):
        directories = [s.postrider("config", d["parameter"]).split(" = ")[1].strip() for d in row["dirs"]]
        check_files(s, row["name"], pid, directories)


def test_listeners(s):
    listen = listening()
    for row, pid in running(s):
        holds = {d for d in descriptors(pid) if d.startswith("socket:") and d[8:-1] in listen}
        tcp = [n for n in row["listeners"] if n not in ("control", "submit", "relay")]
        same(bool(holds), bool(tcp), row["name"] + ": holds listeners")


def test_images(s):
    images = sessions(s, True)
    same(len(images), 2, "images")
    for pid in images:
        check_confined("image", pid, SETID, bounding=False)
        check_files(s, "image", pid, [])
        same(status(pid).get("Seccomp_filters", "2"), "2" if ROOT else "1", "an image's filters (the second bounds the uids)")


def test_account_processes(s):
    with s.imap(1) as one, s.imap(2) as two:
        one.select("INBOX")
        two.select("INBOX")
        forks = until(lambda: len(sessions(s, False)) >= 2 and sessions(s, False))
        uids = set()
        for pid in forks:
            check_confined("imapd", pid, 0, bounding=False)
            mine = {int(x) for x in status(pid)["Uid"].split()}
            same(len(mine), 1)
            uid = mine.pop()
            if ROOT:
                assert 1900000000 <= uid < 1990000000, uid
                check_files(s, "imapd", pid, ["%s/%02x/%d" % (s.info["mail"], uid & 255, uid)])
            uids.add(uid)
        if ROOT:
            same(len(uids), 2, "uids of two accounts")


def test_master(s):
    if not ROOT:
        raise Skip("no capabilities without root")
    st = status(s.status()["pid"])
    # CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER KILL SETGID SETUID SETPCAP NET_BIND_SERVICE
    same(int(st["CapEff"], 16), sum(1 << n for n in (0, 1, 2, 3, 5, 6, 7, 8, 10)), "CapEff")
    same(int(st["CapBnd"], 16), int(st["CapEff"], 16), "CapBnd")


main(globals(), build="release")
