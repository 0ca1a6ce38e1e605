/** Which of two releases is the later one. */

/** Numbers with dots, and what may follow them (semver.org section 9 and 10), with anything but digits before them. */
const numbered = /^\D{0,20}?(\d+(?:\.\d+){0,5})(?:-([\w.-]+))?(?:\+[\w.-]+)?$/;

/**
 * Whether `release` is `resolved` or a later one. Two with numbers are compared by these (semver.org section 11);
 * others, such as hashes of commits, by when each was first seen.
 */
export function isAtLeast(release: string, resolved: string, firstSeen: (release: string) => number | null): boolean {
  if (release === resolved) return true;
  const [left, right] = [numbered.exec(release), numbered.exec(resolved)];
  if (left !== null && right !== null) return compareNumbered(left, right) >= 0;
  const [seen, since] = [firstSeen(release), firstSeen(resolved)];
  // one that was never seen comes after all that were
  if (since === null) return false;
  return seen === null || seen > since;
}

function compareNumbered(a: RegExpExecArray, b: RegExpExecArray): number {
  const numbers = compareLists((a[1] ?? "").split("."), (b[1] ?? "").split("."), "0");
  if (numbers !== 0) return numbers;
  const [before, after] = [a[2], b[2]];
  // 1.0.0-rc.1 comes before 1.0.0
  if (before === undefined || after === undefined) return Number(before === undefined) - Number(after === undefined);
  return compareLists(before.split("."), after.split("."), "");
}

function compareLists(a: readonly string[], b: readonly string[], missing: string): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i] ?? missing, b[i] ?? missing];
    const [leftNumber, rightNumber] = [/^\d+$/.test(left), /^\d+$/.test(right)];
    if (leftNumber && rightNumber) {
      const difference = Number(left) - Number(right);
      if (difference !== 0) return difference;
    } else if (leftNumber !== rightNumber) {
      // a missing identifier first, then numbers, then words
      const rank = (text: string, number: boolean) => (text === "" ? 0 : number ? 1 : 2);
      return rank(left, leftNumber) - rank(right, rightNumber);
    } else if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
