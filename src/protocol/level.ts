/** Severities. Apart from the schemas, so that the pages need not carry those. */

/** Least first. */
export const levels = ["debug", "info", "warn", "error", "fatal"] as const;
export type Level = (typeof levels)[number];
