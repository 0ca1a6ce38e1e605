import { describe, expect, test } from "bun:test";

import { type Part, createLife } from "#src/agent/life.ts";

function world(names: string) {
  const seen: string[] = [];
  const errors: string[] = [];
  const parts = names.split("").map((name): Part & { fail?: string } => ({
    async start() {
      seen.push(`+${name}`);
      await Promise.resolve();
    },
    async stop({ keep }) {
      await Promise.resolve();
      seen.push(`-${name}${keep ? "k" : ""}`);
    },
  }));
  return { seen, errors, parts, life: () => createLife({ error: (message) => errors.push(message) }, parts) };
}

const options = { reason: "test", keep: false };

describe("a life", () => {
  test("starts in order and stops in reverse, once", async () => {
    const { seen, life } = world("abc");
    const one = life();
    await one.start();
    await one.stop(options);
    await one.stop(options);
    expect(seen).toEqual(["+a", "+b", "+c", "-c", "-b", "-a"]);
  });

  test("that fails in the middle stops what was started, the failed part included, and keeps the scripts", async () => {
    const { seen, parts, life } = world("abc");
    parts[1] = { ...parts[1]!, start: () => Promise.reject(new Error("no b")) };
    const failure = await life()
      .start()
      .catch((error: unknown) => String(error));
    expect(failure).toBe("Error: no b");
    expect(seen).toEqual(["+a", "-bk", "-ak"]);
  });

  test("that is stopped in the middle of its start doesn't start the rest", async () => {
    const { seen, parts, life } = world("abc");
    const one = life();
    let reached = (): void => {};
    const inB = new Promise<void>((resolve) => (reached = resolve));
    let goOn = (): void => {};
    parts[1] = {
      ...parts[1]!,
      start() {
        seen.push("+b");
        reached();
        return new Promise<void>((resolve) => (goOn = resolve));
      },
    };
    const starting = one.start();
    await inB;
    const stopping = one.stop(options);
    goOn();
    await Promise.all([starting, stopping]);
    expect(seen).toEqual(["+a", "+b", "-b", "-a"]);
  });

  test("goes on stopping when a part fails to, and says so", async () => {
    const { seen, errors, parts, life } = world("abc");
    parts[1] = { ...parts[1]!, stop: () => Promise.reject(new Error("b resists")) };
    const one = life();
    await one.start();
    await one.stop(options);
    expect(seen).toEqual(["+a", "+b", "+c", "-c", "-a"]);
    expect(errors).toEqual(["a part of the agent did not stop: b resists"]);
  });

  test("can't be started twice at once", async () => {
    const { life } = world("a");
    const one = life();
    await one.start();
    expect(await one.start().catch((error: unknown) => String(error))).toContain("already started");
  });
});
