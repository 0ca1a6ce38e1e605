/** No secret that comes in by any way is in the hub's files, nor in what it answers; after a kill and a restart neither. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { expect, setDefaultTimeout, test } from "bun:test";

import { createHub } from "#src/hub/hub.ts";
import { readHubSettings } from "#src/hub/settings.ts";
import { openStream } from "#test/hub/api/intake/ingest-rig.ts";
import { type Agent, allEntries, crash, createAgent, entry, ndjson, startHub } from "#test/hub/kit/hub.ts";
import { type Client, createClient } from "#test/hub/kit/people.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

setDefaultTimeout(60_000);

const hubProcess = new URL("../kit/hub-process.ts", import.meta.url).pathname;

/** A word that is found again, and a secret that must not be, for each way in. */
const secretOf = (way: string) => `S3cr3t${way}Zq7Xv9`;
const messageOf = (way: string) => `arrived-${way} {"user":"ada","password":"${secretOf(way)}"}`;
const fieldsOf = (way: string) => ({
  headers: { authorization: `Bearer ${secretOf(way)}Fields` },
  kept: `fields-${way}`,
});
const entryOf = (seq: number, way: string) => entry(seq, { message: messageOf(way), fields: fieldsOf(way) });

type Senders = { readonly agent: Agent; readonly source: Client; readonly url: string };

const ways: Readonly<Record<string, (senders: Senders) => Promise<void>>> = {
  plain: async ({ agent }) => await accepted(agent.logs([entryOf(1, "plain")])),
  zstd: async ({ agent }) =>
    await accepted(
      agent.post("logs", new Uint8Array(Bun.zstdCompressSync(ndjson([entryOf(2, "zstd")]))), {
        "content-encoding": "zstd",
      }),
    ),
  // written in another way than our agent does
  spelled: async ({ agent }) =>
    await accepted(
      agent.post(
        "logs",
        `${JSON.stringify(entryOf(3, "spelled")).replaceAll("pass", "\\u0070ass").replaceAll(",", " , ")}\n`,
      ),
    ),
  stream: async ({ agent, url }) => {
    await using stream = openStream(url, agent.id, agent.token);
    await stream.opened;
    stream.send(JSON.stringify({ type: "logs", seq: 4, entries: [entryOf(4, "stream")] }));
    expect(await until(() => stream.answers[0], "the acknowledgement")).toEqual({ type: "ack", seq: 4 });
  },
  source: async ({ source }) =>
    await accepted(
      source.send("POST", "/api/logs", { level: "error", message: messageOf("source"), fields: fieldsOf("source") }),
    ),
  otlp: async ({ source }) => {
    const attributes = [
      { key: "token", value: { stringValue: `${secretOf("otlp")}Fields` } },
      { key: "kept", value: { stringValue: "fields-otlp" } },
    ];
    const logRecords = [{ timeUnixNano: "1767225600000000000", body: { stringValue: messageOf("otlp") }, attributes }];
    await accepted(source.send("POST", "/v1/logs", { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
  },
  event: async ({ agent }) =>
    await accepted(
      agent.event(crash({ tail: [messageOf("event")], reason: `fields-event token=${secretOf("event")}Fields` })),
    ),
};

async function accepted(response: Promise<Response>): Promise<void> {
  const { ok, status } = await response;
  expect([ok, status]).toEqual([true, status]);
}

function filesOf(folder: string): { readonly file: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => ({ file: one.name, bytes: readFileSync(join(one.parentPath, one.name)) }));
}

test("no way in leads a secret into the hub's files", async () => {
  await using folder = temporaryFolder();
  const start = async () => {
    const program = startProgram([process.execPath, hubProcess, folder.path], { cwd: process.cwd() });
    const line = await until(() => /^\{.*\}$/m.exec(program.output())?.[0], "the hub's first line");
    return { program, ...(JSON.parse(line) as { url: string; apiKey: string; id: string; token: string }) };
  };
  const first = await start();
  await using killed = first.program;
  const client = createClient(first.url, { authorization: `Bearer ${first.apiKey}` });
  const agent = createAgent(first.url, first);
  const [project] = (await client.json<{ projects: { id: string }[] }>("/api/projects")).projects;
  const made = await client.send("POST", `/api/projects/${project?.id}/sources`, { name: "shop" });
  const source = createClient(first.url, {
    authorization: `Bearer ${((await made.json()) as { token: string }).token}`,
  });
  for (const way of Object.values(ways)) await way({ agent, source, url: first.url });
  killed.kill("SIGKILL");
  await killed.exited;
  const leaked = () =>
    filesOf(folder.path).flatMap(({ file, bytes }) =>
      Object.keys(ways)
        .filter((way) => bytes.includes(secretOf(way)))
        .map((way) => `${way} in ${file}`),
    );
  expect(leaked()).toEqual([]);

  await using hub = await startHub({ folder: folder.path });
  const entries = await allEntries(hub);
  const { events } = await hub.json<{ events: unknown[] }>("/api/events");
  const text = JSON.stringify([entries, events]);
  for (const way of Object.keys(ways)) {
    expect(text).toContain(`arrived-${way} `);
    expect(text).toContain(`fields-${way}`);
    expect(text).not.toContain(secretOf(way));
  }
  expect(text.match(/\[redacted:password\]/g)).toHaveLength(Object.keys(ways).length);
  expect(leaked()).toEqual([]);
});

test("a pattern that could take forever keeps the hub from starting, and is told by its place", async () => {
  await using folder = temporaryFolder();
  const refused = async (redaction: unknown) => {
    await Bun.write(folder.at("etc", "hub.json"), JSON.stringify({ redaction }));
    try {
      createHub(readHubSettings({}, {}, folder.path), { clock: undefined as never, log: undefined as never });
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  const pattern = (text: string, more = {}) => refused({ patterns: [{ name: "mine", pattern: text, ...more }] });
  expect(await pattern("(a+)+$")).toMatch(/redaction\.patterns\.0\.pattern: this expression could take forever/);
  expect(await pattern("\\w*\\w*x")).toMatch(/could take forever: more than 1 of its parts/);
  expect(await pattern("[a-")).toMatch(/redaction\.patterns\.0\.pattern: .*not valid/);
  expect(await pattern("a*")).toMatch(/matches where nothing is/);
  expect(await pattern("abc", { name: "Not A Name" })).toMatch(/patterns\.0\.name: must be lowercase/);
  expect(await pattern("abc", { flags: "i" })).toMatch(/flags/);
  expect(await refused({ off: ["passwords"] })).toMatch(/off\.0: must be one of .*password, secret/);
  expect(await pattern("\\bcustomer-\\d+\\b", { replacement: "customer-#", ignoreCase: true })).toBeUndefined();
  expect(readHubSettings({}, { ORION_HUB_REDACTION_OFF: "card, jwt" }, folder.path).redaction.off).toEqual([
    "card",
    "jwt",
  ]);
});
