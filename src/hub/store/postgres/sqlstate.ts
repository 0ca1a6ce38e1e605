/** The five characters by which the server says what failed; undefined: it was not the server that failed. */
export function sqlstateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("errno" in error) || typeof error.errno !== "string") return undefined;
  return /^[0-9A-Z]{5}$/.test(error.errno) ? error.errno : undefined;
}
