/**
 * A deployment as the host carries it out by itself, so that no cut connection leaves it half done. All of it lies in one
 * folder on the host:
 *
 *     new/         what is to be put in place
 *     old/         what was there, and notes of what was not
 *     remembered   old/ is whole: from here on the way back is known
 *     pending      -> confirmed (the hub has heard from the new agent) or -> undoing: whoever renames it decides
 *     state        applied, or failed
 *     log, guard   what it says, and the process that does it
 *
 * The guard puts new/ in place and waits for the hub's word; without it in time it goes back. A folder that a guard has
 * left behind (the host was turned off) is cleared by the next connection. Every part of it can be done twice.
 */
import { fullPath, programPath } from "./facts.ts";

/** How a folder of a deployment begins; beside the program, so that putting that in place is a rename. */
export const folderName = ".orion-deploy";
/** Where they may lie: of the method binary, of docker as root and as a user. */
const folders = `/usr/local/bin/${folderName}.* /var/lib/${folderName}.* "$HOME"/${folderName}.*`;
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * sh functions of who is at work in a folder of a deployment:
 *
 *     ours D     it is of this user, and no link: what it holds may be run. Others may be able to write where it lies
 *     guarded D  its guard runs
 *     waits D    nothing was installed yet, and it was not given up: see `makeFolder`
 */
const whoIsThere = `
ours() { [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; }
guarded() { pid=$(cat "$1/guard" 2>/dev/null) && [ -n "$pid" ] && grep -q guard.sh "/proc/$pid/cmdline" 2>/dev/null; }
waits() { pid=$(cat "$1/waits" 2>/dev/null) && [ -n "$pid" ] && [ "$(readlink "/proc/$pid/fd/9" 2>/dev/null)" = "$1/owner" ]; }
`;

/**
 * Makes the folder of a deployment for `owner`, the server as the hub knows it. Left behind without a guard (the connection
 * was cut, and the hub does not come back) it goes by itself after an hour. While another's is there this fails: two hubs,
 * or two servers of one hub, may mean the same host. Each looks after it has made its own, so that one of two sees it.
 */
export function makeFolder(folder: string, method: string, unit: string, owner: string, places = folders): string {
  return `
D=${quote(folder)}
umask 077
trap '' PIPE
mkdir -p "\${D%/*}" && mkdir "$D" && mkdir "$D/new" || exit 1
echo ${quote(owner)} >"$D/owner"; echo ${method} >"$D/method"; echo ${unit} >"$D/unit"
: >"$D/pending" || { rm -rf "$D"; exit 1; }
${whoIsThere}
for other in ${places}; do
  if [ "$other" != "$D" ] && ours "$other"; then rm -rf "$D"; echo "another deployment is under way there" >&2; exit 1; fi
done
(
  exec 9<"$D/owner"
  trap '' HUP
  i=0
  while [ -d "$D" ] && [ ! -e "$D/guard" ]; do
    if [ $i -ge 360 ]; then rm -rf "$D"; fi
    sleep 10
    i=$((i + 1))
  done
) </dev/null >/dev/null 2>&1 &
echo $! >"$D/waits"
exit 0
`;
}

/** Takes a file of the deployment from standard input; what did not come whole is taken away again, with the folder. */
export function takeFile(folder: string, name: string, sha256: string, packed: boolean): string {
  return `
D=${quote(folder)}
umask 077
trap '' PIPE
fail() { rm -rf "$D"; echo "$1" >&2; exit 1; }
${packed ? "gzip -dc" : "cat"} >"$D/${name}" 2>"$D/why" || fail "$(tail -n 1 "$D/why")"
[ "$(sha256sum <"$D/${name}" | cut -d ' ' -f 1)" = ${sha256} ] || fail "it did not arrive whole"
`;
}

/** The program runs on this host, and is on disk before it has its name. Prints its version. */
export function tryProgram(folder: string): string {
  return `
D=${quote(folder)}
chmod 0755 "$D/new/orion" && said=$("$D/new/orion" --version 2>&1 </dev/null)
code=$?
echo "$said" | head -n 5
[ $code = 0 ] || exit 1
sync "$D/new/orion" 2>/dev/null || sync
`;
}

