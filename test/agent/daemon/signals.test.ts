import { describe, expect, test } from "bun:test";

import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

const program = `
  import { handleSignals } from "${import.meta.resolve("#src/agent/daemon/signals.ts").replace("file://", "")}";
  const say = (what) => (value) => console.log(what, value ?? "");
  handleSignals({ stop: say("stop"), force: (s) => { console.log("force", s); process.exit(3); }, reload: say("reload"), error: (m) => console.log("error", m.split("\\n")[0]) });
  const mistake = process.argv[1];
  if (mistake === "throws") setTimeout(() => { throw new Error("thrown in a timer") }, 1);
  if (mistake === "rejects") void Promise.reject(new Error("rejected"));
  if (mistake === "storm") for (let i = 0; i < 1000; i++) void Promise.reject(new Error("storm " + i));
  setInterval(() => {}, 1000);
  setTimeout(() => console.log("ready"), 30);
`;

async function start(mistake = "none") {
  const started = startProgram([process.execPath, "-e", program, mistake]);
  await until(() => started.output().includes("ready"), "the program");
  return started;
}

describe("signals", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} stops, the second one at once`, async () => {
      await using daemon = await start();
      daemon.kill(signal);
      await until(() => daemon.output().includes(`stop ${signal}`), "the stop");
      daemon.kill("SIGTERM");
      expect(await daemon.exited).toBe(3);
      expect(daemon.output()).toContain("force SIGTERM");
    });
  }

  test("SIGHUP reloads, but not while stopping", async () => {
    await using daemon = await start();
    daemon.kill("SIGHUP");
    await until(() => daemon.output().includes("reload"), "the reload");
    daemon.kill("SIGTERM");
    await until(() => daemon.output().includes("stop"), "the stop");
    daemon.kill("SIGHUP");
    daemon.kill("SIGINT");
    await daemon.exited;
    expect(daemon.output().match(/reload/g)).toHaveLength(1);
  });
});

describe("an error that nobody caught", () => {
  test("in a timer is told, and the daemon lives on", async () => {
    await using daemon = await start("throws");
    expect(daemon.output()).toContain("error an error that nobody handled: Error: thrown in a timer");
    process.kill(daemon.pid, 0);
  });

  test("in a promise is told, and the daemon lives on", async () => {
    await using daemon = await start("rejects");
    expect(daemon.output()).toContain("error an error that nobody handled: Error: rejected");
    process.kill(daemon.pid, 0);
  });

  test("that comes in a storm doesn't flood the log", async () => {
    await using daemon = await start("storm");
    expect(daemon.output().match(/storm/g)?.length).toBe(20);
  });
});
