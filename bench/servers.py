# SPDX-License-Identifier: ISC
"""The servers that bench/run compares: how each is installed, started, watched and removed. Every one runs in a control group of its own, so
that nothing it starts, ends or lets go escapes the account."""
import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
PACKAGES = {"postfix": "postfix", "exim": "exim4-daemon-light", "opensmtpd": "opensmtpd", "dovecot": "dovecot-lmtpd", "dovecot-mdbox": "dovecot-lmtpd",
            "postfix-dovecot": "postfix dovecot-lmtpd", "cyrus": "cyrus-imapd"}
SPOOLS = ["var/spool", "var/mail"]
HZ = os.sysconf("SC_CLK_TCK")
FLUSHES = ["fsync", "fdatasync", "syncfs", "sync_file_range", "msync"]
EVENTS = {"syscalls": ["raw_syscalls:sys_enter"], "switches": ["context-switches"], "forks": ["sched:sched_process_fork"],
          "flushes": ["syscalls:sys_enter_" + f for f in FLUSHES]}


def read(path):
    with open(path, encoding="latin1") as f:
        return f.read()


class Group:
    """A control group: the processor time of all that ever ran in it, the processes that do now. `cpuacct` of the first version where it is
    mounted, else the second version's; perf counts by the second's."""

    def __init__(self, name):
        own = {}
        for line in read("/proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            for c in controllers.split(","):
                own[c] = path
        mounts = [line.split()[1:4] for line in read("/proc/mounts").splitlines()]
        self.cpu, self.unified, self.perf = None, None, None
        for where, kind, options in mounts:
            if kind == "cgroup" and "cpuacct" in options.split(",") and self.cpu is None:
                self.cpu = os.path.join(where, own.get("cpuacct", "/").lstrip("/"), name)
            if kind == "cgroup2" and self.unified is None:
                self.perf = os.path.join(own.get("", "/").lstrip("/"), name)
                self.unified = os.path.join(where, self.perf)
        self.dirs = [d for d in (self.cpu, self.unified) if d is not None]
        for d in self.dirs:
            os.makedirs(d, exist_ok=True)
        if not self.dirs:
            raise SystemExit("bench: no control groups are mounted: processor time could not be accounted")

    def join(self):
        """In a child before it executes."""
        for d in self.dirs:
            with open(d + "/cgroup.procs", "w", encoding="ascii") as f:
                f.write("0")

    def cpu_seconds(self):
        if self.cpu is not None:
            return int(read(self.cpu + "/cpuacct.usage")) / 1e9
        return int(re.search(r"usage_usec (\d+)", read(self.unified + "/cpu.stat")).group(1)) / 1e6

    def pids(self):
        return [int(x) for x in read(self.dirs[0] + "/cgroup.procs").split()]

    def pss_mib(self):
        total = 0
        for p in self.pids():
            try:
                total += int(re.search(r"^Pss:\s*(\d+)", read(f"/proc/{p}/smaps_rollup"), re.M).group(1))
            except (OSError, AttributeError):
                pass
        return total / 1024

    def kill(self):
        """SIGKILL until nothing is left."""
        for _ in range(500):
            left = self.pids()
            if not left:
                return
            for p in left:
                try:
                    os.kill(p, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)
        raise SystemExit("bench: processes that do not die: " + " ".join(map(str, self.pids())))

    def remove(self):
        self.kill()
        for d in self.dirs:
            for _ in range(100):
                try:
                    os.rmdir(d)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)


class Counter:
    """perf counts the system calls, context switches, flushes and forks of a group; it does not stop anybody as strace would."""

    def __init__(self, group, path):
        self.path = path
        events = [e for kind in EVENTS.values() for e in kind]
        self.process = subprocess.Popen(["perf", "stat", "-x,", "-a", "-o", path, "-e", ",".join(events), "-G", ",".join([group.perf] * len(events))],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)

    def result(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=20)
        found = {f[2]: float(f[0]) for f in (line.split(",") for line in read(self.path).splitlines()) if len(f) > 3 and f[0].replace(".", "").isdigit()}
        os.unlink(self.path)
        return {kind: sum(found.get(e, 0) for e in events) for kind, events in EVENTS.items()}


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(3)
            return s.recv(3) == b"220"
    except OSError:
        return False


