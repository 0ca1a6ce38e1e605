/** Reads one container's log: follows it while it runs, to the last line when it has ended, and goes on where it was. */
import { exponentialDelay } from "#src/lib/backoff.ts";
import { type Cancel, type Clock, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

import { createAssembler } from "./assemble.ts";
import type { Engine, EngineStream } from "./engine.ts";
import { createFrameDecoder, createRawDecoder } from "./frames.ts";
import type { ContainerLine, LinesPort, LogPort } from "./ports.ts";
import { formatPosition, parsePosition } from "./position.ts";

const openWithinMs = 10_000;
/** How soon lines that nobody could take are offered again. */
const againMs = 100;
/**
 * Held back for so long, a stream is closed, and read again from its position when there is room: the engine would wait
 * in the middle of a file that it may throw away meanwhile.
 */
const patienceMs = 5_000;
/** How soon it is looked for room then. */
const roomEveryMs = 1_000;
/** Between two attempts, when a log ends or can't be opened although its container runs. */
const retryBaseMs = 100;
const retryCeilingMs = 30_000;
/** Of a container that is older than the agent, so many of its last lines are taken: its whole past would be too much. */
const pastLines = 1000;

export type ReaderOptions = {
  readonly id: string;
  readonly name: string;
  readonly source: string;
  readonly tty: boolean;
  /** it ran before anybody watched: only the end of its past is taken */
  readonly old: boolean;
};

type World = {
  readonly engine: Engine;
  readonly output: LinesPort;
  readonly clock: Clock;
  readonly log: LogPort;
  /** bytes that came */
  readonly onData: (bytes: number) => void;
};

export type Reader = {
  /** The container runs (again): from now on its log is followed. */
  follow(): void;
  /** The container has ended: what is left is read. */
  ended(): void;
  /** Settles when nothing more is to be read. */
  settled(): Promise<void>;
  /** The container and its log are gone: what was not read by now is lost, and counted. */
  gone(): void;
  stop(): void;
};

/** `held`: nobody takes lines */
type Outcome = "ended" | "failed" | "held" | "unreadable";

export function createReader(options: ReaderOptions, { engine, output, clock, log, onData }: World): Reader {
  const { id, name, source, tty, old } = options;
  let live = false;
  let stopped = false;
  let failures = 0;
  /** lines were offered in vain, and wait in the engine */
  let held = false;
  let running: Promise<void> | undefined;
  /** it was started in the moment in which its reading ended */
  let again = false;
  let stream: EngineStream | undefined;
  /** ends the reading under way */
  let abandon: (() => void) | undefined;
  /** offers the lines that wait once more, whether they are wanted or not */
  let insist: (() => void) | undefined;
  /** ends a wait */
  let wake: (() => void) | undefined;

  function pathFrom(followed: boolean): string {
    const position = parsePosition(output.containerPosition(id) ?? "");
    const from = position === undefined ? (old ? `&tail=${pastLines}` : "") : `&since=${position.since}`;
    return `/containers/${id}/logs?stdout=1&stderr=1&timestamps=1&follow=${followed ? 1 : 0}${from}`;
  }

  /** Reads until the engine ends the log or `stop`. */
  async function readOnce(followed: boolean): Promise<Outcome> {
    const assembler = createAssembler(parsePosition(output.containerPosition(id) ?? ""), () =>
      timestamp(clock.now()).replace("Z", "000000Z"),
    );
    const decoder = tty ? createRawDecoder() : createFrameDecoder();
    const ended = Promise.withResolvers<Outcome>();
    abandon = () => ended.resolve("failed");
    let lines: ContainerLine[] = [];
    let over: Outcome | undefined;
    let waiting = false;
    let waitedMs = 0;
    let cancelAgain: Cancel | undefined;
    const collect = (of: "stdout" | "stderr", message: Buffer): void => assembler.take(of, message, lines);

    const hand = (insisting = false): void => {
      cancelAgain?.();
      if (stopped || over === "held") return;
      const position = assembler.position();
      const taken =
        lines.length === 0 ||
        position === undefined ||
        // what has come to its end may be gone from the engine by the time that there is room
        ((insisting || over !== undefined || output.ready()) &&
          output.takeContainer({
            source,
            container: name,
            containerId: id,
            lines,
            position: formatPosition(position),
          }));
      if (!taken) {
        waitedMs += againMs;
        if (waitedMs > patienceMs && over === undefined) {
          over = "held";
          stream?.close();
          ended.resolve(over);
          return;
        }
        stream?.pause();
        waiting = true;
        cancelAgain = clock.after(againMs, () => hand());
        return;
      }
      const gap = assembler.takeGap();
      if (gap !== undefined) output.missed(source, gap.from, gap.to);
      if (lines.length > 0) failures = 0;
      if (lines.length > 0 || over === "ended") held = false;
      waitedMs = 0;
      lines = [];
      if (waiting) stream?.resume();
      waiting = false;
      if (over !== undefined) ended.resolve(over);
    };
    insist = () => {
      if (waiting) hand(true);
    };
    const finish = (outcome: Outcome): void => {
      over = outcome;
      if (!waiting) hand();
    };
    try {
      const opened = await engine.open(
        pathFrom(followed),
        {
          data(bytes) {
            onData(bytes.length);
            const ok = decoder.push(bytes, collect);
            if (!waiting) hand();
            if (ok) return;
            log.warn(`the log of container ${name} is no stream of frames: it is read again`);
            stream?.close();
            finish("failed");
          },
          end() {
            // only at its own end is a line without a newline known to be whole
            if (!followed) {
              decoder.finish(collect);
              assembler.finish(lines);
            }
            finish("ended");
          },
        },
        openWithinMs,
      );
      stream = opened;
      if (stopped) opened.close();
      if (waiting) opened.pause();
    } catch (error) {
      const gone = error instanceof Fault && ["not-found", "invalid", "conflict"].includes(error.code);
      if (!stopped) log.debug(`the log of container ${name} can't be opened: ${reasonOf(error)}`);
      return gone ? "unreadable" : "failed";
    }
    const outcome = await (stopped ? "failed" : ended.promise);
    stream = undefined;
    return outcome;
  }

  async function run(): Promise<void> {
    for (;;) {
      const followed = live;
      const outcome = await readOnce(followed);
      if (stopped) return;
      if (outcome === "unreadable") {
        miss();
        return;
      }
      if (outcome === "held") {
        held = true;
        if (await room()) continue;
        return;
      }
      if (outcome === "ended" && !followed && !live) return;
      // it ended or began while it was read: at once, for what is left
      if (outcome === "ended" && followed !== live) continue;
      await pause(exponentialDelay(retryBaseMs, retryCeilingMs, failures++));
    }
  }

  /** Waits until lines are taken again. @returns false: it was stopped first */
  async function room(): Promise<boolean> {
    for (;;) {
      if (stopped) return false;
      if (output.ready()) return true;
      await pause(roomEveryMs);
    }
  }

  function pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(delayMs, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });
  }

  function begin(): void {
    if (running !== undefined || stopped) return;
    again = false;
    running = run();
    keep(
      running.finally(() => {
        running = undefined;
        if (again) begin();
      }),
      (error) => log.error(`reading the log of container ${name} failed: ${reasonOf(error)}`),
    );
  }
  function stop(): void {
    stopped = true;
    stream?.close();
    stream = undefined;
    abandon?.();
    wake?.();
  }

  /** What waits in the engine will not come any more. */
  function miss(): void {
    if (held) output.missed(source, newestTaken(), timestamp(clock.now()));
    held = false;
  }

  /** Time of the newest line that was taken; now, when there was none. */
  function newestTaken(): string {
    const { stdout, stderr } = parsePosition(output.containerPosition(id) ?? "") ?? {};
    const newest = [stdout?.at ?? "", stderr?.at ?? ""].sort()[1];
    return newest === undefined || newest === "" ? timestamp(clock.now()) : newest;
  }

  return {
    follow() {
      live = true;
      again = running !== undefined;
      failures = 0;
      wake?.();
      begin();
    },
    ended() {
      live = false;
      again = false;
      insist?.();
      failures = 0;
      wake?.();
    },
    // whoever runs it says what failed
    settled: async () => await running?.catch(() => undefined),
    gone() {
      miss();
      stop();
    },
    stop,
  };
}
