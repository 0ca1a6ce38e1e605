import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createAdmission } from "#src/hub/api/intake/admission.ts";
import { HttpFault } from "#src/hub/api/problem.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const mebibyte = 1024 * 1024;
const request = (bytes?: number) =>
  new Request("http://hub/", {
    method: "POST",
    headers: bytes === undefined ? {} : { "content-length": String(bytes) },
  });
/** The status of an answer, and after how many seconds to try again. */
const outcome = (answer: Promise<Response>) =>
  answer.then(
    (response) => [response.status, null],
    (error: unknown) => (error instanceof HttpFault ? [error.status, error.headers["retry-after"]] : [String(error)]),
  );
const done = async () => new Response("done");
const letIn = [200, null];
const refused = [503, "5"];

/** Work that goes on until it is told to end. */
function gate() {
  const open = Promise.withResolvers<void>();
  return {
    open: () => open.resolve(),
    work: async () => {
      await open.promise;
      return new Response("done");
    },
  };
}

describe("the bound on deliveries", () => {
  test("lets in what fits, refuses beyond it, and lets in again when some are done", async () => {
    const { admit } = createAdmission(() => 0);
    const gates = Array.from({ length: 12 }, gate);
    const running = gates.map((one, i) => admit(request(8 * mebibyte), `server-${i}`, one.work));
    expect(await outcome(admit(request(8 * mebibyte), "server-x", done))).toEqual(refused);
    expect(await outcome(admit(request(), "server-x", done))).toEqual(refused);
    gates[0]?.open();
    await running[0];
    expect(await outcome(admit(request(8 * mebibyte), "server-x", done))).toEqual(letIn);
    for (const one of gates) one.open();
    for (const response of await Promise.all(running)) expect(await response.text()).toBe("done");
  });

  test("one sender can't take the room of others", async () => {
    const { admit } = createAdmission(() => 0);
    const gates = Array.from({ length: 4 }, gate);
    const running = gates.map((one) => admit(request(8 * mebibyte), "greedy", one.work));
    expect(await outcome(admit(request(8 * mebibyte), "greedy", done))).toEqual(refused);
    expect(await outcome(admit(request(8 * mebibyte), "other", done))).toEqual(letIn);
    for (const one of gates) one.open();
    await Promise.all(running);
    expect(await outcome(admit(request(8 * mebibyte), "greedy", done))).toEqual(letIn);
  });

  test("counts what waits to be written", async () => {
    let waiting = 1024 * mebibyte;
    const { admit } = createAdmission(() => waiting);
    expect(await outcome(admit(request(1), "a", done))).toEqual(refused);
    waiting = 0;
    expect(await outcome(admit(request(1), "a", done))).toEqual(letIn);
  });

  test("counts what a body has grown to, and gives that back as well", async () => {
    const { admit } = createAdmission(() => 0);
    const held = gate();
    const grown = admit(request(1), "a", async ({ grow }) => {
      grow(32 * mebibyte);
      return await held.work();
    });
    const more = (bytes: number) =>
      outcome(
        admit(request(1), "b", async ({ grow }) => {
          grow(bytes);
          return await done();
        }),
      );
    expect(await more(50 * mebibyte)).toEqual(letIn);
    expect(await more(80 * mebibyte)).toEqual(refused);
    held.open();
    await grown;
    expect(await more(80 * mebibyte)).toEqual(letIn);
  });

  test("gives back the room of a delivery that failed", async () => {
    const { admit } = createAdmission(() => 0);
    const fail = async (): Promise<Response> => {
      throw new Error("boom");
    };
    for (let i = 0; i < 100; i++) {
      expect(await outcome(admit(request(8 * mebibyte), "a", fail))).toEqual(["Error: boom"]);
    }
    expect(await outcome(admit(request(8 * mebibyte), "a", done))).toEqual(letIn);
  });

  test("room that was reserved is given back once, and counts for its sender", () => {
    const { reserve } = createAdmission(() => 0);
    const release = reserve("a", 30 * mebibyte);
    expect(reserve("a", 8 * mebibyte)).toBeUndefined();
    release?.();
    expect(reserve("a", 8 * mebibyte)).toBeDefined();
  });

  test("is not fooled by a made-up length", async () => {
    const { admit } = createAdmission(() => 0);
    const headers = { get: () => "-99999999999" } as unknown as Headers;
    const odd = { headers } as unknown as Request;
    for (let i = 0; i < 3; i++) expect(await outcome(admit(odd, "a", done))).toEqual(letIn);
    expect(await outcome(admit(request(8 * mebibyte), "a", done))).toEqual(letIn);
  });

  test("large ones take their turn, each until it is answered, in order of arrival", async () => {
    const { admit } = createAdmission(() => 0);
    const order: string[] = [];
    const gates = [gate(), gate(), gate()];
    const running = gates.map((one, i) =>
      admit(request(1), "a", async ({ grow, alone, sweep }) => {
        await alone();
        // a large body is larger than the room of all others
        grow(200 * mebibyte);
        order.push(`begins ${i}`);
        const response = await one.work();
        await sweep();
        order.push(`ends ${i}`);
        return response;
      }),
    );
    for (const [i, one] of gates.entries()) {
      await until(() => order.includes(`begins ${i}`));
      // what is not large goes on meanwhile
      expect(await outcome(admit(request(1), "b", done))).toEqual(letIn);
      expect(order.at(-1)).toBe(`begins ${i}`);
      one.open();
      await running[i];
    }
    expect(order).toEqual(["begins 0", "ends 0", "begins 1", "ends 1", "begins 2", "ends 2"]);
  });

  test("so many large ones may wait, and the turn of one that failed goes on to the next", async () => {
    const { admit } = createAdmission(() => 0);
    const first = gate();
    const large = (work: () => Promise<Response>) =>
      outcome(
        admit(request(1), "a", async ({ alone }) => {
          await alone();
          return await work();
        }),
      );
    const running = [
      large(async () => {
        await first.work();
        throw new Error("boom");
      }),
      ...Array.from({ length: 32 }, () => large(done)),
    ];
    expect(await large(done)).toEqual(refused);
    first.open();
    expect(await Promise.all(running)).toEqual([["Error: boom"], ...Array.from({ length: 32 }, () => letIn)]);
    expect(await large(done)).toEqual(letIn);
  });
});
