import { cpSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { openErrorStore } from "#src/hub/store/errors/errors.ts";
import { type Operation, perform } from "#src/hub/store/errors/shared-operations.ts";
import { havePostgres } from "#test/kit/postgres.ts";
import { type Hub, dump, group, nothing, openHubs } from "./shared-kit.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(180_000);

const id = fc.integer({ min: 1, max: 8 });
const name = fc.constantFrom("", "a", "b", "ü\u0000", "\ud800");
const body = fc.uint8Array({ minLength: 1, maxLength: 200 });

const variantOf = (n: number, to: number) => {
  return { id: n, fingerprint: `v1:${n % 5}`, variant: `${n}`, group: to, count: n, firstMs: n, lastMs: 2 * n };
};

const write = fc
  .record({
    groups: fc.uniqueArray(id, { maxLength: 3 }),
    variants: fc.uniqueArray(id, { maxLength: 3 }),
    to: id,
    counts: fc.array(fc.record({ variant: id, hour: id, server: name, source: name, release: name }), { maxLength: 4 }),
    samples: fc.array(fc.record({ group: id, variant: id, number: id, last: fc.boolean(), body }), { maxLength: 6 }),
    crash: id,
    text: fc.string(),
  })
  .map(({ groups, variants, to, counts, samples, crash, text }): Operation => {
    const [server, source, type, how] = ["s1", "api", "script.crashed", text];
    return {
      op: "write",
      writes: {
        ...nothing,
        groups: groups.map((n) => group(n, { value: text, count: n, lastMs: n * 1000 })),
        variants: variants.map((n) => variantOf(n, to)),
        counts: counts.map((row) => ({ ...row, count: 1, lastMs: row.hour })),
        samples: samples.map((row) => ({ ...row, atMs: row.number, position: row.number })),
        crashes: [{ event: crash, group: to, variant: 1, server, source, atMs: 5, type, how }],
        templates: [{ owner: "o", first: text, words: text }],
        releases: [{ project: "p1", release: text, firstMs: crash }],
        resume: text,
      },
    };
  });
const merge = fc
  .record({ from: id, into: id })
  .filter(({ from, into }) => from !== into)
  .map(({ from, into }): Operation => ({ op: "merge", from, into: group(into, { count: 99 }) }));
const split = fc
  .record({ from: id, made: id, n: id })
  .filter(({ from, made }) => from !== made)
  .map(({ from, made, n }): Operation => {
    return { op: "split", variant: variantOf(n, from), from: group(from), made: group(made, { count: n }) };
  });
const prune = fc.record({ ms: fc.integer({ min: 0, max: 9000 }), keep: id }).map(({ ms, keep }): Operation => {
  const projects = [{ id: "p1", beforeMs: Math.floor(ms / 1000) }];
  return {
    op: "prune",
    limits: { projects, idleSinceMs: ms, decidedIdleSinceMs: 0, keepGroups: keep, keepReleases: keep },
  };
});

type Step =
  | { readonly do: "operation"; readonly operation: Operation }
  | { readonly do: "settle" | "kill" | "take over" | "restart" | "new hub" };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: write.map((operation) => ({ do: "operation" as const, operation })) },
  { weight: 2, arbitrary: merge.map((operation) => ({ do: "operation" as const, operation })) },
  { weight: 2, arbitrary: split.map((operation) => ({ do: "operation" as const, operation })) },
  { weight: 2, arbitrary: prune.map((operation) => ({ do: "operation" as const, operation })) },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom("settle" as const, "kill" as const, "take over" as const, "restart" as const, "new hub" as const)
      .map((does) => ({ do: does })),
  },
);

describe.skipIf(!havePostgres)("copies (needs PostgreSQL)", () => {
  test("of any operations are what the log says, whoever is killed, stopped or takes over", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        await using hubs = await openHubs();
        const folder = hubs.folder();
        const model = await openErrorStore(folder);
        let all: Hub[] = [await hubs.hub(3000), await hubs.hub(3000)];
        let leader = 0;
        let pending: Operation[] = [];
        let known = 0;
        await all[0]?.begin();

        /** What the log has of what was done, the model does too; it must be the first of it. */
        async function follow(): Promise<void> {
          const [head] = await hubs.database.query("SELECT position FROM error_head");
          const position = Number(head?.["position"]);
          const done = pending.slice(0, position - known);
          expect(position).toBe(known + done.length);
          for (const operation of done) perform(model, operation);
          pending = [];
          known = position;
        }

        async function lead(next: number): Promise<void> {
          leader = next % all.length;
          await all[leader]?.begin();
          await follow();
        }

        for (const one of steps) {
          const hub = all[leader];
          if (hub === undefined) throw new Error("there is no such hub");
          switch (one.do) {
            case "operation":
              try {
                change(hub, one.operation);
                pending.push(one.operation);
              } catch (error) {
                // two of one fingerprint: then nothing may have happened
                expect(String(error)).toContain("UNIQUE");
              }
              break;
            case "settle":
              await hub.shared.settled();
              await follow();
              break;
            case "take over":
              await lead(leader + 1);
              break;
            case "restart":
              all[leader] = await hubs.restart(hub);
              await follow();
              await lead(leader);
              break;
            case "kill": {
              const copy = hubs.folder();
              cpSync(hub.folder, copy, { recursive: true });
              await lead(leader + 1);
              all[all.indexOf(hub)] = await hubs.revive(copy);
              break;
            }
            case "new hub":
              all = [...all.slice(0, 3), await hubs.hub(3000)];
              if (all[leader] !== hub) await lead(0);
              break;
          }
        }
        await all[leader]?.shared.settled();
        await follow();
        const expected = dump(join(folder, "errors.db"));
        for (const { copy_mark: _, ...rest } of await hubs.together(...all)) expect(rest).toEqual(expected);
        expect(all.flatMap(({ said }) => said)).toEqual([]);
        model.close();
      }),
      { numRuns: 12 },
    );
  });
});

/** Does it as whoever has the turn. */
function change({ shared }: Hub, operation: Operation): void {
  perform(shared.store, operation);
}
