#!/usr/bin/env bash
# Installs Orion on Linux, or upgrades it.
#
#   curl -fsSL https://install.orion.dev | sudo bash
#   curl -fsSL https://install.orion.dev | bash -s -- --up
#
# From a checkout it builds instead of downloading. `--help` lists the options.
#
# The braces make bash read the script to its end before it runs a word of it, so that a download that was cut does
# nothing at all.
{

set -euo pipefail

readonly default_url=https://install.orion.dev/releases
readonly unit_dir=/etc/systemd/system
readonly config_dir=/etc/orion
readonly data_dir=/var/lib/orion
readonly run_dir=/run/orion
readonly log_file=/var/log/orion-agent.log
readonly services=(orion-agent orion-hub)

# what the options chose
release=latest
prefix=/usr/local
whole_system=true
action=install
source_wanted=""
start_hub=false
start_up=false
purge=false

# temporary files, removed however this ends
leftovers=()

usage() {
  cat <<'TEXT'
Installs Orion, or upgrades it and keeps config and data.

Usage: install.sh [options]

  --up               then start the trial in the foreground: hub and agent of this machine (needs no root)
  --hub              then enable and start the hub service
  --prefix P         put the binary at P/bin/orion and do nothing else: no root, no services, no user
  --version X        install release X instead of the newest
  --from-source      build from the checkout; that is the default when this script lies in one
  --uninstall        stop the services and remove the program; config and data stay
  --purge            with --uninstall: remove config, data, logs and the user as well
  --help             show this

ORION_DOWNLOAD_URL   where releases are: <url>/latest/download/<file> and <url>/download/v<version>/<file>
                     (default https://install.orion.dev/releases)
TEXT
}

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }
fail() {
  warn "$*"
  exit 1
}
wrong_usage() {
  warn "$* (see --help)"
  exit 2
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

remove_leftovers() {
  local file
  for file in ${leftovers[@]+"${leftovers[@]}"}; do rm -rf "$file"; done
}

# --- what was asked for ------------------------------------------------------------------------------------------------

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --version=* | --prefix=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
      --version)
        [ -n "${2:-}" ] || wrong_usage "--version needs a version, such as --version 0.1.0"
        release=${2#v}
        case $release in *[!0-9A-Za-z.+-]*) wrong_usage "'$2' is not a version" ;; esac
        source_wanted=false
        shift
        ;;
      --prefix)
        [ -n "${2:-}" ] || wrong_usage "--prefix needs a folder, such as --prefix ~/.local"
        set_prefix "$2"
        shift
        ;;
      --from-source) source_wanted=true ;;
      --up) start_up=true ;;
      --hub) start_hub=true ;;
      --uninstall) action=uninstall ;;
      --purge) purge=true ;;
      --help | -h)
        usage
        exit 0
        ;;
      *) wrong_usage "unknown option '$1'" ;;
    esac
    shift
  done
  if $purge && [ $action != uninstall ]; then wrong_usage "--purge goes with --uninstall"; fi
  if [ $action = uninstall ] && { $start_up || $start_hub; }; then
    wrong_usage "--uninstall goes with neither --up nor --hub"
  fi
  if $start_hub && ! $whole_system; then
    wrong_usage "--hub needs the services, which --prefix leaves out: run 'orion hub' yourself"
  fi
  # the trial needs no root, so neither does installing for it
  if $start_up && $whole_system && ! is_root; then
    [ -n "${HOME:-}" ] || fail "HOME is not set: say where to install with --prefix P"
    if $start_hub; then fail "--hub installs a service, which needs root: run it with sudo"; fi
    set_prefix "$HOME/.local"
  fi
}

