import type { FastifyInstance } from 'fastify'
import type { Compile } from './foreign.ts'
import type { FormApp } from './form.ts'

type Validate = ((value: unknown) => unknown) & { errors?: unknown }

/**
 * What a form borrows from an instance: its schemas, and its validator compiler for what our own does not know.
 * Fastify has a validator compiler once it is ready and a route has a schema, or the application has set one.
 *
 * @param name - for errors
 */
export function formAppOf (instance: FastifyInstance | undefined, name: string): FormApp {
  const app: FormApp = { name, schemas: instance?.getSchemas() ?? {} }
  const compiler = instance?.validatorCompiler
  if (compiler === undefined) return app
  return {
    ...app,
    compile (schema) {
      const validate = compiler({ schema, method: 'GET', url: '', httpPart: 'body' }) as Validate
      const check: ReturnType<Compile> = (value) => {
        const answer = validate(value)
        // as Fastify reads it
        const isGood = answer !== false && !(typeof answer === 'object' && answer !== null && (answer as { error?: unknown }).error)
        check.errors = isGood ? undefined : validate.errors
        return isGood
      }
      return check
    }
  }
}
