/**
 * The hub's own key pairs: one for each organization, so that none can sign in to a host that let another in. Made when
 * first asked for, the private half sealed. Whoever pastes the public half into a host's authorized_keys lets the hub in
 * without giving it a key of theirs.
 */
import { utils } from "ssh2";

import { publicKeyOf } from "./keys.ts";

/** Seals secrets, see auth/vault.ts; `context` says what one is for. */
export type Sealing = {
  seal(text: string, context: string): Promise<string>;
  open(sealed: string, context: string): Promise<string>;
};

export type HubKeyStore = {
  /** The sealed private key; undefined: none was made yet. */
  hubKey(organizationId: string): Promise<string | undefined>;
  /** Keeps the first one that is put; with `broken`, the first that is put in place of that. */
  putHubKey(organizationId: string, sealed: string, createdAtMs: number, broken?: string): Promise<void>;
};

export type HubKeys = {
  /** As it stands in authorized_keys, with a comment. */
  publicKey(organizationId: string): Promise<string>;
  privateKey(organizationId: string): Promise<string>;
};

const comment = "orion-hub";

/**
 * A key that can be read again: of those that ssh2 makes one in 256 can't, because a zero at the beginning of its public
 * half is left out (DER's rule for whole numbers, which keys are not).
 */
function makeKey(): string {
  for (;;) {
    const made = utils.generateKeyPairSync("ed25519", { comment }).private;
    if (canBeRead(made)) return made;
  }
}

const canBeRead = (key: string): boolean => !(utils.parseKey(key) instanceof Error);

/** @param warn hears of a key that is of no use, and was made anew */
export function createHubKeys(
  store: HubKeyStore,
  vault: Sealing,
  now: () => number,
  warn: (message: string) => void,
): HubKeys {
  async function privateKey(organizationId: string): Promise<string> {
    const context = `ssh hub key ${organizationId}`;
    const kept = await store.hubKey(organizationId);
    const key = kept === undefined ? undefined : await vault.open(kept, context);
    if (key !== undefined && canBeRead(key)) return key;
    const made = makeKey();
    await store.putHubKey(organizationId, await vault.seal(made, context), now(), kept);
    // what is kept counts: another request may have made one in the same moment
    const first = await store.hubKey(organizationId);
    const used = first === undefined ? made : await vault.open(first, context);
    // no host can have let the old one in: its public half was never shown to anybody
    if (key !== undefined && used === made) {
      warn(
        `the hub's SSH key of the organization ${organizationId} was stored broken by an older version, and could never be used: ` +
          "there is a new one. Append what `orion server ssh key` prints to authorized_keys of the servers that it is meant for",
      );
    }
    return used;
  }

  return {
    privateKey,
    publicKey: async (organizationId) => `${publicKeyOf(await privateKey(organizationId), null)} ${comment}`,
  };
}
