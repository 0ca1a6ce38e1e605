/** A real hub on a free port, and agents that speak to it. */
import { type Hub, type HubOperator, createHub } from "#src/hub/hub.ts";
import { type HubSettings, readHubSettings } from "#src/hub/settings.ts";
import { type Clock, systemClock, timestamp } from "#src/lib/clock.ts";
import { scopes } from "#src/protocol/access.ts";
import type { LogsPage, StoredEntry } from "#src/protocol/api.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type Client, type Person, createClient, createMember, createOwner, password, signIn } from "./people.ts";

export type TestHub = AsyncDisposable &
  // a key that may do everything that keys may
  Client & {
    readonly hub: Hub;
    readonly url: string;
    readonly folder: string;
    /** what it logged, `level message` */
    readonly said: readonly string[];
    /** A server of the first project, registered anew. */
    agent(hostname?: string): Promise<Agent>;
    /** A source of the first project, with a new token. */
    source(name?: string): Promise<Client & { readonly id: string; readonly token: string }>;
    /** People, made and signed in when they are first asked for. */
    owner(): Promise<Person>;
    admin(): Promise<Person>;
    viewer(): Promise<Person>;
    otherOrganizationAdmin(): Promise<Person>;
    /** Somebody who sends no credentials. */
    readonly nobody: Client;
  };

export type TestHubOptions = {
  readonly clock?: Clock;
  readonly folder?: string;
  readonly settings?: Partial<HubSettings>;
  /** nobody has an account, and there is no key */
  readonly untouched?: boolean;
  /** where what it logs goes, for who looks before it has started */
  readonly said?: string[];
};

/** How long metrics are kept unless a test says otherwise. */
export const metricsDays = { rawDays: 7, fiveMinuteDays: 90, hourlyDays: 400 };

const ownerEmail = "owner@example.com";

/** Starts a hub with a data folder of its own, or in `folder`. */
export async function startHub(options: TestHubOptions = {}): Promise<TestHub> {
  const own = options.folder === undefined ? temporaryFolder() : undefined;
  const folder = options.folder ?? own?.path ?? "";
  const said = options.said ?? [];
  const say = (level: string) => (message: string) => void said.push(`${level} ${message}`);
  const settings = {
    ...readHubSettings({ port: 0, dataDir: folder }, {}),
    // entries of tests are of a fixed day
    retention: { logs: { days: 36_500, bytes: 1024 ** 3 }, metrics: metricsDays },
    ...options.settings,
  };
  const log = { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
  const hub = createHub(settings, { clock: options.clock ?? systemClock, log });
  const { url } = await hub.start();
  const key = options.untouched === true ? undefined : await takeOver(hub.operator);
  const once = people(url, hub);
  return {
    ...createClient(url, key === undefined ? {} : { authorization: `Bearer ${key}` }),
    hub,
    url,
    folder,
    said,
    agent: async (hostname = "web-1") => createAgent(url, await hub.register(hostname)),
    async source(name = "api") {
      const { id, token } = await hub.operator.createSource({ organization: "Default", name });
      return { id, token, ...createClient(url, { authorization: `Bearer ${token}` }) };
    },
    ...once,
    nobody: createClient(url),
    async [Symbol.asyncDispose]() {
      await hub.stop();
      await own?.[Symbol.asyncDispose]();
    },
  };
}

/** Makes the first owner, unless the folder has one from before. @returns an API key with every scope */
export async function takeOver(operator: HubOperator): Promise<string> {
  const { people } = await operator.people({});
  if (people.length === 0) await operator.createOwner({ email: ownerEmail, password });
  return (await operator.createKey({ organization: "Default", name: "test kit", scopes: [...scopes] })).token;
}

function people(url: string, hub: Hub): Pick<TestHub, "owner" | "admin" | "viewer" | "otherOrganizationAdmin"> {
  const made = new Map<string, Promise<Person>>();
  const once = (name: string, make: () => Promise<Person>) => () => {
    const person = made.get(name) ?? make();
    made.set(name, person);
    return person;
  };
  const owner = once("owner", () => signIn(url, ownerEmail));
  return {
    owner,
    admin: once("admin", async () => await createMember(url, await owner(), "admin", "admin@example.com")),
    viewer: once("viewer", async () => await createMember(url, await owner(), "viewer", "viewer@example.com")),
    otherOrganizationAdmin: once("other", async () => {
      const other = await createOwner(url, hub.operator, "owner@other.example", "Other");
      return await createMember(url, other, "admin", "admin@other.example");
    }),
  };
}

export type Agent = {
  readonly id: string;
  readonly token: string;
  readonly headers: Readonly<Record<string, string>>;
  post(path: string, body: BodyInit, headers?: Record<string, string>): Promise<Response>;
  logs(entries: readonly LogEntry[], headers?: Record<string, string>): Promise<Response>;
  event(event: AgentEvent & { readonly seq?: number }): Promise<Response>;
  beat(beat?: Partial<Heartbeat>): Promise<Response>;
};

/** An agent with these credentials. */
export function createAgent(url: string, { id, token }: { readonly id: string; readonly token: string }): Agent {
  const headers = { authorization: `Bearer ${token}`, "x-server-id": id, "user-agent": "orion-agent/1.2.3" };
  const post = (path: string, body: BodyInit, more: Record<string, string> = {}) =>
    fetch(`${url}/api/v1/agent/${path}`, { method: "POST", body, headers: { ...headers, ...more } });
  return {
    id,
    token,
    headers,
    post,
    logs: (entries, more) => post("logs", ndjson(entries), more),
    event: (event) => post("events", JSON.stringify(event)),
    beat: (beat = {}) => post("heartbeat", JSON.stringify({ ...heartbeat(), ...beat })),
  };
}

export function ndjson(entries: readonly LogEntry[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
}

/** Entry `seq` of a server, a millisecond after the one before. */
export function entry(seq: number, rest: Partial<LogEntry> = {}): LogEntry {
  const at = timestamp(Date.parse("2026-01-01T00:00:00.000Z") + seq);
  return { seq, at, source: "api", stream: "stdout", level: "info", message: `line ${seq}`, ...rest };
}

export function entries(from: number, to: number, rest: Partial<LogEntry> = {}): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, rest));
}

