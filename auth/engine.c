/* SPDX-License-Identifier: ISC */
#include "auth/engine.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "sys/clock.h"

#define PLUGIN "postrider"

struct engine {
	sasl_conn_t *conn;
	const struct engine_facts *facts;
	char *mechanism;
	char *binding_type;
	void *binding_data;
	sasl_channel_binding_t binding;
	sasl_callback_t callbacks[6];
	bool started;
};

typedef int any_fn(void);

/* ---- callbacks ---- */

/* The conf file of libsasl is neither needed nor wanted: all its options are here. */
static int on_option(void *context, const char *plugin, const char *option, const char **result, unsigned *length)
{
	static const struct {
		const char *name, *value;
	} options[] = {
		{ "pwcheck_method", "auxprop" },
		{ "auxprop_plugin", PLUGIN },
		{ "mech_list", "PLAIN LOGIN SCRAM-SHA-256" },
		{ "log_level", "1" },
	};

	(void)context;
	(void)plugin;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(option, options[i].name) == 0) {
			*result = options[i].value;
			if (length)
				*length = (unsigned)strlen(*result);
			return SASL_OK;
		}
	return SASL_FAIL;
}

static int on_log(void *context, int level, const char *message)
{
	(void)context;
	(void)level;
	log_debug("sasl", LS("text", message));
	return SASL_OK;
}

static int on_checkpass(sasl_conn_t *conn, void *context, const char *user, const char *pass, unsigned passlen, struct propctx *props)
{
	const struct engine *e = context;

	(void)conn;
	(void)user;
	(void)pass;
	(void)passlen;
	(void)props;
	return e->facts->password_right ? SASL_OK : SASL_BADAUTH;
}

/* Whatever the client called itself, it is the account whose credentials are checked. */
static int on_canon_user(sasl_conn_t *conn, void *context, const char *in, unsigned inlen, unsigned flags, const char *realm, char *out,
	unsigned out_max, unsigned *out_len)
{
	const struct engine *e = context;
	struct view v = e->facts->account.n ? e->facts->account : view_make(in, inlen);

	(void)conn;
	(void)flags;
	(void)realm;
	if (v.n >= out_max)
		return SASL_BUFOVER;
	memcpy(out, v.p, v.n);
	out[v.n] = 0;
	*out_len = (unsigned)v.n;
	return SASL_OK;
}

static int on_proxy_policy(sasl_conn_t *conn, void *context, const char *wanted, unsigned wanted_n, const char *auth, unsigned auth_n,
	const char *realm, unsigned realm_n, struct propctx *props)
{
	(void)conn;
	(void)context;
	(void)realm;
	(void)realm_n;
	(void)props;
	return view_eq(view_make(wanted, wanted_n), view_make(auth, auth_n)) ? SASL_OK : SASL_NOAUTHZ;
}

/* ---- the property plugin ---- */

/* libsasl draws a nonce from a generator with a state of 48 bits, and cannot seed even that in a process without files. */
static void true_random(sasl_rand_t *pool, char *buf, unsigned len)
{
	(void)pool;
	random_bytes(buf, len);
}

/* A connection's own table of functions, which libsasl allocates for each and shows us as constant. */
static void use_true_random(const sasl_utils_t *utils) { ((sasl_utils_t *)(uintptr_t)utils)->rand = true_random; }

static void property_set(sasl_server_params_t *params, const struct propval *p, struct view value)
{
	const char *name = p->name[0] == '*' ? p->name + 1 : p->name;

	if (strcmp(name, "authPassword") == 0 && value.n)
		(void)params->utils->prop_set(params->propctx, p->name, value.p, (int)value.n);
}

static int plugin_lookup(void *glob, sasl_server_params_t *params, unsigned flags, const char *user, unsigned ulen)
{
	const struct propval *p;
	any_fn *fn = NULL;
	void *context = NULL;
	const struct engine *e;

	(void)glob;
	(void)user;
	(void)ulen;
	use_true_random(params->utils);
	/* The context of our own callback leads to the connection's facts. */
	if ((flags & SASL_AUXPROP_AUTHZID) ||
		params->utils->getcallback(params->utils->conn, SASL_CB_CANON_USER, (sasl_callback_ft *)&fn, &context) != SASL_OK)
		return SASL_OK;
	e = context;
	for (p = params->utils->prop_get(params->propctx); p && p->name; p++)
		property_set(params, p, e->facts->scram);
	return SASL_OK;
}

