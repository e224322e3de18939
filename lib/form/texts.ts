import { fill, type ErrorParams } from './validation-error.ts'

/** What an `invalid` is about; it chooses the text and is not sent. */
export type Kind = string | undefined

const invalid: Record<string, string> = {
  integer: 'Enter a whole number.',
  number: 'Enter a number.',
  email: 'Enter a valid email address.',
  uri: 'Enter a valid URL.',
  url: 'Enter a valid URL.',
  uuid: 'Enter a valid UUID.',
  date: 'Enter a valid date.',
  time: 'Enter a valid time.',
  'date-time': 'Enter a valid date/time.',
  duration: 'Enter a valid duration.',
  ipv4: 'Enter a valid IPv4 address.',
  ipv6: 'Enter a valid IPv6 address.',
  json: 'Enter valid JSON.',
  object: 'Enter a JSON object.',
  list: 'Enter a list of values.'
}

/** one text, or how the text depends on the limit being 1 and on the kind */
const texts: Record<string, string | ((one: boolean, kind: Kind) => string)> = {
  required: 'This field is required.',
  invalid: (_, kind) => kind !== undefined && Object.hasOwn(invalid, kind) ? invalid[kind]! : 'Enter a valid value.',
  invalid_choice: 'Select a valid choice. That choice is not one of the available choices.',
  invalid_list: 'Enter a list of values.',
  min_length: (one) => `Ensure this value has at least {limit_value} character${one ? '' : 's'} (it has {show_value}).`,
  max_length: (one) => `Ensure this value has at most {limit_value} character${one ? '' : 's'} (it has {show_value}).`,
  min_value: (_, kind) => `Ensure this value is greater than ${kind === 'exclusive' ? '' : 'or equal to '}{limit_value}.`,
  max_value: (_, kind) => `Ensure this value is less than ${kind === 'exclusive' ? '' : 'or equal to '}{limit_value}.`,
  step_size: 'Ensure this value is a multiple of step size {limit_value}.',
  too_few_forms: (one) => `Please submit at least {limit_value} item${one ? '' : 's'}.`,
  too_many_forms: (one) => `Please submit at most {limit_value} item${one ? '' : 's'}.`,
  null_characters_not_allowed: 'Null characters are not allowed.',
  duplicate: 'Values must not repeat.',
  extra_keys: 'Unknown fields: {keys}.',
  unexpected: 'This view takes no messages.',
  rate_limited: 'Too many messages.',
  unavailable: 'Not available at the moment, try again.'
}

/** The English text of a code, filled from its params. A code that is not ours reads as a value that is not valid. */
export function textOf (code: string, params: ErrorParams | undefined, kind: Kind): string {
  const text = Object.hasOwn(texts, code) ? texts[code]! : 'Enter a valid value.'
  return fill(typeof text === 'string' ? text : text(params?.limit_value === 1, kind), params)
}
