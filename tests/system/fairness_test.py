# SPDX-License-Identifier: ISC
"""Nobody waits for another's flood: of one sender, to a next hop or a destination that does not answer, to one mailbox. A delivery agent is stopped, the flood is taken and
made ready, then the single message of another; when the agent goes on, what it delivers before the single message is what it had in hand, and what is
offered along with that: it is counted. How long the single message took is told, and nothing is concluded from it.

POSTRIDER_FLOOD=N: so many deliveries wait in each flood (5,000; `make check-faults` takes 100,000)."""
import datetime
from suite import *

FLOOD = int(os.environ.get("POSTRIDER_FLOOD", "5000"))
OUT = 1000                     # recipients of one offer (messages.tbl), and those at which a local-delivery is offered no more (qmgr.h)
WINDOW, CONNECTIONS = 512, 20  # offers for which local-delivery, and smtp-client, ask at a time
TURNS = 3                      # of others, until it is one's own
MANY = 100                     # accounts of a flood
ALONE, BESIDE = MANY + 1, MANY + 2


@contextlib.contextmanager
def stopped(s, name):
    """The only process of this row stands still; what is written to it waits."""
    pid, = s.pids(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def tell(what, seconds):
    print("    %s after %.3f s, with %d in the flood" % (what, seconds, FLOOD), flush=True)


def batches(c, messages):
    """Hands in what messages yields, (sender, recipients, content), some at a time."""
    messages = list(messages)
    for i in range(0, len(messages), 20):
        replies = 0
        for sender, rcpts, text in messages[i:i + 20]:
            c.send("MAIL FROM:<%s>\r\n%s" % (sender, "".join("RCPT TO:<%s>\r\n" % r for r in rcpts)))
            c.send(b"BDAT %d LAST\r\n" % len(text) + text)
            replies += len(rcpts) + 2
        for _ in range(replies):
            got = c.reply()
            assert got and got.startswith("250"), got


def outside(s, messages):
    with s.session("smtp", timeout=100) as c:
        c.expect("EHLO x.test", "250")
        batches(c, messages)


def submitting(s, n, messages):
    with s.session("submission", timeout=100).starttls() as c:
        c.expect("EHLO x.test", "250")
        c.expect("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (s.name(n), PASSWORD)).encode()).decode(), "235")
        batches(c, messages)


def letters(senders, rcpts):
    return ((a, r, message(to=r[0], sender=a)[0]) for a, r in zip(senders, rcpts))


def end_of_log(s):
    return os.path.getsize(s.info["log"])


def log_since(s, mark):
    """A flood's log is long: what was before the mark is not read again and again."""
    with open(s.info["log"], errors="replace") as f:
        f.seek(mark)
        return f.read()


def delivered(s, mark):
    """The recipients' addresses, in the order in which local-delivery had them durable: it is one process, and its lines stay in their order."""
    return re.findall(r"event=delivered .*?recipient=(\S+) uid=", log_since(s, mark))


def empty(s, total):
    """Waits until nothing is left; a list of very many is not asked for all the time."""
    until(lambda: not s.queue(), 60 + total / 100, "%d to be delivered" % total, pause=0.3 + total / 50000)


def before(s, address, mark):
    """How many of a flood were delivered before the message to this address, and when that was. mark: where the log ended before both. log leaves out lines
    of one who writes very many a second, and says so: none is lacking before the one that is looked for."""
    lines = [l for l in log_since(s, mark).split("\n") if "event=delivered" in l or "event=log_capped" in l]
    n, line = [(i, l) for i, l in enumerate(lines) if "recipient=%s uid=" % address in l][0]
    n -= "event=log_capped" in lines[0] # of what was before the mark
    assert not [l for l in lines[1:n] if "event=log_capped" in l], "lines are lacking"
    return n, datetime.datetime.fromisoformat(line.split(" ")[0].replace("Z", "+00:00")).timestamp()


def local_flood(s, flood, total, bound):
    """flood() has total deliveries taken; a single one from outside, to one who has nothing of them, comes after at most `bound` of them."""
    mark, single = end_of_log(s), s.name(ALONE)
    with stopped(s, "local-delivery"):
        flood()
        outside(s, letters(["another@elsewhere.test"], [[single]]))
        begun = time.time()
    empty(s, total)
    n, when = before(s, single, mark)
    tell("the single message", when - begun)
    assert n <= bound < total, "%d of %d before it, at most %d wanted" % (n, total, bound)


def test_all_have_a_home(s):
    """Made for the first delivery, before anything is counted."""
    outside(s, letters(["first@elsewhere.test"], [[s.name(n + 1) for n in range(BESIDE)]]))
    until(lambda: len(delivered(s, 0)) == BESIDE, 60, "one delivery to each")


def test_one_sender_with_many_messages(s):
    local_flood(s, lambda: submitting(s, 1, letters([s.name(1)] * FLOOD, [[s.name(1 + n % 2)] for n in range(FLOOD)])), FLOOD, 2 * WINDOW + TURNS)


def test_one_sender_with_many_recipients(s):
    rcpts = [[s.name(1 + n) for n in range(MANY)]] * (FLOOD // MANY)
    local_flood(s, lambda: submitting(s, 1, letters([s.name(1)] * len(rcpts), rcpts)), len(rcpts) * MANY, 2 * (OUT + MANY) + TURNS * MANY)


def test_many_senders_to_one_mailbox(s):
    local_flood(s, lambda: outside(s, letters(["bot%d@bots.test" % n for n in range(FLOOD)], [[s.name(1)]] * FLOOD)), FLOOD, 2 * WINDOW + TURNS)


def far(n):
    return [["w%d@far%d.test" % (i, i % 50)] for i in range(n)]


def arrivals(since, at=None):
    return [re.search(r"<(.*?)>", r).group(1) for m in list((at or sink).messages)[since:] for r in m[1]]


def waiting(s):
    return [e for e in s.queue() if e["next_try"]]


def aim(s, host):
    with open(s.info["config"]) as f:
        text = f.read()
    with open(s.info["config"], "w") as f:
        f.write(re.sub(r"(?m)^relay_host = .*$", "relay_host = " + host, text))
    s.postrider("reload")


def test_each_recipient_is_tried_once_a_round(s):
    """A message with more recipients than an offer holds, all of them deferred, by qmgr itself and by the next hop: what was tried is not offered a second
    time before its time comes, and so the round has an end."""
    n, begun, came = 2 * OUT + 500, len(sink.commands), len(sink.messages)
    rcpts = ["many%d@far.test" % i for i in range(n)]
    sink.answers["RCPT"] = "451 4.2.1 later"

    def tried():
        return [c for c in list(sink.commands)[begun:] if c.startswith("RCPT") and "many" in c]
    aim(s, "")
    submitting(s, 1, letters([s.name(1)], [rcpts]))
    until(lambda: waiting(s), 60, "it to be deferred without a relay host", pause=0.3)
    aim(s, sink.address())
    s.postrider("queue", "retry", "ALL")
    until(lambda: len(tried()) >= n and waiting(s), 60, "it to be deferred by the next hop", pause=0.3)
    same(len(tried()), n, "recipients tried")
    sink.answers.pop("RCPT")
    s.postrider("queue", "retry", "ALL")
    s.wait_empty_queue(60)
    same(sorted(arrivals(came)), sorted(rcpts), "each once")


@contextlib.contextmanager
def hanging(hop, domain):
    """The next hop says nothing more when it is given a recipient of this domain, until the end. Gives the list of those."""
    end, hung = threading.Event(), []

    def rcpt(text):
        if "@%s>" % domain not in text:
            return "250 2.1.5 ok"
        hung.append(text)
        return "250 2.1.5 ok" if end.wait(290) else "451 4.4.2 no"
    hop.answers["RCPT"] = rcpt
    try:
        yield hung
    finally:
        hop.answers.pop("RCPT")
        end.set()


def sent(s, n, hop, rcpt, begun):
    """One message of account n comes to the next hop, whatever hangs there."""
    at = time.monotonic()
    submitting(s, n, letters([s.name(n)], [[rcpt]]))
    until(lambda: rcpt in arrivals(begun, hop), 100, "mail for %s" % rcpt)
    tell("mail for %s" % rcpt, time.monotonic() - at)


def test_a_destination_that_hangs(s):
    """Behind a next hop that serves others: these get theirs, also from the sender of all that hangs, and it has no more
    than half of the connections."""
    begun = len(sink.messages)
    with hanging(sink, "dead.test") as hung:
        submitting(s, 1, letters([s.name(1)] * FLOOD, [["d%d@dead.test" % n] for n in range(FLOOD)]))
        until(lambda: hung, 60, "the first to hang")
        for n in (2, 1):
            sent(s, n, sink, "alive%d@alive%d.test" % (n, n), begun)
        same(len(s.queue()), FLOOD, "all that hangs waits")
        assert len(hung) <= CONNECTIONS // 2, "%d hang" % len(hung)
    if FLOOD > 10000:  # that all of so many arrive is seen below
        s.postrider("queue", "delete", "ALL")
        return s.wait_empty_queue(60)
    until(lambda: len(arrivals(begun)) == FLOOD + 2, 60 + FLOOD / 50, "all to arrive", pause=0.3 + FLOOD / 50000)
    empty(s, FLOOD)


def test_domains_go_apart_when_one_of_them_hangs(s):
    """The next hop breaks off at one domain's recipient: at the next try the others of that message are no more held up by it."""
    begun, both = len(sink.messages), ["x@alive.test", "y@dead.test", "z@alive.test"]

    def rcpt(text):
        if "dead.test" in text:
            raise OSError("gone")
        return "250 2.1.5 ok"
    sink.answers["RCPT"] = rcpt
    submitting(s, 1, letters([s.name(1)], [both]))
    until(lambda: waiting(s), 60, "it to be deferred")
    same(arrivals(begun), [], "arrivals")
    s.postrider("queue", "retry", "ALL")
    until(lambda: len(arrivals(begun)) == 2, 60, "the others")
    same(arrivals(begun), [both[0], both[2]], "in one message")
    same(len(sink.messages), begun + 1)
    until(lambda: waiting(s), 60, "the one to be deferred")
    sink.answers.pop("RCPT")
    s.postrider("queue", "retry", "ALL")
    s.wait_empty_queue(60)
    same(arrivals(begun)[2:], [both[1]], "and the one")


def test_another_next_hop(s):
    """Domains with a route go their own way, recipients of one message go apart, and a next hop that hangs holds up nobody else's."""
    rcpts = ["a@far.test", "b@routed.test", "c@FAR.test", "d@Routed.test"]
    begun, there = len(sink.messages), len(hop.messages)
    submitting(s, 1, letters([s.name(1)], [rcpts]))
    s.wait_empty_queue(60)
    same([[r.lower() for r in arrivals(*at)] for at in ((begun, sink), (there, hop))], [[r.lower() for r in part] for part in (rcpts[::2], rcpts[1::2])],
         "each its way")
    same((len(sink.messages) - begun, len(hop.messages) - there), (1, 1), "transactions")
    for dead, alive, of_dead, of_alive in ((sink, hop, "far%d.test", "routed.test"), (hop, sink, "routed.test", "far1.test")):
        speak = threading.Event()
        dead.hang_up()
        dead.answers["greeting"] = lambda text: "220 sink.test ESMTP" if speak.wait(290) else "421 4.3.2 no"
        begun, there, total = len(alive.messages), len(dead.messages), min(FLOOD, 1000)
        try:
            submitting(s, 1, letters([s.name(1)] * total, [["w%d@%s" % (n, of_dead % (n % 50) if "%" in of_dead else of_dead)] for n in range(total)]))
            until(lambda: dead.connections, 60, "connections to hang")
            for n in (2, 1):
                sent(s, n, alive, "s%d@%s" % (n, of_alive), begun)
            same((arrivals(there, dead), len(s.queue())), ([], total), "what hangs")
        finally:
            dead.answers.pop("greeting")
            speak.set()
        empty(s, total)
        same(len(arrivals(there, dead)), total, "arrivals")


def test_a_next_hop_that_says_nothing(s):
    """Connections hang at its greeting: local mail goes on, also that of the same sender. When it speaks again another's message is not last."""
    speak, begun, came = threading.Event(), len(sink.messages), []
    sink.hang_up()
    sink.answers["greeting"] = lambda text: "220 sink.test ESMTP" if speak.wait(290) else "421 4.3.2 no"
    try:
        # A client waits for a greeting for some minutes only: it begins when all is there.
        with stopped(s, "smtp-client"):
            submitting(s, 1, letters([s.name(1)] * FLOOD, far(FLOOD)))
        until(lambda: sink.connections, 60, "connections to hang")
        for n in (1, 2):
            mark, at = end_of_log(s), time.monotonic()
            submitting(s, n, letters([s.name(n)], [[s.name(BESIDE)]]))
            until(lambda: delivered(s, mark) == [s.name(BESIDE)], 60, "the message beside the flood")
            tell("mail within the host", time.monotonic() - at)
            same((arrivals(begun), len(s.queue())), ([], FLOOD), "and of the flood none went")
        submitting(s, 2, letters([s.name(2)], [["single@other.test"]]))
        sink.answers["."] = lambda text: ("single@" in text and came.append(time.monotonic())) or "250 2.0.0 taken"
        at = time.monotonic()
    finally:
        speak.set()
    until(lambda: len(arrivals(begun)) >= FLOOD + 1, 60 + FLOOD / 50, "all to arrive", pause=0.3 + FLOOD / 50000)
    sink.answers.pop(".")
    tell("the single message to another host", came[0] - at)
    same(len(arrivals(begun)), FLOOD + 1, "arrivals")
    # Those in hand when it was ready, a turn or two, and those whose connections were quicker than its own.
    bound = 2 * CONNECTIONS + TURNS
    n = arrivals(begun).index("single@other.test")
    assert n <= bound < FLOOD, "%d of %d before it, at most %d wanted" % (n, FLOOD, bound)
    empty(s, FLOOD)


def test_all_that_waited_is_due_at_once(s):
    """A next hop that is down: all is deferred, then all is due at once and as much as smtp-client takes is with it; local mail goes on."""
    begun = len(sink.messages)
    sink.answers["greeting"] = "421 4.3.2 not now"
    sink.hang_up()
    submitting(s, 1, letters([s.name(1)] * FLOOD, far(FLOOD)))
    until(lambda: len(waiting(s)) == FLOOD, 60 + FLOOD / 100, "all to be deferred", pause=0.5 + FLOOD / 50000)
    sink.answers.pop("greeting")
    with stopped(s, "smtp-client"):
        same(json.loads(s.postrider("--json", "queue", "retry", "ALL"))["count"], FLOOD)
        mark, at = end_of_log(s), time.monotonic()
        outside(s, letters(["another@elsewhere.test"], [[s.name(BESIDE)]]))
        until(lambda: delivered(s, mark) == [s.name(BESIDE)], 60, "local mail beside those that are due")
        tell("mail within the host", time.monotonic() - at)
        same(len(sink.messages), begun)
    s.postrider("queue", "delete", "ALL")
    s.wait_empty_queue(60)

sink, hop = Sink(), Sink()
main(globals(), accounts=BESIDE, settings=["relay_host=" + sink.address(), "relay_routes=routed.test=" + hop.address(), "recipient_limit=20000", "queue.retry_min=3000", "queue.retry_max=6000"])
