/** The pipes that scripts print into, held open and otherwise left alone: what is in one that nobody has open is gone. */
import { constants, existsSync, openSync, readdirSync } from "node:fs";

/** Opens every pipe of the scripts below a run folder. */
export function openPipes(runDir: string): number[] {
  const folder = `${runDir}/scripts`;
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names.flatMap((name) => {
    if (!/\.(?:stdout|stderr)$/.test(name)) return [];
    try {
      return [openSync(`${folder}/${name}`, constants.O_RDWR | constants.O_NONBLOCK)];
    } catch {
      // its script was removed meanwhile
      return [];
    }
  });
}
