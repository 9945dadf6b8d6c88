/* SPDX-License-Identifier: ISC */
/*
 * A change asked for by postrider(1): checked, its password hashed in the pool, appended, and answered after the flush. One flush serves all that were
 * appended in one turn of the loop.
 */
#include <stdlib.h>
#include <string.h>

#include "accounts/accounts.h"
#include "accounts/change.h"
#include "accounts/password.h"
#include "base/mem.h"
#include "log/log.h"
#include "sys/clock.h"

#define JOBS_MAX 4096

enum { ADD = 1, PASSWORD = 2, DISABLE = 3, ENABLE = 4, DELETE = 5 };

struct job {
	struct list all;   /* in accounts.jobs */
	struct list stage; /* in accounts.hashing or accounts.flushing */
	struct accounts *a;
	struct ipc_channel *from; /* NULL: gone */
	uint64_t id;
	enum ipc_kind kind;
	uint8_t action;
	struct arena *arena;
	struct view name;
	struct view *targets;
	size_t ntargets;
	char *password; /* until it is hashed */
	bool hashed;
	struct buf hash, scram, why;
	uint32_t uid;
	int err;
};

static struct job *job_new(struct accounts *a, struct ipc_channel *from, enum ipc_kind kind, uint64_t id, struct view name)
{
	struct job *j = mem_new(sizeof(*j));

	j->a = a;
	j->from = from;
	j->kind = kind;
	j->id = id;
	j->arena = arena_new();
	j->name = arena_view(j->arena, name);
	buf_init(&j->hash, 512);
	buf_init(&j->scram, 512);
	buf_init(&j->why, 500);
	list_init(&j->stage);
	list_append(&a->jobs, &j->all);
	a->njobs++;
	return j;
}

static void job_free(struct job *j)
{
	list_remove(&j->all);
	list_remove(&j->stage);
	j->a->njobs--;
	if (j->password)
		mem_wipe(j->password, strlen(j->password));
	free(j->password);
	arena_free(j->arena);
	buf_fini(&j->hash);
	buf_fini(&j->scram);
	buf_fini(&j->why);
	free(j);
}

/* ---- the answer ---- */

static uint8_t outcome_of(int err)
{
	if (err == ERR_OK)
		return IPC_DONE;
	return err_class(err) == ERR_CLASS_TEMPORARY ? IPC_LATER : IPC_NEVER;
}

static const char *event_of(const struct job *j)
{
	static const char *const accounts[] = { "account_changed", "account_added", "password_changed", "account_disabled",
		"account_enabled", "account_deleted" };

	if (j->kind == IPC_ACCOUNT_SET)
		return accounts[j->action <= DELETE ? j->action : 0];
	if (j->kind == IPC_ALIAS_SET)
		return j->action ? "alias_deleted" : "alias_set";
	return j->kind == IPC_DOMAIN_ADD ? "domain_added" : "domain_deleted";
}

static void job_end(struct job *j)
{
	struct ipc_control_done done = { .id = j->id, .outcome = outcome_of(j->err), .count = j->uid };

	if (j->err && buf_len(&j->why) == 0)
		buf_adds(&j->why, err_text(j->err));
	done.text = j->err ? buf_view(&j->why) : VIEW_NONE;
	if (j->err)
		log_info("change_refused", LV("name", j->name), LERR("error", j->err), LV("why", done.text));
	else
		log_info(event_of(j), LV("name", j->name), LU("uid", j->uid));
	if (j->from)
		(void)!ipc_send(j->from, IPC_CONTROL_DONE, &done, NULL, 0);
	job_free(j);
}

static void tell_lookup(struct accounts *a)
{
	struct ipc_tables_changed m = { .generation = table_generation(table_writer_table(a->w)) };

	for (unsigned i = 0; i < daemon_channels(a->d, ROLE_LOOKUP); i++) {
		struct ipc_channel *c = daemon_channel_at(a->d, ROLE_LOOKUP, i);

		if (c && ipc_channel_is_up(c))
			(void)!ipc_send(c, IPC_TABLES_CHANGED, &m, NULL, 0);
	}
}

