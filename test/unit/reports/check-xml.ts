const TOKEN =
  /<!doctype html>|<\/([a-z][\w-]*)>|<([a-z][\w-]*)((?:\s+[a-zA-Z][\w:-]*="[^"<]*")*)\s*(\/?)>|[^<]+/gy
const REFERENCE = /&(?!(?:amp|lt|gt|quot|#39|#\d+);)/

/** Throws unless the text is well-formed: balanced tags, quoted and unique attributes, known entities. */
export function checkXml(text: string): { elements: Map<string, number> } {
  const open: string[] = []
  const elements = new Map<string, number>()
  let at = 0
  TOKEN.lastIndex = 0
  while (at < text.length) {
    const match = TOKEN.exec(text)
    if (match === null) throw new Error(`not well-formed at: ${text.slice(at, at + 80)}`)
    at = TOKEN.lastIndex
    const [token, closed, opened, attributes = '', slash] = match
    if (REFERENCE.test(token)) throw new Error(`bare ampersand in: ${token.slice(0, 80)}`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML forbids
    if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(token)) {
      throw new Error(`forbidden character in: ${JSON.stringify(token.slice(0, 80))}`)
    }
    if (closed !== undefined && open.pop() !== closed) throw new Error(`stray </${closed}>`)
    if (opened === undefined) continue
    elements.set(opened, (elements.get(opened) ?? 0) + 1)
    const names = Array.from(attributes.matchAll(/\s([a-zA-Z][\w:-]*)="/g), ([, name]) => name)
    if (new Set(names).size !== names.length) throw new Error(`repeated attribute: ${token}`)
    if (slash === '') open.push(opened)
  }
  if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`)
  return { elements }
}

/** The SVG elements of a page, as texts. */
export function extractSvg(page: string): string[] {
  return page.match(/<svg[\s\S]*?<\/svg>/g) ?? []
}
