/** Any sequence of writes has the same outcomes and leaves the same state, whichever database it is in. */
import { expect, setDefaultTimeout, test } from "bun:test";

import fc from "fast-check";

import type { TokenRow } from "#src/hub/store/port.ts";
import type { OpenedState } from "#src/hub/store/state.ts";
import { timestamp } from "#src/lib/clock.ts";
import type { AuditEntry } from "#src/protocol/audit.ts";
import { Fault } from "#src/protocol/fault.ts";

import { project, server } from "#test/hub/store/open.ts";
import { crash } from "./crash.ts";
import { stateEngines, titleOf } from "./engines.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

/** A write, with a name that a failed run is read by. `looks`: it reads before it writes, so others must not be under way. */
type Write = {
  readonly name: string;
  readonly run: (state: OpenedState) => Promise<unknown>;
  readonly looks: boolean;
};

// few ids, so that writes meet
const id = fc.constantFrom("a", "b", "c");
const projectId = fc.constantFrom("p1", "p2");
const text = fc.oneof(fc.constantFrom("web-1", "web-2"), fc.string({ unit: "grapheme", maxLength: 5 }));
const time = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom(1_700_000_000_000, 2 ** 53 - 1));
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 4 });
const hub = fc.constantFrom("one", "two");
const script = fc.oneof(fc.constantFrom("api", "worker"), fc.string({ unit: "binary", maxLength: 4 }));

const serverRow = fc
  .record({ id, projectId, hostname: text, machine: maybe(text), digest: maybe(bytes), lastSeenMs: maybe(time) })
  .map(({ id: of, ...rest }) => server(of, rest));
const tokenRow = fc
  .record({
    id,
    kind: fc.constantFrom("key" as const, "enrolment" as const),
    projectId: maybe(projectId),
    name: text,
    maxUses: maybe(fc.integer({ min: 0, max: 2 })),
    uses: fc.integer({ min: 0, max: 2 }),
    scopes: fc.array(text, { maxLength: 2 }),
    digest: bytes,
  })
  .map((given): TokenRow => {
    const rest = { hint: "h", createdAtMs: 1, createdBy: null, expiresAtMs: null, lastUsedAtMs: null };
    return { ...rest, ...given, organizationId: "o" };
  });
const event = fc.record({ script, at: fc.integer({ min: 0, max: 3 }), seq: maybe(fc.integer({ min: 0, max: 9 })) });
const auditEntry = fc.record({ at: fc.integer({ min: 0, max: 3 }), name: script, target: maybe(id), actor: maybe(id) });
const job = fc.record({ id, serverId: id, over: fc.boolean(), createdAtMs: time, body: text, holder: maybe(hub) });

