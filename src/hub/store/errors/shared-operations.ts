/** What a hub does to its error groups, as it lies in the common log: done again by the others, it comes to the same. */
import type { ErrorWrites, GroupRow, PruneLimits, VariantRow } from "#src/protocol/error-rows.ts";
import type { ErrorStore } from "./port.ts";

export type Operation =
  | { readonly op: "write"; readonly writes: ErrorWrites }
  | { readonly op: "merge"; readonly from: number; readonly into: GroupRow }
  | { readonly op: "split"; readonly variant: VariantRow; readonly from: GroupRow; readonly made: GroupRow }
  | { readonly op: "prune"; readonly limits: PruneLimits }
  /** everything was made anew: it is in a snapshot */
  | { readonly op: "anew" }
  /** nothing but what is told of it */
  | { readonly op: "none" };

/** Of a log's row: what was done, and what listeners are told of it, which is not the store's business. */
export type Entry = { readonly operation: Operation; readonly told: readonly unknown[] };

/** Does what another hub has done. */
export function perform(store: ErrorStore, operation: Operation): void {
  switch (operation.op) {
    case "write":
      return store.write(operation.writes);
    case "merge":
      return store.merge(operation.from, operation.into);
    case "split":
      return store.split(operation.variant, operation.from, operation.made);
    case "prune":
      store.prune(operation.limits);
      return;
    case "none":
      return;
    case "anew":
      throw new Error("what was made anew is not applied but loaded");
    default:
      throw new Error(`an operation of a newer Orion: ${String((operation satisfies never as { op: unknown }).op)}`);
  }
}

/** As text, as it is now: the rows that a tally writes are changed by it later. */
export function textOf(operation: Operation): string {
  if (operation.op !== "write") return JSON.stringify(operation);
  const { writes } = operation;
  const samples = writes.samples.map((sample) => ({ ...sample, body: Buffer.from(sample.body).toString("base64") }));
  return JSON.stringify({ op: "write", writes: { ...writes, samples } });
}

/** @param text what `textOf` gave */
export async function packEntry(text: string, told: readonly unknown[]): Promise<Uint8Array> {
  return await Bun.zstdCompress(`{"operation":${text},"told":${JSON.stringify(told)}}`, { level: 3 });
}

export async function unpackEntry(body: Uint8Array): Promise<Entry> {
  const { operation, told } = JSON.parse((await Bun.zstdDecompress(body)).toString()) as Entry;
  if (operation.op !== "write") return { operation, told };
  const { writes } = operation;
  const samples = writes.samples.map((sample) => ({ ...sample, body: Buffer.from(String(sample.body), "base64") }));
  return { operation: { op: "write", writes: { ...writes, samples } }, told };
}
