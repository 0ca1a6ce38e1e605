/** Secrets at rest: AES-256-GCM (NIST SP 800-38D) through WebCrypto. */
import { Fault } from "#src/protocol/fault.ts";

/** Bytes; SP 800-38D section 5.2.1.1 recommends 96 bits. Random ones are safe for 2^32 secrets under one key. */
const nonceBytes = 12;
/** Marks what this vault has sealed, and how. */
const prefix = "v1.";

export type Vault = {
  /** Ciphertext as text. `context` says what it is for: it opens in no other place. */
  seal(text: string, context: string): Promise<string>;
  /** @throws {Fault} `failed`: another key, another context, or damaged */
  open(sealed: string, context: string): Promise<string>;
};

/** @param key 32 bytes */
export async function createVault(key: Uint8Array<ArrayBuffer>): Promise<Vault> {
  const imported = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
  const parameters = (iv: Uint8Array<ArrayBuffer>, context: string) => ({
    name: "AES-GCM",
    iv,
    additionalData: new TextEncoder().encode(context),
  });

  return {
    async seal(text, context) {
      const nonce = crypto.getRandomValues(new Uint8Array(nonceBytes));
      const sealed = await crypto.subtle.encrypt(parameters(nonce, context), imported, new TextEncoder().encode(text));
      return prefix + Buffer.concat([nonce, new Uint8Array(sealed)]).toString("base64url");
    },
    async open(sealed, context) {
      const bytes = new Uint8Array(Buffer.from(sealed.slice(prefix.length), "base64url"));
      const nonce = bytes.slice(0, nonceBytes);
      try {
        if (!sealed.startsWith(prefix)) throw new Error("it was not sealed by this vault");
        const plain = await crypto.subtle.decrypt(parameters(nonce, context), imported, bytes.slice(nonceBytes));
        return new TextDecoder().decode(plain);
      } catch (error) {
        throw new Fault("failed", `a sealed secret (${context}) can't be opened`, {
          hint: "The hub's secret file is not the one that it was sealed with; restore both from one backup",
          cause: error,
        });
      }
    },
  };
}
