/** Network: bytes of the host since its interfaces were made, and bytes a second since the reading before. */
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import { counterAdvance } from "#src/procfs/counter.ts";
import type { Traffic } from "#src/procfs/net-dev.ts";
import { absent, value } from "#src/procfs/reading.ts";
import type { Collector, World } from "./collector.ts";
import { type HostNetwork, chooseHostInterfaces, readHostNetwork } from "./host-network.ts";

type Network = SystemMetrics["network"];
type Snapshot = { readonly traffic: ReadonlyMap<string, Traffic>; readonly atMs: number };

/** Over a shorter span single packets would look like rates. */
const minSpanMs = 100;
/** How long a choice of interfaces stands while none comes or goes: members can change without that. */
const choiceKnownMs = 60_000;

export function createNetworkCollector(world: World): Collector<Network> {
  const choose = createChoice(world);
  return {
    what: "network",
    blank: { rxBytes: null, txBytes: null, rxRate: null, txRate: null },
    open() {
      const first = readHostNetwork(world.files, world.procPath);
      let before: Snapshot | undefined =
        first.kind === "value" ? { traffic: first.value.traffic, atMs: world.clock.monotonic() } : undefined;
      let rates: Pick<Network, "rxRate" | "txRate"> = { rxRate: null, txRate: null };
      return () => {
        const network = readHostNetwork(world.files, world.procPath);
        if (network.kind !== "value") return network;
        const now: Snapshot = { traffic: network.value.traffic, atMs: world.clock.monotonic() };
        const counted = choose(network.value);
        if (counted.length === 0) return absent;
        if (before === undefined || now.atMs - before.atMs >= minSpanMs) {
          rates = before === undefined ? rates : ratesBetween(before, now, counted);
          before = now;
        }
        return value({ ...totals(now, counted), ...rates });
      };
    },
  };
}

function createChoice({ procPath, files, clock }: World): (network: HostNetwork) => readonly string[] {
  let chosen: readonly string[] = [];
  let chosenOf = "";
  let chosenAt = Number.NEGATIVE_INFINITY;
  return (network) => {
    const names = [...network.traffic.keys()].join("/");
    if (names !== chosenOf || clock.monotonic() - chosenAt >= choiceKnownMs) {
      chosen = chooseHostInterfaces(files, procPath, network);
      chosenOf = names;
      chosenAt = clock.monotonic();
    }
    return chosen;
  };
}

function totals({ traffic }: Snapshot, counted: readonly string[]): Pick<Network, "rxBytes" | "txBytes"> {
  let rxBytes = 0;
  let txBytes = 0;
  for (const name of counted) {
    rxBytes += traffic.get(name)?.rxBytes ?? 0;
    txBytes += traffic.get(name)?.txBytes ?? 0;
  }
  return { rxBytes, txBytes };
}

/** The sum over the interfaces that were there both times and whose counters went on; null when there is none. */
function ratesBetween(before: Snapshot, now: Snapshot, counted: readonly string[]): Pick<Network, "rxRate" | "txRate"> {
  const seconds = (now.atMs - before.atMs) / 1000;
  const rate = (bytes: (of: Traffic) => number): number | null => {
    let sum: number | undefined;
    for (const name of counted) {
      const earlier = before.traffic.get(name);
      const later = now.traffic.get(name);
      if (earlier === undefined || later === undefined) continue;
      const advance = counterAdvance(bytes(earlier), bytes(later), seconds);
      if (advance !== undefined) sum = (sum ?? 0) + advance;
    }
    return sum === undefined ? null : Math.round(sum / seconds);
  };
  return { rxRate: rate((of) => of.rxBytes), txRate: rate((of) => of.txBytes) };
}
