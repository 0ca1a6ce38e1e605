/** A look at a host: what an agent would find there. */
import { Fault } from "#src/protocol/fault.ts";
import type { HostFacts } from "#src/protocol/ssh.ts";
import type { SshSession } from "../port.ts";

/** Where the program goes, as install.sh puts it. */
export const programPath = "/usr/local/bin/orion";

const lookWithinMs = 30_000;
/** Characters; a host may say anything. */
const longestFact = 255;

/** sbin is not in everybody's PATH; what is asked for there may be root's only. */
export const fullPath = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin; export PATH";

/** Without anything that busybox lacks. A value is one line; what can't be told is left out. */
const script = `
${fullPath}
say() { printf '%s=%s\\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }
say kernel "$(uname -s)"
say cpu "$(uname -m)"
say hostname "$(cat /proc/sys/kernel/hostname 2>/dev/null || uname -n)"
say os "$( (. /etc/os-release && printf %s "$PRETTY_NAME") 2>/dev/null || uname -sr)"
say uid "$(id -u)"
say bits "$(getconf LONG_BIT 2>/dev/null)"
if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then say libc glibc
elif ldd --version 2>&1 | grep -qi musl || ls /lib/ld-musl-* >/dev/null 2>&1; then say libc musl
elif ls /lib64/ld-linux-* /lib/ld-linux-* >/dev/null 2>&1; then say libc glibc
else say libc unknown
fi
if [ -d /run/systemd/system ] && have systemctl; then say systemd yes; fi
t=; if timeout 1 true 2>/dev/null; then t='timeout 8'; fi
if have docker; then say docker "$($t docker version --format '{{.Server.Version}}' 2>/dev/null)"; fi
dir=/usr/local/bin; while [ ! -d "$dir" ]; do dir=\${dir%/*}; dir=\${dir:-/}; done
say free "$(df -Pk "$dir" 2>/dev/null | awk 'NR == 2 { print $4 }')"
if [ -x ${programPath} ]; then say agent "$(${programPath} --version 2>/dev/null </dev/null)"; fi
missing=
for tool in sha256sum gzip mktemp; do have $tool || missing="$missing $tool"; done
say missing "$missing"
say home "$HOME"
`;

export type Host = HostFacts & {
  /** Where a user who is not root may put files for a moment. */
  readonly home: string;
};

/** Rejects with a Fault: not Linux, not 64 bits, or what the session rejects with. */
export async function lookAtHost(session: SshSession, signal?: AbortSignal): Promise<Host> {
  const options = { asRoot: true, timeoutMs: lookWithinMs, ...(signal === undefined ? {} : { signal }) };
  const { stdout, stderr } = await session.run(script, options);
  const facts = new Map(
    stdout.split("\n").flatMap((line) => {
      const at = line.indexOf("=");
      return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const];
    }),
  );
  const fact = (name: string) => (facts.get(name) ?? "").replace(/[\p{Cc}\p{Cf}]/gu, "").slice(0, longestFact);
  if (fact("kernel") !== "Linux") {
    const what = fact("kernel") === "" ? `it said: ${stderr.trim().slice(0, 300)}` : `this is ${fact("kernel")}`;
    throw new Fault("failed", `an agent runs on Linux only; ${what}`);
  }
  if (fact("bits") === "32") {
    throw new Fault("failed", "this system is 32-bit on a 64-bit CPU; an agent needs a 64-bit system");
  }
  const libc = fact("libc");
  return {
    os: fact("os"),
    cpu: fact("cpu"),
    libc: libc === "glibc" || libc === "musl" ? libc : "unknown",
    hostname: fact("hostname"),
    root: fact("uid") === "0",
    systemd: fact("systemd") === "yes",
    docker: fact("docker") === "" ? null : fact("docker"),
    diskFree: /^\d+$/.test(fact("free")) ? Number(fact("free")) * 1024 : null,
    agentVersion: fact("agent") === "" ? null : (fact("agent").split(" ").at(-1) ?? null),
    missing: fact("missing")
      .split(" ")
      .filter((tool) => tool !== ""),
    home: fact("home").startsWith("/") ? fact("home") : "/tmp",
  };
}
