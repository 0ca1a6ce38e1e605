/** What a hub has beside lines, events and metrics: people with a second factor, keys, SSH details, jobs, decisions. */
import { join } from "node:path";

import { Database } from "bun:sqlite";
import { expect } from "bun:test";

import { container, host } from "#src/hub/metrics/catalogue.ts";
import { openSeriesStore } from "#src/hub/store/series/series.ts";
import { timestamp } from "#src/lib/clock.ts";
import type { ErrorsPage } from "#src/protocol/error-group.ts";
import type { Job } from "#src/protocol/job.ts";
import type { NewSource, Project } from "#src/protocol/project.ts";
import { createSkippingClock } from "#test/kit/skipping-clock.ts";
import { until } from "#test/kit/wait.ts";
import { codeOf } from "./kit/authenticator.ts";
import { createBrowser } from "./kit/browser.ts";
import { type TestHub, createAgent, entries, metricsDays } from "./kit/hub.ts";
import { type Client, createClient, password } from "./kit/people.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;

export type Rest = {
  /** an API key with every scope */
  readonly key: string;
  readonly owner: { readonly email: string; readonly codesUri: string; readonly backupCodes: readonly string[] };
  readonly source: { readonly id: string; readonly token: string; readonly project: string };
  /** a server of the second project, with SSH details, a job, of which lines are old */
  readonly server: { readonly id: string; readonly token: string };
};

/** Adds some of everything to a hub that has errors already. */
export async function fillRest(hub: TestHub): Promise<Rest> {
  const { token: key } = await hub.hub.operator.createKey({
    organization: "Default",
    name: "moves along",
    scopes: ["view:servers", "manage:servers", "logs:write"],
  });
  const codes = await secondFactor(hub.url);
  await hub.otherOrganizationAdmin();
  const project = await post<Project>(hub, "/api/projects", { name: "shop" });
  // far longer than anything else is kept
  await ok(hub.send("PATCH", `/api/projects/${project.id}`, { retention: { days: 20_000, bytes: null } }));
  const source = await post<NewSource>(hub, `/api/projects/${project.id}/sources`, { name: "till" });
  await post(hub, `/api/projects/${project.id}/enrolment-tokens`, { name: "rack 7", maxUses: 3 });
  const server = await post<{ id: string; token: string }>(hub, "/api/servers", {
    hostname: "till-1",
    project: project.id,
    ssh: { host: "127.0.0.1", port: 1, user: "nobody", auth: { kind: "password", password: "not so secret" } },
  });
  const job = await post<Job>(hub, `/api/servers/${server.id}/agent/deploy`);
  await until(async () => (await hub.json<Job>(`/api/jobs/${job.id}`)).finishedAt !== null, "the end of the job");
  await fromApplication(hub.url, source.token);
  const agent = createAgent(hub.url, server);
  expect((await agent.logs(entries(1, 50, { at: timestamp(Date.now() - 400 * dayMs) }))).status).toBe(202);
  expect((await agent.beat()).status).toBe(200);
  const { groups } = await until(async () => {
    const page = await hub.json<ErrorsPage>("/api/errors");
    return page.groups.length > 0 ? page : undefined;
  }, "the errors");
  await ok(hub.send("PATCH", `/api/errors/${groups[0]?.fingerprint}`, { action: "ignore", count: 1000 }));
  return {
    key,
    owner: codes,
    source: { id: source.id, token: source.token, project: project.id },
    server,
  };
}

async function secondFactor(url: string): Promise<Rest["owner"]> {
  const email = "owner@example.com";
  const browser = createBrowser(url);
  expect((await browser.send("POST", "/api/auth/sign-in", { email, password })).status).toBe(200);
  type Secret = { readonly uri: string; readonly backupCodes: readonly string[] };
  const { body } = await browser.send<Secret>("POST", "/api/auth/two-factor", { password });
  expect((await browser.send("POST", "/api/auth/two-factor/confirm", { code: codeOf(body.uri) })).status).toBe(204);
  return { email, codesUri: body.uri, backupCodes: body.backupCodes };
}

/** Lines and a number of an application that has no agent. */
async function fromApplication(url: string, token: string): Promise<void> {
  const application = createClient(url, { authorization: `Bearer ${token}`, "x-batch-id": "till 1" });
  await ok(application.send("POST", "/api/logs", [{ message: "sold" }, { message: "not sold", level: "error" }]));
  const timeUnixNano = `${Date.now() - 5 * minuteMs}000000`;
  const dataPoints = [{ timeUnixNano, asDouble: 12.5, attributes: [] }];
  const metric = { name: "sales", unit: "EUR", gauge: { dataPoints } };
  await ok(application.send("POST", "/v1/metrics", { resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] }));
}

/** Gives a server of a stopped hub figures of five days, packed and rolled up as the hub would have done meanwhile. */
export async function measureDays(folder: string, serverId: string): Promise<void> {
  const clock = createSkippingClock();
  const { rawDays, fiveMinuteDays, hourlyDays } = metricsDays;
  const retention = { raw: rawDays * 86_400, minutes: fiveMinuteDays * 86_400, hours: hourlyDays * 86_400 };
  const warn = (message: string): void => {
    throw new Error(message);
  };
  const store = await openSeriesStore(folder, { clock, retention, warn });
  const subjects = [
    { template: host, name: "" },
    { template: container, name: "shop" },
  ];
  const size = host.metrics.length + container.metrics.length;
  for (let at = Date.now() - 5 * dayMs, n = 0; at < Date.now(); at += 10 * minuteMs, n++) {
    // counters, which begin again now and then, among gauges
    const values = Array.from({ length: size }, (_, i) => (n % 500) * 1000 + ((n * (i + 3)) % 17));
    expect(store.append(serverId, at, subjects, values)).toBe(true);
  }
  const work = new Database(join(folder, "metrics.db"), { readonly: true, strict: true });
  const due = work.query<{ count: number }, [number]>("SELECT count(*) AS count FROM due WHERE at_s <= ?");
  const isIdle = () => store.figures().openBytes === 0 && due.get(clock.now() / 1000)?.count === 0;
  for (let n = 0; n < 2; n++) {
    clock.skip(31 * minuteMs);
    await until(isIdle, "blocks and averages");
  }
  work.close();
  await store.close();
}

async function post<T>(client: Client, path: string, body?: unknown): Promise<T> {
  return (await (await ok(client.send("POST", path, body))).json()) as T;
}

async function ok(asked: Promise<Response>): Promise<Response> {
  const response = await asked;
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  return response;
}
