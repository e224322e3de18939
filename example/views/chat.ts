import { Type } from '@sinclair/typebox'
import { defineChannel, type WsViews } from '../../lib/index.ts'
import { requireName } from '../identity.ts'
import { Colour } from '../name-form.ts'

const Say = Type.Object({
  type: Type.Literal('say'),
  text: Type.String({ minLength: 1, maxLength: 500 })
})

/** Asks who this socket speaks for; the page also sends it after some silence, to hear whether the server is alive. */
const Hello = Type.Object({ type: Type.Literal('hello') })

const Accepted = Type.Object({ type: Type.Literal('accepted') })
const Welcome = Type.Object({ type: Type.Literal('welcome'), name: Type.String(), colour: Colour })

/** What everybody in the room gets. */
const Said = Type.Object({
  type: Type.Literal('said'),
  from: Type.String(),
  colour: Colour,
  text: Type.String(),
  at: Type.Integer({ description: 'milliseconds since 1970' })
})

const lobby = defineChannel('chat:lobby', Said)

export const chat: WsViews = async (ws) => {
  ws.addHook('preValidation', requireName)

  ws.wsView('/chat', {
    name: 'chat',
    messageSchema: Type.Union([Say, Hello]),
    replySchema: Type.Union([Accepted, Welcome]),
    rateLimit: { messages: 20, perMs: 10_000 },

    data: ({ session }) => ({ name: session.name ?? '', colour: session.colour ?? 'grey' } as const),

    async onOpen (socket) {
      await socket.subscribe(lobby)
    },

    onMessage: {
      hello ({ data }) {
        return { type: 'welcome', ...data }
      },

      async say ({ data }, { text }) {
        await this.wsFanout.publish(lobby, { type: 'said', from: data.name, colour: data.colour, text, at: Date.now() })
        return { type: 'accepted' }
      }
    }
  })
}
