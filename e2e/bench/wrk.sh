#!/usr/bin/env bash
# Makes sure that wrk and taskset, with which `make bench` measures, are there.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../toolchain/lib.sh"

if have wrk && have taskset; then exit 0; fi
install_packages "wrk or taskset, with which the filters are measured," \
	"install both with your system's package manager" wrk util-linux
