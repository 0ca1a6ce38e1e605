/**
 * ClickHouse's HTTP interface before chdb, the same engine as a library. A program of its own, because the engine holds one
 * data folder a process: `bun clickhouse-server.ts FOLDER PORT [PASSWORD]`. It prints `ready PORT`, and knows as much of
 * the interface as the tests need: settings, parameters, formats in and out, compression, errors, cancelling, streaming.
 */
import { Session, type ChdbQueryStream } from "chdb";
import { rmSync } from "node:fs";
import { join } from "node:path";

import { createBehaviour } from "./clickhouse-behaviour.ts";
import { type Asked, type Refusal, insertFrom, readAsked, refusalOf, withParameters } from "./clickhouse-request.ts";

const [root = "", port = "0", password = ""] = process.argv.slice(2);
const folder = join(root, "data");
/** Queries that run at once; each has a connection to the engine of its own, since settings stick to those. */
const connections = 8;
/** Formats whose pieces may stand one behind the other; of others the answer is one piece. */
const streamed = /^(Native|RowBinary|JSONEachRow|JSONStringsEachRow|JSONCompactEachRow|TabSeparated|TSV|CSV)$/;

const free: Session[] = [];
const waiting: ((session: Session) => void)[] = [];
let opened = 0;
let files = 0;
const behaviour = createBehaviour();

async function connect(): Promise<Session> {
  const session = free.pop();
  if (session !== undefined) return session;
  if (opened < connections) {
    opened++;
    return new Session(folder);
  }
  return await new Promise((resolve) => waiting.push(resolve));
}

function giveBack(session: Session): void {
  const next = waiting.shift();
  if (next === undefined) free.push(session);
  else next(session);
}

/** What runs before a query so that it has its database and settings, and after it so that the next one doesn't. */
function surroundings({ database, settings }: Asked): { readonly before: string[]; readonly after: string[] } {
  const named = [...settings];
  return {
    before: [
      `USE ${quoteName(database)}`,
      ...named.map(([name, value]) => `SET ${quoteName(name)} = ${quoteText(value)}`),
    ],
    after: named.map(([name]) => `SET ${quoteName(name)} = DEFAULT`),
  };
}

const quoteName = (name: string): string => `\`${name.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
const quoteText = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

/** How a query is found again by the name that its sender gave it. */
const mark = (queryId: string): string => `/* query ${queryId.replaceAll("*/", "")} */ `;

/** `KILL QUERY WHERE query_id = '…'`: the engine numbers queries itself, so they are found by their mark. */
function killing(sql: string): string {
  return sql.replace(/^(\s*KILL\s+QUERY\s.*?)\bquery_id\s*=\s*'([^']*)'/is, (_, head: string, id: string) => {
    return `${head}query LIKE ${quoteText(`%${mark(id).trim()}%`)} AND query NOT LIKE '%KILL%'`;
  });
}

async function kill(queryId: string): Promise<void> {
  const session = await connect();
  try {
    await session.queryAsync(killing(`KILL QUERY WHERE query_id = ${quoteText(queryId)} ASYNC`));
  } finally {
    giveBack(session);
  }
}

async function answer(request: Request): Promise<Response> {
  const asked = await readAsked(request, password);
  if ("status" in asked) return refused(asked, "");
  const odd = behaviour.next(asked.query === "" ? asked.text : asked.query);
  if (odd === "refuse") return new Response("the server is overloaded, by the test's wish\n", { status: 503 });
  if (odd === "cut-before") return cut();
  const response = await run(request, asked);
  if (odd === "cut") {
    await response.bytes();
    return cut();
  }
  if (odd === "hold") {
    await response.bytes();
    await behaviour.released();
    return cut();
  }
  if (typeof odd === "number") await Bun.sleep(odd);
  return response;
}

/** An answer that breaks off: whoever asked can't tell what became of it. */
function cut(): Response {
  return new Response(
    new ReadableStream({
      pull(controller) {
        controller.error(new Error("cut off by the test's wish"));
      },
    }),
  );
}

