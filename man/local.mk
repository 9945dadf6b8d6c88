# SPDX-License-Identifier: ISC
dist_man_MANS += man/postrider-journal.5
