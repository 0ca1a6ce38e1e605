/** What the browser suite looks at: a real hub, a real agent with real scripts, and a simulated fleet beside it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";

import type { DeviceCode } from "#src/protocol/account.ts";
import type { ErrorsPage } from "#src/protocol/error-group.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { inviteBy } from "#test/hub/kit/joining.ts";
import { signedIn } from "#test/hub/kit/browser.ts";
import { password } from "#test/hub/kit/people.ts";
import { startAgent } from "#test/kit/agent.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { createSkippingClock } from "#test/kit/skipping-clock.ts";
import { until } from "#test/kit/wait.ts";
import { type Fleet, type Member, seed, startFleet } from "./fleet.ts";
import type { Things } from "./pages.ts";

export type Rig = AsyncDisposable & {
  readonly hub: TestHub;
  readonly fleet: Fleet;
  readonly things: Things;
};

export type RigOptions = {
  readonly servers: number;
  /** hours of figures before now */
  readonly hours?: number;
  /** without the agent of this machine, for pictures that are the same everywhere */
  readonly simulatedOnly?: boolean;
};

const minuteMs = 60_000;

/** Starts it all, and waits until the real agent has reported and errors are grouped. */
export async function startRig({ servers, hours = 1, simulatedOnly = false }: RigOptions): Promise<Rig> {
  const clock = createSkippingClock();
  clock.skip(-hours * 60 * minuteMs);
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startHub({ clock }));
  const fleet = await startFleet(hub, servers);
  for (let minute = 0; minute < hours * 60; minute++) {
    await fleet.beat(clock.now());
    clock.skip(minuteMs);
  }
  await fleet.beat();
  await seed(fleet, { toMs: Date.now(), lines: 300, tracebacks: 5 });
  if (!simulatedOnly) await startReal(hub, stack);
  const things = await thingsOf(hub, fleet);
  const all = stack.move();
  return { hub, fleet, things, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** The agent of this machine with real scripts: one that prints, one that has failed, one that was never started. */
async function startReal(hub: TestHub, stack: AsyncDisposableStack): Promise<void> {
  const folder = stack.use(temporaryFolder());
  const { id, token } = await hub.hub.register(hostname());
  mkdirSync(folder.at("etc"), { mode: 0o755 });
  writeFileSync(folder.at("etc", "scripts.json"), JSON.stringify(scripts), { mode: 0o600 });
  stack.use(
    await startAgent(folder, {
      ORION_ENDPOINT: hub.url,
      ORION_SERVER_ID: id,
      ORION_AGENT_TOKEN: token,
      ORION_PUSH_INTERVAL: "10",
    }),
  );
  await until(async () => {
    const { latest } = await hub.json<{ readonly latest: unknown }>(`/api/servers/${id}`);
    return latest !== null;
  }, "the real agent's first heartbeat");
}

/** Brings about what addresses name, and finds it. */
async function thingsOf(hub: TestHub, { members, projects }: Fleet): Promise<Things> {
  const asked = await hub.nobody.send("POST", "/api/auth/device/code", { client_id: "orion-cli", hostname: "laptop" });
  const { user_code: userCode } = (await asked.json()) as DeviceCode;
  const owner = await hub.owner();
  const { token: invitation } = await inviteBy(
    hub.url,
    await signedIn(hub.url, owner.email, password),
    "new@example.com",
    "admin",
  );
  const [group] = await until(async () => {
    const { groups } = await hub.json<ErrorsPage>("/api/errors");
    return groups.length > 2 ? groups : undefined;
  }, "error groups");
  const idOf = (wanted: Member["trouble"]) => members.find(({ trouble }) => trouble === wanted)?.agent.id ?? "";
  return {
    serverId: idOf(null),
    troubledId: idOf("crashed"),
    projectId: projects.get("default") ?? "",
    invitation,
    userCode,
    fingerprint: group?.fingerprint ?? "",
  };
}

const scripts = [
  { name: "ticker", command: "while :; do echo tick; sleep 1; done" },
  { name: "once-failing", command: "echo cannot bind to port 80; exit 3", autoRestart: false },
  { name: "asleep", command: "sleep 1000", enabled: false },
];
