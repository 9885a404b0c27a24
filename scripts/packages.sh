# SPDX-License-Identifier: Apache-2.0
#
# Sourced by the other scripts: messages, and installing Debian packages. Needs bash and coreutils
# only, since it runs before anything is installed.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
logs=$root/build/logs

say() { printf '%s\n' "$*"; }
die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# install_packages WHAT LOG PACKAGE...: does nothing when all are there.
install_packages() {
    local what=$1 log=$logs/$2
    shift 2
    local -a missing=() as_root=()
    local package status
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        die "This needs Debian 12 (or something with its packages): apt-get and dpkg-query are not here."
    for package in "$@"; do
        status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
        [[ $status == installed ]] || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        say "$what: all ${#} packages are installed"
        return
    fi
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            die "$what: installing packages needs root and there is no sudo; as root run: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    mkdir -p "$logs"
    say "$what: installing ${#missing[@]} packages (log: $log)"
    local -a apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y)
    # A foreign list that cannot be fetched is no reason to stop: what counts is the install below.
    "${apt[@]}" update >"$log" 2>&1 || say "$what: apt-get update complained; going on (see the log)"
    if ! "${apt[@]}" install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
        tail -n 15 "$log" >&2
        die "$what: apt-get could not install: ${missing[*]}. The whole log is $log. Millrace needs the packages of \
Debian 12 (bookworm, main): check /etc/apt/sources.list and the network, then run this again."
    fi
}
