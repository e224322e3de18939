import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', 'docs/api/**', '.tap/**'] }),
  { rules: { '@typescript-eslint/no-redeclare': 'off' } }
]
