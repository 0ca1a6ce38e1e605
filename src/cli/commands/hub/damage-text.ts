/** Damage in words, as `orion hub check` and `orion hub repair` tell of it. */
import { count } from "../../units.ts";

type Block = {
  readonly block: string;
  readonly problem: string | null;
  readonly lines: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly serverId: string;
  readonly sources: readonly string[];
};
type Damage =
  | { readonly kind: "structure"; readonly file: string; readonly problem: string }
  | ({ readonly kind: "block"; readonly file: string } & Block);

/** One line. */
export function damageText(damage: Damage, nameOf: (id: string) => string): string {
  return damage.kind === "structure"
    ? `${damage.file}: ${damage.problem.replaceAll("\n", "; ")}`
    : `${damage.file}: ${blockText(damage, nameOf)}`;
}

/** `block 17 (4,000 lines of web-1, api, from … to …): its checksum is another` */
export function blockText({ block, problem, lines, ...where }: Block, nameOf: (id: string) => string): string {
  const { serverId, sources, firstMs, lastMs } = where;
  // a source's lines are filed under its own name
  const origin = [...new Set([nameOf(serverId), ...sources])].filter((name) => name !== "").join(", ");
  const many = lines === 1 ? "1 line" : `${count(lines)} lines`;
  const inside = lines === 0 ? origin : `${many} of ${origin}, from ${time(firstMs)} to ${time(lastMs)}`;
  return `${block} (${inside}): ${problem ?? "nothing is wrong"}`;
}

/** A damaged one may say any number. */
function time(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? "?" : date.toISOString();
}
