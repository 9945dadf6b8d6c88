# SPDX-License-Identifier: ISC
"""Another mail server, both ways: Debian's Postfix in a root of its own (an overlay over this system, in mount and process namespaces that end with it;
nothing is installed). It brings us mail from outside, and it is our relay host."""
from suite import *

NAME = "mta.test"


class Postfix:
    def __init__(self):
        self.base = tempfile.mkdtemp(prefix="postfix.", dir=os.environ.get("POSTRIDER_TESTS"))
        os.chmod(self.base, 0o755)
        self.process, self.port = None, free_port()
        self.upper, self.root = self.base + "/upper", self.base + "/root"

    def unpack(self):
        try:
            subprocess.run(["apt-get", "-q", "download", "postfix"], cwd=self.base, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        except (OSError, subprocess.SubprocessError):
            raise Skip("Debian's package of Postfix cannot be fetched") from None
        for d in ("upper", "work", "root"):
            os.mkdir(self.base + "/" + d)
        run("dpkg-deb", "-x", glob.glob(self.base + "/postfix_*.deb")[0], self.upper)
        for d in os.listdir(self.upper):  # /lib holds but a unit, and would hide the link of that name
            if os.path.islink("/" + d):
                shutil.rmtree(self.upper + "/" + d)
        shutil.copy(self.upper + "/usr/share/postfix/master.cf.dist", self.upper + "/etc/postfix/master.cf")

    def inside(self, command):
        mounts = ("mount -t overlay overlay -o lowerdir=/,upperdir={b}/upper,workdir={b}/work {r} && mount --rbind /dev {r}/dev && mount -t proc proc {r}/proc"
                  ).format(b=self.base, r=self.root)
        return ["unshare", "-m", "-p", "-f", "sh", "-c", "%s && exec chroot %s sh -c '%s'" % (mounts, self.root, command)]

    def setup(self, s):
        """far.test is its own domain, ours is reached at our listener; nothing else goes anywhere."""
        with open(self.upper + "/etc/postfix/main.cf", "w") as f:
            f.write("""compatibility_level = 3.6
myhostname = {name}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
smtp_tls_security_level = may
default_transport = error:nowhere
transport_maps = inline:{{ {domain}=smtp:[127.0.0.1]:{port} }}
virtual_mailbox_domains = far.test
virtual_mailbox_maps = static:box/
virtual_mailbox_base = /var/mail/far
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{no@far.test = 550 5.1.1 no such user}} }}, permit_mynetworks, reject
maillog_file = /var/log/postfix.log
maillog_file_prefixes = /var/log
minimal_backoff_time = 2s
queue_run_delay = 2s
""".format(name=NAME, domain=s.domain, port=s.info["smtp"]["port"]))
        with open(self.upper + "/etc/postfix/master.cf", "r+") as f:
            text = re.sub(r"(?m)^smtp +inet .*$", "127.0.0.1:%d inet n - n - - smtpd" % self.port, f.read())
            text = re.sub(r"(?m)^([a-z]+ +unix +[-ny] +[-ny] +)[-y]", r"\1n", text)
            f.seek(0)
            f.write(text + "\npostlog unix-dgram n - n - 1 postlogd\n")
        run(*self.inside("getent passwd postfix || useradd -r -M -d /var/spool/postfix -s /usr/sbin/nologin postfix; getent group postdrop || groupadd -r postdrop; "
                         "mkdir -p /var/mail/far && chown 5000:5000 /var/mail/far && touch /etc/postfix/dynamicmaps.cf && { chown postfix /var/lib/postfix; chgrp postdrop /usr/sbin/postdrop /usr/sbin/postqueue; chmod 2755 /usr/sbin/postdrop /usr/sbin/postqueue; postfix check; }"))

    def start(self):
        self.process = subprocess.Popen(self.inside("exec postfix start-fg"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self.answers, 20, "Postfix to listen")

    def stop(self):
        """The first process of its namespace, and with it all."""
        if self.process:
            with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)) as f:
                for pid in f.read().split():
                    os.kill(int(pid), signal.SIGKILL)
            self.process.wait(10)

    def answers(self):
        with contextlib.suppress(OSError, smtplib.SMTPException):
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                return True

    def mailbox(self):
        out = []
        for path in glob.glob(self.upper + "/var/mail/far/box/new/*"):
            with open(path, "rb") as f:
                out.append(f.read())
        return out

    def log(self):
        with contextlib.suppress(OSError):
            with open(self.upper + "/var/log/postfix.log") as f:
                return f.read()
        return ""

    def close(self):
        self.stop()
        for _ in range(50):  # the namespaces' mounts go with their last process
            shutil.rmtree(self.base, ignore_errors=True)
            if not os.path.exists(self.base):
                return
            time.sleep(0.1)


def free_port():
    with socket.socket() as c:
        c.bind(("127.0.0.1", 0))
        return c.getsockname()[1]


