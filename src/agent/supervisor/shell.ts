/** The shell command that runs a script's command. Pure. */

/** Nothing that the shell would have to stay for: no second command, no substitution, no redirection, no quotes. */
const plain = /^[\w./@%+,:=~^-]+(?: +[\w./@%+,:=~^$-]+)*$/;
/** Words of the shell itself: there is no program to be executed instead. See dash(1), bash(1). */
const shellWords = new Set(
  (
    ". : [ alias bg break builtin case cd command continue declare do done echo elif else esac eval exec exit export false fc " +
    "fg fi for function getopts hash if in jobs kill let local popd printf pushd pwd read readonly return select set shift " +
    "source test then time times trap true type typeset ulimit umask unalias unset until wait while"
  ).split(" "),
);

/**
 * `sh -c` text for a command. A single plain command is run by `exec`, so that the pid shown is the program's and not
 * that of a shell that waits for it; dash does not do so by itself. Everything else is left as it was written.
 */
export function shellText(command: string): string {
  const trimmed = command.trim();
  const first = trimmed.split(" ", 1)[0] ?? "";
  if (!plain.test(trimmed) || first.includes("=") || shellWords.has(first)) return command;
  return `exec ${trimmed}`;
}
