// Which files the coverage of a test is of: the sources, whatever else it loads (the built package, the examples).
import { readdirSync } from 'node:fs'

const sources = readdirSync('lib', { recursive: true }).filter((path) => path.endsWith('.ts')).map((path) => `lib/${path}`)

export default () => sources
