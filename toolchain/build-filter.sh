#!/usr/bin/env bash
# Compiles a filter to the WebAssembly module that Envoy loads.
#
#   toolchain/build-filter.sh PACKAGE OUT.wasm [EXPORTS]
#
# PACKAGE is the directory of a Go main package. EXPORTS are the functions to keep, separated by commas; by default
# what artifacts.json lists for OUT, which may have build tags and a garbage collector there, too. Everything that they do not reach is removed: the SDK exports every Proxy-Wasm callback, and
# Envoy calls whatever is exported, so an unused callback costs time in every request.
#
# PALISADE_GC chooses another garbage collector (see RATIONALE.md), PALISADE_TAGS the build tags of what is no artifact, separated by
# commas, TINYGO_FLAGS adds flags. They are for measuring.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# = 2 ] || [ $# = 3 ] || die "usage: toolchain/build-filter.sh PACKAGE OUT.wasm [EXPORTS]"
package=$1 out=$2
[ -d "$package" ] || die "no such package directory: $package"
# The tools beside this script belong to its module, whichever the package is of.
tool() { (cd "$toolchain_dir/.." && go run "./toolchain/$1" "${@:2}"); }
exports=${3-}
tags=${PALISADE_TAGS-} own_gc=
[ -n "$exports" ] || {
	exports=$(tool wasmcheck -print exports "$(basename "$out" .wasm)")
	tags=$(tool wasmcheck -print tags "$(basename "$out" .wasm)")
	own_gc=$(tool wasmcheck -print gc "$(basename "$out" .wasm)")
}

case $out in /*) ;; *) out=$PWD/$out ;; esac
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$(dirname "$out")/.$(basename "$out").XXXXXX")
trap 'rm -rf "$work"' EXIT

gc=${PALISADE_GC:-${own_gc:-precise}}
case $gc in
custom) gc_flags="-gc=custom -tags=custommalloc${tags:+,$tags}" ;; # one that the package imports
nottinygc) gc_flags="-gc=custom -tags=custommalloc,nottinygc_envoy${tags:+,$tags}" ;;
*) gc_flags="-gc=$gc ${tags:+-tags=$tags}" ;;
esac

"$toolchain_dir/tinygo.sh" --setup
have wasm-opt || install_packages "wasm-opt (Binaryen)" \
	"put wasm-opt (https://github.com/WebAssembly/binaryen) on the PATH" $BINARYEN_PACKAGES
have wasm-opt || die "wasm-opt (Binaryen) is not on the PATH" "install Binaryen: apt-get install binaryen, or https://github.com/WebAssembly/binaryen"
target=$("$toolchain_dir/tinygo.sh" --print-target)
if [ "$gc" = nottinygc ] && grep -q /libc.a "$target"; then
	# nottinygc brings its own malloc and sched_yield, which must not meet libc's.
	cp /usr/lib/wasm32-wasi/libc.a "$work/libc.a"
	"/usr/lib/llvm-$LLVM_MAJOR/bin/llvm-ar" d "$work/libc.a" dlmalloc.o sched_yield.o
	sed "s#/usr/lib/wasm32-wasi/libc.a#$work/libc.a#" "$target" >"$work/target.json"
	target=$work/target.json
fi

# A reactor (c-shared) has _initialize and no _start: Envoy refuses modules whose _start ends in proc_exit. There is
# one goroutine, the callback's, so no scheduler. TinyGo has wasm-opt optimize what it has linked, and so do we after stripping.
#
# wasm-opt takes any function that is called in one place into its caller, so most of what configures a filter became one. V8
# compiles a function at a time, and keeps the memory that the largest took (see RATIONALE.md).
wasm_opt="$(command -v wasm-opt) --one-caller-inline-max-function-size=300"
printf '#!/bin/sh\nexec %s "$@"\n' "$wasm_opt" >"$work/wasm-opt"
chmod +x "$work/wasm-opt"
say "compiling $(basename "$package") (gc: $gc)"
(
	cd "$package"
	# shellcheck disable=SC2086
	WASMOPT=$work/wasm-opt "$toolchain_dir/tinygo.sh" build -target="$target" -buildmode=c-shared -scheduler=none -no-debug \
		-opt=2 $gc_flags ${TINYGO_FLAGS-} -o "$work/whole.wasm" .
)
tool wasmstrip -keep "$exports" "$work/whole.wasm" "$work/stripped.wasm"
"$work/wasm-opt" --enable-bulk-memory --enable-mutable-globals --enable-nontrapping-float-to-int --enable-sign-ext \
	-O3 --strip-debug --strip-producers "$work/stripped.wasm" -o "$work/small.wasm"
mv "$work/small.wasm" "$out"
say "$(basename "$out"): $(wc -c <"$out" | tr -d ' ') bytes"
