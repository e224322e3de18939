import { join } from 'node:path'
import formbody from '@fastify/formbody'
import staticFiles from '@fastify/static'
import view from '@fastify/view'
import ejs from 'ejs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cleanMessage, type FormErrors } from '../lib/index.ts'
import { colours } from './colours.ts'
import { requireName } from './identity.ts'
import { NameForm } from './name-form.ts'

/** The pages: ordinary routes and templates. A template finds its socket with `wsUrl('chat')`. */
export async function pages (app: FastifyInstance): Promise<void> {
  await app.register(formbody)
  await app.register(view, {
    engine: { ejs },
    root: join(import.meta.dirname, 'templates'),
    layout: 'layout.ejs',
    options: { views: [join(import.meta.dirname, 'templates')] }
  })
  await app.register(staticFiles, { root: join(import.meta.dirname, 'public'), prefix: '/public/' })
  app.addHook('onSend', securityHeaders)

  app.get('/', (request, reply) => reply.viewAsync('index.ejs', { page: 'index', title: 'Sandbox' }))
  app.get('/echo/', (request, reply) => reply.viewAsync('echo.ejs', { page: 'echo', title: 'Echo' }))
  app.get('/ping/', (request, reply) => reply.viewAsync('ping.ejs', { page: 'ping', title: 'Ping' }))
  for (const page of ['/chat', '/echo', '/ping']) app.get(page, (request, reply) => reply.redirect(`${page}/`))

  app.get('/chat/', (request, reply) => chatPage(request, reply, request.session, {}))

  app.post<{ Body: Partial<NameForm> | undefined }>('/chat/', { preValidation: sameSite }, async (request, reply) => {
    const input = request.body ?? {}
    const { ok, cleaned, errors } = await cleanMessage(NameForm, input, { instance: app })
    if (!ok) return chatPage(request, reply.code(400), input, errors)

    request.session.name = cleaned.name
    request.session.colour = cleaned.colour
    await request.session.save()
    // Other windows of this session reconnect, and speak under the new name.
    await app.wsSockets.close({ sessionId: request.session.sessionId }, 1012, 'name changed')
    return reply.redirect('/chat/', 303)
  })

  // Ending the session closes its sockets with 4401, in every window.
  app.post('/chat/leave', { preValidation: sameSite }, async (request, reply) => {
    await request.session.destroy()
    return reply.redirect('/chat/', 303)
  })

  // A browser does not tell a page why a handshake was refused. Here it can ask.
  app.get('/chat/name', { preValidation: requireName }, async (request, reply) => reply.code(204).send())
}

/** @param values - what stands in the form: the session, or what was sent and refused */
function chatPage (request: FastifyRequest, reply: FastifyReply, values: { name?: unknown, colour?: unknown }, errors: FormErrors) {
  return reply.viewAsync('chat.ejs', {
    page: 'chat',
    title: 'Chat',
    colours,
    me: request.session.name === undefined ? null : { name: request.session.name, colour: request.session.colour },
    values: { name: values.name ?? '', colour: values.colour ?? 'blue' },
    errors
  })
}

/** Forms of other sites are refused; a client that does not say where it comes from is no browser. */
async function sameSite (request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const from = request.headers['sec-fetch-site']
  if (from === undefined || from === 'same-origin' || from === 'none') return
  await reply.code(403).send({ statusCode: 403, error: 'Forbidden', message: 'This form was sent by another site' })
}

async function securityHeaders (request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.headers({
    'content-security-policy': [
      "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
      `connect-src 'self' ${new URL(request.wsUrl('chat')).origin}`
    ].join('; '),
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff'
  })
  if (String(reply.getHeader('content-type')).startsWith('text/html')) reply.header('cache-control', 'no-store')
}
