import { asked, type Asked } from './asked.ts'
import { WSV_ERR_OPTION_INVALID } from './errors.ts'
import type { Inbox, Waiting } from './inbox.ts'
import type { Checked } from './view.ts'

/** The socket whose messages are looped over. */
export interface LoopOwner extends AsyncIterable<unknown> {
  readonly inbox: Inbox
  /** we have closed it: nothing more is handed out */
  readonly hasClosed: boolean
  /** @returns `undefined` when the message goes no further */
  check (waiting: Waiting): Checked | undefined | Promise<Checked | undefined>
  /** a message is being handled, and the socket busy, until `handled` */
  taken (): void
  handled (): void
  saveSession (): Promise<void> | undefined
  /** at shutdown, between two messages */
  closeIfIdle (): void
}

/**
 * The owning style: one message after the other, checked, until the socket has ended. A handler is done with a message
 * when it asks for the next one, or leaves the loop.
 */
export async function * messageLoop (socket: LoopOwner): AsyncGenerator<unknown, void, undefined> {
  let left = leftBySelect(socket)
  await socket.saveSession()
  for (;;) {
    if (left === undefined) {
      const waiting = await socket.inbox.take()
      if (waiting === undefined) return
      socket.taken()
      try {
        const checked = await socket.check(waiting)
        if (checked !== undefined && !socket.hasClosed) {
          yield checked.message
          left = leftBySelect(socket)
        }
        // the handler has come back for the next one: it is busy until its session is saved
        await socket.saveSession()
      } finally {
        socket.handled()
      }
    } else {
      const { next, iterator } = left
      left = undefined
      try {
        const first = await next!
        if (first.done === true) return
        yield first.value
        left = leftBySelect(socket)
        await socket.saveSession()
      } finally {
        // it counts what it has handed out
        await iterator.return?.()
      }
    }
    socket.closeIfIdle()
  }
}

/** A `select` that was left has asked for a message, which has come, and nobody waits for it. */
export function isLeft (socket: AsyncIterable<unknown>): boolean {
  const state = asked.get(socket)
  return state?.outcome !== undefined && 'result' in state.outcome && state.outcome.result.done !== true && state.arrived === undefined
}

/**
 * What a `select` that was left has asked for: the next message goes there.
 *
 * @throws WSV_ERR_OPTION_INVALID where a `select` waits for it
 */
function leftBySelect (socket: LoopOwner): Asked | undefined {
  const state = asked.get(socket)
  // a select that goes on with its iterator, which is this one, asks for nothing yet
  if (state?.next === undefined) return undefined
  if (state.arrived !== undefined) throw new WSV_ERR_OPTION_INVALID('select', 'socket', 'a source that is in no other loop', 'one that is')
  asked.delete(socket)
  return state
}
