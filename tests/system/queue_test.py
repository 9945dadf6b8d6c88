# SPDX-License-Identifier: ISC
"""Mail for other hosts: it waits, is held, retried, deleted, and comes back to its sender as RFC 3464 has it."""
import email
import email.policy
from suite import *

sink = Sink()


def submit(s, to, n=1, sender=None, **parts):
    text, ident = message(to=to, sender=s.name(n), **parts)
    with s.submission(n) as c:
        same(c.sendmail(s.name(n) if sender is None else sender, [to] if isinstance(to, str) else to, text), {})
    return ident


def entry(s, address):
    return [e for e in s.queue() if e["recipient"] == address]


def reports(s, n=1):
    """The notifications in an INBOX."""
    c = s.imap(n)
    try:
        c.select("INBOX", readonly=True)
        all_texts = [p[1] for p in c.uid("FETCH", "1:*", "BODY.PEEK[]")[1] if isinstance(p, tuple)]
    finally:
        c.logout()
    messages = [email.message_from_bytes(t, policy=email.policy.SMTP) for t in all_texts]
    return [m for m in messages if m.get_content_type() == "multipart/report"]


def test_permanent_failure_comes_back(s):
    sink.answers["RCPT"] = lambda text: "550 5.1.1 no such user here" if "nobody@" in text else "250 2.1.5 ok"
    ident = submit(s, "nobody@far.test", body="the body\r\n")
    m = until(lambda: reports(s), 15, "the notification", pause=0.1)[0]
    same(m["Return-Path"], "<>")
    same(m.get_param("report-type"), "delivery-status")
    assert m["Auto-Submitted"] and m["Auto-Submitted"].startswith("auto-"), m["Auto-Submitted"]
    parts = list(m.iter_parts())
    same(parts[1].get_content_type(), "message/delivery-status")
    fields = parts[1].as_string()
    for wanted in ("Reporting-MTA: dns; ?mail.example.test", "Final-Recipient: rfc822; ?nobody@far.test", "Action: failed", "Status: 5.1.1", "Diagnostic-Code: smtp; ?550"):
        assert re.search(wanted, fields), (wanted, fields)
    assert parts[2].get_content_type() in ("message/rfc822", "text/rfc822-headers"), parts[2].get_content_type()
    assert ident in parts[2].as_string()
    s.wait_empty_queue()


def test_what_the_next_host_says_does_not_show_where_an_alias_leads(s):
    """RFC 3464 4.2 (c): neither its name nor its words, which hold the address."""
    s.postrider("alias", "add", "hidden@" + s.domain, "secret@far.test")
    sink.answers["RCPT"] = lambda text: "550 5.1.1 no " + text if "secret@" in text else "250 2.1.5 ok"
    n = len(reports(s))
    submit(s, "hidden@" + s.domain)
    m = until(lambda: reports(s)[n:], 60, "the notification", pause=0.1)[0]
    assert "Final-Recipient: rfc822; hidden@" in m.as_string() and "Status: 5.1.1" in m.as_string(), m
    for led in ("secret", "far.test", "Remote-MTA", "sink.test", "127.0.0.1:"):
        assert led not in m.as_string(), (led, m.as_string())
    s.wait_empty_queue()


def test_null_sender_is_never_bounced(s):
    n = len(reports(s))
    sendmail = os.path.dirname(s.program) + "/sendmail"
    run(sendmail, "-C", s.info["config"], "-f", "<>", "nobody@far.test", stdin="Subject: x\nTo: nobody@far.test\n\nx\n")
    s.wait_empty_queue()
    same(len(reports(s)), n)
    same(len(reports(s, 2)), 0)


def test_deferred_mail_waits_and_is_tried_again(s):
    sink.answers["RCPT"] = lambda text: "451 4.2.0 later" if "slow@" in text else "250 2.1.5 ok"
    ident = submit(s, "slow@far.test")
    e = until(lambda: [e for e in entry(s, "slow@far.test") if e["next_try"]], 10, "a deferred entry", pause=0.1)[0]
    assert "451" in e["status"] or "4.2.0" in e["status"] or "later" in e["status"], e
    same(e["sender"], s.name(1))
    sink.answers["RCPT"] = "250 2.1.5 ok"
    s.postrider("queue", "retry", e["queue_id"])
    until(lambda: any(ident.encode() in m[2] for m in sink.messages), 10, "the retried message")
    s.wait_empty_queue()


def test_hold_show_release_delete(s):
    sink.answers["RCPT"] = lambda text: "451 4.2.0 later" if "held@" in text or "gone@" in text else "250 ok"
    ident = submit(s, "held@far.test", body="secret words\r\n")
    gone = submit(s, "gone@far.test")
    held = until(lambda: [e for e in entry(s, "held@far.test") if e["next_try"]], 10, pause=0.1)[0]["queue_id"]
    s.postrider("queue", "hold", held)
    assert entry(s, "held@far.test")[0]["held"]
    assert "secret words" in s.postrider("queue", "show", held)
    assert held in s.postrider("queue", "list")
    sink.answers["RCPT"] = "250 ok"
    s.postrider("queue", "retry", held, code=None)
    time.sleep(0.5)
    assert not any(ident.encode() in m[2] for m in sink.messages), "a held message went out"
    s.postrider("queue", "release", held)
    until(lambda: any(ident.encode() in m[2] for m in sink.messages) or not s.postrider("queue", "retry", held, code=None), 10, pause=0.2)
    until(lambda: any(ident.encode() in m[2] for m in sink.messages), 10)
    for e in entry(s, "gone@far.test"):
        s.postrider("queue", "delete", e["queue_id"])
    s.wait_empty_queue()
    assert not any(gone.encode() in m[2] for m in sink.messages), "a deleted message went out"
    s.postrider("queue", "show", "nosuchid", code=None)


def test_the_queue_outlives_a_restart(s):
    sink.answers["RCPT"] = "451 4.2.0 later"
    idents = [submit(s, "later%d@far.test" % n) for n in range(5)]
    s.postrider("queue", "hold", entry(s, "later0@far.test")[0]["queue_id"])
    s.stop()
    s.start()
    same(len([e for e in s.queue() if e["recipient"].startswith("later")]), 5)
    assert entry(s, "later0@far.test")[0]["held"], "a restart released a message"
    sink.answers["RCPT"] = "250 ok"
    s.postrider("queue", "release", entry(s, "later0@far.test")[0]["queue_id"])
    for e in s.queue():
        # One that is on its way already, or gone meanwhile, is nothing to be tried.
        s.postrider("queue", "retry", e["queue_id"], code=None)
    s.wait_empty_queue()
    for i in idents:
        same(len([m for m in sink.messages if i.encode() in m[2]]), 1, "times " + i)


def test_expiry(s):
    sink.answers["RCPT"] = "451 4.2.0 never now"
    n = len(reports(s))
    s.configure("queue.lifetime = 1\nqueue.retry_min = 1\nqueue.retry_max = 1\n")
    s.postrider("reload")
    submit(s, "old@far.test")
    m = until(lambda: len(reports(s)) > n and reports(s)[-1], 20, "the notification", pause=0.2)
    assert "old@far.test" in m.as_string() and re.search("Action: failed", m.as_string()), m.as_string()[:2000]
    s.wait_empty_queue()


main(globals(), accounts=2, settings=["relay_host=" + sink.address(), "queue.retry_min=2", "queue.retry_max=5"])
