#!/bin/sh
# SPDX-License-Identifier: ISC
# Makes configure and Makefile.in from the sources in git.
set -eu
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all
