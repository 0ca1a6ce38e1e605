/** The formats of plain lines, in the order in which they are asked: the ones with the clearest first line first. */
import { elixir } from "./elixir.ts";
import type { Before, Begun, Format } from "./format.ts";
import { go, goStack } from "./go.ts";
import { kernel } from "./kernel.ts";
import { native } from "./native.ts";
import { nginx } from "./nginx.ts";
import { perl } from "./perl.ts";
import { php } from "./php.ts";
import { postgres } from "./postgres.ts";
import { ruby } from "./ruby.ts";
import { rust } from "./rust.ts";
import { thrown } from "./thrown.ts";
import { traceback } from "./traceback.ts";

export const formats: readonly Format[] = [
  traceback,
  go,
  rust,
  php,
  elixir,
  postgres,
  nginx,
  kernel,
  native,
  ruby,
  perl,
  thrown,
];

/** What a field that is known to hold a stack may be besides. */
const ofFields: readonly Format[] = [...formats, goStack];

/** The first format that a line begins an event of, or null. */
export function beginEvent(body: string, before: Before, inField = false): Begun | null {
  for (const format of inField ? ofFields : formats) {
    const begun = format.begin(body, before);
    if (begun !== null) return begun;
  }
  return null;
}
