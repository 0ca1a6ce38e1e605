/** What a hub does with a request about something that another hub may have made a moment ago. */
import { describe, expect, test } from "bun:test";

import { createHandler } from "#src/hub/api/handler.ts";
import { HttpFault } from "#src/hub/api/problem.ts";
import { type Route, route } from "#src/hub/api/route.ts";
import { Fault } from "#src/protocol/fault.ts";

/** A hub that knows of nothing until it has caught up; `fault`: how it says so. */
function rig(fault: () => Error, where: "caller" | "handler" = "handler", reads = false) {
  const done: string[] = [];
  let known = false;
  const say = (what: string) => {
    done.push(what);
    if (!known) throw fault();
  };
  const handle = async ({ request }: { readonly request: Request }) => {
    if (reads) await request.text();
    if (where === "handler") say("handled");
    return new Response("found");
  };
  const routes = ["GET", "POST"].map((method) =>
    route({ method, path: "/api/thing", permission: "none", group: "Things", summary: "", handle } as Route),
  );
  const handler = createHandler({
    routes,
    guard: () => undefined,
    authorize() {
      if (where === "caller") say("authorized");
      return { kind: "nobody" };
    },
    pages: { answer: async () => new Response(), lost: async () => new Response() },
    readClient: () => ({ address: "", https: false }),
    tls: false,
    log: { debug: () => undefined, error: () => undefined },
    now: () => 0,
    async catchUp() {
      done.push("caught up");
      known = true;
    },
  });
  const ask = async (
    method = "GET",
    body?: string,
    headers: Record<string, string> = { authorization: "Bearer x" },
  ) => {
    const request = new Request("http://hub/api/thing", { method, headers, ...(body === undefined ? {} : { body }) });
    return (await handler(request, { address: () => null, holdOpen: () => undefined })).status;
  };
  return { ask, done };
}

describe("a request about what another hub may have made", () => {
  for (const [name, fault] of [
    ["404", () => new HttpFault(404, "there is no such thing")],
    ["401", () => new HttpFault(401, "the token is wrong")],
    ["a Fault `not-found`", () => new Fault("not-found", "there is no such thing")],
  ] as const) {
    test(`is answered once this one has caught up: ${name}`, async () => {
      const { ask, done } = rig(fault);
      expect(await ask()).toBe(200);
      expect(done).toEqual(["handled", "caught up", "handled"]);
      expect(await ask()).toBe(200);
      expect(done).toEqual(["handled", "caught up", "handled", "handled"]);
    });
  }

  test("is let in by a token that was made there, whatever it brings along", async () => {
    const { ask, done } = rig(() => new HttpFault(401, "the token is wrong"), "caller", true);
    expect(await ask("POST", "a body")).toBe(200);
    expect(done).toEqual(["authorized", "caught up", "authorized"]);
  });

  test("is refused at once when it shows nothing that could be known", async () => {
    const { ask, done } = rig(() => new HttpFault(401, "sign in first"), "caller");
    expect(await ask("GET", undefined, {})).toBe(401);
    expect(done).toEqual(["authorized"]);
  });

  test("is not handled twice when its body was read, nor when it fails otherwise", async () => {
    const read = rig(() => new HttpFault(404, "gone"), "handler", true);
    expect(await read.ask("POST", "a body")).toBe(404);
    expect(read.done).toEqual(["handled"]);
    for (const status of [400, 403, 409, 503]) {
      const { ask, done } = rig(() => new HttpFault(status, "no"));
      expect(await ask()).toBe(status);
      expect(done).toEqual(["handled"]);
    }
  });
});
