/**
 * The severity of a line, recognised from the line itself: many programs print everything to stderr, so the stream says
 * nothing. Lines come JSON-escaped (a quote is `\"`, ESC is `\u001b`), since that is how the encoder holds them.
 * No match arrays are made: with `exec` this took twice as long as all the rest of the encoding (measured).
 */
import type { Level } from "#src/protocol/log.ts";

/** How far into a line its level may stand; timestamps, host and logger names come before it. */
const headLength = 160;
/** How far into a line of JSON its level is looked for. */
const jsonLength = 2048;

/** `"level":"warn"`, `"severity": 4`, … */
const inJson =
  /\\"(?:level|lvl|severity|levelname|level_name|loglevel|log_level|log\.level|severity_text|severityText|@l)\\":/;
/** A word in capitals, `level=warn`, or a word in brackets. */
const inText =
  /\b(?:FATAL|ERROR|WARN(?:ING)?|INFO|DEBUG|TRACE|CRIT(?:ICAL)?|NOTICE|ERR|EMERG|ALERT|PANIC|SEVERE|VERBOSE|FTL|WRN|INF|DBG)\b|\b(?:level|lvl|severity|levelname)=|[[<(](?:trace|debug|info|notice|warn|warning|error|err|crit|critical|alert|emerg|fatal|panic)[\])>]/;
/** `error: …` and the like where a line begins. */
const wordAtStart =
  /^(?:error|err|warn|warning|info|debug|trace|fatal|critical|notice|panic|Error|Warning|Fatal|Info|Debug|Critical)\s?[:\]|>]/;
/** `2026-05-01 10:00:00.123 error …`: in small letters a word counts only where a level stands, after the time. */
const wordAfterTime =
  /^\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:[\d.,]+(?:Z|[+-]\d\d:?\d\d)? +(?:trace|debug|info|notice|warn|warning|error|err|crit|critical|alert|emerg|fatal|panic)\b/;
/** `TypeError: …`, `java.lang.IllegalStateException: …`, Python's first line of a traceback. */
const thrown = /^(?:(?:Uncaught |Unhandled )?[\w.]*(?:Error|Exception)\b: |Traceback \(most recent)/;
/** glog and klog: `E0522 10:00:00.123` */
const klog = /^[EWIFD]\d{4} \d\d:\d\d/;
const ansi = /\\u001b\[[0-9;]*m/g;

/** The level of one JSON-escaped line; `info` when the line doesn't say. `coloured`: it may hold ANSI sequences. */
export function levelOf(line: string, coloured: boolean): Level {
  let head = line.length > headLength ? line.slice(0, headLength) : line;
  if (coloured) head = head.replace(ansi, "");
  const first = head.charCodeAt(0);
  if (first === 123 /* { */) {
    const level = levelInJson(line.length > jsonLength ? line.slice(0, jsonLength) : line);
    if (level !== undefined) return level;
  }
  const found = head.search(inText);
  if (found !== -1) return levelAt(head, found);
  if (first === 60 /* < */ && head.charCodeAt(2) === 62 && isDigit(head.charCodeAt(1))) {
    return levelOfPriority(head.charCodeAt(1) - 48);
  }
  if (wordAtStart.test(head)) return wordFrom(head, 0) ?? "info";
  if (isDigit(first)) return wordAfterTime.test(head) ? (wordFrom(head, wordStart(head)) ?? "info") : "info";
  if (klog.test(head)) return klogLevel(first);
  return thrown.test(head) ? "error" : "info";
}

/** Where the word begins that `wordAfterTime` matched: behind the blank that ends the time. */
function wordStart(head: string): number {
  let at = head.indexOf(" ", "2026-05-01T10:00:0".length);
  while (head.charCodeAt(at) === 32) at++;
  return at;
}

/** The level named where `inText` matched. */
function levelAt(head: string, found: number): Level {
  let at = found;
  if (head.charCodeAt(at) < 65 || head.charCodeAt(at) === 91 /* [ */) at++;
  else if (head.charCodeAt(at) >= 97 /* a */) at = head.indexOf("=", at) + 1;
  while (head.charCodeAt(at) === 92 || head.charCodeAt(at) === 34 /* \" */) at++;
  return wordFrom(head, at) ?? "info";
}

function levelInJson(line: string): Level | undefined {
  const found = line.search(inJson);
  if (found === -1) return undefined;
  let at = line.indexOf(":", found) + 1;
  while (line.charCodeAt(at) === 32) at++;
  if (isDigit(line.charCodeAt(at))) return levelOfNumber(Number.parseInt(line.slice(at, at + 2), 10));
  return wordFrom(line, at + 2);
}

/**
 * The level that the word at `start` names, in any case, told by its first letters: a table lookup needs a new string for
 * each line, and took a tenth of all the agent's time under load.
 */
function wordFrom(text: string, start: number): Level | undefined {
  // setting bit 5 makes an ASCII letter lowercase
  const second = text.charCodeAt(start + 1) | 32;
  const third = text.charCodeAt(start + 2) | 32;
  switch (text.charCodeAt(start) | 32) {
    case 105: // inf(o), information
      return second === 110 && third === 102 ? "info" : undefined;
    case 119: // warn(ing), wrn
      return second === 97 || second === 114 ? "warn" : undefined;
    case 101: // err(or), emerg(ency)
      if (second === 114) return "error";
      return second === 109 && third === 101 ? "fatal" : undefined;
    case 100: // debug, dbg
      return (second === 101 && third === 98) || (second === 98 && third === 103) ? "debug" : undefined;
    case 116: // trace
      return second === 114 && third === 97 ? "debug" : undefined;
    case 102: // fatal, ftl, fine(r, st)
      if ((second === 97 && third === 116) || (second === 116 && third === 108)) return "fatal";
      return second === 105 && third === 110 ? "debug" : undefined;
    case 99: // crit(ical)
      return second === 114 && third === 105 ? "fatal" : undefined;
    case 110: // notice
      return second === 111 && third === 116 ? "info" : undefined;
    case 97: // alert
      return second === 108 && third === 101 ? "fatal" : undefined;
    case 112: // panic
      return second === 97 && third === 110 ? "fatal" : undefined;
    case 115: // severe
      return second === 101 && third === 118 ? "error" : undefined;
    case 118: // verbose
      return second === 101 && third === 114 ? "debug" : undefined;
    default:
      return undefined;
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** pino and bunyan: 10 trace … 60 fatal. Below 8 it is a syslog severity, as GELF writes it. */
function levelOfNumber(number: number): Level {
  if (number < 8) return levelOfPriority(number);
  if (number >= 60) return "fatal";
  if (number >= 50) return "error";
  if (number >= 40) return "warn";
  return number >= 30 ? "info" : "debug";
}

/** RFC 5424 severities, as GELF and the prefixes of sd-daemon(3) (`<3>`) use them. */
function levelOfPriority(priority: number): Level {
  if (priority <= 2) return "fatal";
  if (priority === 3) return "error";
  if (priority === 4) return "warn";
  return priority <= 6 ? "info" : "debug";
}

function klogLevel(letter: number): Level {
  if (letter === 69 /* E */) return "error";
  if (letter === 87 /* W */) return "warn";
  if (letter === 70 /* F */) return "fatal";
  return letter === 68 /* D */ ? "debug" : "info";
}
