/** `orion hub check`: whether the hub's databases are sound. */
import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { note, print, printJson } from "../../output.ts";
import { bytes, count } from "../../units.ts";
import { dataDirFlag, hubSettings } from "./folder.ts";
import { damageText } from "./damage-text.ts";

/** Milliseconds between two lines about how far it is. */
const sayEveryMs = 2000;

export const check = command({
  args: { ...dataDirFlag },
  about: [
    "Reads every database from end to end: its structure, and the checksum of each block of the log. Changes nothing, and",
    "works while the hub runs. Ends with 1 when it has found damage; orion hub repair mends what can be mended.",
  ].join("\n"),
  examples: ["sudo -u orion orion hub check"],
  async run({ args, session }) {
    const { dataDir } = await hubSettings(session, args["data-dir"]);
    const { checkData, readSenderNames } = await import("#src/hub/hub.ts");
    const { nameOf } = readSenderNames(dataDir);
    const damages: unknown[] = [];
    const files: string[] = [];
    let saidAt = performance.now();
    for await (const step of checkData(dataDir)) {
      if (step.kind === "damage") {
        const { damage } = step;
        damages.push(damage.kind === "block" ? { ...damage, server: nameOf(damage.serverId) } : damage);
        if (!session.json) await print(`${damageText(damage, nameOf)}\n`);
      } else if (step.kind === "begin") {
        files.push(step.file);
        if (!session.json) await note(`${step.file}: ${bytes(step.bytes)}`);
      } else if (!session.json && performance.now() - saidAt > sayEveryMs) {
        saidAt = performance.now();
        await note(`${step.file}: ${count(step.done)} of ${count(step.total)} blocks`);
      }
    }
    if (session.json) await printJson({ dataDir, files, damages });
    else if (damages.length === 0) await print(`${files.join(", ")}: nothing is damaged\n`);
    else await note("Mend what can be mended with orion hub repair; what can't is in a backup, if there is one");
    return damages.length === 0 ? exitCodes.done : exitCodes.failed;
  },
});
