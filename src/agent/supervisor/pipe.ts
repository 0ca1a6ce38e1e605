/**
 * Named pipes that scripts print into. A pipe opened read-write never gives its writer SIGPIPE: without a reader the
 * writer waits once the pipe is full, and with the next reader it goes on. So the pipe, not this process, is what an
 * application's life hangs on.
 *
 * Reading is by turns, as network drivers do it: a quiet pipe is watched by inotify for one write; from then on it is
 * looked at on a timer until it has been quiet for a while. A steady stream so costs one wake-up for many lines.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import { makeFolder, removeIfThere } from "#src/lib/files.ts";
import { growPipe, makeFifo, pipeContent, setCloseOnExec } from "#src/lib/libc.ts";
import { Fault } from "#src/protocol/fault.ts";

import { type Journal, openJournal } from "./journal.ts";
import { cutLines, maxLineBytes, wholeCharacters } from "./lines.ts";
import type { CapturePipes, CapturedPipe, DescriptorStore } from "./output.ts";
import type { CapturedStream, LogPort, OutputPort } from "./ports.ts";
import { createWatches } from "./watches.ts";

/** What the pipe holds while nobody reads: 1 MiB is what an unprivileged process may ask for, 64 KiB what it gets else. */
const pipeBytes = 1024 * 1024;
/** Taken out of a pipe in one step; small enough that the text made of it stays in the CPU's cache. */
const stepBytes = 128 * 1024;
/** Steps that one pipe gets before the next one's turn. */
const stepsPerTurn = 4;
/** Between two looks at pipes that are in use: at 10,000 lines/s this is 1,000 lines a wake-up, and a tail stays live. */
const lookEveryMs = 100;
/** Kept of a script that ends again and again while nothing is taken; what it prints beyond that waits in its pipe. */
const mostSecuredBytes = 4 * 1024 * 1024;
/** Looks that find nothing before a pipe counts as quiet and is watched instead. */
const quietAfterLooks = 2;

type World = {
  readonly runDir: string;
  readonly output: OutputPort;
  readonly clock: Clock;
  readonly log: LogPort;
  readonly store?: DescriptorStore;
};

type Pipe = {
  readonly path: string;
  readonly fd: number;
  readonly source: string;
  readonly stream: CapturedStream;
  readonly journal: Journal;
  /** found so much in one look: its writer may be waiting, so it is looked at again at once */
  readonly muchBytes: number;
  /** looks in a row that found nothing; above the limit the pipe is watched, not looked at */
  quiet: number;
  watched: boolean;
  /** said to be */
  stuck: boolean;
  /** the taker wants no more of what is in the journal: asked again at each look, and nothing is added to it */
  refused: boolean;
  /** its disk is full: it goes on page by page, and is looked at again at once */
  short: boolean;
  /** pieces handed on of the over-long line that is being read */
  pieces: number;
  closed: boolean;
};

/** Bytes that one read may need: an unfinished line, and a step. Shared, since reading never waits. */
let shared: Uint8Array | undefined;
const buffer = (): Uint8Array => (shared ??= new Uint8Array(maxLineBytes + stepBytes));

/**
 * Creates the reader of all pipes below `<runDir>/scripts`. Nothing is read before the first `open`.
 */
