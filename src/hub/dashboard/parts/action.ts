/** Something that the reader does and the hub answers: whether it lasts, what went wrong, how long to wait. */
import { useEffect, useRef, useState } from "preact/hooks";

import { ApiFault, sentenceOf } from "../client.ts";

export type Action = {
  readonly busy: boolean;
  readonly problem: string;
  /** seconds that the hub asked to wait; 0: none */
  readonly waitSeconds: number;
  readonly run: (work: () => Promise<void>) => void;
};

/** One thing at a time, with the sentence of what went wrong. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const [until, setUntil] = useState(0);
  const [now, setNow] = useState(0);
  const shown = useRef(true);
  useEffect(() => {
    shown.current = true;
    return () => void (shown.current = false);
  }, []);
  const waitSeconds = Math.max(0, Math.ceil((until - now) / 1000));
  useEffect(() => {
    if (waitSeconds === 0) return;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [waitSeconds === 0]);

  async function work(task: () => Promise<void>): Promise<void> {
    setBusy(true);
    setProblem("");
    try {
      await task();
    } catch (error) {
      if (!shown.current) return;
      if (error instanceof ApiFault && error.status === 429 && error.retryAfterSeconds !== null) {
        setNow(Date.now());
        setUntil(Date.now() + error.retryAfterSeconds * 1000);
      }
      setProblem(sentenceOf(error));
    } finally {
      if (shown.current) setBusy(false);
    }
  }

  return {
    busy,
    waitSeconds,
    problem: problem !== "" && waitSeconds > 0 ? `Too many attempts. Try again in ${waitSeconds} s.` : problem,
    run: (task) => {
      if (!busy) void work(task);
    },
  };
}
