// Loaded before every test file (bunfig.toml). Tests must not see the settings of whoever runs them.
import { setDefaultTimeout } from "bun:test";

// fast-check makes its tables of characters when they are first asked for: half a second of processor time, and five of
// anybody's clock where many tests share two processors. A file may set its own.
setDefaultTimeout(30_000);

/** What speaks to the tests themselves: see test/e2e/nothing-lost.test.ts. */
const ours = new Set(["ORION_SOAK", "ORION_SEED"]);
for (const name of Object.keys(process.env)) {
  if (/^(ORION|OCORE)_/.test(name) && !ours.has(name)) delete process.env[name];
}
delete process.env["NOTIFY_SOCKET"];
delete process.env["WATCHDOG_USEC"];
