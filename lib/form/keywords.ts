/** A keyword for Ajv that says nothing about the value. */
export interface FormKeyword {
  keyword: string
  schemaType: 'boolean' | 'object'
  valid: true
}

/**
 * The keywords of ours in a schema, for `ajv.customOptions.keywords` of the server where such a schema
 * is an HTTP body as well.
 */
export const formKeywords: FormKeyword[] = [
  { keyword: 'strip', schemaType: 'boolean', valid: true },
  { keyword: 'errorMessages', schemaType: 'object', valid: true }
]
