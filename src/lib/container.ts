/** What a process has to expect of the container that it runs in. */
import { existsSync, readFileSync } from "node:fs";

/** Files by which Docker and Podman mark their containers. */
const marks = ["/.dockerenv", "/run/.containerenv"];
/** Those that go on when one of their services ends, and start it again. */
const inits: ReadonlySet<string> = new Set(["systemd", "init", "runit", "openrc-init", "s6-svscan", "supervisord"]);

/**
 * Whether the end of process `pid` ends its container, with every other process in it: it is process 1 there, or the one
 * child that a process 1 such as tini waits for. See pid_namespaces(7).
 */
export function endsWithItsContainer(pid: number, procPath = "/proc", root = ""): boolean {
  if (pid === 1) return true;
  if (!marks.some((path) => existsSync(`${root}${path}`))) return false;
  return parentOf(pid, procPath) === 1 && !inits.has(commOf(1, procPath));
}

function parentOf(pid: number, procPath: string): number | undefined {
  const parent = /^PPid:\s+(\d+)$/m.exec(read(`${procPath}/${pid}/status`))?.[1];
  return parent === undefined ? undefined : Number(parent);
}

const commOf = (pid: number, procPath: string): string => read(`${procPath}/${pid}/comm`).trim();

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // it ended, or procfs hides it: nothing is known of it
    return "";
  }
}
