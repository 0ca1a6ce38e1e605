/** What is measured of servers, and how finely it is kept: as finely as a chart shows it. */
import type { metricUnits } from "#src/protocol/metrics.ts";
import type { Metric, Scale, Template } from "#src/protocol/series.ts";

/** What a number is of. */
export type Unit = (typeof metricUnits)[number];

type Named = Metric & { readonly unit: Unit };

const gauge = (name: string, unit: Unit, scale: Scale): Named => ({ name, unit, counter: false, scale });

// a twentieth of a percent, and two significant digits and a half
const percent = { unit: 0.05, bits: 7 };
// pages of memory
const memory = { unit: 4096, bits: 9 };
const disk = { unit: 4096, bits: 12 };
const rate = { unit: 16, bits: 6 };
const load = { unit: 0.01, bits: 7 };
/** What rarely changes costs nothing, however finely it is kept. */
const whole = { unit: 1, bits: 20 };

/** Bytes that are counted; read back as bytes a second. */
const traffic = (name: string): Named => ({ name, unit: "bytes/s", counter: true, scale: { unit: 1, bits: 6 } });

// the order is that in which sample.ts puts the numbers
export const host = {
  name: "host",
  metrics: [
    gauge("cpu", "percent", percent),
    gauge("memory.used", "bytes", memory),
    gauge("memory.total", "bytes", disk),
    gauge("disk.used", "bytes", disk),
    gauge("disk.total", "bytes", disk),
    // the agent's own rates: it sees each interface, and so when one of them begins again
    gauge("network.rx", "bytes/s", rate),
    gauge("network.tx", "bytes/s", rate),
    gauge("load.1", "1", load),
    gauge("load.5", "1", load),
    gauge("load.15", "1", load),
    gauge("uptime", "seconds", whole),
    gauge("delivery.buffered", "1", whole),
    gauge("delivery.dropped", "1", whole),
  ],
} as const satisfies Template;

/** 1: the figures of this moment were read over SSH, not sent by the agent. Not there otherwise. */
export const polled = { name: "host", metrics: [gauge("ssh", "1", whole)] } as const satisfies Template;

export const script = {
  name: "script",
  metrics: [
    gauge("cpu", "percent", percent),
    gauge("memory", "bytes", memory),
    gauge("restarts", "1", whole),
    // 0 stopped, 1 running, 2 crashed
    gauge("state", "1", whole),
  ],
} as const satisfies Template;

export const container = {
  name: "container",
  metrics: [
    gauge("cpu", "percent", percent),
    gauge("memory", "bytes", memory),
    traffic("network.rx"),
    traffic("network.tx"),
    traffic("io.read"),
    traffic("io.written"),
    gauge("restarts", "1", whole),
    // 1 running, 0 not
    gauge("running", "1", whole),
  ],
} as const satisfies Template;

const units = new Map<string, Unit>(
  [host, polled, script, container].flatMap(({ name, metrics }) =>
    metrics.map((metric: Named) => [`${name}.${metric.name}`, metric.unit] as const),
  ),
);

/** The unit of a metric of servers; undefined: there is none of this name. */
export function unitOf(name: string): Unit | undefined {
  return units.get(name);
}
