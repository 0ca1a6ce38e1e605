/** How an agent can be put on a host: what was asked for, and what the host is good for. */
import { Fault } from "#src/protocol/fault.ts";
import type { DeployMethod, DeployRequest } from "#src/protocol/job.ts";
import type { HostFacts } from "#src/protocol/ssh.ts";
import type { Program } from "./program.ts";

/** What the program needs on the host's disk beside its own size. */
const spareBytes = 16 * 1_048_576;

/** @throws {Fault} the host is not fit for what was asked for, or for anything */
export function chooseMethod(request: DeployRequest, { systemd, docker, root, missing }: HostFacts): DeployMethod {
  const method = request.method ?? (request.image === undefined && systemd && root ? "binary" : "docker");
  if (method === "docker" && docker === null) {
    throw new Fault("failed", "there is no Docker engine on the host that this user may use", {
      hint: systemd ? "Choose the method binary, or install Docker" : "Install Docker, or start `orion agent` by hand",
    });
  }
  if (method === "binary" && !root) {
    throw new Fault("denied", "the method binary needs root on the host", {
      hint: "Sign in as root, or say in the SSH details how sudo works there",
    });
  }
  if (method === "binary" && !systemd) {
    throw new Fault("failed", "systemd does not run on the host, so there is nobody to start the agent", {
      hint: "Choose the method docker, or install the agent by hand (docs/install.md)",
    });
  }
  if (missing.length > 0) {
    throw new Fault("failed", `the host lacks ${missing.join(", ")}`, { hint: "Install it there (coreutils, gzip)" });
  }
  return method;
}

/** @throws {Fault} the program has no room on the host's disk */
export function refuseFullDisk({ diskFree }: HostFacts, { size }: Program): void {
  const needed = size + spareBytes;
  if (diskFree === null || diskFree >= needed) return;
  const [free, wanted] = [Math.floor(diskFree / 1e6), Math.ceil(needed / 1e6)];
  throw new Fault(
    "failed",
    `the disk of /usr/local/bin on the host is too full: ${free} MB are free, ${wanted} MB are needed`,
    { hint: "Free some space there" },
  );
}

/** A host in one line. */
export function describeHost({ os, cpu, libc, systemd, docker, diskFree, agentVersion, root }: HostFacts): string {
  const parts = [
    `${os}, ${cpu}, ${libc}`,
    `${systemd ? "systemd" : "no systemd"}, ${docker === null ? "no Docker" : `Docker ${docker}`}`,
    diskFree === null ? "free space unknown" : `${Math.floor(diskFree / 1e6)} MB free`,
    root ? "root" : "not root",
    `agent: ${agentVersion ?? "none"}`,
  ];
  return parts.join("; ");
}
