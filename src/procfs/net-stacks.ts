/** Which network interfaces are made of others: `/proc/net/bonding/NAME` and `/proc/net/vlan/config`. */

/** Parses `/proc/net/bonding/NAME` to the bond's members. See Documentation/networking/bonding.rst of the kernel. */
export function parseBondMembers(text: string): string[] {
  return [...text.matchAll(/^Slave Interface: (\S+)$/gm)].map((match) => match[1] ?? "");
}

/** Parses `/proc/net/vlan/config`, lines of `eth0.5 | 5 | eth0`, to the interface below each VLAN. */
export function parseVlanParents(text: string): Map<string, string> {
  const parents = new Map<string, string>();
  for (const [, name = "", parent = ""] of text.matchAll(/^(\S+)\s*\|\s*\d+\s*\|\s*(\S+)\s*$/gm)) {
    parents.set(name, parent);
  }
  return parents;
}
