/* SPDX-License-Identifier: ISC */
/* queue: asked of qmgr. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/date.h"
#include "base/mem.h"
#include "cli.h"

enum { HOLD = 1, RELEASE = 2, RETRY = 3, DELETE = 4, SHOW = 5 };

static void print_time(uint64_t t)
{
	struct date d;

	date_of((int64_t)t, &d);
	printf("%04d-%02d-%02d %02d:%02d:%02d", d.year, d.month, d.day, d.hour, d.minute, d.second);
}

static void print_entry(const struct ipc_queue_entry *e)
{
	text_print(stdout, e->queue_id);
	printf("%s  ", e->held ? " held" : "");
	print_time(e->arrived);
	printf("  %10llu  <", (unsigned long long)e->size);
	text_print(stdout, e->sender);
	printf("> to <");
	text_print(stdout, e->rcpt);
	printf(">\n");
	if (!e->status.n && !e->next_try)
		return;
	printf("        ");
	if (e->next_try) {
		printf("next try ");
		print_time(e->next_try);
		printf(e->status.n ? ": " : "");
	}
	text_print(stdout, e->status);
	putchar('\n');
}

static void print_entry_json(const struct ipc_queue_entry *e, bool first)
{
	printf("%s\n{\"queue_id\":", first ? "" : ",");
	json_string(stdout, e->queue_id);
	printf(",\"arrived\":%llu,\"size\":%llu,\"next_try\":%llu,\"held\":%s,\"sender\":", (unsigned long long)e->arrived,
		(unsigned long long)e->size, (unsigned long long)e->next_try, e->held ? "true" : "false");
	json_string(stdout, e->sender);
	printf(",\"recipient\":");
	json_string(stdout, e->rcpt);
	printf(",\"status\":");
	json_string(stdout, e->status);
	putchar('}');
}

static int entries(const struct cli *c, struct ipc_client *client, uint64_t *n)
{
	for (;;) {
		enum ipc_kind kind;
		const void *m;
		int code = cli_receive(client, &kind, &m);

		if (code)
			return code;
		if (kind == IPC_CONTROL_DONE)
			return cli_done(m, "");
		if (kind != IPC_QUEUE_ENTRY)
			continue;
		if (cli_json(c))
			print_entry_json(m, *n == 0);
		else
			print_entry(m);
		++*n;
	}
}

int cmd_queue_list(struct cli *c)
{
	struct ipc_queue_list m = { .id = 1, .pattern = view_of(c->nargs ? c->args[0] : "") };
	struct ipc_client *client = cli_connect(c, "queue.sock", ROLE_QMGR);
	uint64_t n = 0;
	int code;

	if (!client)
		return EXIT_UNAVAILABLE;
	code = cli_send(client, IPC_QUEUE_LIST, &m);
	if (!code && cli_json(c))
		putchar('[');
	if (!code)
		code = entries(c, client, &n);
	if (!code && cli_json(c))
		printf("\n]\n");
	else if (!code && n == 0)
		printf("the queue is empty\n");
	ipc_client_close(client);
	return code;
}

/* Waits for the end of an action, printing a message's parts where there are any. what: which messages were meant, for a refusal. */
static int finish(struct ipc_client *client, const char *what, uint64_t *count)
{
	for (;;) {
		enum ipc_kind kind;
		const void *m;
		int code = cli_receive(client, &kind, &m);

		if (code)
			return code;
		if (kind == IPC_QUEUE_CONTENT) {
			struct view part = ((const struct ipc_queue_content *)m)->part;

			(void)fwrite(part.p, 1, part.n, stdout);
		} else if (kind == IPC_CONTROL_DONE) {
			*count = ((const struct ipc_control_done *)m)->count;
			return cli_done(m, what);
		}
	}
}

static int act_on(const struct cli *c, uint8_t action, const char *pattern, uint64_t *count)
{
	struct ipc_queue_act m = { .id = 1, .action = action, .pattern = view_of(pattern) };
	struct ipc_client *client = cli_connect(c, "queue.sock", ROLE_QMGR);
	int code;

	if (!client)
		return EXIT_UNAVAILABLE;
	code = cli_send(client, IPC_QUEUE_ACT, &m);
	if (!code)
		code = finish(client, pattern, count);
	ipc_client_close(client);
	return code;
}

static int act(struct cli *c, uint8_t action, uint64_t *count) { return act_on(c, action, c->args[0], count); }

int cli_queue_retry(const struct cli *c, const char *pattern, uint64_t *count) { return act_on(c, RETRY, pattern, count); }

static int act_and_say(struct cli *c, uint8_t action, const char *did)
{
	uint64_t count = 0;
	int code = act(c, action, &count);

	if (code)
		return code;
	if (cli_json(c))
		printf("{\"count\":%llu}\n", (unsigned long long)count);
	else
		printf("%llu %s\n", (unsigned long long)count, did);
	return count ? EXIT_OK : EXIT_FAILED;
}

int cmd_queue_show(struct cli *c)
{
	uint64_t count = 0;

	return act(c, SHOW, &count);
}

int cmd_queue_hold(struct cli *c) { return act_and_say(c, HOLD, "held"); }
int cmd_queue_release(struct cli *c) { return act_and_say(c, RELEASE, "released"); }
int cmd_queue_retry(struct cli *c) { return act_and_say(c, RETRY, "to be tried now"); }
int cmd_queue_delete(struct cli *c) { return act_and_say(c, DELETE, "deleted"); }
