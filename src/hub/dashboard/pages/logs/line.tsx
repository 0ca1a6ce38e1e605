/** One line of a log as it is drawn, here and in the first page's small tail. All text of others is text. */
import type { ComponentChildren } from "preact";

import type { StoredEntry } from "#src/protocol/api.ts";
import { piecesOf } from "../../ansi.ts";
import { clockTime, fullTime } from "../../format.ts";
import { headline } from "./fields.ts";
import { type ShownPiece, hitsIn, withHits } from "./highlight.ts";

/** Characters of a message in its line; the rest is a click away. */
export const shownLength = 2000;

export type EntryLook = {
  readonly host: string | undefined;
  readonly patterns: readonly RegExp[];
  /** the day stands before the time */
  readonly dated: boolean;
  /** of several rows; else the first one, cut at the edge */
  readonly wrap: boolean;
};

export function EntryText({
  entry,
  whole,
  look: { host, patterns, dated, wrap },
}: {
  readonly entry: StoredEntry;
  /** characters of the whole message, when not all of it is held */
  readonly whole: number | null;
  readonly look: EntryLook;
}) {
  return (
    <>
      <time dateTime={entry.at} title={fullTime(entry.at)}>
        {dated && <span class="day">{dayOf(entry.at)} </span>}
        {clockTime(entry.at)}
      </time>
      <span class="level">{entry.level}</span>
      {host !== undefined && (
        <span class="host" title={host}>
          {host}
        </span>
      )}
      <span class="source" title={host === undefined ? entry.source : `${entry.source} on ${host}`}>
        {entry.source}
      </span>
      <span class="message">
        <Message text={entry.message} length={whole ?? entry.message.length} patterns={patterns} wrap={wrap} />
      </span>
    </>
  );
}

function Message({
  text,
  length,
  patterns,
  wrap,
}: {
  readonly text: string;
  readonly length: number;
  readonly patterns: readonly RegExp[];
  readonly wrap: boolean;
}) {
  const json = length === text.length && length <= shownLength * 4 ? headline(text) : null;
  if (json !== null) {
    return (
      <>
        <Shown text={json.text.slice(0, shownLength)} patterns={patterns} wrap={wrap} />
        {json.rest !== "" && (
          <span class="rest">
            {" "}
            <Shown text={json.rest.slice(0, shownLength)} patterns={patterns} wrap={wrap} />
          </span>
        )}
      </>
    );
  }
  const left = length - shownLength;
  return (
    <>
      <Shown text={text.slice(0, shownLength)} patterns={patterns} wrap={wrap} />
      {left > 0 && <span class="cut"> … {left.toLocaleString("en")} more</span>}
    </>
  );
}

/** Text with its colours and what was searched for in it. */
export function Shown({
  text,
  patterns,
  wrap,
}: {
  readonly text: string;
  readonly patterns: readonly RegExp[];
  readonly wrap: boolean;
}) {
  // in one row a break is a sign
  const pieces = piecesOf(wrap ? text : text.replaceAll("\n", "⏎"));
  const plain = patterns.length === 0 ? "" : pieces.map((piece) => piece.text).join("");
  return <>{withHits(pieces, hitsIn(plain, patterns)).map(draw)}</>;
}

function draw({ text, style, hit }: ShownPiece, index: number): ComponentChildren {
  if (hit) {
    return (
      <mark key={index} class={style}>
        {text}
      </mark>
    );
  }
  if (style === "") return text;
  return (
    <span key={index} class={style}>
      {text}
    </span>
  );
}

function dayOf(at: string): string {
  return new Date(at).toLocaleDateString("en-GB", { day: "2-digit", month: "short" });
}
