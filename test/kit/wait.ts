/** Waiting for a condition, never for a time. */

/**
 * Asks `condition` again and again until it gives something that is not false, null or undefined, and gives that.
 * Fails with `what` after `withinMs`, which is only reached when something is wrong.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  what = "the condition",
  withinMs = 15_000,
): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + withinMs;
  for (;;) {
    const got = await condition();
    if (got !== false && got !== null && got !== undefined) return got as Exclude<T, false | null | undefined>;
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await Bun.sleep(5);
  }
}

/** Whether a process is there and not a zombie. See proc_pid_stat(5). */
export async function alive(pid: number): Promise<boolean> {
  const stat = await Bun.file(`/proc/${pid}/stat`)
    .text()
    .catch(() => "");
  return stat !== "" && !/^\d+ \(.*\) [ZX] /s.test(stat);
}
