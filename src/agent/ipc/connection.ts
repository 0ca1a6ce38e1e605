/** One client of the socket: lines in, answers out in the same order, with bounds both ways. */
import type { Cancel } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { ipcRequest, maxIpcLineBytes } from "#src/protocol/ipc.ts";
import { describeIssue, z } from "#src/protocol/schema.ts";

import { createLineReader } from "./framing.ts";
import type { Orders } from "./orders.ts";
import { type Wire, createOutbox } from "./outbox.ts";
import { type Outcome, obey } from "./verbs.ts";

export type Connection = {
  /** The client has sent bytes. */
  receive(chunk: Uint8Array): void;
  /** The socket can take more. */
  drain(): void;
  /** The client will send no more but may still read. */
  finish(): void;
  /** The agent is being replaced in place: tells the client. The socket is to be ended afterwards. */
  replaced(): void;
  /** The socket is gone. */
  close(): void;
};

type State = "reading" | "waiting" | "streaming" | "closed";

/**
 * Serves one client. Its state: `reading` requests; `waiting` for one that takes time, the socket paused meanwhile so
 * that a client can't pile up requests; `streaming` an answer without end, what else it sends is ignored; `closed`.
 */
export function createConnection(wire: Wire, orders: Orders, onError: (message: string) => void): Connection {
  const reader = createLineReader();
  const outbox = createOutbox(wire, { empty: endWhenDone, lost: close });
  let state: State = "reading";
  let queue: string[] = [];
  /** no request can come any more */
  let finished = false;
  /** the client sent a line that is too long: said after the answers to what came before it */
  let tooLong = false;
  let stopStream: Cancel | undefined;

  function answer(id: unknown, body: Readonly<Record<string, unknown>>): void {
    const known = typeof id === "string" || (typeof id === "number" && Number.isFinite(id));
    outbox.push(`${JSON.stringify(known ? { id, ...body } : body)}\n`);
  }

  function refuse(id: unknown, error: unknown): void {
    if (!(error instanceof Fault)) onError(`a request on the socket failed: ${traceOf(error)}`);
    const body = { ok: false, error: reasonOf(error), code: error instanceof Fault ? error.code : "failed" };
    answer(id, error instanceof Fault && error.hint !== undefined ? { ...body, hint: error.hint } : body);
  }

  /** A client that has hung up its side is ended when it has all its answers. */
  function endWhenDone(): void {
    if (!finished || state !== "reading" || queue.length > 0 || !outbox.empty()) return;
    close();
    wire.end();
  }

  function close(): void {
    state = "closed";
    outbox.close();
    queue = [];
    stopStream?.();
    stopStream = undefined;
  }

  function work(): void {
    for (;;) {
      const line = state === "reading" ? queue.shift() : undefined;
      if (line === undefined) break;
      if (line.trim() !== "") handle(line);
    }
    if (state !== "reading") return;
    if (tooLong && !finished) {
      finished = true;
      answer(undefined, {
        ok: false,
        error: `a request may be at most ${maxIpcLineBytes} bytes long`,
        code: "invalid",
      });
    }
    endWhenDone();
  }

  function handle(line: string): void {
    let id: unknown;
    try {
      const value = parse(line);
      id = typeof value === "object" && value !== null && "id" in value ? value.id : undefined;
      const checked = z.core.safeParse(ipcRequest, value);
      if (!checked.success) {
        const issue = checked.error.issues[0];
        throw new Fault("invalid", issue === undefined ? "not a valid request" : describeIssue(issue, value));
      }
      const outcome = obey(checked.data, orders);
      if (outcome instanceof Promise) wait(id, outcome);
      else conclude(id, outcome);
    } catch (error) {
      refuse(id, error);
    }
  }

  function conclude(id: unknown, outcome: Outcome): void {
    if ("data" in outcome) return answer(id, { ok: true, data: outcome.data });
    state = "streaming";
    queue = [];
    stopStream = outcome.stream.open((data) => answer(id, { ok: true, data }));
  }

  function wait(id: unknown, outcome: Promise<Outcome>): void {
    state = "waiting";
    wire.pause();
    const goOn = (respond: () => void): void => {
      if (state === "closed") return;
      state = "reading";
      respond();
      work();
      if (state === "reading") wire.resume();
    };
    keep(
      outcome.then(
        (data) => goOn(() => conclude(id, data)),
        (error: unknown) => goOn(() => refuse(id, error)),
      ),
      (error) => onError(`an answer on the socket failed: ${traceOf(error)}`),
    );
  }

  return {
    receive(chunk) {
      if (state === "closed" || state === "streaming" || finished) return;
      const read = reader.push(chunk);
      tooLong = read.tooLong;
      queue = queue.length === 0 ? read.lines : queue.concat(read.lines);
      work();
    },
    drain: () => outbox.drain(),
    finish() {
      const rest = reader.rest();
      if (rest !== undefined && state !== "streaming") queue.push(rest);
      finished = true;
      work();
    },
    replaced() {
      if (state === "closed") return;
      const error = "the agent is being replaced by its successor";
      // an order under way may be done or not: only what was never looked at may be asked again without a thought
      if (state === "reading") answer(undefined, { ok: false, error, code: "unavailable", replaced: true });
      else answer(undefined, { ok: false, error, code: "unavailable", hint: "Give the command again" });
    },
    close,
  };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // a RangeError for a hostile depth included; the engine's text says nothing that a client could use
    throw new Fault("invalid", "not a JSON object on one line");
  }
}

function traceOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
