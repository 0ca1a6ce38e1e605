/** What the world does to the process: signals, and errors that nobody caught. */

export type SignalOrders = {
  /** SIGTERM or SIGINT: the first one. */
  readonly stop: (signal: string) => void;
  /** A second one: at once. */
  readonly force: (signal: string) => void;
  /** SIGHUP. */
  readonly reload: () => void;
  /** An error that nobody caught. The daemon lives on: its applications must not fall with one mistake of ours. */
  readonly error: (message: string) => void;
};

/** Errors told one by one; of a storm of them the rest is only counted. */
const toldAMinute = 20;

/** Installs the handlers. @returns what takes them away again */
export function handleSignals(orders: SignalOrders, monotonic: () => number = () => performance.now()): () => void {
  let stopping = false;
  let minute = Number.NEGATIVE_INFINITY;
  let told = 0;

  const onStop = (signal: string): void => {
    if (stopping) return orders.force(signal);
    stopping = true;
    orders.stop(signal);
  };
  const onReload = (): void => {
    if (!stopping) orders.reload();
  };
  const onError = (error: unknown): void => {
    if (monotonic() - minute >= 60_000) {
      if (told > toldAMinute) orders.error(`${told - toldAMinute} more errors in the last minute`);
      minute = monotonic();
      told = 0;
    }
    if (++told > toldAMinute) return;
    orders.error(
      `an error that nobody handled: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  };

  process.on("SIGTERM", onStop);
  process.on("SIGINT", onStop);
  process.on("SIGHUP", onReload);
  process.on("uncaughtException", onError);
  process.on("unhandledRejection", onError);
  return () => {
    process.off("SIGTERM", onStop);
    process.off("SIGINT", onStop);
    process.off("SIGHUP", onReload);
    process.off("uncaughtException", onError);
    process.off("unhandledRejection", onError);
  };
}
