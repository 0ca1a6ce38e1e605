/**
 * The latest figures of servers, scripts and containers, and the hub's own, for Prometheus: base units, ratios from 0 to
 * 1, `_total` behind counters (prometheus.io/docs/practices/naming). Only of servers that report: what they said before
 * would stand there as if it were of now.
 */
import type { ContainerStatus, Heartbeat, ScriptStatus, SystemMetrics } from "#src/protocol/heartbeat.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import { scriptStates } from "#src/protocol/scripts.ts";
import { type Exposition, type Family, createExposition, labelText } from "./exposition.ts";

export type LatestServer = {
  readonly hostname: string;
  readonly project: string;
  readonly connected: boolean;
  readonly lastSeenMs: number | null;
  readonly version: string | null;
  /** as JSON */
  readonly heartbeat: string | null;
  /** what was last read over SSH, as JSON, while the figures come from there */
  readonly polled?: string | null;
};

/** A figure of the hub itself. */
export type OwnFigure = {
  readonly family: Family;
  /** of a histogram: which part */
  readonly suffix?: "_bucket" | "_sum" | "_count";
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
};

/** Servers between two breaths: a heartbeat is 3 kB of JSON, so that other requests wait a few milliseconds at most. */
const serversAtOnce = 100;

const gauge = (name: string, help: string): Family => ({ name: `orion_${name}`, type: "gauge", help });
const counter = (name: string, help: string): Family => ({ name: `orion_${name}_total`, type: "counter", help });

const server = {
  up: gauge("server_up", "Whether the server's agent reports (1) or not (0)."),
  seen: gauge("server_last_report_timestamp_seconds", "When the agent last reported."),
  age: gauge("server_last_report_age_seconds", "How long ago the agent last reported."),
  polled: gauge("server_polled", "1 while the hub reads the server's figures over SSH, because its agent is silent."),
  agent: gauge("agent_info", "Version of the agent."),
  cpu: gauge("server_cpu_usage_ratio", "Share of the processors' time that was busy since the last report."),
  cores: gauge("server_cpu_cores", "Processors."),
  memoryTotal: gauge("server_memory_size_bytes", "Memory."),
  memoryUsed: gauge("server_memory_used_bytes", "Memory in use."),
  memoryAvailable: gauge("server_memory_available_bytes", "Memory that programs can still get."),
  diskTotal: gauge("server_disk_size_bytes", "Size of the filesystem that is watched."),
  diskUsed: gauge("server_disk_used_bytes", "Space in use on the filesystem that is watched."),
  received: counter("server_network_receive_bytes", "Bytes received over physical and bonded interfaces."),
  sent: counter("server_network_transmit_bytes", "Bytes sent over physical and bonded interfaces."),
  load1: gauge("server_load1", "Load average over 1 minute."),
  load5: gauge("server_load5", "Load average over 5 minutes."),
  load15: gauge("server_load15", "Load average over 15 minutes."),
  uptime: gauge("server_uptime_seconds", "Time since the server was started."),
  buffered: gauge("server_logs_buffered", "Log lines that the agent has not yet delivered."),
  dropped: counter("server_logs_dropped", "Log lines that the agent had to drop."),
};

const script = {
  state: gauge("script_state", "1 for the state that the script is in, 0 for the others."),
  uptime: gauge("script_uptime_seconds", "Time since the script was started."),
  cpu: gauge("script_cpu_usage_ratio", "Processor time of the script's whole tree; 1 is one core."),
  memory: gauge("script_memory_bytes", "Resident memory of the script's whole tree."),
  restarts: counter("script_restarts", "Starts after a crash since a person last started the script."),
};

const container = {
  running: gauge("container_running", "Whether the container runs (1) or not (0)."),
  healthy: gauge("container_healthy", "Whether the container's health check passes (1) or not (0)."),
  cpu: gauge("container_cpu_usage_ratio", "Processor time of the container; 1 is one core."),
  memory: gauge("container_memory_used_bytes", "Memory of the container, as docker stats counts it."),
  limit: gauge("container_memory_limit_bytes", "Memory that the container may use."),
  received: counter("container_network_receive_bytes", "Bytes received since the container was started."),
  sent: counter("container_network_transmit_bytes", "Bytes sent since the container was started."),
  read: counter("container_block_read_bytes", "Bytes read from disks since the container was started."),
  written: counter("container_block_written_bytes", "Bytes written to disks since the container was started."),
  restarts: counter("container_restarts", "Restarts by the engine."),
};

const share = (percent: number | null) => (percent === null ? null : Number((percent / 100).toPrecision(12)));

