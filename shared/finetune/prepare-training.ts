import type { Session } from '../runtime/session.ts'
import { outputDimension } from './affine-head.ts'
import { availableBytes } from './available-memory.ts'
import { widthOf } from './batches.ts'
import { embedRows, type JudgedRows } from './evaluate-rows.ts'
import type { FineTuneProgress, FineTuneRequest, LabelledTexts } from './fine-tune-types.ts'
import type { GraphFolder } from './graph-folder.ts'
import { drawHead, prototypeHead } from './initial-head.ts'
import { sample } from './judge.ts'
import type { MemoryBook } from './memory-book.ts'
import { assertFits, type MemoryPlan, planMemory } from './predict-memory.ts'
import { type Base, readBase, weightBytes } from './read-base.ts'
import { createStateSource, createTokenSource } from './row-source.ts'
import { cancelledEarly, type FineTuneTools } from './run-fine-tune.ts'
import { cacheBytes, fillStateRows } from './state-cache.ts'
import { type TokenRows, tokenizeRows } from './token-rows.ts'
import { buildLowerGraph, buildScoringGraph, buildTrainingGraph } from './training-graph.ts'
import type { LowerGraph, ScoringGraph, TrainingGraph, TrainingGraphOptions } from './types.ts'

/** All that training needs, in memory. */
export interface PreparedTraining {
  readonly base: Base
  readonly options: TrainingGraphOptions
  readonly training: TrainingGraph
  readonly trainingSession: Session
  readonly scoring: ScoringGraph
  readonly scoringSession: Session
  readonly train: JudgedRows
  readonly validation: JudgedRows
  readonly truncated: { readonly train: number; readonly validation: number }
  readonly memory: MemoryPlan
  readonly timings: { readonly readMs: number; readonly cacheMs: number }
}

/** What preparing needs. */
export interface PrepareTools extends FineTuneTools {
  readonly folder: GraphFolder
  readonly book: MemoryBook
}
