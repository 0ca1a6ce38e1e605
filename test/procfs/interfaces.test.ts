import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { kindOfName } from "#src/procfs/interface-names.ts";
import { type InterfaceFacts, type Topology, chooseInterfaces } from "#src/procfs/interfaces.ts";

const choose = (names: string[], more: Partial<Topology> = {}) =>
  chooseInterfaces({ names, bonds: new Map(), vlans: new Map(), ...more });
const facts = (of: Record<string, Partial<InterfaceFacts>>) =>
  new Map(Object.entries(of).map(([name, fact]) => [name, { physical: false, bond: false, ...fact }]));

describe("interfaces by name alone", () => {
  for (const [machine, names, counted] of [
    ["a plain server", ["lo", "eth0", "eth1"], ["eth0", "eth1"]],
    ["systemd's names", ["lo", "eno1", "ens3f0", "enp5s0np0", "enx001122334455", "wlp2s0", "wwan0"], undefined],
    ["names that a person chose", ["lo", "wan0", "lan", "dmz-uplink"], ["wan0", "lan", "dmz-uplink"]],
    ["InfiniBand and OpenVZ", ["lo", "ib0", "venet0"], ["ib0", "venet0"]],
    ["a Docker host", ["lo", "eth0", "docker0", "docker_gwbridge", "br-0a1b2c3d4e5f", "veth12ab34c"], ["eth0"]],
    ["Proxmox", ["lo", "eno1", "vmbr0", "tap100i0", "veth101i0", "fwbr100i0", "fwpr100p0", "fwln100i0"], ["eno1"]],
    ["libvirt", ["lo", "enp1s0", "virbr0", "virbr0-nic", "vnet0", "macvtap0"], ["enp1s0"]],
    ["Kubernetes", ["lo", "eth0", "cni0", "flannel.1", "cali0123456789a", "kube-ipvs0", "nodelocaldns"], ["eth0"]],
    ["systemd-nspawn", ["lo", "eth0", "ve-machine", "vz-zone"], ["eth0"]],
    ["VLANs with the usual names", ["lo", "eth0", "eth0.5", "vlan7"], ["eth0"]],
    ["a VLAN that was moved in without its parent", ["lo", "eth0.5"], ["eth0.5"]],
    ["tunnels besides hardware", ["lo", "eth0", "tun0", "wg0", "ppp0", "tailscale0", "zt1234abcd"], ["eth0"]],
    ["a team: its members", ["lo", "eth0", "eth1", "team0"], ["eth0", "eth1"]],
    ["a bond whose members nobody tells: they are counted", ["lo", "eth0", "eth1", "bond0"], ["eth0", "eth1"]],
    ["a virtual function on Azure", ["lo", "eth0", "enP40137s1"], ["eth0"]],
    ["a PCI domain without Azure", ["lo", "enP2p1s0f0", "enP40137s1"], ["enP2p1s0f0", "enP40137s1"]],
    ["a container", ["lo", "eth0", "tunl0", "sit0"], ["eth0"]],
    ["a systemd-nspawn guest", ["lo", "host0"], ["host0"]],
    ["slirp4netns", ["lo", "tap0"], ["tap0"]],
    ["a VPN and nothing else", ["lo", "wg0"], ["wg0"]],
    ["a namespace with one end of a veth", ["lo", "veth1"], ["veth1"]],
    ["a host of containers without hardware", ["lo", "docker0", "veth12ab34c"], []],
    ["loopback only", ["lo"], []],
    ["nothing", [], []],
  ] as const) {
    test(`${machine}: ${(counted ?? ["all"]).join(", ") || "none"}`, () => {
      expect(choose([...names])).toEqual([...(counted ?? names.filter((name) => name !== "lo"))]);
    });
  }

  test("a bond is counted instead of its members, whatever its name is", () => {
    const bonds = new Map([["uplink", ["eth0", "eth1"]]]);
    expect(choose(["lo", "eth0", "eth1", "eth2", "uplink"], { bonds })).toEqual(["eth2", "uplink"]);
  });

  test("a bond of VLANs is not counted besides the hardware below them", () => {
    const bonds = new Map([["bond0", ["eth0.5", "eth1.5"]]]);
    expect(choose(["eth0", "eth1", "eth0.5", "eth1.5", "bond0"], { bonds })).toEqual(["eth0", "eth1"]);
  });

  test("a VLAN with a name of its own is known from the kernel's list", () => {
    expect(choose(["eth0", "storage"], { vlans: new Map([["storage", "eth0"]]) })).toEqual(["eth0"]);
  });
});

describe("interfaces by sysfs", () => {
  test("hardware is counted whatever its name is, everything else is not", () => {
    const names = ["lo", "veth-like-card", "lan", "vpn"];
    expect(choose(names, { facts: facts({ lo: {}, "veth-like-card": { physical: true }, lan: {}, vpn: {} }) })).toEqual(
      ["veth-like-card"],
    );
  });

  test("ports of a bridge are counted, members of a bond are not", () => {
    const names = ["lo", "a", "b", "c", "bridge", "aggregate"];
    const known = facts({
      a: { physical: true, master: "bridge" },
      b: { physical: true, master: "aggregate" },
      c: { physical: true, master: "aggregate" },
      bridge: {},
      aggregate: { bond: true, master: "bridge" },
    });
    expect(choose(names, { facts: known })).toEqual(["a", "aggregate"]);
  });

  test("a virtual function below a synthetic interface is not counted", () => {
    const known = facts({ eth0: { physical: true }, vf: { physical: true, master: "eth0" } });
    expect(choose(["eth0", "vf"], { facts: known })).toEqual(["eth0"]);
  });

  test("names decide where no hardware is known, as in a container", () => {
    expect(choose(["lo", "eth0"], { facts: facts({ lo: {}, eth0: {} }) })).toEqual(["eth0"]);
  });
});

test("loopback, and what was not asked for, is never chosen, and nothing twice", () => {
  const name = fc.oneof(fc.constantFrom("lo", "eth0", "eth1", "eth0.5", "bond0", "veth0", "br0", "tun0"), fc.string());
  fc.assert(
    fc.property(fc.uniqueArray(name), fc.uniqueArray(name), fc.array(fc.tuple(name, name)), (names, members, vlans) => {
      const chosen = choose(names, { bonds: new Map([["bond0", members]]), vlans: new Map(vlans) });
      expect(new Set(chosen).size).toBe(chosen.length);
      for (const one of chosen) expect(names.includes(one) && kindOfName(one) !== "loopback").toBe(true);
    }),
  );
});
