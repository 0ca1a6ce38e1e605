/**
 * Figures of all running containers. One-shot answers, asked for when somebody looks, and not a stream a container, since
 * the engine makes an answer a second for each stream. Measured for 100 idle containers (test/bench/containers.ts), in
 * percent of one core: asked every 10 s, 0.8 of the engine and 0.35 of the agent; streams, 5.8 and 0.65.
 */
import type { Clock } from "#src/lib/clock.ts";
import { reasonOf } from "#src/protocol/fault.ts";

import type { Engine } from "./engine.ts";
import type { LogPort } from "./ports.ts";
import { type CpuSample, type Figures, noFigures, readFigures } from "./stats.ts";

/** Answers that are waited for at once: the engine reads a dozen files for each. */
const atOnce = 8;
const answerWithinMs = 5_000;
/** Asked again sooner than this, the last figures are given: a share of less time says little. */
const freshMs = 1_000;

/** A series of readings with its own baseline, so that readers don't shorten each other's spans. */
export type Series = {
  /** Reads every running container of `ids` afresh; never rejects, what does not answer has no figures. */
  refresh(engine: Engine, ids: readonly string[]): Promise<void>;
  figuresOf(id: string): Figures;
  /** The last reading, as a baseline. */
  sampleOf(id: string): CpuSample | undefined;
};

/** @param elder its readings are taken for what this series has not read itself: whoever looks for the first time sees figures */
export function createSeries(clock: Clock, log: LogPort, elder?: Pick<Series, "figuresOf" | "sampleOf">): Series {
  const samples = new Map<string, CpuSample>();
  const figures = new Map<string, Figures>();
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  async function readAll(engine: Engine, ids: readonly string[]): Promise<void> {
    readAt = clock.monotonic();
    const gone = [...figures.keys(), ...samples.keys()].filter((id) => !ids.includes(id));
    for (const id of gone) {
      figures.delete(id);
      samples.delete(id);
    }
    const waiting = [...ids];
    const readSome = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) await readOne(engine, id);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, ids.length) }, readSome));
  }

  async function readOne(engine: Engine, id: string): Promise<void> {
    try {
      const answer = await engine.get(`/containers/${id}/stats?stream=false&one-shot=true`, answerWithinMs);
      const read = readFigures(answer, samples.get(id) ?? elder?.sampleOf(id));
      figures.set(id, read.figures);
      if (read.sample === undefined) samples.delete(id);
      else samples.set(id, read.sample);
    } catch (error) {
      // it ended meanwhile, as a rule
      log.debug(`no figures of container ${id.slice(0, 12)}: ${reasonOf(error)}`);
      figures.delete(id);
    }
  }

  return {
    async refresh(engine, ids) {
      if (reading === undefined && clock.monotonic() - readAt >= freshMs) {
        reading = readAll(engine, ids).finally(() => {
          reading = undefined;
        });
      }
      await reading;
    },
    figuresOf(id) {
      const own = figures.get(id);
      const others = elder?.figuresOf(id) ?? noFigures;
      return own === undefined ? others : { ...own, cpu: own.cpu ?? others.cpu };
    },
    sampleOf: (id) => samples.get(id),
  };
}
