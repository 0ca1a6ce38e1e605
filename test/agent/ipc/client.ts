/** A client of the socket for tests: raw bytes out, answers in. */
import { until } from "#test/kit/wait.ts";

export type Answer = {
  readonly id?: unknown;
  readonly ok: boolean;
  readonly data?: unknown;
  readonly error?: string;
  readonly code?: string;
  readonly hint?: string;
};

export type Client = AsyncDisposable & {
  /** Sends bytes or text; waits until the kernel has taken all, as far as the server reads. */
  send(bytes: string | Uint8Array): void;
  /** Sends one request as a line. */
  request(request: unknown): void;
  /** All answers so far. */
  answers(): readonly Answer[];
  /** Waits for so many answers. */
  wait(count: number): Promise<readonly Answer[]>;
  /** Sends no more, but still reads. */
  endWriting(): void;
  pause(): void;
  resume(): void;
  closed(): boolean;
  hangUp(): void;
};

export async function connect(path: string): Promise<Client> {
  let text = "";
  let closed = false;
  let unsent: Buffer[] = [];
  const decoder = new TextDecoder();
  const flush = (): void => {
    for (let first = unsent[0]; first !== undefined; first = unsent[0]) {
      const written = Math.max(0, socket.write(first));
      // also when it is closed: then nothing more is written
      if (written < first.length) {
        unsent[0] = first.subarray(written);
        return;
      }
      unsent = unsent.slice(1);
    }
  };
  const socket = await Bun.connect({
    unix: path,
    allowHalfOpen: true,
    socket: {
      data(_socket, chunk) {
        text += decoder.decode(chunk, { stream: true });
      },
      drain: () => flush(),
      end: (socket) => void socket.end(),
      close() {
        closed = true;
      },
      error() {
        closed = true;
      },
    },
  });
  const answers = (): Answer[] =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Answer);
  const send = (bytes: string | Uint8Array): void => {
    unsent.push(Buffer.from(bytes as Uint8Array));
    flush();
  };
  return {
    send,
    request: (request) => send(`${JSON.stringify(request)}\n`),
    answers,
    async wait(count) {
      await until(() => text.split("\n").length > count || closed, `${count} answers`);
      return answers();
    },
    endWriting: () => socket.shutdown(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    closed: () => closed,
    hangUp: () => socket.terminate(),
    async [Symbol.asyncDispose]() {
      socket.terminate();
    },
  };
}