def ready(s):
    if subprocess.call(["unshare", "-m", "true"], stderr=subprocess.DEVNULL) != 0:
        raise Skip("no mount namespace can be had here (a chroot?)")
    """Postfix, made and started by the first test that wants it."""
    need("apt-get", "dpkg-deb", "unshare", "chroot", "useradd")
    if postfix.process is None:
        assert not os.path.exists(postfix.upper), "Postfix could not be made ready before"
        postfix.unpack()
        postfix.setup(s)
        postfix.start()
    return postfix


@needs_root
def test_it_brings_us_mail(s):
    p = ready(s)
    body = ".a dot\r\n..two\r\nGr\u00fc\u00dfe\r\n" + "x" * 900 + "\r\n"
    sent = {}
    with smtplib.SMTP("127.0.0.1", p.port, timeout=20) as c:
        for n in (1, 2):
            text, ident = message(to=s.name(n), sender="someone@far.test", body=body, extra="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: 8bit\r\n")
            same(c.sendmail("someone@far.test", [s.name(1), s.name(2)] if n == 2 else [s.name(1)], text, ["BODY=8BITMIME"]), {})
            sent[ident] = n
    for ident, n in sent.items():
        try:
            got = s.fetch(n, ident)
        except AssertionError:
            raise AssertionError("%s did not come:\n%s" % (ident, p.log()[-2000:])) from None
        assert got.endswith(b"\r\n\r\n" + body.encode()), got[-2000:]
        head = got.split(b"\r\n\r\n")[0].decode()
        assert head.startswith("Return-Path: <someone@far.test>"), head
        assert re.search(r"Received: from %s \(.*\[127\.0\.0\.1\]\)" % NAME, head) and "with ESMTPS" in head, head
    same([s.mailbox(n).count(i) for i, m in sent.items() for n in (1, 2) if n <= m], [1, 1, 1])


@needs_root
def test_it_gets_our_refusal_and_tells_its_sender(s):
    p = ready(s)
    text, ident = message(to="nobody@" + s.domain, sender="someone@far.test")
    with smtplib.SMTP("127.0.0.1", p.port, timeout=20) as c:
        same(c.sendmail("someone@far.test", ["nobody@" + s.domain], text), {})
    note = until(lambda: [m for m in p.mailbox() if ident.encode() in m], 20, "Postfix's notification")[0]
    assert b"5.1.1" in note and b"Action: failed" in note, note


@needs_root
def test_it_takes_our_mail(s):
    p = ready(s)
    body = ".a dot\r\n..\r\nGr\u00fc\u00dfe\r\n" + "y" * 900 + "\r\n"
    idents = []
    with s.submission(1) as c:
        for n in range(20):
            text, ident = message(to="x@far.test", sender=s.name(1), body=body, extra="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: 8bit\r\n")
            same(c.sendmail(s.name(1), ["x@far.test"], text), {})
            idents.append(ident)
    try:
        until(lambda: all(any(i.encode() in m for m in p.mailbox()) for i in idents), 20, "20 messages in the other's mailbox", pause=0.2)
    except AssertionError as e:
        raise AssertionError("%s\n%s" % (e, p.log()[-2000:])) from None
    s.wait_empty_queue()
    box = p.mailbox()
    for i in idents:
        mine = [m for m in box if i.encode() in m]
        same(len(mine), 1, "copies of " + i)
        assert mine[0].endswith(b"\n\n" + body.replace("\r\n", "\n").encode()), mine[0]


@needs_root
def test_its_refusal_comes_back_to_our_sender(s):
    p = ready(s)
    text, ident = message(to="no@far.test", sender=s.name(2))
    with s.submission(2) as c:
        same(c.sendmail(s.name(2), ["no@far.test"], text), {})

    def note():
        c = s.imap(2)
        try:
            c.select("INBOX", readonly=True)
            return [part[1] for part in c.uid("FETCH", "1:*", "BODY.PEEK[]")[1] if isinstance(part, tuple) and b"report-type=delivery-status" in part[1]]
        finally:
            c.logout()
    got = until(note, 20, "our notification", pause=0.2)[0].decode()
    assert ident in got and "Status: 5.1.1" in got and "no such user" in got and "Remote-MTA: dns; 127.0.0.1:%d" % p.port in got, got


@needs_root
def test_mail_waits_while_it_is_away(s):
    p = ready(s)
    p.stop()
    assert not p.answers()
    text, ident = message(to="x@far.test", sender=s.name(1))
    with s.submission(1) as c:
        same(c.sendmail(s.name(1), ["x@far.test"], text), {})
    until(lambda: [e for e in s.queue() if e["next_try"]], 10, "it to wait", pause=0.1)
    p.start()
    until(lambda: [m for m in p.mailbox() if ident.encode() in m], 60, "it to come through", pause=0.5)
    s.wait_empty_queue()


postfix = Postfix()
try:
    main(globals(), accounts=2, settings=["relay_host=127.0.0.1:%d" % postfix.port, "queue.retry_min=2", "queue.retry_max=4"])
finally:
    postfix.close()
