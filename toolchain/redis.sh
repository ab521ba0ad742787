#!/usr/bin/env bash
# Prints the path of a Redis server, installing one first if need be; nothing else goes to standard output.
#
# REDIS_SERVER_PATH names a binary to use as it is. Otherwise it is the redis-server on the PATH, or Debian's.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# usable REDIS_SERVER: does it run, as a server? Valkey does as well.
usable() {
	local version
	version=$("$1" --version 2>/dev/null) || return 1
	case $version in *' server v='*) return 0 ;; esac
	return 1
}

instead="put redis-server (https://redis.io) on the PATH or set REDIS_SERVER_PATH to it"

# Debian's package redis-server would also start a server for the whole machine. All that it adds to redis-tools is a
# name for the same binary: Redis goes by the name that it is called under.
debian_binary=/usr/bin/redis-check-rdb
cached=$cache_dir/redis

set_up() {
	! usable "$cached/redis-server" || return 0
	install_packages "redis-server, which limits that Envoys share are tested with," "$instead" $REDIS_PACKAGES
	mkdir -p "$cached"
	ln -sfn "$debian_binary" "$cached/redis-server"
	usable "$cached/redis-server" || die "$debian_binary is no Redis server by another name here" "$instead"
}

if [ -n "${REDIS_SERVER_PATH-}" ]; then
	usable "$REDIS_SERVER_PATH" || die "REDIS_SERVER_PATH is not a Redis server: $REDIS_SERVER_PATH" \
		"unset it to have one looked for"
	printf '%s\n' "$REDIS_SERVER_PATH"
elif found=$(command -v redis-server) && usable "$found"; then
	printf '%s\n' "$found"
else
	with_lock redis set_up
	printf '%s\n' "$cached/redis-server"
fi
