import { type AnswerFacts, encodeAnswers } from '../../shared/head/answers.ts'
import { alignUp, encodeHead, HEADER_OFFSET } from '../../shared/head/encode.ts'
import type { Head } from '../../shared/head/head.ts'
import { HEAD_FILE } from '../../shared/lib/manifests/head-header.ts'
import { createRandom } from '../../shared/lib/maths/random.ts'
import { openRegistry } from '../../shared/registry/registry.ts'
import { openMemoryStore } from '../../shared/registry/stores/memory/store.ts'
import type { Registry } from '../../shared/registry/types.ts'
import { ANSWERS_FILE, describeHead } from '../../shared/versions/head-version.ts'

/** The family of the fake encoder. */
export const FAKE_FAMILY = 'a'.repeat(64)

/** A head with pseudo-random weights; labels are `<prefix>0`, `<prefix>1` …, so that mixed-up heads show. */
export function createTestHead(prefix: string, changes: Partial<Head> = {}, labels = 3): Head {
  const dimension = changes.dimension ?? 8
  const random = createRandom([...prefix].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7))
  const number = () => 4 * random.next() - 2
  return {
    family: FAKE_FAMILY,
    dimension,
    labels: Array.from({ length: labels }, (_, i) => `${prefix}${i}`),
    activation: 'softmax',
    weights: Float32Array.from({ length: labels * dimension }, number),
    bias: Float32Array.from({ length: labels }, number),
    temperature: 0.5,
    memory: null,
    adjustment: null,
    thresholds: null,
    detector: null,
    ...changes,
  }
}

/** The file of a head whose first weight is no number that a head may have, as an earlier program could write it. */
export function spoilHead(head: Head, weight = Number.POSITIVE_INFINITY): Uint8Array {
  const bytes = encodeHead(head)
  const view = new DataView(bytes.buffer)
  const start = alignUp(HEADER_OFFSET + view.getUint32(8, true))
  view.setFloat32(start, weight, true)
  return bytes
}

/** A detector of rank two around the origin. */
export function createTestDetector(dimension = 8): NonNullable<Head['detector']> {
  const random = createRandom(11)
  const number = () => 2 * random.next() - 1
  return {
    projection: Float32Array.from({ length: 2 * dimension }, number),
    offset: Float32Array.of(0.1, -0.2),
    means: Float32Array.of(0, 0, 0.5, 0.5),
    background: Float32Array.of(0.3, 0.4),
    threshold: 0.4,
  }
}

/** An empty registry in memory. */
export function createTestRegistry(): Registry {
  return openRegistry(openMemoryStore())
}

/** Publishes a head, as training does, and makes it the champion unless told otherwise. */
export async function publishHead(
  registry: Registry,
  name: string,
  head: Head,
  options: {
    alias?: string | null
    bytes?: Uint8Array
    answers?: AnswerFacts
    answersBytes?: Uint8Array
  } = {},
): Promise<number> {
  const bytes = options.bytes ?? encodeHead(head)
  const answers = options.answersBytes ?? (options.answers && encodeAnswers(options.answers))
  const card = describeHead(head, { method: 'softmax', why: 'test', headBytes: bytes.byteLength })
  const { version } = await registry.publish({
    name,
    kind: 'classifier',
    family: head.family,
    metadata: card,
    files: [
      { path: HEAD_FILE, source: { bytes } },
      ...(answers ? [{ path: ANSWERS_FILE, source: { bytes: answers } }] : []),
    ],
  })
  const alias = options.alias === undefined ? 'champion' : options.alias
  if (alias) await registry.promote(name, version.version, { alias })
  return version.version
}
