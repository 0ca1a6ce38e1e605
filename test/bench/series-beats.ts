/** Heartbeats of a server with 5 scripts and 5 containers, 65 series, whose numbers drift, jitter and burst as real ones do. */
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import { heartbeat } from "../hub/metrics/heartbeat.ts";

/** Seconds between them. */
export const stepS = 30;
const daySeconds = 86_400;

let seed = 1;
function random(): number {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
  return seed / 0x7fff_ffff;
}
/** Of a normal distribution (Box and Muller). */
function normal(): number {
  return Math.sqrt(-2 * Math.log(random() + 1e-9)) * Math.cos(2 * Math.PI * random());
}

const busy = [8, 2, 0.5, 0.05, 0];
const drifts = busy.map((_, i) => ({
  script: 1e8 * (i + 1),
  container: 2e8 * (i + 1),
  rx: 0,
  tx: 0,
  read: 0,
  written: 0,
}));
let [used, disk, load] = [4e9, 1e11, 1];

/** The heartbeat of a moment. */
export function beatAt(atS: number): Heartbeat {
  const day = 1 + 0.8 * Math.sin((atS / daySeconds) * 2 * Math.PI);
  const spread = () => Math.exp(0.4 * normal());
  used = Math.max(1e9, used + normal() * 2e6);
  disk += random() * 2e4;
  load = Math.max(0, 0.9 * load + 0.1 * day + 0.1 * normal());
  const percent = (mean: number) => Math.max(0, mean * day * (1 + 0.4 * normal()));
  const [script, container] = [heartbeat.scripts[0], heartbeat.containers[0]];
  return {
    ...heartbeat,
    system: {
      cpu: { usage: Math.min(100, percent(12) + (random() < 0.02 ? 40 * random() : 0)), cores: 4 },
      memory: { total: 16e9, used, available: 16e9 - used, usage: 0 },
      disk: { path: "/", total: 5e11, used: disk, usage: 0 },
      network: { rxBytes: 0, txBytes: 0, rxRate: 2e5 * day * spread(), txRate: 9e5 * day * spread() },
      load: [load, load * 0.9, load * 0.8],
      uptime: atS,
    },
    scripts: busy.flatMap((mean, i) => {
      const own = drifts[i];
      if (own === undefined || script === undefined) return [];
      if (mean > 0.1) own.script = Math.max(1e6, own.script + normal() * 3e5);
      return [{ ...script, name: `script-${i}`, state: "running" as const, cpu: percent(mean), memory: own.script }];
    }),
    containers: busy.flatMap((mean, i) => {
      const own = drifts[i];
      if (own === undefined || container === undefined) return [];
      if (mean > 0.1) own.container = Math.max(1e6, own.container + normal() * 3e5);
      own.rx += Math.floor(mean * 1e6 * day * spread());
      own.tx += Math.floor(mean * 2e6 * day * spread());
      own.read += random() < 0.1 ? Math.floor(mean * 1e5 * random()) : 0;
      own.written += random() < 0.5 ? 4096 * Math.floor(4 * mean * random()) : 0;
      const network = { rxBytes: own.rx, txBytes: own.tx };
      const blockIo = { readBytes: own.read, writtenBytes: own.written };
      const usage = own.container;
      return [
        { ...container, source: `container-${i}`, cpu: percent(mean), memory: { usage, limit: 1e9 }, network, blockIo },
      ];
    }),
  };
}
