/**
 * A fleet of simulated agents as one process: `bun agents.ts`, which reads its order from standard input as a JSON line
 * and prints its figures each second. Each agent numbers its lines, keeps them until they are acknowledged, and repeats
 * what was not, sometimes cut in other pieces: as the real one does after a restart. "stop" on standard input ends the
 * printing; the process ends when everything is acknowledged.
 */
import { heartbeat } from "../../hub/kit/hub.ts";

export type Credentials = { readonly id: string; readonly token: string };

/** What the agents are told to do. */
export type FleetOrder = {
  readonly url: string;
  readonly agents: readonly Credentials[];
  readonly beatSeconds: number;
  /** each agent delivers so often, and so many lines each time */
  readonly deliverSeconds: number;
  readonly lines: number;
};

export type FleetFigures = {
  /** lines that were made, and lines that a hub has acknowledged */
  readonly made: number;
  readonly acknowledged: number;
  readonly beats: number;
  /** answers by status; 0: none came */
  readonly answers: Readonly<Record<number, number>>;
  /** agents that have something left to send */
  readonly waiting: number;
  /** the longest that an agent has gone without an answered heartbeat, in seconds */
  readonly longestSilence: number;
  readonly done: boolean;
};

/** Lines of one request at most. */
const batchLines = 500;
const answerWithinMs = 20_000;

/** An agent's first number: like a real one's it begins at the time in microseconds, here the same for all runs. */
export const firstSeq = 1_790_000_000_000_000;

async function run(order: FleetOrder): Promise<void> {
  const { url, agents, beatSeconds, deliverSeconds, lines } = order;
  const answers: Record<number, number> = {};
  const beaten = new Map<string, number>();
  let [made, acknowledged, beats, longestSilence] = [0, 0, 0, 0];
  const life = { stopped: false, waiting: agents.length };

  async function post(agent: Credentials, path: string, body: string, headers: Record<string, string> = {}) {
    try {
      const response = await fetch(`${url}/api/v1/agent/${path}`, {
        method: "POST",
        body,
        headers: {
          authorization: `Bearer ${agent.token}`,
          "x-server-id": agent.id,
          "user-agent": "orion-agent/1.2.3",
          ...headers,
        },
        signal: AbortSignal.timeout(answerWithinMs),
      });
      await response.arrayBuffer();
      answers[response.status] = (answers[response.status] ?? 0) + 1;
      return response;
    } catch {
      // a hub was killed, or the balancer has cut the connection: counted, and tried again
      answers[0] = (answers[0] ?? 0) + 1;
      return undefined;
    }
  }

  const pause = (seconds: number) => Bun.sleep(seconds * 1000 * (0.75 + Math.random() / 2));

  async function beat(agent: Credentials, index: number): Promise<void> {
    await Bun.sleep(Math.random() * beatSeconds * 1000);
    while (!life.stopped || life.waiting > 0) {
      const now = new Date().toISOString();
      const body = JSON.stringify({ ...heartbeat(), at: now, hostname: `host-${index}` });
      const response = await post(agent, "heartbeat", body);
      const last = beaten.get(agent.id);
      if (response?.ok === true) {
        beats++;
        const at = performance.now();
        if (last !== undefined) longestSilence = Math.max(longestSilence, (at - last) / 1000);
        beaten.set(agent.id, at);
        await pause(beatSeconds);
      } else await pause(1);
    }
  }

  async function deliver(agent: Credentials, index: number): Promise<void> {
    // lines from `first` up to `next` are made and not acknowledged
    let [first, next, attempt] = [0, 0, 0];
    let size = batchLines;
    await Bun.sleep(Math.random() * deliverSeconds * 1000);
    while (!life.stopped || first < next) {
      if (!life.stopped && attempt === 0) {
        next += lines;
        made += lines;
      }
      const to = Math.min(next, first + size);
      let body = "";
      const at = new Date().toISOString();
      for (let n = first; n < to; n++) {
        const level = n % 50 === 0 ? "warn" : "info";
        body += `{"seq":${firstSeq + n},"at":"${at}","source":"api","stream":"stdout","level":"${level}","message":"agent ${index} line ${n} of 10.${index % 200}.${n % 250}.7"}\n`;
      }
      const response = to > first ? await post(agent, "logs", body, { "x-batch-id": `${first}-${to}` }) : undefined;
      if (response?.ok === true) {
        acknowledged += to - first;
        first = to;
        [attempt, size] = [0, batchLines];
        if (first === next) await pause(life.stopped ? 0 : deliverSeconds);
      } else {
        attempt++;
        // an agent that was started again cuts its spool elsewhere
        if (Math.random() < 0.3) size = 1 + Math.floor(Math.random() * batchLines);
        await pause(Math.min(5, Number(response?.headers.get("retry-after") ?? 1)));
      }
    }
    life.waiting--;
  }

  function say(done: boolean): void {
    const now = performance.now();
    const silences = [...beaten.values()].map((at) => (now - at) / 1000);
    const silence = silences.reduce((highest, one) => Math.max(highest, one), longestSilence);
    const figures: FleetFigures = {
      made,
      acknowledged,
      beats,
      answers,
      waiting: life.waiting,
      longestSilence: silence,
      done,
    };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
  }

  const timer = setInterval(() => say(false), 1000);
  const all = agents.map(async (agent, index) => await Promise.all([beat(agent, index), deliver(agent, index)]));
  void lineOf().then(() => (life.stopped = true));
  await Promise.all(all);
  clearInterval(timer);
  say(true);
}

const input = console[Symbol.asyncIterator]();
async function lineOf(): Promise<string> {
  return String((await input.next()).value ?? "");
}

if (import.meta.main) {
  await run(JSON.parse(await lineOf()) as FleetOrder);
  process.exit(0);
}
