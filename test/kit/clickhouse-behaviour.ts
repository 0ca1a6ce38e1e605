/** How the test's ClickHouse misbehaves: each order is for some of the next requests whose text has some words. */

/**
 * `refuse`: 503 at once. `cut-before`: the answer breaks off and nothing was done. `cut`: it breaks off after everything
 * was done. `hold`: everything is done, and the answer breaks off once it is released. A number: answered so many
 * milliseconds late.
 */
export type Odd = "refuse" | "cut-before" | "cut" | "hold" | number;

export type Order = { readonly odd: Odd; readonly times: number; readonly where: string };

export type Behaviour = {
  /** How the request with this text is answered; undefined: as it should be. */
  next(sql: string): Odd | undefined;
  /** Resolves when what is held is released. */
  released(): Promise<void>;
  /** `PUT` of an {@link Order}; `DELETE`: no orders any more, and what is held goes on; `GET`: how many are held. */
  set(request: Request): Promise<Response>;
};

export function createBehaviour(): Behaviour {
  let orders: { odd: Odd; times: number; where: string }[] = [];
  let held: (() => void)[] = [];
  return {
    next(sql) {
      const order = orders.find(({ where, times }) => times > 0 && sql.includes(where));
      if (order === undefined) return undefined;
      order.times--;
      return order.odd;
    },
    released: async () => await new Promise((resolve) => held.push(resolve)),
    async set(request) {
      if (request.method === "GET") return Response.json(held.length);
      if (request.method === "PUT") orders.push((await request.json()) as Order);
      else {
        orders = [];
        for (const go of held) go();
        held = [];
      }
      return new Response("Ok.\n");
    },
  };
}
