/**
 * CPU per message of the form, beside `JSON.parse` and Ajv's check of the same schema: `npm run bench:form`.
 *
 * Ajv has its defaults (it stops at the first error), the form collects all errors and makes their texts.
 * Both start from the text of the message. Rounds alternate, so that whatever else the machine does hits both;
 * the medians of the rounds are compared.
 */
import { Ajv } from 'ajv'
import { compileForm } from '../dist/form/form.js'

const rounds = 41
const roundMs = 20

const say = {
  type: 'object',
  properties: {
    type: { const: 'say' },
    room: { type: 'integer', minimum: 1 },
    text: { type: 'string', minLength: 1, maxLength: 500 },
    tags: { type: 'array', items: { type: 'string', maxLength: 20 }, maxItems: 5 },
    silent: { type: 'boolean' }
  },
  required: ['type', 'room', 'text']
}

const order = {
  type: 'object',
  properties: {
    type: { enum: ['order', 'offer'] },
    id: { type: 'string', pattern: '^[a-z0-9-]+$', maxLength: 40 },
    customer: {
      type: 'object',
      properties: { name: { type: 'string', minLength: 1, maxLength: 80 }, vip: { type: 'boolean' }, age: { type: 'integer', minimum: 0, maximum: 150 } },
      required: ['name']
    },
    items: {
      type: 'array',
      minItems: 1,
      maxItems: 50,
      items: {
        type: 'object',
        properties: { sku: { type: 'string', minLength: 3, maxLength: 12 }, count: { type: 'integer', minimum: 1 }, price: { type: 'number', exclusiveMinimum: 0 } },
        required: ['sku', 'count']
      }
    },
    note: { type: 'string', maxLength: 200 }
  },
  required: ['type', 'id', 'customer', 'items']
}

const clean = { type: 'say', room: 7, text: 'Shall we meet at eight, at the usual place?', tags: ['plans', 'evening'], silent: false }
const nested = {
  type: 'order',
  id: 'a-2024-17',
  customer: { name: 'Ada', vip: true, age: 36 },
  items: [{ sku: 'tea-01', count: 2, price: 4.5 }, { sku: 'cup-07', count: 1, price: 12 }],
  note: 'Ring twice.'
}

const cases = [
  { name: 'valid, 5 fields', schema: say, message: { ...clean, text: ` ${clean.text}\n`, client: 'web' }, target: 1.5 },
  { name: 'clean already, 5 fields', schema: say, message: clean, target: 1.1 },
  { name: 'valid, 10 fields, nested', schema: order, message: nested, target: 1.5 },
  { name: 'three errors, 5 fields', schema: say, message: { ...clean, room: 0, text: '', silent: 'perhaps' }, target: 10 }
]

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1]

/** @returns nanoseconds of one call, in a round of about `roundMs` */
function time (run, text, count) {
  const start = process.hrtime.bigint()
  for (let i = 0; i < count; i++) run(text)
  return Number(process.hrtime.bigint() - start) / count
}

function measure ({ schema, message, ...rest }) {
  const text = JSON.stringify(message)
  const form = compileForm(schema, {}, { name: 'bench', schemas: {}, isParsed: true })
  const validate = new Ajv().compile(schema)
  const context = {}
  let last
  const runs = {
    form: (text) => { last = form.clean(JSON.parse(text), context) },
    ajv: (text) => { last = validate(JSON.parse(text)) },
    parse: (text) => { last = JSON.parse(text) }
  }
  const times = { form: [], ajv: [], parse: [] }
  const names = Object.keys(runs)
  let count = 1_000
  for (const name of names) time(runs[name], text, 20_000)
  count = Math.max(1_000, Math.round(roundMs * 1e6 / time(runs.form, text, 20_000)))
  for (let round = 0; round < rounds; round++) {
    // whoever comes first in one round comes last in the next
    for (const name of round % 2 === 0 ? names : [...names].reverse()) times[name].push(time(runs[name], text, count))
  }
  if (last === undefined) throw new Error('nothing was measured')
  return { ...rest, form: median(times.form), ajv: median(times.ajv), parse: median(times.parse) }
}

const us = (ns) => (ns / 1_000).toFixed(2)
console.log(`Node ${process.version}, ${rounds} rounds, µs per message (median)\n`)
console.log('| message | JSON.parse | JSON.parse + Ajv | JSON.parse + form | form : Ajv | target |')
console.log('|---|---|---|---|---|---|')
for (const each of cases) {
  const { name, form, ajv, parse, target } = measure(each)
  const ratio = form / ajv
  console.log(`| ${name} | ${us(parse)} | ${us(ajv)} | ${us(form)} | ${ratio.toFixed(2)} | ${ratio <= target ? '' : 'MISSED: '}≤ ${target} |`)
}
