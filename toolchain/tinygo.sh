#!/usr/bin/env bash
# TinyGo, found or set up.
#
#   toolchain/tinygo.sh ARGUMENT...       runs TinyGo with these arguments
#   toolchain/tinygo.sh --print-target    prints the path of the target description for Envoy filters
#   toolchain/tinygo.sh --setup           only makes sure that both are there
#
# A TinyGo on the PATH that is new enough is used as it is. Otherwise TinyGo is built from its Go module against
# the distribution's LLVM, once, in toolchain/.cache (git-ignored; about a minute).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Part of the cached TinyGo's path: change it whenever the recipe below changes, or what it takes from this directory.
recipe=5
cached=$cache_dir/tinygo-$TINYGO_VERSION-llvm$LLVM_MAJOR-r$recipe

# version_of TINYGO: its version, such as 0.41.1, or nothing if it does not run.
version_of() { "$1" version 2>/dev/null | sed -n 's/^tinygo version \([0-9][0-9.]*\).*/\1/p'; }

path_tinygo() {
	local found version
	found=$(command -v tinygo) || return 1
	version=$(version_of "$found")
	if [ -z "$version" ] || ! at_least "$TINYGO_MIN_VERSION" "$version"; then
		say "passing over $found: version '${version:-unknown}' is older than $TINYGO_MIN_VERSION"
		return 1
	fi
	printf '%s\n' "$found"
}

