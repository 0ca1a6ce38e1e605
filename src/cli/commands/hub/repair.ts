/** `orion hub repair`: mends what is damaged in the hub's databases. */
import { systemClock } from "#src/lib/clock.ts";

import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { interruptible } from "../../interrupt.ts";
import { note, print, printJson } from "../../output.ts";
import { count } from "../../units.ts";
import { blockText } from "./damage-text.ts";
import { commandWorld, dataDirFlag, hubSettings } from "./folder.ts";

export const repair = command({
  args: { ...dataDirFlag },
  about: [
    "Blocks of the log are made anew where nothing of their lines is damaged; others are put aside in the log's file, and",
    "their lines are lost. A hub that runs mends its log and goes on; stop it to mend the structure of its files as well:",
    "indexes are made anew, and a log that can't be followed is copied to a new file, as far as it can be read.",
    "Ends with 1 when something could not be mended.",
  ].join("\n"),
  examples: ["sudo systemctl stop orion-hub && sudo -u orion orion hub repair"],
  async run({ args, session }) {
    const settings = await hubSettings(session, args["data-dir"]);
    const { dataDir } = settings;
    const { readNames } = await import("#src/hub/hub.ts");
    const report = await interruptible(({ signal }) => mend(settings, signal));
    const isBroken = report.structure.some(({ outcome }) => outcome === "broken");
    const { nameOf } = await readNames(settings, commandWorld());
    if (session.json) await printJson({ dataDir, ...report });
    else await print(`${[...structureTexts(report), ...logTexts(report, nameOf)].join("\n")}\n`);
    if (isBroken && !session.json) await note("Bring back a backup with orion hub restore; see orion hub check");
    return isBroken ? exitCodes.failed : exitCodes.done;
  },
});

async function mend(settings: Awaited<ReturnType<typeof hubSettings>>, signal: AbortSignal) {
  const { repairHub } = await import("#src/hub/hub.ts");
  return await repairHub(settings, systemClock, signal);
}

type Report = Awaited<ReturnType<typeof mend>>;

function structureTexts({ structure }: Report): readonly string[] {
  return structure.flatMap(({ file, outcome, problems, aside, salvaged }) => {
    if (outcome === "rewritten") return [`${file}: its header or schema was damaged and is as it was`];
    if (outcome === "reindexed") return [`${file}: indexes were damaged and are made anew; nothing is lost`];
    if (outcome === "broken") return [`${file}: can't be mended: ${problems[0] ?? ""}`.replaceAll("\n", "; ")];
    const { blocks = 0, lines = 0, unreadable = 0 } = salvaged ?? {};
    const missing = unreadable === 0 ? "" : `; of ${count(unreadable)} more not even the figures could be read`;
    return [
      `${file}: made anew with ${count(lines)} lines in ${count(blocks)} blocks${missing}`,
      `${file}: what was there is in ${aside ?? ""}; remove it when all is well`,
    ];
  });
}

function logTexts({ logs, structure }: Report, nameOf: (id: string) => string): readonly string[] {
  const lost = [...structure.flatMap(({ salvaged }) => salvaged?.lost ?? []), ...(logs?.lost ?? [])];
  const texts = lost.map((one) => `lost: ${blockText(one, nameOf)}`);
  if (logs === null) return texts.length === 0 && structure.length === 0 ? ["nothing was damaged"] : texts;
  const blocks = logs.blocks + (lost.length - logs.lost.length);
  const lines = logs.lines + lost.slice(0, lost.length - logs.lost.length).reduce((sum, one) => sum + one.lines, 0);
  if (logs.mended > 0)
    texts.push(
      `logs.db: ${blocksText(logs.mended)} made anew; nothing of ${logs.mended === 1 ? "it" : "them"} is lost`,
    );
  if (logs.senders > 0) texts.push(`logs.db: ${count(logs.senders)} senders may be stored twice what they repeat`);
  if (blocks > 0) texts.push(`logs.db: ${blocksText(blocks, ` with ${count(lines)} lines`)} put aside`);
  if (texts.length === 0 && structure.length === 0) texts.push("nothing was damaged");
  return texts;
}

const blocksText = (blocks: number, rest = ""): string =>
  blocks === 1 ? `1 block${rest} is` : `${count(blocks)} blocks${rest} are`;
