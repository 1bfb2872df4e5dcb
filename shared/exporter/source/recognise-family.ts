import { basename, dirname, resolve } from 'node:path'
import { z } from 'zod'
import { KNOWN_FAMILIES, type KnownFamily } from './known-families.ts'

/** What a folder's name and configuration have to do with published models. */
export interface RecognisedFamily {
  readonly family: KnownFamily
  /** The name that it was recognised by, and where that stands. */
  readonly name: string
  readonly where: string
  /** Whether name and configuration are those of a published model: what is known of it may answer. */
  readonly isSure: boolean
}

const size = z.int().min(0).optional().catch(undefined)

/** What of a `config.json` tells models apart, in the words of all architectures. */
export const identitySchema = z.looseObject({
  model_type: z.string().max(64).optional().catch(undefined),
  _name_or_path: z.string().max(500).optional().catch(undefined),
  hidden_size: size,
  dim: size,
  num_hidden_layers: size,
  n_layers: size,
  vocab_size: size,
})
export type Identity = z.infer<typeof identitySchema>

/**
 * Looks a folder up in the table of known families, by the name in its configuration, its own, and that of a cache
 * of Hugging Face. Null where no name is like one of the table.
 */
export function recogniseFamily(folder: string, identity: Identity): RecognisedFamily | null {
  const names = namesOf(folder, identity)
  const shape = [
    identity.model_type,
    identity.hidden_size ?? identity.dim,
    identity.num_hidden_layers ?? identity.n_layers,
    identity.vocab_size,
  ].join()
  let likely: RecognisedFamily | null = null
  for (const { name, where } of names) {
    for (const family of KNOWN_FAMILIES) {
      const isNamed = family.names.test(name)
      if (isNamed && family.shapes.some((known) => known.join() === shape)) {
        return { family, name, where, isSure: true }
      }
      if (likely === null && (isNamed || family.kind.test(name))) {
        likely = { family, name, where, isSure: false }
      }
    }
  }
  return likely
}

function namesOf(folder: string, { _name_or_path: stated }: Identity) {
  const path = resolve(folder)
  const cached = /^models--.+--(.+)$/.exec(basename(dirname(dirname(path))))?.[1]
  const found = [
    { name: stated && lastPart(stated), where: 'its _name_or_path' },
    { name: basename(path), where: 'its folder' },
    { name: cached, where: 'its folder' },
  ]
  return found.flatMap(({ name, where }) => (name ? [{ name: name.toLowerCase(), where }] : []))
}

/** `BAAI/bge-small-en-v1.5`, and a folder of a cache that ends in `BAAI_bge-small-en/`, as some were saved. */
function lastPart(path: string): string {
  const last = path.split(/[\\/]/).findLast((part) => part !== '') ?? ''
  return last.slice(last.lastIndexOf('_') + 1)
}