# net_package DIR: TinyGo's net package is a git submodule, which a Go module leaves out. What filters (and the
# packages that they import, such as crypto/x509) use of net never opens a socket: addresses and their parsing,
# taken from the Go installation, and the few types in toolchain/_net.
net_package() {
	local from
	from=$(go env GOROOT)/src/net
	mkdir -p "$1/http"
	cp "$from/ip.go" "$from/mac.go" "$from/parse.go" "$toolchain_dir"/_net/*.go "$1/"
	cp "$from/http/status.go" "$from/http/method.go" "$1/http/"
	chmod -R u+w "$1"
}

# changed FILE TIMES PATTERN SED-ARGUMENT...: edits a file of TinyGo's, in which TIMES lines then match PATTERN.
changed() {
	local file=$1 times=$2 pattern=$3
	shift 3
	sed "$@" "$file" >"$file.new"
	[ "$(grep -c "$pattern" "$file.new")" = "$times" ] ||
		die "$(basename "$file") of TinyGo $TINYGO_VERSION is not the one that toolchain/tinygo.sh knows" "adapt change_maps in it"
	mv "$file.new" "$file"
}

# change_maps ROOT: changes four things in TinyGo's maps, none of which a program can rely on (see RATIONALE.md).
#
# A map that nobody changes is ranged over in the same order each time: Coraza remembers what it has decoded by the place that an
# argument has in a map's order, and with a random one finds next to nothing again.
# The bytes of hashes that are in a map have their highest bit set: a collector that does not know what a map holds takes four of them for
# a pointer, and they are beyond the 1 GiB that a VM may have.
# A map that is filled before the module runs has no random seed, so that the compiler can fill it: else it leaves a hundred bytes of
# code for each entry. When the map grows, it gets a random one as ever.
# The hash is not computed anew in the code of each access.
change_maps() {
	changed "$1/src/runtime/hashmap.go" 7 \
		'it\.startBucket = 0$\|it\.startIndex = 0$\|uint8(hash>>24) | 0x80$\|^//go:noinline$' \
		-e 's/it\.startBucket = uintptr(fastrand()) & (it\.numBuckets - 1)/it.startBucket = 0/' \
		-e 's/it\.startIndex = uint8(fastrand() & 7)/it.startIndex = 0/' \
		-e 's/tophash := uint8(hash >> 24)$/tophash := uint8(hash>>24) | 0x80/' \
		-e 's/^func hashmap\(Binary\|String\)\(Get\|Set\)(/\/\/go:noinline\n&/'
	changed "$1/interp/interpreter.go" 1 'runtime\.fastrand' \
		-e 's/^\(\t*\)case callFn\.name == "internal\/task\.Pause":$/\1case callFn.name == "runtime.fastrand":\n\1\tlocals[inst.localIndex] = literalValue{uint32(1)}\n&/'
}

# libclang_rt: where the distribution keeps compiler-rt for wasm32; the file's name differs between releases.
libclang_rt() {
	local found
	found=$(find "/usr/lib/llvm-$LLVM_MAJOR/lib/clang" -name 'libclang_rt.builtins*.a' -path '*wa*' 2>/dev/null | sort | sed -n 1p)
	[ -n "$found" ] || die "no compiler-rt for WebAssembly under /usr/lib/llvm-$LLVM_MAJOR" \
		"reinstall $WASI_PACKAGES"
	printf '%s\n' "$found"
}

# target_for_cached: like TinyGo's wasip1 target, but with the distribution's libc and compiler-rt in place of the
# submodules, and without the two features that LLVM 19 does not know under the names that newer ones use. Of libc, what
# an assertion that fails does is replaced (_libc/assert.S).
target_for_cached() {
	cat <<JSON
{
	"llvm-target": "wasm32-unknown-wasi",
	"cpu": "generic",
	"features": "+bulk-memory,+mutable-globals,+nontrapping-fptoint,+sign-ext,-multivalue,-reference-types",
	"build-tags": ["tinygo.wasm"],
	"goos": "wasip1",
	"goarch": "wasm",
	"linker": "wasm-ld",
	"gc": "precise",
	"scheduler": "none",
	"default-stack-size": 65536,
	"cflags": [
		"-mbulk-memory", "-mnontrapping-fptoint", "-mno-multivalue", "-mno-reference-types", "-msign-ext",
		"-isystem", "/usr/include/wasm32-wasi"
	],
	"ldflags": [
		"--stack-first", "--no-demangle",
		"{root}/assert.o", "/usr/lib/wasm32-wasi/libc.a", "$(libclang_rt)"
	],
	"extra-files": ["src/runtime/asm_tinygowasm.S"]
}
JSON
}

# target_for_path: a TinyGo release has its own libc and compiler-rt; only the scheduler differs.
target_for_path() {
	cat <<'JSON'
{
	"inherits": ["wasip1"],
	"scheduler": "none"
}
JSON
}

set_up() {
	[ ! -e "$cached/complete" ] || return 0
	local temp=$cached.tmp.$$ module started=$SECONDS
	have go || die "go is not on the PATH" "install Go (https://go.dev/dl/); go.mod names the version"
	say "no TinyGo >= $TINYGO_MIN_VERSION on the PATH: building TinyGo $TINYGO_VERSION, once, about a minute"
	# shellcheck disable=SC2086
	install_packages "LLVM $LLVM_MAJOR, which TinyGo is built with," \
		"put TinyGo >= $TINYGO_MIN_VERSION (https://tinygo.org/getting-started/install/) and Binaryen's wasm-opt on the PATH" \
		$LLVM_PACKAGES $WASI_PACKAGES $BINARYEN_PACKAGES
	rm -rf "$cached" "$cached".tmp.*
	mkdir -p "$temp"

	say "downloading the module github.com/tinygo-org/tinygo@v$TINYGO_VERSION"
	# Outside of this module, whose go.sum is none of TinyGo's business.
	(
		cd "$temp"
		run_logged "$cache_dir/log/tinygo-download.log" \
			env GOFLAGS= go mod download -json "github.com/tinygo-org/tinygo@v$TINYGO_VERSION"
	) ||
		die "TinyGo's module could not be downloaded" "is the Go module proxy reachable? (go env GOPROXY)"
	module=$(sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p' "$cache_dir/log/tinygo-download.log")
	# TinyGo writes below its root and the module cache is read-only, so it gets a copy.
	cp -R "$module" "$temp/root"
	chmod -R u+w "$temp/root"
	net_package "$temp/root/src/net"
	change_maps "$temp/root"

	say "compiling TinyGo $TINYGO_VERSION"
	(
		cd "$temp/root"
		# The parent's workspace and flags are about another module.
		run_logged "$cache_dir/log/tinygo-build.log" \
			env GOWORK=off GOFLAGS= CGO_ENABLED=1 go build -tags "llvm$LLVM_MAJOR" -o "$temp/tinygo" .
	) || die "TinyGo did not compile"
	"/usr/lib/llvm-$LLVM_MAJOR/bin/clang" --target=wasm32-unknown-wasi -c "$toolchain_dir/_libc/assert.S" -o "$temp/root/assert.o" ||
		die "$toolchain_dir/_libc/assert.S did not compile"
	target_for_cached >"$temp/envoy-filter.json"
	TINYGOROOT=$temp/root "$temp/tinygo" version >/dev/null || die "the TinyGo just built does not run"
	touch "$temp/complete"
	mv "$temp" "$cached"
	say "TinyGo $TINYGO_VERSION is ready after $((SECONDS - started)) s"
}

if tinygo=$(path_tinygo); then
	target=$cache_dir/envoy-filter-path.json
	mkdir -p "$cache_dir"
	if ! target_for_path | cmp -s - "$target"; then
		target_for_path >"$target.$$" && mv "$target.$$" "$target"
	fi
	# Builds must not depend on a root that was set for some other TinyGo.
	unset TINYGOROOT
else
	with_lock tinygo set_up
	tinygo=$cached/tinygo
	target=$cached/envoy-filter.json
	export TINYGOROOT=$cached/root
	# TinyGo calls clang and wasm-ld of the LLVM that it was built with.
	export PATH=/usr/lib/llvm-$LLVM_MAJOR/bin:$PATH
fi

case ${1-} in
--setup) ;;
--print-target) printf '%s\n' "$target" ;;
*) exec "$tinygo" "$@" ;;
esac
