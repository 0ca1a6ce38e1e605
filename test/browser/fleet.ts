/**
 * A simulated fleet on a real hub: agents that speak the agents' protocol over HTTP, with heartbeats, lines, tracebacks
 * and events. By hand, against a hub that runs (for instance the one of `orion up`):
 * `bun test/browser/fleet.ts URL API_KEY [SERVERS] [LINES_A_SECOND]`, until it is ended.
 */
import { timestamp } from "#src/lib/clock.ts";
import type { RegisteredServer } from "#src/protocol/api.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import type { Project } from "#src/protocol/project.ts";
import { type Agent, createAgent, ndjson } from "#test/hub/kit/hub.ts";
import { type Client, createClient } from "#test/hub/kit/people.ts";
import { entriesOf, tracebackOf } from "./lines.ts";
import { type Simulated, heartbeatOf, simulateServers } from "./servers.ts";

/** One simulated server and the agent that speaks for it. */
export type Member = Simulated & {
  readonly number: number;
  readonly agent: Agent;
  /** the next number of what it sends */
  seq: number;
};

export type Fleet = {
  readonly members: readonly Member[];
  /** Projects by their names. */
  readonly projects: ReadonlyMap<string, string>;
  /** A heartbeat of every agent that was started. */
  beat(atMs?: number): Promise<void>;
  /** One heartbeat of a member that was started. */
  beatOf(member: Member, atMs?: number): Promise<void>;
  /** Sends lines of a member; its numbers go on. */
  say(member: Member, entries: readonly LogEntry[]): Promise<void>;
};

/** Requests that are under way at the same time. */
const lanes = 16;

/** Registers the servers, which thereby wait for their agents. `hub`: a client that may do everything. */
export async function startFleet(hub: Client & { readonly url: string }, count: number): Promise<Fleet> {
  const servers = simulateServers(count);
  const projects = await projectsOf(hub, new Set(servers.map(({ project }) => project)));
  const members: Member[] = [];
  await spread(servers, async (server, number) => {
    const body = { hostname: server.hostname, project: projects.get(server.project) };
    const response = await hub.send("POST", "/api/servers", body);
    if (!response.ok) throw new Error(`registering ${server.hostname}: ${response.status} ${await response.text()}`);
    const { id, token } = (await response.json()) as RegisteredServer;
    members[number] = { ...server, number, agent: createAgent(hub.url, { id, token }), seq: 1 };
  });
  async function beatOf(member: Member, atMs = Date.now()): Promise<void> {
    if (member.trouble !== "new") await accepted(member.agent.beat(heartbeatOf(member, member.number, atMs)));
  }
  return {
    members,
    projects,
    beatOf,
    beat: (atMs) => spread(members, async (member) => await beatOf(member, atMs)),
    async say(member, entries) {
      if (entries.length === 0) return;
      member.seq += entries.length;
      await accepted(member.agent.post("logs", ndjson(entries), { "content-type": "application/x-ndjson" }));
    },
  };
}

export type Past = {
  /** up to when; what is written is from before */
  readonly toMs: number;
  /** lines of each member, evenly over the last hour */
  readonly lines: number;
  /** tracebacks of each member, likewise */
  readonly tracebacks: number;
};

/** Lets each member print and things happen, as if it had run for an hour. */
export async function seed(fleet: Fleet, { toMs, lines, tracebacks }: Past): Promise<void> {
  const fromMs = toMs - 3_600_000;
  await spread(fleet.members, async (member) => {
    if (member.trouble === "new") return;
    const parts = member.number % 7 === 0 ? tracebacks + 1 : 1;
    const stretchMs = (toMs - fromMs) / parts;
    for (let n = 0; n < parts; n++) {
      const startMs = fromMs + n * stretchMs;
      const endMs = startMs + stretchMs * (parts === 1 ? 1 : 0.8 + ((member.number + n) % 4) / 20);
      const count = Math.ceil(lines / parts);
      await fleet.say(member, entriesOf(member, { count, seq: member.seq, fromMs: startMs, toMs: endMs }));
      // as it would have been printed: between the lines
      if (n < tracebacks && parts > 1) await fleet.say(member, tracebackOf(member, n, member.seq, endMs + 1));
    }
    await happen(member, eventsOf(member, toMs));
  });
}

