/** Reads the interfaces of the host's network namespace, also from within a container that has the host's procfs. */
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { type InterfaceFacts, chooseInterfaces } from "#src/procfs/interfaces.ts";
import { type Traffic, parseNetDev } from "#src/procfs/net-dev.ts";
import { parseBondMembers, parseVlanParents } from "#src/procfs/net-stacks.ts";
import { type Reading, failed, value } from "#src/procfs/reading.ts";
import { type TextFiles, readParsed } from "./text-files.ts";

export type HostNetwork = {
  /** the folder of the namespace's files, below procfs */
  readonly folder: string;
  readonly traffic: ReadonlyMap<string, Traffic>;
};

/**
 * Traffic by interface of the host. `PROC/net` shows the namespace of whoever reads it, so that of process 1 is read,
 * which is the host's wherever the reader runs. Where process 1 is hidden (hidepid, see proc(5)) our own namespace will do,
 * if the procfs is our own and not that of a host whose container we are in.
 */
export function readHostNetwork(files: TextFiles, procPath: string): Reading<HostNetwork> {
  const read = (folder: string): Reading<HostNetwork> => {
    const traffic = readParsed(files, `${folder}/dev`, parseNetDev);
    return traffic.kind === "value" ? value({ folder, traffic: traffic.value }) : traffic;
  };
  const host = read(`${procPath}/1/net`);
  if (host.kind === "value") return host;
  if (isOwnProcfs(procPath)) return read(`${procPath}/net`);
  if (host.kind === "failed")
    return failed(host.why, "share the host's process namespace, run as root, or mount procfs without hidepid");
  return host;
}

/** Whether this process finds itself in that procfs under its own pid; a copy of one, without `self`, counts as own. */
export function isOwnProcfs(procPath: string): boolean {
  try {
    return readlinkSync(`${procPath}/self`) === String(process.pid);
  } catch {
    // no such link: not a procfs but files that somebody laid there, which show what they show
    return true;
  }
}

/** The interfaces to count, chosen by /proc and, where it shows the same namespace, by sysfs beside it. */
export function chooseHostInterfaces(files: TextFiles, procPath: string, network: HostNetwork): string[] {
  const names = [...network.traffic.keys()];
  const facts = readFacts(`${dirname(procPath)}/sys/class/net`.replace("//", "/"), names);
  return chooseInterfaces({
    names,
    bonds: readBonds(files, `${network.folder}/bonding`),
    vlans: readVlans(files, `${network.folder}/vlan/config`),
    ...(facts === undefined ? {} : { facts }),
  });
}

function readBonds(files: TextFiles, folder: string): Map<string, string[]> {
  const bonds = new Map<string, string[]>();
  for (const name of list(folder)) {
    const text = files.read(`${folder}/${name}`);
    if (text.kind === "value") bonds.set(name, parseBondMembers(text.value));
  }
  return bonds;
}

function readVlans(files: TextFiles, path: string): Map<string, string> {
  // for root only; the names of interfaces tell most of it too
  const text = files.read(path);
  return text.kind === "value" ? parseVlanParents(text.value) : new Map<string, string>();
}

/**
 * Facts from sysfs beside procfs (/sys, /host/sys). A sysfs shows the network namespace of whoever mounted it, so it is used
 * only when it has the very same interfaces.
 */
function readFacts(folder: string, names: readonly string[]): Map<string, InterfaceFacts> | undefined {
  // bonding_masters is a file, all others are interfaces
  const entries = list(folder).filter((name) => name !== "bonding_masters");
  if (entries.length !== names.length || !entries.every((name) => names.includes(name))) return undefined;
  const facts = new Map<string, InterfaceFacts>();
  for (const name of names) {
    const master = linkTarget(`${folder}/${name}/master`);
    facts.set(name, {
      physical: existsSync(`${folder}/${name}/device`),
      bond: existsSync(`${folder}/${name}/bonding`),
      ...(master === undefined ? {} : { master }),
    });
  }
  return facts;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // not there, or not for us: then nothing is known, and names decide
    return [];
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return basename(readlinkSync(path));
  } catch {
    // no link: no master
    return undefined;
  }
}
