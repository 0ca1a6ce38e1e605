#!/usr/bin/env bash
# Makes the Docker image that end-to-end tests use as a whole host: Debian with systemd, sshd and curl, made by
# debootstrap since no image registry is needed for that. Prints the image's name.
#
# It takes a minute or two, so the tree is kept in the cache; this file's checksum names it, so that a change here makes
# a new one. Needs a Docker engine, debootstrap and root. With --if-there it only says whether the image is there.
set -euo pipefail

suite=bookworm
packages=systemd,systemd-sysv,dbus,curl,ca-certificates,procps,iproute2,openssh-server,sudo

fail() {
  printf 'test-host-image.sh: %s\n' "$*" >&2
  exit 1
}

version=$(sha256sum "${BASH_SOURCE[0]}" | cut -c 1-12)
image="orion-test-host:$version"
if docker image inspect "$image" >/dev/null 2>&1; then
  printf '%s\n' "$image"
  exit 0
fi
if [ "${1:-}" = --if-there ]; then exit 1; fi

PATH="$PATH:/usr/sbin:/sbin"
cache="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/orion-test"
archive="$cache/host-$suite-$version.tar"
mkdir -p "$cache"

make_tree() {
  local tree=$1 log=$2
  debootstrap --variant=minbase --include="$packages" "$suite" "$tree" >"$log" 2>&1 </dev/null || {
    tail -n 20 "$log" >&2
    return 1
  }
  # each container makes its own keys and machine id, and none asks for a password
  rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree"/etc/ssh/ssh_host_*
  : >"$tree/etc/machine-id"
  # what a container can't do, or what would only make its start slower
  ln -sf /dev/null "$tree/etc/systemd/system/systemd-udev-trigger.service"
  ln -sf /dev/null "$tree/etc/systemd/system/systemd-firstboot.service"
  ln -sf /dev/null "$tree/etc/systemd/system/apt-daily.timer"
  ln -sf /dev/null "$tree/etc/systemd/system/apt-daily-upgrade.timer"
  ln -sf /dev/null "$tree/etc/systemd/system/dpkg-db-backup.timer"
  ln -sf /dev/null "$tree/etc/systemd/system/e2scrub_all.timer"
  # keys for sshd at its first start
  mkdir -p "$tree/etc/systemd/system/ssh.service.d"
  printf '[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n' \
    >"$tree/etc/systemd/system/ssh.service.d/keys.conf"
}

if [ ! -s "$archive" ]; then
  [ "$(id -u)" = 0 ] || fail "debootstrap needs root"
  command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
  printf 'making a Debian host, which takes a minute or two\n' >&2
  work=$(mktemp -d "$cache/host.XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT
  make_tree "$work/tree" "$work/log" || fail "debootstrap failed, see above"
  tar -C "$work/tree" --one-file-system --numeric-owner -cf "$work/tree.tar" .
  mv -f "$work/tree.tar" "$archive"
fi
docker import "$archive" "$image" >/dev/null || fail "the image can't be imported"
printf '%s\n' "$image"
