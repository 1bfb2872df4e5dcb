import { CHAMPION } from '../../lib/text/model-address.ts'
import { readHeadCard } from '../../versions/head-version.ts'
import type { ClassifierEntry } from '../classifiers.ts'
import type { ShadowBook } from '../shadow/shadow-book.ts'
import type { ServedModel } from './served-models.ts'

/** A served classifier as lists show it: the version that its name means, or the one chosen. */
export async function describeClassifier(
  { followed, state, book }: ServedModel,
  shadows: ShadowBook,
  chosen?: number,
): Promise<ClassifierEntry> {
  const { name, versions } = followed
  const version = chosen ?? state.aliases[CHAMPION] ?? null
  const shown = version ?? versions.at(-1)
  const manifest = shown === undefined ? null : await book.get(shown).catch((): null => null)
  const { traffic, shadow } = state
  return {
    kind: 'classifier',
    name,
    version,
    versions,
    aliases: state.aliases,
    traffic,
    shadow: shadow && {
      ...shadows.summarize(name, shadow.version),
      samplePercent: shadow.samplePercent,
    },
    family: manifest?.family ?? null,
    labels: manifest ? (readHeadCard(manifest)?.labelCount ?? null) : null,
    createdSeconds: manifest ? Math.floor(Date.parse(manifest.createdAt) / 1000) : 0,
  }
}
