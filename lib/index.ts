export { closeCodes } from './close-codes.ts'
