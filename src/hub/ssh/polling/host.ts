/** Watches one host whose agent is silent: polls it at its moment of the minute until it is stopped. */
import { type Cancel, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import type { Gate } from "./gate.ts";
import { type Kept, createLine } from "./line.ts";
import type { Look } from "./look.ts";
import type { PolledServer, PollingWorld } from "./port.ts";
import { reportOf } from "./report.ts";
import { nextPoll, nextTry, phaseOf } from "./schedule.ts";

export type HostWorld = Pick<PollingWorld, "targets" | "openSession" | "record" | "tell" | "clock" | "log"> & {
  readonly servers: Pick<PollingWorld["servers"], "setWatch">;
  readonly kept: Kept;
  /** Where hosts wait for their turn to open a session. */
  readonly gate: Gate;
  /** The same for those that failed before, so that they never stand before others. */
  readonly backGate: Gate;
};

export type Host = {
  /** Ends it at once; what is under way is dropped. */
  readonly stop: () => void;
};

/** Polls at once, and goes on. @param wasFailing watching it failed before, and that was told */
export function watchHost(server: PolledServer, world: HostWorld, wasFailing: boolean): Host {
  const { clock, log, servers } = world;
  const { id, hostname } = server;
  const life = new AbortController();
  const line = createLine({
    target: () => world.targets.targetOf(id),
    openSession: world.openSession,
    kept: world.kept,
    signal: life.signal,
  });
  // what the agent said last: where its counters stood, and which filesystem it watched
  const beat = server.heartbeat === null ? undefined : (JSON.parse(server.heartbeat) as Heartbeat);
  const phase = phaseOf(id);
  let before: Look | undefined;
  let failures = 0;
  let failing = wasFailing;
  let lastPolled: string | null = null;
  let cancel: Cancel | undefined;

  async function poll(): Promise<void> {
    const gate = failures === 0 ? world.gate : world.backGate;
    try {
      const twice = before === undefined;
      const look = await line.look({ twice, diskPath: beat?.system.disk.path ?? "/", gate });
      if (!life.signal.aborted) succeeded(look);
    } catch (error) {
      if (!life.signal.aborted) failed(error);
    }
  }

  function succeeded(look: Look): void {
    const nowMs = clock.now();
    const report = reportOf(look, { look: before, beat }, nowMs);
    before = look;
    failures = 0;
    lastPolled = report.at;
    world.record(id, report);
    const problem = shortcomings(look, line.sudoProblem());
    const delayMs = nextPoll(clock.monotonic(), phase) - clock.monotonic();
    servers.setWatch(id, { state: { lastPolled, nextPoll: timestamp(nowMs + delayMs), problem }, report });
    if (failing) {
      failing = false;
      log.info(`${hostname} is watched over SSH again`);
      world.tell(id, { type: "watch.restored", at: timestamp(nowMs) });
    }
    again(delayMs);
  }

  function failed(error: unknown): void {
    const { code, oneLine } = error instanceof Fault ? error : new Fault("failed", reasonOf(error), { cause: error });
    failures++;
    const nowMs = clock.now();
    const monotonicMs = clock.monotonic();
    const nextMs = nextTry(monotonicMs, code, failures);
    const delayMs = nextMs === undefined ? undefined : nextMs - monotonicMs;
    const problem = `${oneLine}${/[.?!]$/.test(oneLine) ? "" : "."} ${outlook(failures, delayMs)}`;
    const next = delayMs === undefined ? null : timestamp(nowMs + delayMs);
    servers.setWatch(id, { state: { lastPolled, nextPoll: next, problem }, report: null });
    if (!failing) {
      failing = true;
      log.warn(`${hostname} can't be watched over SSH: ${problem}`);
      world.tell(id, { type: "watch.failed", at: timestamp(nowMs), problem: oneLine });
    } else log.debug(`${hostname} still can't be watched over SSH: ${problem}`);
    if (delayMs !== undefined) again(delayMs);
  }

  function again(delayMs: number): void {
    cancel = clock.after(delayMs, begin);
  }

  function begin(): void {
    keep(poll(), (error) => log.warn(`polling ${hostname} over SSH failed: ${reasonOf(error)}`));
  }

  begin();
  return {
    stop() {
      life.abort(new Fault("unavailable", `${hostname} is no longer watched over SSH`));
      cancel?.();
      line.close();
      servers.setWatch(id, null);
    },
  };
}

/** What a host that answers does not tell; null: nothing is missing. */
function shortcomings({ missing, docker }: Look, sudoProblem: string | null): string | null {
  const said = [
    ...(missing.length === 0 ? [] : [`the host does not tell ${missing.join(", ")}`]),
    ...(docker.kind === "refused" ? [`Docker: ${docker.why}`] : []),
    ...(docker.kind === "refused" && sudoProblem !== null ? [sudoProblem] : []),
  ];
  return said.length === 0 ? null : said.join("; ");
}

function outlook(failures: number, delayMs: number | undefined): string {
  if (delayMs === undefined) return "It is not tried again until its SSH details are changed";
  const minutes = Math.max(1, Math.round(delayMs / 60_000));
  return `${failures === 1 ? "It" : `That was ${failures} times in a row; it`} is tried again in ${minutes} min`;
}
