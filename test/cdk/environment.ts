/** Environment variables of a template, with references between stacks filled in. */
export function readEnvironment(variables: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : fill(value),
    ]),
  )
}

/** As `readEnvironment`, for the list of names and values that containers have. */
export function readPairs(
  pairs: readonly { readonly Name: string; readonly Value: unknown }[],
): Record<string, string> {
  return readEnvironment(Object.fromEntries(pairs.map(({ Name, Value }) => [Name, Value])))
}

function fill(value: unknown): string {
  const parts = (value as { 'Fn::Join': [string, unknown[]] })['Fn::Join'][1]
  return parts.map((part) => (typeof part === 'string' ? part : 'example-bucket')).join('')
}
