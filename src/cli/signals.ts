/** How a process in the foreground ends, and what does not end it. */
import { reasonOf } from "#src/protocol/fault.ts";

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/**
 * Resolves at the first SIGTERM, SIGINT or SIGHUP; after it they have their usual effect again, so that a second one
 * ends the process at once. Until then an error that nobody caught is told to `onError` and ends nothing: one mistake
 * must not take the hub or the applications along.
 */
export function untilSignal(onError: (message: string) => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stray = (error: unknown) => {
    onError(
      `an error that nobody handled: ${error instanceof Error ? (error.stack ?? error.message) : reasonOf(error)}`,
    );
  };
  const end = () => {
    for (const signal of signals) process.off(signal, end);
    resolve();
  };
  for (const signal of signals) process.on(signal, end);
  process.on("uncaughtException", stray);
  process.on("unhandledRejection", stray);
  return promise;
}
