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
		for (i = 0; i < n; i++) {
			printf ".It Ic %s\n%s\n", name[i], bare(v[i, "text"])
			printf "Type: %s", v[i, "type"]
			r = bare(v[i, "range"]); if (r != "") { split(r, m, " "); if (v[i, "type"] == "choice") { gsub(/ /, ", ", r); printf " (%s)", r } else printf ", from %s to %s", m[1], m[2] }
			d = bare(v[i, "default"])
			if (d != "") printf ".\nDefault:\n.Ql %s .\n", d; else printf ".\nDefault: empty.\n"
			printf "%s\n", v[i, "live"] == "yes" ? "Takes effect at reload." : "Takes effect at the next start."
		}
	}
}
