/** The stack of an error for people: what is of the application is marked, what is of libraries stands back. */
import type { ErrorSample } from "#src/protocol/error-group.ts";

import { type Paint, harmless } from "../colour.ts";

type Part = ErrorSample["parts"][number];
type Frame = Part["frames"][number];

/** Lines of a sample without frames. */
const mostLines = 60;

const relations: Readonly<Record<NonNullable<Part["relation"]>, string>> = {
  cause: "caused by",
  context: "while handling",
  suppressed: "suppressed",
  member: "together with",
};

/** Innermost call first, `>` before those of the application; without frames, the lines as they were printed. */
export function renderTraceback({ parts, lines, cut }: ErrorSample, paint: Paint): string[] {
  const end = cut ? [paint("dim", "    (cut: it had more lines than are kept)")] : [];
  if (parts.every(({ frames }) => frames.length === 0)) {
    const left = lines.length > mostLines ? [paint("dim", `    (${lines.length - mostLines} more lines)`)] : [];
    return [...lines.slice(0, mostLines).map((line) => `    ${harmless(line, false)}`), ...left, ...end];
  }
  return [...parts.flatMap((part) => renderPart(part, paint)), ...end];
}

function renderPart({ type, value, relation, frames }: Part, paint: Paint): string[] {
  const how = relation === null ? "" : `${relations[relation]} `;
  const what = harmless([type, value].filter((one) => one !== null && one !== "").join(": "), false);
  const [first = "", ...others] = what.split("\n");
  return [
    `  ${paint("dim", how)}${paint("red", first)}`,
    ...others.map((line) => `  ${paint("red", line)}`),
    ...frames.flatMap((frame) => renderFrame(frame, paint)),
  ];
}

function renderFrame(frame: Frame, paint: Paint): string[] {
  const place = [frame.file, frame.line, frame.column].filter((one) => one !== null).join(":");
  const name = [frame.module, frame.function].filter((one) => one !== null && one !== "").join(".");
  const text = harmless([name, place === "" ? "" : `(${place})`].filter((one) => one !== "").join(" "), false);
  if (!frame.inApplication) return [paint("dim", `      ${text}`)];
  const code = frame.code === null ? [] : [`          ${paint("dim", harmless(frame.code.trim(), false))}`];
  return [`    ${paint("yellow", ">")} ${text}`, ...code];
}
