/** JSON bodies of `POST /embed`: a single text as a string, several as a list. */
export function embedBodies(texts: readonly string[], textsPerRequest: number): string[] {
  const bodies: string[] = []
  for (let from = 0; from < texts.length; from += textsPerRequest) {
    const inputs = textsPerRequest === 1 ? texts[from] : texts.slice(from, from + textsPerRequest)
    bodies.push(JSON.stringify({ inputs, truncate: true }))
  }
  return bodies
}