# A prefix stands for itself: only the binary, so that no root is needed.
set_prefix() {
  case $1 in
    /*) prefix=$1 ;;
    # --prefix=~/x comes unexpanded
    \~ | \~/*) prefix=${HOME:?}${1#\~} ;;
    *) prefix=$PWD/$1 ;;
  esac
  while [ "$prefix" != / ] && [ "${prefix%/}" != "$prefix" ]; do prefix=${prefix%/}; done
  whole_system=false
}

# --- this machine ------------------------------------------------------------------------------------------------------

# Prints the name of the release for this machine, such as x64-baseline or arm64-musl.
platform() {
  local cpu bits
  [ "$(uname -s)" = Linux ] || fail "Orion runs on Linux only; this is $(uname -s)"
  case $(uname -m) in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) fail "there is no Orion for this CPU ($(uname -m)); there is one for x86_64 and aarch64" ;;
  esac
  bits=$(getconf LONG_BIT 2>/dev/null || echo 64)
  [ "$bits" = 64 ] || fail "this system is ${bits}-bit on a 64-bit CPU; Orion needs a 64-bit system"
  if [ $cpu = x64 ]; then
    # without the list of features (some sandboxes hide it) the most modest build is right
    if cpu_flags | grep -q . && ! cpu_has sse4_2; then
      fail "this CPU is too old: it lacks SSE4.2, which every x86_64 CPU since 2011 has"
    fi
    if is_musl; then cpu=x64; elif ! cpu_has avx2; then cpu=x64-baseline; fi
  fi
  if is_musl; then printf '%s-musl' "$cpu"; else printf '%s' "$cpu"; fi
}

cpu_flags() { sed -n 's/^flags[[:space:]]*://p' /proc/cpuinfo 2>/dev/null | head -n 1; }
cpu_has() { case " $(cpu_flags) " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# getconf knows this name on glibc only; musl's ldd names itself
is_musl() {
  if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then return 1; fi
  { ldd --version 2>&1 || true; } | grep -qi musl
}

# Prints the folder of the checkout that this script lies in, or fails. Piped into bash it lies in none.
checkout() {
  local folder=""
  if [ -f "$0" ] && [ "${0##*/}" = install.sh ]; then
    folder=$(cd "$(dirname "$0")" && pwd)
  elif [ "$source_wanted" = true ]; then
    folder=$PWD
  fi
  [ -n "$folder" ] && [ -f "$folder/scripts/build.ts" ] && grep -q '"name": *"orion"' "$folder/package.json" 2>/dev/null &&
    printf '%s' "$folder"
}

# --- getting the program -----------------------------------------------------------------------------------------------

# download URL FILE: with curl or wget; the reason of a failure is one line
download() {
  local url=$1 file=$2 code=0 reason
  if have curl; then
    # a stalled connection ends after 30 s below 1 kB/s, a slow one goes on
    reason=$(curl -fsSL --connect-timeout 20 --speed-limit 1000 --speed-time 30 -o "$file" "$url" 2>&1) || code=$?
    if [ $code = 22 ]; then fail "$url could not be fetched: the server answered ${reason##*: }"; fi
  elif have wget; then
    reason=$(wget -q -T 30 -O "$file" "$url" 2>&1) || code=$?
  else
    fail "neither curl nor wget is here: install one of them"
  fi
  [ $code != 0 ] || return 0
  if disk_is_full "$file"; then fail "$(no_space "$file")"; fi
  reason=${reason##*$'\n'}
  fail "$url could not be fetched: ${reason:-the transfer failed (exit code $code)}"
}

# Less than 1 MiB left where FILE lies.
disk_is_full() {
  local left
  left=$(df -Pk "$(dirname "$1")" 2>/dev/null | awk 'NR == 2 { print $4 }')
  [ -n "$left" ] && [ "$left" -lt 1024 ]
}
no_space() { printf 'no space is left in %s: Orion needs about 120 MB there' "$(dirname "$1")"; }

sha256() {
  if have sha256sum; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  elif have openssl; then
    openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1
  else
    fail "there is nothing here to check a download with: install sha256sum (coreutils)"
  fi
}

# fetch_release FILE: the release for this machine, checked against its SHA256SUMS
fetch_release() {
  local file=$1 name url base sums wanted got
  name=orion-linux-$(platform)
  base=${ORION_DOWNLOAD_URL:-$default_url}
  if [ "$release" = latest ]; then url=${base%/}/latest/download; else url=${base%/}/download/v$release; fi
  sums=$file.sums
  leftovers+=("$sums")
  say "fetching $url/$name"
  download "$url/SHA256SUMS" "$sums"
  wanted=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1; exit }' "$sums")
  case $wanted in
    *[!0-9a-f]* | "") fail "$url/SHA256SUMS names no checksum for $name: is it there for this CPU?" ;;
  esac
  download "$url/$name" "$file"
  got=$(sha256 "$file")
  [ "$got" = "$wanted" ] ||
    fail "the download of $name is damaged or not genuine (SHA-256 is $got, should be $wanted): nothing was installed"
  rm -f "$sums"
}

