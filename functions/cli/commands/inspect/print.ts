import { type EspalierError, printError } from '../../../../shared/lib/errors.ts'
import { print, type Wording } from '../../../../shared/lib/wording.ts'
import type { Boot } from '../../../boot/types.ts'
import { formatBytes, formatCount } from '../../output/number-format.ts'
import { COMMAND_LINE, toOneLine } from '../../output/report-error.ts'

type FolderInspection = Awaited<ReturnType<Boot['inspectFolder']>>

/** Labels shown. */
const MAX_LABELS = 8

const said = (wording: Wording): string => print(wording, COMMAND_LINE)

/** What was found, for `--json`. */
export function inspectionToJson(folder: string, found: FolderInspection) {
  const { network, tokenizer, onnxFiles, survey, encoder, notes, questions, faults } = found
  const sentence = survey?.sentence
  return {
    folder,
    modality: 'text',
    exports: encoder !== null,
    ...{ network, tokenizer, onnxFiles },
    maxTokens: survey?.maxTokens ?? null,
    pooling: sentence?.pooling ?? null,
    normalize: sentence?.normalize ?? null,
    dense: sentence?.dense ? { outputs: sentence.dense.outputs } : null,
    prompts: sentence?.prompts ?? {},
    defaultPrompt: sentence?.defaultPrompt ?? null,
    outputLayer: survey?.outputLayer ?? null,
    known: survey?.known ? describeKnown(survey.known) : null,
    encoder,
    classifier: survey?.classifier ? describeClassifier(survey.classifier) : null,
    notes: notes.map(said),
    questions: questions.map(({ about, wording }) => ({ about, message: said(wording) })),
    faults: faults.map((fault) => ({
      code: fault.code,
      message: toOneLine(printError(fault, COMMAND_LINE)),
    })),
  }
}

/** What was found, for people: facts in a table, then what stands in the way. */
export function describeInspection(folder: string, found: FolderInspection): string[] {
  const facts = [...describeFiles(found), ...describeMeaning(found)]
  const width = Math.max(...facts.map(([name]) => name.length))
  const { survey, encoder, notes, questions, faults } = found
  const classifier = survey?.classifier
  return [
    `${folder}: ${encoder === null ? 'not exported as it is' : 'a text encoder'}`,
    ...facts.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    ...notes.map((note) => `note: ${said(note)}`),
    ...questions.map(({ wording }) => `open: ${toOneLine(said(wording))}`),
    ...faults.map(describeFault),
    ...(encoder === null ? [] : [describeEncoder(encoder)]),
    ...(encoder === null || !classifier ? [] : [tellClassifier(describeClassifier(classifier))]),
  ]
}

/** What an export is refused for. */
export function describeFault(fault: EspalierError): string {
  return `refused: ${toOneLine(printError(fault, COMMAND_LINE))}`
}

type Fact = readonly [name: string, value: string]

function describeFiles({ network, tokenizer, onnxFiles }: FolderInspection): Fact[] {
  const facts: Fact[] = []
  if (network !== null) {
    const { architecture, shape, parameters, types, file } = network
    const sizes = Object.entries(shape).map(([name, size]) => `${name} ${size}`)
    facts.push(['network', [architecture, ...sizes].join(', ')])
    facts.push(['weights', `${file}: ${formatParameters(parameters)}, ${types.join(', ')}`])
  }
  for (const { file, bytes, precision, isDynamic, inputs, outputs } of onnxFiles) {
    const kind = isDynamic ? `${precision}, quantised dynamically` : precision
    const edges = `${inputs.join(', ')} → ${outputs.join(', ')}`
    facts.push(['ONNX file', `${file}: ${kind}, ${formatBytes(bytes)}, ${edges}`])
  }
  if (tokenizer !== null) {
    const { file, kind, vocabulary } = tokenizer
    facts.push(['tokenizer', `${file}: ${kind}, ${formatCount(vocabulary, 'piece')}`])
  }
  return facts
}

function describeMeaning({ survey }: FolderInspection): Fact[] {
  if (survey === null) return []
  const { sentence, maxTokens, outputLayer, known } = survey
  const { pooling, normalize, dense, prompts, defaultPrompt } = sentence
  const behind = [
    ...(dense ? [`Dense to ${dense.outputs}`] : []),
    ...(normalize ? ['L2 norm'] : []),
  ]
  const named = Object.entries(prompts).map(([name, text]) => {
    return `${name}=${JSON.stringify(text)}${name === defaultPrompt ? ' (default)' : ''}`
  })
  const facts: Fact[] = [
    ['pooling', [pooling ?? 'not said', ...behind].join(', then ')],
    ['tokens', maxTokens === null ? 'not said' : `${maxTokens}`],
    ['prompts', named.length === 0 ? 'none' : named.join(', ')],
  ]
  if (outputLayer !== null) {
    const { kind, evidence, labels } = outputLayer
    const count = labels.length > 0 ? `, ${formatCount(labels.length, 'label')}` : ''
    facts.push(['above it', `${kind} (${evidence}${count})`])
  }
  if (known !== null) facts.push(['known as', describeKnown(known)])
  return facts
}

function describeKnown(known: NonNullable<NonNullable<FolderInspection['survey']>['known']>) {
  const { family, isSure } = known
  return isSure ? family.source : `perhaps ${family.source}, by its name alone`
}

function describeEncoder({
  name,
  dimension,
  maxTokens,
  pooling,
  precisions,
}: NonNullable<FolderInspection['encoder']>): string {
  return (
    `export: ${name}, ${dimension} dimensions, ${maxTokens} tokens, ${pooling} pooling, ` +
    `in ${precisions.join(', ')}`
  )
}

/** The classifier that an export takes along. */
function describeClassifier({
  source,
  labels,
  activation,
}: NonNullable<NonNullable<FolderInspection['survey']>['classifier']>) {
  return { source, labels, multiLabel: activation === 'sigmoid' }
}

function tellClassifier(classifier: ReturnType<typeof describeClassifier>): string {
  const { source, labels, multiLabel } = classifier
  const several = multiLabel ? 'several labels a text' : 'one label a text'
  const shown = labels.slice(0, MAX_LABELS).join(', ')
  const more = labels.length > MAX_LABELS ? ', …' : ''
  return `export: its classifier (${source}, ${several}), ${formatCount(labels.length, 'label')}: ${shown}${more}`
}

function formatParameters(count: number): string {
  if (count < 1e6) return `${count} parameters`
  return `${(count / 1e6).toFixed(1)} M parameters`
}
