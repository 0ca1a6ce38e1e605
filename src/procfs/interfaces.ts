/** Which network interfaces carry the host's traffic, each byte once. */
import { kindOfName } from "./interface-names.ts";

/** What sysfs says about one interface; see Documentation/ABI/testing/sysfs-class-net of the kernel. */
export type InterfaceFacts = {
  /** has hardware, or what a hypervisor passes for it, behind it (`device`) */
  readonly physical: boolean;
  /** is a bond (`bonding`) */
  readonly bond: boolean;
  /** the interface that this one is a member or port of (`master`) */
  readonly master?: string;
};

export type Topology = {
  /** every interface of the host's network namespace */
  readonly names: readonly string[];
  /** members by bond */
  readonly bonds: ReadonlyMap<string, readonly string[]>;
  /** the interface below each VLAN */
  readonly vlans: ReadonlyMap<string, string>;
  /** facts of sysfs by interface, when sysfs shows the same network namespace */
  readonly facts?: ReadonlyMap<string, InterfaceFacts>;
};

/**
 * Chooses the interfaces to count: hardware and bonds; not a bond's members besides it, nor a VLAN, bridge or tunnel
 * besides what it runs on. A team is counted by its members, which come to the same sum and can be told without sysfs.
 *
 * Where nothing of the kind exists, as within a container, whose `eth0` is one end of a veth, the next best is taken:
 * first what looks like hardware by its name, then tunnels and their like, then a veth if no bridge says that this is
 * the host's end of it. Empty when only loopback and bridges are there.
 */
export function chooseInterfaces(topology: Topology): string[] {
  const choices = [byFacts, byName, tunnels, guestEnds];
  for (const choose of choices) {
    const chosen = choose(topology);
    if (chosen.length > 0) return chosen;
  }
  return [];
}

function byFacts({ names, bonds, vlans, facts }: Topology): string[] {
  if (facts === undefined) return [];
  const isBase = (name: string) => {
    const fact = facts.get(name);
    return fact !== undefined && (fact.physical || fact.bond);
  };
  const masterOf = (name: string) => facts.get(name)?.master ?? masterOfBonds(bonds, name);
  const counted = names.filter((name) => isBase(name) && !vlans.has(name) && !isBondOfVlans(bonds, vlans, names, name));
  // a bridge is nobody's base, so that its ports are counted; a bond is, and so is the synthetic interface that
  // stands for a virtual function on Azure (netvsc) or in KVM (net_failover)
  return counted.filter((name) => !counted.includes(masterOf(name) ?? ""));
}

function byName({ names, bonds, vlans }: Topology): string[] {
  const known = new Set(names);
  const counted = names.filter((name) => {
    if (isVlan(vlans, known, name)) return false;
    if (bonds.has(name)) return !isBondOfVlans(bonds, vlans, names, name);
    return kindOfName(name) === "lower";
  });
  const synthetic = counted.some((name) => /^eth\d+$/.test(name));
  return counted.filter((name) => {
    // Azure: a virtual function on a PCI domain of its own, whose traffic its eth interface counts too
    if (synthetic && /^enP\d+s\d+/.test(name)) return false;
    return !counted.includes(masterOfBonds(bonds, name) ?? "");
  });
}

function tunnels({ names, vlans }: Topology): string[] {
  const known = new Set(names);
  return names.filter((name) => kindOfName(name) === "upper" && !isVlan(vlans, known, name));
}

function guestEnds({ names }: Topology): string[] {
  if (names.some((name) => kindOfName(name) === "inner")) return [];
  return names.filter((name) => kindOfName(name) === "guest");
}

function masterOfBonds(bonds: Topology["bonds"], member: string): string | undefined {
  for (const [bond, members] of bonds) if (members.includes(member)) return bond;
  return undefined;
}

/** Bonding VLANs is allowed, and then the interfaces below the VLANs have counted everything. */
function isBondOfVlans(bonds: Topology["bonds"], vlans: Topology["vlans"], names: readonly string[], bond: string) {
  const members = bonds.get(bond) ?? [];
  const known = new Set(names);
  return members.length > 0 && members.every((member) => isVlan(vlans, known, member));
}

/** Only root may read vlan/config, so the usual name, `eth0.5`, says it too. Its parent must be here, else it was moved in. */
function isVlan(vlans: Topology["vlans"], known: ReadonlySet<string>, name: string): boolean {
  const dot = name.lastIndexOf(".");
  const parent = vlans.get(name) ?? (dot > 0 && /^\d+$/.test(name.slice(dot + 1)) ? name.slice(0, dot) : undefined);
  return parent !== undefined && known.has(parent);
}
