import { statfsSync } from "node:fs";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createDisk, diskProblem, refuseWhenFull } from "#src/hub/disk.ts";
import { timestamp } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { mountSmallDisk, smallDiskMissing } from "#test/e2e/kit/small-disk.ts";
import { allEntries, startHub } from "#test/hub/kit/hub.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;
const diskOf = (sizeBytes: number, freeBytes: number, reserve: number | null = null) =>
  createDisk("/", reserve, () => ({ bsize: 4096, blocks: sizeBytes / 4096, bavail: freeBytes / 4096 }));

describe("the disk of the hub's data", () => {
  const reserves: readonly (readonly [name: string, size: number, setting: number | null, reserve: number])[] = [
    ["of usual size keeps half a GiB free", 20 * gibibyte, null, gibibyte / 2],
    ["that is large keeps a fiftieth free", 500 * gibibyte, null, 10 * gibibyte],
    ["that is small keeps a tenth free", gibibyte, null, gibibyte / 10],
    ["keeps what the settings say", gibibyte, 3 * mebibyte, 3 * mebibyte],
  ];
  for (const [name, size, setting, reserve] of reserves) {
    test(name, () => expect(diskOf(size, size, setting).read().reserveBytes).toBe(reserve));
  }

  test("is low below its reserve, and full below half of it", () => {
    const states = [512, 511, 256, 255, 0].map((free) => diskOf(20 * gibibyte, free * mebibyte).read().state);
    expect(states).toEqual(["enough", "low", "low", "full", "full"]);
    expect(diskProblem(diskOf(20 * gibibyte, gibibyte).read())).toBeNull();
    expect(diskProblem(diskOf(20 * gibibyte, 100 * mebibyte).read(), false)).toBe(
      "the disk of the hub's data is nearly full: 100.0 MiB of 20.0 GiB are free, and 512.0 MiB should be",
    );
    expect(diskProblem(diskOf(20 * gibibyte, 300 * mebibyte).read())).toBe(
      "the disk of the hub's data is nearly full: 300.0 MiB of 20.0 GiB are free, and 512.0 MiB should be; the oldest log lines go",
    );
  });

  test("takes no delivery while it is full", async () => {
    let free = 100;
    const disk = createDisk("/", null, () => ({ bsize: mebibyte, blocks: 20 * 1024, bavail: free }));
    const store = refuseWhenFull({ append: async (batch: string) => batch.length }, disk);
    const fault = await failureOf(store.append("abc"));
    expect(fault).toBeInstanceOf(Fault);
    expect(fault).toMatchObject({ code: "unavailable", message: expect.stringContaining("is full") });
    free = 1000;
    expect(await store.append("abc")).toBe(3);
  });
});

const missing = smallDiskMissing();

describe.skipIf(missing !== undefined)(`a hub on a small disk${missing === undefined ? "" : ` (${missing})`}`, () => {
  const reserve = 48 * mebibyte;
  const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(900))).toString("base64");
  const batch = (from: number, count: number): LogEntry[] =>
    Array.from({ length: count }, (_, i) => ({
      seq: from + i,
      at: timestamp(Date.UTC(2026, 0, 1) + from + i),
      source: "api",
      stream: "stdout",
      level: "info",
      message: noise(),
    }));

  test("deletes the oldest lines when it gets full, says so, and goes on taking new ones", async () => {
    await using place = temporaryFolder();
    await using disk = await mountSmallDisk(place.at("data"), 160 * mebibyte);
    await using hub = await startHub({ folder: place.at("data"), settings: { minFreeBytes: reserve } });
    const agent = await hub.agent();
    const readiness = async () => {
      const response = await hub.nobody.get("/readyz");
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    expect(await readiness()).toEqual({ status: 200, body: { status: "ready", problems: [] } });
    const free = () => {
      const { bavail, bsize } = statfsSync(place.at("data"));
      return bavail * bsize;
    };
    let next = 0;
    const send = async () => {
      const response = await agent.logs(batch(next, 1000));
      if (response.status === 202) next += 1000;
      return response;
    };
    await until(async () => {
      await send();
      return free() < reserve;
    }, "a disk that is nearly full");
    const low = await readiness();
    expect(JSON.stringify(low.body)).toContain("the disk of the hub's data is");
    await until(() => hub.said.some((line) => line.includes("deleted the oldest")), "the oldest lines to go", 30_000);
    await until(async () => {
      const response = await send();
      return response.status === 202 && free() > reserve / 2 && next > 120_000;
    }, "more than fits");
    const kept = await allEntries(hub, "&source=api");
    expect(kept.map((one) => one.seq)).toEqual(Array.from({ length: kept.length }, (_, i) => next - kept.length + i));
    expect(kept.length).toBeLessThan(next);
    expect(hub.said.filter((line) => line.startsWith("warn the disk")).length).toBeGreaterThan(0);

    // somebody else takes what is left
    disk.fill();
    const refused = await send();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    const full = await readiness();
    expect(full).toMatchObject({ status: 503, body: { detail: expect.stringContaining("is full") } });
    const metrics = await (await hub.get("/metrics")).text();
    expect(metrics).toMatch(/^orion_hub_disk_free_bytes \d+$/m);
    expect(metrics).toContain(`orion_hub_disk_reserve_bytes ${reserve}`);
    disk.free();
    await until(async () => (await send()).status === 202, "a delivery that is taken");
    await until(async () => (await readiness()).body["status"] === "ready", "a hub that is ready again", 30_000);
  });
});
