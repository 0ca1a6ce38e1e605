/**
 * One connection to an engine, from its first answer to the end of its event stream: knows every container, reads the
 * logs of those that run, and says what becomes of them.
 */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { type Container, readContainer } from "#src/protocol/container-inspect.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { check, z } from "#src/protocol/schema.ts";

import { asksToEnd, noOmens } from "./deaths.ts";
import type { Engine, EngineStream } from "./engine.ts";
import { type Happening, createLineCutter, eventsPath, readHappening } from "./happening.ts";
import { type Entry, createNews, lastLines } from "./news.ts";
import type { EventPort, LinesPort, LogPort } from "./ports.ts";
import { type Reader, createReader } from "./reader.ts";

const answerWithinMs = 10_000;
/** API of Docker 1.12 (2016): timestamps, `since` with nanoseconds, health. */
const oldestApi = [1, 24] as const;
/** Containers that are asked about at once. */
const atOnce = 8;
/** Since when containers are watched on this host: under this name among the positions. */
const watchedSince = "watched-since";

/** What outlives a connection. */
export type Known = Map<string, Entry>;
export type SessionWorld = {
  readonly clock: Clock;
  readonly log: LogPort;
  readonly output: LinesPort;
  readonly events: EventPort;
  /** whose lines are read */
  readonly chosen: (container: Container) => boolean;
  readonly onData: (bytes: number) => void;
};

export type Session = {
  /** the engine, at the version of its API */
  readonly engine: Engine;
  /** the name of the engine's host */
  readonly hostname: string | undefined;
  close(): void;
};

const version = z.object({ ApiVersion: z.string().check(z.regex(/^\d+\.\d+$/)), Version: z.optional(z.string()) });
const info = z.object({ Name: z.optional(z.string().check(z.minLength(1), z.maxLength(255))) });
const listed = z.array(z.object({ Id: z.string() }));

/**
 * Opens a session. `onEnd` is called when the engine ends it.
 * @throws {Fault} when the engine is away, refuses, or is too old
 */
