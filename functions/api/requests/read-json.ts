import { isUtf8 } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { findJsonFault } from '../../../shared/lib/json/json-fault.ts'
import { type ExceededBound, JsonScan } from '../../../shared/lib/json/json-scan.ts'
import { parseSliced } from '../../../shared/lib/json/parse-sliced.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { Route } from '../types.ts'
import { tokenInput } from './parse-body.ts'

/** No request of ours nests deeper than a handful. */
const MAX_DEPTH = 64
/** More than any form of an input has: six values and four keys for an image of Cohere's. */
const PARTS_AN_INPUT = 8
/** For all other fields of a request, and for what is refused with a message of its own. */
const OTHER_PARTS = 4_096

/**
 * The JSON of one request. It is looked at while it arrives, so that what no request can be is refused before it is
 * parsed, or even here; a large one is parsed in slices.
 */
export class JsonBody {
  readonly #uploads: Route['uploads']
  readonly #maxInputs: number
  readonly #scan: JsonScan

  /**
   * @param uploads the field of inputs of the route, where it takes images
   * @param maxInputs most items of a list
   */
  constructor(uploads: Route['uploads'], maxInputs: number) {
    this.#uploads = uploads
    this.#maxInputs = maxInputs
    const parts = PARTS_AN_INPUT * maxInputs + OTHER_PARTS
    this.#scan = new JsonScan({ depth: MAX_DEPTH, values: parts, keys: parts })
  }

  /**
   * Looks at the next part of the body.
   * @throws EspalierError `invalid_json`, `too_many_inputs`, `invalid_request`, `token_input_unsupported`
   */
  inspect(part: Uint8Array): void {
    const isWithin = this.#scan.push(Buffer.from(part.buffer, part.byteOffset, part.byteLength))
    if (isWithin || this.#scan.exceeded === null) return
    throw this.#refuse(this.#scan.exceeded)
  }

  /**
   * Parses the whole body, all parts of which have been looked at.
   * @throws EspalierError `invalid_json` naming the place
   */
  async parse(bytes: Buffer): Promise<unknown> {
    if (bytes.length === 0) throw new EspalierError('invalid_json', 'the body is empty; send JSON')
    if (!isUtf8(bytes)) throw new EspalierError('invalid_json', 'the body is not valid UTF-8')
    try {
      return await parseSliced(bytes, this.#scan.lists, setImmediate)
    } catch (error) {
      throw notJson(bytes.toString('utf8'), error)
    }
  }

  #refuse({ bound, key, items, isNumeric }: ExceededBound): EspalierError {
    if (bound === 'depth') {
      return new EspalierError('invalid_json', `the body nests deeper than ${MAX_DEPTH} levels`)
    }
    if (isNumeric && key === 'input' && this.#uploads === 'input') return tokenInput()
    const maxItems = this.#maxInputs
    if (items > maxItems) {
      return new EspalierError(
        'too_many_inputs',
        `${key === null ? 'a list' : quote(key)} has more than ${maxItems} items, the limit per request; send them in parts`,
        { param: key?.slice(0, 80) },
      )
    }
    const parts = PARTS_AN_INPUT * maxItems + OTHER_PARTS
    const message = `the body has more than ${parts} ${bound}; no request has so many`
    return new EspalierError('invalid_request', message)
  }
}

function notJson(text: string, cause: unknown): EspalierError {
  const fault = findJsonFault(text)
  const where = fault
    ? `${describePlace(text, fault.position)}: expected ${fault.expected}`
    : 'at an unknown place'
  return new EspalierError('invalid_json', `the body is not JSON: ${where}`, { cause })
}

/** Line and column, from 1, and the position from 0. */
function describePlace(text: string, position: number): string {
  let line = 1
  let start = 0
  for (let at = 0; at < position; at++) {
    if (text.charCodeAt(at) !== 0x0a) continue
    line += 1
    start = at + 1
  }
  return `line ${line}, column ${position - start + 1} (position ${position})`
}
