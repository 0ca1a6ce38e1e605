/** The host's own half of a deployment: what puts it in place, waits for the hub's word, and goes back without it. */
import { authorityPath } from "./authority.ts";
import { fullPath, programPath } from "./facts.ts";

/** Seconds that the guard waits for the hub's word: longer than the hub waits for the new agent. */
export const guardSeconds = 100;

const container = "orion-agent";
const before = "orion-agent-before";

/** The script `guard.sh`, for dash and busybox: `sh guard.sh FOLDER METHOD run|undo|commit`. */
export const guardScript = `
D=$1; METHOD=$2
BIN=${programPath} UNIT=/etc/systemd/system/orion-agent.service ETC=/etc/orion CONF=/etc/orion/config.json CA=${authorityPath}
LOG=/var/log/orion-agent.log
${fullPath}
trap '' HUP INT PIPE
exec </dev/null >>"$D/log" 2>&1

have() { command -v "$1" >/dev/null 2>&1; }
systemd() { [ -d /run/systemd/system ] && have systemctl; }
active() { systemd && systemctl is-active --quiet orion-agent; }
enabled() { systemd && systemctl is-enabled --quiet orion-agent 2>/dev/null; }
there() { have docker && docker container inspect "$1" >/dev/null 2>&1; }
runs() { [ "$(docker container inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }
# put FROM TO: a copy that takes its place in one step
put() { cp -p "$1" "$2.orion-deploy" && mv -f "$2.orion-deploy" "$2" || { rm -f "$2.orion-deploy"; return 1; }; }
keep() { if [ -e "$1" ]; then ln "$1" "$2" 2>/dev/null || cp -p "$1" "$2" || return 1; fi; }

remember() {
  rm -rf "$D/old"; mkdir "$D/old" || return 1
  if active; then : >"$D/old/active"; fi
  if enabled; then : >"$D/old/enabled"; fi
  if there ${container}; then
    : >"$D/old/container"
    if runs ${container}; then : >"$D/old/container-runs"; fi
  fi
  if have docker && docker volume inspect ${container} >/dev/null 2>&1; then : >"$D/old/volume"; fi
  if [ "$METHOD" = binary ]; then
    if grep -q '^orion:' /etc/group; then : >"$D/old/group"; fi
    if [ -d "$ETC" ]; then ls -A "$ETC" >"$D/old/etc" || return 1; fi
    if [ -e "$LOG" ]; then : >"$D/old/logfile"; fi
    if [ -d /run/orion ]; then : >"$D/old/run"; fi
    keep "$BIN" "$D/old/orion" && keep "$BIN.previous" "$D/old/orion.previous" || return 1
    keep "$UNIT" "$D/old/unit" && keep "$CONF" "$D/old/config.json" || return 1
    keep "$CA" "$D/old/hub-ca.pem" || return 1
  fi
  : >"$D/remembered"
}

# the container makes way; it is kept until the new agent has reported
set_aside() {
  if there ${container}; then
    if runs ${container}; then docker stop --time 20 ${container} >/dev/null || return 1; fi
    docker rename ${container} ${before} || return 1
    echo "stopped the container ${container}"
  fi
}

apply_binary() {
  if [ ! -e "$D/old/group" ]; then
    if have groupadd; then groupadd --system orion; elif have addgroup; then addgroup -S orion; fi ||
      echo "the group orion could not be made; only root may use the agent's socket"
  fi
  if [ ! -d "$ETC" ]; then
    mkdir -m 0750 "$ETC" || return 1
    if grep -q '^orion:' /etc/group; then chgrp orion "$ETC"; fi
  fi
  if active && [ -e "$BIN" ] && ! cmp -s "$D/new/orion" "$BIN"; then
    # asks the running agent to make way, and is what that goes back to if the new one does not start
    rm -f "$BIN.previous"
    ln "$BIN" "$BIN.previous" || cp -p "$BIN" "$BIN.previous" || return 1
  fi
  if ! cmp -s "$D/new/orion" "$BIN"; then mv -f "$D/new/orion" "$BIN" || return 1; echo "put $BIN in place"; fi
  chmod 0644 "$D/new/unit"
  if ! cmp -s "$D/new/unit" "$UNIT"; then put "$D/new/unit" "$UNIT" || return 1; echo "put $UNIT in place"; fi
  if [ -e "$D/new/hub-ca.pem" ]; then chmod 0644 "$D/new/hub-ca.pem"; put "$D/new/hub-ca.pem" "$CA" || return 1; fi
  put "$D/new/config.json" "$CONF" || return 1
  echo "wrote $CONF"
  set_aside || return 1
  systemctl daemon-reload || return 1
  systemctl enable --quiet orion-agent || return 1
  if active; then
    P=$BIN.previous; [ -x "$P" ] || P=$BIN
    "$P" agent reexec; code=$?
    case $code in
      0) echo "replaced the running agent; its applications go on" ;;
      2) systemctl restart orion-agent || return 1; echo "restarted the agent" ;;
      *) echo "the agent could not be replaced (exit code $code)"; return 1 ;;
    esac
  else
    systemctl start orion-agent || { journalctl --no-pager -n 20 -u orion-agent 2>/dev/null; return 1; }
    echo "started the agent"
  fi
}

apply_docker() {
  # one that is stopped now would be there again after the next boot
  if active || enabled; then
    systemctl disable --now --quiet orion-agent || return 1
    echo "stopped the service orion-agent"
  fi
  set_aside || return 1
  IMAGE=$(cat "$D/new/image") SOCKET=/var/run/docker.sock
  docker run --detach --name ${container} --restart unless-stopped --read-only \\
    --group-add "$(stat -L -c %g "$SOCKET")" --volume "$SOCKET:$SOCKET:ro" --volume /proc:/host/proc:ro \\
    --volume ${container}:/var/lib/orion --env-file "$D/new/env" "$IMAGE" >/dev/null || return 1
  echo "started the container ${container} of $IMAGE"
}

# back NAME PATH: the file as it was
back() {
  if [ -e "$D/old/$1" ]; then
    cmp -s "$D/old/$1" "$2" && return
    rm -f "$2.orion-deploy"
    ln "$D/old/$1" "$2.orion-deploy" 2>/dev/null || cp -p "$D/old/$1" "$2.orion-deploy" || return 1
    mv -f "$2.orion-deploy" "$2"
  else rm -f "$2" "$2.orion-deploy"
  fi
}

undo() {
  if [ -e "$D/remembered" ]; then
    if [ "$METHOD" = binary ]; then undo_binary; fi
    if [ -e "$D/old/container" ]; then
      if there ${before}; then docker rm --force ${container} >/dev/null 2>&1; docker rename ${before} ${container}; fi
      if [ -e "$D/old/container-runs" ] && ! runs ${container}; then docker start ${container} >/dev/null; fi
    elif [ "$METHOD" = docker ] && there ${container}; then
      docker logs --tail 20 ${container}
      docker rm --force ${container} >/dev/null
    fi
    if [ "$METHOD" = docker ]; then
      [ -e "$D/old/volume" ] || docker volume rm ${container} >/dev/null 2>&1
      if [ -e "$D/old/enabled" ]; then systemctl enable --quiet orion-agent; fi
      if [ -e "$D/old/active" ]; then systemctl start orion-agent; fi
    fi
    echo "everything is as it was"
  fi
  # first what says that there is something to undo
  rm -f "$D/remembered"
}

undo_binary() {
  if [ ! -e "$D/old/active" ] && systemd && [ -e "$UNIT" ]; then systemctl stop orion-agent; fi
  if [ ! -e "$D/old/enabled" ] && systemd && [ -e "$UNIT" ]; then systemctl disable --quiet orion-agent; fi
  back orion.previous "$BIN.previous"; back orion "$BIN"; back unit "$UNIT"; back config.json "$CONF"; back hub-ca.pem "$CA"
  if systemd; then systemctl daemon-reload; fi
  if [ -e "$D/old/enabled" ]; then systemctl enable --quiet orion-agent; fi
  if [ -e "$D/old/active" ]; then
    { active && "$BIN" agent reexec; } || systemctl restart orion-agent
  else
    if [ -e "$D/old/etc" ]; then
      ls -A "$ETC" | while IFS= read -r name; do grep -qxF -e "$name" "$D/old/etc" || rm -rf "$ETC/$name"; done
    else rm -rf "$ETC"
    fi
    [ -e "$D/old/logfile" ] || rm -f "$LOG" "$LOG".*
    [ -e "$D/old/run" ] || rm -rf /run/orion
    if [ ! -e "$D/old/group" ] && grep -q '^orion:' /etc/group; then
      if have groupdel; then groupdel orion; else delgroup orion; fi
    fi
  fi
}

commit() {
  rm -f "$D/remembered"
  if there ${before}; then docker rm --force ${before} >/dev/null; fi
}

# what the others may read; its content comes and goes in one step
say_state() { echo "$1" >"$D/state.new" && mv -f "$D/state.new" "$D/state"; }

run() {
  echo $$ >"$D/guard"
  if ! remember || ! apply_$METHOD; then
    mv "$D/pending" "$D/undoing" 2>/dev/null || return
    undo
    say_state failed
    # the hub reads what was said
    sleep 20
    rm -rf "$D"
    return
  fi
  say_state applied
  i=0
  while [ $i -lt ${guardSeconds} ]; do
    if [ -e "$D/confirmed" ]; then commit; rm -rf "$D"; return; fi
    [ -e "$D/pending" ] || return
    sleep 1
    i=$((i + 1))
  done
  if mv "$D/pending" "$D/undoing" 2>/dev/null; then
    echo "nobody confirmed the new agent in time"
    undo
    rm -rf "$D"
  fi
}

case $3 in
  run) run ;;
  undo) undo ; rm -rf "$D" ;;
  commit) commit; rm -rf "$D" ;;
esac
`;
