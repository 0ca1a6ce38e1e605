/** `orion`: the command line in, the exit code out. */
import { runCommandLine } from "./cli/cli.ts";

process.exit(await runCommandLine(process.argv.slice(2)));
