import { expect, test } from "bun:test";
import { utils } from "ssh2";

import { type HubKeyStore, createHubKeys } from "#src/hub/ssh/hub-key.ts";
import { publicKeyOf, readPrivateKey } from "#src/hub/ssh/keys.ts";
import { failureOf } from "#test/kit/failure.ts";

const unsealed = { seal: async (text: string) => text, open: async (text: string) => text };

function storeOf(kept: Map<string, string>): HubKeyStore {
  return {
    hubKey: async (organization) => kept.get(organization),
    putHubKey: async (organization, sealed, _, broken) => {
      if (kept.get(organization) === broken) kept.set(organization, sealed);
    },
  };
}

/** One of those that older versions kept: ssh2 makes one in 256 so that it can't read it. */
function brokenKey(): string {
  for (;;) {
    const made = utils.generateKeyPairSync("ed25519", { comment: "orion-hub" }).private;
    if (utils.parseKey(made) instanceof Error) return made;
  }
}

// Before, the key of one organization in 256 was of no use, for ever
test("the keys that are made for organizations can all be read", async () => {
  const kept = new Map<string, string>();
  const keys = createHubKeys(
    storeOf(kept),
    unsealed,
    () => 0,
    () => undefined,
  );
  for (let n = 0; n < 1500; n++) {
    const key = await keys.publicKey(`o${n}`);
    if (!key.startsWith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI")) throw new Error(`${key} is not 32 bytes`);
  }
  expect(new Set([...kept.values()].map((text) => publicKeyOf(text, null))).size).toBe(1500);
});

test("a key that an older version has kept broken is made anew, once, and that is told", async () => {
  const broken = brokenKey();
  const kept = new Map([["o1", broken]]);
  const said: string[] = [];
  const keys = createHubKeys(
    storeOf(kept),
    unsealed,
    () => 0,
    (message) => void said.push(message),
  );
  // several ask at the same moment, as polls of servers do
  const [key, ...others] = await Promise.all([1, 2, 3].map(() => keys.privateKey("o1")));
  expect(readPrivateKey(key ?? "", null).type).toBe("ssh-ed25519");
  expect(others).toEqual([key, key] as string[]);
  expect(await keys.publicKey("o1")).toBe(`${publicKeyOf(kept.get("o1") ?? "", null)} orion-hub`);
  expect(said).toEqual([expect.stringMatching(/SSH key of the organization o1 .*`orion server ssh key`/)]);
  // one that is whole stays
  expect(await keys.privateKey("o1")).toBe(key ?? "");
  expect(said).toHaveLength(1);
});

test("a key that can't be opened stays as it is", async () => {
  const kept = new Map([["o1", "sealed with another secret"]]);
  const closed = { ...unsealed, open: async () => Promise.reject(new Error("wrong secret")) };
  const keys = createHubKeys(
    storeOf(kept),
    closed,
    () => 0,
    () => undefined,
  );
  expect(await failureOf(keys.privateKey("o1"))).toMatchObject({ message: "wrong secret" });
  expect([...kept]).toEqual([["o1", "sealed with another secret"]]);
});
