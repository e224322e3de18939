/** The colours a name can have: `value` goes over the wire, the style sheet has a light and a dark shade for each. */
export const colours = [
  { value: 'red', label: 'Red' },
  { value: 'orange', label: 'Orange' },
  { value: 'green', label: 'Green' },
  { value: 'teal', label: 'Teal' },
  { value: 'blue', label: 'Blue' },
  { value: 'violet', label: 'Violet' },
  { value: 'pink', label: 'Pink' },
  { value: 'grey', label: 'Grey' }
] as const

export type Colour = typeof colours[number]['value']
