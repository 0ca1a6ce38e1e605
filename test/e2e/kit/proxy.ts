/** The network between agent and hub: a TCP proxy that can be cut in several ways. */
import { type Server, type Socket, connect, createServer } from "node:net";

/** How a network fails. */
export const cuts = ["reset", "blackhole", "no-answers", "half-close"] as const;
export type Cut = (typeof cuts)[number];

export type Proxy = AsyncDisposable & {
  readonly port: number;
  readonly url: string;
  /** Where connections lead from now on; undefined: they are refused. */
  lead(port: number | undefined): void;
  /**
   * - `reset`: every connection is torn down, new ones at once.
   * - `blackhole`: nothing passes; what is on its way arrives after healing, as TCP repeats it.
   * - `no-answers`: requests arrive, answers don't; connections end with the healing.
   * - `half-close`: requests arrive, and the sender is told at once that nothing will come back.
   */
  cut(how: Cut): void;
  heal(): void;
};

type Pair = { readonly near: Socket; far: Socket | undefined };

/** Starts a proxy on a free port of this machine. */
export async function startProxy(): Promise<Proxy> {
  let target: number | undefined;
  let state: Cut | "whole" = "whole";
  const pairs = new Set<Pair>();

  /** Hands on bytes, and waits when the other side is slow. */
  function forward(from: Socket, to: Socket, passes: () => boolean): void {
    from.on("data", (bytes: Buffer) => {
      if (!passes()) return;
      if (!to.write(bytes)) from.pause();
    });
    to.on("drain", () => {
      if (state !== "blackhole") from.resume();
    });
    from.on("end", () => to.end());
  }

  function join(pair: Pair): void {
    const { near } = pair;
    if (target === undefined) {
      near.destroy();
      return;
    }
    const far = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true });
    pair.far = far;
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      // a reset is one of the things that are tested here
      socket.on("error", () => socket.destroy());
      socket.on("close", end);
    }
    forward(near, far, () => {
      if (state === "half-close") near.end();
      return true;
    });
    forward(far, near, () => state === "whole" || state === "blackhole");
    near.resume();
  }

  function accept(near: Socket): void {
    near.on("error", () => near.destroy());
    if (state === "reset") {
      near.resetAndDestroy();
      return;
    }
    const pair: Pair = { near, far: undefined };
    pairs.add(pair);
    if (state === "blackhole") near.pause();
    else join(pair);
  }

  const server: Server = createServer({ allowHalfOpen: true }, accept);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");

  const resetAll = (): void => {
    for (const { near, far } of pairs) {
      near.resetAndDestroy();
      far?.destroy();
    }
    pairs.clear();
  };

  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    lead(port) {
      target = port;
    },
    cut(how) {
      state = how;
      if (how === "reset") resetAll();
      if (how === "half-close") for (const { near } of pairs) near.end();
      if (how !== "blackhole") return;
      for (const { near, far } of pairs) {
        near.pause();
        far?.pause();
      }
    },
    heal() {
      const before = state;
      state = "whole";
      if (before === "no-answers" || before === "half-close") resetAll();
      if (before !== "blackhole") return;
      for (const pair of pairs) {
        if (pair.far === undefined) join(pair);
        pair.near.resume();
        pair.far?.resume();
      }
    },
    async [Symbol.asyncDispose]() {
      resetAll();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
