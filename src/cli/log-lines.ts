/**
 * `… | orion log info -`: every line of stdin becomes an entry. Lines travel as they come, many in one write, and their
 * acknowledgements are counted behind them, so that a fast producer is held back by the daemon and not by round trips.
 */
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { IpcRequestInput } from "#src/protocol/ipc.ts";

import { type Daemon, connectDaemon } from "./daemon.ts";
import { CliFault, type ExitCode, exitCodes } from "./exit.ts";
import { printJson } from "./output.ts";
import type { Session } from "./session.ts";

type Entry = Omit<Extract<IpcRequestInput, { cmd: "log" }>, "message">;

/** Entries under way at most; the next ones wait in the pipe. Bounds memory together with the limit of a line. */
const window = 4096;
/** Bytes under way at most, for the same reason. */
const windowBytes = 4 * 1024 * 1024;
/** Milliseconds an entry may wait for its acknowledgement: a daemon that is held back by its hub still answers. */
const acknowledgeTimeoutMs = 60_000;
/** Longest message that is sent whole, in UTF-16 units: escaped six-fold it stays below the daemon's 1 MiB a request. */
const longestMessage = 160_000;

/** Sends all lines of stdin. Exit code 1 when the daemon did not take all of them. */
export async function logLines(entry: Entry, session: Session): Promise<ExitCode> {
  const daemon = await connectDaemon(session.paths.socket);
  const sender = createSender(daemon, entry);
  const stop = stopOnInterrupt();
  try {
    await readLines(
      stop.signal,
      (line) => sender.send(line),
      () => sender.room(),
    );
    await sender.finish();
  } finally {
    daemon.close();
  }
  if (session.json) await printJson({ accepted: sender.accepted(), failed: sender.failed() });
  const failure = sender.failure();
  if (failure !== undefined) {
    const total = sender.accepted() + sender.failed();
    throw new CliFault(
      exitCodes.failed,
      failure.code,
      `${sender.failed()} of ${total} lines were not taken: ${failure.message}`,
      failure.hint,
    );
  }
  return exitCodes.done;
}

function createSender(daemon: Daemon, entry: Entry) {
  const flow = { accepted: 0, failed: 0, underWay: 0, bytes: 0 };
  let failure: CliFault | undefined;
  let roomMade = Promise.withResolvers<void>();
  const settle = (length: number) => {
    flow.underWay--;
    flow.bytes -= length;
    roomMade.resolve();
  };
  const sendOne = (message: string) => {
    flow.underWay++;
    flow.bytes += message.length;
    const sent = daemon.request({ ...entry, message }, acknowledgeTimeoutMs).then(
      () => void flow.accepted++,
      (error: unknown) => {
        flow.failed++;
        failure ??= error instanceof CliFault ? error : new CliFault(exitCodes.failed, "failed", reasonOf(error));
      },
    );
    keep(
      sent.then(() => settle(message.length)),
      () => undefined,
    );
  };
  const below = async (entries: number, bytes: number) => {
    while (flow.underWay > entries || flow.bytes > bytes) {
      roomMade = Promise.withResolvers<void>();
      await roomMade.promise;
    }
  };
  return {
    send(line: string): void {
      for (let at = 0; at < line.length || at === 0; at += longestMessage) sendOne(line.slice(at, at + longestMessage));
    },
    room: () => below(window, windowBytes),
    finish: () => below(0, 0),
    accepted: () => flow.accepted,
    failed: () => flow.failed,
    failure: () => failure,
  };
}

/** Calls `onLine` for each line of stdin, without its line end; a last one without newline counts. */
async function readLines(stop: AbortSignal, onLine: (line: string) => void, room: () => Promise<void>): Promise<void> {
  const decoder = new TextDecoder();
  let partial = "";
  const take = (line: string) => onLine(line.endsWith("\r") ? line.slice(0, -1) : line);
  const reader = Bun.stdin.stream().getReader();
  const stopped = new Promise<{ done: true; value?: undefined }>((resolve) => {
    stop.addEventListener("abort", () => resolve({ done: true }));
  });
  for (;;) {
    const { done, value } = await Promise.race([reader.read(), stopped]);
    if (done) break;
    const lines = (partial + decoder.decode(value, { stream: true })).split("\n");
    partial = lines.pop() ?? "";
    // a line without end is passed on in pieces, so that /dev/zero fills no memory
    if (partial.length > longestMessage) lines.push(partial.slice(0, longestMessage));
    if (partial.length > longestMessage) partial = partial.slice(longestMessage);
    for (const line of lines) {
      take(line);
      await room();
    }
  }
  partial += decoder.decode();
  if (partial !== "") take(partial);
}

/** The first Ctrl-C ends the reading and lets what was read arrive; a second one ends the process as usual. */
function stopOnInterrupt(): AbortController {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  return stop;
}
