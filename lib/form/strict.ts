// The compiler comes next: until then a message is only known to be an object.
import type { FormErrors } from '../types.ts'
export function compileCheck (_schema: unknown, _app: unknown): (value: unknown) => FormErrors | null { return () => null }
