/**
 * A database adapter that keeps the secrets of authenticators sealed. better-auth encrypts them itself
 * (XChaCha20-Poly1305); the vault goes around that, so that all secrets of the hub hang on one key and one cipher.
 */
import type { DBAdapter } from "better-auth";

import type { Vault } from "./vault.ts";

const model = "twoFactor";
const field = "secret";
const context = "two-factor secret";

type Row = Record<string, unknown>;

/** `inner`, with `twoFactor.secret` sealed on the way in and opened on the way out. */
export function sealTwoFactor(inner: DBAdapter, vault: Vault): DBAdapter {
  async function sealed<T>(row: T): Promise<T> {
    const value = (row as Row)[field];
    return typeof value === "string" ? { ...row, [field]: await vault.seal(value, context) } : row;
  }
  async function opened<T>(row: T): Promise<T> {
    const value = (row as Row | null)?.[field];
    return typeof value === "string" ? { ...row, [field]: await vault.open(value, context) } : row;
  }

  return {
    ...inner,
    async create(data) {
      if (data.model !== model) return await inner.create(data);
      return await opened(await inner.create({ ...data, data: await sealed(data.data) }));
    },
    async update<T>(data: Parameters<typeof inner.update>[0]) {
      if (data.model !== model) return await inner.update<T>(data);
      return await opened(await inner.update<T>({ ...data, update: await sealed(data.update) }));
    },
    async findOne<T>(data: Parameters<typeof inner.findOne>[0]) {
      const row = await inner.findOne<T>(data);
      return data.model === model ? await opened(row) : row;
    },
    async findMany<T>(data: Parameters<typeof inner.findMany>[0]) {
      const rows = await inner.findMany<T>(data);
      return data.model === model ? await Promise.all(rows.map(opened)) : rows;
    },
    transaction: (work) => inner.transaction((within) => work(sealTwoFactor(within as DBAdapter, vault))),
  };
}