/** All of it as text. Gives way to other work in between. */
export async function latestFigures(
  servers: readonly LatestServer[],
  own: readonly OwnFigure[],
  nowMs: number,
): Promise<string> {
  const out = createExposition();
  for (const [i, one] of servers.entries()) {
    if (i > 0 && i % serversAtOnce === 0) await new Promise((resolve) => setImmediate(resolve));
    addServer(out, one, nowMs);
  }
  for (const { family, labels, value, suffix } of own) out.add(family, labelText(labels ?? {}), value, suffix);
  return out.text();
}

function addServer(out: Exposition, one: LatestServer, nowMs: number): void {
  const names = { server: one.hostname, project: one.project };
  const labels = labelText(names);
  out.add(server.up, labels, one.connected ? 1 : 0);
  out.add(server.seen, labels, one.lastSeenMs === null ? null : one.lastSeenMs / 1000);
  out.add(server.age, labels, one.lastSeenMs === null ? null : Math.max(0, nowMs - one.lastSeenMs) / 1000);
  if (!one.connected && one.polled != null) {
    addPolled(out, names, JSON.parse(one.polled) as PolledReport);
    return;
  }
  if (!one.connected || one.heartbeat === null) return;
  const beat = JSON.parse(one.heartbeat) as Heartbeat;
  if (one.version !== null) out.add(server.agent, labelText({ ...names, version: one.version }), 1);
  addSystem(out, labels, beat.system);
  out.add(server.buffered, labels, beat.delivery.buffered);
  out.add(server.dropped, labels, beat.delivery.dropped);
  for (const status of unique(beat.scripts)) addScript(out, names, status);
  for (const status of unique(beat.containers)) addContainer(out, names, status);
}

/** The first of each name: a figure that is there twice would make all of them unreadable. */
function unique<T extends { readonly name: string }>(all: readonly T[]): Iterable<T> {
  return new Map(all.toReversed().map((one) => [one.name, one])).values();
}

/** What the hub sees itself; of scripts and deliveries only the agent knows. */
function addPolled(out: Exposition, names: Names, { system, containers }: PolledReport): void {
  const labels = labelText(names);
  out.add(server.polled, labels, 1);
  addSystem(out, labels, system);
  for (const status of unique(containers)) addContainer(out, names, status);
}

function addSystem(out: Exposition, labels: string, { cpu, memory, disk, network, load, uptime }: SystemMetrics): void {
  const path = `${labels},${labelText({ path: disk.path })}`;
  out.add(server.cpu, labels, share(cpu.usage));
  out.add(server.cores, labels, cpu.cores);
  out.add(server.memoryTotal, labels, memory.total);
  out.add(server.memoryUsed, labels, memory.used);
  out.add(server.memoryAvailable, labels, memory.available);
  out.add(server.diskTotal, path, disk.total);
  out.add(server.diskUsed, path, disk.used);
  out.add(server.received, labels, network.rxBytes);
  out.add(server.sent, labels, network.txBytes);
  out.add(server.load1, labels, load?.[0]);
  out.add(server.load5, labels, load?.[1]);
  out.add(server.load15, labels, load?.[2]);
  out.add(server.uptime, labels, uptime);
}

type Names = { readonly server: string; readonly project: string };

function addScript(out: Exposition, names: Names, status: ScriptStatus): void {
  const labels = labelText({ ...names, script: status.name });
  for (const state of scriptStates) out.add(script.state, `${labels},state="${state}"`, status.state === state ? 1 : 0);
  out.add(script.uptime, labels, status.uptime);
  out.add(script.cpu, labels, share(status.cpu));
  out.add(script.memory, labels, status.memory);
  out.add(script.restarts, labels, status.restarts);
}

function addContainer(out: Exposition, names: Names, status: ContainerStatus): void {
  const labels = labelText({ ...names, container: status.name, image: status.image });
  out.add(container.running, labels, status.state === "running" ? 1 : 0);
  if (status.health !== null) out.add(container.healthy, labels, status.health === "healthy" ? 1 : 0);
  out.add(container.cpu, labels, share(status.cpu));
  out.add(container.memory, labels, status.memory.usage);
  out.add(container.limit, labels, status.memory.limit);
  out.add(container.received, labels, status.network?.rxBytes);
  out.add(container.sent, labels, status.network?.txBytes);
  out.add(container.read, labels, status.blockIo?.readBytes);
  out.add(container.written, labels, status.blockIo?.writtenBytes);
  out.add(container.restarts, labels, status.restartCount);
}
