import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { absoluteUrl } from './absolute-url.ts'
import { Registration } from './registration.ts'
import type { ServerState } from './server-state.ts'
import { resolveUrl, type UrlParams, type UrlQuery } from './url.ts'
import { addWsHook } from './ws-hooks.ts'

interface ViewGiven { url: string, options: Record<string, unknown>, handler: unknown }

/** What an instance gets, once: those below it inherit it. */
export function decorate (instance: FastifyInstance, state: ServerState): void {
  if (instance.hasDecorator('wsView')) return
  const { names, options: { baseUrl } } = state

  function wsView (this: FastifyInstance, first: string | ViewGiven, options?: Record<string, unknown>, handler?: unknown): FastifyInstance {
    const declared = typeof first === 'object' && first !== null ? first : { url: first, options: options!, handler }
    const { registration, prefix } = Registration.for(this, declared.url)
    registration.declare(this, prefix, declared.url, declared.options, declared.handler)
    return this
  }

  function wsUrl (name: string, params?: UrlParams, { query }: { query?: UrlQuery } = {}): string {
    const view = names.get(name)
    const path = resolveUrl(view, params, query)
    return baseUrl === undefined ? path : absoluteUrl(path, { baseUrl, host: view.view.host })
  }

  function requestWsUrl (this: FastifyRequest, name: string, params?: UrlParams, { query }: { query?: UrlQuery } = {}): string {
    const view = names.get(name)
    const path = resolveUrl(view, params, query)
    return absoluteUrl(path, { baseUrl, host: view.view.host, secure: this.protocol === 'https', requestHost: this.host })
  }

  instance.decorate('wsView', wsView as never)
  instance.decorate('wsUrl', wsUrl as never)
  instance.decorate('wsFanout', state.fanOut)
  instance.decorate('wsSockets', state.wsSockets)
  instance.decorate('wsViews', state.views)
  instance.decorate('addWsHook', addWsHook as never)
  instance.decorateRequest('wsUrl', requestWsUrl as never)
  // @fastify/view makes a `locals` of its own on every request, unless there is such a decorator
  if (!instance.hasReplyDecorator('locals')) instance.decorateReply('locals', undefined as never)
  instance.addHook('onRequest', function putWsUrl (request, reply, done) {
    const withLocals = reply as FastifyReply & { locals?: object }
    const wsUrl = request.wsUrl.bind(request)
    withLocals.locals = withLocals.locals === undefined ? { wsUrl } : { ...withLocals.locals, wsUrl }
    done()
  })
}
