/**
 * Is a parsed value nested deeper than this, or has it a key that could reach a prototype? For values
 * that did not come through our own parser.
 */
export function isUnsafe (value: unknown, levels: number): boolean {
  // bytes have a key for each of them, and nothing within
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  if (levels === 0) return true
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (isUnsafe(value[i], levels - 1)) return true
    }
    return false
  }
  for (const key of Object.keys(value)) {
    const inner: unknown = (value as Record<string, unknown>)[key]
    if (typeof inner !== 'object' || inner === null) {
      if (key === '__proto__') return true
      continue
    }
    if (key === '__proto__' || (key === 'constructor' && Object.hasOwn(inner, 'prototype')) || isUnsafe(inner, levels - 1)) return true
  }
  return false
}
