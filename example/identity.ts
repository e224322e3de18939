import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Colour } from './colours.ts'

declare module 'fastify' {
  interface Session {
    /** chosen at /chat/, 2 to 24 characters */
    name?: string
    colour?: Colour
  }
}

/** A preValidation hook for pages and views alike: without a name in the session the answer is 401. */
export async function requireName (request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (request.session.name !== undefined) return
  await reply.code(401).send({ statusCode: 401, error: 'Unauthorized', message: 'Choose a name at /chat/ first' })
}
