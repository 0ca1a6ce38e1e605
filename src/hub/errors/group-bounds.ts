/**
 * How much of a project is told apart. A source that prints another error each time must not fill the disk, nor push out
 * what others print: what has no room is counted in a group for all of it, until there is room again.
 */

/** Groups of a project, and how many are left when the oldest have made room. */
export const maxGroups = 10_000;
export const keptGroups = 9000;
/** Releases of a project, and how many are left: a later one that has no room is not told apart from none. */
export const maxReleases = 5000;
export const keptReleases = 4500;