/** The program that is installed already is taken instead of one that would be sent, if it is the same (0; else 1). */
export function reuseProgram(folder: string, sha256: string): string {
  return `
D=${quote(folder)}
[ -f ${programPath} ] || exit 1
[ "$(sha256sum <${programPath} | cut -d ' ' -f 1)" = ${sha256} ] || exit 1
ln ${programPath} "$D/new/orion" 2>/dev/null || cp ${programPath} "$D/new/orion"
`;
}

/** Starts the guard and shows what it says until it has applied the deployment (0) or undone it (1). */
export function startGuard(folder: string, method: string, unit: string): string {
  return `
D=${quote(folder)}
${fullPath}
trap '' PIPE
: >"$D/log"
if [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] && command -v systemd-run >/dev/null 2>&1 &&
  systemd-run --quiet --collect --unit ${unit} /bin/sh "$D/guard.sh" "$D" ${method} run; then :
elif command -v setsid >/dev/null 2>&1; then
  setsid sh "$D/guard.sh" "$D" ${method} run </dev/null >/dev/null 2>&1 &
else
  nohup sh "$D/guard.sh" "$D" ${method} run </dev/null >/dev/null 2>&1 &
fi
shown=0
while :; do
  [ -d "$D" ] || exit 1
  state=$(cat "$D/state" 2>/dev/null)
  lines=$(wc -l <"$D/log")
  if [ "$lines" -gt "$shown" ]; then tail -n +$((shown + 1)) "$D/log" | head -n $((lines - shown)); shown=$lines; fi
  case $state in applied) exit 0 ;; failed) exit 1 ;; esac
  sleep 1
done
`;
}

/** The hub has heard from the new agent. 0: it stays, and the host has cleared up; 1: the host has gone back already. */
export function confirmGuard(folder: string): string {
  return `
D=${quote(folder)}
mv "$D/pending" "$D/confirmed" 2>/dev/null || [ -e "$D/confirmed" ] || exit 1
i=0
while [ -d "$D" ] && [ $i -lt 20 ]; do sleep 1; i=$((i + 1)); done
exit 0
`;
}

/** What `clearFolders` ends with when it leaves somebody else's deployment to go on. */
export const busyCode = 3;

/**
 * Brings every deployment on the host to its end: what was confirmed stays, everything else is undone. Prints a line for
 * each. For a guard that is at it already it waits. One that goes on for another server than `owner` is left alone.
 */
export const clearFolders = (owner: string, places = folders): string => `
${fullPath}
trap '' PIPE
busy=0
${whoIsThere}
gone() { [ ! -d "$D" ]; }
# a guard that was ended in the middle of it is not waited for in vain
finish() {
  i=0
  while guarded "$D" && [ $i -lt 60 ]; do gone && return; sleep 1; i=$((i + 1)); done
  if ! gone && [ -e "$D/guard.sh" ]; then sh "$D/guard.sh" "$D" "$METHOD" "$1"; fi
  rm -rf "$D"
}
for D in ${places}; do
  ours "$D" || continue
  whose=$(cat "$D/owner" 2>/dev/null)
  if [ -n "$whose" ] && [ "$whose" != ${quote(owner)} ] && { guarded "$D" || { [ ! -e "$D/guard" ] && waits "$D"; }; }; then
    echo "$D is of another deployment, which goes on"; busy=${busyCode}; continue
  fi
  METHOD=$(cat "$D/method" 2>/dev/null || echo binary)
  if [ -e "$D/confirmed" ]; then finish commit; echo "an earlier deployment was finished"
  elif mv "$D/pending" "$D/undoing" 2>/dev/null; then
    if guarded "$D"; then
      # it may be in the middle of putting things in place: it is ended with all that it has started
      unit=$(cat "$D/unit" 2>/dev/null)
      { [ -n "$unit" ] && systemctl stop "$unit" 2>/dev/null; } || true
      if guarded "$D"; then kill -9 -- "-$pid" 2>/dev/null || kill -9 "$pid"; fi
    fi
    if [ -e "$D/remembered" ]; then echo "a deployment that was not confirmed is undone"; fi
    finish undo
  elif [ -e "$D/undoing" ] && [ -e "$D/remembered" ]; then finish undo; echo "a deployment was undone"
  else rm -rf "$D"
  fi
done
exit $busy
`;
