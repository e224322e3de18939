import t, { type Test } from 'tap'
import { cleanMessage } from '../lib/form/clean-message.ts'
import { compileForm } from '../lib/form/form.ts'
import type { FormResult } from '../lib/types.ts'
import { codesOf, formCases, withoutEmpty, type FormCase } from './fixtures/form-cases.ts'

function agrees (t: Test, { expect, id }: FormCase, result: FormResult): void {
  t.equal(result.ok, expect.ok, `${id}: ${expect.ok ? 'passes' : 'is refused'}`)
  if (expect.ok) t.same(withoutEmpty(result.cleaned), withoutEmpty(expect.cleaned), `${id}: what is cleaned`)
  else if (result.errors !== null) t.same(codesOf(result.errors), expect.fields, `${id}: paths and codes`)
}

t.test('cleans and refuses as the cases say, compiled once', (t) => {
  for (const each of formCases) {
    const form = compileForm(each.schema, {}, { name: each.id, schemas: {} })
    agrees(t, each, form.clean(each.input, {}) as FormResult)
  }
  t.equal(formCases.length, 88)
  t.end()
})

t.test('cleans and refuses as the cases say, with cleanMessage', async (t) => {
  for (const each of formCases) agrees(t, each, await cleanMessage(each.schema, each.input))
})
