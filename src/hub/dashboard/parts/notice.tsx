/** One thing that the reader should know. */
import type { ComponentChildren } from "preact";

export type Tone = "good" | "warn" | "bad" | "quiet";

/** `alert`: it appeared because of what the reader did, so that a screen reader says it. */
export function Notice({
  tone,
  alert = false,
  children,
}: {
  readonly tone: Tone;
  readonly alert?: boolean;
  readonly children: ComponentChildren;
}) {
  return (
    <div class={`notice ${tone}`} {...(alert ? { role: tone === "bad" ? "alert" : "status" } : {})}>
      {children}
    </div>
  );
}
