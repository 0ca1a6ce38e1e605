/** What happened between two lines, in a few words. Pure. */
import type { LogMark } from "#src/protocol/query-answers.ts";

const words: Readonly<Record<string, string>> = {
  "script.crashed": "crashed",
  "script.gave-up": "was given up after too many crashes",
  "container.died": "ended",
  "container.oom": "lost a process to its memory limit",
  "container.unhealthy": "is unhealthy",
  "container.healthy": "is healthy again",
  "agent.started": "Agent started",
  "agent.stopped": "Agent stopped",
  "agent.silent": "Agent silent: lines may come later",
  "agent.back": "Agent back",
  "watch.failed": "Can't be watched over SSH",
  "watch.restored": "Watched over SSH again",
};

export function markText({ type, subject, lines }: LogMark): string {
  if (type === "logs.dropped") {
    const many =
      lines === undefined ? "Lines were" : `${lines.toLocaleString("en")} ${lines === 1 ? "line was" : "lines were"}`;
    return `${many} lost before they reached the hub: the agent's buffer was full`;
  }
  const said = words[type] ?? type;
  return subject === null ? said : `${subject} ${said}`;
}

/** How bad it is. */
export function toneOfMark({ type }: LogMark): "bad" | "warn" | "quiet" {
  if (/crashed|gave-up|died|watch\.failed/.test(type)) return "bad";
  return /dropped|silent|oom|unhealthy/.test(type) ? "warn" : "quiet";
}
