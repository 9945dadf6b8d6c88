# SPDX-License-Identifier: ISC
# Makes lib/conf/parameters.h (-v mode=h), parameters.c (-v mode=c) or the list for postrider.conf(5) (-v mode=man) of the
# files in lib/conf/parameters: each one is `key: value` lines, the file's name is the parameter's.
BEGIN {
	types["string"] = "CONF_STRING"; types["number"] = "CONF_NUMBER"; types["size"] = "CONF_SIZE"; types["duration"] = "CONF_DURATION"
	types["bool"] = "CONF_BOOL"; types["choice"] = "CONF_CHOICE"; types["list"] = "CONF_LIST"
	n = -1
}
function fail(why) { printf "%s:%d: %s\n", FILENAME, FNR, why > "/dev/stderr"; bad = 1; exit 1 }
FNR == 1 { n++; name[n] = FILENAME; sub(/.*\//, "", name[n]) }
/^[ \t]*(#.*)?$/ { next }
/^[ \t]/ { sub(/^[ \t]+/, " "); v[n, last] = v[n, last] $0; next }
{
	i = index($0, ":"); if (!i) fail("expected `key: value`")
	last = substr($0, 1, i - 1); val = substr($0, i + 1); sub(/^[ \t]+/, "", val); sub(/[ \t]+$/, "", val)
	if (last !~ /^(type|default|live|used|range|text|secret)$/) fail("no such key: " last)
	v[n, last] = val
}
function q(s) { gsub(/\\/, "\\\\", s); gsub(/"/, "\\\"", s); return "\"" s "\"" }
function bare(s) { if (s ~ /^".*"$/) s = substr(s, 2, length(s) - 2); return s }
function id(s) { s = toupper(s); gsub(/[^A-Z0-9]/, "_", s); return "PARAM_" s }
function scaled(s,   f, u) {
	u = substr(s, length(s)); f = 1
	if (u == "K") f = 1024; else if (u == "M") f = 1048576; else if (u == "G") f = 1073741824
	else if (u == "m") f = 60; else if (u == "h") f = 3600; else if (u == "d") f = 86400
	return sprintf("%.0f", (s + 0) * f)
}
# mdoc: a text line that is full goes out; what a macro line says stands on its own.
function flush_line() { if (line != "") print (line ~ /^[.']/ ? "\\\&" : "") line; line = "" }
function macro(s) { flush_line(); print s }
# Sentences begin on new lines; name(8) becomes a cross reference, the name of a parameter a command.
function prose(s,   k, w, m, core, tail) {
	gsub(/\\/, "\\e", s)
	m = split(s, w, " ")
	for (k = 1; k <= m; k++) {
		core = w[k]; tail = ""
		if (match(core, /[.,:;]+$/)) { tail = " " substr(core, RSTART); core = substr(core, 1, RSTART - 1) }
		if (core ~ /^[a-z][-a-z.]*\([1-8]\)$/) {
			macro(".Xr " substr(core, 1, index(core, "(") - 1) " " substr(core, length(core) - 1, 1) tail)
		} else if ((core in known) && core ~ /[._]/) {
			macro(".Ic " core tail)
		} else {
			if (line != "" && length(line) + length(w[k]) > 76) flush_line()
			line = line (line == "" ? "" : " ") w[k]
			if (w[k] ~ /\.$/) flush_line()
		}
	}
	flush_line()
}
function readers(s,   k, w, m, t) {
	m = split(s, w, " "); t = ""
	for (k = 1; k <= m; k++) { gsub(/_/, "-", w[k]); t = t (k == 1 ? "" : k == m ? " and " : ", ") (w[k] == "any" ? "every process" : w[k]) }
	return t
}
function man(i,   r, m, t, d) {
	print ".It Ic " name[i]
	prose(bare(v[i, "text"]))
	t = v[i, "type"]; r = bare(v[i, "range"])
	if (t == "choice") { gsub(/ /, ", ", r); t = "one of " r }
	else if (r != "") { split(r, m, " "); t = t " from " m[1] " to " m[2] }
	d = bare(v[i, "default"])
	prose("Type: " t ".")
	if (d == "") print "Default: empty."; else { print "Default:"; macro(".Ql \"" d "\" .") }
	prose("Read by " readers(bare(v[i, "used"])) "; takes effect at " (v[i, "live"] == "yes" ? "reload" : "the next start") ".")
}
END {
	if (bad) exit 1
	n++
	if (mode == "h") {
		print "/* SPDX-License-Identifier: ISC */\n/* Made by build-aux/parameters.awk of lib/conf/parameters: change that. */"
		print "#ifndef POSTRIDER_CONF_PARAMETERS_H\n#define POSTRIDER_CONF_PARAMETERS_H\n\nenum param_id {"
		for (i = 0; i < n; i++) printf "\t%s,\n", id(name[i])
		print "\tPARAM_COUNT,\n};\n\n#endif"
	} else if (mode == "c") {
		print "/* SPDX-License-Identifier: ISC */\n/* Made by build-aux/parameters.awk of lib/conf/parameters: change that. */"
		print "#include \"conf/table.h\"\n\nconst struct conf_parameter conf_table[PARAM_COUNT] = {"
		for (i = 0; i < n; i++) {
			t = v[i, "type"]; if (!(t in types)) { printf "%s: no such type: %s\n", name[i], t > "/dev/stderr"; exit 1 }
			r = bare(v[i, "range"]); split(r, m, " ")
			num = (t == "number" || t == "size" || t == "duration")
			printf "\t{ .name = %s, .type = %s, .fallback = %s, .min = %s, .max = %s, .choices = %s, .live = %s, .used = %s,\n\t  .text = %s },\n",
				q(name[i]), types[t], q(bare(v[i, "default"])), num && r != "" ? scaled(m[1]) "u" : "0", num && r != "" ? scaled(m[2]) "u" : "UINT64_MAX",
				t == "choice" ? q(r) : "\"\"", v[i, "live"] == "yes" ? "true" : "false", q(bare(v[i, "used"])), q(bare(v[i, "text"]))
		}
		print "};"
	} else {
		for (i = 0; i < n; i++) known[name[i]] = 1
		for (i = 0; i < n; i++) man(i)
	}
}
