# SPDX-License-Identifier: ISC
"""SIGKILL of any one process under load: the others go on, it is back, nothing that was acknowledged is lost or doubled."""
from suite import *

LIMIT = 3.0  # seconds until it is back; the sanitized programs start slowly, and load runs beside (a second as installed: kill_all_test)


def killed_under_load(s, name):
    load = Load(s, threads=6, users=3)
    try:
        load.more(15)
        before = {p["name"]: p["pid"] for p in s.status()["processes"]}
        gone = s.kill(name)
        begun = time.monotonic()
        until(lambda: any(p["name"] == name and p["state"] == "ready" and p["pid"] != gone for p in s.status()["processes"]), LIMIT,
              name + " to be back", pause=0.01)
        took = time.monotonic() - begun
        load.more(15)
        after = {p["name"]: p["pid"] for p in s.status()["processes"]}
        same({n for n in before if before[n] != after[n]}, {name}, "the processes that were replaced")
        same(s.status()["state"], "running")
    finally:
        load.stop()
    load.count()
    s.alive()
    return took


def make(name):
    def test(s):
        if name not in s.names():
            raise Skip("no such process")
        killed_under_load(s, name)
    return test


for row in ("qmgr", "local-delivery", "smtpd-mx", "smtpd-submission", "smtpd-lmtp", "smtpd-local", "smtpd-relay", "smtp-client", "lookup", "auth", "keyd",
            "login", "host", "accounts", "log"):
    globals()["test_" + row.replace("-", "_")] = make(row)


def sessions(s):
    """The processes below host: its images and what they forked. host ends with an image, and master starts both anew."""
    return s.children(until(lambda: s.pids("host"), 5, "host")[0])


def test_images_and_sessions(s):
    load = Load(s, threads=6, users=3)
    s.may_die = True
    try:
        for _ in range(6):
            load.more(10)
            pids = sessions(s)
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pids[_ % len(pids)], signal.SIGKILL)
        load.more(20)
    finally:
        load.stop()
    s.wait_ready()
    load.count()
    s.alive()


main(globals(), accounts=3)
