/**
 * Parameters of what can be asked that messages speak of. Each is an option of some command; other surfaces have their
 * own names for them, or none.
 */
export const OPTIONS = [
  'allow-regex',
  'calibration',
  'delimiter',
  'encoder',
  'encoder-name',
  'encoding',
  'environment',
  'epochs',
  'features',
  'flip',
  'format',
  'from-layer',
  'full',
  'group-column',
  'head-learning-rate',
  'headless',
  'image-column',
  'keep-tokens',
  'kind',
  'label-column',
  'label-columns',
  'label-separator',
  'label-smoothing',
  'layer',
  'layers',
  'learning-rate',
  'loss',
  'max-tokens',
  'multi-label',
  'name',
  'near-duplicates',
  'no-header',
  'offline-ok',
  'onnx',
  'output',
  'pooling',
  'precision',
  'prompt',
  'precision-at',
  'sheet',
  'skip-empty',
  'target-labels',
  'test',
  'text-column',
  'time-column',
  'truncation-direction',
  'windows',
] as const

/** One of the parameters above. */
export type OptionName = (typeof OPTIONS)[number]

/** What can be asked for beside serving, by the words of its command. */
export const TASKS = [
  'delete',
  'export',
  'finetune',
  'keys create',
  'layers',
  'models',
  'promote',
  'publish',
  'train',
] as const

/** One of the tasks above. */
export type TaskName = (typeof TASKS)[number]

/** A parameter, with the value that was given or is to be given. */
export interface OptionHole {
  readonly hole: 'option'
  readonly name: OptionName
  readonly value?: string
}

/** Something to ask for: `promote intent@v7` with the alias `champion`. */
export interface TaskHole {
  readonly hole: 'task'
  readonly name: TaskName
  readonly target?: string
  /** By name; true for a parameter without a value. */
  readonly options?: Readonly<Record<string, string | true>>
}

/** What is said where tasks can be asked for, and what is said elsewhere. */
export interface HintHole {
  readonly hole: 'hint'
  readonly wording: Wording
  readonly otherwise: Wording
}

/** A place in a message that whoever shows it fills. */
export type Hole = OptionHole | TaskHole | HintHole

/** A message as data: texts, and holes between them. It survives JSON and worker threads. */
export type Wording = readonly (string | Hole)[]

/** How one surface names what the holes stand for. */
export interface Surface {
  readonly option: (option: OptionHole) => string
  /** Null for a task that cannot be asked for here. */
  readonly task: (task: TaskHole) => string | null
}

/** Names parameters by their bare words and knows no tasks: for logs, and for whoever sets no surface. */
export const PLAIN: Surface = {
  option: ({ name, value }) => (value === undefined ? name : `${name} ${value}`),
  task: () => null,
}

/** A message of the texts and holes of a template: say`give it another ${option('name')}`. */
export function say(
  texts: TemplateStringsArray,
  ...values: readonly (string | number | Hole | Wording)[]
): Wording {
  return texts.flatMap((text, i) => {
    const value = values[i] ?? ''
    return [text, ...(typeof value === 'object' ? [value].flat() : [String(value)])]
  })
}

/** The hole for a parameter: `--layers 3`, `"layers" 3`. */
export function option(name: OptionName, value?: string | number): OptionHole {
  return { hole: 'option', name, ...(value !== undefined && { value: String(value) }) }
}

/** The hole for a task: `"espalier promote intent@v7 --alias champion"`. */
export function task(
  name: TaskName,
  target?: string,
  options?: Readonly<Record<string, string | true>>,
): TaskHole {
  return {
    hole: 'task',
    name,
    ...(target !== undefined && { target }),
    ...(options && { options }),
  }
}

/** A clause about tasks, which is replaced where one of them cannot be asked for. */
export function hint(wording: Wording, otherwise: string | Wording = ''): HintHole {
  return { hole: 'hint', wording, otherwise: toWording(otherwise) }
}

/** A text as a message without holes. */
export function toWording(message: string | Wording): Wording {
  return typeof message === 'string' ? [message] : message
}

/** The text of a message on one surface. */
export function print(message: string | Wording, surface: Surface = PLAIN): string {
  return toWording(message)
    .map((part) => (typeof part === 'string' ? part : printHole(part, surface)))
    .join('')
}

function printHole(hole: Hole, surface: Surface): string {
  if (hole.hole === 'option') return surface.option(hole)
  if (hole.hole === 'hint') {
    return print(canSay(hole.wording, surface) ? hole.wording : hole.otherwise, surface)
  }
  return surface.task(hole) ?? [hole.name, hole.target].filter(Boolean).join(' ')
}

function canSay(wording: Wording, { task }: Surface): boolean {
  return wording.every(
    (part) => typeof part === 'string' || part.hole !== 'task' || task(part) !== null,
  )
}
