/**
 * The door of the containers' room: what runs in Docker (or Podman), its figures, its lines, its deaths. A host without
 * an engine pays for one stat(2) a heartbeat; the rest is loaded when there is a socket.
 */
import { statSync } from "node:fs";

import { exponentialDelay } from "#src/lib/backoff.ts";
import type { Cancel } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import type { ContainerStatus } from "#src/protocol/heartbeat.ts";
import type { Problem } from "#src/protocol/ipc.ts";

import type { ContainersWorld } from "./ports.ts";
import type { Watch } from "./watch.ts";

const retryBaseMs = 1_000;
const retryCeilingMs = 60_000;
/** Longest that a heartbeat waits for figures. */
const figuresWithinMs = 5_000;

export type DockerStatus = {
  readonly docker: { readonly available: boolean; readonly error: string | null };
  readonly containers: ContainerStatus[];
};

/** Who asks for figures: each has a baseline of its own. */
export type Reader = "heartbeat" | "status";

export type Containers = {
  start(): void;
  stop(): void;
  /** Reads the figures afresh, for a while at most; never rejects. Also looks whether there is an engine by now. */
  refresh(reader: Reader): Promise<void>;
  /** What was read last. */
  snapshot(reader: Reader): DockerStatus;
  problems(): readonly Problem[];
  /** What the lines of a container are filed under, by its name or the beginning of its id. */
  sourceOf(name: string): string | undefined;
  /** The host's name, when the agent is in a container of this engine and so can't see it by itself. */
  hostname(): string | undefined;
};

/** Creates the room; nothing is touched before `start`. */
export function createContainers(world: ContainersWorld): Containers {
  const { socketPath, clock, log } = world;
  let wanted = false;
  let failures = 0;
  /** why there is no engine; null: there is, or nobody has looked */
  let failure: Fault | null = null;
  let absent = false;
  let watch: Watch | undefined;
  let opening: Promise<void> | undefined;
  let cancelRetry: Cancel | undefined;

  function look(): void {
    if (!wanted || watch?.open() === true || opening !== undefined || cancelRetry !== undefined) return;
    absent = !isThere(socketPath);
    if (absent) {
      failure = null;
      return;
    }
    opening = open().finally(() => {
      opening = undefined;
    });
    keep(opening, (error) => log.error(`watching containers failed: ${reasonOf(error)}`));
  }

  async function open(): Promise<void> {
    try {
      if (watch === undefined) {
        const { createWatch } = await import("./watch.ts");
        watch ??= createWatch(world, lost);
      }
      await watch.connect();
      if (!wanted) {
        watch.close();
        return;
      }
      log.info(`watching containers of the engine at ${socketPath}`);
      failures = 0;
      failure = null;
    } catch (error) {
      retry(error instanceof Fault ? error : new Fault("failed", reasonOf(error), { cause: error }));
    }
  }

  function lost(): void {
    retry(new Fault("unreachable", `the engine at ${socketPath} has hung up`));
  }

  function retry(fault: Fault): void {
    if (!wanted) return;
    if (failure?.message !== fault.message) log.warn(`containers are not watched: ${fault.oneLine}`);
    failure = fault;
    cancelRetry?.();
    cancelRetry = clock.after(exponentialDelay(retryBaseMs, retryCeilingMs, failures++), () => {
      cancelRetry = undefined;
      look();
    });
  }

  function error(): string | null {
    if (watch?.open() === true) return null;
    // a host that never had an engine lacks nothing
    if (absent) return watch === undefined ? null : `the engine is gone: ${socketPath} is not there`;
    return failure?.oneLine ?? null;
  }

  return {
    start() {
      wanted = true;
      look();
    },
    stop() {
      wanted = false;
      cancelRetry?.();
      cancelRetry = undefined;
      watch?.close();
    },
    async refresh(reader) {
      look();
      const late = Promise.withResolvers<void>();
      const cancel = clock.after(figuresWithinMs, () => late.resolve());
      const work = async (): Promise<void> => {
        // whoever opens it says what failed
        await opening?.catch(() => undefined);
        await watch?.refresh(reader);
      };
      await Promise.race([work(), late.promise]);
      cancel();
    },
    snapshot(reader) {
      const available = watch?.open() === true;
      const containers = available ? (watch?.statuses(reader) ?? []) : [];
      return { docker: { available, error: error() }, containers };
    },
    problems() {
      if (failure === null || absent || watch?.open() === true) return [];
      const todo = failure.hint ?? "Find the cause with: orion doctor";
      return [{ what: "containers are not watched", why: failure.message, todo }];
    },
    sourceOf: (name) => watch?.sourceOf(name),
    hostname: () => watch?.hostname(),
  };
}

function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    // a folder on the way may not be entered: connecting says so
    return errnoOf(error) !== "ENOTDIR";
  }
}
