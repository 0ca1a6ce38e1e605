/** Network: bytes of the host since its interfaces were made, and bytes a second since the reading before. */
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import type { Traffic } from "#src/procfs/net-dev.ts";
import { absent, value } from "#src/procfs/reading.ts";
import { type TrafficRates, trafficRates, trafficTotals } from "#src/procfs/traffic.ts";
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
      let rates: TrafficRates = { rxRate: null, txRate: null };
      return () => {
        const network = readHostNetwork(world.files, world.procPath);
        if (network.kind !== "value") return network;
        const now: Snapshot = { traffic: network.value.traffic, atMs: world.clock.monotonic() };
        const counted = choose(network.value);
        if (counted.length === 0) return absent;
        if (before === undefined || now.atMs - before.atMs >= minSpanMs) {
          if (before !== undefined) {
            rates = trafficRates(before.traffic, now.traffic, counted, (now.atMs - before.atMs) / 1000);
          }
          before = now;
        }
        return value({ ...trafficTotals(now.traffic, counted), ...rates });
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
