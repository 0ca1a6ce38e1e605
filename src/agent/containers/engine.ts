/**
 * A client of the engine's API (Docker, or Podman's likeness of it) over its Unix socket.
 *
 * It asks by HTTP/1.0, so that every answer simply ends with its connection, and holds a stream back by not reading,
 * which fetch can't. Not dockerode: connected and idle, that takes 63 MiB (it loads gRPC and SSH), this 27 (measured,
 * compiled).
 */
import type { Clock } from "#src/lib/clock.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";

import { type Head, parseHead } from "./head.ts";

/** Longest answer that is read whole, in bytes: a list of 10,000 containers has some 10 MiB. */
const maxAnswerBytes = 64 * 1024 * 1024;

export type EngineStream = {
  /** Nothing more is read until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
};

export type StreamHandlers = {
  data(bytes: Buffer): void;
  /** The engine ended it, or it broke; not called after `close`. */
  end(): void;
};

export type Engine = {
  /**
   * Asks once.
   * @throws {Fault} `not-found` and `conflict` as the engine says, `unreachable`, `denied`, or `failed` with its reason
   */
  get(path: string, withinMs: number): Promise<unknown>;
  /** Opens a stream. Rejects as `get` does when the engine refuses it. */
  open(path: string, handlers: StreamHandlers, withinMs: number): Promise<EngineStream>;
};

type Open = { readonly end: () => void; readonly pause: () => void; readonly resume: () => void };

export function createEngine(socketPath: string, clock: Pick<Clock, "after">): Engine {
  /** Sends a request; what comes goes to `data` with the head before it. Rejects when there is no connection. */
  async function request(path: string, data: (bytes: Buffer) => void, close: () => void): Promise<Open> {
    try {
      const socket = await Bun.connect({
        unix: socketPath,
        socket: {
          open: (opened) => void opened.write(`GET ${path} HTTP/1.0\r\nHost: docker\r\n\r\n`),
          data: (_socket, bytes) => data(bytes),
          close,
          error: close,
          connectError() {},
        },
      });
      return { end: () => socket.terminate(), pause: () => socket.pause(), resume: () => socket.resume() };
    } catch (error) {
      throw connectFault(error, socketPath);
    }
  }

  return {
    async get(path, withinMs) {
      const ended = Promise.withResolvers<void>();
      const parts: Buffer[] = [];
      let size = 0;
      const data = (bytes: Buffer): void => {
        parts.push(bytes);
        size += bytes.length;
        if (size > maxAnswerBytes) ended.reject(new Fault("failed", `the engine's answer to ${path} is too long`));
      };
      // from the beginning: to be connected may take for ever as well
      const cancel = clock.after(withinMs, () => ended.reject(lateFault(path, withinMs)));
      const opening = request(path, data, () => ended.resolve());
      try {
        await Promise.race([opening, ended.promise]);
        await ended.promise;
      } finally {
        cancel();
        // one that can't be made has been told above
        void opening.then(
          (open) => open.end(),
          () => undefined,
        );
      }
      const whole = Buffer.concat(parts);
      const head = parseHead(whole);
      const body = head == null ? undefined : whole.subarray(head.size);
      if (head == null || body === undefined || (head.length !== undefined && body.length < head.length)) {
        throw new Fault("unreachable", `the engine's answer to ${path} is cut off`);
      }
      if (head.status !== 200) throw statusFault(head.status, body, path);
      return parseBody(body, path);
    },

    async open(path, handlers, withinMs) {
      const answered = Promise.withResolvers<void>();
      let before: Buffer = Buffer.alloc(0);
      let head: Head | undefined;
      let over = false;
      const data = (bytes: Buffer): void => {
        if (over) return;
        if (head?.status === 200) {
          handlers.data(bytes);
          return;
        }
        before = Buffer.concat([before, bytes]);
        const parsed = head ?? parseHead(before);
        if (parsed === null) answered.reject(new Fault("failed", `the engine's answer to ${path} is no HTTP`));
        if (parsed == null) return;
        head = parsed;
        if (head.status !== 200) return;
        answered.resolve();
        if (before.length > head.size) handlers.data(before.subarray(head.size));
        before = Buffer.alloc(0);
      };
      const close = (): void => {
        if (over) return;
        over = true;
        if (head?.status === 200) handlers.end();
        else if (head === undefined) answered.reject(new Fault("unreachable", `the engine hung up on ${path}`));
        else answered.reject(statusFault(head.status, before.subarray(head.size), path));
      };
      const cancel = clock.after(withinMs, () => answered.reject(lateFault(path, withinMs)));
      const opening = request(path, data, close);
      const end = (): void => {
        over = true;
        // one that can't be made has been told below
        void opening.then(
          (made) => made.end(),
          () => undefined,
        );
      };
      let open: Open;
      try {
        open = await Promise.race([opening, answered.promise.then(() => opening)]);
        await answered.promise;
      } catch (error) {
        end();
        throw error;
      } finally {
        cancel();
      }
      return { pause: open.pause, resume: open.resume, close: end };
    },
  };
}

function parseBody(body: Buffer, path: string): unknown {
  const text = body.toString("utf8");
  if (text === "OK") return text;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault("failed", `the engine's answer to ${path} is no JSON`, { cause });
  }
}

function lateFault(path: string, withinMs: number): Fault {
  const hint = "Look at its log: journalctl -u docker";
  return new Fault("unreachable", `the engine does not answer ${path} within ${withinMs / 1000} s`, { hint });
}

function connectFault(error: unknown, socketPath: string): Fault {
  const errno = errnoOf(error);
  if (errno === "EACCES" || errno === "EPERM") {
    return new Fault("denied", `the agent's user may not use ${socketPath}`, {
      hint: "Let it into the socket's group: usermod -aG docker USER, or docker run --group-add $(stat -c %g SOCKET)",
    });
  }
  const why = errno === "ECONNREFUSED" ? "nobody listens on it" : errno === "ENOENT" ? "it is gone" : reasonOf(error);
  const hint = "Is the engine running? systemctl status docker";
  return new Fault("unreachable", `the engine at ${socketPath} does not answer: ${why}`, { hint });
}

function statusFault(status: number, body: Buffer, path: string): Fault {
  const reason = messageOf(body) ?? `status ${status}`;
  const text = `the engine refuses ${path.replace(/\?.*/, "")}: ${reason}`;
  if (status === 404) return new Fault("not-found", text);
  if (status === 409) return new Fault("conflict", text);
  if (status === 501) return new Fault("invalid", text);
  return new Fault("failed", text);
}

function messageOf(body: Buffer): string | undefined {
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    const message: unknown = typeof value === "object" && value !== null && "message" in value ? value.message : "";
    return typeof message === "string" && message !== "" ? message : undefined;
  } catch {
    // no JSON: the status has to do
    return undefined;
  }
}
