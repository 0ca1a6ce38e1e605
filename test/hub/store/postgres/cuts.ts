/** A way to PostgreSQL on which connections are lost: after what a query has said, or before its answer comes back. */
import type { Socket, TCPSocketListener } from "bun";

type Where = "before" | "after" | "no";

export type Cutting = Disposable & {
  /** The address of a database, by way of this. */
  through(url: string): string;
  /**
   * Asked of each piece that goes to the server. "before": it does not arrive, "after": it does, and nothing comes back;
   * both sides then find their connection lost. Left out: nothing is cut.
   */
  cut: (text: string) => Where;
  readonly cuts: () => number;
};

type Side = { other?: Socket<Side>; readonly early: Uint8Array[]; deaf: boolean };

export function startCutting(port: number): Cutting {
  let cuts = 0;
  const newSide = (): Side => ({ early: [], deaf: false });
  const listener: TCPSocketListener<Side> = Bun.listen<Side>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      async open(client) {
        client.data = newSide();
        const server = await Bun.connect<Side>({
          hostname: "127.0.0.1",
          port,
          data: { ...newSide(), other: client },
          socket: {
            data: (socket, data) => void (socket.data.deaf || socket.data.other?.write(data)),
            close: (socket) => socket.data.other?.terminate(),
          },
        }).catch(() => undefined);
        if (server === undefined) {
          client.terminate();
          return;
        }
        client.data.other = server;
        for (const piece of client.data.early) server.write(piece);
      },
      data(client, data) {
        const { other, early } = client.data;
        if (other === undefined) {
          early.push(data.slice());
          return;
        }
        const where = cutting.cut(data.toString("latin1"));
        if (where !== "before") other.write(data);
        if (where === "no") return;
        cuts++;
        other.data.deaf = true;
        // the server sees an end where it expects a query, after it has done what arrived
        other.end();
        client.terminate();
      },
      close: (client) => void client.data.other?.end(),
    },
  });
  const cutting: Cutting = {
    through: (url) => url.replace(/:\d+\//, `:${listener.port}/`),
    cut: (): Where => "no",
    cuts: () => cuts,
    [Symbol.dispose]: () => listener.stop(true),
  };
  return cutting;
}
