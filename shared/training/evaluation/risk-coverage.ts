import { exactInterval } from './intervals.ts'

/** Error among the rows that are answered when only the surest are. */
export interface RiskPoint {
  /** Share of the rows that are answered. */
  readonly coverage: number
  /** Share of wrong answers among them, with its exact 95 % interval. */
  readonly risk: number
  readonly low: number
  readonly high: number
  /** Confidence that an answer must reach. */
  readonly confidence: number
}

/** How much may be answered at an error. */
export interface CoverageAtRisk {
  readonly risk: number
  /** Largest share of the rows that can be answered so; 0 where there is none. */
  readonly coverage: number
  /** Confidence that an answer must reach; null where nothing can be answered so. */
  readonly confidence: number | null
  /** Exact 95 % interval of the error of these answers; 0 to 1 where there are none. */
  readonly low: number
  readonly high: number
}

export interface RiskCoverage {
  /** From few answers to all; thinned. */
  readonly points: readonly RiskPoint[]
  /** Mean error over all shares of answered rows. */
  readonly area: number
  /** The area where every wrong answer was less sure than every right one. */
  readonly bestArea: number
  readonly atRisk: readonly CoverageAtRisk[]
}

/** Errors at which the coverage is told. */
const RISKS = [0.01, 0.02, 0.05] as const
const POINTS = 40

/**
 * The risk-coverage curve (El-Yaniv and Wiener 2010) with its area (AURC, Geifman and El-Yaniv 2017): rows are answered
 * from the surest on. Rows of equal confidence are answered together; the area counts them as in a random order.
 * @param confidences shape [rows]
 * @param right shape [rows]: 1 where the answer is right
 */
export function measureRiskCoverage(confidences: Float64Array, right: Uint8Array): RiskCoverage {
  const rows = confidences.length
  const order = Int32Array.from(right.keys()).sort((a, b) => confidences[b]! - confidences[a]!)
  const blocks: {
    readonly answered: number
    readonly wrong: number
    readonly confidence: number
  }[] = []
  let area = 0
  let [answered, wrong] = [0, 0]
  while (answered < rows) {
    const confidence = confidences[order[answered]!]!
    let [size, errors] = [0, 0]
    while (answered + size < rows && confidences[order[answered + size]!] === confidence) {
      errors += 1 - right[order[answered + size]!]!
      size++
    }
    for (let i = 1; i <= size; i++) area += (wrong + (errors * i) / size) / (answered + i)
    answered += size
    wrong += errors
    blocks.push({ answered, wrong, confidence })
  }
  return {
    points: thin(blocks, POINTS).map(({ answered, wrong, confidence }) => {
      const { low, high } = exactInterval(wrong, answered)
      return { coverage: answered / rows, risk: wrong / answered, low, high, confidence }
    }),
    area: rows === 0 ? 0 : area / rows,
    bestArea: bestArea(rows, wrong),
    atRisk: RISKS.map((risk) => {
      const last = blocks.findLast((block) => block.wrong <= risk * block.answered)
      if (last === undefined) return { risk, coverage: 0, confidence: null, low: 0, high: 1 }
      const { answered, wrong, confidence } = last
      const { low, high } = exactInterval(wrong, answered)
      return { risk, coverage: answered / rows, confidence, low, high }
    }),
  }
}

function bestArea(rows: number, wrong: number): number {
  let area = 0
  for (let errors = 1; errors <= wrong; errors++) area += errors / (rows - wrong + errors)
  return rows === 0 ? 0 : area / rows
}

/** About so many of the blocks at even steps of the rows that are answered, the last among them. */
function thin<Block extends { readonly answered: number }>(
  blocks: readonly Block[],
  count: number,
): Block[] {
  const rows = blocks.at(-1)?.answered ?? 0
  const kept: Block[] = []
  for (const block of blocks) {
    const step = Math.floor((block.answered * count) / rows)
    const before = kept.at(-1)
    if (before === undefined || step > Math.floor((before.answered * count) / rows))
      kept.push(block)
  }
  return kept
}