# build_release FOLDER FILE: out of the checkout
build_release() {
  local folder=$1 file=$2 bun
  say "building from $folder"
  bun=$("$folder/scripts/pinned-bun.sh") || fail "Bun, which builds Orion, could not be brought: see above"
  (
    cd "$folder"
    # what only tests need is left out, unless somebody works here; offline, the packages that are there will do
    production=(--production)
    if [ -e node_modules/.bin/oxlint ]; then production=(); fi
    "$bun" install --frozen-lockfile ${production[@]+"${production[@]}"} || [ -d node_modules ]
    "$bun" scripts/build.ts --outfile "$file"
  ) >"$file.log" 2>&1 || {
    tail -n 15 "$file.log" >&2
    if disk_is_full "$file"; then fail "$(no_space "$file")"; fi
    fail "the build failed, see above"
  }
  rm -f "$file.log"
}

# --- putting it in place -----------------------------------------------------------------------------------------------

# Makes the folder of the binary and finds out whether it can be written, before anything is fetched.
prepare_folder() {
  local folder=$prefix/bin reason
  if $whole_system && ! is_root; then
    fail "installing to $prefix with services needs root: run it with sudo, or say --prefix ~/.local to do without"
  fi
  reason=$(mkdir -p "$folder" 2>&1) || fail "$folder can't be made: ${reason##*: }"
  [ ! -d "$folder/orion" ] || fail "$folder/orion is a folder: move it away first"
  reason=$( (: >"$folder/.orion.$$.new") 2>&1) || {
    if disk_is_full "$folder/orion"; then fail "$(no_space "$folder/orion")"; fi
    fail "$folder can't be written: ${reason##*: }"
  }
}

# Runs the new program once, where it will stay: a wrong C library, CPU or noexec mount shows here, not at the next boot.
check_runs() {
  local file=$1 answer
  chmod 0755 "$file"
  answer=$("$file" --version 2>&1) || {
    answer=${answer%%$'\n'*}
    case $answer in *libstdc++*) fail "Orion needs libstdc++ here: install it (Alpine: apk add libstdc++)" ;; esac
    fail "the new program does not run on this machine (${answer:-no message}): nothing was installed"
  }
  installed_version=${answer##*[[:space:]]}
  if [ "$release" != latest ] && [ "$installed_version" != "$release" ]; then
    fail "version $release was asked for, but the download is $installed_version: nothing was installed"
  fi
}

# stage_units: beside their places, so that only renames are left to do
stage_units() {
  local service file
  for service in "${services[@]}"; do
    file=$unit_dir/.$service.service.$$.new
    leftovers+=("$file")
    unit "$service" >"$file" 2>/dev/null || fail "$unit_dir can't be written: nothing was installed"
    chmod 0644 "$file"
  done
}

unit() { if [ "$1" = orion-hub ]; then unit_hub; else unit_agent; fi; }

unit_agent() {
  cat <<UNIT
[Unit]
Description=Orion agent: runs, watches and ships what lives on this server
After=local-fs.target network.target
# a daemon that is ended by accident always comes back
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=$prefix/bin/orion agent
# the daemon is replaced in place by the program that is installed now: applications go on, config and scripts are read
ExecReload=$prefix/bin/orion agent reexec
# variables such as ORION_ENDPOINT, if you keep them out of config.json
EnvironmentFile=-$config_dir/agent.env
Restart=always
RestartSec=500ms
WatchdogSec=60
TimeoutStopSec=20
# applications belong to the daemon, which stops them all when it is stopped; when it is killed they go on, and systemd
# holds their pipes until the next one reads them
KillMode=process
FileDescriptorStoreMax=4096
# an application that is out of memory is not the daemon's end
OOMPolicy=continue
TasksMax=infinity
LimitNOFILE=65536:524288
RuntimeDirectory=orion
RuntimeDirectoryMode=0755
# pipes and states of applications that outlive a daemon
RuntimeDirectoryPreserve=yes

[Install]
WantedBy=multi-user.target
UNIT
}

unit_hub() {
  cat <<UNIT
[Unit]
Description=Orion hub: takes in what agents send, and shows it
After=local-fs.target network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=$prefix/bin/orion hub
EnvironmentFile=-$config_dir/hub.env
User=orion
Group=orion
Restart=always
RestartSec=1
TimeoutStopSec=20
LimitNOFILE=524288
StateDirectory=orion
StateDirectoryMode=0750
UMask=0077
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
UNIT
}

