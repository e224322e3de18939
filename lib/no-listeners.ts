import { EventEmitter } from 'node:events'

/** As an emitter of Node has it, a private field. */
interface HasTable { _events: object }

/** What Node's dictionary without a prototype is for; a dictionary takes much memory when it is empty. */
class NoListeners {}
Object.setPrototypeOf(NoListeners.prototype, null)
// or it would be the listener of an event of this name
Reflect.deleteProperty(NoListeners.prototype, 'constructor')

const isKnown = isEmptyTable((new EventEmitter() as unknown as HasTable)._events)

/** Where Node keeps listeners as it does today, and there are none, they need no dictionary. */
export function dropListenerTable (emitter: EventEmitter): void {
  const hasTable = emitter as unknown as HasTable
  if (isKnown && isEmptyTable(hasTable._events)) hasTable._events = new NoListeners()
}

function isEmptyTable (table: unknown): boolean {
  return typeof table === 'object' && table !== null && Object.getPrototypeOf(table) === null && Reflect.ownKeys(table).length === 0
}
