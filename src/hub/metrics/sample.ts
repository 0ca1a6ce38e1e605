/** A heartbeat as a sample: what it measured, in the order of the catalogue. */
import type { ContainerStatus, Heartbeat, ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import type { Subject, Template } from "#src/protocol/series.ts";
import { container, host, polled, script } from "./catalogue.ts";

/** Scripts and containers of one server that are measured; a server with more is not one. */
const maxSubjects = 1000;

/** Numbers of the states of a script. */
const states: Readonly<Record<ScriptStatus["state"], number>> = { stopped: 0, running: 1, crashed: 2 };

export type Sample = { readonly subjects: readonly Subject[]; readonly values: readonly number[] };

/** null: whoever measured can't know it. */
type Measured = Pick<Heartbeat, "system" | "scripts" | "containers"> & {
  readonly delivery: { readonly [Part in keyof Heartbeat["delivery"]]: Heartbeat["delivery"][Part] | null };
};

/** The sample of a look over SSH: nothing of scripts and deliveries, which only the agent knows of. */
export function polledSampleOf({ system, containers }: Pick<PolledReport, "system" | "containers">): Sample {
  const delivery = { buffered: null, dropped: null };
  const { subjects, values } = sampleOf({ system, containers, scripts: [], delivery });
  return { subjects: [...subjects, polledSubject], values: [...values, 1] };
}

/** The sample of a heartbeat; NaN is what it doesn't say. Of two things of one name only the first is measured. */
export function sampleOf(heartbeat: Measured): Sample {
  const subjects: Subject[] = [hostSubject];
  const values: number[] = [];
  const seen = new Set<string>();
  putHost(values, heartbeat);
  for (const one of heartbeat.scripts) {
    if (isNew(script, one.name)) putScript(values, one);
  }
  for (const one of heartbeat.containers) {
    // the source stays the same when a container is made anew under another name
    if (isNew(container, one.source ?? one.name) || isNew(container, one.name)) putContainer(values, one);
  }
  return { subjects, values };

  function isNew(template: Template, name: string): boolean {
    const key = `${template.name} ${name}`;
    if (name === "" || seen.has(key) || subjects.length > maxSubjects) return false;
    seen.add(key);
    subjects.push({ template, name });
    return true;
  }
}

const hostSubject: Subject = { template: host, name: "" };
const polledSubject: Subject = { template: polled, name: "" };

function put(values: number[], ...numbers: readonly (number | null | undefined)[]): void {
  for (const number of numbers) values.push(number ?? Number.NaN);
}

function putHost(values: number[], { system, delivery }: Measured): void {
  const { cpu, memory, disk, network, load, uptime } = system;
  put(values, cpu.usage, memory.used, memory.total, disk.used, disk.total, network.rxRate, network.txRate);
  put(values, load?.[0], load?.[1], load?.[2], uptime, delivery.buffered, delivery.dropped);
}

function putScript(values: number[], { cpu, memory, restarts, state }: ScriptStatus): void {
  put(values, cpu, memory, restarts, states[state]);
}

function putContainer(values: number[], { cpu, memory, network, blockIo, restartCount, state }: ContainerStatus): void {
  put(values, cpu, memory.usage, network?.rxBytes, network?.txBytes, blockIo?.readBytes, blockIo?.writtenBytes);
  put(values, restartCount, state === "running" ? 1 : 0);
}
