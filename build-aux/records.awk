# SPDX-License-Identifier: ISC
# Makes qmgr/records.h (-v mode=h) or records.c (-v mode=c) of qmgr/records.tbl. Fields stand as in lib/ipc/coding.h.
function fail(why) { printf "records.tbl:%d: %s\n", FNR, why > "/dev/stderr"; bad = 1; exit 1 }
/^[ \t]*#/ || NF == 0 { next }
$1 == "struct" { cur = things++; name[cur] = $2; listed[$2] = 1; next }
$1 == "record" { cur = things++; name[cur] = $2; kind[cur] = $3; if ($3 in taken) fail("kind " $3 " is taken"); taken[$3] = 1; next }
$1 == "end" { cur = -1; next }
cur < 0 { fail("outside of a struct or record") }
$1 ~ /^u(8|16|32|64)$/ { i = fields[cur]++; type[cur, i] = $1; field[cur, i] = $2; next }
$1 == "bytes" { i = fields[cur]++; type[cur, i] = $1; field[cur, i] = $2; max[cur, i] = $3; next }
$1 == "list" { if (!($3 in listed)) fail("no struct " $3); i = fields[cur]++; type[cur, i] = $1; field[cur, i] = $2; of[cur, i] = $3; max[cur, i] = $4; next }
{ fail("what is " $1 "?") }

function ctype(t) { return t == "bytes" ? "struct view" : t == "list" ? "struct spool_list" : "uint" substr(t, 2) "_t" }
function header(   c, i) {
	print "/* SPDX-License-Identifier: ISC */\n/* Made by build-aux/records.awk of qmgr/records.tbl: change that. */"
	print "#ifndef POSTRIDER_QMGR_RECORDS_H\n#define POSTRIDER_QMGR_RECORDS_H\n"
	print "#include <stdbool.h>\n#include <stdint.h>\n\n#include \"base/buf.h\"\n#include \"base/err.h\"\n#include \"base/view.h\"\n"
	print "/* A list: its encoded entries and their number. */\nstruct spool_list {\n\tstruct view bytes;\n\tuint32_t count;\n};\n"
	print "enum spool_kind {"
	for (c = 0; c < things; c++) if (c in kind) printf "\tSPOOL_%s = %s,\n", toupper(name[c]), kind[c]
	print "};\n"
	for (c = 0; c < things; c++) {
		printf "struct spool_%s {\n", name[c]
		for (i = 0; i < fields[c]; i++) printf "\t%s %s;\n", ctype(type[c, i]), field[c, i]
		print "};\n/* Appends (ERR_TOO_BIG past a bound); takes the next off *rest; reads all of v as one (ERR_DAMAGED). */"
		printf "MUST_CHECK int spool_%s_put(struct buf *b, const struct spool_%s *m);\n", name[c], name[c]
		printf "bool spool_%s_next(struct view *rest, struct spool_%s *m);\n", name[c], name[c]
		printf "MUST_CHECK int spool_%s_get(struct view v, struct spool_%s *m);\n\n", name[c], name[c]
	}
	print "#endif"
}
function put(t, f, m) {
	if (t == "bytes") printf "\tif (m->%s.n > %s)\n\t\treturn ERR_TOO_BIG;\n\tipc_put_bytes(b, m->%s);\n", f, m, f
	else if (t == "list") printf "\tif (m->%s.count > %s)\n\t\treturn ERR_TOO_BIG;\n\tbuf_put32(b, m->%s.count);\n\tipc_put_bytes(b, m->%s.bytes);\n", f, m, f, f
	else printf "\tbuf_put%s(b, m->%s);\n", substr(t, 2), f
}
function get(t, f, m, s) {
	if (t == "bytes") printf "\tif (!ipc_get_bytes(r, %s, &m->%s))\n\t\treturn false;\n", m, f
	else if (t == "list") {
		printf "\tif (!ipc_get32(r, &m->%s.count) || m->%s.count > %s || !ipc_get_bytes(r, SIZE_MAX, &m->%s.bytes))\n\t\treturn false;\n", f, f, m, f
		printf "\tstruct view %s = m->%s.bytes;\n\tstruct spool_%s %s_entry;\n", f, f, s, f
		printf "\tfor (uint32_t i = 0; i < m->%s.count; i++)\n\t\tif (!spool_%s_next(&%s, &%s_entry))\n\t\t\treturn false;\n", f, s, f, f
		printf "\tif (%s.n != 0)\n\t\treturn false;\n", f
	} else printf "\tif (!ipc_get%s(r, &m->%s))\n\t\treturn false;\n", substr(t, 2), f
}
function code(   c, i) {
	print "/* SPDX-License-Identifier: ISC */\n/* Made by build-aux/records.awk of qmgr/records.tbl: change that. */"
	print "#include \"qmgr/records.h\"\n\n#include \"ipc/coding.h\"\n"
	for (c = 0; c < things; c++) {
		printf "int spool_%s_put(struct buf *b, const struct spool_%s *m)\n{\n", name[c], name[c]
		for (i = 0; i < fields[c]; i++) put(type[c, i], field[c, i], max[c, i])
		printf "\treturn buf_ok(b) ? ERR_OK : ERR_TOO_BIG;\n}\n\nbool spool_%s_next(struct view *r, struct spool_%s *m)\n{\n", name[c], name[c]
		for (i = 0; i < fields[c]; i++) get(type[c, i], field[c, i], max[c, i], of[c, i])
		printf "\treturn true;\n}\n\nint spool_%s_get(struct view v, struct spool_%s *m)\n{\n\treturn spool_%s_next(&v, m) && v.n == 0 ? ERR_OK : ERR_DAMAGED;\n}\n\n", name[c], name[c], name[c]
	}
}
END { if (bad) exit 1; if (mode == "h") header(); else code() }
