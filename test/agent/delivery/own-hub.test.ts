/** Delivery against the hub's own ways in, stream and POST, down to its store. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createDelivery } from "#src/agent/delivery/delivery.ts";
import type { Delivery, DeliveryOptions } from "#src/agent/delivery/door.ts";
import { systemClock } from "#src/lib/clock.ts";
import { startIngest } from "#test/hub/api/intake/ingest-rig.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

// a stream that was refused waits before it is opened again
setDefaultTimeout(30_000);

const server = "server-1";

function open(folder: string, apiUrl: string): Delivery & AsyncDisposable {
  const delivery = createDelivery(
    {
      bufferPath: `${folder}/buffer.jsonl`,
      overflowDir: `${folder}/overflow`,
      maxEntries: 10_000,
      maxBytes: 256 * 1024 * 1024,
      connection: { apiUrl, token: server, serverId: server },
      userAgent: "orion-agent/0.0.0",
      bootId: "boot-1",
      heartbeatSeconds: 300,
      heartbeat: () => ({}) as ReturnType<DeliveryOptions["heartbeat"]>,
    },
    { clock: systemClock, log: { debug() {}, info() {}, warn() {}, error() {} } },
  );
  delivery.open();
  delivery.start();
  return Object.assign(delivery, { [Symbol.asyncDispose]: () => delivery.stop(0) });
}

function take(delivery: Delivery, messages: readonly string[]): readonly string[] {
  const lines = messages.map((message) => ({
    at: "2026-01-02T03:04:05.123456789Z",
    stream: "stdout" as const,
    message,
  }));
  const chunk = { source: "web", container: "web-1", containerId: "abc", lines, position: "1 - -" };
  expect(delivery.takeContainer(chunk)).toBe(true);
  return messages;
}

describe("lines of containers in the hub's own store", () => {
  test("arrive over the stream once and in order, whatever is in them and however many there are", async () => {
    await using folder = temporaryFolder();
    await using hub = await startIngest();
    await using delivery = open(folder.path, hub.url);
    const all = [...take(delivery, ["first"])];
    await until(() => hub.ingest.stream.count() === 1, "the stream");
    all.push(
      ...take(delivery, ['quotes " and \\ backslashes', "\t\u001b[31mred\u001b[0m", "grüße € 🚀", "", "\u2028"]),
    );
    // a message as long as one may be, of what takes most room in JSON, and of what can't be compressed
    all.push(...take(delivery, ["\u0001".repeat(1_048_576)]));
    const random = crypto.getRandomValues(new Uint8Array(60_000));
    all.push(
      ...take(
        delivery,
        Array.from({ length: 12 }, () => Buffer.from(random).toString("base64")),
      ),
    );
    for (let i = 0; i < 40; i++)
      all.push(
        ...take(
          delivery,
          Array.from({ length: 1500 }, (_, n) => `line ${i}.${n}`),
        ),
      );
    await until(() => delivery.status().ledger.buffered === 0, "everything acknowledged");
    const stored = hub.stored(server);
    expect(stored.map(({ message }) => message)).toEqual(all);
    expect(new Set(stored.map(({ at }) => at))).toEqual(new Set(["2026-01-02T03:04:05.123456789Z"]));
    expect(hub.said.filter((line) => line.startsWith("error"))).toEqual([]);
    expect(hub.ingest.stream.count()).toBe(1);
  }, 20_000);

  test("wait for a new token from the moment on in which the old one dies, and are not lost", async () => {
    await using folder = temporaryFolder();
    await using hub = await startIngest();
    await using delivery = open(folder.path, hub.url);
    const all = [...take(delivery, ["first"])];
    await until(() => hub.ingest.stream.count() === 1, "the stream");
    // what is not acknowledged yet would be sent again, and is another server's then
    await until(() => delivery.status().ledger.buffered === 0, "the first line acknowledged");
    hub.kill(server);
    await until(() => delivery.status().state === "refused", "the refusal");
    all.push(...take(delivery, ["while refused"]));
    delivery.connect({ apiUrl: hub.url, token: "server-2", serverId: "server-2" });
    await until(() => hub.stored("server-2").length === 1, "the line");
    expect([...hub.stored(server), ...hub.stored("server-2")].map(({ message }) => message)).toEqual(all);
  });
});