export function heartbeat(): Heartbeat {
  const at = "2026-01-01T00:00:00.000Z";
  return {
    at,
    hostname: "web-1",
    agent: { version: "1.2.3", startedAt: at },
    system: {
      cpu: { usage: 12.5, cores: 8 },
      memory: { total: 100, used: 40, available: 60, usage: 40 },
      disk: { path: "/", total: 100, used: 10, usage: 10 },
      network: { rxBytes: 1, txBytes: 2, rxRate: 3, txRate: null },
      load: [0.1, 0.2, 0.3],
      uptime: 12,
    },
    scripts: [
      {
        name: "api",
        state: "crashed",
        pid: null,
        uptime: null,
        restarts: 2,
        cpu: null,
        memory: null,
        lastExit: { code: 1, signal: null, observed: true, oom: false, at },
        nextRestartAt: at,
      },
    ],
    docker: { available: false, error: null },
    containers: [],
    delivery: { buffered: 0, dropped: 0 },
  };
}

export function crash(rest: Partial<Extract<AgentEvent, { type: "script.crashed" }>> = {}): AgentEvent {
  return {
    type: "script.crashed",
    at: "2026-01-01T00:00:00.000Z",
    script: "api",
    exitCode: 1,
    signal: null,
    observed: true,
    oom: false,
    restarts: 1,
    tail: ["boom"],
    willRestart: true,
    restartInMs: 1000,
    ...rest,
  };
}

/** Everything that is stored, oldest first, read page by page. */
export async function allEntries(hub: Pick<Client, "json">, query = ""): Promise<StoredEntry[]> {
  const all: StoredEntry[] = [];
  let cursor: string | null = null;
  do {
    const at: string = cursor === null ? "" : `&cursor=${cursor}`;
    const page: LogsPage = await hub.json(`/api/logs?limit=1000${query}${at}`);
    all.push(...page.entries);
    ({ cursor } = page);
  } while (cursor !== null);
  return all.toReversed();
}

/** One server-sent event. */
export type Sent = { readonly event: string; readonly data: unknown; readonly id: string | null };

/** Reads a stream of server-sent events, comments left out, until the loop is left. */
export async function* readEvents(response: Response): AsyncGenerator<Sent> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const lines = block.split("\n").filter((line) => !line.startsWith(":") && line !== "");
      if (lines.length === 0) continue;
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      yield { event: field("event") ?? "", data: JSON.parse(field("data") ?? "null"), id: field("id") ?? null };
    }
  }
}
