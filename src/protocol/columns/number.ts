/** Numbers for entries whose sender has none. */
import type { LogColumns } from "../log-columns.ts";

/** Numbers entries from `first` on, in their order. */
export function numberColumns({ seqs }: Pick<LogColumns, "seqs">, first: number): void {
  for (let i = 0; i < seqs.length; i++) seqs[i] = first + i;
}
