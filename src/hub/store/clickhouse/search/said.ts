/**
 * What can be said of a query in SQL: a condition that every match fulfils, and one that only matches fulfil. Where both
 * are the same, ClickHouse can answer alone; what lies between the two is for the hub's own matcher to decide.
 */
import { type Sql, and, no, not, or, yes } from "./sql.ts";

export type Said = {
  /** true of every match, and maybe of others */
  readonly upper: Sql;
  /** true of matches only, and maybe not of all */
  readonly lower: Sql;
};

export const exactly = (condition: Sql): Said => ({ upper: condition, lower: condition });

/** Nothing is known but what every match fulfils. */
export const atMost = (upper: Sql): Said => ({ upper, lower: no });

export const isExact = ({ upper, lower }: Said): boolean => upper === lower;

export const everything: Said = exactly(yes);
export const nothing: Said = exactly(no);

export function both(...parts: readonly Said[]): Said {
  return { upper: and(...parts.map(({ upper }) => upper)), lower: and(...parts.map(({ lower }) => lower)) };
}

export function either(...parts: readonly Said[]): Said {
  return { upper: or(...parts.map(({ upper }) => upper)), lower: or(...parts.map(({ lower }) => lower)) };
}

export function contrary({ upper, lower }: Said): Said {
  return { upper: not(lower), lower: not(upper) };
}

/** What is known of a match only when a condition is fulfilled: of others, it is open. */
export function provided(condition: Sql, { upper, lower }: Said): Said {
  return { upper: or(upper, not(condition)), lower: and(condition, lower) };
}

/** Also known: a condition that every match fulfils. It is the first that is looked at, for the sake of the indexes. */
export function within(condition: Sql, { upper, lower }: Said): Said {
  return { upper: and(condition, upper), lower: and(condition, lower) };
}
