# SPDX-License-Identifier: ISC
"""What the system tests share: class Suite starts a whole server in a temporary directory by ./quickstart, class Session speaks bytes
with it, class Sink is a server to which it delivers, and main() runs a file's test_* functions and prints a line for each.

A test file is `from suite import *`, functions `test_what(s)` with a Suite, and `main(...)`. Standard library only."""
import base64, contextlib, glob, imaplib, inspect, json, os, poplib, pwd, re, shutil, signal, smtplib, socket, socketserver, ssl, subprocess, sys, tempfile
import threading, time, traceback, uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUICK = bool(os.environ.get("POSTRIDER_QUICK"))
ROOT = os.geteuid() == 0
BUILDS = {"san": os.environ.get("POSTRIDER_SAN", TOP + "/.quickstart/build-san"),
          "release": os.environ.get("POSTRIDER_RELEASE", TOP + "/.quickstart/build")}
PASSWORD = "correct horse battery"
DOORS = ("smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s")


class Skip(Exception):
    """A test that cannot be made here; its text says why."""


def until(what, seconds=10, why="", pause=0.02):
    """Asks what() until its answer is true, and returns that answer."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError("waited %gs in vain for %s" % (seconds, why or inspect.getsource(what).strip()))
        time.sleep(pause)


def same(got, wanted, what=""):
    assert got == wanted, "%sgot %r, wanted %r" % (what and what + ": ", got, wanted)


def run(*args, code=0, stdin=None, env=None, timeout=60, user=None):
    """Runs a program; its exit status must be `code` (None: any). Returns what it printed, standard error included."""
    who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    p = subprocess.run(args, input=stdin.encode() if isinstance(stdin, str) else stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env=dict(os.environ, **(env or {})), timeout=timeout, **who, **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    out = p.stdout.decode(errors="replace")
    if code is not None and p.returncode != code:
        raise AssertionError("%s ended with %d, not %d:\n%s" % (" ".join(args), p.returncode, code, out[-3000:]))
    return out


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            raise Skip(p + " is not installed")


def message(to="user2@example.test", sender="user1@example.test", subject="test", body="Hello.\r\n", ident=None, extra=""):
    ident = ident or "<%s@test>" % uuid.uuid4().hex
    return ("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: %s\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n%s\r\n%s"
            % (sender, to, subject, ident, extra, body)).encode(), ident


class Session:
    """A connection on which bytes are said and lines are read."""

    def __init__(self, suite, door, timeout=20, greet=True, source=None):
        a = suite.info[door]
        self.suite, self.door = suite, door
        self.sock = socket.create_connection((a["host"], a["port"]), timeout, source_address=source)
        if door.endswith("s") and door in ("submissions", "imaps", "pop3s"):
            self.sock = suite.tls().wrap_socket(self.sock, server_hostname="localhost")
        self.buffer = b""
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def _more(self):
        try:
            got = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            got = b""
        self.buffer += got
        return bool(got)

    def line(self):
        """The next line without its CRLF; None at the end of the connection."""
        while b"\n" not in self.buffer:
            if not self._more():
                return None
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), "a line without CR: %r" % line
        return line[:-1].decode(errors="replace")

    def octets(self, n):
        while len(self.buffer) < n:
            assert self._more(), "the connection ended within %d octets: %r" % (n, self.buffer)
        got, self.buffer = self.buffer[:n], self.buffer[n:]
        return got

    def reply(self):
        """SMTP and LMTP: a whole reply as one string. Other doors: a line."""
        lines = [self.line()]
        while lines[-1] is not None and self.door in ("smtp", "submission", "submissions", "lmtp") and lines[-1][3:4] == "-":
            lines.append(self.line())
        return None if lines[-1] is None else "\n".join(lines)

    def say(self, data):
        """One command (a str gets its CRLF), one reply."""
        self.send(data + "\r\n" if isinstance(data, str) else data)
        return self.reply()

    def expect(self, data, prefix):
        got = self.say(data)
        assert (got or "").startswith(prefix), "%r: got %r, wanted %s" % (data[:80], got, prefix)
        return got

    def tagged(self, command, tag="a"):
        """IMAP: the untagged lines (literals within them as they came) and the tagged one."""
        self.send("%s %s\r\n" % (tag, command))
        lines = []
        while True:
            line = self.line()
            if line is None:
                return lines, None
            while re.search(r"\{\d+\}$", line):
                line += "\r\n" + self.octets(int(line[line.rindex("{") + 1:-1])).decode(errors="replace") + (self.line() or "")
            if line.startswith(tag + " "):
                return lines, line[len(tag) + 1:]
            lines.append(line)

    def starttls(self):
        if self.door.startswith("imap"):
            assert self.tagged("STARTTLS")[1].startswith("OK")
        elif self.door.startswith("pop3"):
            self.expect("STLS", "+OK")
        else:
            self.expect("STARTTLS", "220")
        return self.secure()

    def secure(self, context=None):
        self.sock = (context or self.suite.tls()).wrap_socket(self.sock, server_hostname="localhost")
        return self

    def at_end(self, seconds=10):
        """True when the server ends the connection."""
        self.sock.settimeout(seconds)
        try:
            while self._more():
                pass
            return True
        except TimeoutError:
            return False


class Suite:
    """build: "san" or "release". user: everything as this ordinary user, from a copy of the tree of its own. tmpfs: directories of the instance, each
    with its size, that are file systems of their own."""

    def __init__(self, build="san", accounts=3, settings=(), domain="example.test", user=None, tmpfs=None):
        self.build, self.domain, self.user, self.top = BUILDS[build], domain, user, TOP
        self.sanitized = build == "san"
        self.base = tempfile.mkdtemp(prefix="system.", dir=os.environ.get("POSTRIDER_TESTS"))
        os.chmod(self.base, 0o755)
        self.dir = self.base + "/i"
        self.mounted = None
        self.before = [] # what stands before the command that starts it
        self.errors, self.may_die, self.mounts, self.tmpfs = [], False, [], tmpfs or {}
        self.settings = list(settings)
        self.accounts = accounts
        os.mkdir(self.dir)
        self.info = {"run": self.dir + "/run", "log": self.dir + "/log/postrider.log"}

    def copy_tree(self):
        """A tree of its own for the ordinary user, who may not write ours."""
        self.top = self.base + "/tree"
        os.mkdir(self.top)
        run("sh", "-c", 'tar -C "$1" --exclude=./.quickstart --exclude=./.git -cf - . | tar -C "$2" -xf -', "-", TOP, self.top)
        run("chown", "-R", self.user, self.top, self.dir)
        self.build = self.top + "/.quickstart/build"

    def begin(self):
        if self.user:
            self.copy_tree()
        for name, size in self.tmpfs.items():
            os.mkdir(self.dir + "/" + name)
            run("mount", "-t", "tmpfs", "-o", "size=" + size, "none", self.dir + "/" + name)
            self.mounts.append(self.dir + "/" + name)
        args = ["--domain", self.domain, "--accounts", str(self.accounts), "--password", PASSWORD, "--no-demo", "--json"]
        for one in self.settings:
            args += ["--set", one]
        self.quickstart(*args)
        with open(self.dir + "/info.json") as f:
            self.info = json.load(f)
        self.program = self.info["program"]
        return self

    def quickstart(self, *args, code=0):
        self._keep_errors()
        env = {"POSTRIDER_BUILD": self.build, "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:disable_coredump=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
        if self.user:
            env.update(HOME=self.base, TMPDIR="/tmp")
        return run(*self.before, self.top + "/quickstart", *args, "--dir", self.dir, code=code, env=env, timeout=500, user=self.user)

    # ---- what runs ----
    def status(self):
        with contextlib.suppress(OSError, ValueError):
            with open(self.info["run"] + "/status") as f:
                return json.load(f)
        return {"state": "down", "processes": []}

    def pids(self, name=None):
        """The process ids of the rows called name (all of them: None), those of accounts' sessions not among them."""
        return [p["pid"] for p in self.status()["processes"] if name in (None, p["name"]) and p["pid"]]

    def names(self):
        return sorted({p["name"] for p in self.status()["processes"]})

    def children(self, pid):
        out = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError):
                with open(path) as f:
                    text = f.read()
                if int(text.rpartition(")")[2].split()[1]) == pid:
                    child = int(text.split()[0])
                    out += [child] + self.children(child)
        return out

    def everything(self):
        """All process ids of this instance: master and all below it."""
        master = self.status().get("pid")
        return [] if not master else [master] + self.children(master)

    def wait_ready(self, seconds=20):
        until(lambda: self.status()["state"] == "running", seconds, "all processes to be ready")

    def kill(self, name):
        """SIGKILL to the first process of a row. Returns its pid."""
        self.may_die = True
        pid = self.pids(name)[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_all(self):
        """SIGKILL to all processes of the instance at once: what a power cut is to processes."""
        self.may_die = True
        pids = self.everything()
        master = pids[0]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not any(alive(p) for p in pids), 10, "the killed to be gone")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.info["run"] + "/status")
        return master

    def start(self):
        self.quickstart("start", "--no-demo")
        self.wait_ready()

    def stop(self):
        pids = self.everything()
        self.quickstart("stop")
        until(lambda: not any(alive(p) for p in pids), 15, "all processes to end")

    def postrider(self, *args, code=0, stdin=None):
        return run(self.program, "-c", self.info["config"], *args, code=code, stdin=stdin, user=self.user)

    def configure(self, text):
        with open(self.info["config"], "a") as f:
            f.write(text)

    # ---- clients ----
    def name(self, n):
        return "user%d@%s" % (n, self.domain)

    def tls(self, **options):
        context = ssl.create_default_context(cafile=self.info["ca"])
        for key, value in options.items():
            setattr(context, key, value)
        return context

    def session(self, door, **options):
        return Session(self, door, **options)

    def smtp(self, door="smtp", helo="client.test"):
        a = self.info[door]
        kind = smtplib.LMTP if door == "lmtp" else smtplib.SMTP
        c = kind(a["host"], a["port"], local_hostname=helo, **({} if door == "lmtp" else {"timeout": 20}))
        return c

    def submission(self, n, door="submission"):
        a = self.info[door]
        if door == "submissions":
            c = smtplib.SMTP_SSL("localhost", a["port"], context=self.tls(), timeout=20, local_hostname="client.test")
        else:
            c = smtplib.SMTP("localhost", a["port"], timeout=20, local_hostname="client.test")
            c.starttls(context=self.tls())
        c.login(self.name(n), PASSWORD)
        return c

    def imap(self, n, door="imaps", login=True):
        a = self.info[door]
        if door == "imaps":
            c = imaplib.IMAP4_SSL("localhost", a["port"], ssl_context=self.tls(), timeout=20)
        else:
            c = imaplib.IMAP4("localhost", a["port"], timeout=20)
            c.starttls(self.tls())
        if login:
            c.login(self.name(n), PASSWORD)
        return c

    def pop3(self, n, door="pop3s"):
        a = self.info[door]
        if door == "pop3s":
            c = poplib.POP3_SSL("localhost", a["port"], context=self.tls(), timeout=20)
        else:
            c = poplib.POP3("localhost", a["port"], timeout=20)
            c.stls(self.tls())
        c.user(self.name(n))
        c.pass_(PASSWORD)
        return c

    def send(self, to=2, door="smtp", sender="someone@elsewhere.test", **parts):
        """One message from outside; returns its Message-ID."""
        rcpts = [self.name(n) for n in (to if isinstance(to, (list, tuple)) else [to])]
        text, ident = message(to=", ".join("<%s>" % r for r in rcpts)[1:-1], sender=sender or "postmaster@elsewhere.test", **parts)
        with self.smtp(door) as c:
            refused = c.sendmail(sender, rcpts, text)
            assert not refused, refused
        return ident

    def mailbox(self, n, box="INBOX"):
        """The Message-IDs of a mailbox, in the order of UIDs."""
        c = self.imap(n)
        try:
            if c.select(box, readonly=True)[0] != "OK":
                return []
            kind, data = c.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            assert kind == "OK", data
            return [re.search(rb"(<[^>]*>)", part[1]).group(1).decode() for part in data if isinstance(part, tuple) and b"<" in part[1]]
        finally:
            c.logout()

    def home(self, n):
        """The directory of an account's mail, which may not be there yet."""
        uid = [a["uid"] for a in json.loads(self.postrider("--json", "account", "list")) if a["address"] == self.name(n)][0]
        return "%s/%02x/%d" % (self.info["mail"], uid & 0xff, uid)

    def wait_mail(self, n, ident, seconds=15):
        until(lambda: ident in self.mailbox(n), seconds, "%s to be in %s's INBOX" % (ident, self.name(n)), pause=0.1)

    def fetch(self, n, ident):
        """The message with this Message-ID, whole, as soon as it is there."""
        self.wait_mail(n, ident)
        c = self.imap(n)
        try:
            c.select("INBOX", readonly=True)
            data = c.uid("SEARCH", "HEADER", "Message-ID", '"%s"' % ident)[1]
            uids = data[0].split()
            same(len(uids), 1, "messages with this Message-ID")
            return c.uid("FETCH", uids[0].decode(), "BODY.PEEK[]")[1][0][1]
        finally:
            c.logout()

    def queue(self):
        return json.loads(self.postrider("--json", "queue", "list") or "[]")

    def wait_empty_queue(self, seconds=20):
        try:
            until(lambda: not self.queue(), seconds, "an empty queue", pause=0.1)
        except AssertionError:
            left = self.queue()
            told = [line for line in self.log().split("\n") if left and left[0]["queue_id"] in line]
            raise AssertionError("%d messages stay in the queue: %r\n%s" % (len(left), left[:3], "\n".join(told))) from None

    def log(self):
        with contextlib.suppress(OSError):
            with open(self.info["log"], errors="replace") as f:
                return f.read()
        return ""

    def alive(self):
        """A fresh session of each kind is greeted."""
        for door in ("smtp", "submission", "lmtp", "imap", "pop3"):
            with self.session(door, timeout=5) as c:
                assert c.greeting and c.greeting[:3] in ("220", "* O", "+OK"), (door, c.greeting)

    # ---- the end ----
    def _keep_errors(self):
        """What processes said on standard error: a restart begins that file anew."""
        with contextlib.suppress(OSError):
            with open(self.dir + "/run/start.err", errors="replace") as f:
                self.errors.append(f.read())

    def reports(self):
        """What went wrong that no test looked for: the sanitizers' reports, and processes that died of themselves."""
        self._keep_errors()
        text = "".join(self.errors)
        found = re.findall(r"(?s)(?:==\d+==ERROR|[^\n]*runtime error|[^\n]*invariant broken|[^\n]*out of memory).{0,3000}", text)[:3]
        log = self.log()
        if not self.may_die:
            found += [line for line in log.split("\n") if "event=process_died" in line][:5]
        found += [line for line in log.split("\n") if "event=process_died" in line and ("signal=6" in line or "signal=11" in line or "signal=31" in line)][:5]
        return found

    def end(self):
        pids = self.everything()
        try:
            if pids:
                self.quickstart("stop", code=None)
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    if alive(pid):
                        os.kill(pid, signal.SIGKILL)

    def remove(self):
        for path in self.mounts + ([self.mounted] if self.mounted else []):
            subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(self.base, ignore_errors=True)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Failing:
    """System calls of these processes, and of what they fork, fail for as long as this is entered, by `strace --inject`, which root may attach to a
    confined process. when: which of each thread's (strace(1)): `1+` all."""

    def __init__(self, s, pids, calls, error, when="1+"):
        need("strace")
        self.pids, self.told = pids, tempfile.mkstemp(dir=s.base)[1]
        self.args = ["strace", "-f", "-qq", "-o", self.told, "-e", "trace=" + calls, "-e", "inject=%s:error=%s:when=%s" % (calls, error, when), "-e", "signal=none"]

    def attached(self):
        for pid in self.pids:
            for task in glob.glob("/proc/%d/task/*/status" % pid):
                with contextlib.suppress(OSError), open(task) as f:
                    if "TracerPid:\t%d\n" % self.strace.pid not in f.read():
                        return False
        return True

    def __enter__(self):
        self.strace = subprocess.Popen(self.args + [a for p in self.pids for a in ("-p", str(p))], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            until(lambda: self.strace.poll() is not None or self.attached(), 20, "strace to be attached")
            if self.strace.poll() is not None:
                raise Skip("strace cannot attach: " + self.strace.stderr.read().decode(errors="replace").strip()[:100])
        except BaseException:
            self.end()
            raise
        return self

    def failed(self):
        """How many were made to fail so far."""
        with open(self.told, errors="replace") as f:
            return f.read().count("(INJECTED)")

    def end(self):
        if self.strace.poll() is None:
            self.strace.send_signal(signal.SIGINT)  # it lets go of them all and ends
        self.strace.wait(60)
        self.strace.stderr.close()

    def __exit__(self, *a):
        self.end()


class Sink:
    """A next hop: an SMTP server whose replies a test chooses. `answers` gives the reply to a verb or to b"." (content): a str, or a function of
    the command's text; what came stands in `messages` (sender, recipients, content as on the wire)."""

    def __init__(self, answers=None, tls=None, ehlo=("PIPELINING", "8BITMIME", "SIZE 10000000", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")):
        self.answers, self.messages, self.context, self.ehlo, self.commands = answers or {}, [], tls, ehlo, []
        self.connections = set()
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                sink.connections.add(self.request)
                with contextlib.suppress(OSError, ssl.SSLError, ValueError):
                    sink.serve(self)
                sink.connections.discard(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            request_queue_size = 100  # of connections that come at once
        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def address(self):
        return "127.0.0.1:%d" % self.port

    def answer(self, verb, text, default):
        a = self.answers.get(verb, default)
        return a(text) if callable(a) else a

    def serve(self, h):
        secure, sender, rcpts = False, None, []

        def put(text):
            h.wfile.write(text.encode() + b"\r\n")
            h.wfile.flush()
        put(self.answer("greeting", "", "220 sink.test ESMTP"))
        while line := h.rfile.readline():
            text = line.rstrip(b"\r\n").decode(errors="replace")
            verb = text.split(" ")[0].split(":")[0].upper()
            self.commands.append(text)
            if verb == "EHLO":
                words = list(self.ehlo) + (["STARTTLS"] if self.context and not secure else [])
                put("\r\n".join("250-" + w for w in ["sink.test"] + words[:-1]) + "\r\n250 " + words[-1] if words else "250 sink.test")
            elif verb == "STARTTLS" and self.context:
                put("220 go")
                h.connection = self.context.wrap_socket(h.connection, server_side=True)
                h.rfile, h.wfile = h.connection.makefile("rb"), h.connection.makefile("wb")
                secure = True
            elif verb == "MAIL":
                sender, rcpts = text, []
                put(self.answer("MAIL", text, "250 2.1.0 ok"))
            elif verb == "RCPT":
                reply = self.answer("RCPT", text, "250 2.1.5 ok")
                if reply.startswith("2"):
                    rcpts.append(text)
                put(reply)
            elif verb == "DATA":
                reply = self.answer("DATA", text, "354 go on" if rcpts else "503 5.5.1 no recipients")
                put(reply)
                if not reply.startswith("354"):
                    continue
                lines = []
                while not lines or lines[-1] != b".\r\n" or (len(lines) > 1 and not lines[-2].endswith(b"\r\n")):
                    lines.append(h.rfile.readline())
                    if not lines[-1]:
                        return
                content = b"".join(lines)
                reply = self.answer(".", content.decode(errors="replace"), "250 2.0.0 taken")
                if reply.startswith("2"):
                    self.messages.append((sender, rcpts, content[:-3], secure))
                put(reply)
            elif verb == "QUIT":
                put("221 bye")
                return
            else:
                put(self.answer(verb, text, "250 ok" if verb in ("RSET", "NOOP", "HELO") else "500 what?"))

    def hang_up(self):
        """Ends the connections that a client keeps for the next message."""
        for c in list(self.connections):
            with contextlib.suppress(OSError):
                c.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Load:
    """Clients that hand in messages until they are told to stop, and write down what was acknowledged: `sure` must be there exactly once, `open` (no
    answer came) at most once. By SMTP from outside, by submission, and by IMAP APPEND into the box "Appended"."""

    def __init__(self, s, threads=4, users=3, pause=0.0, body="x" * 500 + "\r\n"):
        self.s, self.users, self.pause, self.body = s, users, pause, body
        self.sure, self.open, self.refused, self.codes = {}, {}, 0, set()  # codes: of refusals
        self.lock, self.done = threading.Lock(), threading.Event()
        works = [self.outside, self.submit, self.append]
        self.threads = [threading.Thread(target=self.forever, args=(works[i % 3], i), daemon=True) for i in range(threads)]
        for t in self.threads:
            t.start()

    def forever(self, work, number):
        while not self.done.is_set():
            try:
                work(number)
            except (OSError, EOFError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto, AssertionError):
                self.done.wait(0.05)

    def attempt(self, where, do):
        """do(text) hands one message in; an exception leaves open whether it was taken, unless it is a refusal."""
        text, ident = message(to=where[0], sender=self.s.name(1), body=self.body)
        with self.lock:
            self.open[ident] = where
        try:
            do(text)
        except smtplib.SMTPResponseException as e:
            with self.lock:
                self.codes.add(e.smtp_code)
                self.open.pop(ident)
                self.refused += 1
            raise
        with self.lock:
            self.sure[ident] = self.open.pop(ident)
        if self.pause:
            time.sleep(self.pause)

    def hand_in(self, c, n, sender):
        def do(text):
            c.sendmail(sender, [self.s.name(n)], text)
        self.attempt((self.s.name(n), n, "INBOX"), do)

    def next_user(self):
        with self.lock:
            return (len(self.sure) + len(self.open)) % self.users + 1

    def outside(self, number):
        with self.s.smtp() as c:
            for _ in range(20):
                if self.done.is_set():
                    return
                self.hand_in(c, self.next_user(), "load@elsewhere.test")

    def submit(self, number):
        with self.s.submission(1) as c:
            for _ in range(20):
                if self.done.is_set():
                    return
                self.hand_in(c, self.next_user(), self.s.name(1))

    def append(self, number):
        n = number % self.users + 1
        c = self.s.imap(n)
        c.create("Appended")

        def do(text):
            kind, data = c.append("Appended", None, None, text)
            assert kind == "OK", data
        while not self.done.is_set():
            self.attempt((self.s.name(n), n, "Appended"), do)
        c.logout()

    def taken(self):
        with self.lock:
            return len(self.sure)

    def more(self, n, seconds=20):
        """Waits until n more were acknowledged."""
        goal = self.taken() + n
        until(lambda: self.taken() >= goal, seconds, "%d more messages to be acknowledged" % n)

    def stop(self):
        self.done.set()
        for t in self.threads:
            t.join(30)

    def count(self):
        """Compares all mailboxes with what was acknowledged."""
        self.s.wait_empty_queue(60)

        def there(box):
            out = {}
            for n in range(1, self.users + 1):
                for ident in self.s.mailbox(n, box):
                    out.setdefault(ident, []).append(n)
            return out

        def settled():
            have = there("INBOX")
            return not [i for i, w in self.sure.items() if w[2] == "INBOX" and i not in have]
        with contextlib.suppress(AssertionError):
            until(settled, 15, pause=0.3)
        boxes = {"INBOX": there("INBOX"), "Appended": there("Appended")}
        lost = [i for i, w in self.sure.items() if i not in boxes[w[2]]]
        doubled = [(i, at) for box in boxes.values() for i, at in box.items() if len(at) > 1]
        astray = [i for i, w in self.sure.items() if i in boxes[w[2]] and boxes[w[2]][i][0] != w[1]]
        assert not lost and not doubled and not astray, "of %d acknowledged (%d open): lost %d %r, doubled %d %r, astray %d" % (
            len(self.sure), len(self.open), len(lost), lost[:3], len(doubled), doubled[:3], len(astray))
        return len(self.sure)


# ---- running a file's tests ----

def slow(test):
    test.slow = True
    return test


def needs_root(test):
    test.root = True
    return test


def _stop(signo, frame):
    raise KeyboardInterrupt


def _one(label, test, s):
    try:
        if getattr(test, "slow", False) and QUICK:
            raise Skip("slow")
        if getattr(test, "root", False) and not ROOT:
            raise Skip("needs root")
        begun = time.monotonic()
        test(*([s] if inspect.signature(test).parameters else []))
        print("ok %s (%.1fs)" % (label, time.monotonic() - begun), flush=True)
        return True
    except Skip as why:
        print("skip %s (%s)" % (label, why), flush=True)
        return True
    except Exception:
        print("FAIL " + label)
        print("    " + traceback.format_exc().replace("\n", "\n    "), flush=True)
        return False


def main(namespace, fixture=None, needs=False, late=False, **options):
    """Runs the test_* functions of a file in their order on one suite, which `options` describe; fixture: a class of suites, or False for none.
    needs: root; late: not with --quick."""
    signal.signal(signal.SIGTERM, _stop)
    name = "system/" + os.path.basename(sys.argv[0])[:-len("_test.py")]
    wanted = sys.argv[1:]
    tests = [(key, t) for key, t in namespace.items() if key.startswith("test_") and callable(t) and (not wanted or any(w in key for w in wanted))]
    good, s = True, None
    try:
        if (needs and not ROOT) or (late and QUICK):
            print("skip %s (%s)" % (name, "slow" if late and QUICK else "needs root"))
            sys.exit(0)
        if fixture is not False:
            s = (fixture or Suite)(**options)
            # What programs leave in a home, such as sendmail's dead.letter, goes with the test.
            os.environ["HOME"] = s.base
            try:
                s.begin()
            except Exception:
                print("FAIL %s: start" % name)
                print("    " + traceback.format_exc().replace("\n", "\n    "), flush=True)
                good = False
        for key, test in tests if good else []:
            good = _one("%s: %s" % (name, key[5:].replace("_", " ")), test, s) and good
        if s:
            s.end()
            reports = s.reports()
            print("%s %s: no process died of itself%s" % ("FAIL" if reports else "ok", name, ", no sanitizer spoke" if s.sanitized else ""))
            for r in reports:
                print("    " + r.replace("\n", "\n    "))
            if (not good or reports) and not os.environ.get("POSTRIDER_NO_LOG"):
                print("    the log's end:\n    " + "\n    ".join(s.log().split("\n")[-40:]))
            good = good and not reports
    except KeyboardInterrupt:
        print("FAIL %s: interrupted" % name)
        good = False
    finally:
        if s:
            s.end()
            s.remove()
    sys.exit(0 if good else 1)
