/** `orion status` for people: a pure function of the daemon's answer. */
import type { SystemMetrics } from "#src/protocol/heartbeat.ts";
import type { DeliveryStatus, StatusAnswer } from "#src/protocol/ipc.ts";

import { type Paint, harmless } from "./colour.ts";
import { renderContainers } from "./containers-view.ts";
import { renderScripts } from "./scripts-view.ts";
import { ago, bytes, bytesPerSecond, count, duration, percent } from "./units.ts";

/**
 * @param now milliseconds since the epoch, to say how long ago things were
 * @param width columns of the terminal; undefined: there is none, and nothing is cut
 */
export function renderStatus(status: StatusAnswer, paint: Paint, now: number, width?: number): string {
  const up = duration((now - Date.parse(status.startedAt)) / 1000);
  const sections = [
    [`${paint("bold", status.hostname)}  orion ${status.version}, pid ${status.pid}, up ${up}`],
    section(paint, "Host", renderHost(status.system)),
    section(
      paint,
      "Scripts",
      status.scripts.length === 0
        ? [paint("dim", "  none; add one: orion script add NAME COMMAND")]
        : renderScripts(status.scripts, paint, now),
    ),
    section(paint, "Containers", renderContainers(status.containers, paint, now, width)),
    status.docker.error === null ? [] : section(paint, "Docker", [`  ${harmless(status.docker.error, false)}`]),
    section(paint, "Delivery", renderDelivery(status.delivery, paint, now)),
    section(
      paint,
      "Problems",
      status.problems.map(
        ({ what, why, todo }) => `  ${paint("red", "!")} ${harmless(`${what}: ${why}. ${todo}`, false)}`,
      ),
    ),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

const section = (paint: Paint, title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [paint("bold", title), ...lines];

function renderHost({ cpu, memory, disk, network, load, uptime }: SystemMetrics): string[] {
  const rows: [string, string][] = [
    [
      "CPU",
      `${percent(cpu.usage)} of ${cpu.cores ?? "-"} cores, load ${load?.map((value) => value.toFixed(2)).join(" ") ?? "-"}`,
    ],
    ["Memory", `${percent(memory.usage)}, ${bytes(memory.used)} of ${bytes(memory.total)}`],
    [`Disk ${harmless(disk.path, false)}`, `${percent(disk.usage)}, ${bytes(disk.used)} of ${bytes(disk.total)}`],
    ["Network", `in ${bytesPerSecond(network.rxRate)}, out ${bytesPerSecond(network.txRate)}`],
    ["Uptime", duration(uptime)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}

const deliveryWords = {
  off: ["yellow", "no hub is configured; entries are kept here"],
  online: ["green", "online"],
  away: ["yellow", "the hub is away; entries wait"],
  refused: ["red", "the hub refuses this agent's token; entries wait"],
} as const;

function renderDelivery(delivery: DeliveryStatus, paint: Paint, now: number): string[] {
  const { state, endpoint, lastAck, lastError, nextAttemptAt, ledger } = delivery;
  const [style, words] = deliveryWords[state];
  const lines = [`  ${paint(style, words)}${endpoint === null ? "" : `, ${harmless(endpoint, false)}`}`];
  lines.push(
    `  read ${count(ledger.read)}, acknowledged ${count(ledger.acknowledged)}, waiting ${count(ledger.buffered)} (${bytes(ledger.bufferedBytes)}), ` +
      paint(ledger.dropped > 0 ? "red" : "dim", `dropped ${count(ledger.dropped)}`),
  );
  if (lastAck !== null) lines.push(`  last acknowledged ${ago(lastAck, now)}`);
  if (lastError !== null && state !== "online") {
    const next = nextAttemptAt === null ? "" : `, next try in ${duration((Date.parse(nextAttemptAt) - now) / 1000)}`;
    lines.push(`  ${harmless(lastError, false)}${next}`);
  }
  return lines;
}
