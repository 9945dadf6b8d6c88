# SPDX-License-Identifier: ISC
# What a system wants around the programs. All of it goes below the prefix; where none of it is wanted, configure --without-systemd leaves out
# what is for systemd.
DIST_BUILT = dist/systemd/postrider.service dist/logrotate.d/postrider
EXTRA_DIST += dist/systemd/postrider.service.in dist/logrotate.d/postrider.in
EXTRA_DIST += dist/debian/changelog dist/debian/control dist/debian/copyright dist/debian/rules dist/debian/source/format
CLEANFILES += $(DIST_BUILT)
$(DIST_BUILT): Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/$@.in >$@.tmp && mv $@.tmp $@
dist/systemd/postrider.service: $(srcdir)/dist/systemd/postrider.service.in
dist/logrotate.d/postrider: $(srcdir)/dist/logrotate.d/postrider.in

examplesdir = $(docdir)/examples
dist_examples_DATA = dist/examples/postrider.conf
logrotatedir = $(docdir)/examples/logrotate.d
nodist_logrotate_DATA = dist/logrotate.d/postrider
completiondir = $(datadir)/bash-completion/completions
dist_completion_DATA = dist/bash-completion/postrider
dist_doc_DATA = README.md NEWS LICENSE

EXTRA_DIST += dist/sysusers.d/postrider.conf dist/tmpfiles.d/postrider.conf
if SYSTEMD
systemdunitdir = $(prefix)/lib/systemd/system
nodist_systemdunit_DATA = dist/systemd/postrider.service
sysusersdir = $(prefix)/lib/sysusers.d
sysusers_DATA = dist/sysusers.d/postrider.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
tmpfiles_DATA = dist/tmpfiles.d/postrider.conf
endif
