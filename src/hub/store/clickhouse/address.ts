/** Where ClickHouse is, out of the setting. */
import { Fault } from "#src/protocol/fault.ts";

/** What its database is called when the address names none. */
const usualDatabase = "orion";

export type Place = {
  /** http[s]://host:port */
  readonly origin: string;
  /** host:port, for messages */
  readonly address: string;
  readonly username: string;
  readonly password: string;
  readonly database: string;
};

/** @throws {Fault} `invalid`, without any part of the URL: it holds a password */
export function readPlace(url: string): Place {
  const read = URL.parse(url);
  const [username, password, database] = [read?.username, read?.password, read?.pathname.slice(1)].map(decoded);
  const isWrong = username === undefined || password === undefined || database === undefined;
  if (read === null || isWrong || !/^https?:$/.test(read.protocol)) {
    throw new Fault("invalid", "clickhouseUrl is not a URL", {
      hint: "It looks like http://user:password@host:8123/database, with what is neither letter nor digit in user and password as %XX",
    });
  }
  if (!/^\w*$/.test(database)) {
    throw new Fault("invalid", "the path of clickhouseUrl is no name of a database", {
      hint: "It has letters, digits and underscores",
    });
  }
  return {
    origin: read.origin,
    address: read.host,
    username: username === "" ? "default" : username,
    password,
    database: database === "" ? usualDatabase : database,
  };
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    // a % without two hexadecimal digits behind it
    return undefined;
  }
}
