/** Error groups by what people call them, and what they decide about them. */
import {
  type ErrorDecision,
  type ErrorGroup,
  type ErrorsPage,
  errorGroup,
  errorsPage,
  fingerprint,
  groupKinds,
} from "#src/protocol/error-group.ts";
import { z } from "#src/protocol/schema.ts";

import { CliFault, exitCodes } from "../exit.ts";
import type { HubClient } from "./client.ts";
import { title } from "./errors-view.ts";

/** Groups of one answer. */
const pageSize = 200;
/** Characters that a fingerprint has to be named with at least. */
const fewest = 4;

type Filter = Readonly<Record<string, string | undefined>>;

/** Up to `most` groups, in the order that the filter asks for, and whether there are more. */
export async function listErrors(
  hub: HubClient,
  filter: Filter,
  most: number,
): Promise<{ readonly groups: readonly ErrorGroup[]; readonly more: boolean }> {
  const groups: ErrorGroup[] = [];
  let cursor: string | undefined;
  do {
    const limit = String(Math.min(pageSize, Math.max(1, most - groups.length)));
    const page: ErrorsPage = await hub.ask({ path: "/api/errors", query: { ...filter, limit, cursor } }, errorsPage);
    groups.push(...page.groups);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined && groups.length < most);
  return { groups, more: cursor !== undefined };
}

/**
 * The fingerprint that begins like this, with or without its version (`v1:`).
 * @throws {CliFault} there is none, or several are meant, naming them
 */
export async function findFingerprint(hub: HubClient, word: string): Promise<string> {
  const name = word.toLowerCase();
  if (z.core.safeParse(fingerprint, name).success) return name;
  const beginning = name.replace(/^v\d+:/, "");
  const found = beginning.length < fewest || !/^[a-z2-7]+$/.test(beginning) ? [] : await beginWith(hub, name);
  const [first] = found;
  if (first !== undefined && found.length === 1) return first.fingerprint;
  if (first === undefined) {
    throw new CliFault(
      exitCodes.failed,
      "not-found",
      `there is no error group "${word}"`,
      `Name one by the first ${fewest} characters of its id or more; see orion errors list --state all`,
    );
  }
  const some = found.slice(0, 5).map((group) => `${group.fingerprint} (${title(group, 40)})`);
  const more = found.length > some.length ? ` and ${found.length - some.length} more` : "";
  throw new CliFault(
    exitCodes.failed,
    "conflict",
    `"${word}" is ${found.length} error groups: ${some.join(", ")}${more}`,
    "Write more of the id of the one that is meant",
  );
}

/** Groups of all kinds; an id is no secret order, so all of them have to be looked at. */
async function beginWith(hub: HubClient, name: string): Promise<readonly ErrorGroup[]> {
  const found: ErrorGroup[] = [];
  for (const kind of groupKinds) {
    const { groups } = await listErrors(hub, { kind }, Infinity);
    found.push(...groups.filter((group) => [group.fingerprint, hashOf(group)].some((one) => one.startsWith(name))));
  }
  return found;
}

/** The part of a fingerprint that tells groups apart. */
const hashOf = ({ fingerprint: name }: Pick<ErrorGroup, "fingerprint">): string => name.replace(/^v\d+:/, "");

/** Decides about a group. @returns the group that it has become */
export async function decide(hub: HubClient, word: string, decision: ErrorDecision): Promise<ErrorGroup> {
  const name = await findFingerprint(hub, word);
  return await hub.ask({ method: "PATCH", path: `/api/errors/${name}`, body: decision }, errorGroup);
}
