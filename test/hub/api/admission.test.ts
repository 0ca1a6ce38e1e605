import { describe, expect, test } from "bun:test";

import { createAdmission } from "#src/hub/api/admission.ts";

const request = (bytes?: number) =>
  new Request("http://hub/", {
    method: "POST",
    headers: bytes === undefined ? {} : { "content-length": String(bytes) },
  });
const mebibyte = 1024 * 1024;

describe("the bound on deliveries", () => {
  test("lets in what fits, answers 503 with Retry-After beyond it, and lets in again when some are done", async () => {
    const { admit } = createAdmission(() => 0);
    const gates: (() => void)[] = [];
    const busy = () => new Promise<Response>((resolve) => void gates.push(() => resolve(new Response("done"))));
    const running: Promise<Response>[] = [];
    for (let i = 0; i < 24; i++) running.push(admit(request(8 * mebibyte), busy));
    const refused = await admit(request(8 * mebibyte), busy);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    // a body of unknown length counts as the largest one
    expect((await admit(request(), busy)).status).toBe(503);
    gates[0]?.();
    await running[0];
    const admitted = admit(request(8 * mebibyte), busy);
    for (const open of gates) open();
    for (const response of await Promise.all([...running, admitted])) expect(await response.text()).toBe("done");
  });

  test("counts what waits to be written", async () => {
    let waiting = 1024 * mebibyte;
    const { admit } = createAdmission(() => waiting);
    const work = async () => new Response("done");
    expect((await admit(request(1), work)).status).toBe(503);
    waiting = 0;
    expect((await admit(request(1), work)).status).toBe(200);
  });

  test("gives back the room of a delivery that failed", async () => {
    const { admit } = createAdmission(() => 0);
    const fail = async (): Promise<Response> => {
      throw new Error("boom");
    };
    for (let i = 0; i < 100; i++) {
      const failure = await admit(request(8 * mebibyte), fail).catch((error: unknown) => error);
      expect(failure).toEqual(new Error("boom"));
    }
    expect((await admit(request(8 * mebibyte), async () => new Response("done"))).status).toBe(200);
  });

  test("is not fooled by a made-up length", async () => {
    const { admit } = createAdmission(() => 0);
    const headers = { get: () => "-99999999999" } as unknown as Headers;
    const odd = { headers } as unknown as Request;
    for (let i = 0; i < 3; i++) expect((await admit(odd, async () => new Response("done"))).status).toBe(200);
    expect((await admit(request(8 * mebibyte), async () => new Response("done"))).status).toBe(200);
  });
});