const writes: readonly fc.Arbitrary<Write>[] = [
  fc
    .record({ id: projectId, organizationId: maybe(fc.constant("o")), days: maybe(fc.double({ min: 0.01, max: 9 })) })
    .map(({ id: of, organizationId, days }) =>
      write("putProject", (state) =>
        state.putProject(project(of, { organizationId, retention: { days, bytes: 2 ** 40 } })),
      ),
    ),
  fc
    .tuple(projectId, fc.record({ name: text, organizationId: maybe(fc.constant("o")) }, { requiredKeys: ["name"] }))
    // two of one name are refused by the room of projects, and by Postgres as well, where several hubs have one
    .map(([of, { name, ...change }]) =>
      write("changeProject", (state) => state.changeProject(of, { ...change, name: `${of} ${name}` })),
    ),
  projectId.map((of) => write("deleteProject", (state) => state.deleteProject(of))),
  serverRow.map((row) => write(`putServer ${row.id}`, (state) => state.putServer(row))),
  fc.tuple(serverRow, fc.record({ hostname: text, digest: maybe(bytes) })).map(([known, change]) =>
    write(
      `changeServer ${known.id}`,
      async (state) => {
        const [now = known] = await state.servers([known.id]);
        return [await state.changeServer(known.id, known, change), await state.changeServer(known.id, now, change)];
      },
      true,
    ),
  ),
  id.map((of) => write(`deleteServer ${of}`, (state) => state.deleteServer(of))),
  fc
    .array(fc.record({ id, version: maybe(text), lastSeenMs: maybe(time), heartbeat: maybe(text) }), { maxLength: 3 })
    .map((rows) =>
      write("putBeats", (state) => state.putBeats(rows.map((row) => ({ ...row, tokenUsedAtMs: row.lastSeenMs })))),
    ),
  fc
    .array(fc.record({ serverId: id, body: maybe(text) }), { maxLength: 3 })
    .map((rows) => write("putWatches", (state) => state.putWatches(rows))),
  fc
    .record({ id, projectId, name: text, digest: bytes })
    .map((row) =>
      write(`putSource ${row.id}`, (state) => state.putSource({ ...row, createdAtMs: 1, lastUsedAtMs: null })),
    ),
  fc.tuple(id, bytes).map(([of, digest]) =>
    write(
      `renewSource ${of}`,
      async (state) => {
        const [now] = await state.sources([of]);
        return [await state.renewSource(of, digest, digest), now && (await state.renewSource(of, now.digest, digest))];
      },
      true,
    ),
  ),
  id.map((of) => write(`deleteSource ${of}`, (state) => state.deleteSource(of))),
  tokenRow.map((row) => write(`putToken ${row.id}`, (state) => state.putToken(row))),
  id.map((of) => write(`deleteToken ${of}`, (state) => state.deleteToken(of))),
  id.map((of) => write(`spendToken ${of}`, (state) => state.spendToken(of))),
  id.map((of) => write(`refundToken ${of}`, (state) => state.refundToken(of))),
  fc
    .array(fc.record({ id, kind: fc.constantFrom("source" as const, "token" as const), atMs: time }), { maxLength: 3 })
    .map((uses) => write("putUses", (state) => state.putUses(uses))),
  fc.record({ serverId: id, body: text, sealed: text }).map((row) =>
    write(
      `putSsh ${row.serverId}`,
      async (state) => {
        const [known] = await state.sshRows([row.serverId]);
        return [await state.putSsh(row, { body: "?", sealed: "?" }), await state.putSsh(row, known)];
      },
      true,
    ),
  ),
  id.map((of) => write(`deleteSsh ${of}`, (state) => state.deleteSsh(of))),
  fc.tuple(id, text).map(([of, sealed]) => write("putHubKey", (state) => state.putHubKey(of, sealed, 1))),
  fc.tuple(id, text).map(([of, sealed]) =>
    write(
      "putHubKey in place of another",
      async (state) => {
        await state.putHubKey(of, "not this", 1, "?");
        await state.putHubKey(of, sealed, 1, await state.hubKey(of));
      },
      true,
    ),
  ),
  fc
    .tuple(id, maybe(bytes))
    .map(([of, digest]) => write("putPendingToken", (state) => state.putPendingToken(of, digest))),
  job.map((row) => write(`putJob ${row.id}`, (state) => state.putJob(row))),
  fc.tuple(id, hub).map(([of, by]) => write(`claimJob ${of}`, (state) => state.claimJob(of, by))),
  fc.tuple(id, text).map(([of, body]) => write(`endJob ${of}`, (state) => state.endJob({ id: of, body }))),
  hub.map((by) => write("releaseJobs", async (state) => (await state.releaseJobs(by)).toSorted())),
  id.map((of) => write(`cancelJob ${of}`, (state) => state.cancelJob(of))),
  fc
    .record({
      serverId: id,
      batchId: maybe(fc.constantFrom("x", "y", "z")),
      events: fc.array(event, { maxLength: 4 }),
    })
    .map(({ serverId, batchId, events }) =>
      write(`appendEvents ${serverId}`, (state) =>
        state.appendEvents({
          serverId,
          batchId,
          events: events.map(({ seq, at, script: of }) => ({
            ...crash({ at: timestamp(at), script: of }),
            ...(seq === null ? {} : { seq }),
          })),
        }),
      ),
    ),
  auditEntry.map(({ at, name, target, actor }) =>
    write("addAudit", (state) => {
      const entry: Omit<AuditEntry, "id"> = {
        at: timestamp(at),
        action: "person.sign-in-failed",
        actor: { kind: "person", id: actor, name },
        target: target === null ? null : { kind: "server", id: target, name },
        address: null,
        userAgent: null,
        requestId: null,
      };
      return state.addAudit(actor === null ? null : "o", entry);
    }),
  ),
  fc.integer({ min: 0, max: 3 }).map((ms) => write("prune", (state) => state.prune(() => ms, ms), true)),
];

