/** The two pipes of one script, handled together. */
import type { CapturePipes, CapturedPipe } from "./output.ts";

export type Capture = {
  readonly pipes: { readonly stdout: CapturedPipe; readonly stderr: CapturedPipe };
  drain(): void;
  finish(): void;
  close(): void;
  remove(): void;
};

/** Opens the pipes of a script; what an earlier run or daemon left in them is read first. */
export function createCapture(from: CapturePipes, script: string): Capture {
  const stdout = from.open(script, "stdout");
  let stderr: CapturedPipe;
  try {
    stderr = from.open(script, "stderr");
  } catch (error) {
    stdout.close();
    throw error;
  }
  const both = [stdout, stderr];
  return {
    pipes: { stdout, stderr },
    drain: () => both.forEach((pipe) => pipe.drain()),
    finish: () => both.forEach((pipe) => pipe.finish()),
    close: () => both.forEach((pipe) => pipe.close()),
    remove: () => both.forEach((pipe) => pipe.remove()),
  };
}
