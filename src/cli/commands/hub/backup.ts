/** `orion hub backup` and `orion hub restore`. */
import { resolve } from "node:path";

import { systemClock } from "#src/lib/clock.ts";

import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { note, print, printJson } from "../../output.ts";
import { bytes } from "../../units.ts";
import { dataDirFlag, hubSettings } from "./folder.ts";

const fileWord = { type: "positional", required: true, valueHint: "file", description: "the backup" } as const;

export const backup = command({
  args: { file: fileWord, ...dataDirFlag },
  about: [
    "Takes accounts, projects, tokens, servers, logs and the hub's secret, all as of one moment; the hub goes on.",
    "The file (mode 0600) opens everything that the hub keeps closed: keep it as you would keep a key.",
    "A hub on Postgres or ClickHouse is backed up by their means: this says how.",
  ].join("\n"),
  examples: ["sudo -u orion orion hub backup /var/backups/orion.tar"],
  async run({ args, session }) {
    const settings = await hubSettings(session, args["data-dir"]);
    const { dataDir } = settings;
    const hub = await import("#src/hub/hub.ts");
    hub.refuseBackup(settings);
    const report = await hub.backup(dataDir, resolve(session.environment.cwd, args.file), { clock: systemClock });
    if (session.json) await printJson({ file: report.file, bytes: report.bytes, at: report.manifest.at });
    else await print(`${report.file} holds the hub as of ${report.manifest.at}, ${bytes(report.bytes)}\n`);
    return exitCodes.done;
  },
});

export const restore = command({
  args: {
    file: fileWord,
    force: { type: "boolean", description: "move data that is there aside, and restore all the same" },
    ...dataDirFlag,
  },
  about: "Checks the whole backup before it changes anything. The hub must be stopped.",
  async run({ args, session }) {
    const settings = await hubSettings(session, args["data-dir"]);
    const { dataDir } = settings;
    const hub = await import("#src/hub/hub.ts");
    hub.refuseRestore(settings, (await hubSettings(session, undefined)).dataDir);
    const options = { force: args.force === true, clock: systemClock };
    const { manifest, aside } = await hub.restore(resolve(session.environment.cwd, args.file), dataDir, options);
    if (session.json) await printJson({ dataDir, at: manifest.at, version: manifest.version, aside });
    else {
      await print(`${dataDir} holds the hub as of ${manifest.at}; start it again\n`);
      if (aside !== null) await note(`What was there before is in ${aside}; remove it when all is well`);
    }
    return exitCodes.done;
  },
});
