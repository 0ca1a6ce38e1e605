/** Moving hubs in tests: the command without its command line, and what people see of a hub. */
import { expect } from "bun:test";

import { type MigrationPlan, type MigrationReport, migrateBack, migrateHub } from "#src/hub/migrate.ts";
import { type HubSettings, readHubSettings } from "#src/hub/settings.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import type { Rest } from "./filled-rest.ts";
import { allEntries, metricsDays } from "./kit/hub.ts";
import { createBrowser } from "./kit/browser.ts";
import { type Client, password } from "./kit/people.ts";

export const quiet = { info: () => undefined, warn: () => undefined };

/** Entries of tests are of a fixed day. */
export const settings = { retention: { logs: { days: 3650, bytes: 1024 ** 3 }, metrics: metricsDays } };

const dayMs = 86_400_000;
const now = Date.now();
const stretch = (fromMs: number, step: number) =>
  new URLSearchParams({ from: timestamp(now - fromMs), to: timestamp(now), step: String(step) }).toString();
/** Samples as they came, five minutes, hours. */
const stretches = [stretch(3 * 3_600_000, 60), stretch(2 * dayMs, 600), stretch(6 * dayMs, 7200)];
const searches = [
  "",
  "q=line+1",
  "q=level:error",
  "q=ValueError+OR+sold",
  "source=api&level=error",
  "q=message:/line.?9$/",
];

/** What differs between two looks at the same hub: when something was last seen, and what follows from the time of day. */
const passing = new Set(["lastUsedAt", "tokenLastUsedAt"]);

/** What people see of a hub that has just been started. */
export async function answersOf(hub: Pick<Client, "json">, { source, server }: Pick<Rest, "source" | "server">) {
  const { servers } = await hub.json<{ servers: { id: string }[] }>("/api/servers");
  const { projects } = await hub.json<{ projects: { id: string }[] }>("/api/projects");
  const { groups } = await hub.json<{ groups: { fingerprint: string }[] }>("/api/errors?limit=200");
  const all = async (paths: readonly string[]): Promise<unknown[]> =>
    lasting(await Promise.all(paths.map((path) => hub.json(path)))) as unknown[];
  const ids = servers.map(({ id }) => `/api/servers/${id}`);
  const ofSource = `/api/projects/${source.project}/sources/${source.id}`;
  return {
    servers: lasting(servers),
    ofServers: await all(ids.flatMap((path) => [path, `${path}/scripts`, `${path}/containers`, `${path}/jobs`])),
    ssh: await all(["/api/ssh/public-key", `/api/servers/${server.id}/ssh`]),
    projects: lasting(projects),
    ofProjects: await all(
      projects.flatMap(({ id }) => [`/api/projects/${id}/sources`, `/api/projects/${id}/enrolment-tokens`]),
    ),
    logs: await allEntries(hub),
    searches: await Promise.all(searches.map((query) => allEntries(hub, query === "" ? "" : `&${query}`))),
    histograms: await all(searches.map((query) => `/api/logs/histogram?step=3600&${query}`)),
    top: await all(["/api/logs/top?field=message", "/api/logs/top?field=source"]),
    events: await all(["/api/events?limit=1000"]),
    groups: lasting(groups),
    ofGroups: await all(
      groups.flatMap(({ fingerprint }) => [`/api/errors/${fingerprint}`, `/api/errors/${fingerprint}/events`]),
    ),
    metrics: await all([...ids, ofSource].flatMap((path) => stretches.map((between) => `${path}/metrics?${between}`))),
  };
}

function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lasting);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) => (passing.has(name) ? [] : [[name, lasting(one)]])),
  );
}

/** Signs somebody in who has an authenticator; a code of that is good once, and so is each backup code. */
export async function signInAs(url: string, { email }: Rest["owner"], code: string): Promise<Pick<Client, "json">> {
  const browser = createBrowser(url);
  expect((await browser.send("POST", "/api/auth/sign-in", { email, password })).body).toEqual({ twoFactor: true });
  expect((await browser.send("POST", "/api/auth/second-factor", { code })).status).toBe(200);
  return {
    async json<T>(path: string) {
      const { status, body } = await browser.send<T>("GET", path);
      expect(status).toBe(200);
      return body;
    },
  };
}

/** A folder has numbers of metrics that came out of ClickHouse rounded in its own way. */
const sameWithin = 1e-5;

/** `value` with the numbers of `model` wherever its own are nearly those. */
export function nearly(value: unknown, model: unknown): unknown {
  if (typeof value === "number" && typeof model === "number") {
    return Math.abs(value - model) <= Math.abs(model) * sameWithin ? model : value;
  }
  if (Array.isArray(value) && Array.isArray(model)) return value.map((one, i) => nearly(one, model[i]));
  if (typeof value !== "object" || typeof model !== "object" || value === null || model === null) return value;
  const models = new Map(Object.entries(model));
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, nearly(one, models.get(name))]));
}

/** What only people may ask. */
export async function answersToPeople(person: Pick<Client, "json">) {
  const paths = ["/api/organization", "/api/auth/keys", "/api/audit?limit=200"];
  const [organization, keys, audit] = await Promise.all(paths.map((path) => person.json(path)));
  const { entries } = audit as { entries: { action: string }[] };
  // whoever asks has signed in for it
  return lasting({ organization, keys, audit: entries.filter(({ action }) => action !== "person.signed-in") });
}

const world = { clock: systemClock, log: quiet, signal: new AbortController().signal, tell: () => undefined };

export async function bringBack(
  dataDir: string,
  folder: string,
  plan: Pick<MigrationPlan, "databaseUrl" | "clickhouseUrl" | "finish">,
) {
  return await migrateBack(
    { ...readHubSettings({ dataDir }, {}), ...settings },
    { clickhouseCluster: null, ...plan, folder },
    world,
  );
}

export async function migrate(
  dataDir: string,
  plan: Pick<MigrationPlan, "databaseUrl"> & Partial<MigrationPlan>,
  kept: Pick<HubSettings, "retention"> = settings,
): Promise<MigrationReport> {
  return await migrateHub(
    { ...readHubSettings({ dataDir }, {}), ...kept },
    { clickhouseUrl: null, clickhouseCluster: null, finish: false, ...plan },
    world,
  );
}
