import { basename, resolve } from 'node:path'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import type { Modality } from '../../../../shared/lib/manifests/encoder-input.ts'
import type { EncoderManifest } from '../../../../shared/lib/manifests/encoder-manifest.ts'
import { HEAD_FILE } from '../../../../shared/lib/manifests/head-header.ts'
import type { HeadOrigin } from '../../../../shared/versions/publish-model.ts'
import type { Boot } from '../../../boot/types.ts'
import { parseBareName } from '../../options/change-options.ts'
import { formatCount } from '../../output/number-format.ts'
import type { ExportOptions } from './options.ts'

const MAX_SHOWN = 8

type OwnClassifier = NonNullable<Awaited<ReturnType<Boot['findOwnClassifier']>>>

/** A model that an export publishes. */
export interface NamedModel {
  readonly name: string
  readonly kind: 'embedding' | 'classifier'
}

/** What an export makes, by name; null where there is none, or where the folder's own name will do. */
export interface ModelNames {
  readonly encoder: string | null
  readonly classifier: string | null
}

/** A version that was published, with the lines that tell it. */
export interface Published {
  readonly model: string
  readonly lines: readonly string[]
}

/** The classifier that the folder came with, unless its encoder alone is wanted. */
export async function findClassifier(
  boot: Boot,
  folder: string,
  modality: Modality,
  { headless, onnx }: ExportOptions,
): Promise<OwnClassifier | null> {
  if (modality !== 'text' || headless === true) return null
  return boot.findOwnClassifier(folder, { onnx })
}

/** @throws EspalierError `invalid_name` for names that no model may have, `invalid_request` for one too many */
export function chooseNames(
  folder: string,
  { name, encoderName, publish }: ExportOptions,
  classifier: OwnClassifier | null,
): ModelNames {
  if (classifier === null) {
    if (encoderName !== undefined) {
      const message = `--encoder-name is for folders of classifiers; ${folder} is none: use --name`
      throw new EspalierError('invalid_request', message)
    }
    if (publish !== true) return { encoder: name ?? null, classifier: null }
    const encoder = parseBareName(name ?? nameOf(folder), 'export --publish', 'set --name')
    return { encoder, classifier: null }
  }
  const own = parse(name ?? nameOf(folder).toLowerCase(), '--name')
  const encoder = parse(encoderName ?? `${own}-encoder`, '--encoder-name')
  if (encoder !== own) return { encoder, classifier: own }
  const message = `--encoder-name ${encoder}: one name cannot be both classifier and encoder`
  throw new EspalierError('invalid_request', message)
}

/** The encoder first: a classifier without its encoder answers nobody. */
export function listModels({ encoder, classifier }: ModelNames): readonly NamedModel[] {
  const models: NamedModel[] = []
  if (encoder !== null) models.push({ name: encoder, kind: 'embedding' })
  if (classifier !== null) models.push({ name: classifier, kind: 'classifier' })
  return models
}

/** What the version of a classifier tells of where it comes from. */
export function describeHead(
  folder: string,
  { source }: OwnClassifier,
  [encoder]: readonly Published[],
): { readonly description: string; readonly origin?: HeadOrigin } {
  const why = `the output layer of ${source}`
  return {
    description: `${nameOf(folder)} as it came (${source})`,
    ...(encoder && { origin: { encoder: encoder.model, method: 'imported', why } }),
  }
}

/** What was made, in one line. */
export function tellManifest(output: string, manifest: EncoderManifest): string {
  const graphs = Object.keys(manifest.graphs).join(', ')
  const reads =
    manifest.modality === 'text'
      ? `${manifest.maxTokens} tokens, ${manifest.pooling} pooling`
      : `images at layer ${manifest.layer}, ${manifest.pooling} pooling`
  return (
    `${output}: ${manifest.name} (${manifest.architecture}, ${manifest.dimension} dimensions, ` +
    `${reads}), graphs: ${graphs}`
  )
}

/** The classifier beside the encoder, and how both are published where they are not yet. */
export function tellClassifier(
  { source, labels, activation }: OwnClassifier,
  names: ModelNames,
  isPublished: boolean,
  output: string,
): string {
  const shown = labels.slice(0, MAX_SHOWN).join(', ')
  const more = labels.length > MAX_SHOWN ? ', …' : ''
  const several = activation === 'sigmoid' ? 'several labels a text' : 'one label a text'
  const line =
    `${output}/${HEAD_FILE}: ${names.classifier} (${source}, ${several}), ` +
    `${formatCount(labels.length, 'label')}: ${shown}${more}`
  if (isPublished) return line
  return [
    line,
    `Next: espalier publish ${output} --kind embedding`,
    `      espalier publish ${output} --kind classifier --name ${names.classifier} --promote`,
  ].join('\n')
}

/** What was made, for programs: the manifest, the classifier, and the versions by their names. */
export function describe(
  manifest: EncoderManifest,
  classifier: OwnClassifier | null,
  published: readonly Published[],
): object {
  const [encoder, head] = published
  return {
    ...manifest,
    ...(encoder && { model: encoder.model }),
    ...(classifier && {
      classifier: {
        ...(head && { model: head.model }),
        source: classifier.source,
        labels: classifier.labels,
        multiLabel: classifier.activation === 'sigmoid',
      },
    }),
  }
}

function nameOf(folder: string): string {
  return basename(resolve(folder))
}

function parse(name: string, option: string): string {
  return parseBareName(name, 'export', `set ${option}`)
}