/* A flush that failed is not tried again: a fresh process reads what is there. Until then nobody was told that it was done. */
static void flush_all(void *arg)
{
	struct accounts *a = arg;
	int err = table_flush(a->w);

	LIST_EACH(n, tmp, &a->flushing) {
		struct job *j = LIST_OF(n, struct job, stage);

		j->err = err;
		if (!err && j->kind == IPC_ACCOUNT_SET && j->action == ADD)
			accounts_home_want(a, j->uid);
		job_end(j);
	}
	if (err) {
		log_error("tables_not_flushed", LERR("error", err), LS("what_to_do", "free space or mend the disk; accounts starts again"));
		daemon_exit(a->d);
		return;
	}
	tell_lookup(a);
	if (!a->d->stopping)
		accounts_changed(a);
}

void accounts_jobs_flush(struct accounts *a)
{
	loop_later_cancel(a->d->loop, &a->flush);
	if (!list_empty(&a->flushing))
		flush_all(a);
}

/* ---- the change ---- */

static int account_apply(struct job *j, struct change *c)
{
	struct view hash = buf_view(&j->hash), scram = buf_view(&j->scram);

	switch (j->action) {
	case ADD:
		return change_account_add(c, j->name, hash, scram, &j->uid);
	case PASSWORD:
		return change_account_password(c, j->name, hash, scram);
	case DISABLE:
	case ENABLE:
		return change_account_disable(c, j->name, j->action == DISABLE);
	case DELETE:
		return change_account_delete(c, j->name, &j->uid);
	default:
		return ERR_PROTOCOL;
	}
}

static int apply(struct job *j, struct change *c)
{
	if (j->kind == IPC_DOMAIN_ADD)
		return change_domain_add(c, j->name);
	if (j->kind == IPC_DOMAIN_DELETE)
		return change_domain_delete(c, j->name);
	if (j->kind == IPC_ALIAS_SET)
		return j->action ? change_alias_delete(c, j->name) : change_alias_set(c, j->name, j->targets, j->ntargets);
	return account_apply(j, c);
}

static struct change change_of(struct job *j)
{
	const struct conf *conf = j->a->d->conf;
	uint64_t first = conf_num(conf, PARAM_UID_FIRST), last = first + conf_num(conf, PARAM_UID_COUNT) - 1;

	return (struct change){
		.w = j->a->w,
		.dir = ".",
		.uid_first = (uint32_t)first,
		.uid_last = last > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)last,
		.now = (uint64_t)clock_wall(NULL),
		.why = &j->why,
	};
}

static void job_apply(struct job *j)
{
	struct change c = change_of(j);

	j->err = apply(j, &c);
	if (j->err) {
		job_end(j);
		return;
	}
	list_append(&j->a->flushing, &j->stage);
	loop_later(j->a->d->loop, &j->a->flush);
}

/* ---- passwords ---- */

static void hash_run(void *arg)
{
	struct job *j = arg;

	j->err = password_store(view_of(j->password), &j->hash, &j->scram);
}

/* In the order of asking, whichever hash was ready first: the first account of a list becomes the domain's first. */
static void hash_done(void *arg)
{
	struct job *done = arg;
	struct accounts *a = done->a;

	done->hashed = true;
	LIST_EACH(n, tmp, &a->hashing) {
		struct job *j = LIST_OF(n, struct job, stage);

		if (!j->hashed)
			return;
		list_remove(&j->stage);
		if (j->err)
			job_end(j);
		else
			job_apply(j);
	}
}

static void hash(struct job *j)
{
	list_append(&j->a->hashing, &j->stage);
	pool_submit(j->a->pool, hash_run, hash_done, j);
}

/* What can be refused is refused before the costly hash. */
static int password_take(struct job *j, struct view password)
{
	struct change c = change_of(j);
	struct address a;
	const char *fault;
	int err = j->action == ADD ? change_account_check(&c, j->name, &a) : ERR_OK;

	if (err || (password.n == 0 && j->action == ADD))
		return err;
	fault = password_fault(password);
	if (fault) {
		buf_adds(&j->why, fault);
		return ERR_INVALID;
	}
	j->password = mem_str(password);
	return ERR_OK;
}

