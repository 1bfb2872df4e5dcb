import type { MethodModule } from '../methods/method.ts'

/** One way to fit a head. */
export interface MethodEntry {
  /** What it fits, for help and docs: a phrase without a full stop. */
  readonly fits: string
  /** Whether a row may have several labels; the other methods need exactly one. */
  readonly severalLabels: boolean
  /** Whether it keeps training embeddings in the head, for votes of neighbours. */
  readonly memory: boolean
  /** Whether `auto` tries it. */
  readonly inAuto: boolean
  /** Loads the code, so that whoever only lists the methods does not. */
  readonly load: () => Promise<MethodModule>
}

/** The table of methods: all that names, lists, help, messages and docs follow from. Simpler methods stand first. */
export const METHOD_TABLE = {
  softmax: {
    fits: 'L2-regularised multinomial logistic regression, its strength chosen by cross-validation from 1e-7 to 1e-1; sigmoids for several labels',
    severalLabels: true,
    memory: false,
    inAuto: true,
    load: () => import('../methods/softmax.ts'),
  },
  lda: {
    fits: 'linear discriminant analysis, covariance shrunk by a chosen amount or after Ledoit and Wolf (2004)',
    severalLabels: false,
    memory: false,
    inAuto: true,
    load: () => import('../methods/lda.ts'),
  },
  ncm: {
    fits: 'nearest class mean',
    severalLabels: false,
    memory: false,
    inAuto: true,
    load: () => import('../methods/ncm.ts'),
  },
  ridge: {
    fits: 'regression on the labels, its strength by exact leave-one-out, with all that stays together left out together',
    severalLabels: false,
    memory: false,
    inAuto: true,
    load: () => import('../methods/ridge.ts'),
  },
  knn: {
    fits: 'votes of the nearest training rows',
    severalLabels: false,
    memory: true,
    inAuto: true,
    load: () => import('../methods/knn.ts'),
  },
} as const satisfies Readonly<Record<string, MethodEntry>>

/** A method of the table. */
export type FittedMethod = keyof typeof METHOD_TABLE
/** What may be asked for: a method of the table, or `auto`, which chooses among them. */
export type Method = 'auto' | FittedMethod

/** The methods of the table, in its order. */
export const FITTED_METHODS = Object.keys(METHOD_TABLE) as readonly FittedMethod[]
/** What may be asked for, the default first. */
export const METHODS: readonly Method[] = ['auto', ...FITTED_METHODS]

const TRIED = FITTED_METHODS.filter((name) => METHOD_TABLE[name].inAuto)
const TRIED_NAMES = TRIED.length === FITTED_METHODS.length ? 'all of these' : TRIED.join(', ')
const AUTO_FITS = `${TRIED_NAMES}, and blends of softmax with LDA and with the votes; the blend with LDA stays unless another is clearly likelier on held-out rows`

/** What a method fits, for help and docs. */
export function describeMethod(method: Method): string {
  return method === 'auto' ? AUTO_FITS : METHOD_TABLE[method].fits
}

/** Every method with what it fits, one a line, for the help of commands. */
export function listMethods(): string {
  const width = 2 + Math.max(...METHODS.map((name) => name.length))
  return METHODS.map((name) => `  ${name.padEnd(width)}${describeMethod(name)}`).join('\n')
}
