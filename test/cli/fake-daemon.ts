/** A daemon that answers as a test says. It speaks the protocol over a real socket. */
import { mkdirSync } from "node:fs";

import type { IpcRequest } from "#src/protocol/ipc.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

/** One answer's line, or several, or `hang` (none at all), or `hang up`. */
export type Reply = object | readonly object[] | "hang" | "hang up" | { readonly raw: string };

export type FakeDaemon = AsyncDisposable & {
  /** for `--dir` */
  readonly dir: string;
  readonly folder: Folder;
  /** every request so far */
  readonly requests: IpcRequest[];
  /** Ends every connection and listens no more. */
  hangUp(): Promise<void>;
};

export const success = (data: unknown): object => ({ ok: true, data });
/** The answer of a daemon that looks at nothing any more. */
export const replaced: object = { ok: false, error: "replaced", code: "unavailable", replaced: true };
export const failure = (error: string, hint?: string): object => ({ ok: false, error, code: "failed", hint });

/** Listens below a temporary folder and answers each request with what `reply` gives for it. */
export function startFakeDaemon(reply: (request: IpcRequest) => Reply): FakeDaemon {
  const folder = temporaryFolder("orion-cli-");
  mkdirSync(folder.at("run"), { mode: 0o700 });
  const requests: IpcRequest[] = [];
  const server = Bun.listen<{ partial: string; unsent: Buffer }>({
    unix: folder.at("run", "agent.sock"),
    socket: {
      open(socket) {
        socket.data = { partial: "", unsent: Buffer.alloc(0) };
      },
      data(socket, bytes) {
        const lines = (socket.data.partial + bytes.toString("utf8")).split("\n");
        socket.data.partial = lines.pop() ?? "";
        for (const line of lines) {
          const request = JSON.parse(line) as IpcRequest;
          requests.push(request);
          const answer = reply(request);
          if (answer === "hang") continue;
          if (answer === "hang up") {
            flush(socket);
            return void socket.end();
          }
          const text =
            "raw" in answer
              ? answer.raw
              : [answer]
                  .flat()
                  .map((one) => `${JSON.stringify(one)}\n`)
                  .join("");
          socket.data.unsent = Buffer.concat([socket.data.unsent, Buffer.from(text)]);
        }
        flush(socket);
      },
      drain: flush,
      error() {},
    },
  });
  function flush(socket: Bun.Socket<{ partial: string; unsent: Buffer }>): void {
    const written = Math.max(0, socket.write(socket.data.unsent));
    socket.data.unsent = socket.data.unsent.subarray(written);
  }
  return {
    dir: folder.path,
    folder,
    requests,
    async hangUp() {
      server.stop(true);
      await Bun.file(folder.at("run", "agent.sock"))
        .unlink()
        .catch(() => undefined);
    },
    async [Symbol.asyncDispose]() {
      server.stop(true);
      await folder[Symbol.asyncDispose]();
    },
  };
}
