import { expect, test } from "bun:test";

import { createHubKeys } from "#src/hub/ssh/hub-key.ts";
import { publicKeyOf } from "#src/hub/ssh/keys.ts";

// Before, the key of one organization in 256 was of no use, for ever
test("the keys that are made for organizations can all be read", async () => {
  const kept = new Map<string, string>();
  const store = {
    hubKey: async (organization: string) => kept.get(organization),
    putHubKey: async (organization: string, sealed: string) => void kept.set(organization, sealed),
  };
  const open = { seal: async (text: string) => text, open: async (text: string) => text };
  const keys = createHubKeys(store, open, () => 0);
  for (let n = 0; n < 1500; n++) {
    const key = await keys.publicKey(`o${n}`);
    if (!key.startsWith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI")) throw new Error(`${key} is not 32 bytes`);
  }
  expect(new Set([...kept.values()].map((text) => publicKeyOf(text, null))).size).toBe(1500);
});
