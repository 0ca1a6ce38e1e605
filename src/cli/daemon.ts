/** Client of the daemon's socket: one JSON object a line, each way, answers in the order of the requests. */
import { keep } from "#src/lib/keep.ts";
import type { IpcRequestInput } from "#src/protocol/ipc.ts";

import { CliFault, exitCodes } from "./exit.ts";
import { type RawAnswer, followEnded, hungUp, notAnswering, refused } from "./daemon-faults.ts";
import { openSocket } from "./daemon-socket.ts";

/** Milliseconds that the daemon may take for an answer it has at hand. */
export const answerTimeoutMs = 10_000;

/** Answers of a followed request that wait for a slow reader of ours; beyond them the socket is left unread. */
const followBacklog = 1000;

export type Daemon = {
  /**
   * Sends one request and gives its answer's `data`. Several may be under way at once.
   * @param timeoutMs 0: as long as it takes (stopping a script may take its whole kill timeout)
   * @throws {CliFault} the daemon refused, hung up, or did not answer in time
   */
  request(request: IpcRequestInput, timeoutMs?: number): Promise<unknown>;
  /** Sends a request that is answered again and again; `onData` gets what has come, in order, until the daemon hangs up. */
  follow(request: IpcRequestInput, onData: (data: readonly unknown[]) => Promise<void>): Promise<void>;
  /** Bytes that the kernel has not taken yet. */
  unsentBytes(): number;
  close(): void;
};

/** What a line from the daemon says. `replaced`: it looks at nothing any more, and its successor is to be asked. */
type Answer = { readonly data: unknown } | CliFault | "replaced";
/** A request that was not answered yet. */
type Waiting = {
  readonly line: string;
  /** Takes the next answer; false: it wants more. */
  readonly settle: (answer: Exclude<Answer, "replaced">) => boolean;
};

/** @throws {CliFault} with exit code 3 when nobody listens, saying why and what to do */
export async function connectDaemon(socketPath: string): Promise<Daemon> {
  const waiting: Waiting[] = [];
  const unsent: Uint8Array[] = [];
  const decoder = new TextDecoder();
  let partial = "";
  let ended: CliFault | undefined;
  let moving = false;

  const end = (fault: CliFault): void => {
    ended ??= fault;
    for (const { settle } of waiting.splice(0)) settle(ended);
  };
  const receive = (bytes: Uint8Array): void => {
    const lines = (partial + decoder.decode(bytes, { stream: true })).split("\n");
    partial = lines.pop() ?? "";
    for (const line of lines) {
      const answer = readAnswer(line);
      if (answer === "replaced") moving = true;
      else if (waiting[0]?.settle(answer) === true) waiting.shift();
    }
  };
  const closed = (error?: Error): void => {
    if (!moving || ended !== undefined) return end(hungUp(error));
    moving = false;
    keep(move(), (failure) => end(failure instanceof CliFault ? failure : hungUp(failure)));
  };
  /** To the successor, with everything that the daemon before has not looked at. */
  const move = async (): Promise<void> => {
    socket = await openSocket(socketPath, handlers);
    unsent.splice(0);
    if (waiting.length > 0) unsent.push(Buffer.from(waiting.map(({ line }) => line).join("")));
    flush();
  };
  const flush = (): void => {
    for (let first = unsent[0]; first !== undefined; first = unsent[0]) {
      const written = Math.max(0, socket.write(first));
      if (written < first.length) {
        unsent[0] = first.subarray(written);
        return;
      }
      unsent.shift();
    }
  };
  const send = (request: IpcRequestInput, settle: Waiting["settle"]): void => {
    const line = `${JSON.stringify(request)}\n`;
    waiting.push({ line, settle });
    // what waits for the successor goes out when it is there
    if (moving) return;
    unsent.push(Buffer.from(line));
    // what is asked in one turn goes out in one write, see below
    if (unsent.length === 1) queueMicrotask(gather);
  };
  const gather = (): void => {
    if (unsent.length > 1) unsent.splice(0, unsent.length, Buffer.concat(unsent));
    flush();
  };

  const handlers: Bun.SocketHandler<undefined> = {
    data: (_, bytes) => receive(bytes),
    drain: () => flush(),
    close: () => closed(),
    error: (_, error) => closed(error),
  };
  let socket = await openSocket(socketPath, handlers);

  return {
    request(request, timeoutMs = answerTimeoutMs) {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      if (ended !== undefined) return Promise.reject(ended);
      const timer = timeoutMs === 0 ? undefined : setTimeout(() => end(notAnswering(timeoutMs)), timeoutMs);
      send(request, (answer) => {
        clearTimeout(timer);
        if (answer instanceof CliFault) reject(answer);
        else resolve(answer.data);
        return true;
      });
      return promise;
    },
    async follow(request, onData) {
      if (ended !== undefined) throw ended;
      let come: unknown[] = [];
      let failure: CliFault | undefined;
      let wake = Promise.withResolvers<void>();
      send(request, (answer) => {
        if (answer instanceof CliFault) failure = answer;
        else come.push(answer.data);
        if (come.length === followBacklog) socket.pause();
        wake.resolve();
        return answer instanceof CliFault;
      });
      for (;;) {
        await wake.promise;
        wake = Promise.withResolvers<void>();
        const batch = come;
        come = [];
        if (batch.length >= followBacklog) socket.resume();
        if (batch.length > 0) await onData(batch);
        if (failure !== undefined && come.length === 0) throw failure === ended ? followEnded() : failure;
      }
    },
    unsentBytes: () => unsent.reduce((sum, bytes) => sum + bytes.length, 0),
    close() {
      ended ??= hungUp();
      socket.end();
    },
  };
}

/** A light check of shape: the daemon is our own, and the schema library would cost more than the whole answer. */
function readAnswer(line: string): Answer {
  let answer: RawAnswer | null;
  try {
    answer = JSON.parse(line) as RawAnswer | null;
  } catch {
    return new CliFault(
      exitCodes.failed,
      "failed",
      "the daemon answered something that is no JSON",
      "Are both of the same version?",
    );
  }
  if (answer?.ok === true) return { data: answer.data };
  return answer?.replaced === true ? "replaced" : refused(answer ?? {});
}
