# SPDX-License-Identifier: ISC
"""What senders are told (RFC 3461), and many messages that wait without a relay host (queue_test has the queue's commands)."""
import email
import email.policy
from suite import *


def submit(s, to, options="", sender=None):
    text, ident = message(to=to, sender=s.name(1))
    with s.submission(1) as c:
        c.ehlo()
        same(c.docmd("MAIL", "FROM:<%s> RET=HDRS ENVID=env+2B1" % s.name(1))[0], 250)
        same(c.docmd("RCPT", "TO:<%s> %s" % (to, options))[0], 250)
        same(c.data(text)[0], 250)
    return ident


def notices(s, about):
    c = s.imap(1)
    try:
        c.select("INBOX", readonly=True)
        texts = [p[1].decode(errors="replace") for p in c.uid("FETCH", "1:*", "BODY.PEEK[]")[1] if isinstance(p, tuple)]
        return [t for t in texts if "multipart/report" in t and about in t]
    finally:
        c.logout()


def told(s, about, n=1):
    return until(lambda: len(notices(s, about)) >= n and notices(s, about), 15, "the notification of " + about, pause=0.2)[-1]


def test_success_is_told_where_it_was_asked_for(s):
    quiet = submit(s, s.name(2))
    asked = submit(s, s.name(2), "NOTIFY=SUCCESS ORCPT=rfc822;" + s.name(2).replace("@", "+40"))
    t = told(s, asked)
    assert "Action: delivered" in t and "Original-Envelope-Id: env+1" in t and "Original-Recipient: rfc822; " in t, t
    s.wait_mail(2, quiet)
    same(notices(s, quiet), [])


def test_a_delay_is_told_once_and_the_end_is_told(s):
    ordinary = submit(s, "slow@far.test")
    never = submit(s, "never@far.test", "NOTIFY=NEVER")
    failure = submit(s, "failure@far.test", "NOTIFY=FAILURE")
    t = told(s, ordinary)
    assert "Action: delayed" in t and "Status: 4.4.4" in t and "Will-Retry-Until: " in t, t
    same(notices(s, failure), [])
    until(lambda: not s.queue(), 25, "the end of their lifetime", pause=0.3)
    for ident, actions in ((ordinary, ["delayed", "failed"]), (failure, ["failed"]), (never, [])):
        until(lambda: len(notices(s, ident)) >= len(actions), 10, pause=0.2)
        same(sorted(re.search(r"Action: (\w+)", t).group(1) for t in notices(s, ident)), actions, "what the sender was told")


def taken_apart(text):
    """A notification as another program reads it: its header, the fields of the message and of each recipient, and what it returns of the message."""
    m = email.message_from_string(text, policy=email.policy.compat32)
    assert not m.defects, m.defects
    same((m.get_content_type(), m.get_param("report-type")), ("multipart/report", "delivery-status"))
    words, status, returned = m.get_payload()
    same((words.get_content_type(), status.get_content_type()), ("text/plain", "message/delivery-status"))
    return m, status.get_payload()[0], status.get_payload()[1:], returned


def asked(s, ret, options, to, tell):
    """A message with these options, and the notification of that action on it, taken apart."""
    text, ident = message(to=to, sender=s.name(1), body="the body\r\n")
    with s.submission(1) as c:
        c.ehlo()
        same(c.docmd("MAIL", "FROM:<%s> RET=%s ENVID=a+2Bb+3Dc" % (s.name(1), ret))[0], 250)
        same(c.docmd("RCPT", "TO:<%s> %s" % (to, options))[0], 250)
        same(c.data(text)[0], 250)
    return until(lambda: [p for p in map(taken_apart, notices(s, ident)) if p[2][0]["Action"] == tell], 60, "what is told of " + to, pause=0.3)[0]


def fields_are(s, parts, to, action, orcpt, status):
    m, of_message, (of_recipient,), returned = parts
    same(m["Return-Path"], "<>")
    same(m["To"], "<%s>" % s.name(1))
    assert m["Auto-Submitted"].startswith("auto-") and m["From"] and m["Message-ID"] and email.utils.parsedate_to_datetime(m["Date"])
    same(of_message["Reporting-MTA"], "dns; mail." + s.domain)
    same(of_message["Original-Envelope-Id"], "a+b=c")
    assert email.utils.parsedate_to_datetime(of_message["Arrival-Date"])
    same(of_recipient["Final-Recipient"], "rfc822; " + to)
    same(of_recipient["Original-Recipient"], orcpt, "Original-Recipient, which stands there when ORCPT was given, and only then")
    same(of_recipient["Action"], action)
    assert re.fullmatch(status, of_recipient["Status"]), of_recipient["Status"]
    same(of_recipient["Will-Retry-Until"] is not None, action == "delayed")
    return returned


def test_success_as_another_program_reads_it(s):
    orcpt = "ORCPT=rfc822;Other+2BName@far.test"
    for ret in ("HDRS", "FULL"):
        for options, original in (("", None), (orcpt, "rfc822; Other+Name@far.test")):
            parts = asked(s, ret, "NOTIFY=SUCCESS,DELAY " + options, s.name(2), "delivered")
            returned = fields_are(s, parts, s.name(2), "delivered", original, r"2\.\d+\.\d+")
            # RFC 3461 4.3: RET is of failures alone.
            same(returned.get_content_type(), "text/rfc822-headers")
            assert "Subject: test" in returned.get_payload() and "the body" not in returned.get_payload(), returned.get_payload()