def wait_port(port, seconds, process, pause=0.05):
    end = time.time() + seconds
    while time.time() < end and process.poll() is None:
        if answers(port):
            return
        time.sleep(pause)
    raise RuntimeError(f"nobody answers on port {port}")


def remove_tree(path):
    """rm is faster than Python, and the tree is large."""
    subprocess.run(["rm", "-rf", path], check=True)


class Server:
    """What all have: a group, a directory, a state."""
    pipelining = True
    waiting = 0  # messages that a row left in the queue of the stopped server

    def __init__(self, work, name):
        self.name, self.group = name, Group(f"postrider-bench-{os.getpid()}-{name}")

    def install(self):
        pass

    def spawn(self, args, **kw):
        return subprocess.Popen(args, preexec_fn=self.group.join, stdin=subprocess.DEVNULL, **kw)

    def lmtp_port(self):
        return self.port

    def close(self):
        try:
            self.stop()
        finally:
            self.group.remove()


class Peer(Server):
    """A server from Debian in an overlay of this system, in a mount and a process namespace of its own."""

    def __init__(self, work, name, port, build):
        super().__init__(work, name)
        self.port, self.process, self.build = port, None, build
        self.pipelining = name != "opensmtpd"
        self.base = os.path.join(work, name)
        self.root = os.path.join(self.base, "root")
        for d in ["upper", "work", "root"] + ["disk/" + s.replace("/", "-") for s in SPOOLS]:
            os.makedirs(os.path.join(self.base, d), exist_ok=True)
        self.mailboxes = os.path.join(self.base, "disk/var-mail/vhosts")

    def inside(self, command):
        """A shell line that builds the root in its own mount namespace and executes the command there."""
        b, r = self.base, self.root
        mounts = (f"mount -t overlay overlay -o lowerdir=/,upperdir={b}/upper,workdir={b}/work {r} && mount --rbind /dev {r}/dev && mount -t proc proc {r}/proc"
                  f" && mount -t tmpfs -o mode=755 tmpfs {r}/run")
        for s in SPOOLS:
            disk = f"{b}/disk/{s.replace('/', '-')}"
            mounts += f" && {{ [ -e {disk}/.made ] || {{ cp -a {r}/{s}/. {disk}/ && touch {disk}/.made; }}; }} && mount --bind {disk} {r}/{s}"
        return ["unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", f"{mounts} && exec chroot {r} {command}"]

    def done(self, command, timeout):
        out = subprocess.run(self.inside(command), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, preexec_fn=self.group.join)
        if out.returncode != 0:
            raise SystemExit(f"bench: {self.name}: {out.stdout.decode('latin1')[-2000:]}")

    def install(self):
        scripts = self.base + "/upper/bench-peers"
        names = self.base + "/upper/etc/resolv.conf"
        if not os.path.exists(self.base + "/installed"):
            self.done("sh -c 'echo exit 101 >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; DEBIAN_FRONTEND=noninteractive apt-get install "
                      f"-y -qq --no-install-recommends {PACKAGES[self.name]}'", 600)
            with open(self.base + "/installed", "w", encoding="ascii"):
                pass
        # No DNS: OpenSMTPD would ask for each client's name, and wait 5 s for each answer that is lost. The word is for its resolver.
        with open(names, "w", encoding="ascii") as f:
            f.write("lookup file\n")
        shutil.rmtree(scripts, ignore_errors=True)
        shutil.copytree(os.path.join(HERE, "peers"), scripts)
        for name in os.listdir(scripts):
            os.chmod(os.path.join(scripts, name), 0o755)
        self.done(f"/bench-peers/{self.name} setup {self.port}", 120)

    def start(self, mode, again=None, slow=False, wait=True, **_):
        if again is None:
            self.waiting = 0
        if answers(self.port):
            raise SystemExit(f"bench: somebody answers on port {self.port} already")
        preload = self.base + "/upper/etc/ld.so.preload"
        if slow:
            shutil.copy(self.build + "/bench/slow_flush.so", self.base + "/upper/slow_flush.so")
            with open(preload, "w", encoding="ascii") as f:
                f.write("/slow_flush.so\n")
        elif os.path.exists(preload):
            os.unlink(preload)
        self.began_file = self.base + "/upper/began"
        if os.path.exists(self.began_file):
            os.unlink(self.began_file)
        with open(self.base + "/out", "wb") as log:
            self.process = self.spawn(self.inside(f"/bench-peers/{self.name} run {mode} {again or ''}"), stdout=log, stderr=log)
        if wait:
            try:
                # What a row with a deep queue left is removed first.
                wait_port(self.port, 180, self.process)
            except RuntimeError as e:
                raise RuntimeError(f"{self.name}: {e}: {read(self.base + '/out')[-1000:]}") from e

    def began(self):
        """When the server itself was executed, its root having been made."""
        return float(read(self.began_file))

    def command(self, name):
        """Something done in the running server's root."""
        init = int(read(f"/proc/{self.process.pid}/task/{self.process.pid}/children").split()[0])
        return subprocess.run(["nsenter", "-t", str(init), "-m", "-p", "-r", "-w", f"/bench-peers/{self.name}", name], check=True, stdout=subprocess.PIPE,
                              preexec_fn=self.group.join, timeout=300).stdout

    def list_queue(self):
        return len(re.findall(rb"far\.test", self.command("list")))

    def files(self):
        for box in os.scandir(self.mailboxes) if os.path.isdir(self.mailboxes) else []:
            new = box.path + "/new"
            if os.path.isdir(new):
                yield from os.scandir(new)

    def delivered(self):
        return sum(1 for _ in self.files())

    def delivered_at(self):
        """When the last of them got its name."""
        return max((f.stat().st_ctime_ns for f in self.files()), default=0) / 1e9

    def news(self, seen):
        """The heads of the messages in the mailboxes that are not in seen, which takes them."""
        for f in self.files():
            if f.path not in seen:
                seen[f.path] = True
                with open(f.path, "rb") as opened:
                    yield opened.read(2048)

    def hold(self):
        """Accepts mail and delivers none."""
        if self.name == "postfix":
            for p in self.group.pids():
                if read(f"/proc/{p}/comm").strip() == "qmgr":
                    os.kill(p, signal.SIGSTOP)
        else:
            self.command("hold")

    def undecided(self):
        """Messages that Postfix has neither delivered nor put off."""
        return sum(len(os.listdir(f"{self.base}/disk/var-spool/postfix/{d}")) for d in ("incoming", "active"))

    def kill(self):
        self.group.kill()
        if self.process is not None:
            self.process.wait()
            self.process = None

    stop = kill


