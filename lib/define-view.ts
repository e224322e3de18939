import type { DefineView, WsView } from './types.ts'

/** A view apart from an instance: `instance.wsView(view)` declares it, `typeof view` types its URL. */
export const defineView: DefineView = (url: string, options: object, handler?: unknown) =>
  ({ url, options, handler }) as WsView<never, never>
