/** A forced restore from a process of its own, to be killed: `bun restore-program.ts FILE DATA_DIR`. Says when it begins. */
import { restore } from "#src/hub/store/restore.ts";
import { systemClock } from "#src/lib/clock.ts";

const [file = "", dataDir = ""] = process.argv.slice(2);
process.stdout.write("begins\n");
await restore(file, dataDir, { force: true, clock: systemClock });
process.stdout.write("done\n");
