/** Watching an engine: what is known of its containers across connections, and their figures. Loaded when it is needed. */
import { readFileSync } from "node:fs";

import type { ContainerStatus } from "#src/protocol/heartbeat.ts";

import { createChoice, ownContainer } from "./choose.ts";
import { createEngine } from "./engine.ts";
import type { ContainersWorld } from "./ports.ts";
import { type Series, createSeries } from "./samples.ts";
import { type Known, type Session, openSession } from "./session.ts";

/** Containers that don't run are shown up to this many, the newest. */
const mostStopped = 100;

export type Watch = {
  /** Opens a session. @throws {Fault} why there is none */
  connect(): Promise<void>;
  open(): boolean;
  close(): void;
  refresh(reader: "heartbeat" | "status"): Promise<void>;
  statuses(reader: "heartbeat" | "status"): ContainerStatus[];
  sourceOf(name: string): string | undefined;
  /** The host's name, when the agent is in a container of this engine and so can't see it by itself. */
  hostname(): string | undefined;
};

/** @param onEnd the engine ended the session */
export function createWatch(world: ContainersWorld, onEnd: () => void): Watch {
  const { clock, log } = world;
  const known: Known = new Map();
  const own = ownContainer(readOr("/proc/self/mountinfo"), readOr("/proc/self/cgroup"));
  const choice = createChoice(world.rules, own);
  const engine = createEngine(world.socketPath, clock);
  const heartbeat = createSeries(clock, log);
  const series: Readonly<Record<"heartbeat" | "status", Series>> = {
    heartbeat,
    status: createSeries(clock, log, heartbeat),
  };
  let session: Session | undefined;
  let hostname: string | undefined;

  function statusOf(id: string, reader: "heartbeat" | "status"): ContainerStatus | undefined {
    const container = known.get(id)?.container;
    if (container === undefined) return undefined;
    const { name, image, state, health, restartCount, startedAt, source } = container;
    return { id, name, image, state, health, restartCount, startedAt, ...series[reader].figuresOf(id), source };
  }

  return {
    async connect() {
      session = await openSession(
        engine,
        known,
        {
          ...world,
          chosen: (container) => world.logs && choice(container),
          onData: world.onData ?? (() => {}),
        },
        () => {
          session = undefined;
          onEnd();
        },
      );
      ({ hostname } = session);
    },
    hostname: () => (own === undefined ? undefined : hostname),
    open: () => session !== undefined,
    close() {
      session?.close();
      session = undefined;
    },
    async refresh(reader) {
      if (session === undefined) return;
      const running = [...known].filter(([, { container }]) => container.running).map(([id]) => id);
      await series[reader].refresh(session.engine, running);
    },
    statuses(reader) {
      const all = [...known.values()].map(({ container }) => container);
      const stopped = all
        .filter(({ running }) => !running)
        .sort((a, b) => ((a.finishedAt ?? "") < (b.finishedAt ?? "") ? 1 : -1))
        .slice(0, mostStopped);
      return [...all.filter(({ running }) => running), ...stopped]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .flatMap(({ id }) => statusOf(id, reader) ?? []);
    },
    sourceOf(name) {
      const containers = [...known.values()].map(({ container }) => container);
      const found =
        containers.find((container) => container.name === name) ??
        (/^[0-9a-f]{6,}$/.test(name) ? containers.find(({ id }) => id.startsWith(name)) : undefined);
      return found?.source;
    },
  };
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // hidden: then nothing is known of a container around us
    return "";
  }
}
