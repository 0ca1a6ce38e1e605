// Loaded before every test file (bunfig.toml). Tests must not see the settings of whoever runs them.
for (const name of Object.keys(process.env)) {
  if (/^(ORION|OCORE)_/.test(name)) delete process.env[name];
}
delete process.env["NOTIFY_SOCKET"];
delete process.env["WATCHDOG_USEC"];
