/** What a poll saw: its sections parsed by the parsers that the agent uses too. Pure. */
import { type CgroupFigures, parseCgroupFigures } from "#src/procfs/cgroup-figures.ts";
import { type DiskUsage, diskUsage, parseDf, parseStatFilesystem } from "#src/procfs/disk-usage.ts";
import { type InterfaceFacts, chooseInterfaces } from "#src/procfs/interfaces.ts";
import { type LoadAverages, parseLoadavg } from "#src/procfs/loadavg.ts";
import { type Memory, parseMeminfo } from "#src/procfs/meminfo.ts";
import { type Traffic, parseNetDev } from "#src/procfs/net-dev.ts";
import { parseBondMembers, parseVlanParents } from "#src/procfs/net-stacks.ts";
import { type Stat, parseStat } from "#src/procfs/stat.ts";
import { parseDecimal } from "#src/procfs/text.ts";
import { trafficTotals } from "#src/procfs/traffic.ts";
import { parseUptime } from "#src/procfs/uptime.ts";
import { type Container, readContainer } from "#src/protocol/container-inspect.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { type Section, cutSections } from "./sections.ts";

/** What only grows, and when by the host's own clock that never goes back: seconds since its boot. */
export type Counters = {
  readonly uptime: number;
  readonly stat: Stat | undefined;
  readonly traffic: ReadonlyMap<string, Traffic> | undefined;
};

export type SeenContainer = {
  readonly container: Container;
  /** seconds since the host's boot at which its figures were read; undefined: it does not run, or they are not there */
  readonly uptime: number | undefined;
  readonly figures: CgroupFigures;
  /** null with the host's network */
  readonly network: { readonly rxBytes: number | null; readonly txBytes: number | null };
};

/** `absent`: the host has no Docker; `refused`: it has, but did not tell, and why. */
export type SeenDocker =
  | { readonly kind: "absent" }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "listed"; readonly containers: readonly SeenContainer[] };

export type Look = {
  readonly hostname: string | null;
  readonly counters: Counters;
  /** a moment before, when that was asked for */
  readonly earlier: Counters | undefined;
  /** the interfaces that carry the host's traffic */
  readonly counted: readonly string[];
  readonly memory: Memory | undefined;
  readonly load: LoadAverages | undefined;
  readonly disk: ({ readonly path: string } & DiskUsage) | undefined;
  readonly docker: SeenDocker;
  /** what the host should have told and did not */
  readonly missing: readonly string[];
};

/** As in a heartbeat; hostname(7) allows 64 bytes, and 253 with a domain. */
const maxHostname = 255;
/** Characters of what else a host says of itself, which may be anything. */
const maxWord = 100;
/** PATH_MAX of Linux. */
const maxPath = 4096;

/** @throws {Fault} `failed` when the output is not whole or not of a Linux host */
export function readLook(output: string, word: string): Look {
  const { all, whole } = cutSections(output, word);
  if (!whole) throw notWhole(all);
  const textOf = (name: string) => all.find((section) => section.name === name)?.text ?? "";
  const os = textOf("os").trim().slice(0, maxWord);
  if (os !== "Linux") {
    throw new Fault("failed", `the host runs ${os || "an unknown system"}: only Linux has the figures`, {
      hint: "Remove its SSH details, or point them at a Linux host",
    });
  }
  const counters = readCounters(all);
  const now = counters.at(-1);
  if (now === undefined) {
    throw new Fault("failed", "/proc/uptime can't be read there", {
      hint: "Mount procfs for this user, or sign in as another one",
    });
  }
  const memory = parseMeminfo(textOf("meminfo"));
  const load = parseLoadavg(textOf("loadavg"));
  const disk = readDisk(all.find(({ name }) => name === "disk"));
  const missing = [
    now.stat === undefined && "/proc/stat",
    memory === undefined && "/proc/meminfo",
    now.traffic === undefined && "/proc/net/dev",
    load === undefined && "/proc/loadavg",
    disk === undefined && "the filesystem (neither stat -f nor df tells it)",
  ].filter((what) => what !== false);
  return {
    hostname: textOf("hostname").trim().slice(0, maxHostname) || null,
    counters: now,
    earlier: counters.length > 1 ? counters[0] : undefined,
    counted: readCounted(all, now.traffic),
    memory,
    load,
    disk,
    docker: readDocker(all),
    missing,
  };
}

