/**
 * A small TCP load balancer on the loopback: each connection goes to the next hub in turn, and on to another one when
 * that refuses it. It knows nothing of HTTP, as many that people run.
 */
import { type Server, type Socket, connect, createServer } from "node:net";

export type Balancer = AsyncDisposable & {
  readonly url: string;
  /** Where connections lead from now on, by the name of the hub; undefined: it is not there. */
  lead(hub: string, port: number | undefined): void;
  /** Tears down this share of the connections, so that those who come back may reach another hub. */
  shuffle(share: number): void;
  /** Connections that each hub was given. */
  given(): Readonly<Record<string, number>>;
};

export async function startBalancer(): Promise<Balancer> {
  const hubs = new Map<string, number>();
  const given: Record<string, number> = {};
  const open = new Set<Socket>();
  let turn = 0;

  /** The hubs in the order in which this connection tries them. */
  function order(): [string, number][] {
    const all = [...hubs];
    const first = turn++ % Math.max(1, all.length);
    return [...all.slice(first), ...all.slice(0, first)];
  }

  function join(near: Socket, [next, ...others]: readonly [string, number][]): void {
    if (next === undefined) {
      near.destroy();
      return;
    }
    const [hub, port] = next;
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    const refused = () => join(near, others);
    far.once("error", refused);
    far.once("connect", () => {
      far.off("error", refused);
      given[hub] = (given[hub] ?? 0) + 1;
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        // hubs are killed here: a reset is nothing special
        from.on("error", () => from.destroy());
        from.on("close", () => to.destroy());
        from.pipe(to);
      }
    });
  }

  const server: Server = createServer({ noDelay: true, pauseOnConnect: true }, (near) => {
    open.add(near);
    near.once("close", () => open.delete(near));
    near.on("error", () => near.destroy());
    join(near, order());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4096, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the balancer has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    lead(hub, port) {
      if (port === undefined) hubs.delete(hub);
      else hubs.set(hub, port);
    },
    shuffle(share) {
      for (const socket of open) if (Math.random() < share) socket.resetAndDestroy();
    },
    given: () => ({ ...given }),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