/** Sends events of a member. */
export async function happen(member: Member, events: readonly AgentEvent[]): Promise<void> {
  const numbered = events.map((event) => ({ seq: member.seq++, ...event }));
  await accepted(member.agent.post("events", JSON.stringify(numbered), { "content-type": "application/json" }));
}

/** What happened to a member within the last hour, oldest first. */
function eventsOf(member: Member, toMs: number): readonly AgentEvent[] {
  const at = (minutes: number) => timestamp(toMs - minutes * 60_000);
  const started: AgentEvent = { type: "agent.started", at: at(55), version: "1.4.0", reason: "start" };
  const [script = "api"] = member.scripts;
  const [container = "nginx"] = member.containers;
  const contained = {
    container,
    containerId: "c0ffee".repeat(10),
    source: container,
    image: `${container}:17`,
    tail: [],
  };
  switch (member.trouble) {
    case "crashed": {
      const crash = {
        script,
        exitCode: 1,
        signal: null,
        observed: true,
        oom: false,
        tail: ["listening on :8080", "Killed"],
      };
      const crashes = [9, 8, 6, 2].map((minutes, n): AgentEvent => {
        return {
          type: "script.crashed",
          at: at(minutes),
          ...crash,
          restarts: n + 1,
          willRestart: true,
          restartInMs: 2000 * 2 ** n,
        };
      });
      return [started, ...crashes];
    }
    case "unhealthy":
      return [started, { type: "container.unhealthy", at: at(12), ...contained, check: "HTTP 503", failures: 3 }];
    case "losing": {
      const sources = [{ source: script, count: 420, from: at(30), to: at(20) }];
      return [started, { type: "logs.dropped", at: at(20), total: 420, sources }];
    }
    default:
      return member.number % 5 === 0 && member.containers.length > 0
        ? [
            started,
            {
              type: "container.died",
              at: at(33),
              ...contained,
              cause: "oom",
              exitCode: 137,
              signal: "SIGKILL",
              observed: true,
            },
          ]
        : [started];
  }
}

async function projectsOf(hub: Client, names: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const { projects } = await hub.json<{ readonly projects: readonly Project[] }>("/api/projects");
  const known = new Map(projects.map(({ id, name }) => [name, id]));
  for (const name of names) {
    if (known.has(name)) continue;
    const response = await hub.send("POST", "/api/projects", { name });
    if (!response.ok) throw new Error(`making the project ${name}: ${response.status} ${await response.text()}`);
    known.set(name, ((await response.json()) as Project).id);
  }
  return known;
}

/** Does `work` for all items, some at a time. */
export async function spread<Item>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
  const left = items.entries();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const [index, item] of left) await work(item, index);
    }),
  );
}

async function accepted(sent: Promise<Response>): Promise<void> {
  const response = await sent;
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

if (import.meta.main) {
  const [url = "", key = "", servers = "24", perSecond = "20"] = process.argv.slice(2);
  const fleet = await startFleet({ url, ...createClient(url, { authorization: `Bearer ${key}` }) }, Number(servers));
  await fleet.beat();
  await seed(fleet, { toMs: Date.now(), lines: Math.min(2000, 50_000 / fleet.members.length), tracebacks: 6 });
  console.log(`${fleet.members.length} servers report to ${url}`);
  for (let second = 1; ; second++) {
    await Bun.sleep(1000);
    const [toMs, speakers] = [Date.now(), fleet.members.filter(({ trouble }) => trouble !== "new")];
    const count = Math.ceil(Number(perSecond) / speakers.length);
    const some = speakers.slice(0, Number(perSecond));
    await spread(some, (member) =>
      fleet.say(member, entriesOf(member, { count, seq: member.seq, fromMs: toMs - 1000, toMs })),
    );
    if (second % 10 === 0) await fleet.beat();
  }
}