class Postrider(Server):
    """An instance made by quickstart."""

    def __init__(self, work, build):
        super().__init__(work, "postrider")
        self.dir = os.path.join(work, "postrider")
        self.etc = os.path.join(work, "postrider.etc")
        self.info, self.held, self.build, self.log_at, self.log_count, self.last_at = None, [], build, 0, 0, 0

    def quickstart(self, *args, slow=False):
        line = [os.path.join(TOP, "quickstart"), *args, "--dir", self.dir]
        if slow:
            # The same way as for a peer: /etc/ld.so.preload, in a mount namespace. Master and all below it are executed in it.
            for d in ("upper", "work"):
                os.makedirs(os.path.join(self.etc, d), exist_ok=True)
            shutil.copy(self.build + "/bench/slow_flush.so", self.etc + "/upper/slow_flush.so")
            with open(self.etc + "/upper/ld.so.preload", "w", encoding="ascii") as f:
                f.write("/etc/slow_flush.so\n")
            line = ["unshare", "-m", "sh", "-c", f'mount -t overlay overlay -o lowerdir=/etc,upperdir={self.etc}/upper,workdir={self.etc}/work /etc && exec "$@"',
                    "sh", *line]
        out = subprocess.run(line, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, preexec_fn=self.group.join)
        if out.returncode != 0:
            raise RuntimeError("postrider: " + out.stdout.decode("latin1")[-2000:])

    def start(self, mode, accounts=100, settings=(), slow=False, **_):
        remove_tree(self.dir)
        wanted = [x for s in ["smtpd.clients_per_address=0", *settings] for x in ("--set", s)]
        self.quickstart("start", "--no-demo", "--accounts", str(accounts), "--password", "benchbench", *wanted, slow=slow)
        self.info = json.loads(read(self.dir + "/info.json"))
        self.held, self.log_at, self.log_count, self.last_at = [], 0, 0, 0
        self.waiting = 0
        if mode == "held":
            self.hold()

    def processes(self, name):
        return [p["pid"] for p in json.loads(read(self.dir + "/run/status"))["processes"] if p["name"] == name]

    def program(self, *arguments):
        return [self.info["program"], "-c", self.info["config"], *arguments]

    def command(self, *arguments):
        return subprocess.run(self.program(*arguments), check=True, stdout=subprocess.PIPE, timeout=300, preexec_fn=self.group.join).stdout

    def list_queue(self):
        return self.command("queue", "list").count(b"next try")

    @property
    def port(self):
        return self.info["smtp"]["port"]

    def lmtp_port(self):
        return self.info["lmtp"]["port"]

    def delivered(self):
        """By the log, of which only what is new is read."""
        with open(self.info["log"], "rb") as f:
            f.seek(self.log_at)
            new = f.read()
        whole = new.rfind(b"\n") + 1
        self.log_at += whole
        self.log_count += new[:whole].count(b" event=delivered ")
        last = new[:whole].rfind(b" event=delivered ")
        if last >= 0:
            self.last_at = datetime.datetime.fromisoformat(re.match(rb"\S+", new[new.rfind(b"\n", 0, last) + 1:]).group().decode().replace("Z", "+00:00")).timestamp()
        return self.log_count

    def delivered_at(self):
        """When the last of them was durable, as the log says; its lines come up to 20 ms later."""
        return self.last_at

    def news(self, seen):
        """What of the streams of incoming mail is not in seen, which takes how far each was read: a little is read again, for a message's head
        may have been half there, and zeros at the end are not yet written over."""
        for where, _, files in os.walk(self.dir + "/mail"):
            for name in files if where.endswith("/incoming") else []:
                path = os.path.join(where, name)
                with open(path, "rb") as f:
                    f.seek(seen.get(path, 0))
                    octets = f.read()
                seen[path] = seen.get(path, 0) + max(0, len(octets.rstrip(b"\0")) - 256)
                yield octets

    def hold(self):
        """Accepts mail and delivers none."""
        self.held = self.processes("local-delivery")
        for p in self.held:
            os.kill(p, signal.SIGSTOP)

    def kill(self):
        self.group.kill()

    def stop(self):
        for p in self.held:
            try:
                os.kill(p, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.held = []
        if self.info is not None and self.group.pids():
            try:
                self.quickstart("stop")
            except (RuntimeError, subprocess.TimeoutExpired):
                pass
        self.group.kill()


class Skeleton(Server):
    """The bound: bench/skeleton.c."""

    def __init__(self, work, port, build):
        super().__init__(work, "skeleton")
        self.port, self.build, self.file, self.process = port, build, os.path.join(work, "skeleton.journal"), None

    def start(self, mode, sink=False, **_):
        self.process = self.spawn([self.build + "/bench/skeleton", str(self.port)] + ([] if sink else [self.file]))
        wait_port(self.port, 10, self.process)

    def stop(self):
        self.group.kill()
        if self.process is not None:
            self.process.wait()
            self.process = None
        if os.path.exists(self.file):
            os.unlink(self.file)
