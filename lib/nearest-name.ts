/**
 * How many changes of one letter lead from one text to the other; two letters that changed places are one change
 * (Damerau and Levenshtein). Upper and lower case are the same.
 */
function editDistance (from: string, to: string): number {
  const a = from.toLowerCase()
  const b = to.toLowerCase()
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let i = 1; i <= a.length; i++) {
    const above = rows[i - 1]!
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(replaced, above[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}

/** The known names, nearest to `name` first; equally near ones keep their order. */
export function nearestNames (name: string, known: Iterable<string>): string[] {
  return Array.from(known, candidate => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)
    .map(({ candidate }) => candidate)
}

/**
 * The known name that was probably meant.
 *
 * @returns `undefined` when nothing is near: more than a third of the letters, and more than two, would have to change
 */
export function nearestName (name: string, known: Iterable<string>): string | undefined {
  const [nearest] = nearestNames(name, known)
  if (nearest === undefined) return undefined
  return editDistance(name, nearest) <= Math.max(2, Math.floor(nearest.length / 3)) ? nearest : undefined
}
