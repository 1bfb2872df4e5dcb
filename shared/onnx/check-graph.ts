import { EspalierError } from '../lib/errors.ts'
import type { Graph } from './graph.ts'

/**
 * Makes sure that every value is made once and before it is read, so that a graph can be walked without doubt.
 * @throws EspalierError `invalid_model_file` naming the value
 */
export function checkGraph({ inputs, outputs, initializers, nodes }: Graph): void {
  const known = new Set<string>()
  for (const { name } of [...inputs, ...initializers]) {
    if (name === '' || known.has(name)) throw broken(`${name || 'a nameless value'} is made twice`)
    known.add(name)
  }
  for (const { op, inputs: read, outputs: made } of nodes) {
    if (op === '') throw broken('a node has no operator')
    const missing = read.find((name) => name !== '' && !known.has(name))
    if (missing !== undefined) throw broken(`${op} reads ${missing}, which nothing before it makes`)
    for (const name of made) {
      if (name === '') continue
      if (known.has(name)) throw broken(`${name} is made twice`)
      known.add(name)
    }
  }
  const lost = outputs.find(({ name }) => !known.has(name))
  if (lost) throw broken(`nothing makes the output ${lost.name}`)
  if (outputs.length === 0) throw broken('the graph has no output')
}

function broken(reason: string): EspalierError {
  return new EspalierError('invalid_model_file', `damaged ONNX file: ${reason}`)
}
