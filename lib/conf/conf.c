/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "conf/table.h"
#include "sys/sock.h"

#define VALUE_MAX 8192 /* octets of one value */

struct conf {
	char *text[PARAM_COUNT]; /* NUL-terminated */
	size_t length[PARAM_COUNT];
	uint64_t number[PARAM_COUNT];
};

static const char *const expected[] = {
	[CONF_STRING] = "printable text",
	[CONF_NUMBER] = "a number",
	[CONF_SIZE] = "a size such as 10M",
	[CONF_DURATION] = "a duration such as 5m",
	[CONF_BOOL] = "yes or no",
	[CONF_CHOICE] = "one of the choices",
	[CONF_LIST] = "words separated by blanks or commas",
};

const struct conf_parameter *conf_parameter(enum param_id p)
{
	INVARIANT(p < PARAM_COUNT);
	return &conf_table[p];
}

enum param_id conf_find(struct view name)
{
	for (unsigned i = 0; i < PARAM_COUNT; i++)
		if (view_eqs(name, conf_table[i].name))
			return (enum param_id)i;
	return PARAM_COUNT;
}

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

static bool next_word(struct view *rest, struct view *word)
{
	while (rest->n > 0 && is_separator(rest->p[0]))
		*rest = view_skip(*rest, 1);
	size_t n = 0;
	while (n < rest->n && !is_separator(rest->p[n]))
		n++;
	*word = view_head(*rest, n);
	*rest = view_skip(*rest, n);
	return n > 0;
}

static bool read_choice(const char *choices, struct view v, uint64_t *out)
{
	struct view rest = view_of(choices), word;
	for (uint64_t i = 0; next_word(&rest, &word); i++)
		if (view_eq(word, v)) {
			*out = i;
			return true;
		}
	return false;
}

static bool read_bool(struct view v, uint64_t *out)
{
	*out = view_eqs(v, "yes") || view_eqs(v, "true") || view_eqs(v, "on");
	return *out || view_eqs(v, "no") || view_eqs(v, "false") || view_eqs(v, "off");
}

static bool printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (((unsigned char)v.p[i] < 0x20 && v.p[i] != '\t') || v.p[i] == 0x7f)
			return false;
	return v.n <= VALUE_MAX;
}

static bool read_value(const struct conf_parameter *t, struct view v, uint64_t *out)
{
	bool ok = printable(v);
	switch (t->type) {
	case CONF_NUMBER:
		ok = ok && num_u64(v, UINT64_MAX, out);
		break;
	case CONF_SIZE:
		ok = ok && num_size(v, out);
		break;
	case CONF_DURATION:
		ok = ok && num_duration(v, out);
		break;
	case CONF_BOOL:
		return ok && read_bool(v, out);
	case CONF_CHOICE:
		return ok && read_choice(t->choices, v, out);
	case CONF_STRING:
	case CONF_LIST:
		return ok;
	}
	return ok && *out >= t->min && *out <= t->max;
}

static void say_expected(const struct conf_parameter *t, struct view v, struct buf *why)
{
	buf_printf(why, "%s: '%.*s' is not %s", t->name, (int)(v.n > 80 ? 80 : v.n), v.p == NULL ? "" : v.p, expected[t->type]);
	if (t->type == CONF_CHOICE)
		buf_printf(why, " (%s)", t->choices);
	else if (t->max != UINT64_MAX)
		buf_printf(why, " from %llu to %llu", (unsigned long long)t->min, (unsigned long long)t->max);
	buf_addc(why, '\n');
}

int conf_set(struct conf *c, enum param_id p, struct view v, struct buf *why)
{
	uint64_t number = 0;
	if (!read_value(&conf_table[p], v, &number)) {
		if (why != NULL)
			say_expected(&conf_table[p], v, why);
		return ERR_INVALID;
	}
	free(c->text[p]);
	c->text[p] = mem_str(v);
	c->length[p] = v.n;
	c->number[p] = number;
	return ERR_OK;
}

struct conf *conf_new(void)
{
	struct conf *c = mem_new(sizeof *c);
	struct buf why;
	buf_init(&why, 4096);
	for (unsigned i = 0; i < PARAM_COUNT; i++)
		if (conf_set(c, (enum param_id)i, view_of(conf_table[i].fallback), &why) != ERR_OK)
			DIE("a default is wrong: %s", buf_str(&why));
	buf_fini(&why);
	return c;
}

void conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < PARAM_COUNT; i++)
		free(c->text[i]);
	free(c);
}

/* The parameter whose name is likest by its beginning, for a hint. */
static void hint(struct view name, struct buf *why)
{
	const char *best = NULL;
	size_t longest = 2;
	for (unsigned i = 0; i < PARAM_COUNT; i++) {
		size_t n = 0;
		while (n < name.n && conf_table[i].name[n] == name.p[n])
			n++;
		if (n > longest) {
			longest = n;
			best = conf_table[i].name;
		}
	}
	if (best != NULL)
		buf_printf(why, "; did you mean '%s'?", best);
}

