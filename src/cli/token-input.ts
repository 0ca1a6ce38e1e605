/** Secrets on the command line: `-` takes them from stdin, so that they stand in no list of processes. */
import { usageFault } from "./exit.ts";

/** The value of `--token`: itself, or with `-` the first line of stdin. @throws {CliFault} stdin is empty */
export async function readToken(value: string, flag = "--token"): Promise<string> {
  if (value !== "-") return value;
  const [line = ""] = (await Bun.stdin.text()).split("\n");
  if (line.trim() === "") throw usageFault(`${flag} - reads stdin, which was empty`, `Pipe it in: … ${flag} - < FILE`);
  return line.trim();
}
