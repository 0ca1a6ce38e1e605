import { expect, test } from "bun:test";

import { isRestart, jobOf, unitOf } from "#src/agent/daemon/systemd.ts";

test("the service is found in cgroups of both kinds, also below a group of its own", () => {
  const first = "12:memory:/system.slice/orion-agent.service\n1:name=systemd:/system.slice/orion-agent.service\n0::/\n";
  expect(unitOf(first)).toBe("orion-agent.service");
  expect(unitOf("0::/system.slice/orion-agent.service/daemon\n")).toBe("orion-agent.service");
  expect(unitOf("0::/user.slice/user-0.slice/session-1.scope\n")).toBeUndefined();
  expect(unitOf("3:cpu:/system.slice/other.service\n")).toBeUndefined();
});

test("the job of a unit is told from those of others", () => {
  const list = "123 orion-hub.service   stop    running\n 124 orion-agent.service restart running\n";
  expect(jobOf(list, "orion-agent.service")).toBe("restart");
  expect(jobOf(list, "orion-hub.service")).toBe("stop");
  expect(jobOf("No jobs running.\n", "orion-agent.service")).toBeUndefined();
});

test("without systemd a stop is a stop", async () => {
  expect(await isRestart({})).toBe(false);
});
