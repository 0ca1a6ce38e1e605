/** Credentials of one server as they are kept: sealed as one text, opened for a connection and no other time. */
import { Fault } from "#src/protocol/fault.ts";
import { check, z } from "#src/protocol/schema.ts";
import type { SshAuth } from "#src/protocol/ssh.ts";
import type { Sealing } from "./hub-key.ts";
import { halvesOf } from "./keys.ts";

const secret = z.nullable(
  z.union([
    z.object({ privateKey: z.string(), passphrase: z.nullable(z.string()) }),
    z.object({ password: z.string() }),
  ]),
);
const secrets = z.object({ login: secret, sudoPassword: z.nullable(z.string()), jump: secret });

/** What one hop is signed in to with; null: the hub's key. */
export type Secret = z.infer<typeof secret>;
export type Secrets = z.infer<typeof secrets>;

export const noSecrets: Secrets = { login: null, sudoPassword: null, jump: null };

/** What is kept of what a person gave, and its public half. @throws {Fault} `invalid`: a key that can't be used */
export function keepable(auth: SshAuth): { readonly secret: Secret; readonly publicKey: string | null } {
  switch (auth.kind) {
    case "hub-key":
      return { secret: null, publicKey: null };
    case "password":
      return { secret: { password: auth.password }, publicKey: null };
    case "key": {
      const { privateKey, publicKey } = halvesOf(auth.privateKey, auth.passphrase ?? null);
      return { secret: { privateKey, passphrase: null }, publicKey };
    }
  }
}

const contextOf = (serverId: string) => `ssh server ${serverId}`;

export async function sealSecrets(vault: Sealing, serverId: string, all: Secrets): Promise<string> {
  return await vault.seal(JSON.stringify(all), contextOf(serverId));
}

/** Rejects with a Fault when the hub's secret is not the one that they were sealed with. */
export async function openSecrets(vault: Sealing, serverId: string, sealed: string): Promise<Secrets> {
  const text = await vault.open(sealed, contextOf(serverId));
  try {
    return check(secrets, JSON.parse(text), "the SSH credentials");
  } catch (error) {
    throw new Fault("failed", "the SSH credentials of the server are damaged", {
      hint: "Give them anew",
      cause: error,
    });
  }
}
