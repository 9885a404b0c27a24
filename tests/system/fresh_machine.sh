#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fresh_machine.sh [DIRECTORY] [COMMAND...]: runs the two commands of the README in a Debian 12 that
# has nothing but git: debootstraps one into DIRECTORY (default: a temporary one), clones this
# repository's HEAD into it, and runs scripts/quickstart.sh and scripts/test.sh (or COMMAND...) there.
# Needs root and debootstrap, some 6 GB, and the better part of an hour.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

((EUID == 0)) || { echo "fresh_machine.sh needs root: it makes a file system and enters it." >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "fresh_machine.sh needs debootstrap: apt-get install debootstrap" >&2; exit 2; }

root=${1:-$(mktemp -d /var/tmp/millrace-fresh.XXXXXX)}
shift || true
commands=("$@")
((${#commands[@]} > 0)) || commands=(scripts/quickstart.sh scripts/test.sh)

# Two runs in one root would replace each other's clone while it is being built.
mkdir -p "$root"
exec {lock}>"$root.lock"
flock -n "$lock" || { echo "fresh_machine.sh: another one is at work in $root; name another directory." >&2; exit 2; }

mirror=$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
[[ -n $mirror ]] || mirror=$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^http/) { print $i; exit } }' /etc/apt/sources.list)
[[ -n $mirror ]] || { echo "fresh_machine.sh found no Debian mirror in /etc/apt." >&2; exit 2; }

mounted=()
leave() {
    local place
    for place in "${mounted[@]}"; do umount -l "$place" || true; done
    echo "The machine is left in $root; rm -rf it when done."
}
trap leave EXIT

if [[ ! -x $root/usr/bin/git ]]; then
    echo "== a bare Debian 12 in $root, from $mirror"
    debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
        { tail -n 5 "$root.log" >&2; exit 1; }
fi
# The same way to the mirror as this machine has.
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
# An installed machine knows its own name; debootstrap leaves that to the installer.
[[ -e $root/etc/hosts ]] || echo "127.0.0.1 localhost" >"$root/etc/hosts"
for file in /etc/apt/apt.conf.d/*proxy* /etc/apt/sources.list.d/debian.sources; do
    [[ ! -f $file ]] || cp "$file" "$root/etc/apt/${file#/etc/apt/}"
done
[[ ! -f $root/etc/apt/sources.list.d/debian.sources ]] || : >"$root/etc/apt/sources.list"

for place in proc sys dev; do
    mount --rbind "/$place" "$root/$place"
    mount --make-rslave "$root/$place"
    mounted=("$root/$place" "${mounted[@]}")
done

echo "== cloning $(git -C "$here" rev-parse --short HEAD)"
rm -rf "$root/root/millrace.git" "$root/root/millrace"
git clone -q --bare "$here" "$root/root/millrace.git"
inside() { env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}" chroot "$root" bash -c "$1"; }
inside "git clone -q /root/millrace.git /root/millrace"

for command in "${commands[@]}"; do
    echo "== $command"
    begin=$SECONDS
    inside "cd /root/millrace && $command"
    echo "== $command: done in $((SECONDS - begin)) s"
done
