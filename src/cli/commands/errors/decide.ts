/** `orion errors resolve`, `ignore`, `reopen`, `merge` and `split`. */
import type { ErrorDecision, ErrorGroup } from "#src/protocol/error-group.ts";

import { command } from "../../command.ts";
import { type ExitCode, exitCodes, usageFault } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import { decide, findFingerprint } from "../../hub/errors.ts";
import { title } from "../../hub/errors-view.ts";
import { print, printJson } from "../../output.ts";
import type { Session } from "../../session.ts";
import { parseUntil, parseWhole } from "../../values.ts";
import { groupWord } from "./show.ts";

/** One group or several. */
const groupWords = {
  ...groupWord,
  valueHint: "fingerprint...",
  description: "ids of groups, or how they begin",
} as const;
const mostEvents = 1_000_000_000;

export const resolve = command({
  args: {
    fingerprint: groupWords,
    "in-release": {
      type: "string",
      valueHint: "release",
      description: "the release that mends it; older ones may go on failing",
    },
  },
  about: "It is taken for mended. Should it come again, it is open again and said to be a regression.",
  examples: ["orion errors resolve k3v7q2mx", "orion errors resolve k3v7q2mx --in-release 1.4.0"],
  async run({ args, words, session }) {
    const release = args["in-release"];
    const decision = { action: "resolve", ...(release === undefined ? {} : { release }) } as const;
    return await decideAll(session, words, decision, release === undefined ? "resolved" : `resolved in ${release}`);
  },
});

export const ignore = command({
  args: {
    fingerprint: groupWords,
    until: { type: "string", valueHint: "time", description: "until then: 2h, 7d, or 2026-01-31T14:00:00Z" },
    count: { type: "string", valueHint: "N", description: "until so many more have come" },
  },
  about: "It is counted and not shown: until then, until so many more have come, or until it is opened again.",
  examples: ["orion errors ignore k3v7q2mx --until 7d", "orion errors ignore k3v7q2mx --count 100"],
  async run({ args, words, session }) {
    if (args.until !== undefined && args.count !== undefined) {
      throw usageFault("errors ignore takes --until or --count, not both", "Leave one of them out");
    }
    const until = args.until === undefined ? undefined : parseUntil(args.until, Date.now());
    const count = args.count === undefined ? undefined : parseWhole("--count", args.count, 1, mostEvents);
    const decision = {
      action: "ignore",
      ...(until === undefined ? {} : { until }),
      ...(count === undefined ? {} : { count }),
    } as const;
    const how = until === undefined ? (count === undefined ? "" : ` until ${count} more have come`) : ` until ${until}`;
    return await decideAll(session, words, decision, `ignored${how}`);
  },
});

export const reopen = command({
  args: { fingerprint: groupWords },
  async run({ words, session }) {
    return await decideAll(session, words, { action: "reopen" }, "open again");
  },
});

export const merge = command({
  args: {
    fingerprint: { ...groupWord, description: "the group that goes: its id, or how it begins" },
    into: { ...groupWord, description: "the group that its events, past and future, become part of" },
  },
  async run({ args, session }) {
    const hub = connectHub(session);
    const into = await findFingerprint(hub, args.into);
    const group = await decide(hub, args.fingerprint, { action: "merge", into });
    if (session.json) await printJson(group);
    else await print(`${args.fingerprint} is part of ${group.fingerprint} now: ${title(group)}\n`);
    return exitCodes.done;
  },
});

export const split = command({
  args: {
    fingerprint: groupWord,
    sample: {
      type: "positional",
      required: true,
      valueHint: "sample",
      description: "id of a sample of the group, as orion errors show --samples has it",
    },
  },
  about: "All events that are like the sample in every function and in the message are a group of their own then.",
  examples: ["orion errors show k3v7q2mx --samples", "orion errors split k3v7q2mx 4711"],
  async run({ args, session }) {
    const sample = String(parseWhole("the sample", args.sample, 1, Number.MAX_SAFE_INTEGER));
    const group = await decide(connectHub(session), args.fingerprint, { action: "split", sample });
    if (session.json) await printJson(group);
    else await print(`${group.fingerprint} is a group of its own now: ${title(group)}\n`);
    return exitCodes.done;
  },
});

async function decideAll(
  session: Session,
  words: readonly string[],
  decision: ErrorDecision,
  what: string,
): Promise<ExitCode> {
  const hub = connectHub(session);
  // all of them are found before anything is changed
  const names: string[] = [];
  for (const word of words) names.push(await findFingerprint(hub, word));
  const groups: ErrorGroup[] = [];
  for (const name of names) {
    const group = await decide(hub, name, decision);
    groups.push(group);
    if (!session.json) await print(`${group.fingerprint} is ${what}: ${title(group)}\n`);
  }
  if (session.json) await printJson({ groups });
  return exitCodes.done;
}