# The hub runs as this user, and its group may talk to the agent. Debian's tools, or those of busybox.
make_user() {
  local shell=/usr/sbin/nologin reason
  [ -x $shell ] || shell=/sbin/nologin
  if ! in_database group orion; then
    if have groupadd; then
      reason=$(groupadd --system orion 2>&1) || fail "the group orion can't be made: $reason"
    else
      reason=$(addgroup -S orion 2>&1) || fail "the group orion can't be made: $reason"
    fi
  fi
  if ! in_database passwd orion; then
    if have useradd; then
      reason=$(useradd --system --gid orion --home-dir $data_dir --no-create-home --shell $shell orion 2>&1) ||
        fail "the user orion can't be made: $reason"
    else
      reason=$(adduser -S -D -H -h $data_dir -s $shell -G orion orion 2>&1) ||
        fail "the user orion can't be made: $reason"
    fi
  fi
}

in_database() {
  if have getent; then getent "$1" "$2" >/dev/null; else grep -q "^$2:" "/etc/$1"; fi
}

# Folders that outlive the program: config for root and the group, data for the hub.
make_folders() {
  local reason
  if [ ! -d $config_dir ]; then
    reason=$(mkdir -m 0750 $config_dir 2>&1) || fail "$config_dir can't be made: ${reason##*: }"
    chgrp orion $config_dir
  fi
  if [ ! -d $data_dir ]; then
    reason=$(mkdir -m 0750 $data_dir 2>&1) || fail "$data_dir can't be made: ${reason##*: }"
    chown orion:orion $data_dir
  fi
}

has_systemd_folder() { [ -d $unit_dir ]; }
systemd_runs() { [ -d /run/systemd/system ] && have systemctl; }

same_file() { [ -f "$2" ] && cmp -s "$1" "$2"; }

install_orion() {
  local target=$prefix/bin/orion new=$prefix/bin/.orion.$$.new folder="" changed=false service
  if [ "$source_wanted" != false ]; then folder=$(checkout) || folder=""; fi
  if [ "$source_wanted" = true ] && [ -z "$folder" ]; then
    fail "--from-source needs a checkout of Orion: run install.sh in one"
  fi
  leftovers+=("$new" "$new.log")
  prepare_folder
  if [ -n "$folder" ]; then build_release "$folder" "$new"; else fetch_release "$new"; fi
  check_runs "$new"
  if $whole_system && has_systemd_folder; then stage_units; fi
  if $whole_system; then
    make_user
    make_folders
  fi

  # from here on only renames: each is whole or not done
  if same_file "$new" "$target"; then
    rm -f "$new"
  else
    changed=true
    # it is needed to replace the daemon, and to go back to when the new one fails
    if $whole_system && agent_runs; then
      rm -f "$target.previous"
      ln "$target" "$target.previous" || warn "$target can't be kept as $target.previous"
    fi
    # on disk before it has its name, so that a power cut leaves the old or the new program
    sync "$new" 2>/dev/null || sync
    mv -f "$new" "$target" || fail "$target can't be replaced"
  fi
  if $whole_system && has_systemd_folder; then
    for service in "${services[@]}"; do
      new=$unit_dir/.$service.service.$$.new
      if same_file "$new" "$unit_dir/$service.service"; then
        rm -f "$new"
      else
        changed=true
        mv -f "$new" "$unit_dir/$service.service" || fail "$unit_dir/$service.service can't be replaced"
      fi
    done
  fi
  say "orion $installed_version is installed: $target"
  if $whole_system; then start_services $changed; fi
  next_step
}

# Running services go on with the new program; nothing is restarted when nothing has changed.
start_services() {
  if ! systemd_runs; then return 0; fi
  systemctl daemon-reload
  if [ "$1" = true ]; then
    if agent_runs; then replace_agent; fi
    if systemctl is-active --quiet orion-hub; then restart_service orion-hub; fi
  fi
  if $start_hub; then
    systemctl enable --now --quiet orion-hub || fail "orion-hub did not start: see journalctl -u orion-hub"
    say "the hub runs: http://127.0.0.1:8420"
    first_owner
  fi
}

# The way in while nobody has an account.
first_owner() {
  local link
  link=$(runuser -u orion -- "$prefix/bin/orion" hub admin link 2>/dev/null) || return 0
  say "make its first owner: $link"
  say "or without a browser: sudo -u orion orion hub admin create --email YOU@EXAMPLE.COM"
}

agent_runs() { systemd_runs && systemctl is-active --quiet orion-agent; }

