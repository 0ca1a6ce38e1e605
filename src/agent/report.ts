/** What the agent says of itself and its host: to the hub with each heartbeat, and to whoever asks on this host. */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import type { PingAnswer, Problem, StatusAnswer } from "#src/protocol/ipc.ts";

import type { Containers } from "./containers/containers.ts";
import type { Delivery } from "./delivery/door.ts";
import { readHostname } from "./metrics/hostname.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { deliveryProblems, restartProblems } from "./problems.ts";
import type { ScriptsFile } from "./scripts-file.ts";
import type { SettingsSource } from "./settings.ts";
import type { Beginning } from "./succession/door.ts";
import type { Supervisor } from "./supervisor/supervisor.ts";

type Rooms = {
  readonly settings: SettingsSource;
  readonly metrics: Metrics;
  readonly supervisor: Supervisor;
  readonly containers: Containers;
  readonly delivery: () => Pick<Delivery, "status">;
  readonly scriptsFile: ScriptsFile;
  readonly clock: Clock;
  readonly log: { warn(message: string): void };
  readonly version: string;
  /** the program that runs here; null: it is a part of another process */
  readonly program: string | null;
  /** how this process began, once that is known */
  readonly beginning: () => { readonly began: string; readonly before: Beginning | undefined };
  /** whether it stays as it is: not on probation, and no successor is taking over */
  readonly settled: () => boolean;
};

export type Report = {
  /** The spans of the first figures begin now. */
  begin(): void;
  /** Figures for the hub, with the containers' read afresh. */
  heartbeat(): Promise<Omit<Heartbeat, "delivery">>;
  status(): StatusAnswer;
  ping(): PingAnswer;
};

/** Creates the report; nothing is read before `begin`. */
export function createReport(rooms: Rooms): Report {
  const { settings, metrics, supervisor, containers, delivery, scriptsFile, clock, log, version } = rooms;
  const built = settings.current().config;
  const startedAt = timestamp(clock.now());
  // each has its own baseline: asking for the status must not shorten the heartbeat's span
  const heartbeatMetrics = lazily(() => metrics.openReader());
  const statusMetrics = lazily(() => metrics.openReader());

  function figures(reader: { read(): StatusAnswer["system"] }, asker: "heartbeat" | "status") {
    supervisor.sample();
    return {
      hostname: containers.hostname() ?? readHostname(built.procPath),
      system: reader.read(),
      scripts: supervisor.list().map((script) => script.status),
      ...containers.snapshot(asker),
    };
  }

  function problems(): readonly Problem[] {
    return [
      ...settings.problems(),
      ...restartProblems(built, settings.current().config),
      ...scriptsFile.problems(),
      ...supervisor.problems(),
      ...metrics.problems(),
      ...containers.problems(),
      ...(rooms.beginning().before?.problems ?? []),
    ];
  }

  return {
    begin() {
      heartbeatMetrics();
      statusMetrics();
    },
    async heartbeat() {
      await containers.refresh("heartbeat");
      return {
        at: timestamp(clock.now()),
        agent: { version, startedAt },
        ...figures(heartbeatMetrics(), "heartbeat"),
      };
    },
    status() {
      // for whoever looks again: figures of containers take their time
      keep(containers.refresh("status"), (error) => log.warn(`no figures of containers: ${reasonOf(error)}`));
      const sent = delivery().status();
      return {
        version,
        pid: process.pid,
        startedAt,
        ...figures(statusMetrics(), "status"),
        delivery: sent,
        problems: [...problems(), ...deliveryProblems(sent)],
      };
    },
    ping() {
      const { began, before } = rooms.beginning();
      const { program } = rooms;
      const rolledBack = before?.rolledBack === true;
      return { pong: true, pid: process.pid, version, startedAt, program, began, rolledBack, settled: rooms.settled() };
    },
  };
}

/** Opens at the first use and keeps what was opened. */
function lazily<T>(open: () => T): () => T {
  let opened: { readonly value: T } | undefined;
  return () => (opened ??= { value: open() }).value;
}