export async function openSession(
  bare: Engine,
  known: Known,
  world: SessionWorld,
  onEnd: () => void,
): Promise<Session> {
  const { clock, log, output, chosen } = world;
  const news = createNews(world);
  const { ApiVersion } = check(version, await bare.get("/version", answerWithinMs), "the engine's version");
  const [major = 0, minor = 0] = ApiVersion.split(".").map(Number);
  if (major < oldestApi[0] || (major === oldestApi[0] && minor < oldestApi[1])) {
    throw new Fault("failed", `the engine's API ${ApiVersion} is older than ${oldestApi.join(".")}`, {
      hint: "Containers are watched from Docker 1.12 on: upgrade the engine",
    });
  }
  const engine: Engine = {
    get: (path, withinMs) => bare.get(`/v${ApiVersion}${path}`, withinMs),
    open: (path, handlers, withinMs) => bare.open(`/v${ApiVersion}${path}`, handlers, withinMs),
  };

  let closed = false;
  let opened = false;
  let stream: EngineStream | undefined;
  /** what happened while the list was made; undefined: it is made */
  let early: Happening[] | undefined = [];
  /** what is done for a container, one after the other */
  const turns = new Map<string, Promise<void>>();
  const firstWatch = markFirstWatch();

  function markFirstWatch(): number {
    const before = Date.parse(output.containerPosition(watchedSince) ?? "");
    if (!Number.isNaN(before)) return before;
    output.setContainerPosition(watchedSince, timestamp(clock.now()));
    return clock.now();
  }

  async function inspect(id: string): Promise<Container | undefined> {
    try {
      return readContainer(await engine.get(`/containers/${id}/json`, answerWithinMs));
    } catch (error) {
      if (error instanceof Fault && error.code === "not-found") return undefined;
      throw error;
    }
  }

  function inTurn(id: string, run: () => Promise<void>): void {
    const before = turns.get(id);
    const turn = async (): Promise<void> => {
      try {
        await before;
        if (!closed) await run();
      } catch (error) {
        if (!closed) log.warn(`container ${id.slice(0, 12)}: ${reasonOf(error)}`);
      }
      if (turns.get(id) === done) turns.delete(id);
    };
    const done: Promise<void> = turn();
    turns.set(id, done);
  }

  /** Asks about a container; gives its entry, or undefined when it is gone. */
  async function learn(id: string): Promise<Entry | undefined> {
    const container = await inspect(id);
    if (closed) return undefined;
    const entry = known.get(id);
    if (container === undefined) return entry;
    if (entry === undefined) {
      const made: Entry = {
        container,
        omens: noOmens,
        reader: undefined,
        oomAt: Number.NEGATIVE_INFINITY,
        told: container.health,
      };
      known.set(id, made);
      return made;
    }
    entry.container = container;
    return entry;
  }

  function readLog(entry: Entry): void {
    const { container } = entry;
    if (!chosen(container)) return;
    const started = Date.parse(container.startedAt ?? "");
    entry.reader ??= createReader({ ...container, old: started < firstWatch }, { ...world, engine });
    entry.reader.follow();
  }

  /** A container is gone for good: when its last lines are read, its place is no longer needed. */
  async function forget(reader: Reader | undefined): Promise<void> {
    await lastLines(clock, reader);
    reader?.gone();
    if (!closed) output.keepContainerPositions(new Set([...known.keys(), watchedSince]));
  }

  function background(promise: Promise<void>): void {
    keep(promise, (error) => log.warn(`a container's end could not be told: ${reasonOf(error)}`));
  }

  async function happened({ id, what, detail, attributes }: Happening): Promise<void> {
    const entry = known.get(id);
    switch (what) {
      case "start": {
        // at once with what is known of it: one that dies within milliseconds may be gone before an answer
        if (entry !== undefined) {
          entry.omens = noOmens;
          entry.container = { ...entry.container, running: true, state: "running", startedAt: timestamp(clock.now()) };
          readLog(entry);
        }
        const learnt = await learn(id);
        // whatever its health is by now (Podman tells of a start a while later) nobody has been told
        if (learnt !== undefined) learnt.told = null;
        if (learnt !== undefined && learnt.container.running) readLog(learnt);
        return;
      }
      case "stop":
        // Podman's only word of it, when it says one: before the end; Docker's comes behind `kill` and the end
        if (entry?.container.running === true) entry.omens = { ...entry.omens, askedAt: clock.monotonic() };
        return;
      case "kill":
        if (entry !== undefined && asksToEnd(attributes["signal"] ?? "", entry.container.stopSignal)) {
          entry.omens = { ...entry.omens, askedAt: clock.monotonic() };
        }
        return;
      case "oom":
        if (entry !== undefined) {
          news.memory(entry, () => (closed ? undefined : known.get(id)?.container));
        }
        return;
      case "die": {
        const code = Number(attributes["exitCode"] ?? Number.NaN);
        if (entry !== undefined) entry.container = { ...entry.container, running: false, state: "exited" };
        entry?.reader?.ended();
        const learnt = await learn(id);
        if (learnt === undefined) return;
        background(news.death(learnt, Number.isInteger(code) ? code : learnt.container.exitCode, true));
        return;
      }
      case "destroy":
        known.delete(id);
        background(forget(entry?.reader));
        return;
      case "health_status":
        await healthChanged(id, detail);
        return;
      default:
        await learn(id);
    }
  }

  async function healthChanged(id: string, said: string): Promise<void> {
    const entry = await learn(id);
    if (entry === undefined) return;
    // Podman says that it changed, not to what
    const health = said === "" ? entry.container.health : said;
    news.health(entry.container, entry.told, health ?? "none");
    entry.told = health;
  }

  /** Makes what is known agree with what is there, and tells what happened in between. */
  async function compare(id: string): Promise<void> {
    const before = known.get(id)?.container;
    const entry = await learn(id);
    if (entry === undefined) return;
    const { container } = entry;
    if (before?.running === true && (!container.running || container.startedAt !== before.startedAt)) {
      background(news.death(entry, container.running ? null : container.exitCode, false));
    }
    if (container.running) readLog(entry);
    else if (output.containerPosition(id) !== undefined || Date.parse(container.startedAt ?? "") >= firstWatch) {
      // what it said while nobody was here
      readLog(entry);
      entry.reader?.ended();
    }
  }

  function take(happening: Happening): void {
    if (early !== undefined) early.push(happening);
    else inTurn(happening.id, () => happened(happening));
  }

  function close(): void {
    closed = true;
    stream?.close();
    for (const entry of known.values()) {
      entry.reader?.stop();
      entry.reader = undefined;
    }
  }

  const cut = createLineCutter();
  stream = await engine.open(
    eventsPath,
    {
      data(bytes) {
        const ok = cut(bytes, (line) => {
          const happening = readHappening(line);
          if (happening !== undefined) take(happening);
        });
        if (!ok) stream?.close();
      },
      end() {
        if (closed) return;
        close();
        if (opened) onEnd();
      },
    },
    answerWithinMs,
  );
  let hostname: string | undefined;
  try {
    hostname = check(info, await engine.get("/info", answerWithinMs), "the engine's description").Name;
    const ids = check(listed, await engine.get("/containers/json?all=true", answerWithinMs), "the engine's list").map(
      ({ Id }) => Id,
    );
    for (const id of known.keys()) if (!ids.includes(id)) known.delete(id);
    output.keepContainerPositions(new Set([...ids, watchedSince]));
    const waiting = [...ids];
    const compareSome = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) if (!closed) await compare(id);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, ids.length) }, compareSome));
  } catch (error) {
    close();
    throw error;
  }
  if (closed) throw new Fault("unreachable", "the engine hung up on its event stream");
  opened = true;
  const missed = early;
  early = undefined;
  for (const happening of missed) take(happening);
  return { engine, hostname, close };
}
