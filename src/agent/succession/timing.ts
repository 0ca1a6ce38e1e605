/** What a daemon and its guard must agree on. */

/** How long a new program must run, once it serves, to be trusted. */
export const probationMs = 10_000;

/** The guard's first and only line. */
export const guardIsReady = "ready";
