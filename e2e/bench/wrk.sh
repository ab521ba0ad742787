#!/usr/bin/env bash
# Makes sure that wrk and taskset, with which `make bench` measures, are there.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../toolchain/lib.sh"

if have wrk && have taskset; then exit 0; fi
have apt-get && [ "$(id -u)" = 0 ] || die "wrk or taskset is missing, with which the filters are measured" \
	"sudo apt-get install -y wrk util-linux" \
	"or install them with your system's package manager, and run this again"
install_packages "wrk or taskset" wrk util-linux