static int read_setting(struct conf *c, const char *file, unsigned line, struct view s, struct buf *why)
{
	struct view name, value = s;
	size_t eq = view_find(s, '=');
	if (eq == SIZE_MAX) {
		buf_printf(why, "%s:%u: expected 'name = value', found '%.*s'\n", file, line, (int)(s.n > 60 ? 60 : s.n), s.p);
		return ERR_INVALID;
	}
	name = view_trim(view_head(s, eq));
	value = view_trim(view_skip(s, eq + 1));
	enum param_id p = conf_find(name);
	if (p == PARAM_COUNT) {
		buf_printf(why, "%s:%u: there is no parameter '%.*s'", file, line, (int)(name.n > 60 ? 60 : name.n), name.p);
		hint(name, why);
		buf_addc(why, '\n');
		return ERR_INVALID;
	}
	size_t before = buf_len(why);
	buf_printf(why, "%s:%u: ", file, line);
	int err = conf_set(c, p, value, why);
	if (err == ERR_OK)
		buf_cut(why, before);
	return err;
}

/* Gathers a line and those that go on from it (they begin with a blank); comments and empty lines give an empty one. */
static bool next_setting(struct view *rest, unsigned *line, unsigned *first, struct buf *out)
{
	struct view l;
	buf_reset(out);
	if (rest->n == 0 || !view_cut(rest, '\n', &l))
		return false;
	*first = ++*line;
	l = view_trim(l);
	if (l.n == 0 || l.p[0] == '#')
		return true;
	buf_addv(out, l);
	while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
		view_cut(rest, '\n', &l);
		++*line;
		buf_addc(out, ' ');
		buf_addv(out, view_trim(l));
	}
	return true;
}

int conf_read(struct conf *c, const char *file, struct view text, struct buf *why)
{
	struct buf setting;
	int result = ERR_OK;
	unsigned line = 0, first = 0;
	buf_init(&setting, 4 * VALUE_MAX);
	while (next_setting(&text, &line, &first, &setting)) {
		struct view s = buf_view(&setting);
		if (!buf_ok(&setting)) {
			buf_printf(why, "%s:%u: the setting is too long\n", file, first);
			result = ERR_INVALID;
		} else if (s.n > 0 && read_setting(c, file, first, s, why) != ERR_OK) {
			result = ERR_INVALID;
		}
	}
	buf_fini(&setting);
	return result;
}

static int check_routes(const struct conf *c, struct buf *why)
{
	int result = ERR_OK;
	struct view item;
	for (size_t i = 0; conf_item(c, PARAM_RELAY_ROUTES, i, &item); i++) {
		struct sock_addr a;
		size_t equals = view_find(item, '=');
		if (equals != SIZE_MAX && equals > 0 && sock_addr_with_port(view_skip(item, equals + 1), &a) == ERR_OK)
			continue;
		buf_printf(why, "relay_routes: '%.*s' is not domain=address:port\n", (int)item.n, item.p);
		result = ERR_INVALID;
	}
	return result;
}

int conf_check(const struct conf *c, struct buf *why)
{
	int result = check_routes(c, why);
	for (unsigned i = 0; i < PARAM_COUNT; i++) {
		struct view v = conf_text(c, (enum param_id)i);
		if (!view_starts(view_of(conf_table[i].name), VIEW("directory.")) || (v.n > 0 && v.p[0] == '/'))
			continue;
		buf_printf(why, "%s: '%s' is not an absolute path\n", conf_table[i].name, conf_str(c, (enum param_id)i));
		result = ERR_INVALID;
	}
	return result;
}

struct view conf_text(const struct conf *c, enum param_id p)
{
	return view_make(c->text[p], c->length[p]);
}
const char *conf_str(const struct conf *c, enum param_id p)
{
	return c->text[p];
}
uint64_t conf_num(const struct conf *c, enum param_id p)
{
	return c->number[p];
}
bool conf_bool(const struct conf *c, enum param_id p)
{
	return c->number[p] != 0;
}
bool conf_is_default(const struct conf *c, enum param_id p)
{
	return view_eqs(conf_text(c, p), conf_table[p].fallback);
}

bool conf_item(const struct conf *c, enum param_id p, size_t i, struct view *out)
{
	struct view rest = conf_text(c, p);
	for (size_t k = 0; next_word(&rest, out); k++)
		if (k == i)
			return true;
	return false;
}

bool conf_has(const struct conf *c, enum param_id p, struct view item)
{
	struct view v;
	for (size_t i = 0; conf_item(c, p, i, &v); i++)
		if (view_ieq(v, item))
			return true;
	return false;
}

/* "smtpd" stands for all of its classes. */
static bool uses(const struct conf_parameter *t, struct view role)
{
	struct view rest = view_of(t->used), word;
	while (next_word(&rest, &word)) {
		if (view_eqs(word, "any") || view_eq(word, role))
			return true;
		if (view_starts(role, word) && role.n > word.n && role.p[word.n] == '_' && view_eqs(word, "smtpd"))
			return true;
	}
	return false;
}

void conf_subset(const struct conf *c, const char *role, struct buf *out)
{
	for (unsigned i = 0; i < PARAM_COUNT; i++)
		if (uses(&conf_table[i], view_of(role)))
			buf_printf(out, "%s = %s\n", conf_table[i].name, c->text[i]);
}
