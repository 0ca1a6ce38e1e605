/** A traceback as people read it: the application's own functions open, those of libraries folded. */
import { useState } from "preact/hooks";

import type { ErrorSample } from "#src/protocol/error-group.ts";
import { plainText } from "../../ansi.ts";
import { counted } from "./words.ts";

type Part = ErrorSample["parts"][number];
type Frame = Part["frames"][number];

/** Frames in a row that are shown, or folded together. */
export type Stretch = { readonly own: boolean; readonly frames: readonly Frame[] };

/** The application's frames and, between them, the libraries'. With none of the application all are shown. */
export function stretchesOf(frames: readonly Frame[]): Stretch[] {
  if (!frames.some(({ inApplication }) => inApplication)) return frames.length === 0 ? [] : [{ own: true, frames }];
  const stretches: { own: boolean; frames: Frame[] }[] = [];
  for (const frame of frames) {
    const last = stretches.at(-1);
    if (last?.own === frame.inApplication) last.frames.push(frame);
    else stretches.push({ own: frame.inApplication, frames: [frame] });
  }
  return stretches;
}

const relations: Readonly<Record<NonNullable<Part["relation"]>, string>> = {
  cause: "Caused by",
  context: "While handling",
  suppressed: "Suppressed",
  member: "One of them",
};

/** What was reported first, then what led to it; the innermost function of each on top. */
export function Traceback({ parts }: { readonly parts: readonly Part[] }) {
  return (
    <ol class="traceback">
      {parts.map((part, i) => (
        <li key={i}>
          {part.relation !== null && <p class="relation">{relations[part.relation]}</p>}
          <p class="thrown">
            {part.type !== null && <bdi class="what">{part.type}</bdi>} <bdi class="value">{plainText(part.value)}</bdi>
          </p>
          {part.frames.length > 0 && (
            <div class="frames">
              {stretchesOf(part.frames).map((stretch, at) => (
                <Frames key={at} stretch={stretch} />
              ))}
            </div>
          )}
        </li>
      ))}
    </ol>
  );
}

function Frames({ stretch: { own, frames } }: { readonly stretch: Stretch }) {
  const [open, setOpen] = useState(own);
  const list = (
    <ol>
      {frames.map((frame, i) => (
        <Call key={i} frame={frame} />
      ))}
    </ol>
  );
  if (own) return list;
  return (
    <details open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{counted(frames.length, "library frame")}</summary>
      {open && list}
    </details>
  );
}

function Call({ frame }: { readonly frame: Frame }) {
  const { file, line, column, module, code, inApplication } = frame;
  const place = file === null ? "" : `${file}${line === null ? "" : `:${line}${column === null ? "" : `:${column}`}`}`;
  return (
    <li class={inApplication ? "own" : "library"}>
      <p>
        <bdi class="function">{plainText(frame.function ?? "(anonymous)")}</bdi>
        <bdi class="place">{plainText(place === "" ? (module ?? "") : place)}</bdi>
      </p>
      {code !== null && code.trim() !== "" && (
        <pre tabIndex={0}>
          {line !== null && <span class="line-number">{line}</span>}
          <bdi>{plainText(code)}</bdi>
        </pre>
      )}
    </li>
  );
}
