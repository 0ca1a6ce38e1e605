/** Events in words, and the kinds that people ask for. Pure. */
import type { AgentEvent, DeathCause, ServerEvent } from "#src/protocol/event.ts";
import { clockTime, duration } from "./format.ts";
import { exitText } from "./scripts.tsx";

export type EventType = ServerEvent["type"];
export type Told = { readonly tone: "bad" | "warn" | "quiet"; readonly title: string; readonly detail: string };

/** What an event is called where one chooses it. */
export const typeWords: Readonly<Record<EventType, string>> = {
  "script.crashed": "Script crashed",
  "script.gave-up": "Script given up",
  "container.died": "Container ended",
  "container.oom": "Container lost a process to its memory limit",
  "container.unhealthy": "Container unhealthy",
  "container.healthy": "Container healthy again",
  "agent.started": "Agent started",
  "agent.stopped": "Agent stopped",
  "agent.silent": "Agent silent",
  "agent.back": "Agent back",
  "logs.dropped": "Lines dropped",
  "watch.failed": "Can't be watched over SSH",
  "watch.restored": "Watched over SSH again",
};

/** Several types under one name. */
export const eventKinds = [
  {
    key: "alerts",
    text: "Alerts: crashes, deaths, silences, losses",
    types: [
      "script.crashed",
      "script.gave-up",
      "container.died",
      "container.oom",
      "container.unhealthy",
      "agent.silent",
      "logs.dropped",
      "watch.failed",
    ],
  },
  { key: "scripts", text: "Scripts", types: ["script.crashed", "script.gave-up"] },
  {
    key: "containers",
    text: "Containers",
    types: ["container.died", "container.oom", "container.unhealthy", "container.healthy"],
  },
  { key: "agents", text: "Agents", types: ["agent.started", "agent.stopped", "agent.silent", "agent.back"] },
  { key: "ssh", text: "Watching over SSH", types: ["watch.failed", "watch.restored"] },
] as const satisfies readonly { readonly key: string; readonly text: string; readonly types: readonly EventType[] }[];

/** The last lines before it, oldest first. */
export const tailOf = (event: ServerEvent): readonly string[] => ("tail" in event ? event.tail : []);

export function tell(event: ServerEvent): Told {
  switch (event.type) {
    case "script.crashed": {
      const next = event.willRestart
        ? `restart ${event.restarts} in ${duration(Math.max(1, Math.round((event.restartInMs ?? 0) / 1000)))}`
        : "not restarted";
      return { tone: "bad", title: `${event.script} crashed`, detail: `${why(event)} · ${next}` };
    }
    case "script.gave-up":
      return {
        tone: "bad",
        title: `${event.script} given up`,
        detail: `${why(event)} · ${event.restarts} crashes in a row`,
      };
    case "agent.started":
      return { tone: "quiet", title: "Agent started", detail: joined(event.version, event.reason) };
    case "agent.stopped":
      return { tone: "quiet", title: "Agent stopped", detail: event.reason };
    case "logs.dropped":
      return {
        tone: "warn",
        title: `${event.total.toLocaleString("en")} lines dropped`,
        detail: event.sources.map((source) => source.source).join(", "),
      };
    case "container.died": {
      const bad = event.cause !== "exited" && event.cause !== "stopped";
      return { tone: bad ? "bad" : "quiet", title: `${event.container} ${deaths[event.cause]}`, detail: endOf(event) };
    }
    case "container.oom":
      return { tone: "warn", title: `${event.container} lost a process to its memory limit`, detail: event.image };
    case "container.unhealthy": {
      const failures = event.failures === null ? "" : `${event.failures} checks failed`;
      return {
        tone: "warn",
        title: `${event.container} is unhealthy`,
        detail: joined(failures, event.check ?? event.image),
      };
    }
    case "container.healthy":
      return { tone: "quiet", title: `${event.container} is healthy again`, detail: event.image };
    case "agent.silent":
      return {
        tone: "warn",
        title: "Agent silent",
        detail: `since ${clockTime(event.since)} · ${event.watch === "ssh" ? "watched over SSH" : "not watched: no SSH details"}`,
      };
    case "agent.back": {
      const silent = Math.max(1, Math.round((Date.parse(event.at) - Date.parse(event.since)) / 1000));
      return { tone: "quiet", title: "Agent back", detail: `silent for ${duration(silent)}` };
    }
    case "watch.failed":
      return { tone: "bad", title: "Can't be watched over SSH", detail: event.problem };
    case "watch.restored":
      return { tone: "quiet", title: "Watched over SSH again", detail: "" };
  }
}

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join(" · ");

const deaths: Readonly<Record<DeathCause, string>> = {
  exited: "ended",
  failed: "failed",
  killed: "was killed",
  oom: "was killed for its memory limit",
  stopped: "was stopped",
};

function endOf(event: Extract<AgentEvent, { type: "container.died" }>): string {
  const end = event.signal ?? (event.exitCode === null ? "" : `code ${event.exitCode}`);
  return joined(end, event.observed ? "" : "nobody was watching", event.image);
}

function why(event: Extract<AgentEvent, { type: "script.crashed" | "script.gave-up" }>): string {
  return (
    event.reason ?? exitText({ code: event.exitCode, signal: event.signal, oom: event.oom, observed: event.observed })
  );
}
