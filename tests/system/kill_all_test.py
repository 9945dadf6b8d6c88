# SPDX-License-Identifier: ISC
"""SIGKILL of everything at a random moment under load, start again: every acknowledged message is there exactly once. On the suite as it is
installed, for its speed."""
import random
from suite import *


def test_each_is_back_within_a_second(s):
    slow_ones = []
    time.sleep(1.2)  # what dies within a second of its start waits a little
    for name in s.names():
        gone = s.kill(name)
        begun = time.monotonic()
        until(lambda: any(p["name"] == name and p["state"] == "ready" and p["pid"] != gone for p in s.status()["processes"]), 5, name + " to be back", pause=0.005)
        if time.monotonic() - begun > 1:
            slow_ones.append((name, time.monotonic() - begun))
    same(slow_ones, [])
    s.wait_mail(1, s.send(to=1))


def test_many_deaths(s):
    loads = []
    for turn in range(3 if QUICK else 8):
        load = Load(s, threads=9, users=3)
        loads.append(load)
        with contextlib.suppress(AssertionError):
            load.more(random.randrange(1, 400), seconds=4)
        s.kill_all()
        load.done.set()
        s.start()
        load.stop()
    total = sum(load.count() for load in loads)
    print("    %d acknowledged messages, %d without an answer" % (total, sum(len(l.open) for l in loads)))
    s.alive()


def test_death_while_it_starts(s):
    load = Load(s, threads=6, users=3)
    load.more(100)
    s.kill_all()
    load.done.set()
    load.stop()
    for _ in range(3):
        p = subprocess.Popen([s.program, "-c", s.info["config"], "start"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() * 0.2)
        with contextlib.suppress(IndexError):
            s.kill_all()
        p.kill()
        p.wait()
    s.start()
    load.count()


def test_a_stop_in_good_order_loses_nothing(s):
    load = Load(s, threads=6, users=3)
    load.more(100)
    s.stop()
    load.done.set()
    s.start()
    load.stop()
    load.count()


main(globals(), build="release", accounts=3)
