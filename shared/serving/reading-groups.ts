import { isSameReading, type TextReading } from '../head/head.ts'
import { EspalierError } from '../lib/errors.ts'
import { formatModelVersion } from '../lib/text/model-address.ts'
import type { ClassifierLease, LeasedGroup, LeasedHead } from './classifiers.ts'

/** Heads of one encoder that read long texts alike, and so share a pass. */
export interface ReadingGroup extends LeasedGroup {
  readonly reading: TextReading | undefined
}

/** The heads of an encoder by how they read long texts. */
export function splitByReading(group: LeasedGroup): ReadingGroup[] {
  const [first] = group.heads
  const reading = first?.head.reading
  // Nearly always: one head, or heads that say nothing.
  if (group.heads.every(({ head }) => isSameReading(head.reading, reading))) {
    return [{ ...group, reading }]
  }
  const parts: { reading: TextReading | undefined; heads: LeasedHead[] }[] = []
  for (const head of group.heads) {
    const own = head.head.reading
    const part = parts.find((each) => isSameReading(each.reading, own))
    if (part === undefined) parts.push({ reading: own, heads: [head] })
    else part.heads.push(head)
  }
  return parts.map((part) => ({ ...group, ...part }))
}

/** @throws EspalierError `invalid_request` where embeddings would not be those of all */
export function checkOneReading(groups: readonly ReadingGroup[]): void {
  if (groups.length < 2) return
  throw new EspalierError(
    'invalid_request',
    'return_embeddings: the classifiers read long texts differently; name those of one reading at a time',
    { param: 'return_embeddings' },
  )
}

/** @throws EspalierError `invalid_request` where there is no one encoder whose embeddings could be given */
export function checkOneEncoder({ groups }: ClassifierLease): void {
  if (groups.length < 2) return
  const readers = groups.map(({ encoder, heads }) => {
    return `${heads.map(formatModelVersion).join(', ')} on ${formatModelVersion(encoder.info)}`
  })
  throw new EspalierError(
    'invalid_request',
    `return_embeddings: the classifiers read different encoders (${readers.join('; ')}); name those of one at a time`,
    { param: 'return_embeddings' },
  )
}
