/** The host's name, also from within a container as far as that is possible. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { isOwnProcfs } from "./host-network.ts";

/** hostname(7): 64 bytes at most on Linux; a name with a domain may have 253. */
const maxLength = 255;

/**
 * The host's name; never empty. `sys/kernel/hostname` shows the name in the UTS namespace of whoever reads it
 * (uts_namespaces(7)), whichever procfs it is read from, so a container that has the host's procfs still sees its own. There, these
 * are tried first: `etc/hostname` beside procfs (mounted as `/host/etc/hostname`), and the file of the host's process 1,
 * which only a container with CAP_SYS_PTRACE may reach. A container on the host's network has the host's name anyway.
 */
export function readHostname(procPath: string): string {
  const own = `${procPath}/sys/kernel/hostname`;
  const places = isOwnProcfs(procPath)
    ? [own]
    : [`${dirname(procPath)}/etc/hostname`, `${procPath}/1/root/etc/hostname`, own];
  for (const place of places) {
    const name = readName(place);
    if (name !== undefined) return name;
  }
  return hostname() || "localhost";
}

function readName(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // not there or not for us: the next place is tried, and the last one always answers
    return undefined;
  }
  // comments and blank lines are allowed, hostname(5); the kernel's own word for a name that was never set is (none)
  const name = text
    .split("\n")
    .map((line) => line.trim())
    .find((line) => line !== "" && !line.startsWith("#"));
  return name === undefined || name === "(none)" || name.length > maxLength || /[\s\0]/.test(name) ? undefined : name;
}
