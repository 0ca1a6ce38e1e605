/** A backup from a process of its own: `bun backup-program.ts DATA_DIR FILE`. */
import { backup } from "#src/hub/store/backup.ts";
import { systemClock } from "#src/lib/clock.ts";

const [dataDir = "", file = ""] = process.argv.slice(2);
await backup(dataDir, file, { clock: systemClock });
