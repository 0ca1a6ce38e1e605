/** Does the hub answer, take our token, and have the same time? */
import { reasonOf } from "#src/protocol/fault.ts";
import { version } from "#src/protocol/version.ts";

import { type Finding, fail, ok, warn } from "./finding.ts";
import type { Known } from "./settings.ts";

const answerWithinMs = 10_000;
/** Seconds between two clocks that nobody notices; the header itself has whole seconds only. */
const harmlessSkew = 5;
/** Seconds beyond which certificates and the order of entries of several hosts can't be trusted. */
const harmfulSkew = 300;

export async function checkHub(endpoint: string, known: Known): Promise<readonly Finding[]> {
  const url = `${endpoint.replace(/\/+$/, "")}/api/v1/agent/logs`;
  let response: Response;
  const sentAt = Date.now();
  try {
    response = await fetch(url, {
      method: "POST",
      // no entries: nothing is stored, whatever the answer
      body: "",
      redirect: "manual",
      signal: AbortSignal.timeout(answerWithinMs),
      headers: {
        "content-type": "application/x-ndjson",
        "user-agent": `orion-agent/${version}`,
        ...(known.token === undefined ? {} : { authorization: `Bearer ${known.token}` }),
        ...(known.serverId === undefined ? {} : { "x-server-id": known.serverId }),
      },
      ...(known.caFile === undefined ? {} : { tls: { ca: Bun.file(known.caFile) } }),
    });
    await response.arrayBuffer();
  } catch (error) {
    return [
      fail("http", `${endpoint} does not answer: ${reasonOf(error)}`, "Is it an Orion hub? Look at the hub's log"),
    ];
  }
  const skew = checkClock(response.headers.get("date"), (sentAt + Date.now()) / 2);
  return [...checkAnswer(endpoint, response, known), ...skew];
}

function checkAnswer(endpoint: string, response: Response, known: Known): Finding[] {
  const { status } = response;
  if (status >= 300 && status < 400) {
    const target = response.headers.get("location") ?? "elsewhere";
    return [
      fail(
        "http",
        `${endpoint} redirects to ${target}, which the agent does not follow`,
        "Set apiUrl to the hub's own address",
      ),
    ];
  }
  if (status === 404 || status === 405) {
    return [
      fail(
        "http",
        `${endpoint} answers, but it is no Orion hub (${status})`,
        "Check apiUrl: it is the hub's address without /api",
      ),
    ];
  }
  if (status >= 500) {
    return [
      fail(
        "http",
        `the hub at ${endpoint} answers ${status}`,
        "Look at the hub's log; the agent keeps everything meanwhile",
      ),
    ];
  }
  const answers = ok("http", `${endpoint} answers`);
  if (known.token === undefined || known.serverId === undefined) return [answers];
  if (status === 401 || status === 403) {
    return [
      answers,
      fail(
        "token",
        `the hub refuses this server's token (${status}): it was rotated or revoked, or is of another server`,
        "Make a new token on the hub and put it into the config file; no restart is needed",
      ),
    ];
  }
  return [answers, ok("token", "the hub accepts it")];
}

function checkClock(date: string | null, now: number): Finding[] {
  const theirs = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(theirs)) return [];
  // the header is cut to whole seconds: half of one too early on average
  const seconds = Math.round((now - theirs - 500) / 1000);
  if (Math.abs(seconds) <= harmlessSkew) return [ok("clock", "agrees with the hub's")];
  const what = `this host's clock is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} the hub's`;
  const todo = "Synchronise both: timedatectl set-ntp true";
  return [Math.abs(seconds) > harmfulSkew ? fail("clock", what, todo) : warn("clock", what, todo)];
}
