/** What simulated scripts and containers print: requests, jobs, warnings, and tracebacks of several languages. */
import { timestamp } from "#src/lib/clock.ts";
import type { Level, LogEntry, Stream } from "#src/protocol/log.ts";
import type { Simulated } from "./servers.ts";

type Printed = {
  readonly source: string;
  readonly stream: Stream;
  readonly level: Level;
  readonly message: string;
  readonly fields?: Record<string, unknown>;
};

const paths = ["/", "/api/orders", "/api/cart", "/login", "/static/app.js", "/api/products/1841"];

/** Line `n` of a server, of one of its scripts or containers. */
export function lineOf(server: Simulated, n: number): Printed {
  const names = [...server.scripts, ...server.containers];
  const source = names[n % names.length] ?? "app";
  const stream: Stream = server.scripts.includes(source) ? "stdout" : "container";
  const fields = stream === "container" ? { fields: { container: source, containerId: "c0ffee".repeat(10) } } : {};
  const pick = Bun.hash.crc32(`${server.hostname} ${n}`);
  const path = paths[pick % paths.length] ?? "/";
  if (pick % 41 === 0) {
    const message = `slow query: ${pick % 900}ms SELECT * FROM orders WHERE customer_id = ${pick % 5000}`;
    return { source, stream, level: "warn", message, ...fields };
  }
  if (pick % 29 === 0) {
    const message = JSON.stringify({
      level: "info",
      msg: "order placed",
      order: pick % 100_000,
      total: (pick % 9000) / 100,
      items: [{ sku: "A-17", count: 2 }],
    });
    return { source, stream, level: "info", message, ...fields };
  }
  if (pick % 17 === 0) {
    return {
      source,
      stream,
      level: "debug",
      message: `\u001b[36mcache\u001b[0m hit session:${pick.toString(16)}`,
      ...fields,
    };
  }
  const message = `10.0.${pick % 256}.${(pick >>> 4) % 256} "GET ${path} HTTP/1.1" ${pick % 53 === 0 ? 404 : 200} ${pick % 9000} ${pick % 700}ms`;
  return { source, stream, level: "info", message, ...fields };
}

/** A traceback, line by line, and where it comes from. */
export const tracebacks: readonly { readonly source: string; readonly lines: (n: number) => readonly string[] }[] = [
  {
    source: "api",
    lines: (n) => [
      "Traceback (most recent call last):",
      '  File "/srv/shop/api/orders.py", line 88, in place_order',
      "    charge = payments.charge(order, token)",
      '  File "/srv/shop/api/payments.py", line 41, in charge',
      "    response = session.post(url, json=body, timeout=3)",
      '  File "/usr/lib/python3/dist-packages/requests/sessions.py", line 635, in post',
      '    return self.request("POST", url, data=data, json=json, **kwargs)',
      `requests.exceptions.ReadTimeout: payment gateway did not answer for order ${48_000 + n} within 3 s`,
    ],
  },
  {
    source: "worker",
    lines: (n) => [
      `TypeError: Cannot read properties of undefined (reading 'email')`,
      "    at sendReceipt (/srv/shop/worker/receipt.js:27:31)",
      `    at processJob (/srv/shop/worker/queue.js:${100 + (n % 3)}:15)`,
      "    at async Worker.run (/srv/shop/node_modules/bullmq/dist/worker.js:402:28)",
    ],
  },
  {
    source: "backup",
    lines: (n) => [
      'Exception in thread "main" java.io.IOException: upload failed',
      "\tat com.shop.backup.Uploader.put(Uploader.java:77)",
      "\tat com.shop.backup.Main.main(Main.java:19)",
      `Caused by: java.net.SocketTimeoutException: connect timed out after ${3000 + n} ms`,
      "\tat java.base/java.net.Socket.connect(Socket.java:633)",
      "\tat com.shop.backup.Uploader.open(Uploader.java:31)",
      "\t... 2 more",
    ],
  },
  {
    source: "odoo",
    lines: (n) => [
      `2026-05-01 10:00:0${n % 10},123 4711 ERROR production odoo.http: Exception during request handling.`,
      "Traceback (most recent call last):",
      '  File "/opt/odoo/odoo/http.py", line 2138, in __call__',
      "    response = request._serve_db()",
      '  File "/opt/odoo/addons/sale/models/sale_order.py", line 514, in action_confirm',
      "    raise UserError(_('no stock'))",
      `odoo.exceptions.UserError: no stock for product ${n}`,
    ],
  },
  {
    source: "proxy",
    lines: (n) => [
      "panic: runtime error: index out of range [3] with length 3",
      "",
      `goroutine ${40 + n} [running]:`,
      "main.pickUpstream(...)",
      "\t/srv/edge/proxy/upstream.go:52",
      "main.handle(0xc0000a4000)",
      "\t/srv/edge/proxy/main.go:117 +0x1d",
    ],
  },
];

/** `count` lines of a server, spread evenly between two times, from `seq` on. */
export function entriesOf(
  server: Simulated,
  {
    count,
    seq,
    fromMs,
    toMs,
  }: { readonly count: number; readonly seq: number; readonly fromMs: number; readonly toMs: number },
): readonly LogEntry[] {
  const stepMs = (toMs - fromMs) / count;
  return Array.from({ length: count }, (_, n) => {
    // not all servers at the same instant
    const within = (Bun.hash.crc32(`${seq + n} ${server.hostname}`) % 1000) / 1000;
    const at = timestamp(Math.floor(fromMs + (n + within) * stepMs));
    return { seq: seq + n, at, ...lineOf(server, seq + n) };
  });
}

/** The lines of one traceback of a script or container of this server; none when nothing there prints one. */
export function tracebackOf(server: Simulated, n: number, seq: number, atMs: number): readonly LogEntry[] {
  const names = [...server.scripts, ...server.containers];
  const able = tracebacks.filter(({ source }) => names.includes(source));
  const chosen = able[n % Math.max(1, able.length)];
  if (chosen === undefined) return [];
  const container = !server.scripts.includes(chosen.source);
  return chosen.lines(n).map((message, i) => ({
    seq: seq + i,
    at: timestamp(atMs + i),
    source: chosen.source,
    stream: container ? "container" : "stderr",
    level: "error",
    message,
    ...(container ? { fields: { container: chosen.source, containerId: "c0ffee".repeat(10) } } : {}),
  }));
}
