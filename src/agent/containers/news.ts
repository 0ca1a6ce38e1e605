/** What is said of a container that dies, runs out of memory or changes its health; with its last lines, once they are read. */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import type { Container } from "#src/protocol/container-inspect.ts";

import { type Omens, causeOfDeath, noOmens } from "./deaths.ts";
import type { EventPort, LinesPort } from "./ports.ts";
import type { Reader } from "./reader.ts";

const tailLines = 20;
/** How long the news of a death waits for the container's last lines. */
const lastLinesWithinMs = 10_000;
/** The engine may tell of the memory limit only after the death that it caused. */
const lateOomMs = 500;
/** A container that lives on so long after something in it was killed for memory did not die of it. */
const survivedAfterMs = 2_000;

/** What is known of one container. */
export type Entry = {
  container: Container;
  omens: Omens;
  reader: Reader | undefined;
  /** monotonic ms of the last time that something in it was killed for memory */
  oomAt: number;
  /** the health that was told last: another event may have brought a newer one to be known meanwhile */
  told: string | null;
};

export type News = {
  /** Tells of a death, after the last lines have been read. `exitCode` null: not known; `observed`: it was seen. */
  death(entry: Entry, exitCode: number | null, observed: boolean): Promise<void>;
  /** Something in it was killed for memory: news of its own if it lives on. `now`: what it is later. */
  memory(entry: Entry, now: () => Container | undefined): void;
  /** Tells when it becomes unhealthy, and when it is well again. */
  health(container: Container, before: string | null, health: string): void;
};

export function createNews(world: {
  readonly clock: Clock;
  readonly output: Pick<LinesPort, "containerTail">;
  readonly events: EventPort;
}): News {
  const { clock, output, events } = world;
  const tailOf = ({ source, id }: Container): string[] => output.containerTail(source, id, tailLines);
  const facts = (container: Container) => ({
    at: timestamp(clock.now()),
    container: container.name,
    containerId: container.id,
    source: container.source,
    image: container.image,
  });

  return {
    async death(entry, exitCode, observed) {
      const { container, omens, reader } = entry;
      const { at, ...rest } = facts(container);
      const diedAt = clock.monotonic();
      const { cause: seen, signal } = causeOfDeath(exitCode, omens, container.oomKilled, diedAt);
      entry.omens = noOmens;
      if (seen === "killed" && signal === "SIGKILL") await within(clock, new Promise(() => {}), lateOomMs);
      await lastLines(clock, reader);
      const cause = seen === "killed" && entry.oomAt >= diedAt ? "oom" : seen;
      const fact = { cause, exitCode, signal, observed, tail: tailOf(container) };
      events.emit({ type: "container.died", at, ...rest, ...fact });
    },
    memory(entry, now) {
      entry.omens = { ...entry.omens, oom: true };
      entry.oomAt = clock.monotonic();
      const { startedAt } = entry.container;
      clock.after(survivedAfterMs, () => {
        const later = now();
        if (!later?.running || later.startedAt !== startedAt) return;
        events.emit({ type: "container.oom", ...facts(later), tail: tailOf(later) });
      });
    },
    health(container, before, health) {
      if (health === "unhealthy" && before !== "unhealthy") {
        const { output: said, failures } = container.check;
        const fact = { check: said, failures, tail: tailOf(container) };
        events.emit({ type: "container.unhealthy", ...facts(container), ...fact });
      } else if (health === "healthy" && before === "unhealthy") {
        events.emit({ type: "container.healthy", ...facts(container), tail: tailOf(container) });
      }
    },
  };
}

/** Waits until a container's last lines are read, for a while at most. */
export function lastLines(clock: Clock, reader: Reader | undefined): Promise<void> {
  return within(clock, reader?.settled() ?? Promise.resolve(), lastLinesWithinMs);
}

async function within(clock: Clock, promise: Promise<void>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const cancel = clock.after(ms, () => late.resolve());
  await Promise.race([promise, late.promise]);
  cancel();
}