# The agent is replaced in place, so that its applications go on. When the new program fails, the one before is back by the
# time that this says so. The program before asks for it: that one works. One that doesn't know how to (exit code 2, wrong
# usage) is restarted.
replace_agent() {
  local program=$prefix/bin/orion.previous said code=0
  if [ ! -x "$program" ]; then program=$prefix/bin/orion; fi
  said=$("$program" agent reexec 2>&1) || code=$?
  case $code in
    0) say "replaced the running orion-agent; its applications go on" ;;
    2) restart_service orion-agent ;;
    *) fail "the running orion-agent goes on with the program before: ${said#orion: }" ;;
  esac
}

restart_service() {
  systemctl restart "$1" || fail "$1 did not start again: see journalctl -u $1"
  say "restarted $1"
}

next_step() {
  if $start_up; then return 0; fi
  if ! $whole_system; then
    say "Next: $(command_name) up"
    in_path || say "$prefix/bin is not in your PATH; add it: export PATH=\"$prefix/bin:\$PATH\""
  elif systemd_runs; then
    if systemctl is-active --quiet orion-agent; then
      say "Next: orion status"
    else
      say "Next: write $config_dir/config.json (token, apiUrl, serverId), then: systemctl enable --now orion-agent"
      say "  or try it first, hub and agent of this machine: orion up"
    fi
  else
    say "This system does not run systemd, so there are no services to start."
    say "Next: let your init system run 'orion agent' as root, or try it first: orion up"
    if $start_hub; then say "The hub was not started: run 'orion hub' as the user orion."; fi
  fi
}

in_path() { case ":$PATH:" in *":$prefix/bin:"*) return 0 ;; *) return 1 ;; esac; }
command_name() { if in_path; then printf orion; else printf '%s/bin/orion' "$prefix"; fi; }

# --- taking it away ----------------------------------------------------------------------------------------------------

uninstall_orion() {
  local service target=$prefix/bin/orion reason
  if $whole_system; then
    is_root || fail "uninstalling from $prefix needs root: run it with sudo, or say --prefix P if it was installed so"
    if systemd_runs; then
      for service in "${services[@]}"; do
        [ -f "$unit_dir/$service.service" ] || continue
        # the agent stops its applications, then itself
        systemctl disable --now --quiet "$service" || fail "$service did not stop: see journalctl -u $service"
      done
    fi
    refuse_while_running
    for service in "${services[@]}"; do rm -f "$unit_dir/$service.service"; done
    if systemd_runs; then systemctl daemon-reload; fi
  fi
  if [ ! -e "$target" ]; then say "$target is not there"; fi
  reason=$(rm -f "$target" "$target.previous" 2>&1) || fail "$target can't be removed: ${reason##*: }"
  if ! $whole_system; then
    say "removed $target; the data of 'orion up' stays in ~/.local/share/orion"
  elif $purge; then
    purge_data
    say "removed orion with its config, data, logs and user"
  else
    say "removed orion; config stays in $config_dir, data in $data_dir (--uninstall --purge removes them too)"
  fi
}

# A daemon that somebody runs by hand would lose its program and its config under its feet.
refuse_while_running() {
  local pid
  pid=$(cat $run_dir/agent.lock 2>/dev/null) || return 0
  case $pid in "" | *[!0-9]*) return 0 ;; esac
  case $(readlink "/proc/$pid/exe" 2>/dev/null) in
    # the kernel adds a word when the file was replaced since
    "$prefix/bin/orion" | "$prefix/bin/orion (deleted)")
      fail "an agent still runs as pid $pid: stop it first (kill $pid)"
      ;;
  esac
}

purge_data() {
  rm -rf $config_dir $data_dir $run_dir
  rm -f $log_file $log_file.*
  if in_database passwd orion; then
    if have userdel; then userdel orion; else deluser orion; fi || warn "the user orion could not be removed"
  fi
  if in_database group orion; then
    if have groupdel; then groupdel orion; else delgroup orion; fi || warn "the group orion could not be removed"
  fi
}

# -----------------------------------------------------------------------------------------------------------------------

main() {
  trap remove_leftovers EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  read_options "$@"
  if [ $action = uninstall ]; then
    uninstall_orion
    return
  fi
  install_orion
  if $start_up; then
    remove_leftovers
    exec "$prefix/bin/orion" up
  fi
}

# nothing in here may take the rest of the script for an answer
main "$@" </dev/null
exit
}