export function createCapturePipes(world: World): CapturePipes {
  const { output, clock, log, store } = world;
  const folder = `${world.runDir}/scripts`;
  const pipes = new Set<Pipe>();
  const watches = createWatches<Pipe>(
    log,
    (pipe) => {
      pipe.watched = false;
      pipe.quiet = 0;
    },
    look,
  );
  let cancelLook: Cancel | undefined;
  let busy = false;

  /** Watches a quiet pipe; what was written between the last look and the watch shows in the look that follows. */
  function watch(pipe: Pipe): void {
    if (!watches.watch(pipe.path, pipe)) {
      pipe.quiet = 0;
      return;
    }
    pipe.watched = true;
    if (turn(pipe) > 0) pipe.quiet = 0;
    else if (pipeContent(pipe.fd) > 0) stuck(pipe);
  }

  /** A pipe that holds something which the journal does not take: its disk is full. Its writer will not write again. */
  function stuck(pipe: Pipe): void {
    if (!pipe.stuck) log.error(`output of ${pipe.source} waits in its pipe: ${folder} can't be written (disk full?)`);
    pipe.stuck = true;
    pipe.watched = false;
    pipe.quiet = 0;
  }

  /** One look at every pipe in use, then the next one soon or later. */
  function look(): void {
    cancelLook?.();
    cancelLook = undefined;
    busy = false;
    let inUse = false;
    for (const pipe of pipes) {
      if (pipe.watched && pipe.quiet > 0) continue;
      const moved = turn(pipe);
      if (moved >= pipe.muchBytes || pipe.short) busy = true;
      if (moved > 0) {
        pipe.quiet = 0;
        pipe.stuck = false;
      } else pipe.quiet++;
      if (pipe.quiet > quietAfterLooks && !pipe.watched && !pipe.refused && output.ready()) watch(pipe);
      if (!pipe.watched || pipe.quiet === 0) inUse = true;
    }
    if (inUse) schedule();
  }

  function schedule(): void {
    if (cancelLook !== undefined) return;
    // busy pipes are read on at once, but only after the sockets and timers that wait have had their turn
    cancelLook = clock.after(busy && output.ready() ? 0 : lookEveryMs, look);
  }

  /** Hands on what one pipe and its journal hold, a few steps of it. @returns bytes taken out or handed on */
  function turn(pipe: Pipe): number {
    const { journal } = pipe;
    let total = 0;
    pipe.short = false;
    for (let step = 0; step < stepsPerTurn && !pipe.closed; step++) {
      if (!output.ready()) break;
      const before = journal.position();
      const enough = pipe.refused || journal.end() - before > maxLineBytes;
      let moved = enough ? 0 : journal.fill(pipe.fd, stepBytes);
      // asked again: the content may only have come after the first answer
      if (moved === 0 && !enough && journal.cramped()) moved = journal.fill(pipe.fd, stepBytes);
      const cramped = !enough && journal.cramped();
      pipe.refused = !handOn(pipe);
      if (cramped && moved === 0 && !pipe.refused && journal.position() === before) pipe.refused = !handOnPart(pipe);
      // a journal that was filled while nothing was taken is emptied although the pipe is quiet
      const progress = Math.max(moved, journal.position() - before);
      total += progress;
      pipe.short = cramped && !pipe.refused && progress > 0;
      if (pipe.refused || (progress < stepBytes / 2 && !pipe.short)) break;
    }
    return total;
  }

  /**
   * Moves what the pipe holds now into the journal, whether or not it is wanted yet: what is in a pipe that nobody has
   * open is forgotten. At most what a pipe holds, so that a writer who goes on does not keep us here, and not past
   * `mostBytes` in the journal. @returns whether the pipe is empty
   */
  function secure({ fd, journal }: Pipe, mostBytes: number): boolean {
    for (let left = pipeBytes; left > 0;) {
      if (journal.end() - journal.position() >= mostBytes) return false;
      const moved = journal.fill(fd, stepBytes);
      if (moved === 0) return pipeContent(fd) === 0;
      left -= moved;
    }
    return false;
  }

  /** @returns false when the taker wants no more for now */
  function handOn(pipe: Pipe): boolean {
    const { journal, source, stream } = pipe;
    for (;;) {
      const bytes = buffer();
      const length = journal.read(bytes);
      if (length === 0) return true;
      const cut = cutLines(bytes.subarray(0, length), length);
      if (cut.kind === "rest") return true;
      const end = journal.position() + cut.length;
      if (cut.kind === "piece") {
        const piece = { part: pipe.pieces + 1, last: false };
        if (!output.take({ source, stream, bytes: bytes.subarray(0, cut.length), end, piece })) return false;
        pipe.pieces++;
      } else if (pipe.pieces > 0) {
        if (!endLongLine(pipe, bytes)) return false;
        continue;
      } else if (!output.take({ source, stream, bytes: bytes.subarray(0, cut.length), end })) {
        return false;
      }
      journal.release(end);
      if (cut.kind === "lines") return true;
    }
  }

  /** Without room on the disk a line is too long once what is kept of it fills the journal: that goes as a piece. */
  function handOnPart(pipe: Pipe): boolean {
    const { journal, source, stream } = pipe;
    const bytes = buffer();
    const length = wholeCharacters(bytes, journal.read(bytes));
    if (length === 0) return true;
    const end = journal.position() + length;
    const piece = { part: pipe.pieces + 1, last: false };
    if (!output.take({ source, stream, bytes: bytes.subarray(0, length), end, piece })) return false;
    pipe.pieces++;
    journal.release(end);
    return true;
  }

  /** The last piece of an over-long line: up to its newline. */
  function endLongLine(pipe: Pipe, bytes: Uint8Array): boolean {
    const { journal, source, stream } = pipe;
    const newline = bytes.indexOf(10);
    const end = journal.position() + newline + 1;
    const piece = { part: pipe.pieces + 1, last: true };
    if (!output.take({ source, stream, bytes: bytes.subarray(0, newline), end, piece })) return false;
    pipe.pieces = 0;
    journal.release(end);
    return true;
  }

  function open(source: string, stream: CapturedStream): CapturedPipe {
    makeFolder(folder, 0o700);
    const path = `${folder}/${source}.${stream}`;
    const made = makeFifo(path, 0o600);
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    if (!fstatSync(fd).isFIFO()) {
      closeSync(fd);
      throw new Fault("conflict", `${path} is there but is no pipe`, { hint: "Remove it" });
    }
    const capacity = growPipe(fd, pipeBytes);
    // a new pipe goes on counting where the last one of this name ended, so that a position never goes back
    const journal = openJournal(path, output.position(source, stream));
    const muchBytes = Math.min(stepBytes, capacity / 2);
    const pipe: Pipe = {
      path,
      fd,
      source,
      stream,
      journal,
      muchBytes,
      quiet: 0,
      watched: false,
      stuck: false,
      refused: false,
      short: false,
      pieces: 0,
      closed: false,
    };
    pipes.add(pipe);
    store?.store(`${source}.${stream}`, fd);
    if (!made) log.debug(`pipe ${source}/${stream} found with ${journal.end() - journal.position()} bytes to read`);
    // what an earlier reader left, or a script has printed meanwhile, is not kept waiting
    cancelLook?.();
    cancelLook = clock.after(0, look);

    function close(): void {
      if (pipe.closed) return;
      secure(pipe, Number.POSITIVE_INFINITY);
      pipe.closed = true;
      pipes.delete(pipe);
      watches.forget(pipe);
      closeSync(fd);
    }
    function drain(): void {
      // what was there when it was called, moved and handed on: a writer who goes on must not keep the daemon here
      let left = 2 * (journal.end() - journal.position() + capacity);
      for (let moved = 1; moved > 0 && left > 0 && !pipe.closed; left -= moved) moved = turn(pipe);
      // its writer may be gone, and then the kernel forgets what is in the pipe when this process dies
      if (!pipe.closed) secure(pipe, mostSecuredBytes);
      pipe.quiet = 0;
      schedule();
    }
    return {
      openWriter: () => openSync(path, constants.O_RDWR),
      drain,
      finish() {
        drain();
        // a line of which a part is still in the pipe is not over
        if (!pipe.closed && secure(pipe, mostSecuredBytes)) {
          journal.endLine(pipe.pieces > 0);
          handOn(pipe);
        }
      },
      close() {
        close();
        journal.close();
      },
      remove() {
        close();
        journal.remove();
        removeIfThere(path);
        store?.discard(`${source}.${stream}`);
        output.forget(source, stream);
      },
    };
  }

  return {
    open,
    handOver() {
      const kept: number[] = [];
      for (const { path } of pipes) {
        const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
        setCloseOnExec(fd, false);
        kept.push(fd);
      }
      return kept;
    },
    stop() {
      cancelLook?.();
      cancelLook = undefined;
      for (const pipe of pipes) {
        secure(pipe, Number.POSITIVE_INFINITY);
        pipe.closed = true;
        closeSync(pipe.fd);
        pipe.journal.close();
      }
      pipes.clear();
      watches.close();
    },
  };
}
