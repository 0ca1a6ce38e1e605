/** `orion hub migrate`: a hub out of its data folder into Postgres and ClickHouse, and back. */
import { resolve } from "node:path";

import { systemClock } from "#src/lib/clock.ts";

import { command } from "../../command.ts";
import { exitCodes, usageFault } from "../../exit.ts";
import { createForegroundLog } from "../../foreground.ts";
import { type Progress, createProgressView } from "../../hub/migrate-view.ts";
import { interruptible } from "../../interrupt.ts";
import { note, print, printJson } from "../../output.ts";
import { count } from "../../units.ts";
import { dataDirFlag, hubSettings } from "./folder.ts";

/** Differences that are printed; `--json` has all. */
const mostShown = 20;
const sqlite = "sqlite:";

export const migrate = command({
  args: {
    to: {
      type: "string",
      valueHint: "place",
      description: "postgres://user:password@host/database, or sqlite:FOLDER for the way back (databaseUrl)",
    },
    from: { type: "string", valueHint: "url", description: "of the way back: postgres://... (databaseUrl)" },
    clickhouse: {
      type: "string",
      valueHint: "url",
      description: "http://user:password@host:8123/database, for logs and metrics (clickhouseUrl)",
    },
    cluster: { type: "string", valueHint: "name", description: "ClickHouse's cluster (clickhouseCluster)" },
    finish: { type: "boolean", description: "the hubs are stopped: copy the rest, compare everything, and move" },
    ...dataDirFlag,
  },
  about: [
    "Without --finish it copies what there is while the hub works, as often as you like; each run goes on where the last one",
    "ended, however that was. Then stop the hub and run it with --finish: that is short, because most of it is there.",
    "Agents keep what they have meanwhile. Nothing is deleted where it comes from; see docs/migrate.md.",
    "What is not said is taken from the settings: databaseUrl, clickhouseUrl, clickhouseCluster.",
  ].join("\n"),
  examples: [
    "sudo -u orion orion hub migrate --to postgres://orion@db/orion --clickhouse http://orion@ch:8123/orion",
    "sudo -u orion orion hub migrate --to postgres://orion@db/orion --clickhouse http://orion@ch:8123/orion --finish",
    "sudo -u orion orion hub migrate --from postgres://orion@db/orion --clickhouse http://orion@ch:8123/orion --to sqlite:/var/lib/orion-again",
  ],
  async run({ args, session }) {
    const isBack = args.to?.startsWith(sqlite) === true;
    if (!isBack && args.from !== undefined) {
      throw usageFault("--from is for the way back", "Give --to sqlite:FOLDER as well, or leave it out");
    }
    if (isBack && args.to === sqlite) throw usageFault("--to names no folder", "Give --to sqlite:FOLDER");
    const settings = await hubSettings(session, args["data-dir"]);
    const databaseUrl = (isBack ? args.from : args.to) ?? settings.databaseUrl;
    if (databaseUrl === null) {
      throw usageFault(
        isBack ? "it is not said where the hub is" : "it is not said where the hub is to go",
        isBack ? "Give --from postgres://..." : "Give --to postgres://..., or set databaseUrl",
      );
    }
    if (!/^postgres(?:ql)?:\/\//.test(databaseUrl)) {
      throw usageFault(
        `--${isBack ? "from" : "to"} is no address of a PostgreSQL database`,
        `Write postgres://user:password@host/database${isBack ? "" : ", or sqlite:FOLDER for the way back"}`,
      );
    }
    const plan = {
      databaseUrl,
      clickhouseUrl: args.clickhouse ?? settings.clickhouseUrl,
      clickhouseCluster: args.cluster ?? settings.clickhouseCluster,
      finish: args.finish === true,
    };
    const { migrateBack, migrateHub } = await import("#src/hub/hub.ts");
    const view = createProgressView(() => performance.now());
    const report = await interruptible(async ({ signal }) => {
      const world = {
        clock: systemClock,
        log: createForegroundLog("warn"),
        signal,
        tell: (progress: Progress) => view.tell(progress),
      };
      try {
        if (!isBack) return await migrateHub(settings, plan, world);
        const folder = resolve(session.environment.cwd, args.to?.slice(sqlite.length) ?? "");
        return await migrateBack(settings, { ...plan, folder }, world);
      } finally {
        await view.end();
        if (signal.aborted) await note("What was copied stays; run the same again to go on");
      }
    });
    for (const damage of report.damaged.slice(0, mostShown))
      await note(`Left out, because it can't be read: ${damage}`);
    if (session.json) await printJson(report);
    else await print(`${wordsOf(report)}\n`);
    for (const { what, wanted, found } of session.json ? [] : report.differences.slice(0, mostShown)) {
      await note(
        `${what}: ${count(wanted)} here, ${count(found)} there${wanted === found ? ", and not the same" : ""}`,
      );
    }
    return report.state === "different" ? exitCodes.failed : exitCodes.done;
  },
});

/** What is said of a run. */
type Report = {
  readonly state: "copying" | "done" | "different";
  readonly lines: number;
  readonly linesLeft: number;
  readonly compared: number;
  readonly differences: readonly unknown[];
  readonly telemetry: boolean;
  readonly settings: Readonly<Record<string, string>> | null;
  readonly next: readonly string[];
};

function wordsOf({ state, lines, linesLeft, compared, differences, telemetry, settings, next }: Report): string {
  if (state === "different") {
    const found = differences.length === 1 ? "A difference was" : `${count(differences.length)} differences were`;
    return `${found} found; the hub works where it was. ${next.join("\n")}`;
  }
  if (state === "done") {
    const both = compared > 0 ? `${count(compared)} rows, lines and figures were compared, and all are the same. ` : "";
    const [first, ...rest] = next;
    return [`${both}The hub has moved.`, first, JSON.stringify(settings, null, 2), ...rest].join("\n");
  }
  const left = linesLeft === 0 ? "" : `, ${count(linesLeft)} are to come`;
  const there = telemetry ? `${count(lines)} log lines are there${left}` : "Log lines and metrics stay in the folder";
  return [`${there}; the hub works where it was.`, ...next].join("\n");
}
