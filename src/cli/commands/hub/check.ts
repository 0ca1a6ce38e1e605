/** `orion hub check`: whether the hub's databases are sound. */
import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { note, print, printJson } from "../../output.ts";
import { bytes, count } from "../../units.ts";
import { commandWorld, dataDirFlag, hubSettings } from "./folder.ts";
import { damageText } from "./damage-text.ts";

function adviceFor(inClickhouse: boolean): string {
  const files = "Mend what can be mended with orion hub repair; what can't is in a backup, if there is one";
  return inClickhouse ? `${files}. Damaged parts of ClickHouse are mended by ClickHouse, see docs/hub.md` : files;
}

/** Milliseconds between two lines about how far it is. */
const sayEveryMs = 2000;

export const check = command({
  args: { ...dataDirFlag },
  about: [
    "Reads every database from end to end: its structure, and the checksum of each block of the log. Changes nothing, and",
    "works while the hub runs; with clickhouseUrl also the parts of the log in ClickHouse. Ends with 1 when it has found damage; orion hub repair mends what can be mended.",
  ].join("\n"),
  examples: ["sudo -u orion orion hub check"],
  async run({ args, session }) {
    const settings = await hubSettings(session, args["data-dir"]);
    const { dataDir } = settings;
    const { checkHub } = await import("#src/hub/hub.ts");
    const { stores, names, steps } = await checkHub(settings, commandWorld());
    const { nameOf } = names;
    const damages: unknown[] = [];
    const files: string[] = [];
    let saidAt = performance.now();
    for await (const step of steps) {
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
    else {
      if (stores.postgres !== null) await note(`Postgres at ${stores.postgres} is not looked at: pg_amcheck does that`);
      if (damages.length > 0) await note(adviceFor(stores.clickhouse !== null));
      else if (files.length > 0) await print(`${files.join(", ")}: nothing is damaged\n`);
    }
    return damages.length === 0 ? exitCodes.done : exitCodes.failed;
  },
});
