/** What happens to agent, hub and the network between them while lines are printed, at random times. */
import { keep } from "#src/lib/keep.ts";

import { type Member, type System, isRoot } from "./orion.ts";
import { cuts } from "./proxy.ts";

/** mulberry32: small, and the same numbers for the same seed. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One that happens to `what`; two that happen to the same thing never overlap, others do. */
export type Disturbance = {
  readonly kind: string;
  readonly what: "agent" | "hub" | "network" | "engine";
  /** its share of all of them */
  readonly weight: number;
  run(random: () => number): Promise<void>;
};

const between = (random: () => number, fromMs: number, toMs: number): number => fromMs + random() * (toMs - fromMs);

/** Ends a member with a signal and starts it again a while later. */
function restarts(member: Member, signal: NodeJS.Signals, awayMs: number): Disturbance["run"] {
  return async (random) => {
    await member.end(signal);
    await Bun.sleep(between(random, 0, awayMs));
    await member.start();
  };
}

/** Stands still for a while, as in a machine that swaps or a container that is paused. */
function standsStill(member: Member): Disturbance["run"] {
  return async (random) => {
    member.signal("SIGSTOP");
    await Bun.sleep(between(random, 200, 3000));
    member.signal("SIGCONT");
  };
}

/** All that can happen; packets are dropped by the kernel where that is possible. */
export function disturbancesOf(system: System): Disturbance[] {
  const { agent, hub, proxy } = system;
  const network = cuts.map((how): Disturbance => ({
    kind: `network ${how}`,
    what: "network",
    weight: 1,
    async run(random) {
      proxy.cut(how);
      await Bun.sleep(between(random, 50, 2500));
      proxy.heal();
    },
  }));
  const all: Disturbance[] = [
    { kind: "agent kill -9", what: "agent", weight: 5, run: restarts(agent, "SIGKILL", 600) },
    { kind: "agent stands still", what: "agent", weight: 1, run: standsStill(agent) },
    { kind: "hub kill -9", what: "hub", weight: 3, run: restarts(hub, "SIGKILL", 2500) },
    { kind: "hub stands still", what: "hub", weight: 1, run: standsStill(hub) },
    ...network,
  ];
  if (canDropPackets()) all.push(packetsDropped(proxy.port));
  return all;
}

/** Whether this kernel lets us: root, with the right to change its tables. */
export function canDropPackets(): boolean {
  if (!isRoot || Bun.which("iptables") === null) return false;
  return Bun.spawnSync(["iptables", "-w", "-S", "INPUT"], { stdout: "ignore", stderr: "ignore" }).exitCode === 0;
}

/** A cable that is pulled out: packets of both directions are dropped, and TCP repeats them. */
function packetsDropped(port: number): Disturbance {
  const rules = [`--dport ${port}`, `--sport ${port}`].map((side) => `INPUT -i lo -p tcp ${side} -j DROP`.split(" "));
  const change = (how: "-I" | "-D"): void => {
    for (const rule of rules) Bun.spawnSync(["iptables", "-w", how, ...rule], { stdout: "ignore", stderr: "ignore" });
  };
  return {
    kind: "packets dropped",
    what: "network",
    weight: 1,
    async run(random) {
      change("-I");
      try {
        await Bun.sleep(between(random, 50, 2500));
      } finally {
        change("-D");
      }
    },
  };
}

/**
 * Disturbs until there were `count` of them and `goOn` says no, at most one at a time of each `what`.
 * @returns how many of each kind
 */
export async function disturb(
  all: readonly Disturbance[],
  options: { readonly count: number; readonly pauseMs: number; readonly random: () => number; goOn(): boolean },
): Promise<Record<string, number>> {
  const { count, pauseMs, random } = options;
  const done: Record<string, number> = {};
  const busy = new Map<Disturbance["what"], Promise<void>>();
  let failure: unknown;
  for (let total = 0; total < count || options.goOn();) {
    if (failure !== undefined) break;
    const free = all.filter(({ what }) => !busy.has(what));
    const chosen = choose(free, random);
    if (chosen !== undefined) {
      total++;
      done[chosen.kind] = (done[chosen.kind] ?? 0) + 1;
      const running = chosen.run(random).finally(() => busy.delete(chosen.what));
      busy.set(chosen.what, running);
      keep(running, (error) => (failure = error));
    }
    await Bun.sleep(between(random, 0, pauseMs * 2));
  }
  await Promise.allSettled(busy.values());
  if (failure !== undefined) throw failure;
  return done;
}

function choose(from: readonly Disturbance[], random: () => number): Disturbance | undefined {
  let at = random() * from.reduce((sum, { weight }) => sum + weight, 0);
  return from.find(({ weight }) => (at -= weight) < 0);
}
