import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', '.documents/**', 'docs/api/**', '.tap/**'] }),
  { rules: { '@typescript-eslint/no-redeclare': 'off' } }
]
