import { Type, type Static } from '@sinclair/typebox'
import { colours } from './colours.ts'

export const Colour = Type.Union(colours.map(({ value }) => Type.Literal(value)))

/** What the form of `POST /chat/` may hold. The same rules as for a message: stripped, required, chosen from a list. */
export const NameForm = Type.Object({
  name: Type.String({ minLength: 2, maxLength: 24 }),
  colour: Colour
})

export type NameForm = Static<typeof NameForm>
