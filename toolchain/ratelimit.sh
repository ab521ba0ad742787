#!/usr/bin/env bash
# Prints the path of Envoy's rate limit service, building it first if need be; nothing else goes to standard output.
#
# RATELIMIT_SERVICE_PATH names a binary to use as it is. Otherwise the service is built from its Go module, once, in
# toolchain/.cache (git-ignored); toolchain/ratelimit/go.mod pins it and go.sum all that it is built of.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ -n "${RATELIMIT_SERVICE_PATH-}" ]; then
	[ -f "$RATELIMIT_SERVICE_PATH" ] && [ -x "$RATELIMIT_SERVICE_PATH" ] ||
		die "RATELIMIT_SERVICE_PATH is not an executable file: $RATELIMIT_SERVICE_PATH" "unset it to have the service built"
	printf '%s\n' "$RATELIMIT_SERVICE_PATH"
	exit
fi

module=$toolchain_dir/ratelimit
version=$(sed -n 's/^.*github\.com\/envoyproxy\/ratelimit \(v[^ ]*\).*/\1/p' "$module/go.mod")
[ -n "$version" ] || die "$module/go.mod does not say which version of github.com/envoyproxy/ratelimit is meant"
# Another version of what the service is built of is another service.
cached=$cache_dir/ratelimit-$version-$(cat "$module/go.mod" "$module/go.sum" | cksum | cut -d ' ' -f 1)

set_up() {
	[ ! -x "$cached/ratelimit" ] || return 0
	local temp=$cached.tmp.$$ started=$SECONDS
	have go || die "go is not on the PATH" "install Go (https://go.dev/dl/); go.mod names the version"
	say "building Envoy's rate limit service $version, once, about a minute"
	rm -rf "$cached" "$cached".tmp.*
	mkdir -p "$temp"
	(
		cd "$module"
		# The parent's workspace and flags are about another module. Static, so that it runs wherever the cache is.
		run_logged "$cache_dir/log/ratelimit-build.log" env GOWORK=off GOFLAGS= CGO_ENABLED=0 \
			go build -mod=readonly -trimpath -ldflags='-s -w' -o "$temp/ratelimit" github.com/envoyproxy/ratelimit/src/service_cmd
	) || {
		rm -rf "$temp"
		die "Envoy's rate limit service did not compile" "is the Go module proxy reachable? (go env GOPROXY)" \
			"or set RATELIMIT_SERVICE_PATH to a binary of https://github.com/envoyproxy/ratelimit"
	}
	mv "$temp" "$cached"
	say "the rate limit service is ready after $((SECONDS - started)) s"
}

with_lock ratelimit set_up
printf '%s\n' "$cached/ratelimit"