/* ---- messages ---- */

static bool busy(struct accounts *a, struct ipc_channel *from, uint64_t id)
{
	struct ipc_control_done done = { .id = id, .outcome = IPC_LATER, .text = VIEW("not now: too many changes at once, or the suite stops; try again") };

	if (a->njobs < JOBS_MAX && !a->d->stopping)
		return false;
	(void)!ipc_send(from, IPC_CONTROL_DONE, &done, NULL, 0);
	return true;
}

static void on_domain_add(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct accounts *a = ((struct daemon *)arg)->user;
	const struct ipc_domain_add *m = message;

	(void)fds;
	(void)nfds;
	if (!busy(a, from, m->id))
		job_apply(job_new(a, from, IPC_DOMAIN_ADD, m->id, m->domain));
}

static void on_domain_delete(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct accounts *a = ((struct daemon *)arg)->user;
	const struct ipc_domain_delete *m = message;

	(void)fds;
	(void)nfds;
	if (!busy(a, from, m->id))
		job_apply(job_new(a, from, IPC_DOMAIN_DELETE, m->id, m->domain));
}

static void on_account_set(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct accounts *a = ((struct daemon *)arg)->user;
	const struct ipc_account_set *m = message;
	struct job *j;

	(void)fds;
	(void)nfds;
	if (busy(a, from, m->id))
		return;
	j = job_new(a, from, IPC_ACCOUNT_SET, m->id, m->address);
	j->action = m->action;
	if (m->action == ADD || m->action == PASSWORD)
		j->err = password_take(j, m->password);
	if (j->err)
		job_end(j);
	else if (j->password)
		hash(j);
	else
		job_apply(j);
}

static void targets_take(struct job *j, const struct ipc_list *list)
{
	struct view rest = list->bytes;
	struct ipc_target t;

	if (list->count == 0)
		return;
	j->targets = arena_alloc(j->arena, list->count * sizeof(*j->targets));
	while (j->ntargets < list->count && ipc_target_next(&rest, &t))
		j->targets[j->ntargets++] = arena_view(j->arena, t.address);
}

static void on_alias_set(void *arg, struct ipc_channel *from, const void *message, int *fds, size_t nfds)
{
	struct accounts *a = ((struct daemon *)arg)->user;
	const struct ipc_alias_set *m = message;
	struct job *j;

	(void)fds;
	(void)nfds;
	if (busy(a, from, m->id))
		return;
	j = job_new(a, from, IPC_ALIAS_SET, m->id, m->address);
	j->action = m->delete;
	targets_take(j, &m->targets);
	job_apply(j);
}

const struct ipc_handler accounts_handlers[] = {
	{ IPC_DOMAIN_ADD, on_domain_add },
	{ IPC_DOMAIN_DELETE, on_domain_delete },
	{ IPC_DOMAIN_LIST, accounts_on_domain_list },
	{ IPC_ACCOUNT_SET, on_account_set },
	{ IPC_ACCOUNT_LIST, accounts_on_account_list },
	{ IPC_ACCOUNT_HOLD, accounts_on_hold },
	{ IPC_ALIAS_SET, on_alias_set },
	{ IPC_ALIAS_LIST, accounts_on_alias_list },
	{ IPC_HOME_MADE, accounts_on_home_made },
	{ 0 },
};

void accounts_jobs_init(struct accounts *a)
{
	list_init(&a->jobs);
	list_init(&a->hashing);
	list_init(&a->flushing);
	a->flush = (struct later){ .fn = flush_all, .arg = a };
}

void accounts_client_gone(struct accounts *a, struct ipc_channel *c)
{
	LIST_EACH(n, tmp, &a->jobs) {
		struct job *j = LIST_OF(n, struct job, all);

		if (j->from == c)
			j->from = NULL;
	}
	accounts_listings_gone(a, c);
	accounts_holds_gone(a, c);
}
