// Loaded before every test file (bunfig.toml). Tests must not see the settings of whoever runs them.
/** What speaks to the tests themselves: see test/e2e/nothing-lost.test.ts. */
const ours = new Set(["ORION_SOAK", "ORION_SEED"]);
for (const name of Object.keys(process.env)) {
  if (/^(ORION|OCORE)_/.test(name) && !ours.has(name)) delete process.env[name];
}
delete process.env["NOTIFY_SOCKET"];
delete process.env["WATCHDOG_USEC"];
