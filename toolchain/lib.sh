# Shell functions that the toolchain's scripts share. To be sourced, not run.
# Results go to standard output, everything said to a person to standard error.

toolchain_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$toolchain_dir/versions.env"

# PALISADE_CACHE moves the cache, for example onto a volume that CI keeps.
cache_dir=${PALISADE_CACHE:-$toolchain_dir/.cache}

say() { printf 'toolchain: %s\n' "$*" >&2; }

# die MESSAGE [NEXT STEP...]: one line of what is wrong, then what to do about it.
die() {
	printf 'toolchain: error: %s\n' "$1" >&2
	shift
	for line in "$@"; do printf 'toolchain:   %s\n' "$line" >&2; done
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# at_least WANTED FOUND: is version FOUND the same as or newer than WANTED?
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | sed -n 1p)" = "$1" ]; }

# with_lock NAME COMMAND...: runs COMMAND while no other process runs one under NAME, so that parallel makes
# do not set up the same thing twice. Where there is no flock(1) the atomic renames still keep results whole.
with_lock() {
	mkdir -p "$cache_dir"
	local lock=$cache_dir/$1.lock
	shift
	if have flock; then
		(flock 9 && "$@") 9>"$lock"
	else
		"$@"
	fi
}

# run_logged LOG COMMAND...: keeps a long command's output out of the way, shows its end if it fails.
run_logged() {
	local log=$1 status=0
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if [ "$status" != 0 ]; then
		say "failed: $*"
		tail -n 20 "$log" >&2
		say "whole output: $log"
	fi
	return "$status"
}

# install_packages WHY INSTEAD PACKAGE...: installs the missing ones of these Debian packages, or says who can. WHY says
# what needs them, INSTEAD what to do on other systems.
install_packages() {
	local why=$1 instead=$2 missing='' package
	shift 2
	if have dpkg-query; then
		for package in "$@"; do
			case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
			*'ok installed') ;;
			*) missing="$missing $package" ;;
			esac
		done
		[ -n "$missing" ] || return 0
	else
		missing=" $*"
	fi
	have apt-get || die "$why is missing, and there is no apt-get here to install it with" \
		"$instead; then run this again"
	[ "$(id -u)" = 0 ] || die "$why is missing, and only root can install packages. Either run" \
		"  sudo apt-get install -y --no-install-recommends$missing" \
		"or $instead; then run this again"
	# Two scripts may get here at once, and apt-get refuses to run twice.
	with_lock apt apt_install "$missing" ||
		die "apt-get could not install$missing" \
			"Debian 12 has them in its main archive; elsewhere $instead"
}

apt_install() {
	say "installing$1"
	export DEBIAN_FRONTEND=noninteractive
	run_logged "$cache_dir/log/apt-update.log" apt-get update -q ||
		say "apt-get update failed; trying with the package lists at hand"
	# The names are split on purpose.
	# shellcheck disable=SC2086
	run_logged "$cache_dir/log/apt-install.log" apt-get install -q -y --no-install-recommends $1
}
