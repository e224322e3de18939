import { BAD, type Report } from './report.ts'

type Members = Record<string, unknown>

/** An object while parts of its schema are being taken. */
export interface Seen {
  /** as it came */
  readonly sent: Members
  /** what has been cleaned, over what only a part declares as it came */
  view: Members
  /** what has been cleaned, without what was sent empty */
  kept: Members
}

/** A schema that speaks of an object which other schemas have cleaned already: a branch, `then`, a dependency. */
export interface Part {
  /** does an object match it as it is? */
  is: (object: Members, report: null) => boolean
  /** the same, where other keys than its own do not count */
  fits: (object: Members, report: null) => boolean
  /** clean what it declares */
  clean: (seen: Seen, report: Report) => Members | typeof BAD
}

/**
 * Lay what has been cleaned over what came: what only a part declares is seen by it as it came.
 */
export function overlay (below: unknown, above: unknown): unknown {
  if (typeof below !== 'object' || typeof above !== 'object' || below === null || above === null) return above
  if (Array.isArray(above)) return Array.isArray(below) && below.length === above.length ? above.map((item, index) => overlay(below[index], item)) : above
  if (Array.isArray(below)) return above
  const out: Members = {}
  for (const key of Object.keys(below)) if (key !== '__proto__') out[key] = (below as Members)[key]
  for (const key of Object.keys(above)) if (key !== '__proto__') out[key] = overlay(Object.hasOwn(out, key) ? out[key] : undefined, (above as Members)[key])
  return out
}

/** Put what a part has cleaned on the whole, which keeps what only it declares. */
export function join (whole: Members, part: Members): void {
  for (const key of Object.keys(part)) {
    if (key !== '__proto__') whole[key] = joined(Object.hasOwn(whole, key) ? whole[key] : undefined, part[key])
  }
}

function joined (own: unknown, other: unknown): unknown {
  if (typeof own !== 'object' || own === null || typeof other !== 'object' || other === null) return other
  if (Array.isArray(own)) return Array.isArray(other) && own.length === other.length ? own.map((item, index) => joined(item, other[index])) : other
  if (Array.isArray(other)) return other
  join(own as Members, other as Members)
  return own
}

/** The object with what a part has cleaned. */
export function withPart ({ sent, view, kept }: Seen, part: Members): Seen {
  return { sent, view: overlay(view, part) as Members, kept: overlay(kept, part) as Members }
}

/**
 * The branch of a union that an object takes: one that it matches as it is comes before one that it has
 * to be converted for.
 *
 * @returns what the branch has cleaned, `BAD` when none will have the object
 */
export function takeBranch (branches: readonly Part[], isExclusive: boolean, seen: Seen, report: Report): Members | typeof BAD {
  const matching = branches.filter(({ is }) => is(seen.view, null))
  if (isExclusive && matching.length > 1) return BAD
  const order = isExclusive && matching.length === 1 ? matching : [...matching, ...branches.filter((branch) => !matching.includes(branch))]
  const mark = report.size
  for (const branch of order) {
    const part = branch.clean(seen, report)
    if (part !== BAD) return isExclusive ? part : settled(branches, branches.indexOf(branch), seen, part, report)
    report.rollback(mark)
  }
  return BAD
}

/** What told branches apart may have been dropped: the first branch that the cleaned object matches is taken. */
function settled (branches: readonly Part[], index: number, { kept }: Seen, part: Members, report: Report): Members {
  const after = overlay(kept, part) as Members
  for (let earlier = 0; earlier < index; earlier++) {
    if (!branches[earlier]!.is(after, null)) continue
    const mark = report.size
    const other = branches[earlier]!.clean({ sent: after, view: after, kept }, report)
    if (other !== BAD) return other
    report.rollback(mark)
  }
  return part
}

/** What the side of a condition has cleaned, `BAD` when the object is none of that side. */
export function takeSide (test: Part['is'], then: Part | undefined, otherwise: Part | undefined, seen: Seen, report: Report): Members | typeof BAD {
  const mark = report.size
  let isTrue = test(seen.kept, null)
  // what a side brings may change sides, once
  for (let turn = 0; turn < 2; turn++) {
    const side = isTrue ? then : otherwise
    const part = side === undefined ? {} : side.clean(seen, report)
    if (part === BAD) break
    if (test(overlay(seen.kept, part) as Members, null) === isTrue) return part
    isTrue = !isTrue
  }
  report.rollback(mark)
  return BAD
}

/** Is a cleaned object what its union says? A closed branch takes the keys of its neighbours: unknown keys are no fault. */
export function isTaken (branches: readonly Part[], isExclusive: boolean, { kept }: Seen): boolean {
  const count = branches.filter(({ is }) => is(kept, null)).length
  if (count > 0) return count === 1 || !isExclusive
  return branches.some(({ fits }) => fits(kept, null))
}

/** A copy of what JSON can hold; what only a codec can give, bytes or a Date, is what it was. */
export function copy (value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copy)
  const prototype = Object.getPrototypeOf(value) as object | null
  // those of params and of a querystring have a prototype of their own, without another one behind it
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return value
  const out: Members = {}
  for (const key of Object.keys(value)) {
    if (key === '__proto__') Object.defineProperty(out, key, { value: copy((value as Members)[key]), enumerable: true, writable: true, configurable: true })
    else out[key] = copy((value as Members)[key])
  }
  return out
}
