/** Who may use the trial: an owner, an API key and a source, made at its first start and kept in `credentials.json`. */
import { randomBytes } from "node:crypto";

import { writeFileAtomic } from "#src/lib/files.ts";
import { parseJson } from "#src/lib/json.ts";
import { readOwnedFile } from "#src/lib/owned-file.ts";
import { type Scope, scopes } from "#src/protocol/access.ts";
import { type Credentials, credentials as credentialsSchema } from "#src/protocol/api.ts";
import { z } from "#src/protocol/schema.ts";

/** The only person of a trial. */
const email = "admin@localhost";
const sourceName = "trial";

/** What the trial asks of its hub. */
export type Operator = {
  people(order: Record<string, never>): Promise<{ readonly people: readonly { readonly email: string }[] }>;
  createOwner(order: { email: string; password: string }): Promise<unknown>;
  resetPassword(order: { email: string; password: string }): Promise<unknown>;
  createKey(order: { name: string; scopes: Scope[] }): Promise<{ readonly token: string }>;
  createSource(order: { name: string }): Promise<{ readonly token: string }>;
};

/** Everything that the file holds once the trial has started. */
export type FullCredentials = { readonly [K in keyof Credentials]-?: NonNullable<Credentials[K]> };

/** What is in the file and still true is kept; what is missing is made. Writes the file (0600). */
export async function provideCredentials(path: string, url: string, operator: Operator): Promise<FullCredentials> {
  const { people } = await operator.people({});
  const known = people.some((person) => person.email === email);
  // what is there of another hub, whose data is gone, opens nothing
  const before = known ? readBefore(path) : {};
  const password = before.password ?? randomBytes(15).toString("base64url");
  if (!known) await operator.createOwner({ email, password });
  else if (before.password === undefined || before.email !== email) await operator.resetPassword({ email, password });
  const apiKey = before.apiKey ?? (await operator.createKey({ name: "orion up", scopes: [...scopes] })).token;
  const sourceToken = before.sourceToken ?? (await operator.createSource({ name: sourceName })).token;
  const whole = { url, email, password, apiKey, sourceToken };
  writeFileAtomic(path, `${JSON.stringify(whole, null, 2)}\n`);
  return whole;
}

function readBefore(path: string): Partial<Credentials> {
  const file = readOwnedFile(path);
  const json = file.state === "text" ? parseJson(file.text) : undefined;
  const read = json?.ok === true ? z.core.safeParse(credentialsSchema, json.value) : undefined;
  // a file that is broken or not ours is written anew: all that it holds can be made again
  return read?.success === true ? read.data : {};
}
