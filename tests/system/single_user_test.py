# SPDX-License-Identifier: ISC
"""The suite as one ordinary user: no root, no system users. quickstart says what is lacking, and everything that needs no root is in force."""
import pwd
from suite import *

USER = "nobody"  # whom every system has


class Theirs:
    """The installed tree and quickstart where that user may read them, and an instance made by that user."""

    def __init__(self, build):
        self.base = tempfile.mkdtemp(prefix="single.", dir=os.environ.get("POSTRIDER_TESTS"))
        os.chmod(self.base, 0o755)
        self.uid = pwd.getpwnam(USER).pw_uid
        self.top, self.build, self.dir = self.base + "/top", self.base + "/build", self.base + "/i"
        for d in (self.top, self.build, self.dir):
            os.mkdir(d)
        for name in ("quickstart", "configure", "configure.ac"):
            shutil.copy2(TOP + "/" + name, self.top)
        shutil.copytree(TOP + "/man", self.top + "/man")
        shutil.copytree(BUILDS[build] + "/inst", self.build + "/inst", symlinks=True, ignore=shutil.ignore_patterns("share"))
        with open(self.build + "/Makefile", "w") as f:  # it is built already
            f.write("all install:\n")
        for path, dirs, files in os.walk(self.base):
            for name in [path] + [path + "/" + f for f in files]:
                os.chown(name, self.uid, -1)

    def run(self, *args, code=0, stdin=None):
        """As that user and nothing else: no group of ours, no capability."""
        return run("setpriv", "--reuid", USER, "--regid", str(pwd.getpwnam(USER).pw_gid), "--clear-groups", *args, code=code, stdin=stdin, timeout=120,
                   env={"POSTRIDER_BUILD": self.build, "HOME": self.base})


def lacking():
    if not ROOT:
        return "needs root, to become an ordinary user that has nothing"
    for program in ("setpriv", "curl"):
        if not shutil.which(program):
            return program + " is not installed"
    # The programs name each other by the place that they were configured for.
    try:
        subprocess.run([BUILDS["release"] + "/inst/sbin/postrider", "version"], user=USER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "the programs are installed where an ordinary user may not go"
    return None


class SingleUser(Suite):
    def __init__(self):
        super().__init__(build="release")
        self.theirs = Theirs("release")

    def begin(self):
        self.said = self.theirs.run(self.theirs.top + "/quickstart", "--password", PASSWORD, "--dir", self.theirs.dir)
        self.dir = self.theirs.dir
        with open(self.dir + "/info.json") as f:
            self.info = json.load(f)
        self.program = self.info["program"]
        return self

    def name(self, n):
        return ("alice", "bob")[n - 1] + "@" + self.domain

    def quickstart(self, *args, code=0):
        self._keep_errors()
        return self.theirs.run(self.theirs.top + "/quickstart", *args, "--dir", self.theirs.dir, code=code)

    def postrider(self, *args, code=0, stdin=None):
        return self.theirs.run(self.program, "-c", self.info["config"], *args, code=code, stdin=stdin)

    def end(self):
        self.dir = self.theirs.dir
        super().end()

    def remove(self):
        super().remove()
        shutil.rmtree(self.theirs.base, ignore_errors=True)


def as_another(*args, code=0):
    return run("setpriv", "--reuid", "daemon", "--regid", "daemon", "--clear-groups", *args, code=code)


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def test_the_screen_says_what_is_lacking(s):
    assert "All processes run as %s; as root each would have a user of its own" % USER in s.said, s.said
    assert "_postrider-" not in s.said, s.said
    for word in ("sending a message", "reading it by IMAP and by POP3", "Postrider is running"):
        assert word in s.said, (word, s.said)


def test_mail_flows(s):
    text, ident = message(to=s.name(2), sender=s.name(1), body="Gr\u00fc\u00dfe.\r\n")
    with s.submission(1) as c:
        same(c.sendmail(s.name(1), [s.name(2)], text), {})
    assert s.fetch(2, ident).endswith(b"Gr\xc3\xbc\xc3\x9fe.\r\n")
    ident = s.send(to=1)
    got = s.fetch(1, ident)
    p = s.pop3(1)
    same(b"\r\n".join(p.retr(p.stat()[0])[1]) + b"\r\n", got, "by POP3")
    p.quit()


def test_one_uid_without_privilege_and_confined(s):
    c = s.imap(1)  # a session's process is among them
    pids = s.everything()
    assert len(pids) >= 17, pids
    same({line.split()[0] for line in run("ps", "-o", "uid=", "-p", ",".join(map(str, pids))).splitlines()}, {str(s.theirs.uid)}, "uids that ps shows")
    for pid in pids:
        st = status(pid)
        who = (pid, st["Name"])
        same(set(st["Uid"].split()), {str(s.theirs.uid)}, "uids of %s %s" % who)
        same({int(st[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")}, {0}, "capabilities of %s %s" % who)
        if pid != pids[0]:
            same(st["Seccomp"], "2", "seccomp mode of %s %s" % who)
            same(st["NoNewPrivs"], "1", "no_new_privs of %s %s" % who)
    c.logout()


def test_all_files_are_theirs(s):
    for path, dirs, files in os.walk(s.dir):
        for name in [path] + [path + "/" + f for f in files]:
            same(os.lstat(name).st_uid, s.theirs.uid, name)
    private = [f for d in ("mail", "spool") for f in glob.glob(s.info[d] + "/**", recursive=True) if os.path.isfile(f)]
    private += glob.glob(s.dir + "/keys/*") + glob.glob(s.dir + "/tables/*")
    assert len(private) > 5, private
    same(s.theirs.run("sh", "-c", 'for f do test -r "$f" || echo "$f"; done', "-", *private), "", "what its owner may not read")
    same(as_another("sh", "-c", 'for f do test -r "$f" && echo "$f"; done; true', "-", *private), "", "what another user may read")


def test_they_steer_it_and_others_do_not(s):
    same(json.loads(s.postrider("--json", "status"))["state"], "running")
    s.postrider("account", "add", "carol@" + s.domain, "--no-password")
    assert "carol@" in s.postrider("account", "list")
    s.postrider("reload")
    before = s.pids()
    as_another(s.program, "-c", s.info["config"], "account", "list", code=69)
    same(s.pids(), before)


def test_killed_and_back(s):
    s.may_die = True
    ident = s.send(to=2)
    s.kill_all()
    s.start()
    s.wait_mail(2, ident)
    same(s.mailbox(2).count(ident), 1)
    s.stop()
    s.start()
    same(s.mailbox(2).count(ident), 1)


why = lacking()
if why:
    print("skip system/single_user (%s)" % why)
else:
    main(globals(), SingleUser)
