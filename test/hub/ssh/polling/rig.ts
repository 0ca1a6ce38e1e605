/** Polling of hosts that exist only here, on a clock that a test moves. */
import { createPolling } from "#src/hub/ssh/polling/polling.ts";
import type { PolledServer, PollingWorld } from "#src/hub/ssh/polling/port.ts";
import type { SshRun, SshSession, SshTarget } from "#src/hub/ssh/port.ts";
import type { WatchEvent } from "#src/protocol/event.ts";
import type { PolledReport, SshWatch } from "#src/protocol/polled.ts";
import { createTestClock } from "#test/kit/clock.ts";

/** What a host prints, by section; `undefined` leaves one out. */
export type Says = Readonly<Record<string, string | undefined>>;

export const netDev = (rx: number, tx: number, name = "eth0") =>
  `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0
  ${name}: ${rx}      10    0    0    0     0          0         0 ${tx}      10    0    0    0     0       0          0
`;

/** A host of two cores that was booted `uptime` seconds ago and has been busy for a quarter of it. */
export function healthy(uptime: number): Says {
  const ticks = uptime * 200;
  return {
    os: "Linux\n",
    hostname: "web-1\n",
    uptime: `${uptime.toFixed(2)} 1.00\n`,
    stat: `cpu  ${ticks / 4} 0 0 ${(ticks * 3) / 4} 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0 0 0\n`,
    net: netDev(1000 * uptime, 100 * uptime),
    meminfo: "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:     600 kB\n",
    loadavg: "0.10 0.20 0.30 1/100 1234\n",
    vlans: "",
    facts: "lo 0 0\neth0 1 0\n",
    masters: "",
    "disk /": "4096 1000 600 500\n",
    end: "",
  };
}

/** The output of a script as this host would print it. */
export function outputOf(script: string, says: Says): string {
  const word = /@@(\w+) /.exec(script)?.[1] ?? "";
  const twice = script.includes("counters; sleep");
  const part = (name: string, text: string) => `\n@@${word} ${name}\n${text}`;
  return Object.entries(says)
    .flatMap(([name, text]) => {
      if (text === undefined) return [];
      if (name !== "uptime" || !twice) return [part(name, text)];
      const uptime = Number.parseFloat(text) - 1;
      const earlier = healthy(uptime);
      const before = ["uptime", "stat", "net"].map((each) => part(each, earlier[each] ?? ""));
      return [...before, part(name, text)];
    })
    .join("");
}

type Saying = Says | Error | Promise<Says>;

export type FakeHost = {
  /** what it prints from now on, perhaps to root something else; an error: what running fails with */
  says: Saying | ((asRoot: boolean) => Saying);
  /** what opening a session fails with */
  refuses: Error | undefined;
  /** never answers a connection */
  dead: boolean;
  opened: number;
  readonly runs: { readonly atMs: number; readonly script: string; readonly asRoot: boolean }[];
  readonly sessions: { readonly close: () => void; closed: boolean }[];
};

const target: SshTarget = {
  host: "192.0.2.1",
  port: 22,
  user: "orion",
  credentials: { kind: "password", password: "secret" },
  hostKey: "SHA256:key",
  sudo: "none",
  sudoPassword: null,
  jump: null,
};

export type Watch = { readonly state: SshWatch; readonly report: PolledReport | null } | null;

/** Servers `ids`, all with SSH details and an agent that reports. */
export function pollingOf(
  ids: readonly string[],
  { sudo = "none", wasFailing = false }: { readonly sudo?: SshTarget["sudo"]; readonly wasFailing?: boolean } = {},
) {
  const clock = createTestClock();
  const hosts = new Map<string, FakeHost>();
  const present = new Set(ids);
  const reachable = new Set(ids);
  const servers = new Map<string, PolledServer>();
  const presence = new Set<(id: string, present: boolean) => void>();
  const changes = new Set<(id: string) => void>();
  const details = new Set<(id: string) => void>();
  const watches = new Map<string, Watch>();
  const reports: { readonly id: string; readonly atMs: number; readonly report: PolledReport }[] = [];
  const told: { readonly id: string; readonly event: WatchEvent }[] = [];
  const said: string[] = [];
  for (const id of ids) {
    servers.set(id, { id, hostname: id, lastSeenMs: 0, heartbeat: null });
    hosts.set(id, { says: healthy(1000), refuses: undefined, dead: false, opened: 0, runs: [], sessions: [] });
  }
  const listen =
    <T>(to: Set<T>) =>
    (listener: T) => {
      to.add(listener);
      return () => void to.delete(listener);
    };

  function sessionOf(host: FakeHost): SshSession {
    const closed = Promise.withResolvers<void>();
    const own = {
      closed: false,
      close() {
        own.closed = true;
        closed.resolve();
      },
    };
    host.sessions.push(own);
    return {
      hostKey: "SHA256:key",
      closed: closed.promise,
      close: () => own.close(),
      async run(script: string, { signal, asRoot = false }: SshRun) {
        host.runs.push({ atMs: clock.monotonic(), script, asRoot });
        const aborted = new Promise<never>((_, reject) =>
          signal?.addEventListener("abort", () => reject(signal.reason)),
        );
        const saying = typeof host.says === "function" ? host.says(asRoot) : host.says;
        const says = await Promise.race([saying, aborted]);
        if (says instanceof Error) throw says;
        return { code: 0, signal: null, stdout: outputOf(script, says), stderr: "" };
      },
    };
  }

  const world: PollingWorld = {
    clock,
    log: {
      debug: (message) => void said.push(`debug ${message}`),
      info: (message) => void said.push(`info ${message}`),
      warn: (message) => void said.push(`warn ${message}`),
    },
    servers: {
      get: (id) => servers.get(id),
      isPresent: (id) => present.has(id),
      onPresence: listen(presence),
      onChange: listen(changes),
      setWatch: (id, watch) => void watches.set(id, watch),
    },
    targets: {
      ids: () => [...reachable],
      has: (id) => reachable.has(id),
      targetOf: async (id) => (reachable.has(id) ? { ...target, host: id, sudo } : null),
      onChange: listen(details),
    },
    async openSession({ host: id }, { signal }) {
      const host = hosts.get(id);
      if (host === undefined) throw new Error(`no host ${id}`);
      host.opened++;
      if (host.dead) await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
      if (host.refuses !== undefined) throw host.refuses;
      return sessionOf(host);
    },
    record: (id, report) => void reports.push({ id, atMs: clock.monotonic(), report }),
    tell: (id, event) => void told.push({ id, event }),
  };
  const polling = createPolling(world, () => wasFailing);

  /** Lets everything that only waits for promises have its turn. */
  async function settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets so much time pass, in steps, with everything that follows from it. */
  async function pass(ms: number, stepMs = 1000): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await settle();
    }
  }

  function host(id: string): FakeHost {
    const found = hosts.get(id);
    if (found === undefined) throw new Error(`no host ${id}`);
    return found;
  }

  /** Its agent stops or begins to report. */
  function turn(id: string, isPresent: boolean): void {
    if (isPresent) present.add(id);
    else present.delete(id);
    for (const listener of presence) listener(id, isPresent);
  }

  function remove(id: string): void {
    servers.delete(id);
    for (const listener of changes) listener(id);
  }

  function changeDetails(id: string, isReachable: boolean): void {
    if (isReachable) reachable.add(id);
    else reachable.delete(id);
    for (const listener of details) listener(id);
  }

  const facts = { clock, polling, reports, told, said, watches, present };
  return { ...facts, host, turn, remove, changeDetails, settle, pass };
}
