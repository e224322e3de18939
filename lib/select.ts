import { asked, type Asked, type Outcome } from './asked.ts'
import { describe } from './describe.ts'
import { WSV_ERR_OPTION_INVALID } from './errors.ts'
import { isPromise } from './is-promise.ts'
import { Socket } from './socket.ts'

/** What each source gives, by its name. */
export type Selected<Sources extends Record<string, AsyncIterable<unknown>>> = {
  [Name in keyof Sources & string]: [source: Name, value: Sources[Name] extends AsyncIterable<infer Value> ? Value : never]
}[keyof Sources & string]

/**
 * Several sources as one stream of `[name, value]`: the messages of a socket, subscriptions, anything async iterable.
 *
 * ```ts
 * for await (const [source, value] of select({ client: socket, feed })) { … }
 * ```
 *
 * Fair: values come in the order in which they were there, and a source that is always ready has its turn once
 * before it is asked again. Nothing is stranded: a value that was read but not handed out when the loop is left comes
 * first in the next `select` of that source, or in the next loop over a socket alone.
 *
 * It ends when a socket among the sources has ended, or all sources have. An error of a source ends it and is thrown
 * once; a source that was aborted with the socket has ended with it. Sources that are no sockets are released
 * (`return()`) when it has ended, not when the loop is left early.
 *
 * @throws WSV_ERR_OPTION_INVALID for what is no async iterable, or in another loop already; a loop over a socket throws it
 *   where a `select` waits for the next message
 */
export async function * select<Sources extends Record<string, AsyncIterable<unknown>>> (sources: Sources): AsyncGenerator<Selected<Sources>, void, undefined> {
  checkSources(sources)
  const ready: ({ name: string } & Outcome)[] = []
  let wake: (() => void) | undefined
  const open = new Set<string>()
  const sockets = Object.entries(sources).filter((entry): entry is [string, typeof entry[1] & Socket] => entry[1] instanceof Socket)

  const ask = (name: string): void => {
    const source = sources[name]!
    let state = asked.get(source)
    if (state === undefined) asked.set(source, state = { iterator: source[Symbol.asyncIterator](), next: undefined, outcome: undefined, arrived: undefined })
    state.arrived = (outcome) => {
      ready.push({ name, ...outcome })
      wake?.()
    }
    if (state.next === undefined) askNext(state)
    else if (state.outcome !== undefined) state.arrived(state.outcome)
  }

  try {
    for (const name of Object.keys(sources)) {
      open.add(name)
      ask(name)
    }
    while (open.size > 0) {
      if (ready.length === 0) {
        await new Promise<void>((resolve) => { wake = resolve })
        wake = undefined
      }
      const first = ready.shift()!
      const { name } = first
      const source = sources[name]!
      const state = asked.get(source)!
      if ('error' in first) {
        asked.delete(source)
        open.delete(name)
        // it waited with the socket's signal: what the client has sent before goes on
        if (!(source instanceof Socket) && isAbort(first.error) && sockets.some(([, socket]) => !socket.isOpen)) continue
        throw first.error
      }
      if (first.result.done === true) {
        asked.delete(source)
        open.delete(name)
        if (source instanceof Socket) break
        continue
      }
      state.next = state.outcome = undefined
      yield [name, first.result.value] as Selected<Sources>
      ask(name)
      // a step has ended, whichever source began it: the socket's own iteration may be waiting
      for (const [, socket] of sockets) await socket.saveSession()
    }
  } catch (error) {
    // also a session that could not be saved: what the socket was asked for is left for the next loop
    release(sources, open)
    throw error
  } finally {
    for (const source of Object.values(sources)) {
      const state = asked.get(source)
      if (state !== undefined) state.arrived = undefined
    }
    // the message that was handed out last is done with, as where a loop over the socket alone is left
    for (const [, socket] of sockets) {
      const state = asked.get(socket)
      if (state === undefined || state.next !== undefined) continue
      asked.delete(socket)
      await state.iterator.return?.()
    }
  }
  release(sources, open)
}

function askNext (state: Asked): void {
  const arrived = (outcome: Outcome): void => {
    state.outcome = outcome
    state.arrived?.(outcome)
  }
  state.next = state.iterator.next()
  state.next.then((result) => { arrived({ result }) }, (error: unknown) => { arrived({ error }) })
}

function isAbort (error: unknown): boolean {
  return (error as { name?: unknown } | null)?.name === 'AbortError'
}

function checkSources (sources: unknown): void {
  if (typeof sources !== 'object' || sources === null) throw new WSV_ERR_OPTION_INVALID('select', 'sources', 'an object of async iterables, by name', describe(sources))
  const seen = new Set<unknown>()
  for (const [name, source] of Object.entries(sources) as [string, Partial<AsyncIterable<unknown>> | null | undefined][]) {
    if (typeof source?.[Symbol.asyncIterator] !== 'function') {
      throw new WSV_ERR_OPTION_INVALID('select', name, 'an async iterable', isPromise(source) ? 'a promise' : describe(source))
    }
    // each would have a part of its values
    if (seen.has(source) || asked.get(source as AsyncIterable<unknown>)?.arrived !== undefined) {
      throw new WSV_ERR_OPTION_INVALID('select', name, 'a source that is in no other loop', 'one that is')
    }
    seen.add(source)
  }
}

/** Let go of the sources that go on; a pending `next` of a generator would keep `return` waiting, so nobody waits. */
function release (sources: Record<string, AsyncIterable<unknown>>, open: Set<string>): void {
  for (const name of open) {
    const source = sources[name]!
    if (source instanceof Socket) continue
    const state = asked.get(source)
    asked.delete(source)
    state?.next?.catch(() => { /* nobody reads it any more */ })
    state?.iterator.return?.()?.catch(() => { /* it was let go of */ })
  }
}
