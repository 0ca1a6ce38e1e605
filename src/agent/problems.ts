/** Things that are wrong now, gathered from all rooms, and said in the log once each. */
import type { Config } from "#src/protocol/config.ts";
import type { DeliveryStatus, Problem } from "#src/protocol/ipc.ts";

/** What delivery's state means for a person. */
export function deliveryProblems(delivery: DeliveryStatus): readonly Problem[] {
  const endpoint = delivery.endpoint ?? "the hub";
  if (delivery.state === "refused") {
    return [
      {
        what: `${endpoint} refuses this agent`,
        why: delivery.lastError ?? "the token was rotated or revoked",
        todo: "Write a new token into the config file; it is picked up without a restart",
      },
    ];
  }
  if (delivery.state === "away" && delivery.lastError !== null) {
    return [
      { what: `${endpoint} can't be reached`, why: delivery.lastError, todo: "Find the cause with: orion doctor" },
    ];
  }
  return [];
}

/** Settings that rooms are built with: a change of one is only in force after the next start. */
const fixedKeys = ["procPath", "diskPath", "dockerSocket", "logStream", "containerLogs", "buffer"] as const;

/** Names the settings that were changed in the file but need a restart. */
export function restartProblems(built: Config, now: Config): readonly Problem[] {
  const changed = fixedKeys.filter((key) => !Bun.deepEquals(built[key], now[key]));
  if (changed.length === 0) return [];
  const why = `${changed.join(", ")} ${changed.length === 1 ? "is" : "are"} only read at the start`;
  return [
    {
      what: "a changed setting is not in force yet",
      why,
      todo: "Let the agent begin anew, scripts go on: orion agent reexec",
    },
  ];
}

/** Says each problem when it comes up, and that it is over when it is. */
export function createProblemTeller(log: { info(message: string): void; warn(message: string): void }) {
  let told: ReadonlySet<string> = new Set();
  return (problems: readonly Problem[]): void => {
    const now = new Set(problems.map(({ what, why, todo }) => `${what}: ${why}. ${todo}`));
    for (const line of now) if (!told.has(line)) log.warn(line);
    for (const line of told) if (!now.has(line)) log.info(`no longer so: ${line}`);
    told = now;
  };
}
