# SPDX-License-Identifier: ISC
"""What host has noted is in its memory: over a restart no account is forgotten, though nothing more happens to it."""
from suite import *


def octets(home):
    """Of the account's own journal: what it adopts makes it grow."""
    return sum(os.path.getsize(f) for f in glob.glob(home + "/journal/*"))


def swept(s):
    return len(re.findall(r"event=upkeep_swept homes=(?!0)", s.log()))


def at_work(s):
    """The accounts' processes."""
    return [p for host in s.pids("host") for image in s.children(host) for p in s.children(image)]


def test_a_home_without_news_is_looked_after(s):
    until(lambda: swept(s) == 1, 100, "the first round of homes", pause=0.3)
    until(lambda: not at_work(s), 60, "the end of the accounts' processes")
    home = s.home(3)
    before = octets(home)
    assert before > 0
    s.send(to=3)
    s.wait_empty_queue()
    s.stop()
    same(octets(home), before, "octets of the journal: the note of the news is lost")
    s.start()
    until(lambda: octets(home) > before, 100, "the account's mail to be adopted", pause=0.3)
    until(lambda: swept(s) == 2, 100, "the end of the round", pause=0.3)


main(globals(), settings=["upkeep_interval=60"], needs=True)