def test_an_alias_does_not_show_where_it_leads(s):
    """RFC 3464 2.3.2: the address as it came, letter by letter. RFC 3461 5.2.7.3 (c): that it was expanded is told once, its delivery to each is not."""
    s.postrider("alias", "add", "team@" + s.domain, s.name(2), s.name(3), "secret@far.test")
    parts = asked(s, "FULL", "NOTIFY=SUCCESS ORCPT=rfc822;Other+2BName@else.test", "Team@" + s.domain, "expanded")
    fields_are(s, parts, "Team@" + s.domain, "expanded", "rfc822; Other+Name@else.test", r"2\.\d+\.\d+")
    s.wait_empty_queue(60)
    same(len(notices(s, "Final-Recipient: rfc822; Team@")), 1, "notifications of it")
    parts += asked(s, "FULL", "NOTIFY=FAILURE", "team@" + s.domain, "failed")
    same(parts[6][0]["Final-Recipient"], "rfc822; team@" + s.domain)
    for text in (parts[0].as_string(), parts[4].as_string()):
        for led in (s.name(2), s.name(3), "secret", "far.test"):
            assert led not in text, (led, text)
    s.wait_empty_queue(60)
    s.postrider("alias", "delete", "team@" + s.domain)


def test_delay_and_failure_as_another_program_reads_them(s):
    for ret in ("HDRS", "FULL"):
        parts = asked(s, ret, "NOTIFY=DELAY", "slow.%s@far.test" % ret, "delayed")
        returned = fields_are(s, parts, "slow.%s@far.test" % ret, "delayed", None, r"4\.\d+\.\d+")
        same(returned.get_content_type(), "text/rfc822-headers")
        parts = asked(s, ret, "NOTIFY=FAILURE ORCPT=rfc822;first@else.test", "late.%s@far.test" % ret, "failed")
        returned = fields_are(s, parts, "late.%s@far.test" % ret, "failed", "rfc822; first@else.test", r"[45]\.\d+\.\d+")
        same(returned.get_content_type(), "message/rfc822" if ret == "FULL" else "text/rfc822-headers")
        same("the body" in returned.as_string(), ret == "FULL")
    until(lambda: not s.queue(), 60, "the end of their lifetime", pause=0.3)


def hand_in(s, many):
    with s.session("submission", timeout=60).starttls() as c:
        c.expect("EHLO x.test", "250")
        c.expect("AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (s.name(1), PASSWORD)).encode()).decode(), "235")
        for n in range(many):
            content = message(to="w%d@far%d.test" % (n, n % 50), sender=s.name(1))[0]
            c.send(b"MAIL FROM:<%s>\r\nRCPT TO:<w%d@far%d.test>\r\nBDAT %d LAST\r\n" % (s.name(1).encode(), n, n % 50, len(content)) + content)
            for _ in range(3):
                got = c.reply()
                assert got.startswith("250"), got


def tries(s):
    return sorted((e["queue_id"], e["next_try"]) for e in s.queue() if e["next_try"])


def octets_read(s):
    """By qmgr, from wherever, since it was started."""
    pid, = s.pids("qmgr")
    with open("/proc/%d/io" % pid) as f:
        return int(re.search(r"rchar: (\d+)", f.read()).group(1))


def test_five_thousand_that_wait_delay_nobody(s):
    """Mail beside them goes before any of them is tried, reads none of them, and goes as well while all of them are being tried, again and again."""
    with open(s.info["config"]) as f:
        text = f.read()
    with open(s.info["config"], "w") as f:
        f.write(re.sub(r"(?m)^queue\..*\n", "", text) + "queue.retry_min = 3000\nqueue.retry_max = 6000\n")
    s.postrider("reload")
    threads = [threading.Thread(target=hand_in, args=(s, 1000), daemon=True) for _ in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(100)
    until(lambda: len(tries(s)) == 5000, 30, "5,000 that wait", pause=0.3)
    waited, begun = tries(s), octets_read(s) if ROOT else 0
    for _ in range(3):
        s.wait_mail(2, s.send(to=2), 60)
    if ROOT: # others may not look at a process that has confined itself
        assert octets_read(s) - begun < 100000, "%d octets read for three messages beside 5,000" % (octets_read(s) - begun)
    same(tries(s), waited, "those that wait")
    over, rounds = threading.Event(), []

    def again():
        while not over.is_set():
            rounds.append(json.loads(s.postrider("--json", "queue", "retry", "ALL"))["count"])
    trying = [threading.Thread(target=again, daemon=True) for _ in range(2)]
    for t in trying:
        t.start()
    try:
        until(lambda: len(rounds) > 1, 60, "the tries to begin")
        for _ in range(3):
            s.wait_mail(2, s.send(to=2), 60)
    finally:
        over.set()
        for t in trying:
            t.join(60)
    assert max(rounds) >= 5000, rounds
    until(lambda: len(tries(s)) == 5000, 30, "all to wait again", pause=0.3)
    same(json.loads(s.postrider("--json", "queue", "hold", "@far7.test"))["count"], 100)
    same(json.loads(s.postrider("--json", "queue", "delete", "ALL"))["count"], 5000)
    s.wait_empty_queue()


main(globals(), accounts=3, settings=["queue.warn=2", "queue.lifetime=8", "queue.retry_min=1", "queue.retry_max=2"])
