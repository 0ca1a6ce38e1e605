/**
 * The one command of a poll: a POSIX sh script that prints the texts which the agent reads itself, each behind a marker
 * line. It needs no tool that busybox lacks, starts some fifteen processes and two for each running container, and
 * changes nothing on the host. What is not there is left out, and whoever reads the output sees it missing.
 */

export type PollScript = {
  /** letters and digits that no text of the host can hold, since they are drawn anew for each poll */
  readonly word: string;
  /** the path whose filesystem is looked at; the root is, where that does not exist */
  readonly diskPath: string;
  /** looks at the counters twice, half a second apart, because there is nothing else to compare them with */
  readonly twice: boolean;
};

/** A stuck Docker engine or file server may hold its own figures back, not all others. */
const patienceSeconds = 8;

/** By these a container's source is told; all labels of some images are kilobytes. */
const labels = ["orion.name", "com.docker.compose.project", "com.docker.compose.service", "io.podman.compose.project"]
  .map((label) => `"${label}":{{json (or (index .Config.Labels "${label}") "")}}`)
  .join(",");

/**
 * Of `docker inspect`: pid and network, by which more is found, and what a container's status is made of. `.Id` is no
 * field of the engine's types, so that Docker takes all names from the JSON itself, and there a container without a
 * health check has no `Health`: its state is printed as it is.
 */
const container = [
  '{{.State.Pid}} {{.HostConfig.NetworkMode}} {"Id":{{json .Id}},"Name":{{json .Name}},"Image":{{json .Image}}',
  `"RestartCount":{{json .RestartCount}},"Config":{"Image":{{json .Config.Image}}`,
  `"Labels":{{if .Config.Labels}}{${labels}}{{else}}null{{end}}},"State":{{json .State}}}`,
].join(",");

/** The lines of a container's cgroup that matter, of v2 and of v1; the files' names are printed before them. */
const cgroupLines =
  "^(usage_usec|inactive_file|total_inactive_file) |^[0-9]+$|^max$|^[0-9]+:[0-9]+ (rbytes|Read|Write)";

export function pollScript({ word, diskPath, twice }: PollScript): string {
  return `LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
m() { printf '\\n@@${word} %s\\n' "$*"; }
t=
if timeout 1 true; then t='timeout ${patienceSeconds}'; elif timeout -t 1 true; then t='timeout -t ${patienceSeconds}'; fi 2>/dev/null
counters() {
m uptime; cat /proc/uptime
m stat; grep '^cpu' /proc/stat
m net; cat /proc/1/net/dev 2>/dev/null || cat /proc/net/dev
}
cgroups() {
u= a= y= b=
while IFS=: read -r n c p; do
case ,$n,$c, in ,0,,) u=$p;; esac
case ,$c, in *,cpuacct,*) a=$p;; esac
case ,$c, in *,memory,*) y=$p;; esac
case ,$c, in *,blkio,*) b=$p;; esac
done </proc/$1/cgroup
g=/sys/fs/cgroup
if [ -f $g/cgroup.controllers ]; then set -- $g$u/cpu.stat $g$u/memory.current $g$u/memory.max $g$u/memory.stat $g$u/io.stat
else set -- $g/cpuacct$a/cpuacct.usage $g/memory$y/memory.usage_in_bytes $g/memory$y/memory.limit_in_bytes $g/memory$y/memory.stat $g/blkio$b/blkio.throttle.io_service_bytes_recursive
fi
grep -sE '${cgroupLines}' "$@"
}
inspect() { $t docker inspect --format '${container}' $ids; }
containers() {
out=
ids=$($t docker ps -aq --no-trunc 2>/dev/null); c=$?
if [ $c = 0 ] && [ -n "$ids" ]; then out=$(inspect 2>/dev/null); c=$?; [ -z "$out" ] || c=0; fi
m docker $c
if [ $c = 124 ] || [ $c = 143 ]; then echo 'the engine did not answer within ${patienceSeconds} s'; return; fi
if [ $c != 0 ]; then { if [ -n "$ids" ]; then inspect; else $t docker ps -q; fi; } 2>&1 >/dev/null; return; fi
[ -n "$out" ] && printf '%s\n' "$out" | while read -r pid net json; do
m container "$json"
[ "$pid" -gt 0 ] || continue
read -r now x </proc/uptime
m cgroup "$now"; cgroups "$pid"
[ "$net" = host ] || { m inner; cat /proc/$pid/net/dev; }
done
}
main() {
m os; uname -s
m hostname; cat /proc/sys/kernel/hostname
${twice ? "counters; sleep 0.5 || sleep 1\n" : ""}counters
m meminfo; cat /proc/meminfo
m loadavg; cat /proc/loadavg
m vlans; cat /proc/net/vlan/config
for f in /proc/net/bonding/*; do [ -f "$f" ] && { m bond "\${f##*/}"; cat "$f"; }; done
m facts; for i in /sys/class/net/*; do
p=0 b=0; [ -e "$i/device" ] && p=1; [ -e "$i/bonding" ] && b=1; [ -d "$i" ] && echo "\${i##*/} $p $b"
done
m masters; ls -ld /sys/class/net/*/master
d=${quote(diskPath)}; [ -e "$d" ] || d=/
m disk "$d"; $t stat -f -c '%S %b %f %a' "$d" || $t df -P -k "$d" || $t df -k "$d"
if command -v docker >/dev/null; then containers; fi
m end
}
main </dev/null 2>/dev/null
exit 0`;
}

/** As one word of sh, whatever is in it. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
