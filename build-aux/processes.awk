# SPDX-License-Identifier: ISC
# Makes the list of processes in postrider-security(7) of `postrider processes --json`, which prints a row of the table on each line.
# build-aux/check-manual compares; `postrider processes --json | awk -f build-aux/processes.awk` prints it anew.
BEGIN {
	# As PRIV_SYS_ of lib/sys/priv.h, from the lowest bit on.
	nsys = split("files flush accept connect threads fork setid confine chown socket exec kill", sys, " ")
	capname[0] = "CAP_CHOWN"; capname[6] = "CAP_SETGID"; capname[7] = "CAP_SETUID"
}
function text(key,   s) { # "key":"value"
	if (!match($0, "\"" key "\":\"[^\"]*\"")) return ""
	s = substr($0, RSTART, RLENGTH); sub(/^"[^"]*":"/, "", s); sub(/"$/, "", s); return s
}
function number(key,   s) {
	if (!match($0, "\"" key "\":[0-9]+")) return 0
	s = substr($0, RSTART, RLENGTH); sub(/.*:/, "", s); return s + 0
}
function list(key,   s) { # "key":["a","b"]
	if (!match($0, "\"" key "\":\\[[^]]*\\]")) return ""
	s = substr($0, RSTART, RLENGTH); sub(/^[^[]*\[/, "", s); gsub(/[]"]/, "", s); gsub(/,/, ", ", s); return s
}
function bits(value, names, from, n,   i, s, b) {
	s = ""
	for (i = 0; i < n; i++) { b = int(value / 2 ^ i) % 2; if (b) s = s (s == "" ? "" : ", ") ((i + from) in names ? names[i + from] : "bit " i) }
	return s
}
function dirs(   s, d, p, r) {
	s = $0
	while (match(s, /"parameter":"[^"]*","rights":[0-9]+/)) {
		d = substr(s, RSTART, RLENGTH); s = substr(s, RSTART + RLENGTH)
		p = d; sub(/^"parameter":"/, "", p); sub(/".*/, "", p)
		r = d; sub(/.*:/, "", r)
		printf ".Ic %s\n.Pq %s ;\n", p, r + 0 == 3 ? "read, write" : r + 0 == 1 ? "read" : "rights " r
	}
}
/^\{/ && !/"later":true/ {
	user = text("user")
	print ".It Cm " text("name")
	if (user == "") print "The account's uid;"; else printf "User\n.Li _postrider-%s ;\n", user
	caps = bits(number("caps"), capname, 0, 48)
	print caps == "" ? "no capability;" : caps ";"
	if (match($0, /"parameter"/)) dirs(); else print user == "" ? "its home;" : "no files;"
	groups = bits(number("syscalls"), sys, 1, nsys)
	print groups == "" ? "no system call but the base." : "system calls " groups "."
	asks = list("asks")
	if (asks != "") print "Asks " asks "."
}
