/**
 * How the command line speaks to the hub that runs on its machine: JSON over HTTP on a Unix socket in the data folder,
 * which only the hub's own user can reach (unix(7): connecting needs the right to write the socket). `POST /createOwner`
 * with what the order takes; 200 with what it gives, or a problem document whose `code` is the Fault's.
 */
import { chmodSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";

import { Fault, type FaultCode, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { check, z } from "#src/protocol/schema.ts";
import { type HubOperator, type Order, orders } from "./operator.ts";

/** Bytes of a Unix socket's path, the closing NUL left out (sun_path, unix(7)). */
const longestSocketPath = 107;
/** Milliseconds that an order may take: hashing a password is the longest. */
const answerWithinMs = 30_000;
const maxOrderBytes = 64 * 1024;

const failure = z.object({ code: z.string(), detail: z.string(), hint: z.optional(z.string()) });

type Call = (order: unknown) => Promise<unknown>;

/** The socket of a data folder. */
export function controlPath(dataDir: string): string {
  return join(dataDir, "control.sock");
}

/** Takes orders at `path` from now on. Throws a Fault when it can't. @returns ends it */
export function serveControl(
  path: string,
  operator: HubOperator,
  error: (message: string) => void,
): () => Promise<void> {
  const length = Buffer.byteLength(path);
  if (length > longestSocketPath) {
    throw new Fault("failed", `the path ${path} is ${length} bytes long, and sockets allow ${longestSocketPath}`, {
      hint: "Choose a shorter data folder; until then `orion hub admin` works only while the hub is stopped",
    });
  }
  // the folder is locked for us, so this is what a hub that was killed has left
  rmSync(path, { force: true });
  const server = Bun.serve({
    unix: path,
    development: false,
    maxRequestBodySize: maxOrderBytes,
    fetch: (request) => answer(request, operator, error),
  });
  // the folder is 0700 already, should this come a moment late
  chmodSync(path, 0o600);
  return async () => {
    await server.stop(true);
    rmSync(path, { force: true });
  };
}

async function answer(request: Request, operator: HubOperator, error: (message: string) => void): Promise<Response> {
  const name = new URL(request.url).pathname.slice(1);
  try {
    if (request.method !== "POST" || !isOrder(name)) throw new Fault("not-found", `there is no order "${name}"`);
    return Response.json(await (operator[name] as Call)(await readOrder(request)));
  } catch (thrown) {
    if (thrown instanceof Fault) {
      const { code, message: detail, hint } = thrown;
      return Response.json({ code, detail, ...(hint === undefined ? {} : { hint }) }, { status: 400 });
    }
    error(`the order ${name} failed: ${reasonOf(thrown)}`);
    return Response.json({ code: "failed", detail: `the hub failed: ${reasonOf(thrown)}` }, { status: 500 });
  }
}

async function readOrder(request: Request): Promise<unknown> {
  try {
    return await request.json();
  } catch (error) {
    throw new Fault("invalid", `the order is not JSON: ${reasonOf(error)}`);
  }
}

const isOrder = (name: string): name is Order => Object.hasOwn(orders, name);

/** The operator of the hub that runs on `dataDir`; undefined when none does. Its orders reject with the hub's Faults. */
export async function connectControl(dataDir: string): Promise<HubOperator | undefined> {
  const path = controlPath(dataDir);
  if (!existsSync(path) || !(await isAnswered(path))) return undefined;
  const call = (name: Order) => async (order: unknown) => {
    const response = await fetch(`http://hub/${name}`, {
      unix: path,
      method: "POST",
      body: JSON.stringify(order),
      signal: AbortSignal.timeout(answerWithinMs),
    });
    const value: unknown = await response.json();
    if (response.ok) return check(orders[name].gives, value, "the hub's answer");
    const { code, detail, hint } = check(failure, value, "the hub's answer");
    throw new Fault(code as FaultCode, detail, hint === undefined ? {} : { hint });
  };
  return Object.fromEntries(Object.keys(orders).map((name) => [name, call(name as Order)])) as unknown as HubOperator;
}

/** Whether somebody listens: a hub that was killed has left its socket. */
async function isAnswered(path: string): Promise<boolean> {
  try {
    await (await fetch("http://hub/", { unix: path, signal: AbortSignal.timeout(answerWithinMs) })).body?.cancel();
    return true;
  } catch (error) {
    // ECONNREFUSED: nobody does (connect(2)); who may not connect has an answer to get
    if (errnoOf(error) === "ECONNREFUSED") return false;
    throw new Fault("unreachable", `the hub's control socket ${path} can't be reached: ${reasonOf(error)}`, {
      hint: "Run this as the hub's own user",
      cause: error,
    });
  }
}
