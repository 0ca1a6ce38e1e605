/** What a new daemon does about each script that an earlier one may have left. Pure. */
import type { Script } from "#src/protocol/scripts.ts";

import { type ProcessStat, isAlive } from "./processes.ts";
import { type ScriptRecord, definitionHash } from "./state.ts";

export type Found = {
  readonly script: Script | undefined;
  readonly record: ScriptRecord | undefined;
  readonly bootId: string | undefined;
  /** what has the recorded pid now; of a record without pid, the process that carries the run's mark */
  readonly process: ProcessStat | undefined;
  /** the pid of this daemon: a dead child of its own can still be waited for */
  readonly self: number;
};

export type Decision =
  /** nothing to go by: start it, because it is enabled */
  | "start"
  /** nothing to go by, and not enabled */
  | "leave"
  /** of an earlier boot, and no longer wanted: only the record is left */
  | "forget"
  /** no longer wanted: end what is left, then delete everything */
  | "remove"
  /** its process goes on */
  | "adopt"
  /** its process goes on, but with settings of before: restart it */
  | "adopt-changed"
  /** it ended while nobody was there */
  | "unseen"
  /** it was about to be started, or its settings changed while it was down: start it, counts kept */
  | "go-on-starting"
  | "go-on-stopping"
  | "go-on-waiting"
  | "stay-stopped"
  | "stay-crashed";

/** Decides for one script. A pid alone is never believed: start time and boot must be the recorded ones as well. */
export function decide(found: Found): Decision {
  const { script, record } = found;
  const valid = record !== undefined && record.bootId !== null && record.bootId === found.bootId;
  if (script === undefined) return valid ? "remove" : "forget";
  if (!valid) return script.enabled ? "start" : "leave";
  const changed = record.definition !== definitionHash(script);
  switch (record.state) {
    case "stopped":
      return "stay-stopped";
    case "crashed":
      return changed ? "go-on-starting" : "stay-crashed";
    case "waiting":
      return changed ? "go-on-starting" : "go-on-waiting";
    case "stopping":
    case "clearing":
      return record.wanted === "up" ? "go-on-starting" : "go-on-stopping";
    case "starting":
    case "running":
      break;
  }
  if (isOurs(found, record)) {
    if (record.wanted === "down") return "go-on-stopping";
    return changed ? "adopt-changed" : "adopt";
  }
  return record.state === "running" ? "unseen" : "go-on-starting";
}

function isOurs({ process, self }: Found, record: ScriptRecord): boolean {
  if (process === undefined || record.run === null) return false;
  if (record.run.pid !== null && record.run.startTicks !== process.startTicks) return false;
  // a dead child of this very process, replaced in place since: its exit code can still be had
  if (process.state === "Z") return process.parent === self;
  return isAlive(process);
}
