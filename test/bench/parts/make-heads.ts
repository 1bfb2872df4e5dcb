import type { Encoder } from '../../../shared/encoder/types.ts'
import { encodeHead } from '../../../shared/head/encode.ts'
import type { Head } from '../../../shared/head/head.ts'
import { quantizeRows } from '../../../shared/head/neighbours.ts'
import { HEAD_FILE } from '../../../shared/lib/manifests/head-header.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import type { Registry } from '../../../shared/registry/types.ts'
import { describeHead } from '../../../shared/versions/head-version.ts'

/** Heads of one size. */
export interface HeadShape {
  readonly kind: string
  readonly classes: number
  readonly detector: boolean
  /** Rows of a neighbour memory; 0 for none. */
  readonly memoryRows: number
}

/** Names of the first `count` heads of a kind. */
export function headNames({ kind }: HeadShape, count: number): string[] {
  const stem = kind.replaceAll(/[^0-9a-z]+/g, '-')
  return Array.from({ length: count }, (_, i) => `${stem}-${i}`)
}

/** Publishes and promotes random heads of a kind. */
export async function publishHeads(
  registry: Registry,
  { info }: Encoder,
  shape: HeadShape,
  count: number,
): Promise<void> {
  for (const [seed, name] of headNames(shape, count).entries()) {
    const head = makeHead(info, shape, seed)
    const bytes = encodeHead(head)
    const about = { method: 'softmax', why: 'bench', headBytes: bytes.byteLength }
    const { version } = await registry.publish({
      name,
      kind: 'classifier',
      family: head.family,
      metadata: describeHead(head, about),
      files: [{ path: HEAD_FILE, source: { bytes } }],
    })
    await registry.promote(name, version.version, { alias: 'champion' })
  }
}

function makeHead(
  { family, dimension }: Encoder['info'],
  { classes, detector, memoryRows }: HeadShape,
  seed: number,
): Head {
  const random = createRandom(seed)
  const numbers = (length: number) => Float32Array.from({ length }, () => 2 * random.next() - 1)
  const memory = memoryRows > 0 && {
    ...quantizeRows(numbers(memoryRows * dimension), dimension),
    labels: Int32Array.from({ length: memoryRows }, (_, row) => row % classes),
    k: 10,
    temperature: 0.05,
    weight: 0.3,
  }
  return {
    family,
    dimension,
    labels: Array.from({ length: classes }, (_, label) => `label ${label}`),
    activation: 'softmax',
    weights: numbers(classes * dimension),
    bias: numbers(classes),
    temperature: 0.5,
    memory: memory || null,
    adjustment: null,
    thresholds: null,
    detector: detector
      ? {
          projection: numbers(classes * dimension),
          offset: numbers(classes),
          means: numbers(classes * classes),
          background: numbers(classes).map(Math.abs),
          threshold: 0,
        }
      : null,
  }
}
