/** Checksums of log lines by day and server, made from columns here and by ClickHouse there, of the same bytes. */
import type { Arrived, Odd } from "#src/protocol/log-columns.ts";
import { type Sums, addSum } from "./sums.ts";

const dayMs = 86_400_000;
/** The numbers of a line, and line feeds between them. */
const headRoom = 4096;

let scratch = Buffer.allocUnsafe(64 * 1024);

/** The key of a line's day and server: days since the epoch, a space, the server's id. */
export const keyOf = (day: number, serverId: string): string => `${day} ${serverId}`;

/** `logs 2026-01-31 SERVER`, of a key. */
export function nameOfKey(key: string): string {
  const [day = "", ...server] = key.split(" ");
  return `logs ${new Date(Number(day) * dayMs).toISOString().slice(0, 10)} ${server.join(" ")}`;
}

export const serverOfKey = (key: string): string => key.slice(key.indexOf(" ") + 1);

/** Adds every line of what arrived. */
export function addArrived(sums: Sums, { serverId, firstPosition, columns }: Arrived): void {
  const { count, times, seqs, levels, streams, text, offsets, fields, sources, sourceIndex, odd } = columns;
  let day = Number.NaN;
  let lines = 0;
  let sum = 0n;
  for (let i = 0; i < count; i++) {
    const at = times[i] as number;
    const itsDay = Math.floor(at / dayMs);
    if (itsDay !== day) {
      if (lines > 0) addSum(sums, keyOf(day, serverId), lines, sum);
      [day, lines, sum] = [itsDay, 0, 0n];
    }
    const [from, to] = [offsets[i] as number, (offsets[i + 1] as number) - 1];
    const source = sources[sourceIndex?.[i] ?? 0] ?? "";
    const head = `${serverId}\n${source}\n${seqs[i]}\n${firstPosition + i}\n${at}\n${levels[i]}\n${streams[i]}\n${fields?.[i] ?? ""}\n${oddText(odd.get(i))}\n`;
    makeRoom(head.length * 3 + to - from);
    const length = scratch.write(head);
    text.copy(scratch, length, from, to);
    sum += Bun.hash.xxHash64(scratch.subarray(0, length + to - from));
    lines++;
  }
  if (lines > 0) addSum(sums, keyOf(day, serverId), lines, sum);
}

/** What did not fit its column, as ClickHouse has it (native-insert.ts). */
const oddText = (odd: Odd | undefined): string => (odd === undefined ? "" : JSON.stringify(odd));

/** The same sums, made where the rows are: day, server, lines and sum, of the rows of a table that a condition lets through. */
export const sumsSql = (table: string, where: string): string => `
  SELECT toString(intDiv(at - positiveModulo(at, ${dayMs}), ${dayMs})) AS day, toString(server) AS server,
    count() AS lines, toString(sum(xxHash64(concat(server, '\\n', source, '\\n', toString(seq), '\\n', toString(position),
      '\\n', toString(at), '\\n', toString(level), '\\n', toString(stream), '\\n', fields, '\\n', odd, '\\n', message)))) AS sum
  FROM ${table} WHERE ${where} GROUP BY day, server`;

function makeRoom(bytes: number): void {
  if (bytes > scratch.length) scratch = Buffer.allocUnsafe(Math.max(bytes, scratch.length * 2, headRoom));
}
