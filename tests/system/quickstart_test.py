#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""What ./quickstart promises beyond making an instance: what it says is JSON, a second run changes nothing, and reset takes no more than it made."""
from suite import *

ODD = 'p"w\\ \'x #y'


def made(s, name, *args, code=0, password=ODD):
    s.other = s.base + "/" + name
    return run(TOP + "/quickstart", "--dir", s.other, "--domain", "odd.test", "--accounts", "1", "--password", password, *args, code=code,
               env={"POSTRIDER_BUILD": s.build, "ASAN_OPTIONS": "detect_leaks=1:disable_coredump=1"}, timeout=500)


def again(s, *args, code=0):
    return run(TOP + "/quickstart", *args, "--dir", s.other, code=code, env={"POSTRIDER_BUILD": s.build}, timeout=500)


def test_odd_words_stay_whole(s):
    """A directory with a space, a password with quotes: the demonstration runs, and info.json is JSON with every field."""
    said = made(s, "with space")
    try:
        assert "Postrider is running" in said and "\033" not in said, said
        with open(s.other + "/info.json") as f:
            info = json.load(f)
        same(info["accounts"], [{"address": "user1@odd.test", "password": ODD}])
        same(sorted(info), sorted(DOORS + ("pid", "domain", "ca", "spool", "mail", "log", "run", "config", "program", "accounts")))
        for door in DOORS:
            same(sorted(info[door]), ["host", "port"], door)
        same(json.loads(again(s, "status", "--json"))["state"], "running")
        before = open(s.other + "/accounts").read()
        assert "without effect: --accounts" in again(s, "--accounts", "4", "--no-demo")
        same(open(s.other + "/accounts").read(), before)
        for name in ("mine", "keys.txt"):
            open(s.other + "/" + name, "w").close()
        again(s, "stop")
        again(s, "status", code=3)
    finally:
        again(s, "reset", code=None)
    same(sorted(os.listdir(s.other)), ["keys.txt", "mine"])


def test_where_there_is_nothing_nothing_is_made(s):
    s.other = s.base + "/nowhere"
    for command in ("stop", "status", "reset"):
        assert "there is no instance" in again(s, command, code=1), command
        assert not os.path.exists(s.other), command
    os.mkdir(s.other)
    open(s.other + "/mine", "w").close()
    again(s, "reset", code=1)
    same(os.listdir(s.other), ["mine"])


def test_a_refused_configuration_leaves_no_instance(s):
    said = made(s, "refused", "--set", "no.such=1", code=1)
    assert "no.such" in said and "the configuration is refused" in said, said
    again(s, "status", code=1)
    made(s, "refused", password="two\nlines", code=1)
    same(os.listdir(s.other), [])


def test_defaults_are_told_without_a_configuration(s):
    defaults = json.loads(run(s.program, "-c", s.base + "/none", "config", "-d", "--json"))
    same(defaults["auth.cache"], "5m")
    same(run(s.program, "-c", s.base + "/none", "config", "-d", "auth.cache"), "auth.cache = 5m\n")
    assert "cannot be read" in run(s.program, "-c", s.base + "/none", "config", code=78)


main(globals(), accounts=1)
