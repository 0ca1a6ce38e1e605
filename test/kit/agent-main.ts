/** The agent's foreground command alone, for tests that start it as a process of its own. */
import { runAgent } from "#src/agent/foreground.ts";
import { reasonOf } from "#src/protocol/fault.ts";

try {
  process.exit(await runAgent({ env: process.env }));
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exit(1);
}
