# SPDX-License-Identifier: ISC
# Makes lib/ipc/messages.h (-v mode=h) or messages.c (-v mode=c) of lib/ipc/messages.tbl.
function fail(why) { printf "messages.tbl:%d: %s\n", FNR, why > "/dev/stderr"; bad = 1; exit 1 }
function upper(s) { return toupper(s) }
/^[ \t]*#/ || NF == 0 { next }
{ canon = canon $0 ";" }
$1 == "roles" { for (i = 2; i <= NF; i++) { role[nroles++] = $i; isrole[$i] = 1 } next }
$1 == "group" { for (i = 3; i <= NF; i++) { if (!($i in isrole)) fail("no role " $i); group[$2] = group[$2] " " $i } next }
$1 == "struct" { cur = nthings++; kind[cur] = "struct"; name[cur] = $2; isstruct[$2] = 1; next }
$1 == "message" {
	cur = nthings++; kind[cur] = "message"; name[cur] = $2; order[nmsg++] = cur
	fdmin[cur] = fdmax[cur] = 0; reply[cur] = ""; lost[cur] = "NONE"
	for (i = 3; i <= NF; i++) pairs[cur] = pairs[cur] " " $i
	next
}
$1 == "end" { cur = -1; next }
cur < 0 { fail("outside of a struct or message") }
$1 == "fds" { fdmin[cur] = $2; fdmax[cur] = NF > 2 ? $3 : $2; next }
$1 == "reply" { reply[cur] = $2; next }
$1 == "lost" { lost[cur] = upper($2); next }
$1 ~ /^(u8|u16|u32|u64)$/ { n = nf[cur]++; ft[cur, n] = $1; fn[cur, n] = $2; next }
$1 == "bytes" { n = nf[cur]++; ft[cur, n] = "bytes"; fn[cur, n] = $2; fm[cur, n] = $3; next }
$1 == "list" { if (!($3 in isstruct)) fail("no struct " $3); n = nf[cur]++; ft[cur, n] = "list"; fn[cur, n] = $2; fs[cur, n] = $3; fm[cur, n] = $4; next }
{ fail("what is " $1 "?") }

