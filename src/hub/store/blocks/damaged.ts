/** Reading of a file in which places can't be followed. */
import type { Database } from "bun:sqlite";

/** undefined: the place where it lies is damaged. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB" || code === "SQLITE_ERROR") return undefined;
    throw error;
  }
}

/** Both directions in which a tree is read: what lies behind a damaged place is reached from its other end. */
export const orders = ["ASC", "DESC"] as const;

/** Whether a key comes after another in an order; a damaged tree may lead in a circle. */
export function comesAfter(next: readonly number[], last: readonly number[], order: "ASC" | "DESC"): boolean {
  const at = next.findIndex((value, i) => value !== last[i]);
  if (at === -1) return false;
  const [a, b] = [next[at] as number, last[at] as number];
  return order === "ASC" ? a > b : a < b;
}

/**
 * Rows of a table or of one of its indexes, as they are listed from each end to the place that can't be read. `tree`: its
 * name with what it is read by; `key`: columns of whole numbers that order it.
 */
export function listed<Row extends Record<string, unknown>>(
  old: Database,
  {
    tree,
    columns,
    key,
  }: { readonly tree: string; readonly columns: readonly string[]; readonly key: readonly string[] },
): { readonly rising: readonly Row[]; readonly falling: readonly Row[] } {
  const [rising = [], falling = []] = orders.map((order) => {
    const rows: Row[] = [];
    let last: readonly number[] | undefined;
    const sorted = key.map((column) => `${column} ${order}`).join(", ");
    attempt(() => {
      for (const row of old.query<Row, []>(`SELECT ${columns.join(", ")} FROM ${tree} ORDER BY ${sorted}`).iterate()) {
        const next = key.map((column) => Number(row[column]));
        if (last !== undefined && !comesAfter(next, last, order)) break;
        last = next;
        rows.push(row);
      }
    });
    return rows;
  });
  return { rising, falling };
}
