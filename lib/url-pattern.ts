/**
 * A route path in the router's syntax, taken apart so that URLs can be put together from it. It reads the syntax exactly as find-my-way does: `:name`,
 * `:name(regexp)`, several parameters in one segment (`:a-:b`, `:a.:b`), `*` at the end, `::` for a colon, `/:name?` at the end.
 */
export interface UrlPattern {
  readonly pieces: readonly Piece[]
  /** its parameters, the wildcard as `*` */
  readonly names: readonly string[]
}

export type Piece = StaticPiece | SegmentPiece | WildcardPiece

export interface StaticPiece {
  kind: 'static'
  /** percent-encoded where that is needed */
  text: string
}
export interface SegmentPiece {
  kind: 'segment'
  names: string[]
  /** what stands behind each parameter, as the router compares it */
  texts: string[]
  /** what the router asks of the decoded segment; absent for a lone `:name`, which takes any */
  regexp: RegExp | undefined
}
export interface WildcardPiece { kind: 'wildcard' }

const OPTIONAL = /(\/:[^/()]*?)\?(\/?)/

/**
 * @returns the path with all its parameters; before it, where the last one is optional, the path without that
 * @throws RangeError naming what no request can match, SyntaxError for a regular expression that is none
 */
export function parsePatterns (path: string, useSemicolonDelimiter: boolean): UrlPattern[] {
  if (!OPTIONAL.test(path)) return [parsePattern(path, useSemicolonDelimiter)]
  return [path.replace(OPTIONAL, '$2') || '/', path.replace(OPTIONAL, '$1$2')]
    .map(variant => parsePattern(variant, useSemicolonDelimiter))
}

function parsePattern (path: string, useSemicolonDelimiter: boolean): UrlPattern {
  const pieces: Piece[] = []
  const names: string[] = []
  let text = ''
  let at = 0
  while (at < path.length) {
    if (path[at] === ':' && path[at + 1] !== ':') {
      pieces.push(encodeStatic(text, useSemicolonDelimiter))
      text = ''
      const { piece, end } = readSegment(path, at)
      pieces.push(piece)
      names.push(...piece.names)
      at = end
    } else if (path[at] === '*') {
      pieces.push(encodeStatic(text, useSemicolonDelimiter), { kind: 'wildcard' })
      names.push('*')
      return { pieces, names }
    } else {
      if (path[at] === ':') at++
      text += path[at++]
    }
  }
  pieces.push(encodeStatic(text, useSemicolonDelimiter))
  return { pieces: pieces.filter(piece => piece.kind !== 'static' || piece.text !== ''), names }
}

/**
 * The router decodes a static part as `decodeURI` does, and reads `%25` as `%`: so reserved characters stand for themselves,
 * and those that end a path (RFC 3986 §3.3) cannot stand in one.
 */
function encodeStatic (text: string, useSemicolonDelimiter: boolean): StaticPiece {
  const delimiter = /[?#]/.exec(text)?.[0] ?? (useSemicolonDelimiter && text.includes(';') ? ';' : undefined)
  if (delimiter !== undefined) throw new RangeError(`no request matches '${delimiter}' in '${text}', it ends the path`)
  if (/\p{Surrogate}/u.test(text)) throw new RangeError(`no request matches the lone surrogate in '${text}'`)
  return { kind: 'static', text: encodeURI(text) }
}

/** @param start - of the first `:` of the segment */
function readSegment (path: string, start: number): { piece: SegmentPiece, end: number } {
  const names: string[] = []
  const texts: string[] = []
  let source = ''
  let isRegExp = false
  let isFirst = true
  let behind = ''
  let at = start
  while (path[at] === ':') {
    const from = at + 1
    at = from + path.slice(from).search(/[(\-./]|$/)
    names.push(path.slice(from, at))
    if (path[at] === '(') {
      const end = closingParenthesis(path, at)
      source += withoutAnchors(path.slice(at, end + 1))
      at = end + 1
      isRegExp = true
      isFirst = true
    } else {
      // The router lets a parameter hold the text behind the one before it only when it is nothing else.
      source += isFirst ? '(.*?)' : `(${behind}|(?:(?!${behind}).)*)`
      isRegExp ||= path[at] === '-' || path[at] === '.'
      isFirst = false
    }
    let text = ''
    while (at < path.length && path[at] !== '/' && !(path[at] === ':' && path[at + 1] !== ':')) {
      if (path[at] === ':') at++
      text += path[at++]
    }
    // In a segment with a RegExp the router compares a decoded text with this one, in which it has encoded the percent signs.
    text = text.replaceAll('%', '%25')
    texts.push(text)
    if (text !== '') source += (behind = text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  }
  return { piece: { kind: 'segment', names, texts, regexp: isRegExp ? new RegExp(`^${source}$`) : undefined }, end: at }
}

function closingParenthesis (path: string, open: number): number {
  let depth = 1
  for (let at = open + 1; at < path.length; at++) {
    if (path[at] === '\\') at++
    else if (path[at] === '(') depth++
    else if (path[at] === ')' && --depth === 0) return at
  }
  throw new SyntaxError(`a parenthesis of '${path}' is not closed`)
}

/** `(^\d+$)` is `(\d+)`: the router puts the anchors around the whole segment. */
function withoutAnchors (group: string): string {
  const head = group[1] === '^' ? `(${group.slice(2)}` : group
  return head.at(-2) === '$' ? `${head.slice(0, -2)})` : head
}
