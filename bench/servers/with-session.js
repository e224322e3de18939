// Cookie, session and one auth hook, as the rows on handshakes and memory want them.
import cookie from '@fastify/cookie'
import session from '@fastify/session'

export async function withSession (app) {
  await app.register(cookie)
  await app.register(session, { secret: 'a secret with at least thirty-two characters', cookie: { secure: false } })
  app.addHook('preValidation', async (request, reply) => {
    if (request.url === '/login') request.session.user = 'ada'
    else if (request.session.user === undefined) return reply.code(401).send()
  })
  app.get('/login', async () => 'welcome')
}
