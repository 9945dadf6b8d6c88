/* SPDX-License-Identifier: ISC */
/*
 * accounts: the one writer of the tables of domains, accounts and aliases. postrider(1) asks over the control socket; the skeleton lets in root,
 * the suite's own user in single-user mode, and the group that control_group names, by what the kernel says of the caller.
 */
#include "accounts/accounts.h"

#include "accounts/change.h"
#include "base/mem.h"
#include "log/log.h"

#define MERGE_AT (4u * 1024 * 1024) /* octets of records; then at once */
#define MERGE_IDLE (256u * 1024)    /* then when nothing was changed for a while */
#define IDLE_MS 5000
#define HASHERS 2

static void merge_run(void *arg)
{
	struct accounts *a = arg;

	a->merge_err = table_merge_run(a->merge);
}

static void merge_done(void *arg)
{
	struct accounts *a = arg;
	int err = table_merge_end(a->w, a->merge, a->merge_err);

	a->merge = NULL;
	a->merged_size = table_delta_size(a->w);
	if (err)
		log_warn("tables_not_merged", LERR("error", err), LS("what_to_do", "nothing is lost; see that the disk has room"));
	else
		log_info("tables_merged", LU("generation", table_generation(table_writer_table(a->w))));
}

static const struct base_engine *engine_of(const struct accounts *a)
{
	return base_engine_of(conf_text(a->d->conf, PARAM_TABLE_TYPE));
}

static void merge_begin(struct accounts *a)
{
	int err = table_merge_begin(a->w, engine_of(a), &a->merge);

	if (!err)
		pool_submit(a->pool, merge_run, merge_done, a);
	else
		log_warn("tables_not_merged", LERR("error", err));
}

void accounts_changed(struct accounts *a)
{
	if (!a->merge && table_delta_size(a->w) >= a->merged_size + MERGE_AT)
		merge_begin(a);
	timer_set(a->idle, IDLE_MS);
}

static void on_idle(void *arg)
{
	struct accounts *a = arg;

	if (!a->merge && (!table_has_base(a->w) || table_delta_size(a->w) >= a->merged_size + MERGE_IDLE))
		merge_begin(a);
}

/* At the start there is time, and nobody waits: the base becomes of the kind that is wanted. */
static void merge_at_start(struct accounts *a)
{
	a->merged_size = DELTA_RECORDS_AT;
	if (table_other_kind(a->w, engine_of(a)) || table_delta_size(a->w) >= a->merged_size + MERGE_IDLE)
		merge_begin(a);
	else if (!table_has_base(a->w) && table_delta_size(a->w) > DELTA_RECORDS_AT)
		timer_set(a->idle, IDLE_MS);
}

static int tables_open(struct accounts *a)
{
	int err;

	if (!engine_of(a)) {
		log_error("table_type_not_built_in", LV("table_type", conf_text(a->d->conf, PARAM_TABLE_TYPE)),
			LS("what_to_do", "choose another table_type, or build with this library"));
		return ERR_UNSUPPORTED;
	}
	err = table_writer_open(".", ENTRY_TABLE, &a->w);
	if (err)
		log_error("tables_not_opened", LS("table", ENTRY_TABLE), LERR("error", err),
			LS("what_to_do", err == ERR_BUSY ? "another accounts process holds them" : "see postrider-tables(5)"));
	return err;
}

static int start(struct daemon *d)
{
	struct accounts *a = mem_new(sizeof(*a));
	int err;

	a->d = d;
	d->user = a;
	list_init(&a->listings);
	list_init(&a->holds);
	accounts_jobs_init(a);
	a->pool = pool_new(d->loop, HASHERS);
	a->idle = timer_new(d->loop, on_idle, a);
	err = tables_open(a);
	if (!err)
		merge_at_start(a);
	return err;
}

static void accepted(struct daemon *d, const char *listener, int fd, const struct sock_addr *peer)
{
	(void)listener;
	(void)peer;
	daemon_control_client(d, fd);
}

static void on_up(void *d, struct ipc_channel *c)
{
	if (ipc_channel_peer(c) == ROLE_HOST)
		accounts_holds_tell(((struct daemon *)d)->user);
}

static void on_down(void *d, struct ipc_channel *c) { accounts_client_gone(((struct daemon *)d)->user, c); }

/* What was appended is flushed and answered; what is only being hashed, or merged, is asked for again after the start. */
static void stop(struct daemon *d)
{
	struct accounts *a = d->user;

	pool_free(a->pool);
	accounts_jobs_flush(a);
	if (a->merge)
		(void)!table_merge_end(a->w, a->merge, ERR_AGAIN);
	table_writer_close(a->w);
	daemon_exit(d);
}

int main(int argc, char **argv)
{
	const struct daemon_hooks hooks = {
		.role = ROLE_ACCOUNTS,
		.start = start,
		.stop = stop,
		.accepted = accepted,
		.handlers = accounts_handlers,
		.on_up = on_up,
		.on_down = on_down,
	};

	return daemon_main(argc, argv, &hooks);
}