function notWhole(all: readonly Section[]): Fault {
  const last = all.at(-1);
  if (last === undefined) {
    return new Fault("failed", "the host ran the command and printed nothing of it", {
      hint: "Does its sh run commands, and is sh what this user gets (no ForceCommand, no restricted shell)?",
    });
  }
  return new Fault("failed", `the host's answer ends within "${last.name.slice(0, maxWord)}"`, {
    hint: "Is it out of memory or processes? Sign in by hand and look",
  });
}

/** Each stretch of `uptime`, `stat` and `net`. */
function readCounters(all: readonly Section[]): Counters[] {
  const found: Counters[] = [];
  for (const [i, section] of all.entries()) {
    if (section.name !== "uptime") continue;
    const uptime = parseUptime(section.text);
    if (uptime === undefined) continue;
    const stat = parseStat(all[i + 1]?.text ?? "");
    found.push({ uptime, stat, traffic: parseNetDev(all[i + 2]?.text ?? "") });
  }
  return found;
}

function readDisk(section: Section | undefined): Look["disk"] {
  if (section === undefined) return undefined;
  const blocks = parseStatFilesystem(section.text) ?? parseDf(section.text);
  const usage = blocks === undefined ? undefined : diskUsage(blocks);
  return usage === undefined ? undefined : { path: section.detail.slice(0, maxPath), ...usage };
}

function readCounted(all: readonly Section[], traffic: Counters["traffic"]): string[] {
  if (traffic === undefined) return [];
  const names = [...traffic.keys()];
  const textOf = (name: string) => all.find((section) => section.name === name)?.text ?? "";
  const masters = new Map(
    [...textOf("masters").matchAll(/ \/sys\/class\/net\/(\S+)\/master -> (?:\S*\/)?(\S+)$/gm)].map(
      ([, name = "", master = ""]) => [name, master],
    ),
  );
  const facts = new Map<string, InterfaceFacts>();
  for (const [, name = "", physical, bond] of textOf("facts").matchAll(/^(\S+) ([01]) ([01])$/gm)) {
    const master = masters.get(name);
    facts.set(name, {
      physical: physical === "1",
      bond: bond === "1",
      ...(master === undefined ? {} : { master }),
    });
  }
  // a sysfs of another network namespace says nothing of these
  const same = facts.size === names.length && names.every((name) => facts.has(name));
  return chooseInterfaces({
    names,
    bonds: new Map(all.filter(({ name }) => name === "bond").map((one) => [one.detail, parseBondMembers(one.text)])),
    vlans: parseVlanParents(textOf("vlans")),
    ...(same ? { facts } : {}),
  });
}

function readDocker(all: readonly Section[]): SeenDocker {
  const docker = all.find(({ name }) => name === "docker");
  if (docker === undefined) return { kind: "absent" };
  if (docker.detail !== "0") {
    const why = docker.text.replace(/\s+/g, " ").trim().slice(0, 300);
    return { kind: "refused", why: why || `docker ps ended with ${docker.detail.slice(0, maxWord)}` };
  }
  try {
    return { kind: "listed", containers: containerParts(all).map(readSeen) };
  } catch (error) {
    return { kind: "refused", why: `what docker inspect printed is of no container: ${reasonOf(error)}` };
  }
}

type Parts = { readonly head: Section; cgroup?: Section; inner?: Section };

/** Behind each container, if it runs, come its cgroup and its network. */
function containerParts(all: readonly Section[]): Parts[] {
  const parts: Parts[] = [];
  for (const section of all) {
    const one = parts.at(-1);
    if (section.name === "container") parts.push({ head: section });
    else if (one !== undefined && (section.name === "cgroup" || section.name === "inner")) one[section.name] = section;
  }
  return parts;
}

function readSeen({ head, cgroup, inner }: Parts): SeenContainer {
  const traffic = inner === undefined ? undefined : parseNetDev(inner.text);
  const names = [...(traffic?.keys() ?? [])].filter((name) => name !== "lo");
  return {
    container: readContainer(JSON.parse(head.detail)),
    uptime: parseDecimal(cgroup?.detail),
    figures: parseCgroupFigures(cgroup?.text ?? ""),
    network:
      traffic === undefined || names.length === 0 ? { rxBytes: null, txBytes: null } : trafficTotals(traffic, names),
  };
}
