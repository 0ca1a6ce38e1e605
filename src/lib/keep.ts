/** A home for promises that nobody awaits. */

/** Runs `promise` in the background and hands its failure to `onError`, so that no rejection is ever unhandled. */
export function keep(promise: Promise<unknown>, onError: (error: unknown) => void): void {
  promise.then(undefined, onError);
}