function ctype(t) { return t == "bytes" ? "struct view" : t == "list" ? "struct ipc_list" : t == "u8" ? "uint8_t" : t == "u16" ? "uint16_t" : t == "u32" ? "uint32_t" : "uint64_t" }
function members(c,   i) {
	for (i = 0; i < nf[c]; i++)
		printf "\t%s %s;%s\n", ctype(ft[c, i]), fn[c, i], ft[c, i] == "bytes" ? " /* at most " fm[c, i] " octets */" : ft[c, i] == "list" ? " /* of struct ipc_" fs[c, i] ", at most " fm[c, i] " */" : ""
}
function header(   c, i) {
	print "/* SPDX-License-Identifier: ISC */"
	print "/* Made by build-aux/messages.awk of lib/ipc/messages.tbl: change that. */"
	print "#ifndef POSTRIDER_IPC_MESSAGES_H\n#define POSTRIDER_IPC_MESSAGES_H\n"
	print "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n"
	print "#include \"base/buf.h\"\n#include \"base/err.h\"\n#include \"base/view.h\"\n#include \"ipc/values.h\"\n"
	print "enum ipc_role {\n\tROLE_NONE,"
	for (i = 0; i < nroles; i++) printf "\tROLE_%s,\n", upper(role[i])
	print "\tROLE_COUNT,\n};\n"
	print "/* The role's name with underscores; ROLE_NONE when there is none of the name. */"
	print "const char *ipc_role_name(enum ipc_role r);\nenum ipc_role ipc_role_find(struct view name);\n"
	print "/* A list field: its encoded entries (made with ipc_X_put into a buf, read with ipc_X_next) and their number. */"
	print "struct ipc_list {\n\tstruct view bytes;\n\tuint32_t count;\n};\n"
	for (c = 0; c < nthings; c++) {
		printf "struct ipc_%s {\n", name[c]; members(c); print "};"
		if (kind[c] == "struct") {
			printf "/* Appends; ERR_TOO_BIG past a field's bound. Takes the next of a checked list (or of a sealed body) off *rest. All of v as one. */\n"
			printf "MUST_CHECK int ipc_%s_put(struct buf *b, const struct ipc_%s *m);\n", name[c], name[c]
			printf "bool ipc_%s_next(struct view *rest, struct ipc_%s *out);\n", name[c], name[c]
			printf "MUST_CHECK int ipc_%s_get(struct view v, struct ipc_%s *out);\n", name[c], name[c]
		}
		print ""
	}
	print "enum ipc_kind {\n\tIPC_NONE,"
	for (i = 0; i < nmsg; i++) printf "\tIPC_%s,\n", upper(name[order[i]])
	print "\tIPC_KIND_COUNT,\n};\n"
	print "union ipc_any {"
	for (i = 0; i < nmsg; i++) printf "\tstruct ipc_%s %s;\n", name[order[i]], name[order[i]] "_"
	print "};\n"
	print "enum ipc_lost { IPC_LOST_NONE, IPC_LOST_FAIL, IPC_LOST_RESEND };"
	print "struct ipc_kind_info {\n\tconst char *name;\n\tuint8_t fds_min, fds_max;\n\tenum ipc_kind reply; /* a request's answer, or IPC_NONE */"
	print "\tbool answer;         /* it answers some request */\n\tenum ipc_lost lost;\n\tint (*put)(struct buf *b, const void *m);\n\tint (*get)(struct view v, void *m);\n};"
	print "extern const struct ipc_kind_info ipc_kinds[IPC_KIND_COUNT];"
	print "/* May a process of role from send this to one of role to? */\nbool ipc_permitted(enum ipc_kind k, enum ipc_role from, enum ipc_role to);"
	print "/* The whole table as text: both ends of a channel must have the same. */\nextern const char ipc_table_text[];\n\n#endif"
}
function put1(t, f, m, s) {
	if (t == "bytes") printf "\tif (m->%s.n > %s)\n\t\treturn ERR_TOO_BIG;\n\tipc_put_bytes(b, m->%s);\n", f, m, f
	else if (t == "list") printf "\tif (m->%s.count > %s)\n\t\treturn ERR_TOO_BIG;\n\tbuf_put32(b, m->%s.count);\n\tipc_put_bytes(b, m->%s.bytes);\n", f, m, f, f
	else printf "\tbuf_put%s(b, m->%s);\n", substr(t, 2), f
}
function get1(t, f, m, s) {
	if (t == "bytes") printf "\tif (!ipc_get_bytes(r, %s, &m->%s))\n\t\treturn false;\n", m, f
	else if (t == "list") {
		printf "\tif (!ipc_get32(r, &m->%s.count) || m->%s.count > %s || !ipc_get_bytes(r, SIZE_MAX, &m->%s.bytes))\n\t\treturn false;\n", f, f, m, f
		printf "\t{\n\t\tstruct view l = m->%s.bytes;\n\t\tstruct ipc_%s e;\n\t\tuint32_t n = 0;\n\t\twhile (n < m->%s.count && ipc_%s_next(&l, &e))\n\t\t\tn++;\n\t\tif (n != m->%s.count || l.n != 0)\n\t\t\treturn false;\n\t}\n", f, s, f, s, f
	} else printf "\tif (!ipc_get%s(r, &m->%s))\n\t\treturn false;\n", substr(t, 2), f
}
function roleset(s,   n, a, i, b, j, k, out) {
	if (s in group) return group[s]
	return " " s
}
function code(   c, i, j, n, a, x, fr, to, nfr, nto, p, q) {
	print "/* SPDX-License-Identifier: ISC */"
	print "/* Made by build-aux/messages.awk of lib/ipc/messages.tbl: change that. */"
	print "#include \"ipc/messages.h\"\n\n#include \"base/num.h\"\n#include \"ipc/coding.h\"\n"
	printf "const char ipc_table_text[] =\n"
	n = split(canon, a, ";")
	for (i = 1; i < n; i++) { gsub(/[ \t]+/, " ", a[i]); printf "\t\"%s;\"\n", a[i] }
	print "\t;\n"
	printf "static const char *const role_names[ROLE_COUNT] = {\n\t\"none\",\n"
	for (i = 0; i < nroles; i++) printf "\t\"%s\",\n", role[i]
	print "};\n\nconst char *ipc_role_name(enum ipc_role r)\n{\n\treturn r < ROLE_COUNT ? role_names[r] : \"none\";\n}\n"
	print "enum ipc_role ipc_role_find(struct view name)\n{\n\tfor (unsigned i = 1; i < ROLE_COUNT; i++)\n\t\tif (view_eqs(name, role_names[i]))\n\t\t\treturn (enum ipc_role)i;\n\treturn ROLE_NONE;\n}\n"
	for (c = 0; c < nthings; c++) {
		if (kind[c] == "struct") printf "int ipc_%s_put(struct buf *b, const struct ipc_%s *m)\n{\n", name[c], name[c]
		else printf "static int put_%s(struct buf *b, const void *v)\n{\n\tconst struct ipc_%s *m = v;\n", name[c], name[c]
		for (i = 0; i < nf[c]; i++) put1(ft[c, i], fn[c, i], fm[c, i], fs[c, i])
		if (nf[c] == 0) print "\t(void)m;"
		print "\treturn buf_ok(b) ? ERR_OK : ERR_TOO_BIG;\n}\n"
		if (kind[c] == "struct") printf "bool ipc_%s_next(struct view *r, struct ipc_%s *m)\n{\n", name[c], name[c]
		else printf "static bool read_%s(struct view *r, struct ipc_%s *m)\n{\n", name[c], name[c]
		for (i = 0; i < nf[c]; i++) get1(ft[c, i], fn[c, i], fm[c, i], fs[c, i])
		if (nf[c] == 0) print "\t(void)r;\n\t(void)m;"
		print "\treturn true;\n}\n"
		if (kind[c] == "struct")
			printf "int ipc_%s_get(struct view v, struct ipc_%s *out)\n{\n\treturn ipc_%s_next(&v, out) && v.n == 0 ? ERR_OK : ERR_PROTOCOL;\n}\n\n", name[c], name[c], name[c]
		else
			printf "static int get_%s(struct view v, void *m)\n{\n\treturn read_%s(&v, m) && v.n == 0 ? ERR_OK : ERR_PROTOCOL;\n}\n\n", name[c], name[c]
	}
	for (i = 0; i < nmsg; i++) if (reply[order[i]] != "") isreply[reply[order[i]]] = 1
	print "const struct ipc_kind_info ipc_kinds[IPC_KIND_COUNT] = {"
	for (i = 0; i < nmsg; i++) {
		c = order[i]
		printf "\t[IPC_%s] = { \"%s\", %d, %d, %s, %s, IPC_LOST_%s, put_%s, get_%s },\n", upper(name[c]), name[c], fdmin[c], fdmax[c], reply[c] == "" ? "IPC_NONE" : "IPC_" upper(reply[c]), (name[c] in isreply) ? "true" : "false", lost[c], name[c], name[c]
	}
	print "};\n\n/* For each kind and sender: a bit for each role that it may be sent to. */\nstatic const uint32_t permitted[IPC_KIND_COUNT][ROLE_COUNT] = {"
	for (i = 0; i < nmsg; i++) {
		c = order[i]; n = split(pairs[c], a, " "); split("", mask); nsenders = 0
		for (j = 1; j <= n; j++) {
			split(a[j], x, ">")
			nfr = split(roleset(x[1]), fr, " "); nto = split(roleset(x[2]), to, " ")
			for (p = 1; p <= nfr; p++) {
				if (!(fr[p] in mask)) sender[nsenders++] = fr[p]
				for (q = 1; q <= nto; q++) mask[fr[p]] = mask[fr[p]] (mask[fr[p]] == "" ? "" : " | ") "1u << ROLE_" upper(to[q])
			}
		}
		for (j = 0; j < nsenders; j++) printf "\t[IPC_%s][ROLE_%s] = %s,\n", upper(name[c]), upper(sender[j]), mask[sender[j]]
	}
	print "};\n\nbool ipc_permitted(enum ipc_kind k, enum ipc_role from, enum ipc_role to)\n{"
	print "\treturn k < IPC_KIND_COUNT && from < ROLE_COUNT && to < ROLE_COUNT && (permitted[k][from] >> to & 1u) != 0;\n}"
}
END { if (bad) exit 1; if (mode == "h") header(); else code() }