static int plugin_init(const sasl_utils_t *utils, int max_version, int *out_version, sasl_auxprop_plug_t **plug, const char *name)
{
	static sasl_auxprop_plug_t self = { .auxprop_lookup = plugin_lookup, .name = (char *)(uintptr_t)PLUGIN };

	(void)utils;
	(void)name;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_AUXPROP_PLUG_VERSION;
	*plug = &self;
	return SASL_OK;
}

/* ---- life ---- */

#define CALLBACK(number, fn, ctx) ((sasl_callback_t){ (number), (any_fn *)(void (*)(void))(fn), (ctx) })

int engine_init(void)
{
	static sasl_callback_t callbacks[3];
	int e;

	callbacks[0] = CALLBACK(SASL_CB_GETOPT, on_option, NULL);
	callbacks[1] = CALLBACK(SASL_CB_LOG, on_log, NULL);
	callbacks[2] = CALLBACK(SASL_CB_LIST_END, NULL, NULL);
	/* No conf file of the system has a say in it. */
	e = sasl_set_path(SASL_PATH_TYPE_CONFIG, (char *)(uintptr_t) "/nonexistent");
	if (e == SASL_OK)
		e = sasl_server_init(callbacks, "postrider");
	if (e == SASL_OK)
		e = sasl_auxprop_add_plugin(PLUGIN, plugin_init);
	if (e != SASL_OK)
		log_error("sasl_not_loaded", LS("error", sasl_errstring(e, NULL, NULL)));
	return e == SASL_OK ? ERR_OK : ERR_UNSUPPORTED;
}

static int properties_set(struct engine *e, const struct engine_binding *binding)
{
	/* No security layers: TLS is one. */
	sasl_security_properties_t props = { .security_flags = SASL_SEC_NOANONYMOUS };
	int err = sasl_setprop(e->conn, SASL_SEC_PROPS, &props);

	if (err != SASL_OK || binding->type.n == 0)
		return err;
	e->binding_type = mem_str(binding->type);
	e->binding_data = mem_str(binding->data);
	e->binding = (sasl_channel_binding_t){ .name = e->binding_type, .critical = 0, .len = binding->data.n, .data = e->binding_data };
	return sasl_setprop(e->conn, SASL_CHANNEL_BINDING, &e->binding);
}

struct engine *engine_new(const char *service, const char *hostname, const char *mechanism, const struct engine_facts *facts,
	const struct engine_binding *binding)
{
	struct engine *e = mem_new(sizeof(*e));
	int err;

	e->facts = facts;
	e->mechanism = mem_str(view_of(mechanism));
	e->callbacks[0] = CALLBACK(SASL_CB_SERVER_USERDB_CHECKPASS, on_checkpass, e);
	e->callbacks[1] = CALLBACK(SASL_CB_CANON_USER, on_canon_user, e);
	e->callbacks[2] = CALLBACK(SASL_CB_PROXY_POLICY, on_proxy_policy, e);
	e->callbacks[3] = CALLBACK(SASL_CB_LIST_END, NULL, NULL);
	/* What SCRAM says last comes together with success; the door shows it to the client. */
	err = sasl_server_new(service, hostname, NULL, NULL, NULL, e->callbacks, SASL_SUCCESS_DATA, &e->conn);
	if (err == SASL_OK)
		err = properties_set(e, binding);
	if (err != SASL_OK) {
		log_error("sasl_refuses", LS("error", sasl_errstring(err, NULL, NULL)));
		engine_free(e);
		return NULL;
	}
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	if (e->conn)
		sasl_dispose(&e->conn);
	free(e->mechanism);
	free(e->binding_type);
	free(e->binding_data);
	free(e);
}

static enum engine_result result_of(int err)
{
	switch (err) {
	case SASL_OK:
		return ENGINE_DONE;
	case SASL_CONTINUE:
		return ENGINE_CHALLENGE;
	case SASL_NOMEM:
		DIE("libsasl has no memory");
	case SASL_BADPROT:
	case SASL_NOMECH:
	case SASL_BADPARAM:
	case SASL_TOOWEAK:
		return ENGINE_REFUSED;
	default:
		return ENGINE_FAILED;
	}
}

enum engine_result engine_step(struct engine *e, bool has, struct view in, struct view *out)
{
	const char *reply = NULL;
	unsigned n = 0;
	int err;

	if (!e->started)
		err = sasl_server_start(e->conn, e->mechanism, has ? (in.p ? in.p : "") : NULL, has ? (unsigned)in.n : 0, &reply, &n);
	else
		err = sasl_server_step(e->conn, in.p ? in.p : "", (unsigned)in.n, &reply, &n);
	e->started = true;
	*out = view_make(reply, reply ? n : 0);
	return result_of(err);
}