async function run(request: Request, asked: Asked): Promise<Response> {
  const session = await connect();
  const { before, after } = surroundings(asked);
  let file: string | undefined;
  let streaming = false;
  let over = false;
  const done = async (): Promise<void> => {
    // who asked may leave while the last piece is made
    if (over) return;
    over = true;
    if (file !== undefined) rmSync(file, { force: true });
    for (const statement of after) await session.queryAsync(statement);
    giveBack(session);
  };
  const giveUp = (): void => void kill(asked.queryId).catch(() => {});
  request.signal.addEventListener("abort", giveUp);
  try {
    for (const statement of before) await session.queryAsync(statement);
    let sql = withParameters(asked.query === "" ? asked.text : asked.query, asked.parameters);
    if (asked.query !== "" && asked.body.length > 0) {
      file = join(folder, `insert-${process.pid}-${files++}`);
      await Bun.write(file, asked.body);
      sql = insertFrom(sql, file);
    }
    sql = mark(asked.queryId) + killing(sql);
    const format = /\bFORMAT\s+(\w+)\s*;?\s*$/i.exec(sql)?.[1] ?? asked.format;
    const reads = /^\s*(SELECT|WITH|\()/i.test(sql.slice(mark(asked.queryId).length));
    if (reads && streamed.test(format)) {
      const stream = session.queryStream(sql.replace(/\bFORMAT\s+\w+\s*;?\s*$/i, ""), { format });
      const pieces = stream[Symbol.asyncIterator]();
      // the first piece tells whether the query is good: a refusal needs its status
      const first = await pieces.next();
      streaming = true;
      return new Response(bodyOf(stream, first, pieces, done), { headers: headersOf(asked, format) });
    }
    const result = await session.queryAsync(sql, { format });
    return new Response(result.bytes().slice(), { headers: headersOf(asked, format) });
  } catch (error) {
    return refused(refusalOf(error), asked.queryId);
  } finally {
    request.signal.removeEventListener("abort", giveUp);
    if (!streaming) await done();
  }
}

type Piece = { readonly raw: () => Uint8Array };

function bodyOf(
  stream: ChdbQueryStream,
  first: IteratorResult<Piece>,
  pieces: AsyncIterator<Piece>,
  done: () => Promise<void>,
): ReadableStream<Uint8Array> {
  let next: Promise<IteratorResult<Piece>> | undefined = Promise.resolve(first);
  let making: Promise<IteratorResult<Piece>> | undefined;
  return new ReadableStream<Uint8Array>({
    type: "bytes" as never,
    async pull(controller) {
      try {
        making = next ?? pieces.next();
        next = undefined;
        const piece = await making;
        if (piece.done === true) {
          await done();
          controller.close();
        } else if (piece.value.raw().length > 0) controller.enqueue(piece.value.raw());
      } catch (error) {
        // as ClickHouse does when its answer is half out: the text of the error stands where the rest would
        controller.enqueue(Buffer.from(`\n${refusalOf(error).text}`));
        await done();
        controller.error(error);
      }
    },
    async cancel() {
      stream.cancel();
      // the connection is another's only once the engine is done with this one
      await Promise.allSettled([making]);
      await done();
    },
  });
}

function headersOf({ queryId }: Asked, format: string): Record<string, string> {
  return {
    "x-clickhouse-query-id": queryId,
    "x-clickhouse-format": format,
    "x-clickhouse-server-display-name": "test",
  };
}

function refused({ status, code, text }: Refusal, queryId: string): Response {
  const headers = { "x-clickhouse-exception-code": String(code), "x-clickhouse-query-id": queryId };
  return new Response(`${text}\n`, { status, headers });
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(port),
  idleTimeout: 0,
  // an answer that breaks off is meant to
  error: () => new Response("the answer broke off\n", { status: 500 }),
  maxRequestBodySize: 512 * 1024 * 1024,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/ping") return new Response("Ok.\n");
    if (pathname === "/-/behaviour") return await behaviour.set(request);
    if (request.method === "GET" && !request.url.includes("query=")) return new Response("Ok.\n");
    return await answer(request);
  },
});
process.on("SIGTERM", () => process.exit(0));
// whoever started it is gone: nobody else would end it, and take its data away
process.stdin.on("end", () => {
  // only when the engine is gone, which writes as long as it lives
  const remove = 'while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; rm -rf "$2"';
  Bun.spawn(["sh", "-c", remove, "sh", String(process.pid), root], { stdin: "ignore", stdout: "ignore" }).unref();
  process.kill(process.pid, "SIGKILL");
});
process.stdin.resume();
const first = await connect();
await first.queryAsync("SELECT 1");
giveBack(first);
console.log(`ready ${server.port}`);