function write(name: string, run: Write["run"], looks = false): Write {
  return { name, run, looks };
}

/** Begins all of these together, as far as they can be. @returns what came of each */
async function runAll(state: OpenedState, writes: readonly Write[]) {
  const outcomes: Promise<readonly [name: string, outcome: unknown]>[] = [];
  for (const { name, run, looks } of writes) {
    if (looks) await Promise.all(outcomes);
    const outcome = outcomeOf(run(state));
    outcomes.push(outcome.then((came) => [name, came]));
    if (looks) await outcome;
  }
  return await Promise.all(outcomes);
}

/** What came of a write: its value, or by which kind of fault it failed. */
async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await promise };
  } catch (error) {
    return { fault: error instanceof Fault ? error.code : error };
  }
}

const sorted = <T>(rows: readonly T[]) => rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

/** Everything that can be asked of a store. */
async function dump(state: OpenedState) {
  const search = { scope: null, serverId: null, types: null, source: null, fromMs: null, toMs: null };
  const audit = { unowned: true, action: null, target: null, actor: null, limit: 3 };
  const pages = [];
  for (let before: string | null | undefined; before !== null;) {
    const page = await state.events({ ...search, limit: 4, before: before ?? null });
    pages.push(page);
    before = page.cursor;
  }
  for (let before: string | null | undefined; before !== null;) {
    const page = await state.audit({ ...audit, organizationId: "o", before: before ?? null });
    pages.push(page);
    before = page.cursor;
  }
  return {
    servers: sorted(await state.servers()),
    projects: sorted(await state.projects()),
    sources: sorted(await state.sources()),
    tokens: sorted(await state.tokens()),
    ssh: sorted(await state.sshRows()),
    keys: await Promise.all(["a", "b", "c"].map((of) => state.hubKey(of))),
    pending: sorted(await state.pendingTokens()),
    watches: sorted(await state.watches()),
    jobs: await Promise.all(["a", "b", "c"].map((of) => state.jobsOf(of))),
    open: await state.openJobs(),
    pages,
    found: await state.events({ ...search, source: "api", scope: new Set(["a", "b"]), limit: 9, before: null }),
    timed: await state.events({ ...search, types: ["script.crashed"], fromMs: 1, toMs: 3, limit: 9, before: null }),
    arrived: await state.eventsAfter(2, 5),
    head: await state.refreshEvents(),
  };
}

for (const engine of stateEngines.slice(1)) {
  const [first] = stateEngines;
  test.skipIf(engine.lacks !== null)(
    `${titleOf(engine)} answers as ${first?.name ?? ""} does`,
    async () => {
      // writes that are begun together share a transaction
      const moments = fc.array(fc.array(fc.oneof(...writes), { minLength: 1, maxLength: 6 }), {
        minLength: 5,
        maxLength: 40,
      });
      await fc.assert(
        fc.asyncProperty(moments, async (all) => {
          await using plain = await first!.open();
          await using other = await engine.open();
          for (const moment of all) {
            expect(await runAll(other.state, moment)).toEqual(await runAll(plain.state, moment));
          }
          expect(await dump(other.state)).toEqual(await dump(plain.state));
          expect(await dump(await other.reopen())).toEqual(await dump(plain.state));
        }),
        { numRuns: 12, interruptAfterTimeLimit: 12_000 },
      );
    },
    60_000,
  );
}
